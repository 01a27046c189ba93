// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A Device is a bound resource as its account's home knows it, on whatever node its connection is.
type Device struct {
	JID    jid.JID       // full
	Client string        // the client's own id (XEP-0388 §2.3); "" where it told none
	LogIn  session.LogIn // how its client proved who it is

	turn      *turn
	port      port
	available atomic.Pointer[Available]
	slots     []any         // what features keep, by Slot
	asleep    atomic.Int64  // since when, in ns since 1970; 0: it has a connection
	idle      atomic.Bool   // its client says that nobody looks at it
	silent    atomic.Bool   // what it was sent is not acknowledged in time
	roused    atomic.Uint32 // how often it has become Awake
	spared    atomic.Bool
	ended     bool // the turn's: Ended was told
	dozing    bool // the turn's: Dozes was told, and Woke was not

	// archived is until when its client looks into the archive itself (XEP-0386 §3.2); zero where it did not say so.
	archived time.Time
}

// A Slot is what one feature keeps with each device, as a *T that starts at its zero value. It is made before the
// first device is bound, and used in the turn of the device's account.
type Slot[T any] struct{ index int }

// NewSlot returns a slot of its own. After a restart of the server it is at its zero value, see NewSavedSlot.
func NewSlot[T any](r *Router) Slot[T] {
	r.slots = append(r.slots, savedSlot{})
	return Slot[T]{len(r.slots) - 1}
}

// NewSavedSlot returns a slot that is kept, as JSON, for devices which sleep while the server is started anew. name is its
// own for ever, and what a version of the program wrote the next ones read.
func NewSavedSlot[T any](r *Router, name string) Slot[T] {
	s := NewSlot[T](r)
	r.slots[s.index] = savedSlot{name, func() any { return new(T) }}
	return s
}

// A savedSlot is how a slot is kept; the zero value is one that is not.
type savedSlot struct {
	name string
	zero func() any
}

// Of returns what d has in the slot; it may be changed.
func (s Slot[T]) Of(d *Device) *T {
	for len(d.slots) <= s.index {
		d.slots = append(d.slots, nil)
	}
	v, ok := d.slots[s.index].(*T)
	if !ok {
		v = new(T)
		d.slots[s.index] = v
	}
	return v
}

// Peek is Of for who does not want to keep anything with d: nil where nothing is kept.
func (s Slot[T]) Peek(d *Device) *T {
	if len(d.slots) <= s.index {
		return nil
	}
	v, _ := d.slots[s.index].(*T)
	return v
}

// Available is a device's last available presence.
type Available struct {
	Stanza   *stanza.Stanza // from the full address
	Priority int            // -128 to 127 (RFC 6121 §4.7.2.3)
}

// A port is the way to a device: its session on this node, or the node that has it.
type port interface {
	send(st *stanza.Stanza, fate session.Fate)
	kick(k *session.Kick)
	abandon() []session.Fate // what it never took, where that is known at once
}

// Send queues a stanza for the device and returns at once. What it says is lost with the device.
func (d *Device) Send(st *stanza.Stanza) {
	d.send(st, nil)
	d.hold(st)
}

func (d *Device) send(st *stanza.Stanza, fate session.Fate) { d.port.send(st, fate) }

// Available is the device's last available presence; nil where it is not available.
func (d *Device) Available() *Available { return d.available.Load() }

// SetAvailable notes the device's presence; nil: it is no more available. Only the presence feature calls it,
// in the turn.
func (d *Device) SetAvailable(a *Available) { d.available.Store(a) }

// Spare keeps the device through the next change of its account's password, which it makes itself.
func (d *Device) Spare() { d.spared.Store(true) }

// Spared reports whether the device is to be kept, once.
func (d *Device) Spared() bool { return d.spared.Swap(false) }

// Kick ends the device's session, its stream or its sleep, at once and for good.
func (d *Device) Kick(condition, text string) {
	d.port.kick(&session.Kick{Condition: condition, Text: text})
}

type localPort struct{ s *session.Session }

