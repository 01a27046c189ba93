// SPDX-License-Identifier: Apache-2.0

package app

import (
	"log/slog"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/seen"
)

// What waits is held for who was here within the time for which messages are kept, and for nobody else.
func TestUpkeep(t *testing.T) {
	t.Parallel()
	d := dbtest.New(t, account.Schema(), seen.Schema(), push.Schema())
	now := time.Now()
	last := seen.New(d, seen.Options{Now: func() time.Time { return now }})
	err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES
			(1, 'romeo', 'user', FALSE, 0), (2, 'juliet', 'user', FALSE, 0), (3, 'nurse', 'user', FALSE, 0)`)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	now = now.Add(-29 * 24 * time.Hour)
	last.Left(1, "")
	now = now.Add(-2 * 24 * time.Hour)
	last.Left(2, "")
	u := upkeep(30, last, push.New(d, push.Options{}), slog.New(slog.DiscardHandler))
	if u.For != 30*24*time.Hour {
		t.Errorf("messages are kept for %v", u.For)
	}
	for owner, want := range map[int64]bool{1: true, 2: false, 3: false} {
		if got, err := u.Keep(t.Context(), owner); got != want || err != nil {
			t.Errorf("%d is waited for: %v, %v, want %v", owner, got, err, want)
		}
	}
	if u := upkeep(0, last, push.New(d, push.Options{}), slog.New(slog.DiscardHandler)); u.For != 0 {
		t.Errorf("not for ever, but %v", u.For)
	}
}
