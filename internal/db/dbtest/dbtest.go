// SPDX-License-Identifier: Apache-2.0

// Package dbtest gives tests a database of their own: a new file, the schemas applied, closed when the test ends.
//
// The file lies in memory where the system has a folder for that: each database takes about ten syncs, and a busy
// disk would make them the slowest part of many tests.
package dbtest

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/kith-im/kith/internal/db"
)

// New returns a new and strict database with schemas applied in the order given. Errors of the store go to the
// test's log.
func New(t testing.TB, schemas ...db.Schema) *db.DB {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "kith-test-")
	if err != nil {
		dir = t.TempDir()
	}
	t.Cleanup(func() { os.RemoveAll(dir) }) // after the database is closed
	return Open(t, filepath.Join(dir, "kith.db"), schemas...)
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
