// SPDX-License-Identifier: Apache-2.0

package webpush_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// only returns the one answer that a device got.
func only(t *testing.T, d *routertest.Device) *stanza.Stanza {
	t.Helper()
	list := d.Take()
	if len(list) != 1 {
		t.Fatalf("%v got %d stanzas", d.JID, len(list))
	}
	return list[0]
}

// reason is why a test failed, with the type of its error.
func reason(st *stanza.Stanza) string {
	if st.Type == "result" {
		return ""
	}
	e, _ := st.Child("jabber:client", "error")
	if f, ok := e.Child("https://kith.im/ns/webpush/0", "failure"); ok {
		return strings.Join(strings.Fields(e.Attr("type")+" "+f.Attr("reason")+" "+f.Attr("status")), " ")
	}
	return stanza.ParseError(st).Condition
}

// TestTest holds what somebody hears who tries a push, and what that does to the registration.
func TestTest(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		d := w.Come("romeo/web", 0)
		b := w.Browser("web")
		b.Enable(d, "")
		try := func(more string) string {
			time.Sleep(time.Minute)
			d.Sendf(`<iq type="set" id="t"><test xmlns="https://kith.im/ns/webpush/0"%s/></iq>`, more)
			w.Settle()
			return reason(only(t, d))
		}
		if got := try(""); got != "" {
			t.Errorf("a test failed: %s", got)
		}
		p := b.Take()
		if len(p) != 1 || p[0].Payload.Attr("kind") != "test" || p[0].Header.Get("Urgency") != "high" || p[0].Header.Get("Topic") != "" ||
			p[0].Header.Get("TTL") != "60" {
			t.Fatalf("came %+v", p)
		}
		for _, c := range []struct {
			status int
			want   string
		}{
			{429, "wait busy 429"}, {500, "wait busy 500"}, {400, "cancel refused 400"}, {403, "cancel refused 403"},
			{302, "cancel refused 302"}, {413, "cancel refused 413"},
		} {
			b.Answer(c.status)
			if got := try(""); got != c.want {
				t.Errorf("%d: %q, want %q", c.status, got, c.want)
			}
		}
		list := w.Push.Of(w.Account("romeo"))
		if list[0].Failures != 6 || list[0].Error != "refused" || list[0].Sent.IsZero() || list[0].Failed.IsZero() {
			t.Errorf("its health is %+v", list[0])
		}
		if got := try(` id="12345"`); got != "item-not-found" {
			t.Errorf("of another: %s", got)
		}
		b.Answer(410)
		if got := try(""); got != "cancel gone 410" {
			t.Errorf("410: %s", got)
		}
		if got := try(""); got != "item-not-found" {
			t.Errorf("what is gone: %s", got)
		}
	})
}

// TestTestOften holds that nobody tries without end.
func TestTestOften(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		d := w.Come("romeo/web", 0)
		w.Browser("web").Enable(d, "")
		failed := 0
		for range 8 {
			d.Sendf(`<iq type="set" id="t"><test xmlns="https://kith.im/ns/webpush/0"/></iq>`)
		}
		w.Settle()
		for _, st := range d.Take() {
			if got := reason(st); got == "resource-constraint" {
				failed++
			}
		}
		if failed != 3 {
			t.Errorf("%d of 8 were refused", failed)
		}
	})
}

