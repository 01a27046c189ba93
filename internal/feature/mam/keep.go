// SPDX-License-Identifier: Apache-2.0

package mam

import (
	"github.com/kith-im/kith/internal/xmpp/payload/hints"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// How a message is kept.
type how uint8

const (
	no       how = iota
	passing      // only until a device has taken it
	archived     // for its owner to find
)

// keep decides what is recorded: whatever a person would miss, and no more (XEP-0313 §6.1.1 leaves it to us).
func keep(m *stanza.Stanza) how {
	switch m.Type {
	case stanza.TypeError, "headline", "groupchat": // XEP-0160 §3
		return no
	}
	switch {
	case hints.NoStore(m): // XEP-0334 §4.2
		return no
	case hints.NoPermanentStore(m): // XEP-0334 §4.1
		if hints.Store(m) || meant(m) {
			return passing
		}
	case hints.Store(m), meant(m): // XEP-0334 §4.4
		return archived
	}
	return no
}

// meant reports whether a message has something in it that is meant to stay.
func meant(m *stanza.Stanza) bool {
	for n := range m.Children() {
		switch name := n.Name(); name.Space {
		case xmlstream.NSClient:
			if name.Local == "body" || name.Local == "subject" {
				return true
			}
		case "urn:xmpp:receipts": // XEP-0184: what was delivered, not that it is asked for
			if name.Local == "received" {
				return true
			}
		case "urn:xmpp:chat-markers:0": // XEP-0333
			if name.Local != "markable" {
				return true
			}
		case "http://jabber.org/protocol/muc#user": // XEP-0045 §7.8.2; else it says only where a message belongs
			for c := range n.Children() {
				if c.Name().Local == "invite" || c.Name().Local == "decline" {
					return true
				}
			}
		case "urn:xmpp:eme:0", "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", // XEP-0380, XEP-0384
			"urn:xmpp:openpgp:0",        // XEP-0373
			"jabber:x:conference",       // XEP-0249
			"urn:xmpp:jingle-message:0", // XEP-0353
			"urn:xmpp:reactions:0",      // XEP-0444
			nsRetract:                   // XEP-0424 §5
			return true
		}
	}
	return false
}
