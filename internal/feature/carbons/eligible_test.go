// SPDX-License-Identifier: Apache-2.0

package carbons

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// TestEligible is the list of XEP-0280 §6.1, and what overrides it.
func TestEligible(t *testing.T) {
	t.Parallel()
	const (
		body    = `<body>Hark</body>`
		private = `<private xmlns="urn:xmpp:carbons:2"/>`
		noCopy  = `<no-copy xmlns="urn:xmpp:hints"/>`
		inRoom  = `<x xmlns="http://jabber.org/protocol/muc#user"/>`
		invite  = `<x xmlns="http://jabber.org/protocol/muc#user"><invite to="juliet@kith.example"/></x>`
		direct  = `<x xmlns="jabber:x:conference" jid="room@rooms.example"/>`
	)
	person, bare := jid.MustParse("room@rooms.example/nick"), jid.MustParse("room@rooms.example")
	for _, c := range []struct {
		name, typ string
		peer      jid.JID
		content   xmlstream.Raw
		out, in   bool
	}{
		{"chat", "chat", person, body, true, true},
		{"chat, whatever it has", "chat", person, "", true, true},
		{"normal with a body", "", person, body, true, true},
		{"normal without", "", person, `<subject>Hark</subject>`, false, false},
		{"headline", "headline", person, body, false, false},
		{"groupchat", "groupchat", person, body, false, false},
		{"groupchat with a receipt", "groupchat", person, `<received xmlns="urn:xmpp:receipts" id="1"/>`, false, false},
		{"error", "error", person, body, false, false},
		{"receipt", "", person, `<received xmlns="urn:xmpp:receipts" id="1"/>`, true, true},
		{"chat state", "", person, `<composing xmlns="http://jabber.org/protocol/chatstates"/>`, true, true},
		{"marker", "", person, `<displayed xmlns="urn:xmpp:chat-markers:0" id="1"/>`, true, true},
		{"receipt of type headline", "headline", person, `<received xmlns="urn:xmpp:receipts" id="1"/>`, true, true},
		{"something else", "", person, `<x xmlns="urn:example"/>`, false, false},
		{"direct invitation", "", person, direct, true, true},
		{"mediated invitation", "", bare, invite, true, true},
		{"status of a room", "", bare, inRoom, false, false},
		{"private message in a room", "chat", person, body + inRoom, true, false},
		{"normal private message in a room", "", person, body + inRoom, true, false},
		{"private message without a body", "", person, inRoom, true, false},
		{"private", "chat", person, body + private, false, false},
		{"private wins over all", "chat", person, body + private + direct, false, false},
		{"not to be copied", "chat", person, body + noCopy, false, false},
		{"private of another namespace", "chat", person, body + `<private xmlns="urn:example"/>`, true, true},
	} {
		me := jid.MustParse("juliet@kith.example/balcony")
		if got := eligible(stanza.New(stanza.Message, c.typ, "1", me, c.peer, c.content), router.Outbound); got != c.out {
			t.Errorf("%s, sent: got %v, want %v", c.name, got, c.out)
		}
		if got := eligible(stanza.New(stanza.Message, c.typ, "1", c.peer, me, c.content), router.Inbound); got != c.in {
			t.Errorf("%s, received: got %v, want %v", c.name, got, c.in)
		}
	}
}