func (p localPort) send(st *stanza.Stanza, fate session.Fate) { p.s.Send(st, fate) }
func (p localPort) kick(k *session.Kick)                      { p.s.Kick(k) }
func (p localPort) abandon() []session.Fate                   { return p.s.Abandon() }

// Devices lists the devices of an account, by time of binding. The account's home must be here; in its turn
// the list is exact, elsewhere it may change at once.
func (r *Router) Devices(bare jid.JID) []*Device {
	r.turnsMu.Lock()
	t := r.turns[bare]
	r.turnsMu.Unlock()
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.devices
}

// device returns the turn's device with that full address, or nil.
func (t *turn) device(full jid.JID) *Device {
	for _, d := range t.devices {
		if d.JID == full {
			return d
		}
	}
	return nil
}

func (t *turn) setDevices(list []*Device) {
	t.mu.Lock()
	t.devices = list
	t.mu.Unlock()
}

// without returns the turn's devices but d.
func (t *turn) without(d *Device) []*Device {
	var rest []*Device
	for _, x := range t.devices {
		if x != d {
			rest = append(rest, x)
		}
	}
	return rest
}

// A Binding is a session's place at its account's home. Its methods are called by the session's connection,
// one at a time.
type Binding struct {
	r       *Router
	session *session.Session
	home    Node
	device  *Device       // where home is here
	answer  xmlstream.Raw // to what its client asked for besides
	rest    time.Duration // how long the session may sleep, as it was when it was bound
}

// Bind enters a session into the directory of devices. A device with the same full address, or with the same
// client id, is ended (RFC 6120 §7.7.2.2), and where the account has too many devices, the one that has slept longest. It
// returns stanza.ResourceConstraint where all of them are awake. request is the element by which the client asked for it
// and for more (XEP-0386 §3.2), see OnBind; "" where it bound in another way.
func (r *Router) Bind(ctx context.Context, s *session.Session, request xmlstream.Raw) (*Binding, error) {
	b := &Binding{r: r, session: s, home: r.Peers.Home(s.JID.Bare())}
	done := make(chan error, 1)
	if b.home != "" {
		r.localMu.Lock()
		r.local[s.ID] = s
		r.localMu.Unlock()
		r.links.send(b.home, &Packet{Kind: PacketBind, Session: s.ID, Device: s.JID, Client: s.Client, LogIn: s.LogIn,
			Raw: request, Ref: r.links.keepAnswer(boundFunc(func(x bound) {
				b.bound(x)
				done <- x.err
			}))})
	} else {
		d := &Device{JID: s.JID, Client: s.Client, LogIn: s.LogIn, port: localPort{s}}
		r.bind(d, request, func(x bound) {
			b.device = d
			b.bound(x)
			done <- x.err
		})
	}
	select {
	case err := <-done:
		if err != nil {
			b.forget()
			return nil, err
		}
		s.Watch(b)
		return b, nil
	case <-ctx.Done():
		go func() { // ends when the turn has answered
			if <-done == nil {
				b.Leave(nil)
			}
		}()
		return nil, ctx.Err()
	}
}

// Answer is what the features say to what the session's client asked for when it bound.
func (b *Binding) Answer() xmlstream.Raw { return b.answer }

// Rest is how long the session may sleep, as things were when it was bound.
func (b *Binding) Rest() time.Duration { return b.rest }

// bound is what comes of a request to bind.
type bound struct {
	answer xmlstream.Raw
	rest   time.Duration
	err    error // the rest is meaningless then
}

// A boundFunc hears of it.
type boundFunc func(bound)

func (b *Binding) bound(x bound) { b.answer, b.rest = x.answer, x.rest }

