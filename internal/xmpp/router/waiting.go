// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"math"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Messages that wait are marks on the archive's entries (Trip.Waits). The first device that becomes available
// drains them, page by page and each page when the one before was taken; what is recorded meanwhile is marked
// too and comes in its place, so the device sees all in the archive's order (XEP-0160 §3).

// drainPage is how many waiting messages are sent before the device has to take them.
const drainPage = 100

// DeliverWaiting has the trip's device, which has just become available, fetch what waits for its account.
// Only a presence trip's Deliver step calls it, and After ones may.
func (t *Trip) DeliverWaiting() {
	if t.Device == nil || t.Device.turn == nil {
		return
	}
	turn := t.Device.turn
	if d := turn.drainer; d != nil && d.asleep.Load() != 0 {
		turn.stopDraining() // what it has not been sent yet need not wait until it wakes
	}
	turn.drain(t.Device)
}

// drain begins to send what waits to d, unless a device is at that already: then it looks once more when it is
// through, since what was lost in the meantime may be older than what it has got.
func (t *turn) drain(d *Device) {
	if t.drainer != nil {
		t.again = true
		return
	}
	t.drainer = d
	t.drainNext(d, 0)
}

// drainAny has some available device drain, where there is one: better one that is awake.
func (t *turn) drainAny(context.Context) {
	var to *Device
	for _, d := range t.devices {
		if d.takes() && (to == nil || to.asleep.Load() != 0 && d.asleep.Load() == 0) {
			to = d
		}
	}
	if to != nil {
		t.drain(to)
	}
}

// takes reports whether the device gets what is sent to its bare address (RFC 6121 §8.5.2.1.1).
func (d *Device) takes() bool {
	a := d.available.Load()
	return a != nil && a.Priority >= 0
}

// drainNext posts the next page. It runs alone in the turn, so nothing that is recorded is between its two
// halves, and what the page does not hold is recorded after it.
func (t *turn) drainNext(d *Device, after archive.ID) {
	t.post(&job{alone: true, after: func(ctx context.Context, _ error) {
		if t.drainer == d && !d.takes() {
			t.stopDraining()
		}
		if t.drainer != d { // it has left, or wants no more
			t.drainAny(ctx)
			return
		}
		page, err := t.r.Store.Marked(ctx, t.taken.owner, after, drainPage)
		if err != nil {
			t.r.log.ErrorContext(ctx, "read what waits", "err", err)
			t.stopDraining()
			return
		}
		fate := &pageFate{t: t, d: d, more: len(page) == drainPage}
		if !fate.more {
			t.drainer = nil // this is all: what comes now goes straight to its devices
		}
		var list []*stanza.Stanza
		var refused []archive.ID
		for _, e := range page {
			fate.end = e.ID
			if t.fetched[e.ID] {
				continue // it is on its way already; if it is lost, somebody drains again
			}
			if dl := t.shared[e.ID]; dl != nil && dl.hadIt(d.JID) {
				t.took(dl) // if it has
				continue
			}
			st, err := t.waitingStanza(e)
			if err != nil {
				t.r.log.ErrorContext(ctx, "stored message", "id", e.ID, "err", err) // it stays, for who looks into it
				continue
			}
			if other := t.device(st.To); other != nil && other != d && other.takes() {
				t.addressed = other // RFC 6121 §8.5.3.1: it is there, and gets it when d is through
				continue
			}
			if d.finds(e) || t.reconsider(ctx, e.ID, st) != nil {
				refused = append(refused, e.ID)
				continue
			}
			list, fate.ids = append(list, st), append(fate.ids, e.ID)
		}
		if len(refused) > 0 {
			t.post(t.unmarking(refused))
		}
		t.fetch(d, list, fate)
		switch {
		case !fate.more:
			t.drainAgain(d)
		case len(list) == 0:
			t.drainNext(d, fate.end)
		}
	}})
}

