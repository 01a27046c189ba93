// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// away is a device that is bound and not available.
const away = -200

// TestDelivery is the table of what happens to a message (RFC 6121 §8.5).
func TestDelivery(t *testing.T) {
	type devices map[string]int // resource: priority, or away
	some := devices{"a": 0, "b": 5, "low": -1, "bound": away}
	for _, c := range []struct {
		name    string
		to      string // resource, "" for the bare address
		typ     string
		extra   string
		devices devices
		got     string // resources, in order
		err     string // condition that the sender gets
		waits   bool
	}{
		{"bare chat", "", "chat", "", some, "a b", "", false},
		{"bare normal", "", "normal", "", some, "a b", "", false},
		{"bare without type", "", "", "", some, "a b", "", false},
		{"bare of an unknown type is normal", "", "fancy", "", some, "a b", "", false},
		{"bare chat to nobody waits", "", "chat", "", devices{"low": -1, "bound": away}, "", "", true},
		{"bare normal to nobody waits", "", "normal", "", nil, "", "", true},
		{"bare headline", "", "headline", "", some, "a b", "", false},
		{"bare headline to nobody is dropped", "", "headline", "", devices{"low": -1}, "", "", false},
		{"bare groupchat", "", "groupchat", "", some, "", "service-unavailable", false},
		{"bare error is dropped", "", "error", "", some, "", "", false},
		{"full chat", "b", "chat", "", some, "b", "", false},
		{"full with a priority below zero", "low", "chat", "", some, "low", "", false},
		{"full that is not available", "bound", "normal", "", some, "bound", "", false},
		{"full groupchat", "b", "groupchat", "", some, "b", "", false},
		{"full headline", "low", "headline", "", some, "low", "", false},
		{"full error", "b", "error", "", some, "b", "", false},
		{"no match chat is as bare", "gone", "chat", "", some, "a b", "", false},
		{"no match chat to nobody waits", "gone", "chat", "", nil, "", "", true},
		{"no match chat of a group", "gone", "chat", `<x xmlns="http://jabber.org/protocol/muc#user"/>`, some, "", "service-unavailable", false},
		{"no match normal", "gone", "normal", "", some, "", "service-unavailable", false},
		{"no match groupchat", "gone", "groupchat", "", some, "", "service-unavailable", false},
		{"no match headline is dropped", "gone", "headline", "", some, "", "", false},
		{"no match error is dropped", "gone", "error", "", some, "", "", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) {
				w.Account("juliet")
				bound := map[string]*routertest.Device{}
				for _, r := range []string{"a", "b", "low", "bound"} {
					switch p, ok := c.devices[r]; {
					case ok && p == away:
						bound[r] = w.Bind("juliet/" + r)
					case ok:
						bound[r] = w.Come("juliet/"+r, p)
					}
				}
				w.Settle()
				for _, d := range bound {
					d.Take()
				}
				romeo := w.Bind("romeo/desk")
				to := "juliet@"
				if c.to != "" {
					to += "/" + c.to
				}
				inner := "<body>hi</body>" + c.extra
				if c.typ == "error" {
					inner += `<error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`
				}
				romeo.Sendf(`<message to="%s" type="%s" id="1">%s</message>`, to, c.typ, inner)
				w.Settle()

				var got []string
				for r, d := range bound {
					if n := len(d.Take()); n > 0 {
						got = append(got, r+strings.Repeat("!", n-1))
					}
				}
				slices.Sort(got)
				if g := strings.Join(got, " "); g != c.got {
					w.T.Errorf("got it: %q, want %q", g, c.got)
				}
				if g := conditions(romeo.Take()); g != c.err {
					w.T.Errorf("the sender got %q, want %q", g, c.err)
				}
				if g := len(waiting(w, "juliet")) == 1; g != c.waits {
					w.T.Errorf("waits: %v, want %v", g, c.waits)
				}
				noTransit(w)
			})
		})
	}
}

