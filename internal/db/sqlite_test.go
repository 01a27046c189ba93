// SPDX-License-Identifier: Apache-2.0

package db

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sqlite3 "modernc.org/sqlite/lib"
)

func pragma(t *testing.T, q Querier, name string) (value string) {
	t.Helper()
	if err := q.QueryRow("PRAGMA " + name).Scan(&value); err != nil {
		t.Errorf("%s: %v", name, err)
	}
	return value
}

// What core rests on: a commit is synced to the disk before it is answered.
func TestSettings(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	check := func(who string, q Querier, want map[string]string) {
		t.Helper()
		for name, value := range want {
			if got := pragma(t, q, name); got != value {
				t.Errorf("%s: %s is %s, want %s", who, name, got, value)
			}
		}
	}
	err := d.Write(t.Context(), func(tx *Tx) error {
		check("writer", tx, map[string]string{
			"synchronous": "2", "journal_mode": "wal", "foreign_keys": "1", "page_size": "4096",
			"wal_autocheckpoint": "0", "journal_size_limit": "67108864", "busy_timeout": "10000", "query_only": "0",
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	err = d.Read(t.Context(), func(tx *ReadTx) error {
		check("reader", tx, map[string]string{"query_only": "1", "journal_mode": "wal", "wal_autocheckpoint": "0"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, suffix := range []string{"", "-wal", "-shm"} {
		info, err := os.Stat(d.path + suffix)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != 0o600 {
			t.Errorf("mode of %s is %v", filepath.Base(d.path+suffix), got)
		}
	}
}

func TestAPathMayHoldAnything(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a b?c#d%e&_pragma=f")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "kith.db")
	d := openTest(t, path, defaults, noteSchema)
	if err := d.Write(t.Context(), insert(1)); err != nil {
		t.Fatal(err)
	}
	if got := len(ids(t, d)); got != 1 {
		t.Errorf("%d notes", got)
	}
	if info, err := os.Stat(path + "-wal"); err != nil || info.Size() == 0 {
		t.Errorf("the database is elsewhere: %v", err)
	}
}

func TestReadersCannotWrite(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	for _, q := range []string{
		"INSERT INTO note (id, text) VALUES (1, '')",
		"INSERT INTO note (id, text) VALUES (1, '') RETURNING id",
		"CREATE TABLE x (y TEXT)",
	} {
		err := d.Read(t.Context(), func(tx *ReadTx) error {
			var id int
			return tx.QueryRow(q).Scan(&id)
		})
		if code(err) != sqlite3.SQLITE_READONLY {
			t.Errorf("%s: %v", q, err)
		}
	}
	if got := ids(t, d); len(got) != 0 {
		t.Errorf("notes %v", got)
	}
}

// The one text for both engines, as far as SQLite can show it.
func TestSharedSQL(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	type row struct {
		A int64
		B string
		C bool
		D []byte
		E *string
	}
	want := row{1 << 40, "it's $1", true, []byte{0, 1, 255}, nil}
	err := d.Write(t.Context(), func(tx *Tx) error {
		for _, q := range []string{"CREATE TABLE t (a BIGINT PRIMARY KEY, b TEXT, c BOOLEAN, d BYTEA, e TEXT)"} {
			if _, err := tx.Exec(q); err != nil {
				return err
			}
		}
		// Placeholders count by their number, in whatever order they stand, and may be repeated.
		const upsert = `
			INSERT INTO t (e, d, c, b, a) VALUES ($5, $4, $3, $2, $1)
			ON CONFLICT (a) DO UPDATE SET b = excluded.b || $2 RETURNING b`
		for _, text := range []string{want.B, want.B + want.B} {
			var got string
			if err := tx.QueryRow(upsert, want.A, want.B, want.C, want.D, want.E).Scan(&got); err != nil {
				return err
			}
			if got != text {
				t.Errorf("got %q, want %q", got, text)
			}
		}
		var got row
		const q = "SELECT a, $2, c, d, e FROM t WHERE c AND c = $1 AND d = $3"
		if err := tx.QueryRow(q, true, want.B, want.D).Scan(&got.A, &got.B, &got.C, &got.D, &got.E); err != nil {
			return err
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// A prepared statement has one state: the same text may be asked again while its first result is being read.
func TestOneTextTwice(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	for i := range 3 {
		if err := d.Write(t.Context(), insert(i)); err != nil {
			t.Fatal(err)
		}
	}
	const q = "SELECT id FROM note WHERE id >= $1 ORDER BY id"
	var pairs int
	err := d.Read(t.Context(), func(tx *ReadTx) error {
		outer, err := tx.Query(q, 0)
		if err != nil {
			return err
		}
		for outer.Next() {
			var from, id int
			if err := outer.Scan(&from); err != nil {
				return err
			}
			inner, err := tx.Query(q, from)
			if err != nil {
				return err
			}
			for inner.Next() {
				if err := inner.Scan(&id); err != nil {
					return err
				}
				pairs++
			}
			if err := inner.Err(); err != nil {
				return err
			}
		}
		return outer.Err()
	})
	if err != nil || pairs != 6 {
		t.Errorf("%d pairs, want 6 (%v)", pairs, err)
	}
}

func TestAReadEndsWithItsContext(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	err := d.Read(ctx, func(tx *ReadTx) error {
		rows, err := tx.Query("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i FROM n")
		if err != nil {
			return err
		}
		rows.Next()
		cancel()
		for rows.Next() {
		}
		return rows.Err()
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for range 2 * maxReaders { // the connection is as good as before
		if got := ids(t, d); len(got) != 0 {
			t.Errorf("notes %v", got)
		}
	}
}

func TestACommitThatFails(t *testing.T) {
	t.Parallel()
	d := newTest(t)
	if err := d.Write(t.Context(), insert(1)); err != nil {
		t.Fatal(err)
	}
	// A reference that is checked at the commit: the acts themselves go well.
	release := hold(d)
	answers := make(chan error, 3)
	answer := func(err error) { answers <- err }
	own := errors.New("own")
	d.Submit(func(tx *Tx) error {
		tx.After(func() { t.Error("After of what was not committed has run") })
		return insert(2)(tx)
	}, answer)
	d.Submit(func(tx *Tx) error { _, err := tx.Exec("INSERT INTO answer (note) VALUES (99)"); return err }, answer)
	d.Submit(func(*Tx) error { return own }, answer)
	release()
	for i := range 2 {
		if err := <-answers; code(err) != sqlite3.SQLITE_CONSTRAINT {
			t.Errorf("act %d: %v", i, err)
		}
	}
	if err := <-answers; !errors.Is(err, own) {
		t.Errorf("an act that failed by itself keeps its error: %v", err)
	}
	if d.Healthy() == nil {
		t.Error("healthy after a commit that failed")
	}
	if err := d.Write(t.Context(), insert(3)); err != nil {
		t.Fatal(err)
	}
	if err := d.Healthy(); err != nil {
		t.Errorf("not healthy again: %v", err)
	}
	if got := ids(t, d); !reflect.DeepEqual(got, []int{1, 3}) {
		t.Errorf("notes %v, want 1 and 3", got)
	}
}

// fill makes the database as full as a disk can be, or gives it its room again.
func fill(t *testing.T, d *DB, full bool) {
	t.Helper()
	limit := "4294967294"
	if full {
		limit = "1" // SQLite makes it what there is already
	}
	err := d.Write(t.Context(), func(tx *Tx) error {
		pragma(t, tx, "max_page_count = "+limit)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestADiskThatIsFull(t *testing.T) {
	t.Parallel()
	for _, swallow := range []bool{false, true} {
		d := newTest(t)
		fill(t, d, true)
		release := hold(d)
		answers := make(chan error, 3)
		answer := func(err error) { answers <- err }
		large := func(tx *Tx) error {
			_, err := tx.Exec("INSERT INTO note (id, text) VALUES (2, $1)", strings.Repeat("x", 1<<20))
			if swallow && err != nil {
				// Nothing of an act runs after such an error: SQLite may have ended the transaction by itself.
				if err := insert(4)(tx); code(err) != sqlite3.SQLITE_FULL {
					t.Errorf("a statement after the disk was full: %v", err)
				}
				return nil
			}
			return err
		}
		d.Submit(insert(1), answer)
		d.Submit(large, answer)
		d.Submit(insert(3), answer)
		release()
		for i := range 3 {
			if err := <-answers; code(err) != sqlite3.SQLITE_FULL {
				t.Errorf("act %d: %v", i+1, err)
			}
		}
		if err := d.Healthy(); code(err) != sqlite3.SQLITE_FULL {
			t.Errorf("health: %v", err)
		}
		fill(t, d, false)
		if err := d.Write(t.Context(), large); err != nil {
			t.Errorf("with room again: %v", err)
		}
		if err := d.Healthy(); err != nil {
			t.Errorf("health with room again: %v", err)
		}
	}
}

func TestHealthComesBackByItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		d := newTest(t)
		fill(t, d, true)
		err := d.Write(t.Context(), func(tx *Tx) error {
			_, err := tx.Exec("INSERT INTO note (id, text) VALUES (2, $1)", strings.Repeat("x", 1<<20))
			return err
		})
		if err == nil || d.Healthy() == nil {
			t.Fatal("not full")
		}
		synctest.Wait()
		if d.Healthy() == nil {
			t.Error("healthy before anything was tried")
		}
		time.Sleep(probeEvery)
		for d.Healthy() != nil {
			synctest.Wait() // the writer is in a system call
		}
	})
}

// With a reader that keeps coming, the log is never quite moved; still it must not grow for ever, nor what was
// written be late in the file.
func TestTheLogStaysShort(t *testing.T) {
	t.Parallel()
	tune := tuning{batch: 256, checkpoint: 8, walLimit: 64 * pageSize}
	path := filepath.Join(t.TempDir(), "kith.db")
	d := openTest(t, path, tune, noteSchema)
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	for range 3 { // overlapping snapshots
		wg.Go(func() {
			for ctx.Err() == nil {
				d.Read(ctx, func(tx *ReadTx) error {
					var n int
					for range 20 { // hold it a while
						if err := tx.QueryRow("SELECT COUNT(*) FROM note").Scan(&n); err != nil {
							return err
						}
					}
					return nil
				})
			}
		})
	}
	var longest int64
	text := strings.Repeat("x", 4000)
	for i := range 200 {
		err := d.Write(t.Context(), func(tx *Tx) error {
			_, err := tx.Exec("INSERT INTO note (id, text) VALUES ($1, $2)", i, text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(path + "-wal"); err == nil {
			longest = max(longest, info.Size())
		}
	}
	cancel()
	wg.Wait()
	if limit := 4 * tune.walLimit; longest > limit {
		t.Errorf("the log has grown to %d bytes, more than %d", longest, limit)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() < 200*4000/2 {
		t.Errorf("the file has %d bytes: nothing was moved", info.Size())
	}
	t.Logf("longest log %d KiB", longest>>10)
}