// drainAgain has somebody look once more for what waits, now that d is through, if there is reason to: who is addressed by
// what d was not given, or d itself.
func (t *turn) drainAgain(d *Device) {
	next := t.addressed
	switch {
	case next != nil:
		t.addressed = nil
	case t.again:
		t.again, next = false, d
	default:
		return
	}
	t.drain(next)
}

// archiveMargin is how much younger than a message a device must be to find it in the archive for certain.
const archiveMargin = 5 * time.Second

// finds reports whether the device's client finds a waiting message in the archive: one that binds in one step with its
// log-in says that it looks there, and is not to be sent what had come before (XEP-0386 §3.2).
func (d *Device) finds(e archive.Entry) bool { return !e.Passing && e.ID.Time().Before(d.archived) }

// reconsider asks whether a message that has waited may still be given to devices.
func (t *turn) reconsider(ctx context.Context, id archive.ID, st *stanza.Stanza) error {
	if len(t.r.relooks) == 0 {
		return nil
	}
	owner, err := t.r.Accounts.Lookup(ctx, t.addr.Local())
	if err != nil {
		return nil // it was screened once
	}
	return t.relook(ctx, &Trip{Side: Inbound, Account: t.addr, Owner: owner, Stanza: st, ArchiveID: id, Waits: true, r: t.r})
}

// unmarking takes the marks from messages that nobody is to get any more.
func (t *turn) unmarking(ids []archive.ID) *job {
	return &job{
		before: func(context.Context) ([]write, error) {
			owner := t.taken.owner
			return []write{func(tx *db.Tx) error { return t.r.Store.Unmark(tx, owner, ids...) }}, nil
		},
		after: func(ctx context.Context, err error) {
			if err != nil {
				t.r.log.ErrorContext(ctx, "note what nobody gets", "err", err) // it is refused again
			}
		},
	}
}

// fetch sends a page of what waits to d, which may have nothing for it.
func (t *turn) fetch(d *Device, list []*stanza.Stanza, fate *pageFate) {
	end := fate.end
	if !fate.more {
		end = math.MaxInt64
	}
	if len(list) == 0 {
		t.sendCopies(d, end)
		return
	}
	if t.fetched == nil {
		t.fetched = map[archive.ID]bool{}
	}
	for _, id := range fate.ids {
		t.fetched[id] = true
	}
	fate.left = len(list)
	t.mu.Lock()
	t.pages++
	t.mu.Unlock()
	for i, st := range list {
		t.sendCopies(d, fate.ids[i])
		d.send(st, fate)
	}
	t.sendCopies(d, end)
}

// share notes that a message which waits for the device that catches up is given to others as well: they need not fetch it
// if that one is lost.
func (t *turn) share(dl *delivery, id archive.ID) {
	dl.id, dl.marked, dl.missed, dl.shared, dl.settled = id, true, true, true, true
	if t.shared == nil {
		t.shared = map[archive.ID]*delivery{}
	}
	t.shared[id] = dl
}

// took takes the mark from a shared message that a device has taken, unless somebody is still to fetch it.
func (t *turn) took(dl *delivery) {
	t.mu.Lock()
	taken := dl.taken
	t.mu.Unlock()
	if !taken || t.shared[dl.id] != dl || t.fetched[dl.id] || t.drainer != nil && !dl.hadIt(t.drainer.JID) {
		return
	}
	delete(t.shared, dl.id)
	t.post(t.taking(&delivery{t: t, id: dl.id}))
}

// waitingStanza is a stored message as it is delivered late: with its id (XEP-0359 §3) and the time at which it
// came (XEP-0203 §2).
func (t *turn) waitingStanza(e archive.Entry) (*stanza.Stanza, error) {
	st, err := parseStored(e.Raw)
	if err != nil {
		return nil, err
	}
	late := delay.New(t.r.Domain, e.ID.Time(), "")
	if e.Passing { // it is in no archive (XEP-0313 §3.5)
		return st.With(late), nil
	}
	return st.With(stanzaid.New(t.addr, e.ID.String()), late), nil
}

