// SPDX-License-Identifier: Apache-2.0

package presence_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// states are the nine of RFC 6121 §A.1, each with a way that leads there: what the owner sends (>) and the contact (<).
var states = []struct {
	name  string
	state contact.State
	way   string
}{
	{"none", contact.None, ""},
	{"out", contact.PendingOut, ">subscribe"},
	{"in", contact.PendingIn, "<subscribe"},
	{"out+in", contact.PendingOut | contact.PendingIn, ">subscribe <subscribe"},
	{"to", contact.To, ">subscribe <subscribed"},
	{"to+in", contact.To | contact.PendingIn, ">subscribe <subscribed <subscribe"},
	{"from", contact.From, "<subscribe >subscribed"},
	{"from+out", contact.From | contact.PendingOut, "<subscribe >subscribed >subscribe"},
	{"both", contact.Both, "<subscribe >subscribed >subscribe <subscribed"},
}

func stateOf(name string) contact.State {
	for _, s := range states {
		if s.name == name {
			return s.state
		}
	}
	panic("no state " + name)
}

// outbound are tables 2 to 5 of RFC 6121 §A.2: for each of the nine states what goes to the contact, and the state after
// it. What ends in a slash comes from the device. "approved" notes that a request is granted in advance.
var outbound = []struct {
	typ  string
	rows [9]string
}{
	{"subscribe", [9]string{
		"subscribe > out", "subscribe > out", "subscribe > out+in", "subscribe > out+in", "subscribe > to",
		"subscribe > to+in", "subscribe > from+out", "subscribe > from+out", "subscribe > both"}},
	{"unsubscribe", [9]string{
		"unsubscribe > none", "unsubscribe > none", "unsubscribe > in", "unsubscribe > in", "unsubscribe > none",
		"unsubscribe > in", "unsubscribe > from", "unsubscribe > from", "unsubscribe > from"}},
	{"subscribed", [9]string{
		" > none approved", " > out approved", "subscribed available/ > from", "subscribed available/ > from+out",
		" > to approved", "subscribed available/ > both", " > from", " > from+out", " > both"}},
	{"unsubscribed", [9]string{
		" > none", " > out", "unsubscribed > none", "unsubscribed > out", " > to", "unsubscribed > to",
		"unavailable/ unsubscribed > none", "unavailable/ unsubscribed > out", "unavailable/ unsubscribed > to"}},
}

// inbound are tables 6 to 9 of RFC 6121 §A.3: what the owner's device gets, what goes back, and the state after it.
var inbound = []struct {
	typ  string
	rows [9]string
}{
	{"subscribe", [9]string{
		"subscribe | > in", "subscribe | > out+in", " | > in", " | > out+in", "subscribe | > to+in", " | > to+in",
		" | subscribed available/ > from", " | subscribed available/ > from+out", " | subscribed available/ > both"}},
	{"unsubscribe", [9]string{
		" | > none", " | > out", "unsubscribe | unsubscribed > none", "unsubscribe | unsubscribed > out", " | > to",
		"unsubscribe | unsubscribed > to", "unsubscribe | unsubscribed unavailable/ > none",
		"unsubscribe | unsubscribed unavailable/ > out", "unsubscribe | unsubscribed unavailable/ > to"}},
	{"subscribed", [9]string{
		" | > none", "subscribed | > to", " | > in", "subscribed | > to+in", " | > to", " | > to+in", " | > from",
		"subscribed | > both", " | > both"}},
	{"unsubscribed", [9]string{
		" | > none", "unsubscribed | > none", " | > in", "unsubscribed | > in", "unsubscribed | > none",
		"unsubscribed | > in", " | > from", "unsubscribed | > from", "unsubscribed | > from"}},
}

// A stage is a world with Juliet's device, available and interested, and contacts on another server, one for each row.
type stage struct {
	*routertest.World
	owner  contact.Owner
	juliet *routertest.Device
	extras int
}

func setStage(w *routertest.World) *stage {
	s := &stage{World: w, owner: contact.Owner{ID: w.Account("juliet"), JID: jid.MustParse("juliet@kith.example")}}
	s.juliet = w.Come("juliet/a", 0)
	s.juliet.Sendf(`<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`)
	w.Settle()
	s.juliet.Take()
	return s
}

