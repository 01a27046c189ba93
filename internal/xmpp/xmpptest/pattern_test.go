// SPDX-License-Identifier: Apache-2.0

package xmpptest_test

import (
	"maps"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

func TestPattern(t *testing.T) {
	t.Parallel()
	const message = `<message type="chat" from="a@b" xml:lang="en"><body>hi</body><x xmlns="urn:x" n="1">one</x><x xmlns="urn:x" n="2">two</x></message>`
	tests := []struct {
		name, pattern, in string
		why               string // "" if it matches
		captures          xmpptest.Captures
	}{
		{"only the name", `<message/>`, message, "", nil},
		{"another name", `<presence/>`, message, "/: the element is {jabber:client}message, want {jabber:client}presence", nil},
		{"another namespace", `<message xmlns="urn:y"/>`, message, "/: the element is {jabber:client}message, want {urn:y}message", nil},
		{"attributes", `<message from="a@b" type="chat"/>`, message, "", nil},
		{"an attribute with a namespace", `<message xml:lang="en"/>`, message, "", nil},
		{"another value", `<message type="normal"/>`, message, `/message@type is "chat", want "normal"`, nil},
		{"a missing attribute", `<message id="…"/>`, message, "/message@id is missing", nil},
		{"any value", `<message type="*" from="…"/>`, message, "", nil},
		{"text", `<message><body>hi</body></message>`, message, "", nil},
		{"any text", `<message><body>…</body></message>`, message, "", nil},
		{"no text asked for", `<message><body/></message>`, message, "", nil},
		{"another text", `<message><body>ho</body></message>`, message, `/message/body is "hi", want "ho"`, nil},
		{"a missing child", `<message><subject/></message>`, message, "/message has no {jabber:client}subject", nil},
		{"children in another order", `<message><x xmlns="urn:x" n="2"/><x xmlns="urn:x" n="1"/><body/></message>`, message, "", nil},
		{"the same child twice", `<message><body/><body/></message>`, message, "/message has no {jabber:client}body", nil},
		{"lines of its own", "<message>\n  <body>\n  hi\n  </body>\n</message>", message, "", nil},
		{"a capture", `<message from="{who}"><x xmlns="urn:x" n="2">{what}</x></message>`, message, "",
			xmpptest.Captures{"who": "a@b", "what": "two"}},
		{"the same twice", `<message from="{who}" type="{who}"/>`, message, `/message@type is "chat", want "a@b"`, nil},
		{"a child that fits before one that does not", `<message><x xmlns="urn:x" n="{n}">two</x></message>`, message, "",
			xmpptest.Captures{"n": "2"}},
		{"an attribute and a child that are not there", `<message id="(none)"><subject>(none)</subject></message>`, message, "", nil},
		{"an attribute that is there", `<message type="(none)"/>`, message, `/message@type is "chat", want none`, nil},
		{"a child that is there", `<message><body>(none)</body></message>`, message, "/message has a {jabber:client}body", nil},
		{"another value than one", `<message type="(not normal)"><body>(not ho)</body></message>`, message, "", nil},
		{"that value", `<message type="(not chat)"/>`, message, `/message@type is "chat"`, nil},
		{"that text", `<message><body>(not hi)</body></message>`, message, `/message/body is "hi"`, nil},
		{"another value than none", `<message id="(not 1)"/>`, message, "/message@id is missing", nil},
		{"a stream error", `<stream:error><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`,
			`<error xmlns="http://etherx.jabber.org/streams"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></error>`, "", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			p, err := xmpptest.ParsePattern(test.pattern)
			if err != nil {
				t.Fatal(err)
			}
			el, err := xmlstream.Parse(test.in, xmlstream.AfterAuth)
			if err != nil {
				t.Fatal(err)
			}
			captures, why := xmpptest.Captures{}, ""
			if err := p.Match(el.Root(), captures); err != nil {
				why = err.Error()
			}
			if why != test.why {
				t.Errorf("got %q, want %q", why, test.why)
			}
			if !maps.Equal(captures, test.captures) {
				t.Errorf("got %v, want %v", captures, test.captures)
			}
		})
	}
}

func TestPatternErrors(t *testing.T) {
	t.Parallel()
	for _, in := range []string{"", "message", "<message>", "<stream:error", "<a/><b/>"} {
		if _, err := xmpptest.ParsePattern(in); err == nil {
			t.Errorf("%q was taken", in)
		}
	}
}

func TestFill(t *testing.T) {
	t.Parallel()
	c := xmpptest.Captures{"id": `a"b`}
	if got, want := c.Fill(`<x id="{id}">{other} {}</x>`), `<x id="a&quot;b">{other} {}</x>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
