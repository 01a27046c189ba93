// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// Failed log-ins are answered late once there have been some from one address, or for one account from one
// address: who guesses waits, and takes nobody's processor meanwhile.
//
// An account at which somebody guesses from many addresses is besieged: each address has few failures, all of them
// together many. Then whoever has not logged in to it before waits, right or wrong, before being told; who has, from that
// address or with a client that the account knows, does not. So a siege does not keep an owner out.
const (
	freeFailures = 3                // answered at once
	firstDelay   = time.Second / 2  // then this, doubled each time
	maxDelay     = 16 * time.Second // and at most this
	forgetAfter  = 15 * time.Minute // without a failure
	maxEntries   = 20_000           // the oldest are forgotten
	siegeStep    = 5                // so many failures from all addresses count as one from one
	knownFor     = 30 * 24 * time.Hour
)

// A throttle counts failures. It is safe for concurrent use.
type throttle struct {
	now func() time.Time

	mu    sync.Mutex // guards the two below
	seen  map[throttleKey]*failures
	known map[throttleKey]time.Time // who has logged in from where, and when last; it forgets like seen
}

type throttleKey struct {
	from netip.Prefix
	name string // "" counts the address alone
	all  bool   // counts the name alone
}

// A failure is one log-in that failed.
type failure struct {
	from  netip.Addr
	name  string // that it was for; "" where that was not told
	again bool   // the same password once more, as far as can be told: see guess
}

type failures struct {
	n    int
	last time.Time
}

func newThrottle(now func() time.Time) *throttle {
	return &throttle{now: now, seen: map[throttleKey]*failures{}, known: map[throttleKey]time.Time{}}
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

// failed counts a failure and waits as long as its answer has to, and reports whether that was at all. One that is the
// same as the last waits as long, and does not count.
func (t *throttle) failed(ctx context.Context, f failure) (late bool) {
	p := network(f.from)
	t.mu.Lock()
	count := t.count
	if f.again {
		count = t.counted
	}
	n := count(throttleKey{from: p}) / 4 // many people may share an address
	if f.name != "" {
		n = max(n, count(throttleKey{from: p, name: f.name}))
		count(throttleKey{name: f.name, all: true})
	}
	t.mu.Unlock()
	d := delay(n)
	sleep(ctx, d)
	return d > 0
}

// siege returns how long the verdict on a log-in for name is held back: 0 unless the account is besieged, and the
// address a stranger to it.
func (t *throttle) siege(a netip.Addr, name string) time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, known := t.known[throttleKey{from: network(a), name: name}]
	if name == "" || known && t.now().Sub(at) < knownFor {
		return 0
	}
	return delay(t.counted(throttleKey{name: name, all: true}) / siegeStep)
}

// wait holds a new attempt back where its address has failed much.
func (t *throttle) wait(ctx context.Context, a netip.Addr) error {
	t.mu.Lock()
	n := t.counted(throttleKey{from: network(a)}) / 16
	t.mu.Unlock()
	sleep(ctx, delay(n))
	return ctx.Err()
}

// succeeded forgets the failures of an account from that address, and that the address is a stranger to it.
func (t *throttle) succeeded(a netip.Addr, name string) {
	k := throttleKey{from: network(a), name: name}
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.seen, k)
	if _, ok := t.known[k]; !ok && len(t.known) >= maxEntries {
		makeRoom(t.known, func(at time.Time) bool { return t.now().Sub(at) >= knownFor })
	}
	t.known[k] = t.now()
}

// counted returns how many failures are counted. mu is held.
func (t *throttle) counted(k throttleKey) int {
	if f := t.seen[k]; f != nil && t.now().Sub(f.last) < forgetAfter {
		return f.n
	}
	return 0
}

// count counts one failure more. mu is held.
func (t *throttle) count(k throttleKey) int {
	now := t.now()
	f := t.seen[k]
	if f == nil || now.Sub(f.last) >= forgetAfter {
		if f == nil && len(t.seen) >= maxEntries {
			makeRoom(t.seen, func(f *failures) bool { return now.Sub(f.last) >= forgetAfter })
		}
		f = &failures{}
		t.seen[k] = f
	}
	f.n++
	f.last = now
	return f.n
}

// makeRoom forgets what is old, and if that is not enough, a part of the rest. mu is held.
func makeRoom[V any](m map[throttleKey]V, old func(V) bool) {
	for k, v := range m {
		if old(v) {
			delete(m, k)
		}
	}
	for k := range m {
		if len(m) < maxEntries*9/10 {
			return
		}
		delete(m, k)
	}
}

// A guess is the last wrong password of a stream. An app that tries the next mechanism by itself after a refusal
// (slixmpp does) has one wrong password and many failures. What it tried cannot be compared, so a guesser may do the
// same and be counted once for all mechanisms, six at most; but each answer waits as long as the last, so it gains no
// time by it.
type guess struct {
	name       string
	mechanisms []string
}

// again notes a wrong password, and reports whether it may be the one before: for the same name, by SCRAM, by a mechanism
// that was not tried with that.
func (g *guess) again(name, mechanism string) bool {
	_, scram := sasl.HashOf(mechanism)
	if scram && name != "" && name == g.name && !slices.Contains(g.mechanisms, mechanism) {
		g.mechanisms = append(g.mechanisms, mechanism)
		return true
	}
	*g = guess{}
	if scram {
		*g = guess{name, []string{mechanism}}
	}
	return false
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
