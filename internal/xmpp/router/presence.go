// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// presenceTrip is one side of a presence stanza's way. The steps are the presence feature's; the router only
// keeps their order.
func (t *turn) presenceTrip(trip *Trip) *job {
	var failed error
	return &job{
		before: func(ctx context.Context) []write {
			if failed = t.begin(ctx, trip); failed != nil {
				return nil
			}
			if trip.Side == Outbound && !trip.Stanza.To.IsZero() {
				if failed = t.r.reachable(trip.Stanza.To); failed != nil {
					return nil
				}
			}
			for step := Check; step <= Store; step++ {
				for _, f := range t.r.presence[trip.Side][step] {
					if failed = f(ctx, trip); failed != nil {
						return nil
					}
				}
			}
			return trip.writes
		},
		after: func(ctx context.Context, err error) {
			defer trip.ticket.done()
			if failed == nil {
				failed = err
			}
			if failed != nil {
				t.refuse(trip, failed)
				return
			}
			for step := Deliver; step <= After; step++ {
				for _, f := range t.r.presence[trip.Side][step] {
					if err := f(ctx, trip); err != nil {
						t.r.log.ErrorContext(ctx, "presence", "step", step, "err", err)
					}
				}
			}
			trip.ticket.safe() // what it changes in the store is committed
		},
	}
}

// isRequest reports whether a stanza must be answered (RFC 6120 §8.2.3).
func isRequest(st *stanza.Stanza) bool {
	return st.Kind == stanza.IQ && (st.Type == "get" || st.Type == "set")
}
