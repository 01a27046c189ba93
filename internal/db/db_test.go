// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"testing/synctest"
)

// noteSchema is what most tests work on.
var noteSchema = Schema{"note", fstest.MapFS{"schema/0001_note.sql": {Data: []byte(`
	CREATE TABLE note (id BIGINT PRIMARY KEY, text TEXT NOT NULL);
	CREATE TABLE answer (note BIGINT REFERENCES note (id) DEFERRABLE INITIALLY DEFERRED);`)}}}

func openTest(t testing.TB, path string, tune tuning, schemas ...Schema) *DB {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), nil))
	d, err := open(context.Background(), Options{Path: path, Log: log, Strict: true}, tune)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error("close:", err)
		}
	})
	if err := d.Migrate(t.Context(), schemas...); err != nil {
		t.Fatal(err)
	}
	return d
}

func newTest(t testing.TB) *DB {
	t.Helper()
	return openTest(t, filepath.Join(t.TempDir(), "kith.db"), defaults, noteSchema)
}

func insert(id int) func(*Tx) error {
	return func(tx *Tx) error {
		_, err := tx.Exec("INSERT INTO note (id, text) VALUES ($1, $2)", id, fmt.Sprint("note ", id))
		return err
	}
}

// ids returns those of all notes.
func ids(t testing.TB, d *DB) (list []int) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *ReadTx) error {
		rows, err := tx.Query("SELECT id FROM note ORDER BY id")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int
			if err := rows.Scan(&id); err != nil {
				return err
			}
			list = append(list, id)
		}
		return rows.Err()
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// hold keeps the writer busy with an act until the function it returns is called.
func hold(d *DB) (release func()) {
	running, free := make(chan struct{}), make(chan struct{})
	d.Submit(func(*Tx) error { close(running); <-free; return nil }, nil)
	<-running
	return func() { close(free) }
}

func TestWhatWaitsSharesATransaction(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	release := hold(d)
	var ran int // on the writer's goroutine, like the answers
	var seen []int
	var wg sync.WaitGroup
	for i := range 300 {
		wg.Add(1)
		d.Submit(func(tx *Tx) error { ran++; return insert(i)(tx) }, func(err error) {
			if err != nil {
				t.Error(err)
			}
			seen = append(seen, ran)
			wg.Done()
		})
	}
	if got, want := d.Queued(), 300; got != want {
		t.Errorf("queued %d, want %d", got, want)
	}
	release()
	wg.Wait()
	// An answer comes after all acts of its transaction have run, and before those of the next.
	want := append(slices.Repeat([]int{256}, 256), slices.Repeat([]int{300}, 44)...)
	if !slices.Equal(seen, want) {
		t.Errorf("acts that had run at each answer: %v", seen)
	}
	if got := len(ids(t, d)); got != 300 {
		t.Errorf("%d notes, want 300", got)
	}
}

func TestAnswersComeInOrderOfCommit(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	release := hold(d)
	var got, want []string
	done := make(chan struct{})
	for i := range 100 {
		fails := i%7 == 3
		d.Submit(func(tx *Tx) error {
			tx.After(func() { got = append(got, fmt.Sprintf("%d first", i)) })
			tx.After(func() { got = append(got, fmt.Sprintf("%d second", i)) })
			if fails {
				return errors.New("no")
			}
			return insert(i)(tx)
		}, func(err error) {
			got = append(got, fmt.Sprintf("%d answer %v", i, err))
			if i == 99 {
				close(done)
			}
		})
		if fails {
			want = append(want, fmt.Sprintf("%d answer no", i))
		} else {
			want = append(want, fmt.Sprintf("%d first", i), fmt.Sprintf("%d second", i), fmt.Sprintf("%d answer <nil>", i))
		}
	}
	release()
	<-done
	if !slices.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestAnActIsUndoneAlone(t *testing.T) {
	t.Parallel()
	refused := errors.New("refused")
	bad := map[string]func(*Tx) error{
		"error": func(*Tx) error { return refused },
		"panic": func(*Tx) error { panic("oh") },
		"SQL":   func(tx *Tx) error { _, err := tx.Exec("INSERT INTO nothing VALUES (1)"); return err },
		"conflict": func(tx *Tx) error {
			if err := insert(1000)(tx); err != nil {
				return err
			}
			return insert(1000)(tx)
		},
		"open result": func(tx *Tx) error {
			rows, err := tx.Query("SELECT id FROM note")
			if err != nil {
				return err
			}
			rows.Next()
			return refused
		},
	}
	for name, f := range bad {
		for _, together := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, with others: %v", name, together), func(t *testing.T) {
				t.Parallel()
				d := newTest(t)
				if err := d.Write(t.Context(), insert(0)); err != nil {
					t.Fatal(err)
				}
				release := func() {}
				if together {
					release = hold(d)
				}
				answers := make(chan error, 3)
				answer := func(err error) { answers <- err }
				d.Submit(insert(1), answer)
				d.Submit(func(tx *Tx) error {
					tx.After(func() { t.Error("After of a failed act has run") })
					if err := insert(2)(tx); err != nil {
						return err
					}
					return f(tx)
				}, answer)
				d.Submit(insert(3), answer)
				release()
				for i, wantErr := range []bool{false, true, false} {
					err := <-answers
					if (err != nil) != wantErr {
						t.Errorf("act %d: %v", i+1, err)
					}
					if name == "error" && wantErr && !errors.Is(err, refused) {
						t.Errorf("got %v, want the act's own error", err)
					}
				}
				if got, want := ids(t, d), []int{0, 1, 3}; !slices.Equal(got, want) {
					t.Errorf("notes %v, want %v", got, want)
				}
				if err := d.Healthy(); err != nil {
					t.Errorf("an act's own error is no sickness: %v", err)
				}
			})
		}
	}
}

