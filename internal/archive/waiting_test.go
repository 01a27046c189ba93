// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// waiting returns the ids that wait for juliet, read in pages of size.
func waiting(t *testing.T, a *archive.Archive, size int) (list []archive.ID) {
	t.Helper()
	var after archive.ID
	for {
		page, err := a.Waiting(t.Context(), juliet, after, size)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) > size {
			t.Fatalf("a page of %d, limit %d", len(page), size)
		}
		for _, e := range page {
			list = append(list, e.ID)
		}
		if len(page) == 0 {
			return list
		}
		after = page[len(page)-1].ID
	}
}

func TestWaiting(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		var ids []archive.ID
		for i := range 10 {
			e := archive.Entry{Owner: juliet, Peer: romeos, Sent: i%5 == 4, Waiting: i == 1, Raw: raw(fmt.Sprint(i))}
			ids = append(ids, add(t, d, a, e).ID)
			add(t, d, a, archive.Entry{Owner: romeo, Peer: juliets, Waiting: true, Raw: raw("another's")})
		}
		expect := func(what string, want ...int) {
			t.Helper()
			var list []archive.ID
			for _, i := range want {
				list = append(list, ids[i])
			}
			for _, size := range []int{1, 2, 3, 100} {
				if got := waiting(t, a, size); !slices.Equal(got, list) {
					t.Errorf("%s, in pages of %d: got %v, want %v", what, size, got, list)
				}
			}
		}
		save := func(i int) {
			t.Helper()
			write(t, d, func(tx *db.Tx) error { return a.SaveTaken(tx, juliet, ids[i]) })
		}

		expect("nothing was ever taken", 0, 1, 2, 3, 5, 6, 7, 8)
		save(6)
		expect("the mark below, all above", 1, 7, 8)
		save(3)
		expect("taken never goes back", 1, 7, 8)
		if got, err := a.Taken(t.Context(), juliet); got != ids[6] || err != nil {
			t.Errorf("taken is %v, %v", got, err)
		}
		if got, err := a.Taken(t.Context(), romeo); got != 0 || err != nil {
			t.Errorf("taken of another is %v, %v", got, err)
		}

		write(t, d, func(tx *db.Tx) error { return a.MarkWaiting(tx, juliet, ids[3], ids[8], ids[0], ids[3], 12345) })
		expect("more marks, one twice, one above", 0, 1, 3, 7, 8)
		save(9)
		expect("a mark outlives what is taken", 0, 1, 3, 8)
		write(t, d, func(tx *db.Tx) error { return a.Unmark(tx, juliet, ids[1], ids[3], ids[5], 12345) })
		expect("without two of them", 0, 8)
		e, err := a.Get(t.Context(), juliet, ids[8])
		if err != nil || !e.Waiting {
			t.Errorf("the mark is not on the entry: %v, %v", e, err)
		}
		write(t, d, func(tx *db.Tx) error { return a.Unmark(tx, juliet, ids[0], ids[8]) })
		expect("none")

		later := received(t, d, a, "later")
		ids = append(ids, later.ID)
		expect("a new one, not marked", 10)
	})
}

