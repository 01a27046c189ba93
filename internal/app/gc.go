// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	gcEvery  = 15 * time.Second // how often the memory is looked at
	gcPause  = 10 * time.Minute // between two times at which it is given back, at least
	gcBusy   = 4 << 20          // bytes allocated between two looks, from which the server counts as busy
	gcWorth  = 8 << 20          // bytes that must be there to give back
	gcRounds = 2                // of the collector: the first empties the pools, and each halves stacks that are too big

	gcSmall    = 8 << 20 // bytes that live, up to which a heap may grow by gcEarly percent before the collector runs
	gcEarly    = 200
	gcOrdinary = 100 // Go's own
)

// A usage is what the runtime says about its memory, in bytes.
type usage struct {
	held      uint64 // taken from the system and not given back
	live      uint64 // of the heap, when it was last looked through
	allocated uint64 // since the start, whatever became of it
}

// A lull finds the moment after a peak, such as everybody logging in after a restart, at which the server has nothing to
// do and holds memory that it does not need. The runtime gives that back by itself only where it goes on allocating.
type lull struct {
	last  uint64 // allocated at the last look
	quiet bool   // the server was not busy before that look
	next  time.Time
}

// found says whether this is such a moment; it is asked every gcEvery.
func (l *lull) found(now time.Time, u usage) bool {
	busy := u.allocated-l.last >= gcBusy
	quiet := l.quiet && !busy
	l.last, l.quiet = u.allocated, !busy
	// The heap of a server that is at work grows to twice of what lives before the collector runs: less than that is normal.
	if !quiet || now.Before(l.next) || u.held < u.live+u.live/2+gcWorth {
		return false
	}
	l.next = now.Add(gcPause)
	return true
}

// pace has the collector run less often while the heap is small: every few dozen log-ins it would look at the same few
// MiB again. It looks at the heap after each run, and stops with ctx. It leaves a percentage alone that somebody has set.
func pace(ctx context.Context) {
	if before := debug.SetGCPercent(gcEarly); before != gcOrdinary {
		debug.SetGCPercent(before)
		return
	}
	now := gcEarly
	var look func(struct{})
	again := func() { runtime.AddCleanup(new([16]byte), look, struct{}{}) } // called when the next run has found it dead
	look = func(struct{}) {
		want := gcOrdinary
		if ctx.Err() == nil {
			want = percent(readUsage().live, now)
			again()
		}
		if want != now {
			now = want
			debug.SetGCPercent(now)
		}
	}
	again()
}

// percent is by how much the heap may grow of which live bytes live, where that was now before.
func percent(live uint64, now int) int {
	switch {
	case live > gcSmall:
		return gcOrdinary
	case live < gcSmall*3/4:
		return gcEarly
	}
	return now
}

// keepMemory paces the collector, and gives memory back to the system after each peak, until ctx ends.
func keepMemory(ctx context.Context) error {
	pace(ctx)
	tick := time.NewTicker(gcEvery)
	defer tick.Stop()
	var l lull
	for {
		select {
		case <-ctx.Done():
			return nil
		case now := <-tick.C:
			if l.found(now, readUsage()) {
				for range gcRounds - 1 {
					runtime.GC()
				}
				debug.FreeOSMemory()
			}
		}
	}
}

func readUsage() usage {
	s := []metrics.Sample{
		{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"},
		{Name: "/gc/heap/live:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	return usage{
		held: s[0].Value.Uint64() - s[1].Value.Uint64(), live: s[2].Value.Uint64(), allocated: s[3].Value.Uint64(),
	}
}
