// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// ids are those of owner's entries.
func ids(t testing.TB, a *archive.Archive, owner int64) (list []archive.ID) {
	t.Helper()
	page, err := a.Page(t.Context(), owner, 0, 100_000)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range page {
		list = append(list, e.ID)
	}
	return list
}

// rows counts the rows of a table.
func rows(t testing.TB, d *db.DB, table string) (n int) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.ReadTx) error { return tx.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestExpire(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		nurse := jid.MustParse("nurse@kith.example")
		var mine, theirs []archive.ID
		for i := range 12 {
			c.t = c.t.Add(time.Hour)
			peer := romeos
			if i < 4 {
				peer = nurse
			}
			e := add(t, d, a, archive.Entry{Owner: juliet, Peer: peer, Waiting: i == 6 || i == 9, Passing: i == 9, Raw: raw(fmt.Sprint("word", i))})
			theirs = append(theirs, e.ID)
			mine = append(mine, add(t, d, a, archive.Entry{Owner: romeo, Peer: juliets, Sent: true, Raw: raw(fmt.Sprint("word", i))}).ID)
		}
		write(t, d, func(tx *db.Tx) error { return a.PutTransit(tx, romeo, mine[3], juliets) })
		for _, texts := range []bool{false, true} {
			if err := a.Index(t.Context(), juliet, texts); err != nil {
				t.Fatal(err)
			}
		}
		expire := func(before archive.ID, keep func(context.Context, int64) (bool, error)) {
			t.Helper()
			if err := a.Expire(t.Context(), before.Time(), keep); err != nil {
				t.Fatal(err)
			}
		}
		held := func(_ context.Context, owner int64) (bool, error) { return owner == juliet, nil }
		check := func(what string, wantMine, wantTheirs int) {
			t.Helper()
			if got := ids(t, a, romeo); !slices.Equal(got, mine[wantMine:]) {
				t.Errorf("%s: romeo has %d", what, len(got))
			}
			if got := ids(t, a, juliet); !slices.Equal(got, theirs[wantTheirs:]) {
				t.Errorf("%s: juliet has %d", what, len(got))
			}
		}
		expire(mine[0], nil)
		check("nothing is too old", 0, 0)
		expire(mine[2], held)
		check("two are", 2, 2)
		expire(mine[8], held)
		check("one is on its way, another waits", 3, 6)
		if n := rows(t, d, "archive_peer"); n != 2 { // romeo's juliet, juliet's romeo
			t.Errorf("%d peers", n)
		}
		if n := rows(t, d, "archive_with"); n != 5 {
			t.Errorf("%d in the index by peer", n)
		}
		if n := rows(t, d, "archive_text"); n != 5 {
			t.Errorf("%d in the index of texts", n)
		}
		// Who has nobody any more gets the same peer as a new one.
		e := add(t, d, a, archive.Entry{Owner: juliet, Peer: nurse, Raw: raw("again")})
		theirs = append(theirs, e.ID)
		if got, err := a.Get(t.Context(), juliet, e.ID); err != nil || got.Peer != nurse {
			t.Errorf("the peer who came back: %v, %v", got, err)
		}
		write(t, d, func(tx *db.Tx) error { _, err := a.TakeTransit(tx, romeo, mine[3]); return err })
		expire(mine[8], nil)
		check("nobody comes for it", 8, 8)
		expire(mine[11]+archive.ID(time.Hour.Microseconds()), nil)
		check("all", 12, 13)
		if n := rows(t, d, "archive_peer") + rows(t, d, "archive_with") + rows(t, d, "archive_text"); n != 0 {
			t.Errorf("%d rows are left", n)
		}
		if got := received(t, d, a, "after all"); got.ID <= theirs[12] {
			t.Errorf("an id is given again: %v", got.ID)
		}
		fails := errors.New("fails")
		err := a.Expire(t.Context(), c.t.Add(time.Hour), func(context.Context, int64) (bool, error) { return false, fails })
		if !errors.Is(err, fails) {
			t.Errorf("got %v", err)
		}
	})
}

// Run removes what is too old once an hour, and indexes for who asks.
func TestRun(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		d := dbtest.Open(t, path, accounts, archive.Schema())
		a := archive.New(d, time.Now)
		for range 150 {
			received(t, d, a, "hark")
			time.Sleep(time.Minute)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- a.Run(ctx, archive.Upkeep{For: 3 * time.Hour}) }()
		time.Sleep(time.Hour + time.Second)
		if n := len(ids(t, a, juliet)); n != 120 {
			t.Errorf("%d after an hour", n)
		}
		for _, change := range []func(*archive.Query){
			func(q *archive.Query) { q.With = romeos },
			func(q *archive.Query) { q.Text, q.AnyText = "ha", false },
		} {
			q := archive.All(juliet, 10)
			change(&q)
			if r, err := a.Find(t.Context(), q); err != nil || r.Count != 120 {
				t.Errorf("found %d, %v", r.Count, err)
			}
		}
		time.Sleep(time.Second)
		if n, m := rows(t, d, "archive_with"), rows(t, d, "archive_text"); n != 120 || m != 120 {
			t.Errorf("%d are indexed by peer, %d by words", n, m)
		}
		time.Sleep(3 * time.Hour)
		if n := len(ids(t, a, juliet)); n != 0 {
			t.Errorf("%d at the end", n)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		d.Close()
	})
}

// Nobody who writes waits for what is removed: between two acts of 500 rows come those of others.
func TestExpireYields(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		const size = 2500
		for range size / 500 {
			write(t, d, func(tx *db.Tx) error {
				for range 500 {
					if _, err := a.Append(tx, archive.Entry{Owner: juliet, Peer: romeos, Raw: raw("old")}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		c.t = c.t.Add(time.Hour)
		// A writer that always has an act in the queue sees how many there are between any two acts of the job.
		seen := map[int]bool{}
		over := make(chan struct{})
		var once func()
		once = func() {
			d.Submit(func(tx *db.Tx) error {
				var left int
				if err := tx.QueryRow("SELECT COUNT(*) FROM archive WHERE owner = $1", juliet).Scan(&left); err != nil {
					return err
				}
				if seen[left] = true; left > 0 {
					tx.After(once)
				} else {
					tx.After(func() { close(over) })
				}
				_, err := a.Append(tx, archive.Entry{Owner: romeo, Peer: juliets, Raw: raw("new")})
				return err
			}, func(err error) {
				if err != nil {
					t.Error(err)
				}
			})
		}
		once()
		if err := a.Expire(t.Context(), start.Add(time.Minute), nil); err != nil {
			t.Fatal(err)
		}
		<-over
		for left := 0; left < size; left += db.BatchRows {
			if !seen[left] {
				t.Errorf("nobody wrote while %d were left", left)
			}
		}
	})
}

// BenchmarkExpire removes 20,000 entries that are in both indexes.
func BenchmarkExpire(b *testing.B) {
	const size = 20000
	for b.Loop() {
		b.StopTimer()
		_, a, ids := long(b, size)
		before := cpu(b)
		b.StartTimer()
		if err := a.Expire(b.Context(), ids[size-1].Time().Add(time.Second), nil); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/size, "cpu-µs/entry")
	}
}
