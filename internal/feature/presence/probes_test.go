// SPDX-License-Identifier: Apache-2.0

package presence_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
)

// answers are what went to other servers: "type from id", and what is in it.
func (s *stage) answers() string {
	var list []string
	for _, st := range s.Sent() {
		typ := st.Type
		if typ == "" {
			typ = "available"
		}
		a := []string{typ, strings.TrimPrefix(st.From.String(), "juliet@kith.example"), st.ID}
		for n := range st.Children() {
			a = append(a, n.Name().Local)
		}
		list = append(list, strings.Join(slices.DeleteFunc(a, func(s string) bool { return s == "" }), " "))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

// TestProbes holds how questions of other servers are answered: by what the one who asks may see, and by what they ask
// about (RFC 6121 §4.3.2, §4.6.6).
func TestProbes(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := setStage(w)
		s.juliet.Sendf(`<presence id="at-home"><show>away</show><c xmlns="http://jabber.org/protocol/caps"/></presence>`)
		second, bound := w.Come("juliet/b", -1), w.Bind("juliet/c")
		second.Sendf(`<presence id="second"><priority>-1</priority></presence>`)
		w.Settle()
		all := "available /a at-home show c, available /b second priority"

		for _, c := range []struct {
			name, way string
			approved  bool
			to        string
			want      string
		}{
			{"from", "<subscribe >subscribed", false, "", all},
			{"from with a request", "<subscribe >subscribed >subscribe", false, "", all},
			{"both", "<subscribe >subscribed >subscribe <subscribed", false, "", all},
			{"one device", "<subscribe >subscribed", false, "/a", "available /a at-home"},
			{"one that is not available", "<subscribe >subscribed", false, "/c", "unavailable /c p"},
			{"one that is not there", "<subscribe >subscribed", false, "/gone", "unavailable /gone p"},
			{"none", "", false, "", "unsubscribed p"},
			{"to", ">subscribe <subscribed", false, "", "unsubscribed p"},
			{"out", ">subscribe", false, "/a", "unsubscribed p"},
			{"approved", "", true, "", "unsubscribed p"},
			{"has asked, and waits", "<subscribe", false, "", ""},
		} {
			peer := s.contact(c.way, c.approved)
			s.Receive(`<presence type="probe" from="%s" to="juliet@%s" id="p"/>`, peer, c.to)
			s.Settle()
			if got := s.answers(); got != c.want {
				t.Errorf("%s: answered %q, want %q", c.name, got, c.want)
			}
			if s.item(peer).Approved != c.approved {
				t.Errorf("%s: the approval is gone", c.name)
			}
		}

		// Who was sent presence by name hears of that device, and nothing in detail.
		bound.Sendf(`<presence to="lobby@rooms.example/juliet"><show>chat</show></presence>`)
		s.juliet.Sendf(`<presence to="paris@elsewhere.example"><show>chat</show></presence>`)
		s.Settle()
		s.Sent()
		for _, c := range []struct{ from, to, want string }{
			{"lobby@rooms.example/juliet", "/c", "available /c p"},
			{"lobby@rooms.example/juliet", "", "available /c p"},
			{"lobby@rooms.example/juliet", "/a", "unsubscribed p"},
			{"lobby@rooms.example", "/c", "unsubscribed p"}, // another address
			{"paris@elsewhere.example", "/a", "available /a p"},
			{"paris@elsewhere.example/desk", "/a", "available /a p"},
		} {
			s.Receive(`<presence type="probe" from="%s" to="juliet@%s" id="p"/>`, c.from, c.to)
			s.Settle()
			if got := s.answers(); got != c.want {
				t.Errorf("%s asks about %q: answered %q, want %q", c.from, c.to, got, c.want)
			}
		}

		// Nobody there: since when, and nothing else.
		peer := s.contact("<subscribe >subscribed", false)
		second.Leave()
		s.juliet.Sendf(`<presence type="unavailable" id="bye"><status>Good night</status></presence>`)
		s.Settle()
		s.Sent()
		s.Receive(`<presence type="probe" from="%s" to="juliet@" id="p"/>`, peer)
		s.Settle()
		list := s.Sent()
		if len(list) != 1 || list[0].Type != "unavailable" || list[0].From != s.owner.JID || list[0].ID != "p" {
			t.Fatalf("answered %v", list)
		}
		if d, ok := delay.Of(list[0]); !ok || d.Time.IsZero() {
			t.Errorf("it does not say since when: %s", list[0].Raw())
		}
		if _, ok := list[0].Child("jabber:client", "status"); ok {
			t.Errorf("it says what was said: %s", list[0].Raw())
		}

		// An account that does not exist is like one that does not know who asks (RFC 6121 §8.5.1).
		s.Receive(`<presence type="probe" from="%s" to="nobody@" id="p"/>`, peer)
		s.Settle()
		if got := s.answers(); got != "unsubscribed nobody@kith.example p" {
			t.Errorf("about nobody: answered %q", got)
		}
	})
}

