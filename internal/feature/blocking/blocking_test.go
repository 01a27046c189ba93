// SPDX-License-Identifier: Apache-2.0

package blocking_test

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A stage is Juliet, with two devices, and Romeo, who see each other.
type stage struct {
	*routertest.World
	juliet, other, romeo *routertest.Device
}

func setStage(w *routertest.World) *stage {
	w.Friends("juliet", "romeo")
	s := &stage{w, w.Come("juliet/a", 0), w.Come("juliet/b", 0), w.Come("romeo/a", 0)}
	s.Settle()
	s.clear()
	return s
}

func (s *stage) clear() {
	for _, d := range []*routertest.Device{s.juliet, s.other, s.romeo} {
		d.Take()
	}
}

// got is what a device was sent since the last look: "kind type from condition body", in any order.
func got(d *routertest.Device) string {
	var list []string
	for _, st := range d.Take() {
		parts := []string{st.Kind.String(), cmp.Or(st.Type, "-"), strings.ReplaceAll(st.From.String(), "kith.example", "")}
		if e := stanza.ParseError(st); st.Type == stanza.TypeError {
			parts = append(parts, e.Condition)
			if strings.Contains(string(st.Raw()), `<blocked xmlns="urn:xmpp:blocking:errors"/>`) {
				parts = append(parts, "blocked")
			}
		} else if b, ok := st.Child(xmlstream.NSClient, "body"); ok {
			parts = append(parts, b.Text())
		}
		for _, name := range []string{"blocklist", "block", "unblock"} {
			n, ok := st.Child("urn:xmpp:blocking", name)
			if !ok || st.Type == stanza.TypeError {
				continue
			}
			parts = append(parts, name)
			for item := range n.Children() {
				parts = append(parts, strings.ReplaceAll(item.Attr("jid"), "kith.example", ""))
			}
		}
		list = append(list, strings.Join(parts, " "))
	}
	slices.Sort(list)
	return strings.Join(list, ", ")
}

func (s *stage) expect(d *routertest.Device, when, want string) {
	s.T.Helper()
	s.Settle()
	if g := got(d); g != want {
		s.T.Errorf("%s: %v got %q, want %q", when, d.JID, g, want)
	}
}

// block has Juliet block or unblock addresses; @ at the end of one stands for the domain.
func (s *stage) block(action string, addresses ...string) {
	s.T.Helper()
	items := ""
	for _, a := range addresses {
		items += fmt.Sprintf(`<item jid="%s"/>`, a)
	}
	s.juliet.Sendf(`<iq type="set" id="b"><%s xmlns="urn:xmpp:blocking">%s</%s></iq>`, action, items, action)
	s.Settle()
	for _, st := range s.juliet.Take() {
		if st.Kind == stanza.IQ && st.Type == stanza.TypeError {
			s.T.Errorf("%s %v: %s", action, addresses, st.Raw())
		}
	}
}

func (s *stage) archived(name string) int {
	s.T.Helper()
	list, err := s.Archive.Page(context.Background(), s.Account(name), 0, 1000)
	if err != nil {
		s.T.Fatal(err)
	}
	return len(list)
}

