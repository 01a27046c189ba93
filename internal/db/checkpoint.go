// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

// checkpointer moves what the write-ahead log holds into the database file, on a connection of its own, so that no
// act waits for it. PASSIVE, its usual way, disturbs nobody; once it has moved all and no reader needs the log, the
// writer starts the log anew by itself. Under steady load with readers that may never happen: when the log has
// passed a limit, the writer pauses between two batches, and RESTART makes it happen.
type checkpointer struct {
	db     *DB
	tuning tuning
	wake   chan struct{} // of length 1: enough was written
	quit   chan struct{}
	ended  chan struct{} // closed when run has returned
	pages  int           // written since the last wake; the writer's own

	restart atomic.Bool // the log is too long: the writer shall pause

	mu    sync.Mutex // guards the two below
	conn  *conn
	limit int64 // bytes of the log that are too long
}

func newCheckpointer(d *DB, c *conn, t tuning) *checkpointer {
	return &checkpointer{
		db: d, conn: c, tuning: t, limit: t.walLimit,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}
}

// run checkpoints whenever enough was written, until stop.
func (k *checkpointer) run() {
	defer close(k.ended)
	for {
		select {
		case <-k.quit:
			return
		case <-k.wake:
			k.checkpoint("PASSIVE")
		}
	}
}

func (k *checkpointer) stop() {
	close(k.quit)
	<-k.ended
}

// wrote is called by the writer after each batch, outside of a transaction.
func (k *checkpointer) wrote(c *conn) {
	n, err := pagesWritten(c)
	if err != nil {
		k.db.log.Error("count written pages", "err", err)
		return
	}
	if k.pages += n; k.pages < k.tuning.checkpoint {
		return
	}
	k.pages = 0
	if k.restart.Load() {
		k.checkpoint("RESTART")
		return
	}
	select {
	case k.wake <- struct{}{}:
	default: // one is under way, and another is due already
	}
}

// checkpoint runs one checkpoint and notes whether the log has become too long.
func (k *checkpointer) checkpoint(mode string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.db.faults.pass(checkpointing)
	var busy bool
	var log, moved int64 // pages
	rows, err := k.conn.query(context.Background(), "PRAGMA wal_checkpoint("+mode+")")
	row := &Row{rows, err}
	if err := row.Scan(&busy, &log, &moved); err != nil {
		k.db.log.Error("checkpoint", "mode", mode, "err", err)
		return
	}
	size := log * pageSize
	switch {
	case mode == "RESTART" && busy:
		// A reader holds an old snapshot. Not to pause for it again and again, let the log grow by as much once more.
		k.limit = size + k.tuning.walLimit
		k.db.log.Warn("write-ahead log is in use", "bytes", size)
	case mode == "RESTART":
		k.limit = k.tuning.walLimit
	}
	k.restart.Store(mode == "PASSIVE" && size > k.limit)
}

// pagesWritten returns how many pages c has written to the log since it was last asked.
func pagesWritten(c *conn) (n int, err error) {
	err = c.sql.Raw(func(dc any) error {
		s, ok := dc.(sqlite.DBStatus)
		if !ok {
			return fmt.Errorf("driver %T has no counters: %w", dc, driver.ErrSkip)
		}
		n, _, err = s.Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
	return n, err
}
