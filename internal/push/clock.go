// SPDX-License-Identifier: Apache-2.0

package push

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// A clock calls functions when their time has come: one goroutine for all of them.
type clock struct {
	now  func() time.Time
	wake chan struct{} // of length 1: what comes first has changed

	mu  sync.Mutex
	due alarms
}

type alarm struct {
	at time.Time
	f  func()
}

func (c *clock) add(wait time.Duration, f func()) {
	c.mu.Lock()
	heap.Push(&c.due, alarm{c.now().Add(wait), f})
	c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it is awake, or will be
	}
}

// run calls the functions until ctx ends.
func (c *clock) run(ctx context.Context) {
	t := time.NewTimer(time.Hour)
	defer t.Stop()
	for {
		for f := c.take(); f != nil; f = c.take() {
			f()
		}
		t.Reset(c.next())
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		case <-c.wake:
		}
	}
}

// take removes and returns the first function whose time has come; nil if there is none.
func (c *clock) take() func() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 || c.due[0].at.After(c.now()) {
		return nil
	}
	return heap.Pop(&c.due).(alarm).f
}

// next is how long it is until the next function.
func (c *clock) next() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.due) == 0 {
		return time.Hour
	}
	return c.due[0].at.Sub(c.now())
}

// alarms is a heap.
type alarms []alarm

func (a alarms) Len() int           { return len(a) }
func (a alarms) Less(i, j int) bool { return a[i].at.Before(a[j].at) }
func (a alarms) Swap(i, j int)      { a[i], a[j] = a[j], a[i] }
func (a *alarms) Push(x any)        { *a = append(*a, x.(alarm)) }
func (a *alarms) Pop() any {
	last := len(*a) - 1
	x := (*a)[last]
	(*a)[last] = alarm{}
	*a = (*a)[:last]
	return x
}
