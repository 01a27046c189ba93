// SPDX-License-Identifier: Apache-2.0

// Package dbtest gives tests a database of their own: a new file, the schemas applied, closed when the test ends.
//
// The file lies in memory where the system has a folder for that: each database takes about ten syncs, and a busy
// disk would make them the slowest part of many tests.
package dbtest

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
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
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		content, err := fresh(schemas)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
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

// made are new databases by the names of their schemas: what a function of fresh has found. They never change.
var made sync.Map

// fresh is the content of a database that has the schemas and no rows. It is made once: to do so takes longer than most
// tests. Migrate finds nothing to do then, and says so where it is not what it should be.
func fresh(schemas []db.Schema) ([]byte, error) {
	var names []string
	for _, s := range schemas {
		names = append(names, s.Name)
	}
	once, _ := made.LoadOrStore(strings.Join(names, " "), sync.OnceValues(func() ([]byte, error) {
		dir, err := os.MkdirTemp("", "kith-fresh-")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		path := filepath.Join(dir, "kith.db")
		d, err := db.Open(context.Background(), db.Options{Path: path})
		if err != nil {
			return nil, err
		}
		if err := errors.Join(d.Migrate(context.Background(), schemas...), d.Close()); err != nil {
			return nil, err
		}
		return os.ReadFile(path)
	}))
	return once.(func() ([]byte, error))()
}

// Each runs f on each engine there is, with schemas applied in the order given. So far that is SQLite.
func Each(t *testing.T, f func(t *testing.T, d *db.DB), schemas ...db.Schema) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { f(t, New(t, schemas...)) })
}
