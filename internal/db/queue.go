// SPDX-License-Identifier: Apache-2.0

package db

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// act is one submitted function.
type act struct {
	f     func(*Tx) error
	done  func(error)
	after []func()
	err   error
	state atomic.Uint32 // actWaiting, then one of the others
}

const (
	actWaiting = iota
	actTaken
	actDropped
)

// take claims the act for the writer; drop takes it back from the queue. Of the two, one succeeds.
func (a *act) take() bool { return a.state.CompareAndSwap(actWaiting, actTaken) }
func (a *act) drop() bool { return a.state.CompareAndSwap(actWaiting, actDropped) }

// queue holds the acts that wait, in order and without bound.
type queue struct {
	wake chan struct{} // of length 1: something changed

	mu     sync.Mutex // guards the two below
	acts   []*act
	closed bool
}

func newQueue() *queue { return &queue{wake: make(chan struct{}, 1)} }

// put appends a; it reports false after close.
func (q *queue) put(a *act) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.closed {
		return false
	}
	q.acts = append(q.acts, a)
	q.ring()
	return true
}

func (q *queue) ring() {
	select {
	case q.wake <- struct{}{}:
	default: // it rings already
	}
}

// get waits until there are acts and moves the first n of them, or fewer, to dst. It reports false when the queue
// is closed and empty. If patience is not 0, it returns after that time with none.
func (q *queue) get(dst []*act, n int, patience time.Duration) ([]*act, bool) {
	var late <-chan time.Time
	if patience != 0 {
		t := time.NewTimer(patience)
		defer t.Stop()
		late = t.C
	}
	for {
		q.mu.Lock()
		if len(q.acts) > 0 {
			n = min(n, len(q.acts))
			dst = append(dst, q.acts[:n]...)
			if q.acts = slices.Delete(q.acts, 0, n); len(q.acts) == 0 && cap(q.acts) > 4096 {
				q.acts = nil // a storm is over
			}
			q.mu.Unlock()
			return dst, true
		}
		closed := q.closed
		q.mu.Unlock()
		if closed {
			return dst, false
		}
		select {
		case <-q.wake:
		case <-late:
			return dst, true
		}
	}
}

func (q *queue) close() {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.closed = true
	q.ring()
}

func (q *queue) len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return len(q.acts)
}
