// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

func TestLull(t *testing.T) {
	t.Parallel()
	const mib = 1 << 20
	type look struct {
		allocated, held, live uint64 // MiB; allocated since the look before
		want                  bool
	}
	many := func(n int, l look) (list []look) {
		for range n {
			list = append(list, l)
		}
		return list
	}
	storm, after := look{200, 150, 60, false}, look{1, 150, 60, false}
	tests := []struct {
		name  string
		looks []look
	}{
		{"a storm, then nothing", []look{storm, storm, after, {1, 150, 60, true}, {1, 80, 60, false}}},
		{"never quiet", many(10, storm)},
		{"quiet now and then", []look{storm, after, storm, after, storm, after}},
		{"nothing to give back", []look{{200, 90, 60, false}, {1, 90, 60, false}, {1, 90, 60, false}}},
		{"a small heap", []look{{20, 16, 6, false}, {0, 16, 6, false}, {0, 16, 6, false}}},
		{"not twice within ten minutes", append([]look{storm, after, {1, 150, 60, true}}, many(39, after)...)},
		{"again after ten minutes", append(append([]look{storm, after, {1, 150, 60, true}}, many(39, after)...), look{1, 150, 60, true})},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var l lull
			now, allocated := time.Unix(1_800_000_000, 0), uint64(0)
			for i, look := range test.looks {
				now, allocated = now.Add(gcEvery), allocated+look.allocated*mib
				if got := l.found(now, usage{look.held * mib, look.live * mib, allocated}); got != look.want {
					t.Errorf("look %d: got %v, want %v", i, got, look.want)
				}
			}
		})
	}
}

// What the runtime calls its figures has not changed.
func TestUsage(t *testing.T) {
	t.Parallel()
	if u := readUsage(); u.held == 0 || u.live == 0 && u.allocated == 0 || u.held < u.live {
		t.Errorf("got %+v", u)
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		live      uint64 // MiB
		now, want int
	}{
		{2, gcEarly, gcEarly}, {7, gcEarly, gcEarly}, {9, gcEarly, gcOrdinary}, {7, gcOrdinary, gcOrdinary}, {5, gcOrdinary, gcEarly},
		{500, gcOrdinary, gcOrdinary},
	} {
		if got := percent(test.live<<20, test.now); got != test.want {
			t.Errorf("%d MiB after %d: got %d, want %d", test.live, test.now, got, test.want)
		}
	}
}

// The collector's runs are noticed, one after the other, until the server stops.
func TestPace(t *testing.T) {
	before := debug.SetGCPercent(gcOrdinary)
	defer debug.SetGCPercent(before)
	ctx, stop := context.WithCancel(t.Context())
	pace(ctx)
	until := func(want int) {
		t.Helper()
		for range 1000 {
			runtime.GC()
			if got := debug.SetGCPercent(gcEarly); got == want {
				return
			} else if got != gcEarly {
				debug.SetGCPercent(got)
			}
			time.Sleep(time.Millisecond)
		}
		t.Fatalf("it never became %d", want)
	}
	until(gcEarly)
	stop()
	until(gcOrdinary)
}
