// SPDX-License-Identifier: Apache-2.0

package push_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// A stage is a world in which Romeo's phone has a browser that is pushed to, and has gone, and Juliet writes to him.
type stage struct {
	*routertest.World
	juliet *routertest.Device
	phone  *routertest.Browser
	since  time.Time
}

// play runs f on a stage of one router, so that its clock is exact.
func play(t *testing.T, f func(s *stage)) {
	t.Helper()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		f(setStage(w))
		w.Close()
	})
}

func setStage(w *routertest.World) *stage {
	s := &stage{World: w, phone: w.Browser("phone")}
	d := w.BindWith("romeo/phone", "phone", session.ClientCredit())
	s.phone.Enable(d, "")
	d.Leave()
	s.juliet = w.Come("juliet/desk", 0)
	w.Settle()
	s.since = time.Now()
	return s
}

// device binds one of Romeo's devices, makes it available, and forgets what it got.
func (s *stage) device(name string) *routertest.Device {
	d := s.BindWith("romeo/"+name, name, session.ClientCredit())
	d.Sendf(`<presence/>`)
	s.Settle()
	d.Take()
	return d
}

// says has Juliet write to Romeo.
func (s *stage) says(body string) {
	s.juliet.Sendf(`<message to="romeo@" type="chat" id="%s"><body>%s</body></message>`, body, body)
}

// told is what came to a browser, as "kind body xcount @time".
func (s *stage) told(b *routertest.Browser) string {
	synctest.Wait()
	var list []string
	for _, p := range b.Take() {
		n := p.Payload
		words := []string{n.Attr("kind")}
		if m, ok := n.Child("jabber:client", "message"); ok {
			if body, ok := m.Child("jabber:client", "body"); ok {
				words = append(words, body.Text())
			}
		}
		if n.HasAttr("call") {
			words = append(words, n.Attr("call"))
		}
		if n.HasAttr("reason") {
			words = append(words, n.Attr("reason"))
		}
		if n.HasAttr("count") {
			words = append(words, "x"+n.Attr("count"))
		}
		list = append(list, strings.Join(append(words, "@"+p.At.Sub(s.since).String()), " "))
	}
	return strings.Join(list, ", ")
}

// TestWho holds who is told of a message: by the state of its own device, and by what happens on others.
func TestWho(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		setup func(s *stage)
		want  string
	}{
		{"the device is gone", func(*stage) {}, "message hark @0s"},
		{"it is awake", func(s *stage) { s.device("phone") }, ""},
		{"it is idle", func(s *stage) { s.device("phone").SetIdle(true) }, "message hark @0s"},
		{"it is asleep", func(s *stage) {
			d := s.device("phone")
			d.Resumable()
			s.Settle()
			d.Sleep()
			s.Settle()
		}, "message hark @0s"},
		{"it seems awake, and says nothing", func(s *stage) { s.device("phone").Manage() }, "message hark @30s"},
		{"another is awake", func(s *stage) { s.device("desk") }, "message hark @10s"},
		{"another is idle", func(s *stage) { s.device("desk").SetIdle(true) }, "message hark @0s"},
		{"another is not available", func(s *stage) { s.Bind("romeo/desk") }, "message hark @10s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				c.setup(s)
				s.since = time.Now()
				s.says("hark")
				time.Sleep(time.Minute)
				if got := s.told(s.phone); got != c.want {
					t.Errorf("told %q, want %q", got, c.want)
				}
			})
		})
	}
}

// TestAcknowledged holds that a device which takes the message in time is not woken.
func TestAcknowledged(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		d := s.device("phone")
		d.Manage()
		s.says("hark")
		synctest.Wait()
		time.Sleep(20 * time.Second)
		d.Ack(1)
		time.Sleep(time.Minute)
		if got := s.told(s.phone); got != "" {
			t.Errorf("told %q", got)
		}
	})
}

