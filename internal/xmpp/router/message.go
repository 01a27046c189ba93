// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// messageOut is the Outbound half of a message's way.
func (t *turn) messageOut(trip *Trip) *job {
	to := trip.Stanza.To
	if to.IsZero() { // RFC 6120 §10.3.1
		trip.Stanza = trip.Stanza.Addressed(trip.Stanza.From, t.addr)
		to = t.addr
	}
	if to.Bare() == t.addr {
		return t.messageSelf(trip)
	}
	j := &job{}
	j.before = func(ctx context.Context) ([]write, error) {
		if err := t.begin(ctx, trip); err != nil {
			return nil, err
		}
		if err := t.stages(ctx, trip, Amend, Record); err != nil {
			return nil, err
		}
		if len(trip.writes) > 0 {
			t.join(ctx, trip, j)
			trip.Write(func(tx *db.Tx) error {
				if j.joint != nil || trip.ArchiveID == 0 {
					return nil
				}
				return t.r.Store.PutTransit(tx, trip.Owner.ID, trip.ArchiveID, to.Bare())
			})
			trip.count()
		}
		return trip.writes, nil
	}
	j.after = func(ctx context.Context, err error) {
		defer trip.ticket.done()
		if err != nil {
			t.refuse(trip, err)
			return
		}
		t.stage(ctx, trip, Copy)
		t.stage(ctx, trip, Notify)
		if j.joint == nil {
			var tr *transit
			if trip.ArchiveID != 0 {
				tr = &transit{Owner: trip.Owner.ID, ID: trip.ArchiveID}
			}
			t.r.hop(trip.Stanza, tr, trip.ticket.share())
		}
		trip.ticket.safe() // its act is committed, and it was handed on
	}
	return j
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
	return &job{
		quiet: true,
		before: func(ctx context.Context) ([]write, error) {
			if err := t.begin(ctx, trip); err != nil {
				return nil, err
			}
			if err := t.plan(trip); err != nil {
				return nil, err
			}
			if err := t.stages(ctx, trip, Amend, Record); err != nil {
				return nil, err
			}
			if tr != nil {
				// First in the act, so that a repeated message leaves no trace.
				trip.writes = append([]write{t.r.takeTransit(tr)}, trip.writes...)
			}
			return trip.writes, nil
		},
		after: func(ctx context.Context, err error) {
			defer tk.done()
			_, refused := errors.AsType[*stanza.Error](err)
			switch {
			case err == nil:
				t.deliverMessage(ctx, trip)
			case errors.Is(err, errRepeated):
			case tr != nil && !refused && !errors.Is(err, ErrDropped):
				// The store failed. The message was acknowledged to its sender, so it is neither refused nor forgotten.
				t.r.log.ErrorContext(ctx, "record message", "err", err, "tries", tr.tries)
				if tr.tries++; tr.tries < maxTries {
					t.r.tryLater(func() { t.r.hop(st, tr, nil) })
				}
			default:
				t.refuse(trip, err)
				t.r.endTransit(tr)
			}
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
	return &job{
		quiet: true,
		before: func(ctx context.Context) ([]write, error) {
			if err := t.begin(ctx, trip); err != nil {
				return nil, err
			}
			if err := t.stages(ctx, trip, Amend, Amend); err != nil {
				return nil, err
			}
			trip.Side = Inbound
			if err := t.screened(ctx, trip); err != nil {
				return nil, err
			}
			if err := t.plan(trip); err != nil {
				return nil, err
			}
			err := t.stages(ctx, trip, Amend, Record)
			if len(trip.writes) > 0 {
				trip.count()
			}
			return trip.writes, err
		},
		after: func(ctx context.Context, err error) {
			defer trip.ticket.done()
			if err != nil {
				t.refuse(trip, err)
				return
			}
			t.deliverMessage(ctx, trip)
			trip.ticket.safe()
		},
	}
}

// stages runs the stages before the commit, from first to last.
func (t *turn) stages(ctx context.Context, trip *Trip, first, last Stage) error {
	for s := first; s <= last; s++ {
		for _, f := range t.r.messages[trip.Side][s] {
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
