// SPDX-License-Identifier: Apache-2.0

package account

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// brought makes an account with keys from elsewhere, for those hash functions only.
func (s *server) brought(name string, iterations int, hashes ...sasl.Hash) (a Account) {
	s.t.Helper()
	keys := map[sasl.Hash]sasl.Credentials{}
	for _, h := range hashes {
		c, err := sasl.Derive(h, password, []byte("salt from elsewhere"), iterations)
		if err != nil {
			s.t.Fatal(err)
		}
		keys[h] = c
	}
	s.write(func(tx *db.Tx) (err error) {
		a, err = s.Create(tx, name, Keys(keys), User)
		return err
	})
	return a
}

// mechanisms requires what is offered, and what accounts may be upgraded to.
func (s *server) mechanisms(when string, offered, upgrades []sasl.Hash) {
	s.t.Helper()
	o, u, err := s.Mechanisms(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	if !cmp.Equal(o, offered) || !cmp.Equal(u, upgrades) {
		s.t.Errorf("%s: got %v, %v, want %v, %v", when, o, u, offered, upgrades)
	}
}

// Nothing is offered that would lock somebody out, and what is missing can be made up for (XEP-0388 §2.1, XEP-0480).
func TestMechanisms(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		all := sasl.Hashes()
		s.mechanisms("nobody is there", all, nil)
		s.create("juliet", User)
		s.mechanisms("an account of our own", all, nil)
		romeo := s.brought("romeo", 20, sasl.SHA1)
		s.mechanisms("one with old keys", []sasl.Hash{sasl.SHA1}, []sasl.Hash{sasl.SHA512, sasl.SHA256})

		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, romeo.ID, true) })
		s.clock = s.clock.Add(surveyEvery)
		s.mechanisms("it is locked", all, nil)
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, romeo.ID, false) })
		s.mechanisms("it is unlocked, at once", []sasl.Hash{sasl.SHA1}, []sasl.Hash{sasl.SHA512, sasl.SHA256})

		for _, h := range []sasl.Hash{sasl.SHA256, sasl.SHA512} {
			s.upgrade("romeo", h)
		}
		s.mechanisms("it was upgraded", all, nil)

		s.brought("tybalt", 8, sasl.SHA512)
		s.mechanisms("other keys", []sasl.Hash{sasl.SHA512}, []sasl.Hash{sasl.SHA256, sasl.SHA1})
		s.brought("paris", 8, sasl.SHA1)
		s.brought("mercutio", 8, sasl.SHA1)
		s.mechanisms("accounts that have nothing in common", []sasl.Hash{sasl.SHA1}, all)
		p, err := s.Password("tybalt", "another good one")
		if err != nil {
			t.Fatal(err)
		}
		tybalt, _ := s.Lookup(t.Context(), "tybalt")
		s.write(func(tx *db.Tx) error { return s.SetPassword(tx, tybalt.ID, p) })
		s.clock = s.clock.Add(surveyEvery)
		s.mechanisms("one has a new password", []sasl.Hash{sasl.SHA1}, []sasl.Hash{sasl.SHA512, sasl.SHA256})
	})
}

// upgrade gives an account keys for h, as a client does that knows the password.
func (s *server) upgrade(name string, h sasl.Hash) {
	s.t.Helper()
	a, err := s.Lookup(s.t.Context(), name)
	if err != nil {
		s.t.Fatal(err)
	}
	u, err := s.Upgrade(s.t.Context(), name, h)
	if err != nil || u == nil {
		s.t.Fatalf("%s for %s: got %v, %v", h, name, u, err)
	}
	salted, err := sasl.SaltedPassword(h, password, u.Salt, u.Iterations)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(func(tx *db.Tx) error { return s.AddKeys(tx, a.ID, a.Password, *u, salted) })
}

