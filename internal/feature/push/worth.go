// SPDX-License-Identifier: Apache-2.0

package push

import (
	"strings"

	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsCalls    = "urn:xmpp:jingle-message:0"             // XEP-0353
	nsMUCUser  = "http://jabber.org/protocol/muc#user"   // XEP-0045 §7.5
	nsMarkers  = "urn:xmpp:chat-markers:0"               // XEP-0333
	nsStates   = "http://jabber.org/protocol/chatstates" // XEP-0085
	nsReaction = "urn:xmpp:reactions:0"                  // XEP-0444
	nsRetract  = "urn:xmpp:message-retract:1"            // XEP-0424
	nsStanzaID = "urn:xmpp:sid:0"                        // XEP-0359
)

// worth says what a message that somebody else sent is to its recipient: a notice of the kind Message, Call or CallEnd, of
// which kind, call and reason are set; false where it is nothing to wake anybody for.
func worth(m *stanza.Stanza) (n push.Notice, ok bool) {
	if m.Type == stanza.TypeError || m.Type == "headline" {
		return n, false
	}
	said := false
	for c := range m.Children() {
		switch name := c.Name(); {
		case name.Space == nsCalls && name.Local == "propose": // XEP-0353 §3.1
			return push.Notice{Kind: push.Call, Call: c.Attr("id")}, c.Attr("id") != ""
		case name.Space == nsCalls && name.Local == "retract": // XEP-0353 §3.3
			return push.Notice{Kind: push.CallEnd, Call: c.Attr("id"), Reason: push.Retracted}, true
		case name.Space == nsCalls && name.Local == "finish": // XEP-0353 §3.7
			return push.Notice{Kind: push.CallEnd, Call: c.Attr("id"), Reason: push.Finished}, true
		case name.Space == nsRetract: // its text is for those who cannot read it
			return n, false
		case name.Space == xmlstream.NSClient && name.Local == "body":
			said = said || strings.TrimSpace(c.Text()) != ""
		default:
			said = said || encrypted(c)
		}
	}
	return push.Notice{Kind: push.Message}, said
}

// encrypted reports whether an element is an encrypted message, and not only keys.
func encrypted(c xmlstream.Node) bool {
	switch name := c.Name(); name.Space {
	case "urn:xmpp:omemo:2", "urn:xmpp:omemo:1", "eu.siacs.conversations.axolotl": // XEP-0384
		_, ok := c.Child(name.Space, "payload")
		return ok
	case "urn:xmpp:openpgp:0": // XEP-0373
		return name.Local == "openpgp"
	case "jabber:x:encrypted": // OpenPGP, as it was before
		return true
	}
	return false
}

// answers returns the call that a message of one's own device is about, and what it does to it; false where it is about
// none.
func answers(m *stanza.Stanza) (call, reason string, ok bool) {
	for c := range m.Children() {
		if name := c.Name(); name.Space == nsCalls {
			switch name.Local {
			case "proceed", "accept": // XEP-0353 §3.4; the second is of older clients
				return c.Attr("id"), push.Accepted, true
			case "reject": // XEP-0353 §3.5
				return c.Attr("id"), push.Rejected, true
			case "finish": // XEP-0353 §3.7
				return c.Attr("id"), push.Finished, true
			}
		}
	}
	return "", "", false
}

// present reports whether a message of one's own device shows that somebody looks at the chat. What apps send by
// themselves, such as receipts, does not.
func present(m *stanza.Stanza) bool {
	for c := range m.Children() {
		switch name := c.Name(); name.Space {
		case xmlstream.NSClient:
			if name.Local == "body" {
				return true
			}
		case nsMarkers:
			if name.Local == "displayed" || name.Local == "acknowledged" {
				return true
			}
		case nsStates:
			if name.Local == "composing" {
				return true
			}
		case nsReaction, nsRetract:
			return true
		default:
			if encrypted(c) {
				return true
			}
		}
	}
	return false
}

// idOf is the id of a message in the archive of an account; "" where it has none.
func idOf(m *stanza.Stanza, account jid.JID) string {
	for c := range m.Children() {
		if c.Is(nsStanzaID, "stanza-id") && c.Attr("by") == account.String() {
			return c.Attr("id")
		}
	}
	return ""
}

// forOne reports whether a message is for the addressed device alone: those of group chats, which each device joins by
// itself.
func forOne(m *stanza.Stanza) bool {
	_, private := m.Child(nsMUCUser, "x")
	return m.To.IsFull() && (m.Type == "groupchat" || private)
}
