// SPDX-License-Identifier: Apache-2.0

package blocklist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// person makes an account by hand: all that counts here is that it has a row.
func person(t *testing.T, d *db.DB, id int64, name string) Owner {
	t.Helper()
	write(t, d, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES ($1, $2, 'user', FALSE, 0)`, id, name)
		return err
	})
	return Owner{id, jid.MustParse(name + "@kith.example")}
}

func write(t *testing.T, d *db.DB, f func(*db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func addresses(list ...string) (out []jid.JID) {
	for _, a := range list {
		out = append(out, jid.MustParse(a))
	}
	return out
}

func each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	dbtest.Each(t, f, account.Schema(), Schema())
}

func TestList(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d)
		var changes []Change
		s.OnChange(func(c Change) { changes = append(changes, c) })
		juliet, romeo := person(t, d, 1, "juliet"), person(t, d, 2, "romeo")
		list := func(o Owner, want ...string) {
			t.Helper()
			got, err := s.List(t.Context(), o.ID)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(got, addresses(want...)) {
				t.Errorf("the list is %v, want %v", got, want)
			}
			for _, service := range []*Service{s, New(d)} { // from memory, and as after a restart
				set, err := service.Of(t.Context(), o.ID)
				if err != nil || set.Len() != len(want) {
					t.Errorf("the set is %v, %v, want %v", set, err, want)
				}
				for _, a := range addresses(want...) {
					if blocked, err := service.Blocked(t.Context(), o.ID, a); err != nil || !blocked {
						t.Errorf("%v is not blocked, %v", a, err)
					}
				}
			}
		}
		list(juliet)
		write(t, d, func(tx *db.Tx) error { return s.Add(tx, juliet, addresses("tybalt@kith.example", "verona.example")...) })
		list(juliet, "tybalt@kith.example", "verona.example")
		list(romeo)
		write(t, d, func(tx *db.Tx) error { return s.Add(tx, juliet, addresses("tybalt@kith.example")...) }) // again
		write(t, d, func(tx *db.Tx) error { return s.Add(tx, romeo, addresses("tybalt@kith.example")...) })
		write(t, d, func(tx *db.Tx) error { return s.Remove(tx, juliet, addresses("tybalt@kith.example", "nobody@x")...) })
		list(juliet, "verona.example")
		write(t, d, func(tx *db.Tx) error { return s.RemoveAll(tx, juliet) })
		list(juliet)
		list(romeo, "tybalt@kith.example")
		want := []Change{
			{Owner: juliet, Blocked: addresses("tybalt@kith.example", "verona.example")},
			{Owner: juliet, Blocked: addresses("tybalt@kith.example")},
			{Owner: romeo, Blocked: addresses("tybalt@kith.example")},
			{Owner: juliet, Unblocked: addresses("tybalt@kith.example", "nobody@x")},
			{Owner: juliet, Unblocked: addresses("verona.example"), All: true},
		}
		if diff := cmp.Diff(want, changes, cmp.Comparer(func(a, b jid.JID) bool { return a == b })); diff != "" {
			t.Errorf("changes (-want +got):\n%s", diff)
		}
	})
}

// What cannot be blocked leaves no trace.
func TestRefused(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d)
		s.OnChange(func(c Change) { t.Errorf("told of %v", c) })
		juliet := person(t, d, 1, "juliet")
		for _, own := range []string{"juliet@kith.example", "juliet@kith.example/balcony"} {
			err := d.Write(t.Context(), func(tx *db.Tx) error { return s.Add(tx, juliet, addresses("tybalt@kith.example", own)...) })
			if !errors.Is(err, ErrSelf) {
				t.Errorf("blocking %s gives %v", own, err)
			}
		}
		var many []jid.JID
		for i := range maxEntries + 1 {
			many = append(many, jid.MustParse(fmt.Sprintf("p%d@kith.example", i)))
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return s.Add(tx, juliet, many...) }); !errors.Is(err, ErrTooMany) {
			t.Errorf("a list that is too long gives %v", err)
		}
		if list, err := s.List(t.Context(), 1); err != nil || len(list) != 0 {
			t.Errorf("%d are blocked, %v", len(list), err)
		}
	})
}

func TestClear(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d)
		juliet := person(t, d, 1, "juliet")
		var many []jid.JID
		for i := range db.BatchRows + 1 {
			many = append(many, jid.MustParse("p"+strconv.Itoa(i)+"@kith.example"))
		}
		write(t, d, func(tx *db.Tx) error { return s.Add(tx, juliet, many...) })
		for _, want := range []int{db.BatchRows, 1, 0} {
			write(t, d, func(tx *db.Tx) error {
				n, err := s.Clear(tx, 1)
				if n != want {
					t.Errorf("cleared %d, want %d", n, want)
				}
				return err
			})
		}
		if blocked, err := s.Blocked(t.Context(), 1, jid.MustParse("p1@kith.example")); err != nil || blocked {
			t.Errorf("somebody is blocked still, %v", err)
		}
	})
}

// A row goes with the account.
func TestGone(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d)
		juliet := person(t, d, 1, "juliet")
		write(t, d, func(tx *db.Tx) error { return s.Add(tx, juliet, addresses("tybalt@kith.example")...) })
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(`DELETE FROM account WHERE id = 1`)
			return err
		})
		if list, err := s.List(t.Context(), 1); err != nil || len(list) != 0 {
			t.Errorf("%v is left, %v", list, err)
		}
	})
}

// XEP-0191 §6, as a table.
func TestCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule    string
		covers  []string
		ignores []string
	}{
		{"romeo@verona.example/orchard", []string{"romeo@verona.example/orchard"},
			[]string{"romeo@verona.example", "romeo@verona.example/desk", "verona.example", "verona.example/orchard", "benvolio@verona.example/orchard"}},
		{"romeo@verona.example", []string{"romeo@verona.example", "romeo@verona.example/orchard"},
			[]string{"verona.example", "verona.example/romeo", "benvolio@verona.example", "romeo@other.example"}},
		{"verona.example/orchard", []string{"verona.example/orchard"},
			[]string{"verona.example", "verona.example/desk", "romeo@verona.example", "romeo@verona.example/orchard"}},
		{"verona.example", []string{"verona.example", "verona.example/x", "romeo@verona.example", "romeo@verona.example/orchard"},
			[]string{"rooms.verona.example", "romeo@rooms.verona.example", "example"}},
	} {
		s := SetOf(jid.MustParse(c.rule))
		for _, a := range c.covers {
			if !s.Covers(jid.MustParse(a)) {
				t.Errorf("%s does not block %s", c.rule, a)
			}
		}
		for _, a := range c.ignores {
			if s.Covers(jid.MustParse(a)) {
				t.Errorf("%s blocks %s", c.rule, a)
			}
		}
	}
	if (Set{}).Covers(jid.MustParse("a@b/c")) {
		t.Error("the empty set blocks somebody")
	}
}

// A set blocks an address if one of its rules does, and a rule does as XEP-0191 §6 says it, part by part.
func TestCoversProperty(t *testing.T) {
	t.Parallel()
	dice := rand.New(rand.NewPCG(1, 2))
	part := func(none bool) string {
		if none && dice.IntN(2) == 0 {
			return ""
		}
		return string(rune('a' + dice.IntN(2)))
	}
	some := func() jid.JID {
		j, err := jid.New(part(true), part(false), part(true))
		if err != nil {
			t.Fatal(err)
		}
		return j
	}
	blocks := func(rule, a jid.JID) bool {
		switch {
		case rule.Domain() != a.Domain():
			return false
		case rule.Local() == "" && rule.Resource() == "":
			return true
		case rule.Local() != a.Local():
			return false
		}
		return rule.Resource() == "" || rule.Resource() == a.Resource()
	}
	for range 20_000 {
		var rules []jid.JID
		for range dice.IntN(4) {
			rules = append(rules, some())
		}
		a := some()
		want := slices.ContainsFunc(rules, func(r jid.JID) bool { return blocks(r, a) })
		if got := SetOf(rules...).Covers(a); got != want {
			t.Fatalf("%v blocks %v: %v, want %v", rules, a, got, want)
		}
	}
}

// Many ask while the list changes: who asks after a change never gets what was before it.
func TestCacheIsRight(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d)
		juliet, tybalt := person(t, d, 1, "juliet"), jid.MustParse("tybalt@kith.example")
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := s.Blocked(t.Context(), 1, tybalt); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range 200 {
			block := i%2 == 0
			write(t, d, func(tx *db.Tx) error {
				if block {
					return s.Add(tx, juliet, tybalt)
				}
				return s.Remove(tx, juliet, tybalt)
			})
			if got, err := s.Blocked(t.Context(), 1, tybalt); err != nil || got != block {
				t.Fatalf("after change %d it is %v, %v", i, got, err)
			}
		}
		close(stop)
		wg.Wait()
	})
}

// The cache keeps within its bound, and an account that lost its place gets it back.
func TestCacheBound(t *testing.T) {
	t.Parallel()
	c := newCache()
	big := Set{map[jid.JID]struct{}{}}
	for i := range 1000 {
		big.addresses[jid.MustParse("p"+strconv.Itoa(i)+"@kith.example")] = struct{}{}
	}
	for owner := range int64(400) {
		c.put(owner, 0, big)
		if c.size > maxCached {
			t.Fatalf("%d are cached", c.size)
		}
	}
	if _, _, ok := c.get(399); !ok || c.size < maxCached/2 {
		t.Errorf("the last one is not there, or hardly any are: %d", c.size)
	}
	c.forget(399)
	if c.put(399, 0, big); len(c.lists) > 0 {
		if _, _, ok := c.get(399); ok {
			t.Error("what was read before a change was put in after it")
		}
	}
}

func BenchmarkBlocked(b *testing.B) {
	for _, n := range []int{0, 100} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			s := New(nil)
			set := Set{}
			for i := range n {
				if set.addresses == nil {
					set.addresses = map[jid.JID]struct{}{}
				}
				set.addresses[jid.MustParse("p"+strconv.Itoa(i)+"@kith.example")] = struct{}{}
			}
			s.cache.put(1, 0, set)
			romeo := jid.MustParse("romeo@kith.example/orchard")
			for b.Loop() {
				if yes, err := s.Blocked(b.Context(), 1, romeo); yes || err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
