// SPDX-License-Identifier: Apache-2.0

package db

import (
	"bytes"
	"context"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// probeEvery is how often the writer tries to commit while the last commit has failed.
const probeEvery = time.Second

// writer is the one goroutine that changes the database.
type writer struct {
	db     *DB
	conn   *conn
	tuning tuning
	ended  chan struct{} // closed when run has returned
	acting atomic.Bool   // f of an act is running
	id     atomic.Pointer[string]

	// Of the transaction that is under way; see Tx.AtEnd.
	endings map[any]Ending
	due     []Ending // the same, in order
}

func newWriter(d *DB, c *conn, t tuning) *writer {
	return &writer{db: d, conn: c, tuning: t, ended: make(chan struct{}), endings: map[any]Ending{}}
}

// run takes acts until the queue is closed and empty.
func (w *writer) run() {
	defer close(w.ended)
	id := goroutine()
	w.id.Store(&id)
	var acts []*act
	for {
		var patience time.Duration
		if w.db.Healthy() != nil {
			patience = probeEvery
		}
		more := false
		if acts, more = w.db.queue.get(acts[:0], w.tuning.batch, patience); !more {
			return
		}
		w.batch(acts)
		w.db.ckpt.wrote(w.conn)
		clear(acts)
	}
}

// batch runs acts in one transaction and answers them.
func (w *writer) batch(acts []*act) {
	n := 0
	for _, a := range acts {
		if a.take() {
			acts[n] = a
			n++
		}
	}
	clear(acts[n:])
	acts = acts[:n]
	if n == 0 && w.db.Healthy() == nil {
		return
	}

	begin := time.Now()
	endings, err := w.commit(acts)
	w.db.counters.batch(acts, time.Since(begin), err)
	if err != nil {
		err = fmt.Errorf("db: not committed: %w", err)
		if w.db.Healthy() == nil {
			w.db.log.Error("commit failed", "err", err, "acts", n)
		}
		w.db.health.Store(&err)
	} else if w.db.Healthy() != nil {
		w.db.log.Info("commits succeed again")
		w.db.health.Store(nil)
	}

	w.db.faults.pass(afterCommit)
	for _, a := range endings {
		w.after(a)
	}
	for i, a := range acts {
		if i > 0 {
			w.db.faults.pass(betweenAnswers)
		}
		w.answer(a, err)
	}
	w.db.faults.pass(afterAnswers)
}

// commit runs acts in one transaction, and then what they left to its end, which it returns. Each has its own error
// afterwards; an error returned is that of all.
func (w *writer) commit(acts []*act) (endings []*act, err error) {
	if err := w.sql("BEGIN IMMEDIATE"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			endings = nil
			w.forget()
			w.sql("ROLLBACK") // fails where SQLite has rolled back on its own
		}
	}()
	if w.db.Healthy() != nil {
		// A commit that changes nothing proves nothing: this one writes a page.
		if err := w.sql("PRAGMA user_version = 0"); err != nil {
			return nil, err
		}
	}
	if len(acts) == 1 {
		// The act is the whole transaction, and needs no savepoint of its own.
		if err := w.act(acts[0]); err != nil {
			return nil, err
		}
		if acts[0].err != nil {
			w.forget()
			return nil, w.sql("ROLLBACK")
		}
	} else {
		for _, a := range acts {
			if err := w.savepoint(a); err != nil {
				return nil, err
			}
		}
	}
	if endings, err = w.end(); err != nil {
		return nil, err
	}
	w.db.faults.pass(beforeCommit)
	return endings, w.sql("COMMIT")
}

// savepoint runs one act of several so that it can be undone alone.
func (w *writer) savepoint(a *act) error {
	if err := w.sql("SAVEPOINT act"); err != nil {
		return err
	}
	if err := w.act(a); err != nil {
		return err
	}
	if a.err != nil {
		if err := w.sql("ROLLBACK TO act"); err != nil {
			return err
		}
	}
	return w.sql("RELEASE act")
}

// act runs a.f and keeps its error. An error returned is one that ends the whole transaction.
func (w *writer) act(a *act) error {
	w.db.faults.pass(beforeSavepoint)
	tx := &Tx{conn: w.conn, act: a}
	w.acting.Store(true)
	a.err = w.guard("act", func() error { return a.f(tx) })
	w.acting.Store(false)
	if a.err == nil {
		w.tell(tx.tells)
	}
	tx.end()
	w.db.faults.pass(afterAct)
	return tx.fatal
}

// answer tells a how it went; err is the error of the whole batch.
func (w *writer) answer(a *act, err error) {
	if a.err == nil {
		a.err = err
	}
	if a.err == nil {
		w.after(a)
	}
	w.guard("answer", func() error { a.done(a.err); return nil })
}

// after runs what a committed act gave to After.
func (w *writer) after(a *act) {
	for _, g := range a.after {
		w.guard("After", func() error { g(); return nil }) // it is logged, and the act is committed
	}
}

// guard runs f and makes a panic an error, which it logs.
func (w *writer) guard(what string, f func() error) (err error) {
	returned := false
	defer func() {
		if returned {
			return
		}
		v := recover()
		if v == nil {
			// Without this the program would stand still for ever, as the writer's goroutine is ending.
			panic("db: runtime.Goexit (a test's FailNow?) inside an " + what)
		}
		w.db.log.Error("panic", "in", what, "value", fmt.Sprint(v), "stack", string(debug.Stack()))
		err = fmt.Errorf("db: panic in %s: %v", what, v)
	}()
	err = f()
	returned = true
	return err
}

func (w *writer) sql(q string) error {
	_, err := w.conn.exec(context.Background(), q)
	if err != nil {
		return fmt.Errorf("%s: %w", q, err)
	}
	return nil
}

// forbidInAct panics if the caller is itself inside an act of d: on the writer's goroutine, where Write would wait
// for ever. The panic ends that act with an error. A goroutine that an act has started is not recognised.
func (d *DB) forbidInAct(door string) {
	if !d.writer.acting.Load() {
		return // cheap, and true for the writer's goroutine itself
	}
	if goroutine() == *d.writer.id.Load() {
		panic("db: " + door + " called inside an act")
	}
}

// goroutine returns the number of the calling goroutine. There is no other way to it than the head of its stack
// trace ("goroutine 7 [running]:"), which costs a few microseconds, more where the stack is deep.
func goroutine() string {
	var buf [64]byte
	head := bytes.Fields(buf[:runtime.Stack(buf[:], false)])
	return string(head[1])
}