// TestConnectionLost holds that a device whose connection goes before it has acknowledged a message is woken for it, and
// for that one only.
func TestConnectionLost(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		d := s.device("phone")
		d.Resumable()
		s.says("hark")
		synctest.Wait()
		d.Ack(1)
		time.Sleep(2 * time.Second)
		s.says("soft")
		synctest.Wait()
		time.Sleep(time.Second)
		d.Sleep()
		time.Sleep(time.Minute)
		if got, want := s.told(s.phone), "message soft @3s"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestSeemsAwake holds that a device which becomes awake while a push waits is woken after all where it does not take the
// message, and that one which was woken is not woken for the same again.
func TestSeemsAwake(t *testing.T) {
	t.Parallel()
	for desk, want := range map[bool]string{true: "message hark @40s", false: "message hark @0s"} {
		play(t, func(s *stage) {
			if desk {
				s.device("desk")
			}
			d := s.device("phone")
			d.Manage()
			d.SetIdle(true)
			s.Settle()
			s.since = time.Now()
			s.says("hark")
			time.Sleep(5 * time.Second)
			d.SetIdle(false)
			time.Sleep(2 * time.Minute)
			if got := s.told(s.phone); got != want {
				t.Errorf("told %q, want %q", got, want)
			}
		})
	}
}

// TestToldOnce holds that nobody is told again of what a session held that has slept too long, or held too much.
func TestToldOnce(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		d := s.device("phone")
		d.Resumable()
		s.Settle()
		d.Sleep()
		for i := range 300 {
			s.says(fmt.Sprint(i))
		}
		time.Sleep(time.Minute)
		s.told(s.phone)
		d.Leave()
		time.Sleep(time.Minute)
		if got := s.told(s.phone); got != "" {
			t.Errorf("told once more: %q", got)
		}
	})
}

// TestGrace holds what happens while a push waits, since another device is in use.
func TestGrace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		then func(s *stage, desk *routertest.Device)
		want string
	}{
		{"the desk has read it", func(s *stage, d *routertest.Device) {
			d.Sendf(`<message to="juliet@/desk" type="chat"><displayed xmlns="urn:xmpp:chat-markers:0" id="hark"/></message>`)
		}, ""},
		{"the desk answers", func(s *stage, d *routertest.Device) {
			d.Sendf(`<message to="juliet@" type="chat"><body>yes</body></message>`)
		}, ""},
		{"the desk begins to write", func(s *stage, d *routertest.Device) {
			d.Sendf(`<message to="juliet@" type="chat"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>`)
		}, ""},
		{"what was read is published", func(s *stage, d *routertest.Device) {
			s.publish("urn:xmpp:mds:displayed:0", "juliet@kith.example")
		}, ""},
		{"what was read elsewhere is published", func(s *stage, d *routertest.Device) {
			s.publish("urn:xmpp:mds:displayed:0", "mercutio@kith.example")
		}, "message hark @10s"},
		{"something else is published", func(s *stage, d *routertest.Device) {
			s.publish("urn:example:node", "juliet@kith.example")
		}, "message hark @10s"},
		{"the desk has received it", func(s *stage, d *routertest.Device) {
			d.Sendf(`<message to="juliet@" type="chat"><received xmlns="urn:xmpp:receipts" id="hark"/></message>`)
		}, "message hark @10s"},
		{"the desk writes to another", func(s *stage, d *routertest.Device) {
			d.Sendf(`<message to="mercutio@" type="chat"><body>hm</body></message>`)
		}, "message hark @10s"},
		{"the phone comes", func(s *stage, d *routertest.Device) { s.device("phone") }, ""},
		{"the phone comes and goes", func(s *stage, d *routertest.Device) { s.device("phone").Leave() }, "message hark @10s"},
		{"more comes", func(s *stage, d *routertest.Device) { s.says("again") }, "message again x2 @10s"},
		{"the registration ends", func(s *stage, d *routertest.Device) {
			d.Sendf(`<iq type="set" id="x"><disable xmlns="https://kith.im/ns/webpush/0" id="%d"/></iq>`, s.Push.Of(s.Account("romeo"))[0].ID)
		}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.Account("mercutio")
				desk := s.device("desk")
				s.since = time.Now()
				s.says("hark")
				time.Sleep(5 * time.Second)
				c.then(s, desk)
				time.Sleep(time.Minute)
				if got := s.told(s.phone); got != c.want {
					t.Errorf("told %q, want %q", got, c.want)
				}
			})
		})
	}
}

