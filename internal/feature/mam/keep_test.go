// SPDX-License-Identifier: Apache-2.0

package mam_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// What is kept, by what the message is: in both archives or in none, and for who is away.
func TestKept(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		w.Account("juliet")
		for _, c := range []struct {
			name, typ, inside string
			want              string // archived, passing (it only waits), or no
		}{
			{"a body", "chat", `<body>x</body>`, "archived"},
			{"a body of no type", "normal", `<body>x</body>`, "archived"},
			{"a subject", "normal", `<subject>x</subject>`, "archived"},
			{"a headline", "headline", `<body>x</body>`, "no"},
			{"an error", "error", `<body>x</body><error type="cancel"/>`, "no"},
			{"a chat state", "chat", `<composing xmlns="http://jabber.org/protocol/chatstates"/>`, "no"},
			{"a chat state of a private conversation", "chat", `<composing xmlns="http://jabber.org/protocol/chatstates"/><x xmlns="http://jabber.org/protocol/muc#user"/>`, "no"},
			{"a body with a chat state", "chat", `<body>x</body><active xmlns="http://jabber.org/protocol/chatstates"/>`, "archived"},
			{"a receipt", "chat", `<received xmlns="urn:xmpp:receipts" id="1"/>`, "archived"},
			{"a wish for one", "chat", `<request xmlns="urn:xmpp:receipts"/>`, "no"},
			{"a marker", "chat", `<displayed xmlns="urn:xmpp:chat-markers:0" id="1"/>`, "archived"},
			{"that it can be marked", "chat", `<markable xmlns="urn:xmpp:chat-markers:0"/>`, "no"},
			{"a reaction", "chat", `<reactions xmlns="urn:xmpp:reactions:0" id="1"/>`, "archived"},
			{"a retraction", "chat", `<retract xmlns="urn:xmpp:message-retract:1" id="1"/>`, "archived"},
			{"a call", "chat", `<propose xmlns="urn:xmpp:jingle-message:0" id="1"/>`, "archived"},
			{"encrypted, without a body", "chat", `<encrypted xmlns="eu.siacs.conversations.axolotl"/>`, "archived"},
			{"encrypted in the newer way", "chat", `<encrypted xmlns="urn:xmpp:omemo:2"/>`, "archived"},
			{"encrypted in some way", "chat", `<encryption xmlns="urn:xmpp:eme:0"/>`, "archived"},
			{"an invitation", "normal", `<x xmlns="http://jabber.org/protocol/muc#user"><invite/></x>`, "archived"},
			{"a direct invitation", "normal", `<x xmlns="jabber:x:conference" jid="a@b"/>`, "archived"},
			{"something else", "normal", `<x xmlns="urn:x"/>`, "no"},
			{"something else to be stored", "normal", `<x xmlns="urn:x"/><store xmlns="urn:xmpp:hints"/>`, "archived"},
			{"a body not to be stored", "chat", `<body>x</body><no-store xmlns="urn:xmpp:hints"/>`, "no"},
			{"a body not to be stored, and to be", "chat", `<body>x</body><store xmlns="urn:xmpp:hints"/><no-store xmlns="urn:xmpp:hints"/>`, "no"},
			{"a body not to be archived", "chat", `<body>x</body><no-permanent-store xmlns="urn:xmpp:hints"/>`, "passing"},
			{"a chat state not to be archived", "chat", `<composing xmlns="http://jabber.org/protocol/chatstates"/><no-permanent-store xmlns="urn:xmpp:hints"/>`, "no"},
			{"a message of a group", "groupchat", `<body>x</body>`, "no"},
		} {
			sent, got := len(entries(w, "romeo")), len(entries(w, "juliet"))
			romeo.Sendf(`<message to="juliet@" type="%s" id="1">%s</message>`, c.typ, c.inside)
			w.Settle()
			sent, list := len(entries(w, "romeo"))-sent, entries(w, "juliet")[got:]
			have := "no"
			if len(list) == 1 {
				if have = "archived"; list[0].Passing {
					have = "passing"
				}
				if !list[0].Waiting {
					t.Errorf("%s: it does not wait", c.name)
				}
			}
			if have != c.want || (c.want == "archived") != (sent == 1) {
				t.Errorf("%s: %s, and %d for the sender, want %s", c.name, have, sent, c.want)
			}
		}
	})
}

