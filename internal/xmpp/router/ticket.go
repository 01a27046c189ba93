// SPDX-License-Identifier: Apache-2.0

package router

import "sync/atomic"

// An Origin is told how far a stanza that a stream brought has got (XEP-0198 §4): Safe when it may be
// acknowledged, Through when the last of its trips is over. Each is called at most once, on any goroutine.
type Origin interface {
	Safe()
	Through()
}

// A ticket is held by all the trips that come of one stanza. A nil ticket is that of a stanza of our own.
type ticket struct {
	origin Origin
	trips  atomic.Int32
	told   atomic.Bool
}

func newTicket(o Origin) *ticket {
	tk := &ticket{origin: o}
	tk.trips.Store(1)
	return tk
}

func (tk *ticket) share() *ticket {
	if tk != nil {
		tk.trips.Add(1)
	}
	return tk
}

func (tk *ticket) safe() {
	if tk != nil && !tk.told.Swap(true) {
		tk.origin.Safe()
	}
}

func (tk *ticket) done() {
	if tk != nil && tk.trips.Add(-1) == 0 {
		tk.safe()
		tk.origin.Through()
	}
}
