// SPDX-License-Identifier: Apache-2.0

// Package db is the store: one SQLite file with one writer and a few readers.
//
// There are two doors. Read gives a snapshot on a connection that cannot write. Write (and Submit, the same without
// waiting) runs one act: a function that reads and changes rows through its Tx, all of it or nothing. One goroutine,
// the writer, takes all acts that wait, 256 at most, and runs them in one transaction, each in a SAVEPOINT: an error
// or a panic undoes that act alone. One commit, synced to the disk, answers them all, in the order in which they were
// submitted. There is no timer: an act that waits alone is committed at once, and a storm makes its own batches.
// If the commit itself fails (the disk is full) all of its acts fail, and Healthy says so until a commit succeeds.
//
// What a caller must know:
//   - Inside an act only its Tx is to be used: no network, no channel, no other door, and nothing that may not run
//     twice, since an engine may run an act again. What shall happen because of the act goes into Tx.After.
//   - The writer's goroutine runs the acts, their After functions and their answers, so none of them may block.
//   - The queue of acts has no bound, so that Submit never blocks; the bound is the credit of the streams that fill
//     it. Queued counts what waits.
//   - SQL has the form that SQLite and PostgreSQL share: $1, TEXT, BIGINT, BOOLEAN, BYTEA, ON CONFLICT, RETURNING.
//     Texts should be constants: each connection keeps a prepared statement for each text it has seen.
//
// A DB may be used by many goroutines; a Tx or ReadTx only by the function that it was given to.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
)

var (
	// ErrClosed is the answer to what comes after Close.
	ErrClosed = errors.New("db: closed")
	// ErrNoRows is returned by Row.Scan where the query has no result.
	ErrNoRows = sql.ErrNoRows
	// errEnded is the answer of a Tx, ReadTx or Rows that was kept longer than the function it was given to.
	errEnded = errors.New("db: used after its act has ended")
)

// BatchRows is how many rows one act of a long job changes at most, so that others need not wait for it.
const BatchRows = 500

// Options say what to open.
type Options struct {
	Path   string       // the database file; created, with mode 0600, where there is none
	Log    *slog.Logger // nil: nothing is logged
	Strict bool         // for tests: Read and Submit panic too when called inside an act (Write always does); a few µs per call
}

// DB is an open database.
type DB struct {
	log     *slog.Logger
	strict  bool
	path    string
	pool    *sql.DB // of connections that may write: the writer's, the checkpointer's, Migrate's
	faults  faults
	queue   *queue
	writer  *writer
	readers *readers
	ckpt    *checkpointer
	health  atomic.Pointer[error]
	close   func() error

	counters *Counters

	mu    sync.Mutex // guards known
	known map[string]bool
}

// tuning is what tests of this package make small.
type tuning struct {
	batch      int   // acts in one transaction, at most
	checkpoint int   // pages written between two checkpoints
	walLimit   int64 // bytes of the write-ahead log from which on the writer pauses to have it started anew
}

var defaults = tuning{batch: 256, checkpoint: 1000, walLimit: 64 << 20}

// Open opens the database at o.Path and starts its writer. The folder must exist and be held by Lock.
// The caller closes the DB. ctx bounds the opening only.
func Open(ctx context.Context, o Options) (*DB, error) {
	return open(ctx, o, defaults)
}

func open(ctx context.Context, o Options, t tuning) (_ *DB, err error) {
	d := &DB{log: o.Log, strict: o.Strict, path: o.Path, queue: newQueue(), known: map[string]bool{}, counters: newCounters()}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	d.log = d.log.With("pkg", "db")
	d.faults = newFaults()
	d.close = sync.OnceValue(d.shut)
	defer func() {
		if err != nil {
			err = fmt.Errorf("open database %s: %w", o.Path, err)
		}
	}()

	if err := create(o.Path); err != nil {
		return nil, err
	}
	if d.pool, err = sql.Open("sqlite", dsn(o.Path, writerPragmas)); err != nil {
		return nil, err
	}
	d.pool.SetMaxIdleConns(-1) // what is given back is closed: Migrate's connection has other settings
	own, err := newConn(ctx, d.pool)
	if err != nil {
		d.pool.Close()
		return nil, err
	}
	if d.ckpt, err = newCheckpointer(ctx, d, t); err != nil {
		own.close()
		d.pool.Close()
		return nil, err
	}
	d.readers = newReaders(o.Path)
	d.writer = newWriter(d, own, t)
	go d.ckpt.run()
	go d.writer.run() // Close waits for both
	return d, nil
}