// A message that is not to be archived waits for who is away, comes without an id, and is gone then.
func TestPassing(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		w.Account("juliet")
		send := func(body string) {
			time.Sleep(time.Millisecond)
			romeo.Sendf(`<message to="juliet@" type="chat"><body>%s</body><no-permanent-store xmlns="urn:xmpp:hints"/></message>`, body)
			w.Settle()
		}
		send("off the record")
		juliet := w.Bind("juliet/balcony")
		if got := query(w, juliet, ""); got.String() != " | of 0 true" {
			t.Errorf("while it waits: %v", got)
		}
		juliet.Sendf(`<presence/>`)
		w.Settle()
		var got []*stanza.Stanza
		for _, st := range juliet.Take() {
			if st.Kind == stanza.Message {
				got = append(got, st)
			}
		}
		if len(got) != 1 {
			t.Fatalf("got %d", len(got))
		}
		if _, ok := got[0].Child("urn:xmpp:sid:0", "stanza-id"); ok {
			t.Errorf("it has an id: %s", got[0].Raw())
		}
		if _, ok := got[0].Child("urn:xmpp:delay", "delay"); !ok {
			t.Errorf("it has no time: %s", got[0].Raw())
		}
		w.Settle()
		send("and live")
		if got := juliet.Bodies(); !slices.Equal(got, []string{"and live"}) {
			t.Errorf("live: %q", got)
		}
		if e := entries(w, "juliet"); len(e) != 0 {
			t.Errorf("what is left: %v", e)
		}
	})
}

// Preferences say whose messages are archived (XEP-0441).
func TestPreferences(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		w.Account("stranger")
		romeo := w.Come("romeo/desk", 0)
		answer := func(iq string) string {
			romeo.Sendf("%s", iq)
			w.Settle()
			n, _ := romeo.Take()[0].First()
			return string(n.Raw())
		}
		const empty = `<prefs xmlns="urn:xmpp:mam:2" default="always"><always/><never/></prefs>`
		if got := answer(`<iq type="get" id="1"><prefs xmlns="urn:xmpp:mam:2"/></iq>`); got != empty {
			t.Errorf("at first: %s", got)
		}
		others := map[string]*routertest.Device{}
		for _, name := range []string{"juliet/a", "juliet/b", "stranger/a"} {
			others[name] = w.Bind(name)
		}
		for _, c := range []struct{ prefs, want string }{ // want: to and from whom messages are archived; > is to, < from
			{`default="always"`, ">juliet/a <juliet/a >juliet/b <juliet/b >stranger/a <stranger/a self"},
			{`default="never"`, ""},
			{`default="roster"`, ">juliet/a <juliet/a >juliet/b <juliet/b self"},
			{`default="never"><always><jid>juliet@kith.example</jid></always`, ">juliet/a <juliet/a >juliet/b <juliet/b"},
			{`default="never"><always><jid>juliet@kith.example/b</jid></always`, ">juliet/b <juliet/b"},
			{`default="always"><never><jid>juliet@kith.example</jid></never`, ">stranger/a <stranger/a self"},
			{`default="roster"><always><jid>stranger@kith.example</jid></always><never><jid>juliet@kith.example/a</jid></never`,
				">juliet/b <juliet/b >stranger/a <stranger/a self"},
			{`default="always"><always><jid>juliet@kith.example</jid></always><never><jid>juliet@kith.example</jid></never`,
				">stranger/a <stranger/a self"},
		} {
			answer(`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" ` + c.prefs + `></prefs></iq>`)
			var have []string
			for _, name := range []string{"juliet/a", "juliet/b", "stranger/a"} {
				n := len(entries(w, "romeo"))
				to := strings.Replace(name, "/", "@kith.example/", 1)
				romeo.Sendf(`<message to="%s" type="chat"><body>x</body></message>`, to)
				w.Settle()
				if len(entries(w, "romeo")) > n {
					have = append(have, ">"+name)
				}
				n = len(entries(w, "romeo"))
				others[name].Sendf(`<message to="romeo@" type="chat"><body>x</body></message>`)
				w.Settle()
				if len(entries(w, "romeo")) > n {
					have = append(have, "<"+name)
				}
			}
			n := len(entries(w, "romeo"))
			romeo.Sendf(`<message to="romeo@" type="chat"><body>x</body></message>`)
			w.Settle()
			if len(entries(w, "romeo")) > n {
				have = append(have, "self")
			}
			if got := strings.Join(have, " "); got != c.want {
				t.Errorf("%s: archived %q, want %q", c.prefs, got, c.want)
			}
			romeo.Take()
		}
		// A list tells an address once, as it is normalised; others are as they were.
		got := answer(`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" default="roster"><never><jid>X@Y</jid><jid>x@y</jid></never></prefs></iq>`)
		if want := `<prefs xmlns="urn:xmpp:mam:2" default="roster"><always/><never><jid>x@y</jid></never></prefs>`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if again := answer(`<iq type="get" id="1"><prefs xmlns="urn:xmpp:mam:2"/></iq>`); again != got {
			t.Errorf("then %s", again)
		}
	})
}

