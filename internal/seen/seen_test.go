// SPDX-License-Identifier: Apache-2.0

package seen

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
)

// person makes an account by hand: all that counts here is that it has a row.
func person(t *testing.T, d *db.DB, id int64, name string) {
	t.Helper()
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES ($1, $2, 'user', FALSE, 0)`, id, name)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// settle waits until what was submitted is in the store.
func settle(t *testing.T, d *db.DB) {
	t.Helper()
	if err := d.Write(t.Context(), func(*db.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, s *Service, id int64, want Last) {
	t.Helper()
	got, err := s.Last(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("last (-want +got):\n%s", diff)
	}
}

func TestLast(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock := time.Date(2026, 10, 1, 12, 0, 0, 500, time.UTC)
		now := func() time.Time { return clock }
		s := New(d, Options{Now: now})
		person(t, d, 1, "juliet")
		person(t, d, 2, "romeo")

		expect(t, s, 1, Last{}) // never
		s.Left(1, "good night")
		first := Last{At: clock.Truncate(time.Microsecond), Status: "good night"}
		expect(t, s, 1, first)
		expect(t, s, 2, Last{})
		settle(t, d)
		expect(t, New(d, Options{}), 1, first) // after a restart

		clock = clock.Add(time.Hour)
		s.Left(1, "")
		expect(t, s, 1, Last{At: clock.Truncate(time.Microsecond)})
		settle(t, d)
		expect(t, New(d, Options{}), 1, Last{At: clock.Truncate(time.Microsecond)})

		// It goes with the account, and nothing is noted of one that is gone.
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec(`DELETE FROM account WHERE id = 1`)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		expect(t, New(d, Options{}), 1, Last{})
		s.Left(1, "from beyond")
		settle(t, d)
		expect(t, New(d, Options{}), 1, Last{})
	}, account.Schema(), Schema())
}

// What is said at length is cut where a character ends.
func TestLongStatus(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(d, Options{})
		person(t, d, 1, "juliet")
		s.Left(1, strings.Repeat("é", maxStatus))
		got, err := s.Last(t.Context(), 1)
		if err != nil || got.Status != strings.Repeat("é", maxStatus/2) {
			t.Errorf("got %d bytes, %v", len(got.Status), err)
		}
	}, account.Schema(), Schema())
}

// Many ask while somebody leaves: nobody hears the older time afterwards.
func TestLeftWhileAsked(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(d, Options{})
		person(t, d, 1, "juliet")
		asked := make(chan error, 8)
		for range cap(asked) {
			go func() {
				_, err := s.Last(t.Context(), 1)
				asked <- err
			}()
		}
		s.Left(1, "now")
		for range cap(asked) {
			if err := <-asked; err != nil {
				t.Error(err)
			}
		}
		if got, err := s.Last(t.Context(), 1); err != nil || got.Status != "now" {
			t.Errorf("got %v, %v", got, err)
		}
		settle(t, d)
	}, account.Schema(), Schema())
}
