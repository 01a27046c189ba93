// SPDX-License-Identifier: Apache-2.0

package carbons

import (
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsMUCUser = "http://jabber.org/protocol/muc#user" // XEP-0045

// eligible reports whether a message that goes that way is copied (XEP-0280 §6.1). Errors are not for it to judge: they
// follow what they answer.
func eligible(m *stanza.Stanza, side router.Side) bool {
	if m.Type == stanza.TypeError || m.Type == "groupchat" {
		return false
	}
	body, im, invitation, room := false, false, false, false
	for n := range m.Children() {
		switch name := n.Name(); name.Space {
		case nsCarbons:
			if name.Local == "private" { // XEP-0280 §9; it stays where it is
				return false
			}
		case "urn:xmpp:hints":
			if name.Local == "no-copy" { // XEP-0334 §4.3
				return false
			}
		case xmlstream.NSClient:
			body = body || name.Local == "body"
		case "urn:xmpp:receipts", "http://jabber.org/protocol/chatstates", "urn:xmpp:chat-markers:0":
			im = true // XEP-0184, XEP-0085, XEP-0333
		case "jabber:x:conference":
			invitation = true // XEP-0249
		case nsMUCUser:
			room = room || name.Local == "x"
			if _, ok := n.Child(nsMUCUser, "invite"); ok {
				invitation = true // XEP-0045 §7.8.2
			}
		}
	}
	switch {
	case invitation:
		return true
	case room && side == router.Inbound && m.From.IsFull():
		return false // the room has sent it to each device that is in it
	case room && side == router.Outbound && m.To.IsFull():
		return true
	}
	return m.Type == "chat" || m.Type == "" && body || im
}