// TestNoAccount holds that nobody can tell an account that does not exist from one that refuses.
func TestNoAccount(t *testing.T) {
	for _, c := range []struct{ stanza, want string }{
		{`<message to="nobody@" type="chat" id="1"><body>hi</body></message>`, "service-unavailable"},
		{`<message to="nobody@/x" type="chat" id="1"><body>hi</body></message>`, "service-unavailable"},
		{`<message to="nobody@" id="1"><body>hi</body></message>`, "service-unavailable"},
		{`<message to="nobody@" type="groupchat" id="1"><body>hi</body></message>`, "service-unavailable"},
		{`<message to="nobody@" type="headline" id="1"><body>hi</body></message>`, ""},
		{`<iq to="nobody@" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "service-unavailable"},
		{`<iq to="nobody@/x" type="set" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "service-unavailable"},
		{`<iq to="nobody@/x" type="result" id="1"/>`, ""},
		{`<presence to="nobody@" id="1"/>`, ""},
		{`<message to="juliet@elsewhere.example" type="chat" id="1"><body>hi</body></message>`, "remote-server-not-found"},
		{`<iq to="elsewhere.example" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "remote-server-not-found"},
		{`<message to="kith.example" type="chat" id="1"><body>hi</body></message>`, "service-unavailable"},
	} {
		t.Run(c.stanza, func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) {
				romeo := w.Bind("romeo/desk")
				romeo.Sendf("%s", c.stanza)
				w.Settle()
				if got := conditions(romeo.Take()); got != c.want {
					w.T.Errorf("got %q, want %q", got, c.want)
				}
				noTransit(w)
			})
		})
	}
}

// TestSelf holds the rules of a message to oneself: one record, and no copy for the device that sent it.
func TestSelf(t *testing.T) {
	for _, c := range []struct{ to, desk, phone string }{
		{``, "", "note"},
		{`to="romeo@"`, "", "note"},
		{`to="romeo@/phone"`, "", "note"},
		{`to="romeo@/desk"`, "note", ""},
	} {
		t.Run(c.to, func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) {
				desk, phone := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0)
				desk.Take()
				desk.Sendf(`<message %s type="chat"><body>note</body></message>`, c.to)
				w.Settle()
				if got := strings.Join(desk.Bodies(), " "); got != c.desk {
					w.T.Errorf("desk got %q, want %q", got, c.desk)
				}
				if got := strings.Join(phone.Bodies(), " "); got != c.phone {
					w.T.Errorf("phone got %q, want %q", got, c.phone)
				}
				if n := len(entries(w, "romeo")); n != 1 {
					w.T.Errorf("%d records, want 1", n)
				}
				noTransit(w)
			})
		})
	}
}

// TestIDs holds that each side's devices learn their own archive's id, and nobody can forge one.
func TestIDs(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		juliet, romeo := w.Come("juliet/a", 0), w.Come("romeo/desk", 0)
		romeo.Sendf(`<message to="juliet@" type="chat"><body>hi</body>
			<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@" id="forged"/><stanza-id xmlns="urn:xmpp:sid:0" by="romeo@" id="forged"/>
			<delay xmlns="urn:xmpp:delay" from="kith.example" stamp="2001-01-01T00:00:00Z"/></message>`)
		w.Settle()
		got := juliet.Take()
		if len(got) != 1 {
			w.T.Fatalf("got %d stanzas", len(got))
		}
		var ids []string
		for n := range got[0].Children() {
			switch {
			case n.Is("urn:xmpp:sid:0", "stanza-id"):
				ids = append(ids, n.Attr("by")+" "+n.Attr("id"))
			case n.Is("urn:xmpp:delay", "delay"):
				w.T.Errorf("a forged delay passed")
			}
		}
		want := []string{"juliet@kith.example " + entries(w, "juliet")[0].ID.String()}
		if d := cmp.Diff(want, ids); d != "" {
			w.T.Errorf("ids (-want +got):\n%s", d)
		}
		if n := len(entries(w, "romeo")); n != 1 {
			w.T.Errorf("romeo has %d records, want 1", n)
		}
	})
}

// TestReplaced holds that a new device with the address, or the client id, of an old one ends that (RFC 6120 §7.7.2.2).
func TestReplaced(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		old := w.Come("juliet/a", 0)
		young := w.Come("juliet/a", 0)
		romeo := w.Bind("romeo/desk")
		romeo.Sendf(`<message to="juliet@/a" type="chat"><body>hi</body></message>`)
		w.Settle()
		if got := old.Take(); len(got) != 0 {
			w.T.Errorf("the old device got %s", got[0].Raw())
		}
		if got := young.Bodies(); len(got) != 1 {
			w.T.Errorf("the new device got %v", got)
		}
	})
}

// TestRequests holds how requests between devices end (RFC 6120 §8.2.3, RFC 6121 §8.5.3.2.3).
func TestRequests(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("juliet", "romeo") // what a stranger asks does not reach a device
		juliet, romeo := w.Bind("juliet/a"), w.Bind("romeo/desk")
		juliet.Manage()
		romeo.Sendf(`<iq to="juliet@/gone" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
		w.Settle()
		if got := conditions(romeo.Take()); got != "service-unavailable" {
			w.T.Errorf("a device that is not there: %q", got)
		}
		romeo.Sendf(`<iq to="juliet@/a" type="get" id="2"><ping xmlns="urn:xmpp:ping"/></iq>`)
		w.Settle()
		if got := juliet.Take(); len(got) != 1 || got[0].From != romeo.JID || got[0].ID != "2" {
			w.T.Fatalf("juliet got %v", got)
		}
		juliet.Leave() // without having acknowledged it
		w.Settle()
		if got := conditions(romeo.Take()); got != "recipient-unavailable" {
			w.T.Errorf("a device that left: %q", got)
		}
	})
}

