// SPDX-License-Identifier: Apache-2.0

package private_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/private"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func open(t *testing.T, o private.Options) (s *private.Service, d *db.DB) {
	t.Helper()
	d = dbtest.Open(t, t.TempDir()+"/kith.db", account.Schema(), private.Schema())
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		for id := range 2 {
			const q = `INSERT INTO account (id, name, role, disabled, created_at) VALUES ($1, $2, 'user', FALSE, 0)`
			if _, err := tx.Exec(q, id+1, string(rune('a'+id))); err != nil {
				return err
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return private.New(d, o), d
}

func prefs(local string) xmlstream.Name { return xmlstream.Name{Space: "urn:prefs", Local: local} }

// What has a name is replaced by what comes under it, and is its owner's alone.
func TestSet(t *testing.T) {
	t.Parallel()
	s, d := open(t, private.Options{})
	set := func(owner int64, name string, raw xmlstream.Raw) {
		t.Helper()
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return s.Set(tx, owner, prefs(name), raw) }); err != nil {
			t.Fatal(err)
		}
	}
	check := func(owner int64, name string, want xmlstream.Raw) {
		t.Helper()
		if got, err := s.Get(t.Context(), owner, prefs(name)); err != nil || got != want {
			t.Errorf("%s of %d: got %q, %v, want %q", name, owner, got, err, want)
		}
	}
	set(1, "x", `<x xmlns="urn:prefs">1</x>`)
	set(1, "y", `<y xmlns="urn:prefs"/>`)
	set(2, "x", `<x xmlns="urn:prefs">2</x>`)
	set(1, "x", `<x xmlns="urn:prefs">3</x>`)
	set(1, "y", "")
	check(1, "x", `<x xmlns="urn:prefs">3</x>`)
	check(1, "y", "")
	check(2, "x", `<x xmlns="urn:prefs">2</x>`)
	var n int
	if err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		n, err = s.Clear(tx, 1)
		return err
	}); err != nil || n != 1 {
		t.Errorf("cleared %d, %v, want 1", n, err)
	}
	check(1, "x", "")
	check(2, "x", `<x xmlns="urn:prefs">2</x>`)
}

// There is a bound for each name, for how many there are, and for all together.
func TestBounds(t *testing.T) {
	t.Parallel()
	s, d := open(t, private.Options{Size: 100, Names: 3, Quota: 200})
	set := func(name string, size int) error {
		raw := xmlstream.Raw(strings.Repeat("x", size-len("urn:prefs")-len(name)))
		return d.Write(t.Context(), func(tx *db.Tx) error { return s.Set(tx, 1, prefs(name), raw) })
	}
	for _, c := range []struct {
		name string
		size int
		want error
	}{
		{"a", 101, private.ErrSize}, {"a", 100, nil}, {"b", 100, nil}, {"c", 20, private.ErrQuota}, {"b", 60, nil},
		{"c", 40, nil}, {"d", 20, private.ErrQuota}, {"c", 20, nil},
	} {
		if err := set(c.name, c.size); !errors.Is(err, c.want) {
			t.Errorf("%s of %d bytes: got %v, want %v", c.name, c.size, err, c.want)
		}
	}
	// What did not fit has changed nothing.
	if err := set("a", 101); !errors.Is(err, private.ErrSize) {
		t.Error(err)
	}
	if got, err := s.Get(t.Context(), 1, prefs("a")); err != nil || len(got) != 100-len("urn:prefs")-1 {
		t.Errorf("got %d bytes, %v", len(got), err)
	}
}
