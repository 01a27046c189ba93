// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func read(t testing.TB, raw string) *stanza.Stanza {
	t.Helper()
	el, err := xmlstream.Parse(raw, xmlstream.AfterAuth)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	st, err := stanza.Parse(el)
	if err != nil {
		t.Fatalf("%s: %v", raw, err)
	}
	return st
}

const archiveID = `<stanza-id xmlns="urn:xmpp:sid:0" by="romeo@kith.example" id="1795378382120000"/>`

// written reads what a browser would get.
func written(t testing.TB, n push.Notice, omemo string, limit int) xmlstream.Node {
	t.Helper()
	b := payload(n, omemo, limit)
	if len(b) > limit {
		t.Fatalf("%d bytes, and %d are the limit: %s", len(b), limit, b)
	}
	el, err := xmlstream.Parse(string(b), xmlstream.AfterAuth)
	if err != nil {
		t.Fatalf("%s: %v", b, err)
	}
	if !el.Root().Is(ns, "push") {
		t.Fatalf("%s is something else", b)
	}
	return el.Root()
}

func notice(st *stanza.Stanza) push.Notice {
	return push.Notice{Kind: push.Message, Account: jid.MustParse("romeo@kith.example"), Chat: st.From.Bare(), Stanza: st, Count: 3,
		At: time.Date(2026, 11, 22, 20, 13, 2, 120_000_000, time.UTC)}
}