func TestRecover(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		taken := received(t, d, a, "taken")
		var want []archive.ID
		want = append(want, add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Waiting: true, Raw: raw("marked")}).ID)
		write(t, d, func(tx *db.Tx) error { return a.SaveTaken(tx, juliet, want[0]) })
		want = append(want, received(t, d, a, "unseen").ID)
		add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Sent: true, Raw: raw("sent")})
		want = append(want, received(t, d, a, "unseen as well").ID)
		add(t, d, a, archive.Entry{Owner: romeo, Peer: juliets, Raw: raw("of one who has taken nothing ever")})

		check := func(owner int64, want ...archive.ID) {
			t.Helper()
			list, err := a.Marked(t.Context(), owner, 0, 100)
			if err != nil {
				t.Fatal(err)
			}
			var got []archive.ID
			for _, e := range list {
				got = append(got, e.ID)
			}
			if !slices.Equal(got, want) {
				t.Errorf("marked for %d: %v, want %v", owner, got, want)
			}
		}
		check(juliet, want[0])
		if err := a.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(juliet, want...)
		if e, err := a.Get(t.Context(), juliet, taken.ID); err != nil || e.Waiting {
			t.Errorf("what was taken: %v, %v", e, err)
		}
		list, err := a.Marked(t.Context(), romeo, 0, 100)
		if err != nil || len(list) != 1 {
			t.Errorf("marked for romeo: %v, %v", list, err)
		}

		// What a device has taken since is not marked by the next start.
		write(t, d, func(tx *db.Tx) error { return a.Unmark(tx, juliet, want...) })
		if err := a.Recover(t.Context()); err != nil {
			t.Fatal(err)
		}
		check(juliet)
	})
}

func TestTransit(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		left := func() (list []archive.Transit) {
			t.Helper()
			err := a.Transits(t.Context(), func(x archive.Transit) error { list = append(list, x); return nil })
			if err != nil {
				t.Fatal(err)
			}
			return list
		}
		var want []archive.Transit
		for i, hop := range []jid.JID{juliets, jid.MustParse("verona.example"), juliets} {
			x := archive.Transit{Owner: romeo, Hop: hop, Raw: raw(fmt.Sprint(i))}
			write(t, d, func(tx *db.Tx) (err error) {
				if x.ID, err = a.Append(tx, archive.Entry{Owner: x.Owner, Peer: hop, Sent: true, Raw: x.Raw}); err != nil {
					return err
				}
				return a.PutTransit(tx, x.Owner, x.ID, hop)
			})
			want = append(want, x)
			c.t = c.t.Add(1000)
		}
		// Order is that of time, whosever they are.
		e := add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Sent: true, Raw: raw("back")})
		write(t, d, func(tx *db.Tx) error { return a.PutTransit(tx, juliet, e.ID, romeos) })
		want = append(want, archive.Transit{Owner: juliet, ID: e.ID, Hop: romeos, Raw: e.Raw})
		if got := left(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}

		take := func(x archive.Transit, fail error) (first bool, err error) {
			err = d.Write(t.Context(), func(tx *db.Tx) (err error) {
				if first, err = a.TakeTransit(tx, x.Owner, x.ID); err != nil {
					return err
				}
				return fail
			})
			return first, err
		}
		if _, err := take(want[1], errors.New("undone")); err == nil {
			t.Fatal("no error")
		}
		for i, wantFirst := range []bool{true, false, false} {
			if first, err := take(want[1], nil); first != wantFirst || err != nil {
				t.Errorf("time %d: %v, %v, want %v", i+1, first, err, wantFirst)
			}
		}
		if got := left(); !slices.Equal(got, slices.Delete(slices.Clone(want), 1, 2)) {
			t.Errorf("after one was taken: %v", got)
		}
		write(t, d, func(tx *db.Tx) error {
			if err := a.PutTransit(tx, romeo, want[0].ID, juliets); err == nil {
				t.Error("in transit twice")
			}
			return nil
		})

		// While they are sent on again, they are taken, and more come.
		var seen int
		err := a.Transits(t.Context(), func(x archive.Transit) error {
			seen++
			if _, err := take(x, nil); err != nil {
				return err
			}
			if seen == 1 { // the next one is delivered meanwhile
				if _, err := take(want[2], nil); err != nil {
					return err
				}
			}
			e := received(t, d, a, "more")
			return d.Write(t.Context(), func(tx *db.Tx) error { return a.PutTransit(tx, juliet, e.ID, romeos) })
		})
		if err != nil || seen != 3 {
			t.Errorf("met %d, want 3 (%v)", seen, err)
		}
		stop := errors.New("stop")
		if err := a.Transits(t.Context(), func(archive.Transit) error { return stop }); !errors.Is(err, stop) {
			t.Errorf("got %v", err)
		}
	})
}
