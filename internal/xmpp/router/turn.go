// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// A turn is where all that concerns one account happens, one thing after the other: a pipeline of jobs with a
// half before and a half after the commit. Its goroutine exists only while there is work, and runs both
// halves, so what a turn owns needs no lock; where it has nothing to do, another turn may borrow it and begin one
// job in its stead (joint.go). A turn never waits for another turn, a stream or an answer: what
// is posted is always taken (the bound is the credit of the streams, package session).
type turn struct {
	r    *Router
	addr jid.JID // bare

	mu      sync.Mutex      // guards the block; never held while a job, a store or a stream is called
	jobs    fifo[*job]      // not begun
	pipe    fifo[*job]      // begun, in order; their second halves are due
	ahead   int             // jobs in pipe that no message may overtake (job.quiet)
	running bool            // it has its goroutine, or another turn's acts for it (joint.go)
	dead    bool            // retired: post elsewhere
	devices []*Device       // by time of binding; replaced, never changed in place
	open    fifo[*delivery] // recorded, not yet known to be taken, by archive id
	pages   int             // of waiting messages, sent to a device that has not taken them yet
	taken   takenMark       // how far the account's devices have taken what was recorded

	// Of the turn's goroutine alone.
	drainer *Device // catches up with what waited; what is recorded meanwhile waits with it
	again   bool    // somebody wanted to drain meanwhile
	// addressed is a device that waiting messages are for by its full address, while another catches up.
	addressed *Device
	fetched   map[archive.ID]bool      // waiting messages that were sent to a device, and neither taken nor lost yet
	kept      map[archive.ID]*delivery // of those, what was in queues when the server stopped
	shared    map[archive.ID]*delivery // waiting messages that others were given while one device catches up
	copies    []copied                 // for the drainer, which has not come to them yet, in the archive's order
	queries   int                      // running beside the turn
	queued    []func()
}

// A write is a part of an act.
type write func(*db.Tx) error

// A job is one thing that a turn does. Either half may be nil.
type job struct {
	before func(context.Context) ([]write, error) // what it returns is committed as one act
	after  func(context.Context, error)           // with the error of before, or of that act
	alone  bool                                   // begins when the pipe is empty, and nothing begins before it ended
	quiet  bool                                   // after sends nothing on: what goes to others may be ahead of it
	joint  *joint                                 // set by before: another turn's job is committed with it
	ready  bool                                   // turn.mu: the second half may run
	err    error                                  // turn.mu, until ready
}

// maxPipe bounds the jobs between their two halves; the store's batches are smaller.
const maxPipe = 512

// post hands j to the turn of an account.
func (r *Router) post(bare jid.JID, j *job) { r.postOn(bare, func(*turn) *job { return j }) }

// postOn posts the job that build makes for the account's turn; the turn's lock is held meanwhile.
func (r *Router) postOn(bare jid.JID, build func(*turn) *job) {
	for {
		t := r.turn(bare)
		t.mu.Lock()
		if !t.dead {
			t.push(build(t))
			t.mu.Unlock()
			return
		}
		t.mu.Unlock()
	}
}

// turn returns the turn of an account. It may be retired before the caller has its lock.
func (r *Router) turn(bare jid.JID) *turn {
	r.turnsMu.Lock()
	defer r.turnsMu.Unlock()
	t := r.turns[bare]
	if t == nil {
		t = &turn{r: r, addr: bare}
		r.turns[bare] = t
	}
	return t
}

