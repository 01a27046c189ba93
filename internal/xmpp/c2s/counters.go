// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/stream"
)

// Counters are what a Server counts; who shows them reads them.
type Counters struct {
	Open         metrics.Gauge   // connections
	Connections  metrics.Vec     // by transport ("starttls", "tls", "websocket", "bosh")
	Refused      metrics.Vec     // connections; by reason ("address", "total", "handshake")
	Logins       metrics.Vec     // by mechanism and outcome ("success", or a condition of SASL)
	Throttled    metrics.Counter // failed log-ins that were answered late
	StreamErrors metrics.Vec     // that ended streams from our side; by condition
}

// Counters returns what s counts.
func (s *Server) Counters() *Counters { return &s.count }

// ended counts a stream that ended with e; nil: in good order, or with its connection.
func (c *Counters) ended(e *stream.Error) {
	if e != nil {
		c.StreamErrors.Of(e.Condition).Inc()
	}
}
