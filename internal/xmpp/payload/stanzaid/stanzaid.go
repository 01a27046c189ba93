// SPDX-License-Identifier: Apache-2.0

// Package stanzaid writes the id that a server or a room gives to a message (XEP-0359 v0.7.0). It is the id of the
// entry in the archive, and tells a client that a message it gets twice is one.
//
// Clients trust such an id by its address. So whoever gives ids removes those that somebody else put there in its
// name, whether or not it adds its own:
//
//	s = s.Without(stanzaid.Forged(account)).With(stanzaid.New(account, id))
package stanzaid

import (
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NS is the namespace of the element <stanza-id/>, and the feature of those who keep its rules (XEP-0359 §5).
const NS = "urn:xmpp:sid:0"

// New returns the element <stanza-id/>: by gave the message this id. by is the account or the room, without a
// resource (XEP-0359 §3, rule 7).
func New(by jid.JID, id string) xmlstream.Raw {
	var b xmlstream.Builder
	return b.Start(NS, "stanza-id").Attr("by", by.String()).Attr("id", id).End().Build()
}

// Forged returns a function for Stanza.Without that is true of ids in the name of by (XEP-0359 §3, rule 2), however
// the address is spelled.
func Forged(by jid.JID) func(xmlstream.Node) bool {
	return func(n xmlstream.Node) bool {
		if !n.Is(NS, "stanza-id") {
			return false
		}
		j, err := jid.Parse(n.Attr("by"))
		return err == nil && j == by
	}
}