// publish publishes an item on Romeo's account.
func (s *stage) publish(node, id string) {
	s.T.Helper()
	owner := item.Owner{ID: s.Account("romeo"), JID: jid.MustParse("romeo@kith.example")}
	err := s.DB.Write(s.T.Context(), func(tx *db.Tx) error {
		_, err := s.Items.Publish(tx, owner, node, item.Item{ID: id, Payload: `<x xmlns="urn:example:x"/>`}, item.Default())
		return err
	})
	if err != nil {
		s.T.Fatal(err)
	}
}

// TestWorth holds what somebody is woken for.
func TestWorth(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, typ, in string
		want          bool
	}{
		{"a text", "chat", `<body>x</body>`, true},
		{"a text of no type", "", `<body>x</body>`, true},
		{"an empty text", "chat", `<body/>`, false},
		{"white space", "chat", `<body> </body>`, false},
		{"a headline", "headline", `<body>x</body>`, false},
		{"OMEMO", "chat", `<encrypted xmlns="urn:xmpp:omemo:2"><header sid="1"/><payload>x</payload></encrypted>`, true},
		{"OMEMO of old", "chat", `<encrypted xmlns="eu.siacs.conversations.axolotl"><header sid="1"/><payload>x</payload></encrypted>`, true},
		{"keys only", "chat", `<encrypted xmlns="eu.siacs.conversations.axolotl"><header sid="1"/></encrypted>`, false},
		{"OpenPGP", "chat", `<openpgp xmlns="urn:xmpp:openpgp:0">x</openpgp>`, true},
		{"OpenPGP of old", "chat", `<x xmlns="jabber:x:encrypted">x</x>`, true},
		{"typing", "chat", `<composing xmlns="http://jabber.org/protocol/chatstates"/>`, false},
		{"a receipt", "chat", `<received xmlns="urn:xmpp:receipts" id="x"/>`, false},
		{"a marker", "chat", `<displayed xmlns="urn:xmpp:chat-markers:0" id="x"/>`, false},
		{"a subject", "", `<subject>x</subject>`, false},
		{"a reaction", "chat", `<reactions xmlns="urn:xmpp:reactions:0" id="x"><reaction>!</reaction></reactions>`, false},
		{"a retraction", "chat", `<retract xmlns="urn:xmpp:message-retract:1" id="x"/><body>I took something back</body>`, false},
		{"a text that is not kept", "chat", `<body>x</body><no-store xmlns="urn:xmpp:hints"/>`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				s.juliet.Sendf(`<message to="romeo@" type="%s">%s</message>`, c.typ, c.in)
				time.Sleep(time.Minute)
				if got := s.told(s.phone); (got != "") != c.want {
					t.Errorf("told %q, want %v", got, c.want)
				}
			})
		})
	}
}

// TestOwn holds that nobody is woken by himself.
func TestOwn(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		desk := s.device("desk")
		desk.SetIdle(true)
		desk.Sendf(`<message to="juliet@" type="chat"><body>x</body></message>`)
		desk.Sendf(`<message to="romeo@" type="chat"><body>x</body></message>`)
		desk.Sendf(`<message to="romeo@/phone" type="chat"><body>x</body></message>`)
		time.Sleep(time.Minute)
		if got := s.told(s.phone); got != "" {
			t.Errorf("told %q", got)
		}
	})
}

