// SPDX-License-Identifier: Apache-2.0

package carbons_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// got is what a device has got, in order: a body for a message, the direction in front of it for a copy, and the type of
// anything else that is a message. A copy has to be what XEP-0280 §7, §8 wants.
func got(t *testing.T, d *routertest.Device) (list []string) {
	t.Helper()
	for _, st := range d.Take() {
		if st.Kind != stanza.Message {
			continue
		}
		list = append(list, says(t, d, st))
	}
	return list
}

func says(t *testing.T, d *routertest.Device, st *stanza.Stanza) string {
	t.Helper()
	for c := range st.Children() {
		if c.Name().Space != "urn:xmpp:carbons:2" || c.Name().Local == "private" {
			continue
		}
		f, _ := c.Child("urn:xmpp:forward:0", "forwarded")
		m, ok := f.Child(xmlstream.NSClient, "message")
		if !ok || st.From != d.JID.Bare() || st.To != d.JID || m.Attr("type") != st.Type {
			t.Errorf("%v got no proper copy: %s", d.JID, st.Raw())
		}
		return c.Name().Local + " " + content(m)
	}
	if b, ok := st.Child(xmlstream.NSClient, "body"); ok {
		return b.Text()
	}
	return st.Type
}

func content(m xmlstream.Node) string {
	if b, ok := m.Child(xmlstream.NSClient, "body"); ok {
		return b.Text()
	}
	return m.Attr("type")
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", what, diff)
	}
}