// TestOrder holds that what one device sends to one address comes in the order in which it was sent, of whatever kind,
// recorded or not (RFC 6120 §10.1).
func TestOrder(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("juliet", "romeo")
		juliet, romeo := w.Come("juliet/a", 0), w.Bind("romeo/desk")
		const n = 200
		for i := range n {
			switch i % 4 {
			case 0:
				romeo.Sendf(`<message to="juliet@/a" type="chat" id="%d"><body>hi</body></message>`, i)
			case 1:
				romeo.Sendf(`<message to="juliet@/a" type="chat" id="%d"><active xmlns="http://jabber.org/protocol/chatstates"/></message>`, i)
			case 2:
				romeo.Sendf(`<iq to="juliet@/a" type="get" id="%d"><ping xmlns="urn:xmpp:ping"/></iq>`, i)
			case 3:
				romeo.Sendf(`<presence to="juliet@/a" id="%d"/>`, i)
			}
		}
		w.Settle()
		var got []string
		for _, st := range juliet.Take() {
			got = append(got, st.ID)
		}
		var want []string
		for i := range n {
			want = append(want, fmt.Sprint(i))
		}
		if d := cmp.Diff(want, got); d != "" {
			w.T.Errorf("order (-want +got):\n%s", d)
		}
	})
}

// conditions joins those of the errors in a list, and names what is no error.
func conditions(list []*stanza.Stanza) string {
	var all []string
	for _, st := range list {
		e, ok := st.Child(xmlstream.NSClient, "error")
		if st.Type != "error" || !ok {
			all = append(all, string(st.Raw()))
			continue
		}
		for n := range e.Children() {
			all = append(all, n.Name().Local)
			break
		}
	}
	return strings.Join(all, " ")
}

func entries(w *routertest.World, name string) []archive.Entry {
	w.T.Helper()
	list, err := w.Archive.Page(w.T.Context(), w.Account(name), 0, 10_000)
	if err != nil {
		w.T.Fatal(err)
	}
	return list
}

func waiting(w *routertest.World, name string) []archive.Entry {
	w.T.Helper()
	list, err := w.Archive.Marked(w.T.Context(), w.Account(name), 0, 10_000)
	if err != nil {
		w.T.Fatal(err)
	}
	return list
}

// noTransit fails where a message is still said to be on its way.
func noTransit(w *routertest.World) {
	w.T.Helper()
	err := w.Archive.Transits(w.T.Context(), func(tr archive.Transit) error {
		w.T.Errorf("still in transit: %s", tr.Raw)
		return nil
	})
	if err != nil {
		w.T.Error(err)
	}
}
