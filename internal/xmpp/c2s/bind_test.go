// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const nsSM = "urn:xmpp:sm:3"

// authenticated is a client that may bind.
func (w *world) authenticated(name string) *xmpptest.Client {
	w.t.Helper()
	c := w.client()
	if err := c.Authenticate(w.t.Context(), name, password, sasl.SCRAMSHA256); err != nil {
		w.t.Fatal(err)
	}
	return c
}

// Resources of the client's choice, and of ours (RFC 6120 §7.6, §7.7).
func TestBind(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		long := w.authenticated("juliet")
		if err := long.Bind(t.Context(), strings.Repeat("x", 1024)); err != nil || len(long.JID.Resource()) > 32 {
			t.Errorf("one that cannot be a resource: got %s, %v, want one of ours", long.JID, err)
		}
		c := w.authenticated("juliet")
		if err := c.Bind(t.Context(), "balcony & more"); err != nil {
			t.Fatal(err)
		}
		if got := c.JID.Resource(); got != "balcony & more" {
			t.Errorf("got %q", got)
		}
		ours := w.login("juliet", "")
		if got := ours.JID.Resource(); len(got) < 16 {
			t.Errorf("ours: got %q, want one that cannot be guessed", got)
		}

		// The resource of a device that is there: the older one ends (RFC 6120 §7.7.2.2).
		second := w.login("juliet", "balcony & more")
		w.ends(c, "conflict")
		second.MustExpectNothing(t)
		// Binding is done once.
		second.MustSend(t, `<iq type="set" id="again"><bind xmlns="`+nsBind+`"/></iq>`)
		second.MustExpect(t, `<iq type="error" id="again"><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
	})
}

// One device more than an account may have is refused, whichever way it binds (RFC 6120 §7.6.2.1).
func TestTooManyDevices(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for i := range 20 {
			w.login("juliet", fmt.Sprint("device", i))
		}
		c := w.authenticated("juliet")
		c.MustSend(t, `<iq type="set" id="1"><bind xmlns="`+nsBind+`"><resource>more</resource></bind></iq>`)
		c.MustExpect(t, `<iq type="error" id="1"><error type="wait"><resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
		// It may take the place of one that is there.
		if err := c.Bind(t.Context(), "device7"); err != nil {
			t.Error(err)
		}
		// Who does not give up has to go (RFC 6120 §7.7.3).
		stubborn := w.authenticated("juliet")
		for range 6 {
			stubborn.MustSend(t, `<iq type="set" id="1"><bind xmlns="`+nsBind+`"/></iq>`)
			stubborn.MustExpect(t, `<iq type="error" id="1"><error type="wait"><resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
		}
		w.ends(stubborn, "policy-violation")
		late := w.client()
		if _, err := late.LoginSASL2(t.Context(), withPassword()); err == nil || !strings.Contains(err.Error(), "policy-violation") {
			t.Errorf("with Bind 2: got %v, want the stream error policy-violation", err)
		}
		w.login("romeo", "orchard")
	})
}

// Both directions are counted from where they were enabled (XEP-0198 §4).
func TestManagement(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c, romeo := w.login("juliet", "balcony"), w.login("romeo", "orchard")
		c.MustSend(t, `<presence/>`)
		c.MustExpect(t, `<presence/>`)
		c.MustSend(t, `<r xmlns="`+nsSM+`"/>`)
		c.MustExpectNothing(t) // it is off
		c.MustSend(t, `<a xmlns="`+nsSM+`" h="7"/>`)
		c.MustSend(t, `<enable xmlns="`+nsSM+`"/>`)
		n := c.MustExpect(t, `<enabled xmlns="`+nsSM+`"/>`)
		if n.HasAttr("resume") || n.HasAttr("id") {
			t.Errorf("nobody asked for resumption: got %s", n.Raw())
		}
		c.MustSend(t, `<r xmlns="`+nsSM+`"/>`)
		c.MustExpect(t, `<a xmlns="`+nsSM+`" h="0"/>`)

		romeo.MustSend(t, `<message to="juliet@kith.example/balcony" type="chat" id="1"><body>one</body></message>
			<message to="juliet@kith.example/balcony" type="chat" id="2"><body>two</body></message>`)
		romeo.MustExpectNothing(t)
		for _, want := range []string{`<message id="1"/>`, `<message id="2"/>`} {
			if _, err := c.Await(t.Context(), want); err != nil { // requests come between
				t.Fatal(err)
			}
		}
		if c.Taken() != 2 {
			t.Errorf("taken: %d", c.Taken())
		}
		if err := c.Ack(); err != nil {
			t.Fatal(err)
		}
		c.MustSend(t, `<message to="romeo@kith.example/orchard" type="chat" id="3"><body>three</body></message><iq type="get" id="4"><ping xmlns="urn:xmpp:ping"/></iq><r xmlns="`+nsSM+`"/>`)
		if _, err := c.Await(t.Context(), `<a xmlns="`+nsSM+`" h="2"/>`); err != nil {
			t.Fatal(err)
		}

		c.MustSend(t, `<resume xmlns="`+nsSM+`" previd="x" h="1"/>`)
		if _, err := c.Await(t.Context(), `<failed xmlns="`+nsSM+`"><unexpected-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`); err != nil {
			t.Fatal(err)
		}
	})
}

// What XEP-0198 §3 and §4 forbid.
func TestManagementErrors(t *testing.T) {
	for name, test := range map[string]struct{ send, want string }{
		"enabled twice":               {`<enable xmlns="` + nsSM + `"/><enable xmlns="` + nsSM + `"/>`, "policy-violation"},
		"more acknowledged than sent": {`<enable xmlns="` + nsSM + `"/><a xmlns="` + nsSM + `" h="1"/>`, "undefined-condition"},
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				c := w.login("juliet", "balcony")
				c.MustSend(t, test.send)
				n, err := c.Await(t.Context(), `<stream:error><`+test.want+` xmlns="`+nsError+`"/></stream:error>`)
				if err != nil {
					t.Fatal(err)
				}
				if test.want == "undefined-condition" {
					if h, ok := n.Child(nsSM, "handled-count-too-high"); !ok || h.Attr("h") != "1" || h.Attr("send-count") != "0" {
						t.Errorf("got %s, want <handled-count-too-high h='1' send-count='0'/>", n.Raw())
					}
				}
				w.over(c)
			})
		})
	}
	t.Run("before binding", func(t *testing.T) {
		perform(t, func(t *testing.T, w *world) {
			c := w.authenticated("juliet")
			c.MustSend(t, `<enable xmlns="`+nsSM+`"/>`)
			c.MustExpect(t, `<failed xmlns="`+nsSM+`"><unexpected-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
			if err := c.Bind(t.Context(), "balcony"); err != nil {
				t.Error(err)
			}
		})
	})
}

