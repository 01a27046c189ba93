// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"modernc.org/sqlite"
)

// checkpointer moves what the write-ahead log holds into the database file, on a connection of its own, so that no
// act waits for it. PASSIVE, its usual way, disturbs nobody; once it has moved all and no reader needs the log, the
// writer starts the log anew by itself. Under steady load with readers that may never happen: when the log has
// passed a limit, the writer pauses between two batches, and RESTART makes it happen.
//
// RESTART waits for readers of old snapshots, and looks for them only once: a reader that ends and comes again, on
// the newest snapshot but in the same place, keeps it waiting all the same. So it is given short times, and more than
// one of them.
type checkpointer struct {
	db     *DB
	tuning tuning
	wake   chan struct{} // of length 1: enough was written
	quit   chan struct{}
	ended  chan struct{} // closed when run has returned
	pages  int           // written since the last wake; the writer's own

	tooLong atomic.Bool // the log: the writer shall pause

	mu    sync.Mutex // guards the two below
	conn  *conn
	limit int64 // bytes of the log that are too long
}

// How long the writer pauses for RESTART at most: so many tries of so many milliseconds.
const (
	restartTries = 5
	restartWait  = "PRAGMA busy_timeout = 50"
)

func newCheckpointer(ctx context.Context, d *DB, t tuning) (*checkpointer, error) {
	c, err := newConn(ctx, d.pool)
	if err != nil {
		return nil, err
	}
	if _, err := c.exec(ctx, restartWait); err != nil {
		return nil, errors.Join(err, c.close())
	}
	return &checkpointer{
		db: d, conn: c, tuning: t, limit: t.walLimit,
		wake: make(chan struct{}, 1), quit: make(chan struct{}), ended: make(chan struct{}),
	}, nil
}

// run checkpoints whenever enough was written, until stop.
func (k *checkpointer) run() {
	defer close(k.ended)
	for {
		select {
		case <-k.quit:
			return
		case <-k.wake:
			k.passive()
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
	if k.tooLong.Load() {
		k.restart()
		return
	}
	select {
	case k.wake <- struct{}{}:
	default: // one is under way, and another is due already
	}
}

// passive runs on the checkpointer's goroutine, and notes whether the log has become too long.
func (k *checkpointer) passive() {
	k.mu.Lock()
	defer k.mu.Unlock()
	_, size, err := k.checkpoint("PASSIVE")
	if err != nil {
		k.db.log.Error("checkpoint", "err", err)
		return
	}
	if size > k.limit {
		k.tooLong.Store(true)
	}
}

// restart runs on the writer's goroutine, which does nothing else meanwhile.
func (k *checkpointer) restart() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.tooLong.Store(false)
	var busy bool
	var size int64
	var err error
	for range restartTries {
		if busy, size, err = k.checkpoint("RESTART"); err != nil {
			k.db.log.Error("restart the write-ahead log", "err", err)
			return
		}
		if !busy {
			k.limit = k.tuning.walLimit
			return
		}
	}
	// A long read. Not to pause for it again and again, let the log grow by as much once more.
	k.limit = size + k.tuning.walLimit
	k.db.log.Warn("write-ahead log is in use", "bytes", size)
}

// checkpoint returns whether readers were in the way, and the bytes of the log. k.mu is held.
func (k *checkpointer) checkpoint(mode string) (busy bool, size int64, err error) {
	k.db.faults.pass(checkpointing)
	rows, err := k.conn.query(context.Background(), "PRAGMA wal_checkpoint("+mode+")")
	row := &Row{rows, err}
	var pages, moved int64
	err = row.Scan(&busy, &pages, &moved)
	return busy, pages * pageSize, err
}

// pagesWritten returns how many pages c has written to the log since it was last asked.
func pagesWritten(c *conn) (n int, err error) {
	err = c.sql.Raw(func(dc any) error {
		s, ok := dc.(sqlite.DBStatus)
		if !ok {
			return fmt.Errorf("driver %T has no counters", dc)
		}
		n, _, err = s.Status(sqlite.DBStatusCacheWrite, true)
		return err
	})
	return n, err
}