// TestProbesSent holds that other servers are asked about those whose presence one may see, from and to bare addresses,
// when a device becomes available (RFC 6121 §4.2.2, §4.3.1).
func TestProbesSent(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := setStage(w)
		to := s.contact(">subscribe <subscribed", false)
		both := s.contact("<subscribe >subscribed >subscribe <subscribed", false)
		s.contact("<subscribe >subscribed", false)
		s.contact(">subscribe", false)
		s.juliet.Sendf(`<presence><show>away</show></presence>`) // not new
		s.Settle()
		s.Sent()
		w.Come("juliet/b", 0)
		got := map[string]bool{}
		for _, st := range s.Sent() {
			if st.Type == "probe" {
				got[st.From.String()+" "+st.To.String()] = true
			}
		}
		if len(got) != 2 || !got["juliet@kith.example "+to.String()] || !got["juliet@kith.example "+both.String()] {
			t.Errorf("probes: %v", got)
		}
	})
}

// TestDirected holds whom a device that leaves tells, and who is told once (RFC 6121 §4.6).
func TestDirected(t *testing.T) {
	for _, c := range []struct {
		name  string
		way   string // of the contact
		steps []string
		want  string // what goes to the contact after the last step
	}{
		{"a stranger hears the end", "", []string{"<presence/>", "to", "<presence type='unavailable'/>"}, "unavailable /a"},
		{"and no change", "", []string{"<presence/>", "to", "<presence><show>away</show></presence>"}, ""},
		{"without presence of one's own", "", []string{"to", "leave"}, "unavailable /a"},
		{"a subscriber, without presence of one's own", "<subscribe >subscribed", []string{"to", "leave"}, "unavailable /a"},
		{"a subscriber hears it once", "<subscribe >subscribed", []string{"to", "<presence/>", "<presence type='unavailable'/>"}, "unavailable /a"},
		{"a subscriber hears changes all the same", "<subscribe >subscribed", []string{"<presence/>", "to", "<presence><show>dnd</show></presence>"}, "available /a show"},
		{"and the end after a directed one", "<subscribe >subscribed", []string{"<presence/>", "to unavailable", "<presence type='unavailable'/>"}, "unavailable /a"},
		{"a directed end is the last word", "", []string{"<presence/>", "to", "to unavailable", "<presence type='unavailable'/>"}, ""},
		{"after all is over there is no more", "", []string{"<presence/>", "to", "<presence type='unavailable'/>", "leave"}, ""},
		{"who says that they are gone is told no more", "", []string{"<presence/>", "to", "gone", "<presence type='unavailable'/>"}, ""},
		{"a subscription that ends comes first", "<subscribe >subscribed", []string{"to", "<presence/>", "<presence type='unsubscribed' to='PEER'/>"}, "unavailable /a, unsubscribed"},
		{"and takes the rest with it", "<subscribe >subscribed", []string{"to", "<presence/>", "<presence type='unsubscribed' to='PEER'/>", "leave"}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			routertest.EachAbroad(t, func(w *routertest.World) {
				s := setStage(w)
				s.juliet.Leave()
				s.Settle()
				peer := s.contact(c.way, false)
				d := w.Bind("juliet/a")
				for _, step := range c.steps {
					s.Settle()
					s.Sent()
					switch step {
					case "to":
						d.Sendf(`<presence to="%s"/>`, peer)
					case "to unavailable":
						d.Sendf(`<presence type="unavailable" to="%s"/>`, peer)
					case "gone":
						s.Receive(`<presence type="unavailable" from="%s" to="juliet@/a"/>`, peer)
					case "leave":
						d.Leave()
					default:
						d.Sendf("%s", strings.ReplaceAll(step, "PEER", peer.String()))
					}
				}
				s.Settle()
				if got := s.answers(); got != c.want {
					s.T.Errorf("told %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestRequestsNeedPresence holds that what others ask of a device reaches it only where it shares its presence with them
// (RFC 6121 §8.5.3.1).
func TestRequestsNeedPresence(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := setStage(w)
		bound := w.Bind("juliet/c")
		bound.Sendf(`<presence to="lobby@rooms.example/juliet"/>`)
		s.Settle()
		from, to := s.contact("<subscribe >subscribed", false), s.contact(">subscribe <subscribed", false)
		for _, c := range []struct {
			who, resource string
			want          bool
		}{
			{from.String() + "/x", "a", true},
			{from.String() + "/x", "c", true},
			{to.String() + "/x", "a", false},
			{"stranger@elsewhere.example/x", "a", false},
			{"lobby@rooms.example/romeo", "c", true}, // another occupant of the room
			{"lobby@rooms.example/romeo", "a", false},
			{"juliet@kith.example/c", "a", true},
			{"kith.example", "a", true},
		} {
			s.Receive(`<iq type="get" from="%s" to="juliet@/%s" id="q"><query xmlns="urn:example:q"/></iq>`, c.who, c.resource)
			s.Settle()
			got := len(s.juliet.Take())+len(bound.Take()) > 0
			if sent := s.Sent(); got != c.want || !got && len(sent) != 1 {
				t.Errorf("%s asks %s: reached it: %v; answered %v", c.who, c.resource, got, sent)
			}
			s.Receive(`<iq type="result" from="%s" to="juliet@/%s" id="r"/>`, c.who, c.resource)
			s.Settle()
			if len(s.juliet.Take())+len(bound.Take()) != 1 {
				t.Errorf("an answer of %s did not reach %s", c.who, c.resource)
			}
		}
	})
}