// What is not wanted in the archive waits all the same for who is away.
func TestUnwantedWaits(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, juliet := w.Bind("romeo/desk"), w.Bind("juliet/balcony")
		juliet.Sendf(`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" default="never"/></iq>`)
		w.Settle()
		juliet.Take()
		romeo.Sendf(`<message to="juliet@" type="chat"><body>Hark</body></message>`)
		w.Settle()
		juliet.Sendf(`<presence/>`)
		w.Settle()
		var got []string
		for _, st := range juliet.Take() {
			if st.Kind == stanza.Message {
				got = append(got, fmt.Sprint(st.From))
			}
		}
		if len(got) != 1 || len(entries(w, "juliet")) != 0 || len(entries(w, "romeo")) != 1 {
			t.Errorf("came %q, left %d, the sender has %d", got, len(entries(w, "juliet")), len(entries(w, "romeo")))
		}
	})
}

// An author takes a message back: a tombstone is left in both archives, and the retraction is kept (XEP-0424). Nobody else
// can.
func TestRetraction(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, juliet := w.Bind("romeo/desk"), w.Bind("juliet/balcony")
		phone, nurse := w.Bind("romeo/phone"), w.Bind("nurse/a")
		const pm = `<x xmlns="http://jabber.org/protocol/muc#user"/>`
		// A row is what is sent; of its message, by what it is known here, the tombstone's id is then what is wanted.
		send := func(d *routertest.Device, to, typ, id, inside string) {
			time.Sleep(time.Second)
			d.Sendf(`<message to="%s" type="%s" id="%s" xml:lang="en">%s</message>`, to, typ, id, inside)
			w.Settle()
		}
		retract := func(id string) string {
			return `<retract xmlns="urn:xmpp:message-retract:1" id="` + id + `"/><body>taken back</body>`
		}
		send(romeo, "juliet@", "chat", "a", `<body>secret</body><origin-id xmlns="urn:xmpp:sid:0" id="z"/>`)
		send(romeo, "juliet@", "normal", "b", `<subject>secret</subject><body>secret</body>`)
		send(romeo, "juliet@", "chat", "a", `<body>the later one of that id</body>`)
		send(romeo, "juliet@", "chat", "k", `<body>kept</body>`)
		send(juliet, "romeo@", "chat", "k", `<body>juliet's</body>`)
		send(romeo, "juliet@/balcony", "chat", "p", `<body>private</body>`+pm)
		send(romeo, "romeo@", "chat", "s", `<body>to myself</body>`)
		send(romeo, "juliet@", "chat", `x&quot;y`, `<body>secret</body>`)

		send(phone, "juliet@", "chat", "r1", retract("b"))           // another device of the author
		send(romeo, "juliet@", "chat", "r2", retract("a"))           // the newest of two
		send(juliet, "romeo@", "chat", "r3", retract("p"))           // not the author
		send(nurse, "juliet@", "chat", "r4", retract("k"))           // nor she
		send(nurse, "romeo@", "chat", "r5", retract("k"))            //
		send(romeo, "juliet@/garden", "chat", "r6", retract("p")+pm) // another one in the group; it bounces
		send(phone, "juliet@/balcony", "chat", "r7", retract("p")+pm)
		send(romeo, "romeo@", "chat", "r8", retract("s"))
		send(romeo, "juliet@", "chat", "r9", retract("r1")) // a retraction stays
		send(romeo, "juliet@", "chat", "r10", retract("a")) // that is gone, and the older one was not meant
		send(romeo, "juliet@", "chat", "r11", retract(`x&quot;y`))
		send(romeo, "juliet@", "chat", "r12", retract("never"))
		send(romeo, "juliet@", "chat", "", retract("k")) // nobody could tell which one it was
		send(romeo, "juliet@", "headline", "r13", retract("k"))

		check := func(name string, want ...string) {
			t.Helper()
			var got []string
			for _, e := range entries(w, name) {
				st := w.Parse(string(e.Raw))
				line := st.ID
				if n, ok := st.Child("urn:xmpp:message-retract:1", "retracted"); ok {
					at, err := time.Parse(time.RFC3339, n.Attr("stamp"))
					if err != nil || !at.After(e.ID.Time()) || st.Lang != "en" || st.From.IsZero() || st.To.IsZero() {
						t.Errorf("%s has %s", name, e.Raw)
					}
					if line += " by " + n.Attr("id"); strings.Contains(string(e.Raw), "secret") {
						t.Errorf("%s still has %s", name, e.Raw)
					}
				}
				got = append(got, line)
			}
			if !slices.Equal(got, want) {
				t.Errorf("%s has\n%q, want\n%q", name, got, want)
			}
		}
		check("romeo", "a", "b by r1", "a by r2", "k", "k", "p by r7", "s by r8", `x"y by r11`,
			"r1", "r2", "r3", "r5", "r6", "r7", "r8", "r9", "r10", "r11", "r12", "")
		check("juliet", "a", "b by r1", "a by r2", "k", "k", "p", `x"y by r11`,
			"r1", "r2", "r3", "r4", "r7", "r9", "r10", "r11", "r12", "")
	})
}

