// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// A stanza makes its trip on behalf of one account at a time: first Outbound, for a local sender, then
// Inbound, for a local recipient.
type Side uint8

const (
	Outbound Side = iota
	Inbound
	sides
)

// The stages of a message's trip, in the order in which they run. What Amend and Record give to Trip.Write is
// committed before deliver. An error in Amend or Record ends the trip; from deliver on it is logged, and the
// trip goes on.
type Stage uint8

const (
	Amend   Stage = iota // may replace the message: forged ids out
	Record               // writes it down: the archive
	deliver              // to the devices (deliver.go); only the router is here
	Copy                 // to devices that it was not addressed to
	Missed               // only where no device took it
	Notify               // wakes devices that sleep
	stages
)

// The steps of a presence stanza's trip. What Check and Store give to Trip.Write is committed before Deliver.
type Step uint8

const (
	Check   Step = iota // types and rules; may refuse
	Store               // what it changes in the contact list
	Deliver             // to devices and contacts; the device's own presence changes here
	After               // what it brings about: probes, waiting messages
	steps
)

// Event is a change in a device's life.
type Event uint8

const (
	Bound Event = iota // it can be addressed
	Ended              // it cannot any more
	Dozes              // it has slept for long, and goes on to sleep
	Woke               // the end of Dozes: it has a connection again
	events
)

type (
	// A ScreenFunc refuses a stanza with a *stanza.Error, or with ErrDropped. On the Inbound side it, and the stages
	// before the commit, may see a message a second time that was refused the first time (joint.go).
	ScreenFunc func(ctx context.Context, t *Trip) error
	// A MessageFunc does the work of one feature in one stage.
	MessageFunc func(ctx context.Context, t *Trip) error
	// A PresenceFunc does the work of one feature in one step.
	PresenceFunc func(ctx context.Context, t *Trip) error
	// A SessionFunc hears of a device.
	SessionFunc func(ctx context.Context, d *Device)
)

// A Trip is one stanza on its way on behalf of one account, and what has been found out so far. Its functions
// run in that account's turn and block on nothing but the store.
type Trip struct {
	Side    Side
	Account jid.JID         // bare; on whose behalf this side runs
	Owner   account.Account // the same, as it was when the trip began
	Stanza  *stanza.Stanza  // replaced, never changed
	Device  *Device         // Outbound: the device that sent it; else nil
	Self    bool            // from an account to itself: one trip with both sides' stages, and one record

	// ArchiveID is what Record gave the message for this side's account; 0 means that it is not recorded.
	ArchiveID archive.ID
	// Waits is set before Record where no device can take the message now: who records it marks it as waiting.
	Waits bool
	// Took lists the devices that were given the message, by full address, with the state in which they were then: those
	// too that get it in its place among what waited, and on the Inbound side those that got a copy (Trip.Copy). It is nil
	// before deliver, and where nobody could be given it.
	Took map[jid.JID]State
	// Found is what Store found out for Deliver and After; it belongs to the feature that set it.
	Found any

	r      *Router
	writes []write
	ticket *ticket
	held   *Device   // the device that catches up, where Waits was set for its sake
	gets   []*Device // to whom the message itself goes
}

// Write adds f to the act that is committed before delivery. It may be called before the commit only, and f
// may run more than once: each time all it did before is undone.
func (t *Trip) Write(f func(*db.Tx) error) { t.writes = append(t.writes, f) }

// Route sends a stanza that this trip brings about; the trip's credit is held until it is through.
func (t *Trip) Route(st *stanza.Stanza) { t.r.hop(st, nil, t.ticket.share()) }

// Copy gives a device st, which carries a copy of the trip's message. On the Inbound side it then counts among those that
// were given the message.
//
// A device that catches up with what waited gets the copy in its place among that.
func (t *Trip) Copy(d *Device, st *stanza.Stanza) {
	if t.Side == Outbound || t.Self {
		d.turn.inPlace(d, t.ArchiveID, st, nil)
		return
	}
	if t.Took == nil {
		t.Took = map[jid.JID]State{}
	}
	g := given{d.JID, d.State(), d.roused.Load()}
	t.Took[d.JID] = g.state
	d.turn.inPlace(d, t.ArchiveID, st, &copyFate{t.Stanza, g})
}

// Gets are the devices that the message itself goes to, as far as they are known by the Copy stage.
func (t *Trip) Gets() iter.Seq[*Device] { return slices.Values(t.gets) }

// Others are the devices of the trip's account that neither sent the message nor are given it, now or when they fetch what
// waits: those that a copy may go to. It is for the Copy stage.
func (t *Trip) Others() iter.Seq[*Device] {
	return func(yield func(*Device) bool) {
		for _, d := range t.r.Devices(t.Account) {
			if d != t.Device && !slices.Contains(t.gets, d) && !yield(d) {
				return
			}
		}
	}
}

// Peer is the other side's bare address: the recipient Outbound, the sender Inbound.
func (t *Trip) Peer() jid.JID {
	if t.Side == Outbound {
		return t.Stanza.To.Bare()
	}
	return t.Stanza.From.Bare()
}

// enter begins the Outbound trip of a stanza that the device sent. From is verified.
func (t *turn) enter(d *Device, st *stanza.Stanza, tk *ticket) *job {
	trip := &Trip{Side: Outbound, Account: t.addr, Stanza: st, Device: d, r: t.r, ticket: tk}
	switch st.Kind {
	case stanza.Message:
		return t.messageOut(trip)
	case stanza.Presence:
		return t.presenceTrip(trip)
	default:
		return t.iqOut(trip)
	}
}

// begin looks up whose trip it is, and has it screened. Outbound it also sees whether it can get anywhere.
func (t *turn) begin(ctx context.Context, trip *Trip) (err error) {
	trip.Owner, err = t.r.Accounts.Lookup(ctx, t.addr.Local())
	switch {
	case errors.Is(err, account.ErrUnknown) || err == nil && trip.Owner.Disabled && trip.Side == Inbound:
		if st := trip.Stanza; st.Kind == stanza.Presence && st.Type == "probe" { // as an account that does not know who asks
			trip.Route(stanza.New(stanza.Presence, "unsubscribed", st.ID, t.addr, st.From.Bare()))
		}
		return nobody(trip.Stanza)
	case err != nil:
		return fmt.Errorf("look up account: %w", err)
	}
	if t.taken.owner != trip.Owner.ID { // only this goroutine writes it
		t.mu.Lock()
		t.taken.owner = trip.Owner.ID
		t.mu.Unlock()
	}
	if trip.Side == Outbound && !trip.Stanza.To.IsZero() {
		if err := t.r.reachable(trip.Stanza.To); err != nil {
			return err
		}
	}
	return t.screened(ctx, trip)
}

// screened has the trip screened.
func (t *turn) screened(ctx context.Context, trip *Trip) error {
	for _, f := range t.r.screen[trip.Side] {
		if err := f(ctx, trip); err != nil {
			return err
		}
	}
	return nil
}

// nobody is how a stanza for an account that does not exist fails (RFC 6121 §8.5.1): the same as for one that
// refuses.
func nobody(st *stanza.Stanza) error {
	switch {
	case st.Kind == stanza.Presence, st.Type == "error", st.Kind == stanza.Message && st.Type == "headline",
		st.Kind == stanza.IQ && st.Type == "result":
		return ErrDropped
	}
	return stanza.ServiceUnavailable
}