func TestUpgrade(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.brought("juliet", 20, sasl.SHA1)
		right := func(h sasl.Hash) bool {
			t.Helper()
			c, got, err := s.Credentials(t.Context(), "juliet", h.Mechanism(true))
			if err != nil {
				return false
			}
			return c.Check(h, password) && got.ID == a.ID
		}
		if !right(sasl.SHA1) || right(sasl.SHA256) {
			t.Error("it has keys for SHA-1 only")
		}
		if _, err := s.CheckPassword(t.Context(), "juliet", password); err != nil {
			t.Errorf("the portal lets nobody in: %v", err)
		}
		s.upgrade("juliet", sasl.SHA256)
		if !right(sasl.SHA256) || !right(sasl.SHA1) || right(sasl.SHA512) {
			t.Error("it has keys for SHA-1 and SHA-256")
		}
		if u, err := s.Upgrade(t.Context(), "juliet", sasl.SHA256); u != nil || err != nil {
			t.Errorf("once more: got %v, %v", u, err)
		}
		if _, err := s.Upgrade(t.Context(), "nobody", sasl.SHA256); !errors.Is(err, ErrUnknown) {
			t.Errorf("nobody: got %v", err)
		}

		u, err := s.Upgrade(t.Context(), "juliet", sasl.SHA512)
		if err != nil {
			t.Fatal(err)
		}
		add := func(password int64, n int) error {
			return s.db.Write(t.Context(), func(tx *db.Tx) error { return s.AddKeys(tx, a.ID, password, *u, make([]byte, n)) })
		}
		if err := add(a.Password, 32); err == nil {
			t.Error("too few bytes")
		}
		p, err := s.Password("juliet", "another good one")
		if err != nil {
			t.Fatal(err)
		}
		s.write(func(tx *db.Tx) error { return s.SetPassword(tx, a.ID, p) })
		if err := add(a.Password, 64); !errors.Is(err, ErrPassword) {
			t.Errorf("after a change of the password: got %v, want %v", err, ErrPassword)
		}
		if right(sasl.SHA1) || right(sasl.SHA256) || right(sasl.SHA512) {
			t.Error("the old password still opens")
		}
		if err := add(a.Password+1, 64); err != nil {
			t.Error(err)
		}
		if c, _, _ := s.Credentials(t.Context(), "juliet", sasl.SCRAMSHA512); !c.Check(sasl.SHA512, "another good one") {
			t.Error("keys that were there are replaced")
		}
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, true) })
		if err := add(a.Password+1, 64); !errors.Is(err, ErrDisabled) {
			t.Errorf("a disabled account: got %v", err)
		}
	})
}

// A password replaces the keys of the one before for all hash functions, also where it has fewer.
func TestFewerKeys(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		c, err := sasl.Derive(sasl.SHA1, "brought from elsewhere", []byte("salt"), 8)
		if err != nil {
			t.Fatal(err)
		}
		s.write(func(tx *db.Tx) error {
			return s.SetPassword(tx, a.ID, Keys(map[sasl.Hash]sasl.Credentials{sasl.SHA1: c}))
		})
		for _, h := range []sasl.Hash{sasl.SHA256, sasl.SHA512} {
			if _, _, err := s.Credentials(t.Context(), "juliet", h.Mechanism(false)); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: got %v", h, err)
			}
		}
		s.mechanisms("at once", []sasl.Hash{sasl.SHA1}, []sasl.Hash{sasl.SHA512, sasl.SHA256})
	})
}

// When the configured count changes, accounts keep theirs; names that nobody has show old and new counts as often as
// the accounts do, each always the same, and change sides in one direction only.
func TestIterationsTellNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for i := range 30 {
			s.create(fmt.Sprint("old", i), User)
		}
		s.iterations = 16
		salts := map[string]string{}
		counts := func() map[string]int {
			t.Helper()
			m := map[string]int{}
			for i := range 300 {
				name := fmt.Sprint("nobody", i)
				c, _, err := s.Credentials(t.Context(), name, sasl.SCRAMSHA256)
				if !errors.Is(err, ErrUnknown) {
					t.Fatal(err)
				}
				one, _, _ := s.Credentials(t.Context(), name, sasl.SCRAMSHA1)
				if one.Iterations != c.Iterations {
					t.Errorf("%s: %d for SHA-1, %d for SHA-256: no account is so", name, one.Iterations, c.Iterations)
				}
				m[name] = c.Iterations
				for _, c := range []sasl.Credentials{c, one} {
					with := fmt.Sprint(c.Iterations)
					if before, ok := salts[string(c.Salt)]; ok && before != with {
						t.Errorf("%s: one salt with %s iterations and with %s", name, before, with)
					}
					salts[string(c.Salt)] = with
				}
			}
			return m
		}
		before := counts()
		for name, n := range before {
			if n != 8 {
				t.Fatalf("%s has %d iterations, and no account has", name, n)
			}
		}
		for i := range 30 {
			s.create(fmt.Sprint("new", i), User)
		}
		s.clock = s.clock.Add(surveyEvery)
		half := counts()
		fresh := 0
		for _, n := range half {
			if n == 16 {
				fresh++
			} else if n != 8 {
				t.Fatalf("a name has %d iterations, and no account has", n)
			}
		}
		if fresh < 100 || fresh > 200 {
			t.Errorf("%d names of 300 are like half of the accounts", fresh)
		}
		for i := range 30 {
			a, err := s.Lookup(t.Context(), fmt.Sprint("old", i))
			if err != nil {
				t.Fatal(err)
			}
			s.write(func(tx *db.Tx) error { return s.Delete(tx, a.ID) })
		}
		s.clock = s.clock.Add(surveyEvery)
		for name, n := range counts() {
			if n != 16 {
				t.Errorf("%s has %d iterations in the end, and had %d", name, n, half[name])
			}
		}
	})
}

// However much changes, the accounts are not all looked at each time.
func TestSurveyIsSeldom(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("juliet", User)
		first, err := s.survey(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		s.create("romeo", User)
		again, err := s.survey(t.Context())
		if err != nil || again != first {
			t.Errorf("a new one at once: %v", err)
		}
		s.clock = s.clock.Add(surveyEvery + time.Second)
		if again, err = s.survey(t.Context()); err != nil || again == first || again.total != 2 {
			t.Errorf("later: got %+v, %v", again, err)
		}
	})
}
