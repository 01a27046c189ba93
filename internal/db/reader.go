// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"database/sql"
	"errors"
	"sync"
)

// maxReaders is how many reads run at a time. Each connection has a page cache of its own, so they are few.
const maxReaders = 4

// readers is the pool of connections that only read. They are opened when they are first needed.
type readers struct {
	pool  func() (*sql.DB, error)
	slots chan struct{} // one per read under way
	ended chan struct{} // closed by close

	mu   sync.Mutex // guards the one below
	idle []*conn    // the one used last at the end, so that its cache is warm
}

func newReaders(path string) *readers {
	return &readers{
		pool:  sync.OnceValues(func() (*sql.DB, error) { return sql.Open("sqlite", dsn(path, readerPragmas)) }),
		slots: make(chan struct{}, maxReaders),
		ended: make(chan struct{}),
	}
}

// read runs f. With one, f makes one query at most, which is a snapshot by itself.
func (r *readers) read(ctx context.Context, one bool, f func(*ReadTx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-r.ended:
		return ErrClosed
	case r.slots <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-r.slots }()
	c, err := r.take(ctx)
	if err != nil {
		return err
	}
	defer r.give(c)
	tx := &ReadTx{conn: c, ctx: ctx, one: one}
	if !one {
		if _, err := c.exec(context.Background(), "BEGIN"); err != nil {
			return err
		}
		// Also after a panic, which goes on to the caller: the connection must not keep its old snapshot.
		defer c.exec(context.Background(), "ROLLBACK")
	}
	defer tx.end()
	return f(tx)
}

func (r *readers) take(ctx context.Context) (*conn, error) {
	r.mu.Lock()
	if n := len(r.idle); n > 0 {
		c := r.idle[n-1]
		r.idle = r.idle[:n-1]
		r.mu.Unlock()
		return c, nil
	}
	r.mu.Unlock()
	pool, err := r.pool()
	if err != nil {
		return nil, err
	}
	return newConn(ctx, pool)
}

func (r *readers) give(c *conn) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.idle = append(r.idle, c)
}

// close waits for the reads that are under way.
func (r *readers) close() error {
	close(r.ended)
	for range maxReaders {
		r.slots <- struct{}{}
	}
	var errs []error
	for _, c := range r.idle {
		errs = append(errs, c.close())
	}
	pool, err := r.pool()
	if err != nil {
		return err
	}
	return errors.Join(append(errs, pool.Close())...)
}