// TestInbound holds what happens to all that a blocked person sends (XEP-0191 §3.3).
func TestInbound(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.block("block", "romeo@")
		s.clear()
		before, err := w.Contacts.Get(context.Background(), w.Account("juliet"), jid.MustParse("romeo@kith.example"))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct{ stanza, answer string }{
			{`<message to="juliet@" type="chat"><body>x</body></message>`, "message error juliet@ service-unavailable"},
			{`<message to="juliet@/a" type="chat"><body>x</body></message>`, "message error juliet@/a service-unavailable"},
			{`<message to="juliet@"><body>x</body></message>`, "message error juliet@ service-unavailable"},
			{`<message to="juliet@" type="headline"><body>x</body></message>`, "message error juliet@ service-unavailable"},
			{`<message to="juliet@/a" type="groupchat"><body>x</body></message>`, "message error juliet@/a service-unavailable"},
			{`<message to="juliet@/a" type="error"><body>x</body><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`, ""},
			{`<iq to="juliet@" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "iq error juliet@ service-unavailable"},
			{`<iq to="juliet@/a" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "iq error juliet@/a service-unavailable"},
			{`<iq to="juliet@/a" type="set" id="1"><x xmlns="y"/></iq>`, "iq error juliet@/a service-unavailable"},
			{`<iq to="juliet@/a" type="result" id="1"/>`, ""},
			{`<iq to="juliet@/a" type="error" id="1"><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`, ""},
			{`<presence to="juliet@"/>`, ""},
			{`<presence to="juliet@/a"/>`, ""},
			{`<presence to="juliet@" type="unavailable"/>`, ""},
			{`<presence to="juliet@" type="probe"/>`, ""},
			{`<presence to="juliet@/a" type="error"><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></presence>`, ""},
		} {
			s.romeo.Sendf("%s", c.stanza)
			s.expect(s.romeo, c.stanza, c.answer)
			s.expect(s.juliet, c.stanza, "")
			s.expect(s.other, c.stanza, "")
		}
		// What manages a subscription changes Romeo's own list, which tells him so, and never Juliet's.
		for _, typ := range []string{"unsubscribe", "subscribe", "unsubscribed", "subscribed"} {
			s.romeo.Sendf(`<presence to="juliet@" type="%s"/>`, typ)
			s.expect(s.juliet, typ, "")
		}
		after, err := w.Contacts.Get(context.Background(), w.Account("juliet"), jid.MustParse("romeo@kith.example"))
		if err != nil || after.State != before.State {
			t.Errorf("Juliet's list says %v, %v, it was %v", after.State, err, before.State)
		}
		if n := s.archived("juliet"); n != 0 {
			t.Errorf("Juliet's archive has %d", n)
		}
	})
}

// TestOutbound holds that nothing goes to who is blocked (XEP-0191 §3.3), not even to be kept.
func TestOutbound(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.block("block", "romeo@")
		s.clear()
		for _, c := range []struct{ stanza, answer string }{
			{`<message to="romeo@" type="chat"><body>x</body></message>`, "message error romeo@ not-acceptable blocked"},
			{`<message to="romeo@/a" type="headline"><body>x</body></message>`, "message error romeo@/a not-acceptable blocked"},
			{`<message to="romeo@/a" type="error"><body>x</body><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`, ""},
			{`<iq to="romeo@" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "iq error romeo@ not-acceptable blocked"},
			{`<iq to="romeo@/a" type="set" id="1"><x xmlns="y"/></iq>`, "iq error romeo@/a not-acceptable blocked"},
			{`<iq to="romeo@/a" type="result" id="1"/>`, ""},
			{`<presence to="romeo@"/>`, "presence error romeo@ not-acceptable blocked"},
			{`<presence to="romeo@" type="unavailable"/>`, "presence error romeo@ not-acceptable blocked"},
			{`<presence to="romeo@" type="subscribe"/>`, "presence error romeo@ not-acceptable blocked"},
		} {
			s.juliet.Sendf("%s", c.stanza)
			s.expect(s.juliet, c.stanza, c.answer)
			s.expect(s.other, c.stanza, "")
			s.expect(s.romeo, c.stanza, "")
		}
		if n := s.archived("juliet") + s.archived("romeo"); n != 0 {
			t.Errorf("the archives have %d", n)
		}
	})
}

// TestNotOneself holds that nobody is kept from their own devices, or from their server, by a rule that would (XEP-0191 §5).
func TestNotOneself(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.block("block", "kith.example")
		s.clear()
		s.juliet.Sendf(`<message to="juliet@/b" type="chat"><body>note</body></message>`)
		s.expect(s.other, "a message to another device", "message chat juliet@/a note")
		s.clear()
		s.juliet.Sendf(`<iq to="kith.example" type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
		s.expect(s.juliet, "a question for the server", "iq result ")
		s.romeo.Sendf(`<message to="juliet@" type="chat"><body>x</body></message>`)
		s.expect(s.romeo, "somebody else on the server", "message error juliet@ service-unavailable")
		for _, own := range []string{"juliet@kith.example", "juliet@kith.example/b"} {
			s.juliet.Sendf(`<iq type="set" id="1"><block xmlns="urn:xmpp:blocking"><item jid="%s"/></block></iq>`, own)
			s.expect(s.juliet, "to block "+own, "iq error  not-allowed")
		}
	})
}

