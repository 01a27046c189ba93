// SPDX-License-Identifier: Apache-2.0

package dbtest

import (
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/kith-im/kith/internal/db"
)

var schema = db.Schema{Name: "t", FS: fstest.MapFS{
	"schema/0001_t.sql": {Data: []byte("CREATE TABLE t (id BIGINT PRIMARY KEY)")},
}}

func add(tx *db.Tx) error {
	_, err := tx.Exec("INSERT INTO t (id) SELECT COUNT(*) FROM t")
	return err
}

func count(t *testing.T, d *db.DB) (n int) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.ReadTx) error { return tx.QueryRow("SELECT COUNT(*) FROM t").Scan(&n) })
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestEachTestHasItsOwn(t *testing.T) {
	t.Parallel()
	for range 2 {
		Each(t, func(t *testing.T, d *db.DB) {
			t.Parallel()
			if err := d.Write(t.Context(), add); err != nil {
				t.Fatal(err)
			}
			if got := count(t, d); got != 1 {
				t.Errorf("%d rows, want 1", got)
			}
		}, schema)
	}
}

func TestOpenAgain(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kith.db")
	for want := range 3 {
		d := Open(t, path, schema)
		if got := count(t, d); got != want {
			t.Errorf("%d rows, want %d", got, want)
		}
		if err := d.Write(t.Context(), add); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkNew measures what a test pays for its database.
func BenchmarkNew(b *testing.B) {
	for b.Loop() {
		if err := New(b, schema).Close(); err != nil {
			b.Fatal(err)
		}
	}
}
