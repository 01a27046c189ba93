// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
)

// A Counter counts what happened. The zero value is ready, and it is safe for concurrent use; it must not be copied.
type Counter struct{ n atomic.Uint64 }

// Inc counts one.
func (c *Counter) Inc() { c.n.Add(1) }

// Add counts n, which is not negative.
func (c *Counter) Add(n int) { c.n.Add(uint64(n)) }

// Value returns the count.
func (c *Counter) Value() uint64 { return c.n.Load() }

// A Gauge counts what is there now. The zero value is ready, and it is safe for concurrent use; it must not be copied.
type Gauge struct{ n atomic.Int64 }

// Inc counts one more.
func (g *Gauge) Inc() { g.n.Add(1) }

// Dec counts one less.
func (g *Gauge) Dec() { g.n.Add(-1) }

// Value returns how many are there.
func (g *Gauge) Value() int64 { return g.n.Load() }

// maxLabels is how many sets of values a Vec keeps apart. All others are one, with the value Other for each label: what
// a stranger may choose must not become a counter each.
const maxLabels = 200

// Other stands for all values of a label that have no counter of their own.
const Other = "other"

// A Vec is counters told apart by the values of labels. The zero value is ready, and it is safe for concurrent use; it
// must not be copied.
type Vec struct {
	mu   sync.RWMutex
	list map[string]*Counter // by the values, joined with sep
}

const sep = "\x00"

// Of returns the counter for values, which are those of the labels in the order of Registry.Vec. Whoever counts often
// keeps it.
func (v *Vec) Of(values ...string) *Counter {
	key := strings.Join(values, sep)
	v.mu.RLock()
	c := v.list[key]
	v.mu.RUnlock()
	if c != nil {
		return c
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if c = v.list[key]; c != nil {
		return c
	}
	if len(v.list) >= maxLabels {
		key = strings.TrimSuffix(strings.Repeat(Other+sep, len(values)), sep)
		if c = v.list[key]; c != nil {
			return c
		}
	}
	if v.list == nil {
		v.list = map[string]*Counter{}
	}
	c = new(Counter)
	v.list[key] = c
	return c
}

// each calls f for every counter.
func (v *Vec) each(f func(values []string, n uint64)) {
	v.mu.RLock()
	defer v.mu.RUnlock()
	for key, c := range v.list {
		f(strings.Split(key, sep), c.Value())
	}
}

// A Histogram counts how often values fell between bounds. It is safe for concurrent use.
type Histogram struct {
	bounds []float64
	counts []atomic.Uint64 // one for each bound, for what is not above it, and one for the rest
	sum    atomic.Uint64   // in millionths, rounded: enough for seconds and for counts
}

// NewHistogram returns a histogram with these upper bounds, which rise.
func NewHistogram(bounds ...float64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Uint64, len(bounds)+1)}
}

// Observe counts v, which is not negative.
func (h *Histogram) Observe(v float64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(1)
	h.sum.Add(uint64(v*1e6 + 0.5))
}

// read returns how many were observed, their sum, and for each bound how many were not above it.
func (h *Histogram) read() (count uint64, sum float64, below map[float64]uint64) {
	below = make(map[float64]uint64, len(h.bounds))
	sum = float64(h.sum.Load()) / 1e6
	for i := range h.counts {
		count += h.counts[i].Load()
		if i < len(h.bounds) {
			below[h.bounds[i]] = count
		}
	}
	return count, sum, below
}