// TestPresence holds who sees whom before, during and after a block (XEP-0191 §3.3, §3.4).
func TestPresence(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.block("block", "romeo@")
		s.expect(s.romeo, "the block", "presence unavailable juliet@/a, presence unavailable juliet@/b")
		s.juliet.Sendf(`<presence><status>here</status></presence>`)
		s.romeo.Sendf(`<presence><status>there</status></presence>`)
		s.expect(s.romeo, "a change, blocked", "presence - romeo@/a")
		s.expect(s.juliet, "a change, blocked", "presence - juliet@/a")
		s.expect(s.other, "a change, blocked", "presence - juliet@/a")
		s.other.Sendf(`<presence type="unavailable"/>`)
		s.other.Sendf(`<presence/>`)
		s.expect(s.romeo, "one comes again, blocked", "")
		s.clear()
		s.block("unblock", "romeo@")
		s.expect(s.romeo, "the end of the block", "presence - juliet@/a, presence - juliet@/b")
		s.expect(s.other, "the end of the block", "presence - romeo@/a")
		s.juliet.Sendf(`<presence><status>again</status></presence>`)
		s.expect(s.romeo, "a change", "presence - juliet@/a")
	})
}

// TestPresenceOfOneDevice holds that a block of one device hides from that one.
func TestPresenceOfOneDevice(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		phone := w.Come("romeo/phone", 0)
		s.clear()
		phone.Take()
		s.block("block", "romeo@/a")
		s.expect(s.romeo, "the block", "presence unavailable juliet@/a, presence unavailable juliet@/b")
		s.expect(phone, "the block of another device", "")
		s.romeo.Sendf(`<message to="juliet@" type="chat"><body>x</body></message>`)
		s.expect(s.romeo, "from the device", "message error juliet@ service-unavailable")
		phone.Take() // a copy of it
		phone.Sendf(`<message to="juliet@" type="chat"><body>y</body></message>`)
		s.expect(s.juliet, "from the other", "message chat romeo@/phone y")
		s.clear()
		s.block("unblock", "romeo@/a")
		s.expect(s.romeo, "the end of the block", "presence - juliet@/a, presence - juliet@/b")
	})
}

// TestDirected holds that presence which was sent by name ends, too.
func TestDirected(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		tybalt := w.Come("tybalt/a", 0)
		s.juliet.Sendf(`<presence to="tybalt@/a"/>`)
		s.expect(tybalt, "by name", "presence - juliet@/a")
		s.block("block", "tybalt@")
		s.expect(tybalt, "the block", "presence unavailable juliet@/a")
		s.juliet.Sendf(`<presence type="unavailable"/>`)
		s.expect(tybalt, "Juliet leaves", "")
	})
}

// TestRequestsWait holds that a request that waits is not shown while who asks is blocked.
func TestRequestsWait(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		tybalt := w.Come("tybalt/a", 0)
		w.Account("juliet")
		tybalt.Sendf(`<presence to="juliet@" type="subscribe"/>`)
		w.Settle()
		s := &stage{w, w.Bind("juliet/a"), w.Bind("juliet/b"), w.Bind("romeo/a")}
		s.block("block", "tybalt@")
		s.juliet.Sendf(`<presence/>`)
		s.expect(s.juliet, "blocked", "presence - juliet@/a")
		s.block("unblock", "tybalt@")
		s.other.Sendf(`<presence/>`)
		s.expect(s.other, "not any more", "presence - juliet@/a, presence - juliet@/b, presence subscribe tybalt@")
	})
}