// A retraction that follows its message at once finds it, whether or not that is committed.
func TestRetractionAtOnce(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		w.Account("juliet")
		for i := range 50 {
			romeo.Sendf(`<message to="juliet@" type="chat" id="m%d"><body>secret</body></message>`, i)
			romeo.Sendf(`<message to="juliet@" type="chat" id="r%d"><retract xmlns="urn:xmpp:message-retract:1" id="m%d"/></message>`, i, i)
		}
		w.Settle()
		for _, name := range []string{"romeo", "juliet"} {
			list := entries(w, name)
			for _, e := range list {
				if strings.Contains(string(e.Raw), "secret") {
					t.Errorf("%s still has %s", name, e.Raw)
				}
			}
			if len(list) != 100 {
				t.Errorf("%s has %d", name, len(list))
			}
		}
	})
}

// What is taken back is gone also where the owner wants nothing archived: what was before, and what only waits.
func TestUnwantedRetraction(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, juliet := w.Bind("romeo/desk"), w.Bind("juliet/balcony")
		juliet.Sendf(`<presence/>`)
		w.Settle()
		say := func(id, inside string) {
			time.Sleep(time.Second)
			romeo.Sendf(`<message to="juliet@" type="chat" id="%s">%s</message>`, id, inside)
			w.Settle()
		}
		retract := func(id string) string { return `<retract xmlns="urn:xmpp:message-retract:1" id="` + id + `"/>` }
		say("a", `<body>secret</body>`)
		for _, d := range []*routertest.Device{romeo, juliet} {
			d.Sendf(`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" default="never"/></iq>`)
		}
		w.Settle()
		say("r1", retract("a"))
		juliet.Sendf(`<presence type="unavailable"/>`)
		w.Settle()
		say("b", `<body>secret</body>`)
		say("c", `<body>not secret</body>`)
		say("r2", retract("b"))
		say("d", `<body>secret</body><no-permanent-store xmlns="urn:xmpp:hints"/>`)
		say("r3", retract("d"))
		for name, want := range map[string]int{"romeo": 1, "juliet": 6} {
			list := entries(w, name)
			for _, e := range list {
				if strings.Contains(string(e.Raw), "<body>secret") {
					t.Errorf("%s still has %s", name, e.Raw)
				}
			}
			if len(list) != want {
				t.Errorf("%s has %d", name, len(list))
			}
		}
	})
}