// post hands j to t, or to its successor where t has retired.
func (t *turn) post(j *job) {
	t.mu.Lock()
	if !t.dead {
		t.push(j)
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	t.r.post(t.addr, j)
}

// postEntered posts the Outbound trip of a stanza that d sent, in the turn that is alive: d may have been replaced, and
// its turn have retired.
func (r *Router) postEntered(d *Device, st *stanza.Stanza, tk *ticket) {
	t := d.turn
	t.mu.Lock()
	if !t.dead {
		t.push(t.enter(d, st, tk))
		t.mu.Unlock()
		return
	}
	t.mu.Unlock()
	r.postOn(t.addr, func(t *turn) *job { return t.enter(d, st, tk) })
}

// push appends j. mu is held.
func (t *turn) push(j *job) {
	t.jobs.push(j)
	t.wake()
}

// wake starts the turn's goroutine where there is work. mu is held. Router.Close waits for it.
func (t *turn) wake() {
	if t.running || !t.mayEnd() && !t.mayBegin() {
		return
	}
	t.running = true
	t.r.working.add()
	go t.run()
}

// mayEnd reports whether the second half of the oldest job may run.
func (t *turn) mayEnd() bool { return !t.pipe.empty() && t.pipe.head().ready }

// mayBegin reports whether the first half of the next job may run.
func (t *turn) mayBegin() bool { return !t.jobs.empty() && t.hasRoom(t.jobs.head().alone) }

// hasRoom reports whether the pipe has room for a job, which may be one that runs alone.
func (t *turn) hasRoom(alone bool) bool {
	return t.pipe.empty() || t.pipe.len() < maxPipe && !alone && !t.pipe.head().alone
}

// enqueue puts j, which begins, into the pipe. mu is held.
func (t *turn) enqueue(j *job) {
	t.pipe.push(j)
	if !j.quiet {
		t.ahead++
	}
}

// dequeue takes the oldest job, which has ended, out of the pipe. mu is held.
func (t *turn) dequeue() {
	if j := t.pipe.pop(); !j.quiet {
		t.ahead--
	}
}

func (t *turn) run() {
	defer t.r.working.done()
	ctx := t.r.ctx
	t.mu.Lock()
	for {
		switch {
		case t.mayEnd():
			j := t.pipe.head() // it leaves the pipe only when it is done: alone means alone
			t.mu.Unlock()
			_ = t.guard(func() error { // it is logged, and the job is done
				if j.after != nil {
					j.after(ctx, j.err)
				}
				return nil
			})
			t.mu.Lock()
			t.dequeue()
		case t.mayBegin():
			j := t.jobs.pop()
			t.enqueue(j)
			t.mu.Unlock()
			var writes []write
			err := t.guard(func() (err error) {
				if j.before != nil {
					writes, err = j.before(ctx)
				}
				return err
			})
			if err == nil && len(writes) > 0 {
				t.commit(j, writes)
				t.mu.Lock()
				continue
			}
			t.mu.Lock()
			j.err, j.ready = err, true
		default:
			t.running = false
			t.retire()
			return
		}
	}
}

// retire forgets a turn with nothing to do and nothing to keep. mu is held, and given back.
func (t *turn) retire() {
	t.dead = !t.running && t.jobs.empty() && t.pipe.empty() && len(t.devices) == 0 && t.open.empty() &&
		t.pages == 0 && !t.taken.dirty && !t.taken.saving
	dead := t.dead
	t.mu.Unlock()
	if dead {
		t.r.turnsMu.Lock()
		if t.r.turns[t.addr] == t {
			delete(t.r.turns, t.addr)
		}
		t.r.turnsMu.Unlock()
	}
}

// guard calls f; a panic in a feature ends one trip, not the server.
func (t *turn) guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			t.r.log.Error("fault in a turn", "panic", p, "stack", string(debug.Stack()))
			err = fmt.Errorf("router: fault: %v", p)
		}
	}()
	return f()
}

// commit gives writes to the store as one act, and lets j go on when they are committed.
func (t *turn) commit(j *job, writes []write) {
	if j.joint != nil {
		t.commitBoth(j, writes)
		return
	}
	t.r.working.add() // the goroutine may end meanwhile
	t.r.db.Submit(func(tx *db.Tx) error { return act(tx, writes) }, func(err error) {
		t.answered(j, err)
		t.r.working.done()
	})
}

func act(tx *db.Tx, writes []write) error {
	for _, w := range writes {
		if err := w(tx); err != nil {
			return err
		}
	}
	return nil
}

// answered lets the second half of j run: its act is committed, or failed.
func (t *turn) answered(j *job, err error) {
	t.mu.Lock()
	j.err, j.ready = err, true
	t.wake()
	t.mu.Unlock()
}

// busy counts what is under way. Unlike a sync.WaitGroup it may be counted up from nothing while somebody waits.
type busy struct {
	mu   sync.Mutex
	n    int
	idle chan struct{} // closed when n is 0; nil where nobody waits
}

func (b *busy) add() {
	b.mu.Lock()
	b.n++
	b.mu.Unlock()
}

func (b *busy) done() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.n--; b.n == 0 && b.idle != nil {
		close(b.idle)
		b.idle = nil
	}
}

func (b *busy) wait() {
	b.mu.Lock()
	if b.n == 0 {
		b.mu.Unlock()
		return
	}
	if b.idle == nil {
		b.idle = make(chan struct{})
	}
	idle := b.idle
	b.mu.Unlock()
	<-idle
}

// A fifo is a queue that gives its memory back when it is empty.
type fifo[T any] struct {
	items []T
	first int
}

func (f *fifo[T]) empty() bool { return f.first == len(f.items) }
func (f *fifo[T]) len() int    { return len(f.items) - f.first }
func (f *fifo[T]) head() T     { return f.items[f.first] }

func (f *fifo[T]) push(v T) {
	if f.first > 32 && f.first*2 > len(f.items) {
		n := copy(f.items, f.items[f.first:])
		clear(f.items[n:])
		f.items, f.first = f.items[:n], 0
	}
	f.items = append(f.items, v)
}

// unpush takes back what was pushed last.
func (f *fifo[T]) unpush() {
	var zero T
	last := len(f.items) - 1
	f.items[last] = zero
	f.items = f.items[:last]
}

func (f *fifo[T]) pop() T {
	var zero T
	v := f.items[f.first]
	f.items[f.first] = zero
	if f.first++; f.first == len(f.items) {
		if cap(f.items) > 64 {
			f.items = nil
		}
		f.items, f.first = f.items[:0], 0
	}
	return v
}

// takenMark tells how far an account's devices have taken what was recorded for it (core.md: after a crash,
// younger entries count as waiting).
type takenMark struct {
	owner  int64      // the account's id
	id     archive.ID // every recorded message up to here was taken, or is marked as waiting
	dirty  bool       // the store has to be told
	saving bool       // it is being told
}