// TestPushes holds that the devices that have asked for the list are told of all that changes in it (XEP-0191 §3.2 to §3.5).
func TestPushes(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.other.Sendf(`<iq type="get" id="1"><blocklist xmlns="urn:xmpp:blocking"/></iq>`)
		s.expect(s.other, "an empty list", "iq result  blocklist")
		set := func(raw string) {
			s.juliet.Sendf(`<iq type="set" id="2">%s</iq>`, raw)
			s.expect(s.juliet, raw, "iq result ")
		}
		set(`<block xmlns="urn:xmpp:blocking"><item jid="tybalt@"/><item jid="verona.example"/><item jid="TYBALT@kith.example"/></block>`)
		s.expect(s.other, "two are blocked", "iq set  block tybalt@ verona.example")
		set(`<unblock xmlns="urn:xmpp:blocking"><item jid="tybalt@"/></unblock>`)
		s.expect(s.other, "one is not any more", "iq set  unblock tybalt@")
		s.juliet.Sendf(`<iq type="get" id="3"><blocklist xmlns="urn:xmpp:blocking"/></iq>`)
		s.expect(s.juliet, "the list", "iq result  blocklist verona.example")
		s.juliet.Sendf(`<iq type="set" id="4"><unblock xmlns="urn:xmpp:blocking"/></iq>`)
		s.expect(s.juliet, "all are unblocked", "iq result , iq set  unblock")
		s.expect(s.other, "all are unblocked", "iq set  unblock")
		s.juliet.Sendf(`<iq type="get" id="5"><blocklist xmlns="urn:xmpp:blocking"/></iq>`)
		s.expect(s.juliet, "the list", "iq result  blocklist")
		// Whoever makes the change: here no device does.
		owner := blocklist.Owner{ID: w.Account("juliet"), JID: jid.MustParse("juliet@kith.example")}
		if err := w.DB.Write(context.Background(), func(tx *db.Tx) error { return w.Blocks.Add(tx, owner, jid.MustParse("romeo@kith.example")) }); err != nil {
			t.Fatal(err)
		}
		s.expect(s.other, "the portal blocks", "iq set  block romeo@")
		s.expect(s.romeo, "the portal blocks", "presence unavailable juliet@/a, presence unavailable juliet@/b")
	})
}

// TestErrors holds what is wrong with a request (XEP-0191 §3.3).
func TestErrors(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		for _, c := range []struct{ name, raw, want string }{
			{"nobody", `<block xmlns="urn:xmpp:blocking"/>`, "bad-request"},
			{"something else", `<block xmlns="urn:xmpp:blocking"><x xmlns="y"/></block>`, "bad-request"},
			{"an item without an address", `<block xmlns="urn:xmpp:blocking"><item/></block>`, "bad-request"},
			{"no address", `<block xmlns="urn:xmpp:blocking"><item jid="@@"/></block>`, "jid-malformed"},
			{"no address, of two", `<block xmlns="urn:xmpp:blocking"><item jid="tybalt@"/><item jid=""/></block>`, "jid-malformed"},
			{"unblock an item without an address", `<unblock xmlns="urn:xmpp:blocking"><item/></unblock>`, "bad-request"},
			{"unblock no address", `<unblock xmlns="urn:xmpp:blocking"><item jid="@"/></unblock>`, "jid-malformed"},
		} {
			s.juliet.Sendf(`<iq type="set" id="1">%s</iq>`, c.raw)
			s.expect(s.juliet, c.name, "iq error  "+c.want)
		}
		s.juliet.Sendf(`<iq type="set" id="1" to="romeo@"><block xmlns="urn:xmpp:blocking"><item jid="tybalt@"/></block></iq>`)
		s.expect(s.juliet, "for somebody else", "iq error romeo@ service-unavailable")
		if list, err := w.Blocks.List(context.Background(), w.Account("juliet")); err != nil || len(list) != 0 {
			t.Errorf("%v are blocked, %v", list, err)
		}
	})
}