// TestBurst holds that of many messages in one chat the first is told at once, and then one in each second.
func TestBurst(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.Account("mercutio")
		mercutio := s.Bind("mercutio/street")
		for i := range 25 {
			s.says(fmt.Sprint(i))
			if i == 3 {
				mercutio.Sendf(`<message to="romeo@" type="chat"><body>other</body></message>`)
			}
			time.Sleep(90 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		want := "message 0 @0s, message other @270ms, message 11 x12 @1s, message 22 x23 @2s, message 24 x25 @3s"
		if got := s.told(s.phone); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		// It is read: the count begins anew.
		desk := s.Bind("romeo/desk")
		desk.Sendf(`<message to="juliet@" type="chat"><body>enough</body></message>`)
		desk.Leave()
		s.Settle()
		s.since = time.Now()
		s.says("more")
		time.Sleep(time.Minute)
		if got, want := s.told(s.phone), "message more @0s"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestCalls holds that a call is told to all devices at once, and its end to those that ring.
func TestCalls(t *testing.T) {
	t.Parallel()
	const propose = `<message to="romeo@" type="chat"><propose xmlns="urn:xmpp:jingle-message:0" id="c1"/></message>`
	call := func(what, to string) string {
		return `<message to="` + to + `" type="chat"><` + what + ` xmlns="urn:xmpp:jingle-message:0" id="c1"/></message>`
	}
	for _, c := range []struct {
		name        string
		then        func(s *stage, desk *routertest.Device)
		phone, desk string
	}{
		{"nobody answers", func(s *stage, d *routertest.Device) {}, "call c1 @0s", "call c1 @0s"},
		{"it is called twice", func(s *stage, d *routertest.Device) { s.juliet.Sendf(propose) }, "call c1 @0s", "call c1 @0s"},
		{"the caller gives up", func(s *stage, d *routertest.Device) { s.juliet.Sendf("%s", call("retract", "romeo@")) },
			"call c1 @0s, call-end c1 retract @5s", "call c1 @0s, call-end c1 retract @5s"},
		{"it is answered", func(s *stage, d *routertest.Device) { d.Sendf("%s", call("proceed", "juliet@/desk")) },
			"call c1 @0s, call-end c1 accept @5s", "call c1 @0s"},
		{"it is answered as of old", func(s *stage, d *routertest.Device) { d.Sendf("%s", call("accept", "romeo@")) },
			"call c1 @0s, call-end c1 accept @5s", "call c1 @0s"},
		{"it is rejected", func(s *stage, d *routertest.Device) { d.Sendf("%s", call("reject", "juliet@/desk")) },
			"call c1 @0s, call-end c1 reject @5s", "call c1 @0s"},
		{"it rings elsewhere", func(s *stage, d *routertest.Device) { d.Sendf("%s", call("ringing", "juliet@/desk")) },
			"call c1 @0s", "call c1 @0s"},
		{"another call ends", func(s *stage, d *routertest.Device) {
			s.juliet.Sendf(`<message to="romeo@" type="chat"><retract xmlns="urn:xmpp:jingle-message:0" id="c2"/></message>`)
		}, "call c1 @0s", "call c1 @0s"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			play(t, func(s *stage) {
				desk := s.device("desk")
				browser := s.Browser("desk")
				browser.Enable(desk, "") // it is awake, and told all the same
				s.since = time.Now()
				s.juliet.Sendf(propose)
				time.Sleep(5 * time.Second)
				c.then(s, desk)
				time.Sleep(time.Minute)
				if got := s.told(s.phone); got != c.phone {
					t.Errorf("the phone was told %q, want %q", got, c.phone)
				}
				if got := s.told(browser); got != c.desk {
					t.Errorf("the desk was told %q, want %q", got, c.desk)
				}
			})
		})
	}
}

// TestRequests holds that somebody who wants to be a contact is told, once.
func TestRequests(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		s.juliet.Sendf(`<presence type="subscribe" to="romeo@"/>`)
		s.juliet.Sendf(`<presence type="subscribe" to="romeo@"/>`)
		time.Sleep(time.Minute)
		if got, want := s.told(s.phone), "request @0s"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		desk := s.Bind("romeo/desk")
		desk.Sendf(`<presence type="subscribed" to="juliet@"/>`)
		desk.Sendf(`<presence type="subscribed" to="mercutio@"/>`) // beforehand
		s.Settle()
		desk.Leave()
		s.juliet.Sendf(`<presence type="subscribe" to="romeo@"/>`)
		s.Account("mercutio")
		s.Bind("mercutio/street").Sendf(`<presence type="subscribe" to="romeo@"/>`)
		time.Sleep(time.Minute)
		if got := s.told(s.phone); got != "" {
			t.Errorf("who is let in without asking: told %q", got)
		}
	})
}

// TestBlocked holds that whom somebody has blocked wakes nobody.
func TestBlocked(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		desk := s.Bind("romeo/desk")
		desk.Sendf(`<iq type="set" id="b"><block xmlns="urn:xmpp:blocking"><item jid="juliet@"/></block></iq>`)
		s.Settle()
		desk.Leave()
		s.Settle()
		s.says("hark")
		s.juliet.Sendf(`<presence type="subscribe" to="romeo@"/>`)
		time.Sleep(time.Minute)
		if got := s.told(s.phone); got != "" {
			t.Errorf("told %q", got)
		}
	})
}