func TestPanicsInAnswersHarmNobody(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	ran := false
	d.Submit(func(tx *Tx) error {
		tx.After(func() { panic("in After") })
		tx.After(func() { ran = true })
		return insert(1)(tx)
	}, func(error) { panic("in the answer") })
	if err := d.Write(t.Context(), insert(2)); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, d); !slices.Equal(got, []int{1, 2}) || !ran {
		t.Errorf("notes %v, second After has run: %v", got, ran)
	}
}

func TestCloseRunsWhatWasSubmitted(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kith.db")
	d := openTest(t, path, defaults, noteSchema)
	release := hold(d)
	var answered atomic.Int32
	for i := range 600 {
		d.Submit(insert(i), func(err error) {
			if err != nil {
				t.Error(err)
			}
			answered.Add(1)
		})
	}
	closed := make(chan error)
	go func() { closed <- d.Close() }()
	release()
	if err := <-closed; err != nil {
		t.Fatal(err)
	}
	if got := answered.Load(); got != 600 {
		t.Errorf("%d answers when Close returned, want 600", got)
	}

	var late error
	d.Submit(insert(1000), func(err error) { late = err })
	if !errors.Is(late, ErrClosed) {
		t.Errorf("Submit after Close: %v", late)
	}
	if err := d.Write(t.Context(), insert(1001)); !errors.Is(err, ErrClosed) {
		t.Errorf("Write after Close: %v", err)
	}
	if err := d.Read(t.Context(), func(*ReadTx) error { return nil }); !errors.Is(err, ErrClosed) {
		t.Errorf("Read after Close: %v", err)
	}
	if got := len(ids(t, openTest(t, path, defaults, noteSchema))); got != 600 {
		t.Errorf("%d notes, want 600", got)
	}
}

func TestWriteLeavesTheQueueWithItsContext(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newTest(t)
		release := hold(d)
		ctx, cancel := context.WithCancel(t.Context())
		answer := make(chan error)
		go func() { answer <- d.Write(ctx, insert(1)) }()
		synctest.Wait() // it is in the queue
		cancel()
		if err := <-answer; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		release()
		if err := d.Write(ctx, insert(2)); !errors.Is(err, context.Canceled) {
			t.Errorf("with a context that is over: %v", err)
		}
		// An act that runs is waited for, so that the answer is the truth.
		ctx, cancel = context.WithCancel(t.Context())
		err := d.Write(ctx, func(tx *Tx) error { cancel(); return insert(3)(tx) })
		if err != nil {
			t.Errorf("an act that ran: %v", err)
		}
		if got := ids(t, d); !slices.Equal(got, []int{3}) {
			t.Errorf("notes %v, want 3 alone", got)
		}
	})
}