// create makes an empty database file that only we can read, and its name durable. SQLite gives its log the same mode.
func create(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Sync()
}

// Close runs what was submitted, waits for the reads that are under way, and closes the file. What is submitted
// later is answered with ErrClosed. Close may be called again, and then gives the same answer.
func (d *DB) Close() error { return d.close() }

func (d *DB) shut() error {
	d.queue.close()
	<-d.writer.ended
	d.ckpt.stop()
	return errors.Join(d.readers.close(), d.writer.conn.close(), d.ckpt.conn.close(), d.pool.Close())
}

// Read runs f on a snapshot of the database. Of all reads, four run at a time; others wait for their turn or for
// the end of ctx, which ends the queries of f as well. f must not call Read.
func (d *DB) Read(ctx context.Context, f func(*ReadTx) error) error {
	if d.strict {
		d.forbidInAct("Read")
	}
	return d.readers.read(ctx, false, f)
}

// ReadOne is Read for an f that makes one query and no more, and cheaper.
func (d *DB) ReadOne(ctx context.Context, f func(*ReadTx) error) error {
	if d.strict {
		d.forbidInAct("ReadOne")
	}
	return d.readers.read(ctx, true, f)
}

// Write runs one act and returns after its commit: f's error, or why it could not be committed. If ctx ends before
// the act's turn has come, it is not run; once it runs, Write waits for the end, so that the answer is the truth.
func (d *DB) Write(ctx context.Context, f func(*Tx) error) error {
	d.forbidInAct("Write")
	if err := ctx.Err(); err != nil {
		return err
	}
	answer := make(chan error, 1)
	a := &act{f: f, done: func(err error) { answer <- err }}
	if !d.queue.put(a) {
		return ErrClosed
	}
	select {
	case err := <-answer:
		return err
	case <-ctx.Done():
		if a.drop() {
			return ctx.Err()
		}
		return <-answer
	}
}

// Submit puts one act in the queue and returns at once. done is called once, on the writer's goroutine, with what
// Write would have returned; the calls come in the order in which the acts were submitted. done must not block, and
// may be nil where nobody asks. Only after Close is it called by Submit itself, with ErrClosed.
func (d *DB) Submit(f func(*Tx) error, done func(error)) {
	if d.strict {
		d.forbidInAct("Submit")
	}
	if done == nil {
		done = func(error) {}
	}
	if !d.queue.put(&act{f: f, done: done}) {
		done(ErrClosed)
	}
}

// Batched runs a long job as many acts: f again and again until it says that it changed nothing. Each time f changes
// at most BatchRows rows and returns their number; the acts of others run between. An error ends the job; what
// earlier acts did stays.
func (d *DB) Batched(ctx context.Context, f func(*Tx) (n int, err error)) error {
	for {
		var n int
		err := d.Write(ctx, func(tx *Tx) (err error) {
			n, err = f(tx)
			return err
		})
		if err != nil || n == 0 {
			return err
		}
	}
}

// Healthy returns why the last commit failed, or nil. While it is not nil the writer tries a commit of its own every
// second, so that it recovers by itself when the cause is gone.
func (d *DB) Healthy() error {
	if p := d.health.Load(); p != nil {
		return *p
	}
	return nil
}

// Queued returns how many acts wait for the writer.
func (d *DB) Queued() int { return d.queue.len() }
