// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsBinding = "urn:xmpp:sasl-cb:0"
	nsUpgrade = "urn:xmpp:sasl:upgrade:0"
)

// upgradePrefix is in front of the names of upgrade tasks (XEP-0480 §2.1).
const upgradePrefix = "UPGR-"

// maxLogins is how many log-ins may be begun on one stream, those included that were given up: a wrong password tried by
// each of six mechanisms, five times (see guess).
const maxLogins = 6 * maxFailures

// offered is by what the client of a stream may log in. It is made once for each stream, so that what is accepted is
// what was offered (XEP-0388 §2.3), and what SCRAM protects is what was said (XEP-0474 §6.1). It does not depend on the
// name, and is the same for SASL and SASL2.
type offered struct {
	sasl.Offer
	tokens   []string    // mechanisms for tokens, SASL2 only (XEP-0484 §3.1)
	upgrades []sasl.Hash // that an account may be given keys for, SASL2 only
	names    []string    // accounts that the client's certificate names, for EXTERNAL
	begun    int         // log-ins, whatever came of them
}

// prepare finds out what to offer.
func (c *conn) prepare(ctx context.Context) error {
	if c.state&secure == 0 || c.state&authenticated != 0 {
		c.offered = nil
		return nil
	}
	hashes, upgrades, err := c.srv.Accounts.Mechanisms(ctx)
	if err != nil {
		c.log.Error("what may be offered", "err", err)
		return &stream.Error{Condition: "internal-server-error"} // RFC 6120 §4.9.3.8
	}
	o := &offered{upgrades: upgrades}
	// Behind a proxy and on a WebSocket, TLS is not ours, and there is nothing to bind to.
	if state := c.stream.TLS(); state != nil && c.shown.certificate != nil {
		o.Channel = sasl.NewChannel(state, c.shown.certificate)
		o.names = c.srv.certified(state.PeerCertificates)
	}
	o.tokens = sasl.HTMechanisms(o.Channel)
	if len(o.names) > 0 {
		o.Mechanisms = append(o.Mechanisms, sasl.EXTERNAL)
	}
	for _, plus := range []bool{true, false} { // strongest first (RFC 6120 §6.3.3)
		for _, h := range hashes {
			if !plus || len(o.Channel.Types()) > 0 {
				o.Mechanisms = append(o.Mechanisms, h.Mechanism(plus))
			}
		}
	}
	if c.srv.Plain { // RFC 6120 §13.8.3, XEP-0388 §3: where an admin wants it, and last
		o.Mechanisms = append(o.Mechanisms, sasl.PLAIN)
	}
	c.offered = o
	return nil
}

// offerMechanisms lists the mechanisms.
func (o *offered) offerMechanisms(b *xmlstream.Builder, space string) {
	for _, m := range o.Mechanisms {
		b.Start(space, "mechanism").Text(m).End()
	}
}

// offerUpgrades lists the upgrade tasks (XEP-0480 §2.1).
func (o *offered) offerUpgrades(b *xmlstream.Builder) {
	for _, h := range slices.Backward(o.upgrades) { // those that more clients know first
		b.Start(nsUpgrade, "upgrade").Text(taskFor(h)).End()
	}
}

func taskFor(h sasl.Hash) string { return upgradePrefix + h.Mechanism(false) }

// offerBinding announces the types of channel binding (XEP-0440 v1.0.0 §2).
func offerBinding(c *conn, b *xmlstream.Builder) {
	types := c.offered.Channel.Types()
	if len(types) == 0 {
		return
	}
	b.Start(nsBinding, "sasl-channel-binding")
	for _, t := range types {
		b.Start(nsBinding, "channel-binding").Attr("type", t).End()
	}
	b.End()
}
