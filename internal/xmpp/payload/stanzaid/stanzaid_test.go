// SPDX-License-Identifier: Apache-2.0

package stanzaid

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

func TestForged(t *testing.T) {
	t.Parallel()
	account := jid.MustParse("juliet@kith.example")
	s := stanza.New(stanza.Message, "chat", "", jid.JID{}, account,
		`<body/>`,
		`<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example" id="forged"/>`,
		`<stanza-id xmlns="urn:xmpp:sid:0" by="JULIET@Kith.Example." id="forged too"/>`,
		`<stanza-id xmlns="urn:xmpp:sid:0" by="room@rooms.example" id="of a room"/>`,
		`<stanza-id xmlns="urn:xmpp:sid:0" by="@" id="of nobody"/>`,
		`<origin-id xmlns="urn:xmpp:sid:0" id="of the sender"/>`)
	s = s.Without(Forged(account)).With(New(account, "1"))
	want := `<message type="chat" to="juliet@kith.example"><body/>` +
		`<stanza-id xmlns="urn:xmpp:sid:0" by="room@rooms.example" id="of a room"/>` +
		`<stanza-id xmlns="urn:xmpp:sid:0" by="@" id="of nobody"/>` +
		`<origin-id xmlns="urn:xmpp:sid:0" id="of the sender"/>` +
		`<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example" id="1"/></message>`
	if got := string(s.Append(nil, false)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