// blocked has the store commit nothing until the function that it returns is called.
func (w *world) blocked() (release func()) {
	gate, begun := make(chan struct{}), make(chan struct{})
	w.DB.Submit(func(*db.Tx) error {
		close(begun)
		<-gate
		return nil
	}, func(err error) {
		if err != nil {
			w.t.Error(err)
		}
	})
	<-begun
	return func() { close(gate) }
}

// A message is acknowledged when it is committed, and not before; a request for acknowledgement is answered at once,
// and when the rest is safe another answer follows by itself.
func TestAcknowledgedIsCommitted(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c, romeo := w.login("juliet", "balcony"), w.login("romeo", "orchard")
		romeo.MustSend(t, `<presence/>`)
		romeo.MustExpect(t, `<presence/>`)
		c.MustSend(t, `<enable xmlns="`+nsSM+`"/>`)
		c.MustExpect(t, `<enabled xmlns="`+nsSM+`"/>`)
		c.MustSend(t, `<iq type="get" id="0"><ping xmlns="urn:xmpp:ping"/></iq>`)
		c.MustExpect(t, `<iq type="result" id="0"/>`)
		c.MustExpect(t, `<r xmlns="`+nsSM+`"/>`)

		release := w.blocked()
		c.MustSend(t, `<message to="romeo@kith.example" type="chat" id="1"><body>one</body></message>
			<message to="romeo@kith.example" type="chat" id="2"><body>two</body></message><r xmlns="`+nsSM+`"/>`)
		c.MustExpect(t, `<a xmlns="`+nsSM+`" h="1"/>`)
		release()
		c.MustExpect(t, `<a xmlns="`+nsSM+`" h="3"/>`)
		romeo.MustExpect(t, `<message id="1"/>`)
		romeo.MustExpect(t, `<message id="2"/>`)
	})
}

// When the server stops, it takes what was sent, acknowledges it, says why it goes, and tells contacts.
func TestShutdown(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		c, romeo := w.login("juliet", "balcony"), w.login("romeo", "orchard")
		c.MustSend(t, `<enable xmlns="`+nsSM+`"/>`)
		c.MustExpect(t, `<enabled xmlns="`+nsSM+`"/>`)
		idle := w.client()

		release := w.blocked()
		c.MustSend(t, `<message to="romeo@kith.example/orchard" type="chat" id="1"><body>one</body></message>
			<presence to="romeo@kith.example/orchard"/>`)
		w.Settle() // all is read, nothing is committed
		stopped := make(chan struct{})
		go func() {
			w.stop()
			close(stopped)
		}()
		w.Settle()
		release()
		c.MustExpect(t, `<a xmlns="`+nsSM+`" h="2"/>`)
		w.ends(c, "system-shutdown")
		w.ends(romeo, "system-shutdown")
		w.ends(idle, "system-shutdown")
		<-stopped

		// Romeo's device went at the same time, so what was for it waits.
		w.Settle()
		waiting, err := w.Archive.Marked(t.Context(), w.Account("romeo"), 0, 10)
		if err != nil || len(waiting) != 1 {
			t.Errorf("what waits: got %v, %v, want the message", waiting, err)
		}

		// Nobody comes in any more.
		l := newListener()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { // ends with the test
			if err := w.server.Serve(ctx, l, false); err != nil {
				t.Errorf("serve: %v", err)
			}
		}()
		if got, err := io.ReadAll(l.dial()); err != nil || len(got) > 0 {
			t.Errorf("a connection after the stop: got %s, %v", got, err)
		}
		cancel()
	})
}