func enable(w *routertest.World, list ...*routertest.Device) {
	for _, d := range list {
		d.Sendf(`<iq type="set" id="carbons"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
	}
	w.Settle()
	for _, d := range list {
		d.Take()
	}
}

// TestBothSides holds that each device has both sides of a conversation, once.
func TestBothSides(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, phone, hidden, bound := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0), w.Come("romeo/hidden", -1), w.Bind("romeo/bound")
		plain := w.Come("romeo/plain", 0) // has not asked
		juliet := w.Come("juliet/balcony", 0)
		enable(w, desk, phone, hidden, bound)
		w.Settle()
		for _, d := range []*routertest.Device{desk, phone, hidden, bound, plain, juliet} {
			d.Take()
		}
		desk.Sendf(`<message to="juliet@" type="chat" id="1"><body>one</body></message>`)
		w.Settle()
		check(t, "the sender", got(t, desk))
		for _, d := range []*routertest.Device{phone, hidden, bound} {
			check(t, d.JID.Resource(), got(t, d), "sent one")
		}
		check(t, "who has not asked", got(t, plain))
		check(t, "juliet", got(t, juliet), "one")

		juliet.Sendf(`<message to="romeo@" type="chat"><body>to all</body></message>`)
		juliet.Sendf(`<message to="romeo@/phone" type="chat"><body>to the phone</body></message>`)
		juliet.Sendf(`<message to="romeo@/gone" type="chat"><body>to nobody</body></message>`)
		juliet.Sendf(`<message to="romeo@/phone" type="chat"><body>private</body><private xmlns="urn:xmpp:carbons:2"/></message>`)
		w.Settle()
		check(t, "the desk", got(t, desk), "to all", "received to the phone", "to nobody")
		check(t, "the phone", got(t, phone), "to all", "to the phone", "to nobody", "private")
		check(t, "who has not asked", got(t, plain), "to all", "to nobody")
		check(t, "who does not take", got(t, hidden), "received to all", "received to the phone", "received to nobody")
		check(t, "who is not available", got(t, bound), "received to all", "received to the phone", "received to nobody")

		phone.Sendf(`<iq type="set" id="off"><disable xmlns="urn:xmpp:carbons:2"/></iq>`)
		phone.Sendf(`<iq type="set" id="off"><disable xmlns="urn:xmpp:carbons:2"/></iq>`)
		w.Settle()
		for _, st := range phone.Take() {
			check(t, "to disable is no error, nor is it to do so twice", []string{st.Type}, "result")
		}
		desk.Sendf(`<message to="juliet@" type="chat"><body>two</body></message>`)
		w.Settle()
		check(t, "who has disabled", got(t, phone))
	})
}

// TestCopiesHaveIDs holds that a copy has the id that the archive of its own account gave the message, and no other.
func TestCopiesHaveIDs(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, phone := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0)
		juliet, chamber := w.Come("juliet/balcony", 0), w.Come("juliet/chamber", 0)
		enable(w, phone, chamber)
		for _, d := range []*routertest.Device{desk, phone, juliet, chamber} {
			d.Take()
		}
		desk.Sendf(`<message to="juliet@/balcony" type="chat"><body>one</body></message>`)
		w.Settle()
		ids := func(st *stanza.Stanza) (list []string) {
			each := st.Children()
			for _, direction := range []string{"sent", "received"} {
				if c, ok := st.Child("urn:xmpp:carbons:2", direction); ok {
					f, _ := c.Child("urn:xmpp:forward:0", "forwarded")
					m, _ := f.Child(xmlstream.NSClient, "message")
					each = m.Children()
				}
			}
			for n := range each {
				if n.Is(stanzaid.NS, "stanza-id") {
					list = append(list, n.Attr("by")+" "+n.Attr("id"))
				}
			}
			return list
		}
		live, copied, sent := ids(juliet.Take()[0]), ids(chamber.Take()[0]), ids(phone.Take()[0])
		check(t, "live and copied", copied, live...)
		if len(sent) != 1 || !strings.HasPrefix(sent[0], "romeo@kith.example ") {
			t.Errorf("the copy of what was sent has %v", sent)
		}
		if len(live) != 1 || !strings.HasPrefix(live[0], "juliet@kith.example ") {
			t.Errorf("what was received has %v", live)
		}
	})
}

// TestToOneself holds that a message to oneself comes to each device once, and not to the one that sent it unless it is for
// that.
func TestToOneself(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, phone, hidden := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0), w.Come("romeo/hidden", -1)
		enable(w, desk, phone, hidden)
		for _, d := range []*routertest.Device{desk, phone, hidden} {
			d.Take()
		}
		desk.Sendf(`<message to="romeo@" type="chat"><body>note</body></message>`)
		desk.Sendf(`<message to="romeo@/phone" type="chat"><body>phone</body></message>`)
		desk.Sendf(`<message to="romeo@/desk" type="chat"><body>here</body></message>`)
		w.Settle()
		check(t, "the desk", got(t, desk), "here")
		check(t, "the phone", got(t, phone), "note", "phone", "sent here")
		check(t, "who does not take", got(t, hidden), "sent note", "sent phone", "sent here")
	})
}

// TestErrors holds that the error that answers a message goes where its copies went, and no other error does.
func TestErrors(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, phone := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0)
		juliet := w.Come("juliet/balcony", 0)
		enable(w, phone)
		desk.Take()
		phone.Take()
		desk.Sendf(`<message to="nobody@" type="chat" id="a"><body>hark</body></message>`)
		w.Settle()
		check(t, "the desk", got(t, desk), "error")
		check(t, "the phone", got(t, phone), "sent hark", "received error")

		desk.Sendf(`<message to="juliet@/gone" id="b"><subject>not copied</subject></message>`)
		w.Settle()
		check(t, "the desk", got(t, desk), "error")
		check(t, "the phone", got(t, phone))

		desk.Sendf(`<message to="juliet@" type="chat" id="c"><body>copied</body></message>`)
		w.Settle()
		phone.Take()
		const e = `<error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`
		juliet.Sendf(`<message to="romeo@/desk" type="error" id="d">%s</message>`, e)
		juliet.Sendf(`<message to="romeo@/phone" type="error" id="c">%s</message>`, e)
		juliet.Sendf(`<message to="romeo@/desk" type="error" id="c">%s</message>`, e)
		tybalt := w.Come("tybalt/street", 0)
		tybalt.Sendf(`<message to="romeo@/desk" type="error" id="c">%s</message>`, e)
		w.Settle()
		check(t, "the desk", got(t, desk), "error", "error", "error")
		check(t, "the phone", got(t, phone), "error", "received error")
		check(t, "juliet: an error for a copy goes to nobody (XEP-0280 §10.3)", got(t, juliet), "copied")
	})
}

// TestCopiesBounce holds that what a device says of a copy does not come to who sent the message (XEP-0280 §10.3): it is
// addressed to the account itself.
func TestCopiesBounce(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, phone, juliet := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0), w.Come("juliet/balcony", 0)
		enable(w, phone)
		phone.Take()
		juliet.Sendf(`<message to="romeo@/desk" type="chat" id="x"><body>hark</body></message>`)
		w.Settle()
		desk.Take()
		for _, st := range phone.Take() {
			phone.Send(st.Bounce(stanza.ServiceUnavailable).Addressed(phone.JID, st.From))
		}
		w.Settle()
		for _, d := range []*routertest.Device{desk, phone, juliet} {
			check(t, d.JID.String(), got(t, d))
		}
	})
}

// TestWaits holds that what waits is copied to no device that will fetch it.
func TestWaits(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		bound, hidden, juliet := w.Bind("romeo/bound"), w.Come("romeo/hidden", -1), w.Come("juliet/balcony", 0)
		enable(w, bound, hidden)
		juliet.Sendf(`<message to="romeo@" type="chat"><body>early</body></message>`)
		w.Settle()
		check(t, "who never takes", got(t, hidden), "received early")
		check(t, "who is not available yet", got(t, bound))
		bound.Sendf(`<presence/>`)
		w.Settle()
		check(t, "who is now", got(t, bound), "early")
	})
}

// TestCopiesQueue holds that copies are queued for a device that sleeps.
func TestCopiesQueue(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, juliet := w.Come("romeo/desk", 0), w.Come("juliet/balcony", 0)
		phone := w.Bind("romeo/phone")
		phone.Resumable()
		phone.Sendf(`<presence/>`)
		enable(w, phone)
		desk.Take()
		taken := uint32(3) // its own presence, the other's, and the answer
		phone.Ack(taken)
		phone.Sleep()
		desk.Sendf(`<message to="juliet@" type="chat"><body>one</body></message>`)
		w.Settle()
		juliet.Sendf(`<message to="romeo@/desk" type="chat"><body>two</body></message>`)
		w.Settle()
		if !phone.Resume(taken) {
			t.Fatal("not resumed")
		}
		w.Settle()
		check(t, "the phone", got(t, phone), "sent one", "received two")
	})
}

// TestNotAllowed holds that only a device of the account can ask for its copies (XEP-0280 §4.1, §5.1), and that nobody else
// finds out by that whether there is such an account.
func TestNotAllowed(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Account("romeo")
		juliet := w.Come("juliet/balcony", 0)
		for _, what := range []string{"enable", "disable"} {
			for _, whom := range []string{"romeo", "nobody"} {
				juliet.Sendf(`<iq to="%s@" type="set" id="1"><%s xmlns="urn:xmpp:carbons:2"/></iq>`, whom, what)
				w.Settle()
				got := juliet.Take()
				for _, st := range got {
					if e, _ := st.Child(xmlstream.NSClient, "error"); st.Type != "error" || !hasChild(e, "service-unavailable") {
						t.Errorf("%s: got %s", what, st.Raw())
					}
				}
				if len(got) != 1 {
					t.Errorf("%s: got %d", what, len(got))
				}
			}
		}
	})
}

func hasChild(n xmlstream.Node, local string) bool {
	_, ok := n.Child("urn:ietf:params:xml:ns:xmpp-stanzas", local)
	return ok
}

// TestForgedCopies holds that what somebody else sends as a copy is theirs, and looks like it (XEP-0280 §11).
func TestForgedCopies(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk, phone, tybalt := w.Come("romeo/desk", 0), w.Come("romeo/phone", 0), w.Come("tybalt/street", 0)
		enable(w, desk, phone)
		desk.Take()
		phone.Take()
		tybalt.Send(w.Parse(fmt.Sprintf(`<message to="romeo@%s/desk" type="chat"><sent xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0">
			<message xmlns="jabber:client" from="romeo@%[1]s/desk" to="juliet@%[1]s" type="chat"><body>no</body></message></forwarded></sent></message>`, routertest.Domain)))
		w.Settle()
		for _, d := range []*routertest.Device{desk, phone} {
			for _, st := range d.Take() {
				if _, sent := st.Child("urn:xmpp:carbons:2", "sent"); sent && st.From == d.JID.Bare() {
					t.Errorf("%v believes %s", d.JID, st.Raw())
				}
			}
		}
	})
}