// contact makes one that the owner is in a state with. With approved a request is granted in advance.
func (s *stage) contact(way string, approved bool) jid.JID {
	s.T.Helper()
	s.extras++
	peer := jid.MustParse(fmt.Sprintf("nurse-%d@elsewhere.example", s.extras))
	err := s.DB.Write(context.Background(), func(tx *db.Tx) (err error) {
		if approved {
			_, err = s.Contacts.Outbound(tx, s.owner, peer, contact.Subscribed)
		}
		for _, step := range strings.Fields(way) {
			typ := contact.Type(step[1:])
			if step[0] == '>' && err == nil {
				_, err = s.Contacts.Outbound(tx, s.owner, peer, typ)
			} else if err == nil {
				_, err = s.Contacts.Inbound(tx, s.owner, peer, typ, "")
			}
		}
		return err
	})
	if err != nil {
		s.T.Fatal(err)
	}
	s.Settle()
	s.Sent()
	s.juliet.Take()
	return peer
}

func (s *stage) item(peer jid.JID) contact.Item {
	s.T.Helper()
	i, err := s.Contacts.Get(context.Background(), s.owner.ID, peer)
	if err != nil {
		s.T.Fatal(err)
	}
	return i
}

// sent is what went to the contact: types, with a slash where it came from a device.
func (s *stage) sent(peer jid.JID) string {
	s.T.Helper()
	var list []string
	for _, st := range s.Sent() {
		if st.To != peer || st.Kind != stanza.Presence || st.From.Bare() != s.owner.JID {
			s.T.Errorf("sent %s", st.Raw())
		}
		typ := st.Type
		if typ == "" {
			typ = "available"
		}
		if st.From.IsFull() {
			typ += "/"
		}
		list = append(list, typ)
	}
	return strings.Join(list, " ")
}

// got is what the device was told of the contact: types of presence, and "push" for a roster push, which must say what
// the item is.
func (s *stage) got(i contact.Item) string {
	s.T.Helper()
	var list []string
	for _, st := range s.juliet.Take() {
		switch {
		case st.Kind == stanza.Presence && st.From == i.Address && st.To == s.owner.JID:
			list = append(list, st.Type)
		case st.Kind == stanza.IQ && st.Type == stanza.TypeSet:
			list = append(list, "push")
			query, _ := st.Child("jabber:iq:roster", "query")
			var el xmlstream.Node
			for el = range query.Children() {
			}
			want := []any{i.Address.String(), i.Subscription(), i.Ask(), i.Approved}
			have := []any{el.Attr("jid"), el.Attr("subscription"), el.Attr("ask") == "subscribe", el.Attr("approved") == "true"}
			if fmt.Sprint(want) != fmt.Sprint(have) {
				s.T.Errorf("pushed %v, want %v", have, want)
			}
		default:
			s.T.Errorf("got %s", st.Raw())
		}
	}
	return strings.Join(list, " ")
}

// shows reports whether the owner's list looks different.
func shows(before, after contact.Item) bool {
	look := func(i contact.Item) string {
		return fmt.Sprint(i.Listed, i.Subscription(), i.Ask(), i.Approved)
	}
	return (before.Listed || after.Listed) && look(before) != look(after)
}

// TestOutboundStates holds what a device's stanzas about a subscription do, in each state.
func TestOutboundStates(t *testing.T) {
	for _, table := range outbound {
		t.Run(table.typ, func(t *testing.T) {
			routertest.EachAbroad(t, func(w *routertest.World) {
				s := setStage(w)
				for i, row := range table.rows {
					peer := s.contact(states[i].way, false)
					before := s.item(peer)
					s.juliet.Sendf(`<presence type="%s" to="%s" id="x"/>`, table.typ, peer)
					s.Settle()
					after := s.item(peer)

					sent, next, _ := strings.Cut(row, "> ")
					next, approved := strings.CutSuffix(next, " approved")
					if got := s.sent(peer); got != strings.TrimSpace(sent) {
						s.T.Errorf("%s: sent %q, want %q", states[i].name, got, sent)
					}
					if after.State != stateOf(next) || after.Approved != approved {
						s.T.Errorf("%s: the state is %v, %v, want %s", states[i].name, after.State, after.Approved, next)
					}
					if got, want := s.got(after), shows(before, after); (got == "push") != want || !want && got != "" {
						s.T.Errorf("%s: got %q; should there be a push? %v", states[i].name, got, want)
					}
				}
			})
		})
	}
}

// TestInboundStates holds what a contact's stanzas about a subscription do, in each state.
func TestInboundStates(t *testing.T) {
	for _, table := range inbound {
		t.Run(table.typ, func(t *testing.T) {
			routertest.EachAbroad(t, func(w *routertest.World) {
				s := setStage(w)
				for i, row := range table.rows {
					s.receive(table.typ, states[i].name, states[i].way, row, false)
				}
			})
		})
	}
}

