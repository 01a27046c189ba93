// SPDX-License-Identifier: Apache-2.0

package db

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
)

func files(texts ...string) fstest.MapFS {
	fs := fstest.MapFS{}
	for i := 0; i < len(texts); i += 2 {
		fs["schema/"+texts[i]] = &fstest.MapFile{Data: []byte(texts[i+1])}
	}
	return fs
}

const (
	one = "CREATE TABLE a (id BIGINT PRIMARY KEY); INSERT INTO a VALUES (1), (2);"
	two = "ALTER TABLE a ADD COLUMN name TEXT NOT NULL DEFAULT 'x';"
)

func TestMigrate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "kith.db")
	v1 := Schema{"a", files("0001_first.sql", one)}
	v2 := Schema{"a", files("0001_first.sql", one, "0002_name.sql", two)}
	b := Schema{"b", files("0001_b.sql", "CREATE TABLE b (a BIGINT REFERENCES a (id) ON DELETE CASCADE); INSERT INTO b VALUES (1);")}

	// reopen opens the database as a program with schemas would.
	reopen := func(schemas ...Schema) error {
		d, err := Open(t.Context(), Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		return errors.Join(d.Migrate(t.Context(), schemas...), d.Close())
	}
	for i := range 2 {
		if err := reopen(v1); err != nil {
			t.Fatalf("time %d: %v", i, err)
		}
	}
	if err := reopen(v2, b); err != nil {
		t.Fatal(err)
	}

	if err := reopen(v1, b); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "a 0002_name.sql") {
		t.Errorf("an older program: %v", err)
	}
	if err := reopen(v2); !errors.Is(err, ErrNewer) {
		t.Errorf("a program without the second schema: %v", err)
	}
	edited := Schema{"a", files("0001_first.sql", one+" ", "0002_name.sql", two)}
	if err := reopen(edited, b); !errors.Is(err, ErrChanged) || !strings.Contains(err.Error(), "a 0001_first.sql") {
		t.Errorf("an edited file: %v", err)
	}

	// A table that others refer to is rebuilt, and nothing goes with it.
	const rebuild = `
		CREATE TABLE new (id BIGINT PRIMARY KEY, name TEXT);
		INSERT INTO new SELECT id, name FROM a;
		DROP TABLE a;
		ALTER TABLE new RENAME TO a;`
	v3 := Schema{"a", files("0001_first.sql", one, "0002_name.sql", two, "0003_rebuild.sql", rebuild)}
	if err := reopen(v3, b); err != nil {
		t.Fatal(err)
	}
	// A file that fails, or leaves references to nothing, is undone as a whole.
	for _, text := range []string{"CREATE TABLE half (x TEXT); SELECT nonsense;", "DELETE FROM a WHERE id = 1; CREATE TABLE half (x TEXT);"} {
		bad := Schema{"b", files("0001_b.sql", string(b.FS.(fstest.MapFS)["schema/0001_b.sql"].Data), "0002_bad.sql", text)}
		if err := reopen(v3, bad); err == nil || !strings.Contains(err.Error(), "b 0002_bad.sql") {
			t.Errorf("a bad file: %v", err)
		}
	}

	d := openTest(t, path, defaults, v3, b)
	err := d.Write(t.Context(), func(tx *Tx) error {
		var n, left, half int
		if err := tx.QueryRow("SELECT (SELECT COUNT(*) FROM b), (SELECT COUNT(*) FROM sqlite_schema WHERE name = 'half')").Scan(&n, &half); err != nil {
			return err
		}
		// The writer's connection still enforces what the migration did not.
		if _, err := tx.Exec("DELETE FROM a WHERE id = 1"); err != nil {
			return err
		}
		if err := tx.QueryRow("SELECT COUNT(*) FROM b").Scan(&left); err != nil {
			return err
		}
		if n != 1 || left != 0 || half != 0 {
			t.Errorf("%d rows after the rebuild, %d after the delete, %d half tables, want 1, 0, 0", n, left, half)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestMigrateInSteps(t *testing.T) {
	t.Parallel()
	d := openTest(t, filepath.Join(t.TempDir(), "kith.db"), defaults)
	for _, s := range []Schema{{"a", files("0001_first.sql", one)}, noteSchema} {
		if err := d.Migrate(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Write(t.Context(), insert(1)); err != nil {
		t.Fatal(err)
	}
	if got := ids(t, d); !slices.Equal(got, []int{1}) {
		t.Errorf("notes %v", got)
	}
}

func TestSchemaFilesAreNumbered(t *testing.T) {
	t.Parallel()
	for name, fs := range map[string]fstest.MapFS{
		"nothing":      {},
		"a gap":        files("0001_a.sql", one, "0003_c.sql", two),
		"from 2 on":    files("0002_a.sql", one),
		"twice":        files("0001_a.sql", one, "0001_b.sql", two),
		"another name": files("0001_a.sql", one, "readme.txt", ""),
	} {
		d := openTest(t, filepath.Join(t.TempDir(), "kith.db"), defaults)
		if err := d.Migrate(t.Context(), Schema{"a", fs}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestLock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := Lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Lock(dir); !errors.Is(err, ErrLocked) {
		t.Errorf("locked twice: %v", err)
	}
	unlock()
	unlock, err = Lock(dir)
	if err != nil {
		t.Fatalf("after unlock: %v", err)
	}
	unlock()
	if _, err := Lock(filepath.Join(dir, "none")); err == nil || errors.Is(err, ErrLocked) {
		t.Errorf("no folder: %v", err)
	}
}
