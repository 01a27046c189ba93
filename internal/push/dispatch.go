// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"
)

const (
	workers     = 16               // that give notices to senders
	perOwner    = 4                // of these, at work for one account: whose services are slow keeps nobody else waiting
	maxPending  = 64               // notices of one registration; the oldest gives way: that costs a wake-up, never a message
	firstWait   = 10 * time.Second // before the second try
	longestWait = time.Hour
	lastTime    = 2 * time.Second // for what is told when the server stops
)

// A Sender tells notices to the registrations of one kind.
type Sender interface {
	// Send tells n to the device of r, and calls done once, before it returns or later, on any goroutine: with nil where it
	// was taken, or with a *Failure. It ends by itself, whether anybody answers or not.
	Send(ctx context.Context, r Registration, n Notice, done func(error))
}

// A Dispatcher gives notices to senders. Nothing that it does keeps anybody waiting who has a notice.
type Dispatcher struct {
	svc     *Service
	log     *slog.Logger
	now     func() time.Time
	senders map[Kind]Sender
	clock   clock

	mu    sync.Mutex
	work  *sync.Cond // ready has something, or it is over
	over  bool
	lines map[int64]*line // by registration; only those that have something to do
	ready []*line         // no longer than lines
	works map[int64]int   // how many workers are with senders, by account; 1 or more
}

// A line is the notices for one registration, one after the other.
type line struct {
	owner   int64
	id      int64 // of the registration
	pending []Notice
	busy    bool          // the first of them is with the sender, or the line is in ready
	due     time.Time     // not before; zero: now
	told    bool          // the service has said until when
	wait    time.Duration // after the next failure
}

// NewDispatcher returns a dispatcher for the registrations of svc. It has to hear of each kind's sender (Handle) before
// it is used, and of removed registrations.
func NewDispatcher(svc *Service) *Dispatcher {
	d := &Dispatcher{svc: svc, log: svc.log, now: svc.now, senders: map[Kind]Sender{}, lines: map[int64]*line{},
		works: map[int64]int{}}
	d.work = sync.NewCond(&d.mu)
	d.clock.wake = make(chan struct{}, 1)
	d.clock.now = svc.now
	svc.OnRemove(d.removed)
	return d
}

// Handle has s send what is for registrations of that kind.
func (d *Dispatcher) Handle(k Kind, s Sender) { d.senders[k] = s }

// Run works until ctx ends, and returns when what could be told at once is told, a few seconds later at most. What waits
// for its time is lost then: the messages themselves are in the archive.
func (d *Dispatcher) Run(ctx context.Context) error {
	sending, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() { d.serve(sending) })
	}
	wg.Go(func() { d.clock.run(ctx) })
	<-ctx.Done()
	d.mu.Lock()
	d.over = true
	d.work.Broadcast()
	d.mu.Unlock()
	late := time.AfterFunc(lastTime, stop)
	defer late.Stop()
	wg.Wait()
	return nil
}

// After calls f when that much time has passed, on the goroutine of Run, so f must not block. A stop forgets it.
func (d *Dispatcher) After(wait time.Duration, f func()) { d.clock.add(wait, f) }

// Send has n told to the device of r, and returns at once.
func (d *Dispatcher) Send(r Registration, n Notice) {
	d.mu.Lock()
	defer d.mu.Unlock()
	l := d.lines[r.ID]
	if l == nil {
		l = &line{owner: r.Owner, id: r.ID, wait: firstWait}
		d.lines[r.ID] = l
	}
	l.pending = slices.DeleteFunc(l.pending, func(old Notice) bool { return old.Key() == n.Key() })
	if len(l.pending) >= maxPending {
		l.pending = slices.Delete(l.pending, 0, 1)
	}
	if n.Kind == Call || n.Kind == CallEnd { // a call cannot wait for anything but the service's own word
		l.pending = slices.Insert(l.pending, 0, n)
		if !l.told {
			l.due = time.Time{}
		}
	} else {
		l.pending = append(l.pending, n)
	}
	d.kick(l)
}

// Withdraw takes back what waits to be told under that key: it is known by now.
func (d *Dispatcher) Withdraw(id int64, key string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lines[id]; l != nil {
		l.pending = slices.DeleteFunc(l.pending, func(n Notice) bool { return n.Key() == key })
	}
}

