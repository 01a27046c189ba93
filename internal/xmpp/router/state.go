// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"time"

	"github.com/kith-im/kith/internal/xmpp/session"
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
// messages that went to a device while that was Awake, or before it was so again, and that it has not acknowledged in time,
// or before it lost its connection: the Notify stage, or who waits before he wakes it, was told a better state than was
// true. These come as the trip had them, and once for each time that the device has become Awake.
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

// Sleeps notes that the session has no connection any more, and Wakes that it has one again: one at which somebody looks,
// until its client says otherwise (XEP-0352 §5.2).
func (b *Binding) Sleeps() { b.state(PacketSleeps) }

// Wakes is the end of Sleeps.
func (b *Binding) Wakes() { b.state(PacketWakes) }

// Dozes notes that the session has slept for long, and goes on to sleep.
func (b *Binding) Dozes() { b.state(PacketDozes) }

// SetIdle notes whether nobody looks at the session's client (XEP-0352 §4.2).
func (b *Binding) SetIdle(idle bool) {
	if idle {
		b.state(PacketIdle)
	} else {
		b.state(PacketActive)
	}
}

// Heard is the end of Silent; the Binding is its session's Watcher.
func (b *Binding) Heard() { b.state(PacketHeard) }

func (b *Binding) state(k PacketKind) {
	if b.home != "" {
		b.r.links.send(b.home, &Packet{Kind: k, Session: b.session.ID, Device: b.session.JID})
		return
	}
	b.r.state(b.device, k)
}

// state is Binding.state at the home.
func (r *Router) state(d *Device, k PacketKind) {
	switch k {
	case PacketSleeps:
		d.asleep.Store(r.Now().UnixNano())
	case PacketWakes:
		d.idle.Store(false)
		d.silent.Store(false)
		d.asleep.Store(0)
		d.roused.Add(1)
		d.turn.post(&job{after: func(ctx context.Context, _ error) { d.doze(ctx, false) }})
	case PacketDozes:
		d.turn.post(&job{after: func(ctx context.Context, _ error) { d.doze(ctx, d.asleep.Load() != 0) }})
	case PacketIdle, PacketActive:
		d.idle.Store(k == PacketIdle)
		if k == PacketActive {
			d.roused.Add(1)
		}
	case PacketHeard:
		d.silent.Store(false)
		d.roused.Add(1)
	}
}

// doze notes that the device has slept for long, or that it is awake. It runs in the turn.
func (d *Device) doze(ctx context.Context, dozing bool) {
	if d.ended || d.dozing == dozing {
		return
	}
	d.dozing = dozing
	e := Woke
	if dozing {
		e = Dozes
	}
	d.turn.raise(ctx, e, d)
}

// Dozing reports whether the device has slept for long. It is for the turn of its account.
func (d *Device) Dozing() bool { return d.dozing }

// Silent notes that the session's client does not acknowledge what it is sent, or cannot any more, fates being what that
// hangs on.
func (b *Binding) Silent(fates []session.Fate) {
	if b.home == "" {
		b.r.silent(b.device, fates)
		return
	}
	p := &Packet{Kind: PacketSilent, Session: b.session.ID, Device: b.session.JID}
	for _, f := range fates {
		if f, ok := f.(remoteFate); ok {
			p.Refs = append(p.Refs, f.ref)
		}
	}
	b.r.links.send(b.home, p)
}

// silent is Binding.Silent at the home: who was told that the device is awake is told better.
func (r *Router) silent(d *Device, fates []session.Fate) {
	d.silent.Store(true)
	if len(r.held) == 0 {
		return
	}
	d.turn.post(&job{after: func(ctx context.Context, _ error) {
		for _, f := range fates {
			st := believed(d, f)
			if st == nil {
				continue
			}
			for _, f := range r.held {
				f(ctx, d, st)
			}
		}
	}})
}

// believed is the message that a fate is of, where it was told to have gone to the device awake, or the device has been
// awake since; nil otherwise, and from then on until it is awake again.
func believed(d *Device, f session.Fate) *stanza.Stanza {
	var g *given
	var m *stanza.Stanza
	switch f := f.(type) {
	case *messageFate:
		m = f.m
		for i := range f.had {
			if f.had[i].to == d.JID {
				g = &f.had[i]
			}
		}
	case *copyFate:
		m, g = f.m, &f.given
	}
	roused := d.roused.Load()
	if g == nil || g.state != Awake && g.roused == roused {
		return nil
	}
	g.state, g.roused = Asleep, roused
	return m
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

// Patience tells f how long the session may sleep. It returns at once; f is called on any goroutine and must not block. It
// is not called where the session has ended.
func (b *Binding) Patience(f func(time.Duration)) {
	if b.home == "" {
		b.r.howPatient(b.device, f)
		return
	}
	b.r.links.send(b.home, &Packet{Kind: PacketPatience, Session: b.session.ID, Device: b.session.JID,
		Ref: b.r.links.keepAnswer(f)})
}

// howPatient is Binding.Patience at the home.
func (r *Router) howPatient(d *Device, told func(time.Duration)) {
	d.turn.post(&job{after: func(ctx context.Context, _ error) {
		if !d.ended {
			told(d.turn.patienceWith(ctx, d))
		}
	}})
}

func (t *turn) patienceWith(ctx context.Context, d *Device) time.Duration {
	longest := DefaultPatience
	for _, f := range t.r.patience {
		_ = t.guard(func() error { // it is logged, and has no patience
			longest = max(longest, f(ctx, d))
			return nil
		})
	}
	return longest
}
