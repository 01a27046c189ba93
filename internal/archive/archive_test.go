// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// accounts stands for the schema of internal/account, which a service does not import.
var accounts = db.Schema{Name: "account", FS: fstest.MapFS{"schema/0001_account.sql": {Data: []byte(`
	CREATE TABLE account (id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE);
	INSERT INTO account (id, name) VALUES (1, 'romeo'), (2, 'juliet');`)}}}

const romeo, juliet = 1, 2

var (
	juliets = jid.MustParse("juliet@kith.example")
	romeos  = jid.MustParse("romeo@kith.example")
	start   = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
)

// clock is a time that stands until it is set.
type clock struct{ t time.Time }

func (c *clock) now() time.Time { return c.t }

// each runs f on each engine with an archive whose clock stands at start.
func each(t *testing.T, f func(t *testing.T, d *db.DB, a *archive.Archive, c *clock)) {
	t.Helper()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		c := &clock{start}
		f(t, d, archive.New(d, c.now), c)
	}, accounts, archive.Schema())
}

// open is an archive by the real clock.
func open(tb testing.TB) (*db.DB, *archive.Archive) {
	tb.Helper()
	d := dbtest.New(tb, accounts, archive.Schema())
	return d, archive.New(d, time.Now)
}

func raw(body string) xmlstream.Raw {
	return xmlstream.Raw(`<message xmlns="jabber:client" type="chat"><body>` + body + `</body></message>`)
}

func write(t testing.TB, d *db.DB, f func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// add appends one entry and returns it as it should be read again.
func add(t testing.TB, d *db.DB, a *archive.Archive, e archive.Entry) archive.Entry {
	t.Helper()
	write(t, d, func(tx *db.Tx) (err error) {
		e.ID, err = a.Append(tx, e)
		return err
	})
	return e
}

// received adds a message that juliet got from romeo.
func received(t testing.TB, d *db.DB, a *archive.Archive, body string) archive.Entry {
	t.Helper()
	return add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Raw: raw(body)})
}

func TestWhatIsAppendedIsRead(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		nurse := jid.MustParse("nurse@kith.example")
		var want []archive.Entry
		for i, peer := range []jid.JID{juliets, nurse, juliets, jid.MustParse("verona.example"), nurse} {
			e := archive.Entry{Owner: romeo, Peer: peer, Sent: i%2 == 0, Waiting: i == 3, Raw: raw(fmt.Sprint(i))}
			want = append(want, add(t, d, a, e))
			add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Raw: raw("another's")})
		}
		// A full address is kept as its bare one.
		e := archive.Entry{Owner: romeo, Peer: jid.MustParse("juliet@kith.example/balcony"), Raw: raw("full")}
		e = add(t, d, a, e)
		e.Peer = juliets
		want = append(want, e)

		got, err := a.Page(t.Context(), romeo, 0, 100)
		if diff := cmp.Diff(want, got, cmp.Comparer(func(x, y jid.JID) bool { return x == y })); diff != "" || err != nil {
			t.Errorf("%v %s", err, diff)
		}
		for _, e := range want {
			if got, err := a.Get(t.Context(), romeo, e.ID); got != e || err != nil {
				t.Errorf("got %v, %v, want %v", got, err, e)
			}
		}
		if _, err := a.Get(t.Context(), romeo, want[0].ID-1); !errors.Is(err, archive.ErrUnknown) {
			t.Errorf("an unknown id: %v", err)
		}
		if _, err := a.Get(t.Context(), 3, want[0].ID); !errors.Is(err, archive.ErrUnknown) {
			t.Errorf("another's id: %v", err)
		}

		var paged []archive.Entry
		for after := archive.ID(0); ; after = paged[len(paged)-1].ID {
			page, err := a.Page(t.Context(), romeo, after, 4)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			paged = append(paged, page...)
		}
		if !slices.Equal(paged, want) {
			t.Errorf("page by page %v, want %v", paged, want)
		}
	})
}

func TestIDsOnlyGrow(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kith.db")
	c := &clock{start}
	var all []archive.ID
	for _, step := range []time.Duration{0, -time.Hour, time.Minute, -365 * 24 * time.Hour} {
		d := dbtest.Open(t, path, accounts, archive.Schema()) // the server starts again
		a := archive.New(d, c.now)
		c.t = c.t.Add(step)
		for range 3 {
			all = append(all, received(t, d, a, "x").ID)
		}
		c.t = c.t.Add(step)
		all = append(all, received(t, d, a, "x").ID)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for i := 1; i < len(all); i++ {
		if all[i] <= all[i-1] {
			t.Errorf("id %d after %d", all[i], all[i-1])
		}
	}
	if got, want := all[0].Time(), start; !got.Equal(want) {
		t.Errorf("the first is of %v, want %v", got, want)
	}
	if got, want := all[1], all[0]+1; got != want {
		t.Errorf("while the clock stands: %d, want %d", got, want)
	}
}

// What was taken stays taken although the newest entries are gone and the clock was set back.
func TestIDsGrowBeyondWhatWasTaken(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		e := received(t, d, a, "x")
		write(t, d, func(tx *db.Tx) error {
			if _, err := tx.Exec("DELETE FROM archive"); err != nil {
				return err
			}
			return a.SaveTaken(tx, juliet, e.ID)
		})
		c.t = start.Add(-time.Hour)
		again := archive.New(d, c.now)
		if got := received(t, d, again, "y"); got.ID <= e.ID {
			t.Errorf("id %d after %d was taken", got.ID, e.ID)
		}
	})
}

