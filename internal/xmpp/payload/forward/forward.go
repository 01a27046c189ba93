// SPDX-License-Identifier: Apache-2.0

// Package forward writes a stanza into another one (XEP-0297 v1.0): the archive and carbons hand on what was sent
// before. What such a stanza says is worth no more than who forwards it.
package forward

import "github.com/kith-im/kith/internal/xmpp/xmlstream"

// NS is the namespace of the element <forwarded/>.
const NS = "urn:xmpp:forward:0"

// Write writes the element <forwarded/> to b, with a stanza in it that declares its namespace (XEP-0297 §3.2, rule 3), as
// stanza.Stanza.Raw has it. note writes when the stanza was received, as package delay does (rule 2); nil where it was now.
// All belongs into an element of the protocol that forwards (rule 5).
func Write(b *xmlstream.Builder, note func(*xmlstream.Builder), st xmlstream.Raw) {
	b.Start(NS, "forwarded")
	if note != nil {
		note(b)
	}
	b.Raw(st).End()
}
