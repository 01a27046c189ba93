// SPDX-License-Identifier: Apache-2.0

package forward

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	st := stanza.New(stanza.Message, "chat", "1", jid.MustParse("romeo@kith.example/a"), jid.MustParse("juliet@kith.example"),
		`<body>Hark</body>`)
	const inner = `<message xmlns="jabber:client" type="chat" id="1" from="romeo@kith.example/a" to="juliet@kith.example">` +
		`<body>Hark</body></message>`
	for _, c := range []struct {
		name string
		note func(*xmlstream.Builder)
		want xmlstream.Raw
	}{
		{"received before", func(b *xmlstream.Builder) {
			b.Start("urn:xmpp:delay", "delay").Attr("stamp", "2026-03-01T11:30:00.007Z").End()
		},
			`<x xmlns="urn:x"><forwarded xmlns="urn:xmpp:forward:0"><delay xmlns="urn:xmpp:delay" stamp="2026-03-01T11:30:00.007Z"/>` +
				inner + `</forwarded></x>`},
		{"received now", nil, `<x xmlns="urn:x"><forwarded xmlns="urn:xmpp:forward:0">` + inner + `</forwarded></x>`},
	} {
		var b xmlstream.Builder
		b.Start("urn:x", "x")
		Write(&b, c.note, st.Raw())
		if got := b.End().Build(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