func TestAnUndoneActLeavesNothing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		var undone []archive.ID
		failed := errors.New("failed")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for range 3 {
				id, err := a.Append(tx, archive.Entry{Owner: juliet, Peer: romeos, Raw: raw("undone")})
				if err != nil {
					return err
				}
				undone = append(undone, id)
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		// The peer was undone as well, and must not be remembered.
		want := received(t, d, a, "kept")
		if want.ID <= undone[2] {
			t.Errorf("id %d after the undone %d", want.ID, undone[2])
		}
		got, err := a.Page(t.Context(), juliet, 0, 10)
		if err != nil || !slices.Equal(got, []archive.Entry{want}) {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
	})
}

// The id stands in the stanza that is recorded, so it is known first.
func TestNextID(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		var want archive.Entry
		write(t, d, func(tx *db.Tx) error {
			id, err := a.NextID(tx, juliet)
			if err != nil {
				return err
			}
			want = archive.Entry{Owner: juliet, ID: id, Peer: romeos, Raw: raw(id.String())}
			got, err := a.Append(tx, want)
			if got != id {
				t.Errorf("appended as %d, want %d", got, id)
			}
			return err
		})
		if got, err := a.Get(t.Context(), juliet, want.ID); got != want || err != nil {
			t.Errorf("got %v, %v, want %v", got, err, want)
		}
		if next := received(t, d, a, "next"); next.ID <= want.ID {
			t.Errorf("id %d after %d", next.ID, want.ID)
		}
	})
}

// More owners and peers than are remembered.
func TestForgetsOwnersAndPeers(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		const owners = 50
		a.Remember(10)
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(`WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
				INSERT INTO account (id, name) SELECT i, 'n' || i FROM n`, owners)
			return err
		})
		first := received(t, d, a, "first")
		var held archive.ID
		write(t, d, func(tx *db.Tx) (err error) {
			if held, err = a.NextID(tx, juliet); err != nil { // never appended
				return err
			}
			for owner := int64(3); owner <= owners; owner++ {
				if _, err := a.Append(tx, archive.Entry{Owner: owner, Peer: romeos, Raw: "x"}); err != nil {
					return err
				}
			}
			return nil
		})
		c.t = start.Add(-time.Hour)
		last := received(t, d, a, "last")
		if last.ID <= held || held <= first.ID {
			t.Errorf("ids %d, %d, %d do not grow", first.ID, held, last.ID)
		}
		got, err := a.Page(t.Context(), juliet, 0, 10)
		if err != nil || !slices.Equal(got, []archive.Entry{first, last}) {
			t.Errorf("got %v, %v", got, err)
		}
	})
}

func TestAnAccountGoesWithAllItHas(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		kept := add(t, d, a, archive.Entry{Owner: romeo, Peer: juliets, Sent: true, Raw: raw("kept")})
		e := received(t, d, a, "gone")
		write(t, d, func(tx *db.Tx) error {
			return errors.Join(a.SaveTaken(tx, juliet, e.ID), a.PutTransit(tx, juliet, e.ID, romeos), a.PutTransit(tx, romeo, kept.ID, juliets))
		})
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec("DELETE FROM account WHERE id = $1", juliet)
			return err
		})
		err := d.Read(t.Context(), func(tx *db.ReadTx) error {
			for _, table := range []string{"archive", "archive_peer", "archive_transit", "archive_taken"} {
				var n int
				if err := tx.QueryRow("SELECT COUNT(*) FROM "+table+" WHERE owner = $1", juliet).Scan(&n); err != nil {
					return err
				}
				if n != 0 {
					t.Errorf("%d rows are left in %s", n, table)
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Get(t.Context(), romeo, kept.ID); err != nil {
			t.Errorf("another's entry: %v", err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := a.Append(tx, archive.Entry{Owner: juliet, Peer: romeos, Raw: raw("late")})
			return err
		})
		if err == nil {
			t.Error("an entry for an account that is gone")
		}
	})
}

func TestIDText(t *testing.T) {
	t.Parallel()
	ids := []archive.ID{1, 2, 31, 32, 1 << 20, archive.ID(start.UnixMicro()), archive.ID(start.UnixMicro()) + 1, 1<<63 - 1}
	var texts []string
	for _, id := range ids {
		s := id.String()
		if got, err := archive.ParseID(s); got != id || err != nil || len(s) != 13 || s != strings.ToLower(s) {
			t.Errorf("%d is %q, read as %d, %v", id, s, got, err)
		}
		texts = append(texts, s)
	}
	if !slices.IsSorted(texts) {
		t.Errorf("%v do not sort like their numbers", texts)
	}
	// The form is in every client's cursor: it must never change.
	if got, want := ids[5].String(), "00361n1nf3800"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzParseID(f *testing.F) {
	for _, s := range []string{"", "0", archive.ID(1).String(), "0000000000000", "zzzzzzzzzzzzz", "vvvvvvvvvvvvv", "000000000000B",
		archive.ID(start.UnixMicro()).String(), "0000000000001", "000000000000\n", "é00000000000"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		id, err := archive.ParseID(s)
		if err != nil {
			if id != 0 || !errors.Is(err, archive.ErrUnknown) {
				t.Errorf("%q: %d, %v", s, id, err)
			}
			return
		}
		if id <= 0 || id.String() != s {
			t.Errorf("%q is read as %d, which is %q", s, id, id)
		}
	})
}