// stored are the limits of what was accepted once: none that it could pass.
func stored() xmlstream.Limits {
	return xmlstream.Limits{Bytes: 16 << 20, Depth: 256, Attrs: 1024, Nodes: 1 << 20}
}

func parseStored(raw xmlstream.Raw) (*stanza.Stanza, error) {
	el, err := xmlstream.Parse(string(raw), stored())
	if err != nil {
		return nil, err
	}
	return stanza.Parse(el)
}

// A pageFate follows one page of waiting messages to the device that drains: what it took waits no more.
type pageFate struct {
	t    *turn
	d    *Device
	more bool       // there may be more behind the page
	end  archive.ID // of the page
	ids  []archive.ID

	// Under turn.mu.
	left int  // neither taken nor lost yet; the device takes them in order
	lost bool // some were not taken
	took int  // those before; meaningless where none was lost
}

func (f *pageFate) Taken() { f.one(false) }
func (f *pageFate) Lost()  { f.one(true) }

func (f *pageFate) one(lost bool) {
	t := f.t
	t.mu.Lock()
	if lost && !f.lost {
		f.lost, f.took = true, len(f.ids)-f.left
	}
	f.left--
	last := f.left == 0
	ids := f.ids
	if f.lost {
		ids = ids[:f.took]
	}
	t.mu.Unlock()
	if !last {
		return
	}
	t.post(&job{
		before: func(context.Context) ([]write, error) {
			if len(ids) == 0 {
				return nil, nil
			}
			owner := t.taken.owner
			return []write{func(tx *db.Tx) error { return t.r.Store.Unmark(tx, owner, ids...) }}, nil
		},
		after: func(ctx context.Context, err error) {
			t.mu.Lock()
			t.pages--
			t.mu.Unlock()
			for _, id := range f.ids {
				delete(t.fetched, id)
			}
			for _, id := range ids {
				delete(t.shared, id)
			}
			if err != nil {
				t.r.log.ErrorContext(ctx, "note what was taken", "err", err) // it comes once more some time
			}
			switch {
			case f.more && !f.lost:
				t.drainNext(f.d, f.end)
			case f.lost:
				t.drainAny(ctx)
			}
		},
	})
}

// moveTaken moves the taken mark over everything that is settled. turn.mu is held.
func (t *turn) moveTaken() {
	moved := false
	for !t.open.empty() && t.open.head().settled {
		t.taken.id = t.open.pop().id
		moved = true
	}
	if moved && !t.taken.dirty {
		t.r.remember(t)
	}
}

// remember notes that the turn has a taken mark to save. turn.mu is held.
func (r *Router) remember(t *turn) {
	t.taken.dirty = true
	r.dirtyMu.Lock()
	r.dirty = append(r.dirty, t)
	r.dirtyMu.Unlock()
}

// saveTaken tells the store how far each account's devices have taken what was recorded.
func (r *Router) saveTaken() {
	r.dirtyMu.Lock()
	dirty := r.dirty
	r.dirty = nil
	r.dirtyMu.Unlock()
	for some := range slices.Chunk(dirty, 100) {
		marks := make([]takenMark, len(some))
		for i, t := range some {
			t.mu.Lock()
			t.taken.dirty, t.taken.saving = false, true
			marks[i] = t.taken
			t.mu.Unlock()
		}
		r.working.add()
		r.db.Submit(func(tx *db.Tx) error {
			for _, m := range marks {
				if err := r.Store.SaveTaken(tx, m.owner, m.id); err != nil {
					return err
				}
			}
			return nil
		}, func(err error) {
			if err != nil {
				r.log.Error("save what was taken", "err", err) // a crash now would deliver it twice
			}
			for _, t := range some {
				t.mu.Lock()
				t.taken.saving = false
				if err != nil && !t.taken.dirty {
					r.remember(t)
				}
				t.retire() // gives the lock back
			}
			r.working.done()
		})
	}
}
