// SPDX-License-Identifier: Apache-2.0

package router

import "context"

// presenceTrip is one side of a presence stanza's way. The steps are the presence feature's; the router only
// keeps their order.
func (t *turn) presenceTrip(trip *Trip) *job {
	return &job{
		before: func(ctx context.Context) ([]write, error) {
			if err := t.begin(ctx, trip); err != nil {
				return nil, err
			}
			for step := Check; step <= Store; step++ {
				for _, f := range t.r.presence[trip.Side][step] {
					if err := f(ctx, trip); err != nil {
						return nil, err
					}
				}
			}
			return trip.writes, nil
		},
		after: func(ctx context.Context, err error) {
			defer trip.ticket.done()
			if d := trip.Device; d != nil && d.ended && trip.Stanza.Type == "" {
				return // nobody would ever hear that it is gone
			}
			if err != nil {
				t.refuse(trip, err)
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