// TestHeaders holds how urgent each kind is, for how long it is kept, and what takes its place.
func TestHeaders(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		phone, tablet := w.Browser("phone"), w.Browser("tablet")
		for name, b := range map[string]*routertest.Browser{"phone": phone, "tablet": tablet} {
			d := w.BindWith("romeo/"+name, name, session.ClientCredit())
			b.Enable(d, "")
			d.Leave()
		}
		juliet := w.Come("juliet/desk", 0)
		send := func(format string) (http.Header, http.Header) {
			t.Helper()
			juliet.Sendf("%s", strings.ReplaceAll(format, `'`, `"`))
			w.Settle()
			time.Sleep(2 * time.Second)
			p, q := phone.Take(), tablet.Take()
			if len(p) != 1 || len(q) != 1 {
				t.Fatalf("%s: came %d and %d", format, len(p), len(q))
			}
			return p[0].Header, q[0].Header
		}
		a, other := send(`<message to='romeo@' type='chat'><body>one</body></message>`)
		b, _ := send(`<message to='romeo@' type='chat'><body>two</body></message>`)
		c, _ := send(`<message to='romeo@' type='chat'><propose xmlns='urn:xmpp:jingle-message:0' id='c1'/></message>`)
		e, _ := send(`<message to='romeo@' type='chat'><retract xmlns='urn:xmpp:jingle-message:0' id='c1'/></message>`)
		q, _ := send(`<presence type='subscribe' to='romeo@'/>`)
		for _, x := range []struct {
			name         string
			h            http.Header
			urgency, ttl string
		}{
			{"message", a, "high", "259200"}, {"call", c, "high", "45"}, {"missed call", e, "high", "86400"}, {"request", q, "normal", "604800"},
		} {
			if got := x.h.Get("Urgency"); got != x.urgency {
				t.Errorf("%s: urgency %s", x.name, got)
			}
			if got := x.h.Get("TTL"); got != x.ttl {
				t.Errorf("%s: TTL %s", x.name, got)
			}
			if got := x.h.Get("Topic"); len(got) != 32 {
				t.Errorf("%s: topic %q", x.name, got)
			}
		}
		topic := func(h http.Header) string { return h.Get("Topic") }
		if topic(a) != topic(b) || topic(c) != topic(e) || topic(a) == topic(c) || topic(a) == topic(q) {
			t.Error("the wrong pushes take each other's places")
		}
		if topic(a) == topic(other) {
			t.Error("the push service can tell that two browsers have the same chat")
		}
	})
}

// TestEnds holds what ends a registration, beside its client.
func TestEnds(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Account("romeo")
		bind := func() *routertest.Device {
			d := w.BindWith("romeo/web", "web", session.ClientCredit())
			w.Settle()
			return d
		}
		d := bind()
		b := w.Browser("web")
		b.Enable(d, "")
		b.Answer(404)
		d.Leave()
		juliet := w.Come("juliet/desk", 0)
		juliet.Sendf(`<message to="romeo@" type="chat"><body>one</body></message>`)
		w.Settle()
		if n := len(w.Push.Of(romeo)); n != 0 {
			t.Errorf("the endpoint is gone, and there are %d", n)
		}

		d = bind()
		b.Enable(d, "")
		err := w.DB.Write(w.T.Context(), func(tx *db.Tx) error { return w.Push.Forget(tx, romeo, w.Push.Of(romeo)[0].Client) })
		if err != nil || len(w.Push.Of(romeo)) != 0 {
			t.Errorf("signed out: %v, %v", err, w.Push.Of(romeo))
		}

		// Another browser of the same client takes its place, and so does the same browser of another client.
		b.Enable(d, "")
		w.Browser("other").Enable(d, "")
		w.Settle()
		if list := w.Push.Of(romeo); len(list) != 1 || list[0].Service != "https://push.example/other" || list[0].Kind != push.Web {
			t.Errorf("there are %+v", list)
		}
	})
}

// TestWanted holds that what is not wanted does not come.
func TestWanted(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		d := w.BindWith("romeo/web", "web", session.ClientCredit())
		b := w.Browser("web")
		b.Enable(d, `<match kind="message"/><mute jid="juliet@"/>`)
		d.Leave()
		juliet, mercutio := w.Come("juliet/desk", 0), w.Come("mercutio/desk", 0)
		for _, x := range []*routertest.Device{juliet, mercutio} {
			x.Sendf(`<message to="romeo@" type="chat"><body>%s</body></message>`, x.JID.Local())
			x.Sendf(`<message to="romeo@" type="chat"><propose xmlns="urn:xmpp:jingle-message:0" id="c1"/></message>`)
		}
		w.Settle()
		p := b.Take()
		if len(p) != 1 || p[0].Payload.Attr("chat") != "mercutio@kith.example" || p[0].Payload.Attr("kind") != "message" {
			t.Errorf("came %d", len(p))
		}
	})
}