func TestNoOtherDoorInsideAnAct(t *testing.T) {
	t.Parallel()
	d, other := newTest(t), newTest(t)
	doors := map[string]func() error{
		"ReadOne": func() error { return d.ReadOne(t.Context(), func(*ReadTx) error { return nil }) },
		"Read":    func() error { return d.Read(t.Context(), func(*ReadTx) error { return nil }) },
		"Write":   func() error { return d.Write(t.Context(), insert(1)) },
		"Submit":  func() error { d.Submit(insert(1), nil); return nil },
		"Batched": func() error { return d.Batched(t.Context(), func(*Tx) (int, error) { return 0, nil }) },
	}
	for name, door := range doors {
		err := d.Write(t.Context(), func(*Tx) error { return door() })
		if err == nil || !strings.Contains(err.Error(), "inside an act") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Another database, and this one after the commit, are nobody's deadlock.
	var fromAfter error
	done := make(chan struct{})
	err := d.Write(t.Context(), func(tx *Tx) error {
		tx.After(func() { d.Submit(insert(2), func(err error) { fromAfter = err; close(done) }) })
		return other.Write(t.Context(), insert(3))
	})
	if err != nil {
		t.Error(err)
	}
	<-done
	if fromAfter != nil {
		t.Errorf("Submit in After: %v", fromAfter)
	}
	if got := ids(t, d); !slices.Equal(got, []int{2}) {
		t.Errorf("notes %v, want 2 alone", got)
	}
}

func TestATxEndsWithItsAct(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	var old *Tx
	var rows *Rows
	err := d.Write(t.Context(), func(tx *Tx) (err error) {
		old = tx
		if err := insert(1)(tx); err != nil {
			return err
		}
		rows, err = tx.Query("SELECT id FROM note")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if rows.Next() {
		t.Error("a result lives on")
	}
	if _, err := old.Exec("DELETE FROM note"); !errors.Is(err, errEnded) {
		t.Errorf("Exec: %v", err)
	}
	var n int
	if err := old.QueryRow("SELECT 1").Scan(&n); !errors.Is(err, errEnded) {
		t.Errorf("QueryRow: %v", err)
	}
	var oldRead *ReadTx
	if err := d.Read(t.Context(), func(tx *ReadTx) error { oldRead = tx; return nil }); err != nil {
		t.Fatal(err)
	}
	if _, err := oldRead.Query("SELECT 1"); !errors.Is(err, errEnded) {
		t.Errorf("Query: %v", err)
	}
}

func TestBatchedRunsUntilNothingIsLeft(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	err := d.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1200)
			INSERT INTO note (id, text) SELECT i, '' FROM n`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	err = d.Batched(t.Context(), func(tx *Tx) (int, error) {
		const q = "DELETE FROM note WHERE id IN (SELECT id FROM note ORDER BY id LIMIT $1)"
		r, err := tx.Exec(q, BatchRows)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		sizes = append(sizes, int(n))
		return int(n), err
	})
	if err != nil {
		t.Fatal(err)
	}
	if want := []int{500, 500, 200, 0}; !slices.Equal(sizes, want) {
		t.Errorf("rows by act %v, want %v", sizes, want)
	}
}

func TestReadIsASnapshot(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	count := func(tx *ReadTx) (n int) {
		if err := tx.QueryRow("SELECT COUNT(*) FROM note").Scan(&n); err != nil {
			t.Error(err)
		}
		return n
	}
	err := d.Read(t.Context(), func(tx *ReadTx) error {
		before := count(tx)
		written := make(chan error)
		go func() { written <- d.Write(t.Context(), insert(1)) }()
		if err := <-written; err != nil {
			return err
		}
		if after := count(tx); after != before {
			t.Errorf("%d notes, then %d", before, after)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := len(ids(t, d)); got != 1 {
		t.Errorf("%d notes afterwards, want 1", got)
	}
}

// A read of one query sees what is committed, also after one that kept its rows to the end, and has no second query.
func TestReadOne(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	for want := range 3 {
		var got int
		err := d.ReadOne(t.Context(), func(tx *ReadTx) error {
			rows, err := tx.Query("SELECT COUNT(*) FROM note UNION ALL SELECT 99")
			if err != nil || !rows.Next() {
				return err
			}
			return rows.Scan(&got)
		})
		if err != nil || got != want {
			t.Fatalf("%d notes, %v; want %d", got, err, want)
		}
		if err := d.Write(t.Context(), insert(want)); err != nil {
			t.Fatal(err)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("a second query was made")
		}
	}()
	_ = d.ReadOne(t.Context(), func(tx *ReadTx) error { // it panics
		for range 2 {
			var n int
			if err := tx.QueryRow("SELECT COUNT(*) FROM note").Scan(&n); err != nil {
				return err
			}
		}
		return nil
	})
}

func TestManyAtOnce(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 50 {
				id := g*1000 + i
				if err := d.Write(t.Context(), insert(id)); err != nil {
					t.Error(err)
				}
				err := d.Read(t.Context(), func(tx *ReadTx) error {
					var text string
					return tx.QueryRow("SELECT text FROM note WHERE id = $1", id).Scan(&text)
				})
				if err != nil {
					t.Errorf("own write %d is not seen: %v", id, err)
				}
			}
		})
	}
	wg.Wait()
	if got := len(ids(t, d)); got != 400 {
		t.Errorf("%d notes, want 400", got)
	}
}

func TestInABubble(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newTest(t)
		if err := d.Write(t.Context(), insert(1)); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := ids(t, d); !slices.Equal(got, []int{1}) {
			t.Errorf("notes %v", got)
		}
	})
}

// Every act is counted once: as committed, or as refused where it failed by itself.
func TestCounters(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	c := d.Counters()
	before := c.Committed.Value()
	release := hold(d) // so that the others make one batch
	odd := errors.New("odd")
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Add(1)
		d.Submit(func(tx *Tx) error {
			if i%5 == 0 {
				return odd
			}
			return insert(i)(tx)
		}, func(error) { wg.Done() })
	}
	release()
	wg.Wait()
	if got := c.Committed.Value() - before; got != 9 { // and the one that held
		t.Errorf("%d acts were committed, want 9", got)
	}
	if got := c.Refused.Value(); got != 2 {
		t.Errorf("%d acts were refused, want 2", got)
	}
	if got := c.Failed.Value(); got != 0 {
		t.Errorf("%d acts failed, want 0", got)
	}
	if d.LogSize() == 0 {
		t.Error("the log has no size")
	}
}