// TestMissedLater holds that a message which a device had and lost is told once, not twice.
func TestMissedLater(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		d := s.device("phone")
		d.Resumable()
		s.Settle()
		d.Sleep()
		s.Settle()
		s.since = time.Now()
		s.says("hark")
		time.Sleep(time.Minute)
		d.Leave() // its session ends, and the message waits for the next
		time.Sleep(time.Minute)
		if got, want := s.told(s.phone), "message hark @0s"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	})
}

// TestPatience holds that a session sleeps longer where its client can be woken.
func TestPatience(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		romeo := s.Account("romeo")
		if !s.Push.Live(romeo, "id:phone") || s.Push.Live(romeo, "id:desk") {
			t.Error("who can be woken is wrong")
		}
		s.phone.Answer(503)
		s.says("hark")
		time.Sleep(10 * time.Minute)
		if s.Push.Live(romeo, "id:phone") {
			t.Error("who cannot be reached is counted on")
		}
	})
}

// TestEach holds the ways of a notice in worlds of one router and of two that lose packets.
func TestEach(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.says("one")
		s.Settle()
		time.Sleep(time.Minute)
		s.juliet.Sendf(`<message to="romeo@" type="chat"><propose xmlns="urn:xmpp:jingle-message:0" id="c1"/></message>`)
		s.Settle()
		time.Sleep(time.Minute)
		s.juliet.Sendf(`<presence type="subscribe" to="romeo@"/>`)
		s.Settle()
		time.Sleep(time.Minute)
		var kinds []string
		for _, p := range s.phone.Take() {
			kinds = append(kinds, p.Payload.Attr("kind"))
		}
		if want := []string{"message", "call", "request"}; !slices.Equal(kinds, want) {
			t.Errorf("told %v, want %v", kinds, want)
		}
	})
}

// A service is the push service of an app, on another domain.
type service struct {
	*routertest.World
	got []*stanza.Stanza
}

// answer answers what the service was asked, and returns how often that was.
func (s *service) answer(format string) int {
	s.Settle()
	n := 0
	for _, st := range s.Sent() {
		if st.Kind != stanza.IQ || st.Type != "set" {
			continue
		}
		n++
		s.got = append(s.got, st)
		s.Receive(format, st.ID)
	}
	s.Settle()
	return n
}

const accepted = `<iq type="result" id="%s" from="push.example" to="romeo@"/>`

func refused(typ, condition string) string {
	return `<iq type="error" id="%s" from="push.example" to="romeo@"><error type="` + typ + `"><` + condition +
		` xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`
}

// TestPublish holds what comes of the answers of an app's push service (XEP-0357 §7.1).
func TestPublish(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		s := &service{World: w}
		d := w.BindWith("romeo/phone", "phone", session.ClientCredit())
		enable := func() {
			d := w.BindWith("romeo/phone", "phone", session.ClientCredit())
			d.Sendf(`<iq type="set" id="e"><enable xmlns="urn:xmpp:push:0" jid="push.example" node="n1"/></iq>`)
			w.Settle()
			d.Leave()
			w.Settle()
		}
		d.Leave()
		enable()
		juliet := w.Come("juliet/desk", 0)
		romeo := w.Account("romeo")
		says := func() {
			time.Sleep(2 * time.Second)
			juliet.Sendf(`<message to="romeo@" type="chat"><body>hark</body></message>`)
			w.Settle()
		}
		health := func() string {
			for _, r := range w.Push.Of(romeo) {
				return fmt.Sprintf("%d %s", r.Failures, r.Error)
			}
			return "none"
		}

		says()
		if n := s.answer(accepted); n != 1 || health() != "0 " {
			t.Fatalf("asked %d times, health %s", n, health())
		}
		if st := s.got[0]; st.From != jid.MustParse("romeo@kith.example") || st.To != jid.MustParse("push.example") {
			t.Errorf("asked by %v of %v", st.From, st.To)
		}

		// It refuses: sixteen times in a row are too often, fifteen are not.
		for range 15 {
			says()
			s.answer(refused("cancel", "item-not-found"))
		}
		if health() != "15 item-not-found" {
			t.Errorf("health %s", health())
		}
		says()
		s.answer(accepted)
		for range 15 {
			says()
			s.answer(refused("auth", "forbidden"))
		}
		if health() != "15 forbidden" {
			t.Errorf("health %s", health())
		}
		says()
		s.answer(refused("modify", "not-acceptable"))
		if health() != "none" {
			t.Errorf("after 16 refusals: health %s", health())
		}
		says()
		if n := s.answer(accepted); n != 0 {
			t.Errorf("what is disabled is asked %d times", n) // XEP-0357 §6
		}

		// It is busy, or away: it is asked again after a while, and again, and not forgotten.
		enable()
		says()
		tries := 0
		for range 12 {
			tries += s.answer(refused("wait", "resource-constraint"))
			time.Sleep(20 * time.Minute)
		}
		if health() == "none" || tries < 5 || tries > 12 {
			t.Errorf("asked %d times in four hours, health %s", tries, health())
		}
		for range 8 { // and never answers
			w.Settle()
			w.Sent()
			time.Sleep(20 * time.Minute)
		}
		if got := health(); !strings.HasSuffix(got, "remote-server-timeout") {
			t.Errorf("health %s", got)
		}
	})
}