// Now has n told at once, whatever waits, and returns what came of it: nil, a *Failure, or ctx's error.
func (d *Dispatcher) Now(ctx context.Context, r Registration, n Notice) error {
	answer := make(chan error, 1)
	d.senders[r.Kind].Send(ctx, r, n, func(err error) {
		d.note(r, err)
		answer <- err
	})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// removed ends a line.
func (d *Dispatcher) removed(r Registration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l := d.lines[r.ID]; l != nil {
		l.pending = nil
		if !l.busy {
			delete(d.lines, r.ID)
		}
	}
}

// kick puts a line that has something to do into ready, unless it has to wait. mu is held.
func (d *Dispatcher) kick(l *line) {
	if l.busy || len(l.pending) == 0 || l.due.After(d.now()) {
		return
	}
	l.busy, l.due, l.told = true, time.Time{}, false
	d.ready = append(d.ready, l)
	d.work.Signal()
}

// serve is one worker.
func (d *Dispatcher) serve(ctx context.Context) {
	for {
		d.mu.Lock()
		l := d.pick()
		for l == nil && !d.over {
			d.work.Wait()
			l = d.pick()
		}
		if l == nil || ctx.Err() != nil { // what is ready then is for those who are at work for its account
			d.mu.Unlock()
			return
		}
		r, n, ok := d.next(l)
		if !ok {
			d.mu.Unlock()
			continue
		}
		d.works[l.owner]++
		d.mu.Unlock()
		d.senders[r.Kind].Send(ctx, r, n, func(err error) {
			if err == nil || ctx.Err() == nil { // else it was not the service's fault
				d.done(l, r, n, err)
			}
		})
		d.mu.Lock()
		if d.works[l.owner]--; d.works[l.owner] == 0 {
			delete(d.works, l.owner)
		}
		d.mu.Unlock()
	}
}

// pick takes the first line out of ready for whose account not enough workers are busy; nil where there is none. mu is
// held.
func (d *Dispatcher) pick() *line {
	i := slices.IndexFunc(d.ready, func(l *line) bool { return d.works[l.owner] < perOwner })
	if i < 0 {
		return nil
	}
	l := d.ready[i]
	d.ready = slices.Delete(d.ready, i, i+1)
	return l
}

// next takes the first notice of a line that is worth telling, and its registration as it is now. Where there is none,
// the line is done with. mu is held.
func (d *Dispatcher) next(l *line) (Registration, Notice, bool) {
	r, ok := d.svc.Get(l.owner, l.id)
	for ok && len(l.pending) > 0 {
		n := l.pending[0]
		l.pending = l.pending[1:]
		if d.now().Before(n.At.Add(n.Life())) {
			return r, n, true
		}
	}
	delete(d.lines, l.id)
	return Registration{}, Notice{}, false
}

// done is what comes after a sender has told n, or not.
func (d *Dispatcher) done(l *line, r Registration, n Notice, err error) {
	d.note(r, err)
	f, _ := errors.AsType[*Failure](err)
	d.mu.Lock()
	defer d.mu.Unlock()
	l.busy = false
	if f != nil && f.Gone {
		l.pending = nil
	}
	if f != nil && f.Later && !f.Gone {
		l.due, l.told = d.now().Add(l.wait), f.After > 0
		if l.told {
			l.due = d.now().Add(f.After)
		}
		l.wait = min(2*l.wait, longestWait)
		if !slices.ContainsFunc(l.pending, func(x Notice) bool { return x.Key() == n.Key() }) {
			l.pending = slices.Insert(l.pending, 0, n)
		}
		d.clock.add(l.due.Sub(d.now()), func() {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.kick(l)
		})
		return
	}
	l.wait = firstWait
	if len(l.pending) == 0 {
		delete(d.lines, l.id)
		return
	}
	d.kick(l)
}

// note notes what came of a notice.
func (d *Dispatcher) note(r Registration, err error) {
	f, failed := errors.AsType[*Failure](err)
	switch {
	case err == nil:
		d.svc.sent(r)
	case failed:
		d.svc.failed(r, f)
	default:
		d.log.Error("tell a notice", "kind", r.Kind, "err", err)
		d.svc.failed(r, &Failure{Reason: "internal"})
	}
}
