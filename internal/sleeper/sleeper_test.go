// SPDX-License-Identifier: Apache-2.0

package sleeper

import (
	"bytes"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/keyfile"
)

// A world is the service with two accounts, at a time of the test's choice.
type world struct {
	*Service
	t        testing.TB
	db       *db.DB
	accounts *account.Service
	ids      [2]int64
	time     time.Time
}

func each(t *testing.T, f func(t *testing.T, w *world)) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) { f(t, newWorld(t, d)) }, account.Schema(), Schema())
}

func newWorld(t testing.TB, d *db.DB) *world {
	keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, db: d, time: time.Unix(1e9, 0)}
	w.Service = New(d, Options{Now: func() time.Time { return w.time }})
	w.accounts = account.New(d, account.Options{Domain: "kith.example", Keys: keys, Iterations: 8})
	for i := range w.ids {
		name := fmt.Sprint("juliet", i)
		p, err := w.accounts.Password(name, "a good password")
		if err != nil {
			t.Fatal(err)
		}
		w.act(func(tx *db.Tx) error {
			a, err := w.accounts.Create(tx, name, p, account.User)
			w.ids[i] = a.ID
			return err
		})
	}
	return w
}

func (w *world) act(f func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.db.Write(w.t.Context(), f); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) wants(k Key, account int64, want string) {
	w.t.Helper()
	h, ok, err := w.Count(w.t.Context(), k, account)
	if got := fmt.Sprint(h, ok, err); got != want {
		w.t.Errorf("count of %v for %d: got %s, want %s", k[0], account, got, want)
	}
}

// A count is known to its account alone, and for a week after the end.
func TestCount(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		one, two := Key{1}, Key{2}
		w.wants(one, w.ids[0], "0 false <nil>")
		w.act(func(tx *db.Tx) error { return w.SaveCount(tx, one, w.ids[0], 1<<32-1) })
		w.wants(one, w.ids[0], "4294967295 true <nil>")
		w.act(func(tx *db.Tx) error { return w.SaveCount(tx, one, w.ids[0], 0) })
		w.wants(one, w.ids[0], "0 true <nil>")
		w.wants(one, w.ids[1], "0 false <nil>")

		w.act(func(tx *db.Tx) error { return w.EndCount(tx, two, w.ids[1], 7) })
		w.time = w.time.Add(kept)
		if err := w.purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wants(two, w.ids[1], "7 true <nil>")
		w.time = w.time.Add(time.Second)
		if err := w.purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wants(two, w.ids[1], "0 false <nil>")
		w.wants(one, w.ids[0], "0 true <nil>") // that session goes on
	})
}

// What is written down is taken out once, and all other sessions end with the start.
func TestPutAndTake(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		one, two := Key{1}, Key{2}
		state := bytes.Repeat([]byte{0, 'x', 0xff}, 1000)
		w.act(func(tx *db.Tx) error {
			if err := w.SaveCount(tx, two, w.ids[1], 5); err != nil {
				return err
			}
			if err := w.Put(tx, Session{one, w.ids[0], []byte("old")}, 3); err != nil {
				return err
			}
			return w.Put(tx, Session{one, w.ids[0], state}, 4)
		})
		list, err := w.Take(t.Context())
		if err != nil || len(list) != 1 || list[0].Key != one || list[0].Account != w.ids[0] || !bytes.Equal(list[0].State, state) {
			t.Fatalf("taken: got %d sessions, %v", len(list), err)
		}
		w.wants(one, w.ids[0], "4 true <nil>")
		if list, err := w.Take(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("taken again: got %d sessions, %v", len(list), err)
		}
		w.time = w.time.Add(kept + time.Second)
		if err := w.purge(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.wants(two, w.ids[1], "0 false <nil>") // the server died under it
	})
}

// What is known of an account's sessions goes with it, and none begin afterwards.
func TestAccountGone(t *testing.T) {
	each(t, func(t *testing.T, w *world) {
		one := Key{1}
		put := func(tx *db.Tx) error { return w.Put(tx, Session{one, w.ids[0], []byte("x")}, 3) }
		w.act(put)
		w.act(func(tx *db.Tx) error {
			if err := w.accounts.Delete(tx, w.ids[0]); err != nil {
				return err
			}
			return w.accounts.Erase(tx, w.ids[0])
		})
		w.wants(one, w.ids[0], "0 false <nil>")
		w.act(put)
		if list, err := w.Take(t.Context()); err != nil || len(list) != 0 {
			t.Errorf("got %d sessions, %v", len(list), err)
		}
	})
}

// BenchmarkSaveCount is what a count costs in a transaction with others.
func BenchmarkSaveCount(b *testing.B) {
	w := newWorld(b, dbtest.New(b, account.Schema(), Schema()))
	for i := range 256 {
		w.act(func(tx *db.Tx) error { return w.SaveCount(tx, Key{byte(i)}, w.ids[0], 0) })
	}
	b.ResetTimer()
	w.act(func(tx *db.Tx) error {
		for i := range b.N {
			if err := w.SaveCount(tx, Key{byte(i)}, w.ids[0], uint32(i)); err != nil {
				return err
			}
		}
		return nil
	})
}
