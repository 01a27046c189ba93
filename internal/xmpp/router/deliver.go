// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

const nsMUCUser = "http://jabber.org/protocol/muc#user" // XEP-0045 §7.5

// recipients are the devices that a message for the turn's account goes to, by RFC 6121 §8.5, or the error by
// which it fails. No devices and no error: the message is missed (chat, normal), or dropped (headline).
func (t *turn) recipients(m *stanza.Stanza, self bool, sender jid.JID) ([]*Device, error) {
	if m.To.IsFull() {
		if d := t.device(m.To); d != nil {
			return []*Device{d}, nil // RFC 6121 §8.5.3.1
		}
		switch m.Type { // RFC 6121 §8.5.3.2.1
		case "chat":
			if _, private := m.Child(nsMUCUser, "x"); private {
				return nil, stanza.ServiceUnavailable
			}
		case "headline", "error":
			return nil, ErrDropped
		default:
			return nil, stanza.ServiceUnavailable
		}
	}
	switch m.Type { // RFC 6121 §8.5.2
	case "groupchat":
		return nil, stanza.ServiceUnavailable
	case "error":
		return nil, ErrDropped
	}
	var to []*Device
	for _, d := range t.devices {
		if self && d.JID == sender {
			continue // it has what it wrote
		}
		if d.takes() {
			to = append(to, d)
		}
	}
	return to, nil
}

// plan decides, before the commit, whether the message has to wait: a device that takes it may be gone when the
// act is committed, but one that comes meanwhile fetches what is marked.
func (t *turn) plan(trip *Trip) error {
	to, err := t.recipients(trip.Stanza, trip.Self, trip.Stanza.From)
	if err != nil {
		return err
	}
	if trip.Self || trip.Stanza.Type == "headline" {
		return nil
	}
	trip.Waits = len(to) == 0
	for _, d := range to {
		if d == t.drainer {
			trip.Waits, trip.held = true, d
		}
	}
	return nil
}

// deliverMessage is what comes after the commit of a message's Inbound side.
func (t *turn) deliverMessage(ctx context.Context, trip *Trip) {
	m := trip.Stanza
	recorded := trip.ArchiveID != 0
	if err := t.relook(ctx, trip); err != nil {
		t.withdraw(trip, err)
		return
	}
	if recorded && (trip.Waits || trip.Self) {
		t.pass(trip.ArchiveID)
	}
	if recorded && trip.Waits && (trip.held == nil || trip.held != t.drainer) {
		// It is marked: whoever came since its act began fetches it with all that waits, and so does another device
		// where the one that was catching up has left.
		trip.gets = t.fetchers()
		t.stage(ctx, trip, Copy)
		t.missed(ctx, trip)
		t.drainAny(ctx)
		return
	}
	dl := &delivery{t: t, m: m, self: trip.Self, place: trip.ArchiveID}
	if recorded && !trip.Waits && !trip.Self {
		dl.id = trip.ArchiveID
	}
	to, err := t.recipients(m, trip.Self, m.From)
	switch {
	case err != nil && dl.id != 0:
		to = nil // the device that it is for went since its act began; what is recorded is not refused as well
	case err != nil:
		t.refuse(trip, err)
		return
	}
	trip.Took = make(map[jid.JID]State, len(to))
	trip.gets = to
	var get []*Device
	for _, d := range to {
		if recorded && d == trip.held {
			trip.Took[d.JID] = d.State()
			continue // it comes in its place
		}
		get = append(get, d)
	}
	if len(get) > 0 {
		if recorded && trip.held != nil {
			t.share(dl, trip.ArchiveID)
		}
		t.give(dl, get)
		for _, h := range dl.had {
			trip.Took[h.to] = h.state
		}
	}
	t.stage(ctx, trip, Copy)
	switch {
	case len(to) > 0:
		t.stage(ctx, trip, Notify)
	case dl.id != 0: // the devices went since its act began
		t.mu.Lock()
		t.open.push(dl) // what was taken is not said to reach beyond it
		t.mu.Unlock()
		t.post(t.losing(dl)) // it is missed when it is marked
	default:
		t.missed(ctx, trip)
	}
}

// relook asks whether a message may still be given to devices.
func (t *turn) relook(ctx context.Context, trip *Trip) error {
	for _, f := range t.r.relooks {
		if err := f(ctx, trip); err != nil {
			return err
		}
	}
	return nil
}

// withdraw ends the trip of a message that was refused after its commit. What is recorded was acknowledged, and needs
// nobody to take it.
func (t *turn) withdraw(trip *Trip, err error) {
	switch {
	case trip.ArchiveID == 0:
		t.refuse(trip, err)
	default:
		t.pass(trip.ArchiveID)
		if trip.Waits {
			t.post(t.unmarking([]archive.ID{trip.ArchiveID}))
		}
	}
}

// fetchers are the devices that fetch what waits now or when they become available, so that they need no copy of it.
func (t *turn) fetchers() (list []*Device) {
	for _, d := range t.devices {
		if a := d.available.Load(); a == nil || a.Priority >= 0 {
			list = append(list, d)
		}
	}
	return list
}

// missed runs what comes where no device took the message.
func (t *turn) missed(ctx context.Context, trip *Trip) {
	t.stage(ctx, trip, Missed)
	t.stage(ctx, trip, Notify)
}

