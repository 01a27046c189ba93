// SPDX-License-Identifier: Apache-2.0

package csi

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func TestWeigh(t *testing.T) {
	t.Parallel()
	const (
		now, soon, later, latest = session.Now, session.Soon, session.Later, session.Latest

		composing = `<composing xmlns="http://jabber.org/protocol/chatstates"/>`
		displayed = `<displayed xmlns="urn:xmpp:chat-markers:0" id="1"/>`
		body      = `<body>Hark</body>`
	)
	carbon := func(direction, content string) string {
		return `<` + direction + ` xmlns="urn:xmpp:carbons:2"><forwarded xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client" ` +
			`type="chat">` + content + `</message></forwarded></` + direction + `>`
	}
	event := func(node string) string {
		return `<event xmlns="http://jabber.org/protocol/pubsub#event"><items node="` + node + `"/></event>`
	}
	for _, c := range []struct {
		name, raw string
		want      session.Weight
	}{
		{"presence", `<presence/>`, latest},
		{"one who goes", `<presence type="unavailable"/>`, latest},
		{"a request", `<presence type="subscribe"/>`, now},
		{"an answer to one", `<presence type="subscribed"/>`, now},
		{"an error of presence", `<presence type="error"/>`, now},
		{"an occupant", `<presence><x xmlns="http://jabber.org/protocol/muc#user"><item/></x></presence>`, latest},
		{"oneself in a room", `<presence><x xmlns="http://jabber.org/protocol/muc#user"><status code="110"/></x></presence>`, now},
		{"a request to the client", `<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, now},
		{"an answer", `<iq type="result" id="1"/>`, now},
		{"a message", `<message type="chat">` + body + `</message>`, now},
		{"a message that says it is being written", `<message type="chat">` + body + composing + `</message>`, now},
		{"in a room", `<message type="groupchat">` + body + `</message>`, now},
		{"a headline with a body", `<message type="headline">` + body + `</message>`, now},
		{"an error", `<message type="error"/>`, now},
		{"encrypted", `<message type="chat"><encrypted xmlns="urn:xmpp:omemo:2"/></message>`, now},
		{"a call", `<message type="chat"><propose xmlns="urn:xmpp:jingle-message:0" id="1"/><store xmlns="urn:xmpp:hints"/></message>`, now},
		{"an invitation", `<message><x xmlns="jabber:x:conference"/></message>`, now},
		{"a mediated invitation", `<message><x xmlns="http://jabber.org/protocol/muc#user"><invite/></x></message>`, now},
		{"from the archive", `<message><result xmlns="urn:xmpp:mam:2"/></message>`, now},
		{"a subject", `<message type="groupchat"><subject>Verona</subject></message>`, later},
		{"the status of a room", `<message type="groupchat"><x xmlns="http://jabber.org/protocol/muc#user"><status code="104"/></x></message>`, later},
		{"a chat state", `<message type="chat">` + composing + `<thread>1</thread><no-store xmlns="urn:xmpp:hints"/></message>`, latest},
		{"a chat state to be stored", `<message type="chat">` + composing + `<store xmlns="urn:xmpp:hints"/></message>`, soon},
		{"a receipt", `<message type="chat"><received xmlns="urn:xmpp:receipts" id="1"/></message>`, later},
		{"a marker", `<message type="chat">` + displayed + `</message>`, later},
		{"a reaction", `<message type="chat"><reactions xmlns="urn:xmpp:reactions:0" id="1"/></message>`, soon},
		{"what nobody knows", `<message type="chat"><x xmlns="urn:example"/></message>`, soon},
		{"a copy of what came", `<message type="chat">` + carbon("received", body) + `</message>`, now},
		{"a copy of a chat state", `<message type="chat">` + carbon("received", composing) + `</message>`, later},
		{"a copy of what was sent", `<message type="chat">` + carbon("sent", body) + `</message>`, soon},
		{"a copy of what was seen elsewhere", `<message type="chat">` + carbon("sent", displayed) + `</message>`, soon},
		{"a copy of a chat state that was sent", `<message type="chat">` + carbon("sent", composing) + `</message>`, later},
		{"a copy of nothing", `<message type="chat"><sent xmlns="urn:xmpp:carbons:2"/></message>`, later},
		{"an avatar", `<message type="headline">` + event("urn:xmpp:avatar:metadata") + `</message>`, later},
		{"what was read elsewhere", `<message type="headline">` + event("urn:xmpp:mds:displayed:0") + `</message>`, soon},
		{"devices for encryption", `<message type="headline">` + event("urn:xmpp:omemo:2:devices") + `</message>`, soon},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			el, err := xmlstream.Parse(c.raw, xmlstream.AfterAuth)
			if err != nil {
				t.Fatal(err)
			}
			st, err := stanza.Parse(el)
			if err != nil {
				t.Fatal(err)
			}
			if got := Weigh(st); got != c.want {
				t.Errorf("got %d, want %d", got, c.want)
			}
		})
	}
}
