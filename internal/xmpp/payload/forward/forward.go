// SPDX-License-Identifier: Apache-2.0

// Package forward writes a stanza into another one (XEP-0297 v1.0): the archive and carbons hand on what was sent
// before. What such a stanza says is worth no more than who forwards it.
package forward

import (
	"time"

	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NS is the namespace of the element <forwarded/>.
const NS = "urn:xmpp:forward:0"

// Write writes the element <forwarded/> to b, with a stanza in it that declares its namespace (XEP-0297 §3.2, rule 3), as
// stanza.Stanza.Raw has it. at is when the stanza was received (rule 2); the zero Time leaves that out: it was now.
// It belongs into an element of the protocol that forwards (rule 5).
func Write(b *xmlstream.Builder, at time.Time, st xmlstream.Raw) {
	b.Start(NS, "forwarded")
	if !at.IsZero() {
		delay.Write(b, at)
	}
	b.Raw(st).End()
}