// bind posts the job that enters d at its home, here. told is called in the turn.
func (r *Router) bind(d *Device, request xmlstream.Raw, told boundFunc) {
	r.postOn(d.JID.Bare(), func(t *turn) *job {
		return &job{after: func(ctx context.Context, _ error) {
			for _, old := range t.devices {
				if old.JID == d.JID || old.Client != "" && old.Client == d.Client {
					t.replace(ctx, old, "conflict")
				}
			}
			if len(t.devices) >= r.MaxSessions {
				old := t.oldestSleeper()
				if old == nil {
					told(bound{err: stanza.ResourceConstraint})
					return
				}
				t.replace(ctx, old, "resource-constraint")
			}
			d.turn = t
			if request != "" {
				d.archived = r.Now().Add(-archiveMargin)
			}
			t.setDevices(append(t.devices[:len(t.devices):len(t.devices)], d))
			t.raise(ctx, Bound, d)
			told(bound{answer: t.inline(ctx, d, request), rest: t.patienceWith(ctx, d)})
		}}
	})
}

// replace ends a device whose place another one takes.
func (t *turn) replace(ctx context.Context, old *Device, condition string) {
	t.end(ctx, old)
	for _, f := range old.port.abandon() {
		f.Lost() // so that it waits when the new device looks for what does
	}
	old.Kick(condition, "")
}

// oldestSleeper returns the device that has slept longest, or nil.
func (t *turn) oldestSleeper() (old *Device) {
	for _, d := range t.devices {
		if since := d.asleep.Load(); since != 0 && (old == nil || since < old.asleep.Load()) {
			old = d
		}
	}
	return old
}

// end takes a device out of the directory and tells the features, once.
func (t *turn) end(ctx context.Context, d *Device) {
	if d.ended {
		return
	}
	d.ended = true
	t.hide(d)
	t.raise(ctx, Ended, d)
}

// raise has features hear of a device. A fault in one keeps it from no other, and nobody waiting who waits for what comes
// after.
func (t *turn) raise(ctx context.Context, e Event, d *Device) {
	for _, f := range t.r.sessions[e] {
		_ = t.guard(func() error { // it is logged
			f(ctx, d)
			return nil
		})
	}
}

// Enter begins the trip of a stanza that the session read; its From is the session's address.
func (b *Binding) Enter(st *stanza.Stanza, o Origin) {
	tk := newTicket(o)
	if b.home != "" {
		b.r.links.send(b.home, &Packet{Kind: PacketEnter, Session: b.session.ID, Device: b.session.JID, Stanza: st,
			Ref: b.r.links.keep(tk)})
		return
	}
	b.r.postEntered(b.device, st, tk)
}

// Leave takes the session out of the directory. lost are the fates of what its device never took: they are
// told once it can no longer be found, and contacts hear after that that it is gone.
func (b *Binding) Leave(lost []session.Fate) {
	b.forget()
	if b.home != "" {
		b.r.links.send(b.home, &Packet{Kind: PacketLeave, Session: b.session.ID, Device: b.session.JID})
		for _, f := range lost {
			f.Lost()
		}
		b.r.links.send(b.home, &Packet{Kind: PacketEnd, Session: b.session.ID, Device: b.session.JID})
		return
	}
	b.r.leave(b.device, lost)
}

func (b *Binding) forget() {
	b.r.localMu.Lock()
	delete(b.r.local, b.session.ID)
	b.r.localMu.Unlock()
}

// leave is Binding.Leave at the home.
func (r *Router) leave(d *Device, lost []session.Fate) {
	t := d.turn
	hide := t.hiding(d)
	t.post(&job{after: func(ctx context.Context, err error) {
		hide.after(ctx, err)
		for _, f := range lost {
			f.Lost() // what it posts comes before the end
		}
		t.post(t.ending(d))
	}})
}

// hiding takes a device out of the directory: it is not found by address or presence any more.
func (t *turn) hiding(d *Device) *job {
	return &job{after: func(context.Context, error) { t.hide(d) }}
}

// ending tells the features that it is gone.
func (t *turn) ending(d *Device) *job {
	return &job{after: func(ctx context.Context, _ error) { t.end(ctx, d) }}
}

func (t *turn) hide(d *Device) {
	t.setDevices(t.without(d))
	if t.drainer == d {
		t.stopDraining()
	}
	if t.addressed == d {
		t.addressed = nil
	}
}
