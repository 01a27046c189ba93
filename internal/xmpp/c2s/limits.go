// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"strconv"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsLimits = "urn:xmpp:stream-limits:0"

// offerLimits tells what is taken at most, XEP-0478 v0.2.0 §3.1: before the log-in less, and for a minute only. Who has
// logged in may be silent for as long as it likes.
func offerLimits(c *conn, b *xmlstream.Builder) {
	limits := xmlstream.BeforeAuth
	if c.state&authenticated != 0 {
		limits = c.srv.Limits
	}
	b.Start(nsLimits, "limits")
	b.Start(nsLimits, "max-bytes").Text(strconv.Itoa(limits.Bytes)).End()
	if c.state&authenticated == 0 {
		b.Start(nsLimits, "idle-seconds").Text(strconv.Itoa(int(negotiationTime.Seconds()))).End()
	}
	b.End()
}
