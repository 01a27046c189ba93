// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"encoding/xml"
	"strings"
	"testing"
)

// chat is what a message between two people looks like, in about 430 bytes.
const chat = `<message xmlns="jabber:client" to="juliet@kith.example/balcony" from="romeo@kith.example/orchard" ` +
	`type="chat" id="a1b2c3d4-1111-2222-3333-444455556666" xml:lang="en"><body>But, soft! what light through yonder window ` +
	`breaks?</body><request xmlns="urn:xmpp:receipts"/><markable xmlns="urn:xmpp:chat-markers:0"/>` +
	`<active xmlns="http://jabber.org/protocol/chatstates"/><origin-id xmlns="urn:xmpp:sid:0" id="a1b2c3d4-1111-2222"/></message>`

const header = `<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" to="kith.example" version="1.0">`

func BenchmarkParserChat(b *testing.B) {
	p := NewParser(AfterAuth)
	p.Feed([]byte(header))
	if _, err := p.Next(); err != nil {
		b.Fatal(err)
	}
	in := []byte(strings.Replace(chat, ` xmlns="jabber:client"`, "", 1))
	b.SetBytes(int64(len(in)))
	b.ReportAllocs()
	for b.Loop() {
		p.Feed(in)
		if tok, err := p.Next(); err != nil || tok.Kind != Child {
			b.Fatal(tok, err)
		}
	}
}

func BenchmarkParseChat(b *testing.B) {
	b.SetBytes(int64(len(chat)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(chat, AfterAuth); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkEncodingXML is the same with the standard library, to compare.
func BenchmarkEncodingXML(b *testing.B) {
	b.SetBytes(int64(len(chat)))
	b.ReportAllocs()
	for b.Loop() {
		d := xml.NewDecoder(strings.NewReader(chat))
		for {
			if _, err := d.Token(); err != nil {
				break
			}
		}
	}
}

// BenchmarkParserSlow feeds a stanza of 200 KB in pieces of one segment; the time per byte must not grow with it.
func BenchmarkParserSlow(b *testing.B) {
	p := NewParser(AfterAuth)
	p.Feed([]byte(header))
	if _, err := p.Next(); err != nil {
		b.Fatal(err)
	}
	in := []byte(`<message><body a="` + strings.Repeat("x", 50_000) + `">` + strings.Repeat("long ", 30_000) + `</body></message>`)
	b.SetBytes(int64(len(in)))
	for b.Loop() {
		for rest := in; len(rest) > 0; {
			n := min(1400, len(rest))
			p.Feed(rest[:n])
			rest = rest[n:]
			if _, err := p.Next(); err != nil && err != ErrMore {
				b.Fatal(err)
			}
		}
	}
}

func BenchmarkBuilder(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		var x Builder
		x.Start("urn:xmpp:mam:2", "result").Attr("id", "1234567890").Start("urn:xmpp:forward:0", "forwarded").
			Raw(chat).End().End()
		_ = x.Build()
	}
}