func TestPayload(t *testing.T) {
	t.Parallel()
	st := read(t, `<message xmlns="jabber:client" type="chat" id="a1" from="juliet@kith.example/balcony" to="romeo@kith.example">`+
		`<body>Wherefore art thou?</body>`+archiveID+`</message>`)
	const want = `<push xmlns="https://kith.im/ns/webpush/0" kind="message" account="romeo@kith.example" chat="juliet@kith.example"` +
		` count="3" stamp="2026-11-22T20:13:02.120Z"><message xmlns="jabber:client" type="chat" id="a1"` +
		` from="juliet@kith.example/balcony" to="romeo@kith.example"><body>Wherefore art thou?</body>` + archiveID + `</message></push>`
	if got := string(payload(notice(st), "", 3993)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	end := push.Notice{Kind: push.CallEnd, Account: jid.MustParse("romeo@kith.example"), Chat: jid.MustParse("juliet@kith.example"),
		Call: "c1", Reason: push.Retracted, At: time.Date(2026, 11, 22, 20, 13, 2, 0, time.UTC)}
	const wantEnd = `<push xmlns="https://kith.im/ns/webpush/0" kind="call-end" account="romeo@kith.example" chat="juliet@kith.example"` +
		` stamp="2026-11-22T20:13:02.000Z" call="c1" reason="retract"/>`
	if got := string(payload(end, "", 3993)); got != wantEnd {
		t.Errorf("got  %s\nwant %s", got, wantEnd)
	}
}

// What does not fit becomes shorter, step by step.
func TestCuts(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("<&> What light through yonder window breaks? ", 20)
	var text xmlstream.Builder
	body := string(text.Start("jabber:client", "body").Text(long).End().Build())
	message := func(inner string) *stanza.Stanza {
		return read(t, `<message xmlns="jabber:client" type="chat" id="a1" from="juliet@kith.example/balcony" to="romeo@kith.example">`+
			inner+archiveID+`</message>`)
	}
	extra := `<x xmlns="urn:example:extra">` + strings.Repeat("more ", 100) + `</x>`
	encrypted := `<encrypted xmlns="eu.siacs.conversations.axolotl"><header sid="1"><key rid="7">` + strings.Repeat("A", 900) +
		`</key><iv>AAAA</iv></header><payload>BBBB</payload></encrypted>`
	for _, c := range []struct {
		name  string
		st    *stanza.Stanza
		limit int
		cut   string
		body  bool
	}{
		{"all of it", message(body + extra), 3993, "", true},
		{"without extras", message(body + extra), 1800, "extras", true},
		{"the body ends early", message(body + extra), 800, "body", true},
		{"no room for a body", message(body + extra), 410, "message", false},
		{"nothing but that there is something", message(body + extra), 300, "all", false},
		{"encrypted", message(body + encrypted), 3993, "", true},
		{"too long, and encrypted", message(body + encrypted), 1000, "message", false},
		{"no body at all", message(`<subject>x</subject>` + encrypted), 700, "message", false},
	} {
		n := written(t, notice(c.st), "", c.limit)
		if got := n.Attr("cut"); got != c.cut {
			t.Errorf("%s: cut is %q, want %q", c.name, got, c.cut)
		}
		m, ok := n.Child("jabber:client", "message")
		if ok != (c.cut != "all") {
			t.Errorf("%s: there is a message: %v", c.name, ok)
			continue
		}
		if !ok {
			continue
		}
		b, ok := m.Child("jabber:client", "body")
		if ok != c.body {
			t.Errorf("%s: there is a body: %v", c.name, ok)
		}
		if c.cut == "body" && (!strings.HasSuffix(b.Text(), ellipsis) || !strings.HasPrefix(long, strings.TrimSuffix(b.Text(), ellipsis))) {
			t.Errorf("%s: the body is %q", c.name, b.Text())
		}
		if _, ok := m.Child("urn:xmpp:sid:0", "stanza-id"); !ok {
			t.Errorf("%s: the id is gone", c.name)
		}
	}
}

func TestKeys(t *testing.T) {
	t.Parallel()
	old := `<encrypted xmlns="eu.siacs.conversations.axolotl"><header sid="1"><key rid="7">AAAA</key><key prekey="true" rid="8">BBBB</key>` +
		`<iv>CCCC</iv></header><payload>DDDD</payload></encrypted>`
	now := `<encrypted xmlns="urn:xmpp:omemo:2"><header sid="1"><keys jid="romeo@kith.example"><key rid="7">AAAA</key><key rid="8" kex="true">BBBB</key></keys>` +
		`<keys jid="juliet@kith.example"><key rid="9">CCCC</key></keys></header><payload>DDDD</payload></encrypted>`
	for _, c := range []struct{ name, in, device, keys, cut string }{
		{"old", old, "8", "8", ""},
		{"new", now, "8", "8", ""},
		{"old, not told", old, "", "7 8", ""},
		{"old, for others only", old, "10", "", "message"},
		{"new, for others only", now, "10", "", "message"},
		{"not encrypted", `<body>x</body>`, "8", "", ""},
	} {
		st := read(t, `<message xmlns="jabber:client" from="juliet@kith.example/a" to="romeo@kith.example">`+c.in+archiveID+`</message>`)
		n := written(t, notice(st), c.device, 3993)
		if got := n.Attr("cut"); got != c.cut {
			t.Errorf("%s: cut is %q, want %q", c.name, got, c.cut)
		}
		var keys []string
		var walk func(xmlstream.Node)
		walk = func(n xmlstream.Node) {
			if n.Name().Local == "key" {
				keys = append(keys, n.Attr("rid"))
			}
			for c := range n.Children() {
				walk(c)
			}
		}
		walk(n)
		if got := strings.Join(keys, " "); got != c.keys {
			t.Errorf("%s: keys %q, want %q", c.name, got, c.keys)
		}
		if c.cut == "" && c.device == "8" && c.in != `<body>x</body>` {
			for _, want := range []string{"DDDD", "BBBB"} {
				if b := string(payload(notice(st), c.device, 3993)); !strings.Contains(b, want) {
					t.Errorf("%s: %s is missing in %s", c.name, want, b)
				}
			}
		}
	}
}

// FuzzPayload holds that whatever somebody sends fits, is well-formed, and has the id where there is room for a message.
func FuzzPayload(f *testing.F) {
	f.Add(`<message xmlns="jabber:client" type="chat" id="a1" from="juliet@kith.example/balcony"><body>hark</body></message>`, "", uint16(500))
	f.Add(`<message xmlns="jabber:client" from="a@b/c&amp;"><body>&lt;&#13;&amp;`+strings.Repeat("ä€😀", 300)+`</body></message>`, "7", uint16(600))
	f.Add(`<message xmlns="jabber:client" from="a@b/c"><o:encrypted xmlns:o="eu.siacs.conversations.axolotl" x:y="1" xmlns:x="u">`+
		`<o:header><o:key rid="7">A</o:key><body xmlns="jabber:client"/></o:header>text<o:payload/></o:encrypted></message>`, "7", uint16(3993))
	f.Add(`<message xmlns="jabber:client" id="`+strings.Repeat("i", 500)+`" from="`+strings.Repeat("d", 60)+`.example/`+strings.Repeat("'", 400)+
		`"><propose xmlns="urn:xmpp:jingle-message:0" id="x"/></message>`, "", uint16(400))
	f.Fuzz(func(t *testing.T, raw, omemo string, limit uint16) {
		el, err := xmlstream.Parse(raw, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		st, err := stanza.Parse(el)
		if err != nil || st.Kind == stanza.IQ {
			return
		}
		l := int(limit)%3594 + 400
		n := notice(st.With(xmlstream.Raw(archiveID)))
		before := string(n.Stanza.Raw())
		out := written(t, n, omemo, l)
		if string(n.Stanza.Raw()) != before {
			t.Error("the stanza was changed")
		}
		m, ok := out.Child("jabber:client", st.Kind.String())
		if ok == (out.Attr("cut") == "all") {
			t.Errorf("cut is %q, and there is a stanza: %v", out.Attr("cut"), ok)
		}
		if !ok {
			return
		}
		found := false
		for c := range m.Children() {
			found = found || c.Is("urn:xmpp:sid:0", "stanza-id") && c.Attr("id") == "1795378382120000"
		}
		if !found {
			t.Errorf("the id is gone: %s", out.Raw())
		}
		if from := m.Attr("from"); from != st.From.String() {
			t.Errorf("it is from %s", from)
		}
	})
}

func BenchmarkPayload(b *testing.B) {
	var keys strings.Builder
	for i := range 20 {
		fmt.Fprintf(&keys, `<key rid="%d">%s</key>`, i, strings.Repeat("A", 200))
	}
	st := read(b, `<message xmlns="jabber:client" type="chat" from="juliet@kith.example/a" to="romeo@kith.example">`+
		`<encrypted xmlns="eu.siacs.conversations.axolotl"><header sid="1">`+keys.String()+`<iv>CCCC</iv></header><payload>DDDD</payload></encrypted>`+
		archiveID+`</message>`)
	n := notice(st)
	for b.Loop() {
		payload(n, "7", 3993)
	}
}