// TestTooMany holds that a list has its bound.
func TestTooMany(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		s := setStage(w)
		owner := blocklist.Owner{ID: w.Account("juliet"), JID: jid.MustParse("juliet@kith.example")}
		var full []jid.JID
		for i := range 10_000 {
			full = append(full, jid.MustParse(fmt.Sprintf("p%d@verona.example", i)))
		}
		if err := w.DB.Write(context.Background(), func(tx *db.Tx) error { return w.Blocks.Add(tx, owner, full...) }); err != nil {
			t.Fatal(err)
		}
		s.juliet.Sendf(`<iq type="set" id="1"><block xmlns="urn:xmpp:blocking"><item jid="tybalt@"/></block></iq>`)
		s.expect(s.juliet, "one too many", "iq error  resource-constraint")
		s.juliet.Sendf(`<iq type="set" id="1"><block xmlns="urn:xmpp:blocking"><item jid="p1@verona.example"/></block></iq>`)
		s.expect(s.juliet, "one that is blocked", "iq result ")
		w.Close()
	})
}

// TestWaiting holds that a message which waited when its sender was blocked comes to no device: not to the one that comes
// next, and not after the block.
func TestWaiting(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo, mercutio := w.Come("romeo/a", 0), w.Come("mercutio/a", 0)
		s := &stage{World: w, juliet: w.Bind("juliet/a"), romeo: romeo}
		romeo.Sendf(`<message to="juliet@" type="chat"><body>from Romeo</body></message>`)
		mercutio.Sendf(`<message to="juliet@" type="chat"><body>from Mercutio</body></message>`)
		w.Settle()
		s.block("block", "romeo@")
		s.juliet.Sendf(`<presence/>`)
		s.expect(s.juliet, "she comes", "message chat mercutio@/a from Mercutio, presence - juliet@/a")
		if n := s.archived("juliet"); n != 2 {
			t.Errorf("her archive has %d: what came before the block stays", n)
		}
	})
}

// TestOnItsWay holds that nothing of a blocked person comes behind the answer to the block, wherever it was by then, and
// that all other messages come.
func TestOnItsWay(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		mercutio := w.Come("mercutio/a", 0)
		for round := range 10 {
			for i := range 10 {
				s.romeo.Sendf(`<message to="juliet@" type="chat" id="r%d-%d"><body>from Romeo</body></message>`, round, i)
				mercutio.Sendf(`<message to="juliet@" type="chat" id="m%d-%d"><body>from Mercutio</body></message>`, round, i)
				if i == round%10 {
					s.juliet.Sendf(`<iq type="set" id="block"><block xmlns="urn:xmpp:blocking"><item jid="romeo@"/></block></iq>`)
				}
			}
			s.Settle()
			blocked, others := false, 0
			for _, st := range s.juliet.Take() {
				switch from := st.From.Bare().Local(); {
				case st.ID == "block":
					blocked = true
				case from == "romeo" && blocked:
					t.Errorf("behind the block came %s", st.Raw())
				case from == "mercutio" && st.Kind == stanza.Message:
					others++
				}
			}
			if !blocked || others != 10 {
				t.Errorf("round %d: blocked %v, %d of the others", round, blocked, others)
			}
			s.block("unblock", "romeo@")
			s.clear()
		}
	})
}

// TestRestart holds that a block outlives the server, and that what was on its way then does not come in.
func TestRestart(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		s := setStage(w)
		s.block("block", "romeo@")
		w.Close()
		w = routertest.Open(t, path, 1)
		s = &stage{w, w.Come("juliet/a", 0), w.Come("juliet/b", 0), w.Come("romeo/a", 0)}
		s.clear()
		s.romeo.Sendf(`<message to="juliet@" type="chat"><body>x</body></message>`)
		s.expect(s.romeo, "after a restart", "message error juliet@ service-unavailable")
		s.block("unblock", "romeo@")
		s.clear()
		s.romeo.Sendf(`<message to="juliet@" type="chat"><body>y</body></message>`)
		s.expect(s.juliet, "unblocked", "message chat romeo@/a y")
		w.Close()
	})
}

