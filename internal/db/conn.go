// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// pageSize is the size of a page in a new file, in bytes. What one act touches are many pages and little of each.
const pageSize = 4096

// maxStatements bounds the prepared statements that a connection keeps; beyond it they are prepared for one use.
const maxStatements = 256

// Pragmas stand in the DSN, since a PRAGMA sent through a pool reaches one of its connections only. The cache sizes
// are KiB if negative, and cost two to three times as much memory, since the allocator rounds up. They are small
// because the system's page cache holds the file as well: 16 MiB made messages no cheaper to record. The writer's
// connection never checkpoints by itself (checkpoint.go does). The log stays as long as it gets under steady load
// (tuning.walLimit): to make it shorter is slow, and to sync a file that grows costs a third more than to sync one that
// is written over.
var (
	writerPragmas = []string{
		"busy_timeout(10000)", "page_size(4096)", "foreign_keys(1)", "cache_size(-2048)",
		"journal_size_limit(67108864)", "wal_autocheckpoint(0)", "temp_store(memory)",
	}
	readerPragmas = []string{
		"busy_timeout(10000)", "cache_size(-512)", "wal_autocheckpoint(0)", "temp_store(memory)", "query_only(1)",
	}
)

// dsn names the file at path with pragmas. The journal mode and the sync level have keys of their own, which the
// driver applies last: the page size can only be set before the mode. _dqs=0 makes "x" a name, never a text.
func dsn(path string, pragmas []string) string {
	q := url.Values{"_pragma": pragmas, "_journal_mode": {"WAL"}, "_synchronous": {"FULL"}, "_dqs": {"0"}}
	return "file:" + (&url.URL{Path: path}).EscapedPath() + "?" + q.Encode()
}

// conn is one connection with its prepared statements. One goroutine uses it at a time.
type conn struct {
	sql   *sql.Conn
	stmts map[string]*stmt
	open  []*Rows // results that were not closed yet
}

type stmt struct {
	sql  *sql.Stmt
	kept bool // in conn.stmts; else it is closed after its one use
	busy bool // its result is open: it cannot run a second time meanwhile
}

func newConn(ctx context.Context, pool *sql.DB) (*conn, error) {
	c, err := pool.Conn(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{sql: c, stmts: map[string]*stmt{}}, nil
}

func (c *conn) close() error {
	var errs []error
	for _, s := range c.stmts {
		errs = append(errs, s.sql.Close())
	}
	return errors.Join(append(errs, c.sql.Close())...)
}

// prepare returns the statement with the text q, which is not in use.
func (c *conn) prepare(ctx context.Context, q string) (*stmt, error) {
	s := c.stmts[q]
	if s != nil && !s.busy {
		return s, nil
	}
	p, err := c.sql.PrepareContext(ctx, q)
	if err != nil {
		return nil, err
	}
	fresh := &stmt{sql: p, kept: s == nil && len(c.stmts) < maxStatements}
	if fresh.kept {
		c.stmts[q] = fresh
	}
	return fresh, nil
}

func (c *conn) release(s *stmt) error {
	s.busy = false
	if s.kept {
		return nil
	}
	return s.sql.Close()
}

func (c *conn) exec(ctx context.Context, q string, args ...any) (sql.Result, error) {
	s, err := c.prepare(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := s.sql.ExecContext(ctx, args...)
	return r, errors.Join(err, c.release(s))
}

func (c *conn) query(ctx context.Context, q string, args ...any) (*Rows, error) {
	s, err := c.prepare(ctx, q)
	if err != nil {
		return nil, err
	}
	r, err := s.sql.QueryContext(ctx, args...)
	if err != nil {
		return nil, errors.Join(err, c.release(s))
	}
	s.busy = true
	rows := &Rows{sql: r, stmt: s, conn: c}
	c.open = append(c.open, rows)
	return rows, nil
}

// closeRows closes what a function left open.
func (c *conn) closeRows() {
	for len(c.open) > 0 {
		c.open[len(c.open)-1].Close() // its error concerns nobody any more
	}
}

// code returns the primary result code of SQLite that err carries, or 0.
func code(err error) int {
	if e, ok := errors.AsType[*sqlite.Error](err); ok {
		return e.Code() & 0xff
	}
	return 0
}

// breaks reports whether err may have ended the whole transaction, or says that the file cannot be written: after
// these, SQLite may have rolled back on its own, so that a later statement would run outside of the transaction.
func breaks(err error) bool {
	switch code(err) {
	case sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_INTERRUPT,
		sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PROTOCOL:
		return true
	}
	return false
}

// Rows is the result of a query, used as sql.Rows is. What was not closed is closed when the act or read ends.
type Rows struct {
	sql  *sql.Rows
	stmt *stmt
	conn *conn // nil once closed
	fail func(error) error
	err  error
}

// Next moves to the next row, the first one at first, and reports whether there is one. At the end the result is
// closed by itself; Err says whether it was the end or an error.
func (r *Rows) Next() bool {
	if r.conn == nil {
		return false
	}
	if r.sql.Next() {
		return true
	}
	r.Close()
	return false
}

// Scan copies the columns of the row into what dest points to.
func (r *Rows) Scan(dest ...any) error {
	if r.conn == nil {
		return errEnded
	}
	return r.sql.Scan(dest...)
}

// Err returns the error that ended the iteration, or nil.
func (r *Rows) Err() error { return r.err }

// Close ends the result. It may be called more than once.
func (r *Rows) Close() error {
	c := r.conn
	if c == nil {
		return nil
	}
	r.conn = nil
	for i := len(c.open) - 1; i >= 0; i-- {
		if c.open[i] == r {
			c.open = append(c.open[:i], c.open[i+1:]...)
			break
		}
	}
	r.err = errors.Join(r.sql.Err(), r.sql.Close(), c.release(r.stmt))
	if r.err != nil && r.fail != nil {
		r.err = r.fail(r.err)
	}
	return r.err
}

// Row is the result of QueryRow.
type Row struct {
	rows *Rows
	err  error
}

// Scan copies the columns of the first row, or returns ErrNoRows where there is none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return ErrNoRows
	}
	if err := r.rows.Scan(dest...); err != nil {
		return fmt.Errorf("scan: %w", err)
	}
	return r.rows.Close()
}
