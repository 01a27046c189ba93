// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"container/list"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// limiterSize is how many addresses a Limiter remembers. When it is full, the one not heard of for longest is
// forgotten, which costs a fresh start for an address, never memory.
const limiterSize = 20_000

// A Limiter slows down clients by their address: an IPv4 address, or the /64 of an IPv6 one, since a household has
// at least that much. It may be used concurrently.
type Limiter struct {
	every time.Duration
	burst int
	now   func() time.Time

	mu     sync.Mutex // guards the two below
	known  map[netip.Prefix]*list.Element
	recent *list.List // of *visitor, the latest first
}

type visitor struct {
	from   netip.Prefix
	bucket *rate.Limiter
}

// NewLimiter returns a limiter that lets each address do burst things at once, and one more every so often. now may be
// nil for time.Now.
func NewLimiter(every time.Duration, burst int, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	return &Limiter{every: every, burst: burst, now: now, known: map[netip.Prefix]*list.Element{}, recent: list.New()}
}

// Allow counts one thing for who sent r and reports whether it is within the limit.
func (l *Limiter) Allow(r *http.Request) bool { return l.AllowFrom(Address(r)) }

// AllowFrom is Allow for who came in another way.
func (l *Limiter) AllowFrom(a netip.Addr) bool {
	return l.visitor(group(a)).bucket.AllowN(l.now(), 1)
}

func (l *Limiter) visitor(from netip.Prefix) *visitor {
	l.mu.Lock()
	defer l.mu.Unlock()
	if e, ok := l.known[from]; ok {
		l.recent.MoveToFront(e)
		return e.Value.(*visitor)
	}
	if l.recent.Len() >= limiterSize {
		oldest := l.recent.Back()
		delete(l.known, l.recent.Remove(oldest).(*visitor).from)
	}
	v := &visitor{from: from, bucket: rate.NewLimiter(rate.Every(l.every), l.burst)}
	l.known[from] = l.recent.PushFront(v)
	return v
}

// group returns the part of an address that stands for one household. The zero Addr is a group of its own.
func group(a netip.Addr) netip.Prefix {
	bits := 32
	if a.Is6() {
		bits = 64
	}
	p, err := a.Prefix(bits)
	if err != nil {
		return netip.Prefix{} // no address: all such peers are one
	}
	return p
}
