// SPDX-License-Identifier: Apache-2.0

// Package dbtest gives tests a database of their own: a new file, the schemas applied, closed when the test ends.
package dbtest

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"

	"github.com/kith-im/kith/internal/db"
)

// New returns a new and strict database with schemas applied in the order given. Errors of the store go to the
// test's log.
func New(t testing.TB, schemas ...db.Schema) *db.DB {
	t.Helper()
	return Open(t, filepath.Join(t.TempDir(), "kith.db"), schemas...)
}

// Open opens the database at path, an old or a new one, as New does: for tests that close a database and look at
// it again.
func Open(t testing.TB, path string, schemas ...db.Schema) *db.DB {
	t.Helper()
	log := slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	d, err := db.Open(context.Background(), db.Options{Path: path, Log: log, Strict: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Errorf("close database: %v", err)
		}
	})
	if err := d.Migrate(context.Background(), schemas...); err != nil {
		t.Fatal(err)
	}
	return d
}

// Each runs f on each engine there is, with schemas applied in the order given. So far that is SQLite.
func Each(t *testing.T, f func(t *testing.T, d *db.DB), schemas ...db.Schema) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, New(t, schemas...)) })
}