// TestReport holds what an admin sees of a block that says why (XEP-0377).
func TestReport(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		s.romeo.Sendf(`<message to="juliet@" type="chat"><body>buy this</body></message>`)
		s.juliet.Sendf(`<message to="romeo@" type="chat"><body>no</body></message>`)
		w.Settle()
		var theirs, mine archive.ID
		list, err := w.Archive.Page(context.Background(), w.Account("juliet"), 0, 10)
		if err != nil || len(list) != 2 {
			t.Fatalf("%d in the archive, %v", len(list), err)
		}
		for _, e := range list {
			if e.Sent {
				mine = e.ID
			} else {
				theirs = e.ID
			}
		}
		s.clear()
		const by = `<stanza-id xmlns="urn:xmpp:sid:0" by="%s" id="%s"/>`
		ids := fmt.Sprintf(by, "juliet@kith.example", theirs) + fmt.Sprintf(by, "juliet@kith.example", mine) +
			fmt.Sprintf(by, "juliet@kith.example", "unknown") + fmt.Sprintf(by, "romeo@verona.example", theirs)
		s.juliet.Sendf(`<iq type="set" id="1"><block xmlns="urn:xmpp:blocking"><item jid="romeo@">
			<report xmlns="urn:xmpp:reporting:1" reason="urn:xmpp:reporting:spam"><text xml:lang="en"> He never stops. </text>
			<text>Never.</text>%s<report-origin/></report></item><item jid="tybalt@"><report xmlns="urn:xmpp:reporting:1"/></item></block></iq>`, ids)
		s.expect(s.juliet, "a block with reports", "iq result ")
		reports, err := w.Reports.List(context.Background(), 0, 10)
		if err != nil || len(reports) != 1 {
			t.Fatalf("%d reports, %v", len(reports), err)
		}
		r := reports[0]
		if r.Name != "juliet" || r.Reported.String() != "romeo@kith.example" || r.Reason != "urn:xmpp:reporting:spam" ||
			r.Words != "He never stops.\nNever." || !r.Origin || r.ThirdParty || len(r.Messages) != 4 {
			t.Errorf("the report is %+v", r)
		}
		for i, m := range r.Messages {
			if has := strings.Contains(m.Raw, "buy this"); has != (i == 0) || !has && m.Raw != "" {
				t.Errorf("message %d is %+v", i, m)
			}
		}
		if n := w.Reports.Made().Of("spam").Value(); n != 1 {
			t.Errorf("%d are counted", n)
		}
		for _, a := range []string{"romeo@kith.example", "tybalt@kith.example"} { // whatever the report says
			if blocked, err := w.Blocks.Blocked(context.Background(), w.Account("juliet"), jid.MustParse(a)); err != nil || !blocked {
				t.Errorf("%s is not blocked, %v", a, err)
			}
		}
	})
}

// However many are blocked at once, few reports are written in that act; all are blocked.
func TestManyReports(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		s := setStage(w)
		var items strings.Builder
		for i := range 150 {
			fmt.Fprintf(&items, `<item jid="spam%d@"><report xmlns="urn:xmpp:reporting:1" reason="urn:xmpp:reporting:spam"/></item>`, i)
		}
		s.juliet.Sendf(`<iq type="set" id="1"><block xmlns="urn:xmpp:blocking">%s</block></iq>`, items.String())
		s.expect(s.juliet, "many blocks with reports", "iq result ")
		reports, err := w.Reports.List(context.Background(), 0, 1000)
		if err != nil || len(reports) != 20 {
			t.Errorf("%d reports, %v", len(reports), err)
		}
		if list, err := w.Blocks.List(context.Background(), w.Account("juliet")); err != nil || len(list) != 150 {
			t.Errorf("%d are blocked, %v", len(list), err)
		}
	})
}
