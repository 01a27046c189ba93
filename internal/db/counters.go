// SPDX-License-Identifier: Apache-2.0

package db

import (
	"os"
	"time"

	"github.com/kith-im/kith/internal/metrics"
)

// Counters are what a DB counts; who shows them reads them.
type Counters struct {
	Committed metrics.Counter    // acts that are in the database
	Refused   metrics.Counter    // acts that failed by themselves and left no trace
	Failed    metrics.Counter    // acts whose commit failed
	Batch     *metrics.Histogram // acts in one transaction
	Commit    *metrics.Histogram // seconds from the beginning of a transaction to the end of its commit
}

func newCounters() *Counters {
	return &Counters{
		Batch:  metrics.NewHistogram(1, 2, 4, 8, 16, 32, 64, 128, 256),
		Commit: metrics.NewHistogram(.00025, .0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 5),
	}
}

// Counters returns what d counts.
func (d *DB) Counters() *Counters { return d.counters }

// batch counts a transaction that ended with err.
func (c *Counters) batch(acts []*act, took time.Duration, err error) {
	if len(acts) == 0 {
		return
	}
	c.Batch.Observe(float64(len(acts)))
	c.Commit.Observe(took.Seconds())
	refused := 0
	for _, a := range acts {
		if a.err != nil {
			refused++
		}
	}
	c.Refused.Add(refused)
	if err != nil {
		c.Failed.Add(len(acts) - refused)
	} else {
		c.Committed.Add(len(acts) - refused)
	}
}

// LogSize returns the bytes of the write-ahead log's file, which is used again and not made shorter; 0 where there is
// none.
func (d *DB) LogSize() int64 {
	info, err := os.Stat(d.path + "-wal")
	if err != nil {
		return 0
	}
	return info.Size()
}
