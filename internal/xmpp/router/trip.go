// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"

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
	events
)

type (
	// A ScreenFunc refuses a stanza with a *stanza.Error, or with ErrDropped.
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
	// Took lists the devices that were given the message, by full address. It is nil before deliver.
	Took map[jid.JID]bool
	// Found is what Store found out for Deliver and After; it belongs to the feature that set it.
	Found any

	r      *Router
	writes []write
	ticket *ticket
	held   *Device // the device that catches up, where Waits was set for its sake
}

// Write adds f to the act that is committed before delivery. It may be called before the commit only, and f
// may run more than once: each time all it did before is undone.
func (t *Trip) Write(f func(*db.Tx) error) { t.writes = append(t.writes, f) }

// Route sends a stanza that this trip brings about; the trip's credit is held until it is through.
func (t *Trip) Route(st *stanza.Stanza) { t.r.hop(st, nil, t.ticket.share()) }

// Peer is the other side's bare address: the recipient Outbound, the sender Inbound.
func (t *Trip) Peer() jid.JID {
	if t.Side == Outbound {
		return t.Stanza.To.Bare()
	}
	return t.Stanza.From.Bare()
}

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

// begin looks up whose trip it is, and has it screened.
func (t *turn) begin(ctx context.Context, trip *Trip) (err error) {
	trip.Owner, err = t.r.Accounts.Lookup(ctx, t.addr.Local())
	switch {
	case errors.Is(err, account.ErrUnknown) || err == nil && trip.Owner.Disabled && trip.Side == Inbound:
		return nobody(trip.Stanza)
	case err != nil:
		return fmt.Errorf("look up account: %w", err)
	}
	if t.taken.owner != trip.Owner.ID { // only this goroutine writes it
		t.mu.Lock()
		t.taken.owner = trip.Owner.ID
		t.mu.Unlock()
	}
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

// messageOut is the Outbound half of a message's way.
func (t *turn) messageOut(trip *Trip) *job {
	var failed error
	to := trip.Stanza.To
	if to.IsZero() { // RFC 6120 §10.3.1
		trip.Stanza = trip.Stanza.Addressed(trip.Stanza.From, t.addr)
		to = t.addr
	}
	if to.Bare() == t.addr {
		return t.messageSelf(trip)
	}
	return &job{
		before: func(ctx context.Context) []write {
			if failed = t.begin(ctx, trip); failed != nil {
				return nil
			}
			if failed = t.r.reachable(to); failed != nil {
				return nil
			}
			if failed = t.stagesBefore(ctx, trip); failed != nil {
				return nil
			}
			if len(trip.writes) > 0 {
				trip.Write(func(tx *db.Tx) error {
					if trip.ArchiveID == 0 {
						return nil
					}
					return t.r.Store.PutTransit(tx, trip.Owner.ID, trip.ArchiveID, to.Bare())
				})
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
			var tr *transit
			if trip.ArchiveID != 0 {
				tr = &transit{Owner: trip.Owner.ID, ID: trip.ArchiveID}
			}
			t.stage(ctx, trip, Copy)
			t.stage(ctx, trip, Notify)
			t.r.hop(trip.Stanza, tr, trip.ticket.share())
			trip.ticket.safe() // its act is committed, and it was handed on
		},
	}
}

// A transit names the note of a recorded message that goes on (Store.PutTransit).
type transit struct {
	Owner int64
	ID    archive.ID
	tries int // that the store failed
}

// maxTries is how often a message that the store could not take is tried again, once a second; then it is left to the
// next start.
const maxTries = 300

// errRepeated undoes the act of a message that came a second time.
var errRepeated = errors.New("router: repeated")

// messageIn is the Inbound half of a message's way. tr is nil where the sender's side has not recorded it, or
// is of another server.
func (t *turn) messageIn(st *stanza.Stanza, tr *transit, tk *ticket) *job {
	trip := &Trip{Side: Inbound, Account: t.addr, Stanza: st, r: t.r, ticket: tk}
	var failed error
	return &job{
		before: func(ctx context.Context) []write {
			if failed = t.begin(ctx, trip); failed != nil {
				return nil
			}
			if failed = t.plan(trip); failed != nil {
				return nil
			}
			if failed = t.stagesBefore(ctx, trip); failed != nil {
				return nil
			}
			if tr != nil {
				// First in the act, so that a repeated message leaves no trace.
				trip.writes = append([]write{t.r.takeTransit(tr)}, trip.writes...)
			}
			return trip.writes
		},
		after: func(ctx context.Context, err error) {
			defer tk.done()
			if failed == nil {
				failed = err
			}
			_, refused := errors.AsType[*stanza.Error](failed)
			switch {
			case failed == nil:
			case errors.Is(failed, errRepeated):
				return
			case tr != nil && !refused && !errors.Is(failed, ErrDropped):
				// The store failed. The message was acknowledged to its sender, so it is neither refused nor forgotten.
				t.r.log.ErrorContext(ctx, "record message", "err", failed, "tries", tr.tries)
				if tr.tries++; tr.tries < maxTries {
					t.r.tryLater(func() { t.r.hop(st, tr, nil) })
				}
				return
			default:
				t.refuse(trip, failed)
				t.r.endTransit(tr)
				return
			}
			t.deliverMessage(ctx, trip)
		},
	}
}

// endTransit removes the note of a message that goes no further: its error is queued, or it is dropped. Where that
// fails the note stays, and there is a second error after a restart.
func (r *Router) endTransit(tr *transit) {
	if tr == nil {
		return
	}
	r.db.Submit(func(tx *db.Tx) error {
		_, err := r.Store.TakeTransit(tx, tr.Owner, tr.ID)
		return err
	}, func(err error) {
		if err != nil {
			r.log.Error("end transit", "err", err)
		}
	})
}

func (r *Router) takeTransit(tr *transit) write {
	return func(tx *db.Tx) error {
		ok, err := r.Store.TakeTransit(tx, tr.Owner, tr.ID)
		if err == nil && !ok {
			err = errRepeated
		}
		return err
	}
}

// messageSelf is the whole way of a message from an account to itself or to one of its devices: one trip with
// both sides' stages, one record, one id.
func (t *turn) messageSelf(trip *Trip) *job {
	trip.Self = true
	var failed error
	return &job{
		before: func(ctx context.Context) []write {
			if failed = t.begin(ctx, trip); failed != nil {
				return nil
			}
			for _, f := range t.r.messages[Outbound][Amend] {
				if failed = f(ctx, trip); failed != nil {
					return nil
				}
			}
			trip.Side = Inbound
			for _, f := range t.r.screen[Inbound] {
				if failed = f(ctx, trip); failed != nil {
					return nil
				}
			}
			if failed = t.plan(trip); failed != nil {
				return nil
			}
			if failed = t.stagesBefore(ctx, trip); failed != nil {
				return nil
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
			t.deliverMessage(ctx, trip)
			trip.ticket.safe()
		},
	}
}

// stagesBefore runs what comes before the commit.
func (t *turn) stagesBefore(ctx context.Context, trip *Trip) error {
	for stage := Amend; stage <= Record; stage++ {
		for _, f := range t.r.messages[trip.Side][stage] {
			if err := f(ctx, trip); err != nil {
				return err
			}
		}
	}
	return nil
}

// stage runs one stage after the commit.
func (t *turn) stage(ctx context.Context, trip *Trip, s Stage) {
	for _, f := range t.r.messages[trip.Side][s] {
		if err := f(ctx, trip); err != nil {
			t.r.log.ErrorContext(ctx, "after delivery", "stage", s, "err", err)
		}
	}
}

// refuse answers who sent the trip's stanza, where it may be answered (RFC 6120 §8.3.1).
func (t *turn) refuse(trip *Trip, err error) {
	if errors.Is(err, ErrDropped) || trip.Stanza.Type == "error" || trip.Stanza.Type == "result" {
		trip.ticket.safe()
		return
	}
	answer := trip.Stanza.Bounce(t.r.publicError(err))
	if trip.Device != nil {
		trip.Device.Send(answer)
	} else {
		t.r.hop(answer, nil, trip.ticket.share())
	}
	trip.ticket.safe()
}

// publicError is what the other side may see of err: a stanza error as it is, and of any other nothing.
func (r *Router) publicError(err error) *stanza.Error {
	if se, ok := errors.AsType[*stanza.Error](err); ok {
		return se
	}
	r.log.Error("trip failed", "err", err)
	return stanza.InternalServerError
}

// reachable reports, with an error, where an address is of a domain that cannot be reached.
func (r *Router) reachable(to jid.JID) error {
	if r.ours(to) || r.Remote != nil {
		return nil
	}
	return stanza.RemoteServerNotFound
}

// hop hands a stanza to the turn, or the server, of whom it is addressed to. It takes tk over.
func (r *Router) hop(st *stanza.Stanza, tr *transit, tk *ticket) {
	switch {
	case !r.ours(st.To):
		defer tk.done()
		if r.Remote != nil {
			r.Remote.Send(st)
			return
		}
		if st.Type != "error" && st.Type != "result" && st.Kind != stanza.Presence {
			r.hop(st.Bounce(stanza.RemoteServerNotFound), nil, tk.share())
		}
	case !st.To.HasLocal():
		defer tk.done()
		r.toServer(st, tr, tk)
	default:
		bare := st.To.Bare()
		if node := r.Peers.Home(bare); node != "" {
			p := &Packet{Kind: PacketHop, Stanza: st, Ref: r.links.keep(tk)}
			if tr != nil {
				p.TransitOwner, p.TransitID = tr.Owner, tr.ID
			}
			r.links.send(node, p)
			return
		}
		r.inbound(st, tr, tk)
	}
}

// inbound begins the Inbound trip of a stanza for an account whose home is here.
func (r *Router) inbound(st *stanza.Stanza, tr *transit, tk *ticket) {
	r.postOn(st.To.Bare(), func(t *turn) *job {
		switch st.Kind {
		case stanza.Message:
			return t.messageIn(st, tr, tk)
		case stanza.Presence:
			return t.presenceTrip(&Trip{Side: Inbound, Account: t.addr, Stanza: st, r: r, ticket: tk})
		default:
			return t.iqIn(st, tk)
		}
	})
}

// toServer takes a stanza that is addressed to the domain itself and is no request of a device here.
func (r *Router) toServer(st *stanza.Stanza, tr *transit, tk *ticket) {
	if st.Kind == stanza.Message && st.Type != "error" && st.Type != "headline" {
		// Nobody reads what is sent to the server (RFC 6121 §8.5.1 in spirit).
		r.hop(st.Bounce(stanza.ServiceUnavailable), nil, tk.share())
	}
	r.endTransit(tr)
}