// A delivery is a message that was given to devices, until one of them took it or all have lost it.
type delivery struct {
	t    *turn
	m    *stanza.Stanza
	id   archive.ID // 0: not recorded, or marked as waiting
	self bool
	// place is where it comes for who catches up: it may be one's own, or have been on its way when that began.
	place archive.ID
	had   []given // who was given it; the turn's goroutine's

	marked bool // its entry is marked as waiting: it was in a queue when the server stopped (restore.go), or is shared
	missed bool // that was told already
	shared bool // it is in turn.shared: who catches up gets it in its place

	// Under turn.mu.
	holders int
	taken   bool
	settled bool
}

// given is one device that was given a message.
type given struct {
	to    jid.JID
	state State // in which it was then; not Awake when OnHeld was told of it

	roused uint32 // of the device, then or when OnHeld was told of it
}

// give hands the message to devices.
func (t *turn) give(dl *delivery, to []*Device) {
	t.mu.Lock()
	dl.holders += len(to)
	if dl.id != 0 && !dl.settled {
		t.open.push(dl)
	}
	t.mu.Unlock()
	for _, d := range to {
		dl.had = append(dl.had, given{d.JID, d.State(), d.roused.Load()})
	}
	for _, d := range to {
		t.inPlace(d, dl.place, dl.m, (*messageFate)(dl))
	}
}

// pass notes a recorded message that needs no device to take it: it is marked as waiting, or one's own.
func (t *turn) pass(id archive.ID) {
	t.mu.Lock()
	t.open.push(&delivery{id: id, settled: true})
	t.moveTaken()
	t.mu.Unlock()
}

// messageFate is a delivery as its devices see it.
type messageFate delivery

func (f *messageFate) Taken() {
	t := f.t
	t.mu.Lock()
	f.holders--
	first := !f.taken
	f.taken = true
	t.settle((*delivery)(f))
	t.mu.Unlock()
	if first && f.marked {
		t.post(t.taking((*delivery)(f)))
	}
}

func (f *messageFate) Lost() {
	t := f.t
	t.mu.Lock()
	f.holders--
	lost := f.holders == 0 && !f.taken
	t.mu.Unlock()
	if lost {
		t.post(t.losing((*delivery)(f)))
	}
}

// copyFate is that of a copy: nothing depends on it, but it knows of what it is one.
type copyFate struct {
	m *stanza.Stanza
	given
}

func (*copyFate) Taken() {}
func (*copyFate) Lost()  {}

// losing decides what becomes of a message that no device took (core: a session ends with unacknowledged stanzas, each
// by its kind). Its job marks what has to wait, so that who becomes available behind it finds the mark.
func (t *turn) losing(dl *delivery) *job {
	switch {
	case dl.marked:
		return t.losingMarked(dl)
	case dl.self || dl.m.Type == "headline" || dl.m.Type == "error":
		return &job{after: func(context.Context, error) { t.drop(dl) }}
	case dl.id != 0:
		return t.losingRecorded(dl)
	case dl.m.Type == "groupchat":
		return &job{after: func(context.Context, error) {
			t.r.Route(dl.m.Bounce(stanza.ServiceUnavailable)) // the room sees that its occupant is a ghost
		}}
	}
	// Not recorded: as if the device had not been there, and never to one that had it.
	return &job{after: func(context.Context, error) {
		to, err := t.recipients(dl.m, dl.self, dl.m.From)
		if err != nil {
			return
		}
		var others []*Device
		for _, d := range to {
			if !dl.hadIt(d.JID) {
				others = append(others, d)
			}
		}
		if len(others) > 0 {
			t.give(dl, others)
		}
	}}
}

// losingRecorded marks a message as waiting.
func (t *turn) losingRecorded(dl *delivery) *job {
	return &job{
		before: func(context.Context) ([]write, error) {
			owner := t.taken.owner
			return []write{func(tx *db.Tx) error { return t.r.Store.MarkWaiting(tx, owner, dl.id) }}, nil
		},
		after: func(ctx context.Context, err error) {
			if err != nil {
				t.r.log.ErrorContext(ctx, "mark as waiting", "err", err) // stays open: what was taken does not pass it
				return
			}
			t.drop(dl)
			t.late(ctx, dl)
		},
	}
}

// late is what becomes of a message that is marked now, and no device has taken.
func (t *turn) late(ctx context.Context, dl *delivery) {
	owner, err := t.r.Accounts.Lookup(ctx, t.addr.Local())
	if err != nil {
		return // the account is gone
	}
	t.missed(ctx, &Trip{Side: Inbound, Account: t.addr, Owner: owner, Stanza: dl.m, ArchiveID: dl.id,
		Waits: true, r: t.r})
	t.drainAny(ctx)
}

func (dl *delivery) hadIt(j jid.JID) bool {
	return slices.ContainsFunc(dl.had, func(g given) bool { return g.to == j })
}

// drop settles a delivery that needs nobody to take it any more.
func (t *turn) drop(dl *delivery) {
	t.mu.Lock()
	t.settle(dl)
	t.mu.Unlock()
}

// settle notes that the message needs nothing any more, and moves the taken mark. mu is held.
func (t *turn) settle(dl *delivery) {
	if dl.settled || dl.id == 0 {
		return
	}
	dl.settled = true
	t.moveTaken()
}
