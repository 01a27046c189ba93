// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// State tells how well a person is reached on a device.
type State uint8

const (
	Awake  State = iota // it has a connection, and its client has not said that nobody looks at it
	Idle                // nobody looks at it (XEP-0352 §4.2)
	Asleep              // it has no connection, or none on which what it was sent is acknowledged in time (XEP-0198 §4)
)

// State is the device's state now. It is ours to know: others are never told (XEP-0352 §6).
func (d *Device) State() State {
	switch {
	case d.asleep.Load() != 0 || d.silent.Load():
		return Asleep
	case d.idle.Load():
		return Idle
	}
	return Awake
}

// A HeldFunc hears that a device which is not awake was sent something.
type HeldFunc func(ctx context.Context, d *Device, st *stanza.Stanza)

// OnHeld has f hear, in the turn of the device's account, of what is queued for a device that is Idle or Asleep and that
// no trip's Notify stage tells of: requests, requests to subscribe, and headlines such as events of PEP. It hears also of
// messages that went to a device while that was Awake, and that it has not acknowledged in time, so that the Notify stage
// was told a better state than was true: these come as the trip had them, and each once.
func (r *Router) OnHeld(f HeldFunc) { r.held = append(r.held, f) }

// hold tells who wants to know of what a device that is not awake was sent.
func (d *Device) hold(st *stanza.Stanza) {
	if d.turn == nil || len(d.turn.r.held) == 0 || d.State() == Awake || !wakes(st) {
		return
	}
	d.tell(st)
}

// tell has the OnHeld functions hear of st.
func (d *Device) tell(st *stanza.Stanza) {
	t := d.turn
	t.post(&job{after: func(ctx context.Context, _ error) {
		for _, f := range t.r.held {
			f(ctx, d, st)
		}
	}})
}

// wakes reports whether what a device is sent beside the messages of trips may be worth waking somebody up.
func wakes(st *stanza.Stanza) bool {
	switch st.Kind {
	case stanza.IQ:
		return isRequest(st)
	case stanza.Presence:
		return st.Type == "subscribe"
	default:
		return st.Type == "headline"
	}
}

// DefaultPatience is how long a session sleeps before it ends, where nobody is more patient (XEP-0198 §3).
const DefaultPatience = 10 * time.Minute

// A PatienceFunc says how long a session may sleep; less than DefaultPatience means that.
type PatienceFunc func(ctx context.Context, d *Device) time.Duration

// OnPatience has f asked, in the turn of the device's account, how long the device's session may sleep: when it loses its
// connection, and again each time the last answer is over, so that an answer may change. The longest answer counts; a
// client that asked for less gets less (XEP-0198 §3).
func (r *Router) OnPatience(f PatienceFunc) { r.patience = append(r.patience, f) }

// patienceWith is how long the device's session may sleep.
func (r *Router) patienceWith(ctx context.Context, d *Device) time.Duration {
	longest := DefaultPatience
	for _, f := range r.patience {
		longest = max(longest, f(ctx, d))
	}
	return longest
}