// TestApprovedStates holds that a request that was granted in advance is answered and not shown (RFC 6121 §3.4.2), and
// that nothing else that a contact sends is.
func TestApprovedStates(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := setStage(w)
		for _, c := range []struct{ name, way, typ, row string }{
			{"none", "", "subscribe", " | subscribed available/ > from"},
			{"out", ">subscribe", "subscribe", " | subscribed available/ > from+out"},
			{"to", ">subscribe <subscribed", "subscribe", " | subscribed available/ > both"},
			{"none", "", "unsubscribe", " | > none"},
			{"none", "", "subscribed", " | > none"},
			{"none", "", "unsubscribed", " | > none"},
		} {
			if peer := s.receive(c.typ, c.name, c.way, c.row, true); !s.item(peer).Approved {
				s.T.Errorf("%s in %s: the approval is gone", c.typ, c.name)
			}
		}
	})
}

// receive lets a contact with whom the owner is in a state send something, and compares with the row of a table.
func (s *stage) receive(typ, name, way, row string, approved bool) jid.JID {
	s.T.Helper()
	peer := s.contact(way, approved)
	before := s.item(peer)
	s.Receive(`<presence type="%s" from="%s" to="juliet@" id="x"/>`, typ, peer)
	s.Settle()
	after := s.item(peer)

	events, next, _ := strings.Cut(row, "> ")
	deliver, reply, _ := strings.Cut(events, "|")
	if got := s.sent(peer); got != strings.TrimSpace(reply) {
		s.T.Errorf("%s in %s: answered %q, want %q", typ, name, got, reply)
	}
	if after.State != stateOf(next) {
		s.T.Errorf("%s in %s: the state is %v, want %s", typ, name, after.State, next)
	}
	// RFC 6121 §3.1.6, §3.2.3, §3.3.3: the stanza comes before the push.
	want := strings.TrimSpace(deliver)
	if shows(before, after) {
		want = strings.TrimSpace(want + " push")
	}
	if got := s.got(after); got != want {
		s.T.Errorf("%s in %s: got %q, want %q", typ, name, got, want)
	}
	return peer
}

// TestFullAddress holds what a stanza about a subscription does that is sent to a device (RFC 6121 §8.5.3).
func TestFullAddress(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := setStage(w)
		for _, c := range []struct{ typ, way, resource, next string }{
			{"subscribe", "", "gone", "in"}, // RFC 6121 §3.1.3: as to the bare address
			{"subscribe", "", "a", "in"},
			{"subscribed", ">subscribe", "gone", "out"},
			{"subscribed", ">subscribe", "a", "to"},
			{"unsubscribe", "<subscribe >subscribed", "gone", "from"},
			{"unsubscribe", "<subscribe >subscribed", "a", "none"},
			{"unsubscribed", ">subscribe <subscribed", "gone", "to"},
			{"unsubscribed", ">subscribe <subscribed", "a", "none"},
		} {
			peer := s.contact(c.way, false)
			s.Receive(`<presence type="%s" from="%s/kitchen" to="juliet@/%s"/>`, c.typ, peer, c.resource)
			s.Settle()
			if got := s.item(peer).State; got != stateOf(c.next) {
				s.T.Errorf("%s to %s: the state is %v, want %s", c.typ, c.resource, got, c.next)
			}
		}
	})
}

// TestWhoHears holds who gets what: requests those who are available, all else about subscriptions those who follow the
// list, too (RFC 6121 §3.1.3, §3.1.6).
func TestWhoHears(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := setStage(w)
		available, interested, neither := w.Come("juliet/b", -1), w.Bind("juliet/c"), w.Bind("juliet/d")
		interested.Sendf(`<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`)
		w.Settle()
		peer := s.contact(">subscribe", false)
		for _, d := range []*routertest.Device{available, interested, neither} {
			d.Take()
		}
		s.Receive(`<presence type="subscribe" from="%s" to="juliet@"/>`, peer)
		s.Receive(`<presence type="subscribed" from="%s" to="juliet@"/>`, peer)
		w.Settle()
		for _, c := range []struct {
			d    *routertest.Device
			want string
		}{{s.juliet, "subscribe subscribed set"}, {available, "subscribe subscribed"}, {interested, "subscribed set"}, {neither, ""}} {
			var got []string
			for _, st := range c.d.Take() {
				got = append(got, st.Type)
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("%s got %v, want %s", c.d.JID, got, c.want)
			}
		}
	})
}
