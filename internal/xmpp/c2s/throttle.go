// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"net/netip"
	"sync"
	"time"
)

// Failed log-ins are answered late once there have been some from one address, or for one account from one
// address: who guesses waits, and takes nobody's processor meanwhile. An account that is attacked from many
// addresses slows those only: each has to fail by itself first.
const (
	freeFailures = 3                // answered at once
	firstDelay   = time.Second / 2  // then this, doubled each time
	maxDelay     = 16 * time.Second // and at most this
	forgetAfter  = 15 * time.Minute // without a failure
	maxEntries   = 20_000           // the oldest are forgotten
)

// A throttle counts failures. It is safe for concurrent use.
type throttle struct {
	now func() time.Time

	mu   sync.Mutex
	seen map[throttleKey]*failures
}

type throttleKey struct {
	from netip.Prefix
	name string // "" counts the address alone
}

type failures struct {
	n    int
	last time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, seen: map[throttleKey]*failures{}}
}

// network is what counts as one address: an IPv4 address, or the /64 that an IPv6 subscriber has.
func network(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // connections without an address share one
	}
	return p
}

// failed counts a failure and waits as long as its answer has to; late says that it had to.
func (t *throttle) failed(ctx context.Context, a netip.Addr, name string) (late bool) {
	p := network(a)
	t.mu.Lock()
	n := t.count(throttleKey{p, ""}) / 4 // many people may share an address
	if name != "" {
		n = max(n, t.count(throttleKey{p, name}))
	}
	t.mu.Unlock()
	d := delay(n)
	sleep(ctx, d)
	return d > 0
}

// wait holds a new attempt back where its address has failed much.
func (t *throttle) wait(ctx context.Context, a netip.Addr) error {
	t.mu.Lock()
	f := t.seen[throttleKey{network(a), ""}]
	n := 0
	if f != nil && t.now().Sub(f.last) < forgetAfter {
		n = f.n / 16
	}
	t.mu.Unlock()
	sleep(ctx, delay(n))
	return ctx.Err()
}

// succeeded forgets the failures of an account from that address.
func (t *throttle) succeeded(a netip.Addr, name string) {
	t.mu.Lock()
	delete(t.seen, throttleKey{network(a), name})
	t.mu.Unlock()
}

// count counts one failure more. mu is held.
func (t *throttle) count(k throttleKey) int {
	now := t.now()
	f := t.seen[k]
	if f == nil || now.Sub(f.last) >= forgetAfter {
		if f == nil && len(t.seen) >= maxEntries {
			t.makeRoom(now)
		}
		f = &failures{}
		t.seen[k] = f
	}
	f.n++
	f.last = now
	return f.n
}

// makeRoom forgets what is old, and if that is not enough, a part of the rest. mu is held.
func (t *throttle) makeRoom(now time.Time) {
	for k, f := range t.seen {
		if now.Sub(f.last) >= forgetAfter {
			delete(t.seen, k)
		}
	}
	for k := range t.seen {
		if len(t.seen) < maxEntries*9/10 {
			return
		}
		delete(t.seen, k)
	}
}

func delay(n int) time.Duration {
	if n <= freeFailures {
		return 0
	}
	d := firstDelay
	for i := freeFailures + 1; i < n && d < maxDelay; i++ {
		d *= 2
	}
	return min(d, maxDelay)
}

func sleep(ctx context.Context, d time.Duration) {
	if d == 0 {
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