// TestRestarts holds that what a client has registered is there after a restart, and is not after it was signed out.
func TestRestarts(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		s := setStage(w)
		before := w.Push.Of(w.Account("romeo"))
		w.Close()

		w = routertest.Open(t, path, 1)
		after := w.Push.Of(w.Account("romeo"))
		if len(after) != 1 || after[0].ID != before[0].ID || after[0].Service != s.phone.Endpoint || after[0].Kind != push.Web {
			t.Errorf("after a restart there is %+v", after)
		}
		w.Close()
	})
}

// TestWake holds that what the server asks an app that sleeps wakes it, without saying that there is a message; what others
// ask it does not.
func TestWake(t *testing.T) {
	routertest.EachAbroad(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		d := w.BindWith("romeo/phone", "phone", session.ClientCredit())
		d.Sendf(`<presence/>`)
		d.Sendf(`<iq type="set" id="e"><enable xmlns="urn:xmpp:push:0" jid="push.example" node="n1"/></iq>`)
		d.Resumable()
		w.Settle()
		d.Sleep()
		w.Settle()
		juliet := w.Come("juliet/desk", 0)
		juliet.Sendf(`<iq type="get" id="v" to="romeo@/phone"><query xmlns="jabber:iq:version"/></iq>`)
		w.Settle()
		if got := w.Sent(); len(got) > 0 {
			t.Errorf("a question of another wakes it: %s", got[0].Raw())
		}
		for range 3 {
			w.Routers[0].Route(w.Parse(`<iq xmlns="jabber:client" type="set" id="x" from="kith.example" to="romeo@kith.example/phone"><push xmlns="urn:example:x"/></iq>`))
			w.Settle()
		}
		time.Sleep(time.Second)
		w.Settle()
		got := w.Sent()
		if len(got) == 0 || len(got) > 3 {
			t.Fatalf("%d publishes", len(got))
		}
		raw := string(got[0].Raw())
		if strings.Contains(raw, "message-count") || strings.Contains(raw, "last-message-body") || !strings.Contains(raw, "urn:xmpp:push:summary") {
			t.Errorf("it is told %s", raw)
		}
	})
}

// TestGroupChat holds that what a group chat sends to a device is told to that device alone.
func TestGroupChat(t *testing.T) {
	t.Parallel()
	play(t, func(s *stage) {
		d := s.device("tablet")
		tablet := s.Browser("tablet")
		tablet.Enable(d, "")
		d.Resumable()
		s.Settle()
		d.Sleep()
		s.Settle()
		s.since = time.Now()
		s.Receive(`<message xmlns="jabber:client" type="groupchat" from="verona@rooms.example/tybalt" to="romeo@/tablet"><subject>peace</subject></message>`)
		s.Receive(`<message xmlns="jabber:client" type="groupchat" from="verona@rooms.example/tybalt" to="romeo@/tablet"><body>peace?</body></message>`)
		time.Sleep(time.Minute)
		if got, want := s.told(tablet), "message peace? @0s"; got != want {
			t.Errorf("told %q, want %q", got, want)
		}
		if got := s.told(s.phone); got != "" {
			t.Errorf("a device that is not in the room was told %q", got)
		}
	})
}
