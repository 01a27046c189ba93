// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

const password = "a good password"

// server is a service with a clock of its own.
type server struct {
	*Service
	t     *testing.T
	clock time.Time
	told  []string // "name: change"
}

// each runs f on each engine, with a service that has no account.
func each(t *testing.T, f func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
		if err != nil {
			t.Fatal(err)
		}
		s := &server{t: t, clock: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)}
		s.Service = New(d, Options{Domain: "kith.example", Keys: keys, Iterations: 8, Now: func() time.Time { return s.clock }})
		s.OnChange(func(a Account, c Change) { s.told = append(s.told, a.Name+": "+c.String()) })
		f(t, s)
	}, Schema())
}

// write runs one act that must succeed.
func (s *server) write(f func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.db.Write(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

// fails runs one act that must fail with want.
func (s *server) fails(want error, f func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.db.Write(s.t.Context(), f); !errors.Is(err, want) {
		s.t.Errorf("got %v, want %v", err, want)
	}
}

func (s *server) create(name string, role Role) (a Account) {
	s.t.Helper()
	p, err := s.Password(name, password)
	if err != nil {
		s.t.Fatal(err)
	}
	s.write(func(tx *db.Tx) error {
		a, err = s.Create(tx, name, p, role)
		return err
	})
	return a
}

func TestCreate(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if _, err := s.Lookup(t.Context(), "juliet"); !errors.Is(err, ErrUnknown) {
			t.Fatalf("before: got %v, want %v", err, ErrUnknown)
		}
		a := s.create("Juliet", User)
		want := Account{ID: s.clock.UnixMicro(), Name: "juliet", Role: User, CreatedAt: s.clock}
		if diff := cmp.Diff(want, a); diff != "" {
			t.Error(diff)
		}
		for _, name := range []string{"juliet", "JULIET"} {
			got, err := s.Lookup(t.Context(), name)
			if err != nil || got != want {
				t.Errorf("Lookup(%q): got %v, %v, want %v", name, got, err, want)
			}
		}
		s.write(func(tx *db.Tx) error {
			if got, err := s.Get(tx, a.ID); err != nil || got != want {
				t.Errorf("Get: got %v, %v", got, err)
			}
			if _, err := s.Get(tx, 1); !errors.Is(err, ErrUnknown) {
				t.Errorf("Get(1): got %v, want %v", err, ErrUnknown)
			}
			return nil
		})
		p, _ := s.Password("juliet", password)
		s.fails(ErrTaken, func(tx *db.Tx) error {
			_, err := s.Create(tx, "julieT", p, User)
			return err
		})
		s.fails(ErrRole, func(tx *db.Tx) error {
			_, err := s.Create(tx, "romeo", p, "king")
			return err
		})
		if b := s.create("romeo", Admin); b.ID <= a.ID {
			t.Errorf("the second id %d is not above the first %d", b.ID, a.ID)
		}
		if diff := cmp.Diff([]string{"juliet: created", "romeo: created"}, s.told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestPasswordOfTheZeroValue(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		err := s.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := s.Create(tx, "juliet", Password{}, User)
			return err
		})
		if _, ok := errors.AsType[*PasswordError](err); !ok {
			t.Errorf("got %v, want a *PasswordError", err)
		}
	})
}

func TestNames(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		tests := []struct {
			name, want string
			role       Role
			reason     NameReason
		}{
			{name: "juliet", want: "juliet"},
			{name: "Juliet.Capulet-2", want: "juliet.capulet-2"},
			{name: "юлия", want: "юлия"},
			{name: "jürgen", want: "jürgen"},
			{name: "٣ليلى", reason: NameCharacters}, // the bidi rule: it must not begin with a digit
			{name: "ليلى", want: "ليلى"},
			{name: "a", want: "a"},
			{name: "", reason: NameEmpty},
			{name: strings.Repeat("ü", maxName), want: strings.Repeat("ü", maxName)},
			{name: strings.Repeat("a", maxName+1), reason: NameTooLong},
			{name: "a b", reason: NameCharacters},
			{name: "a@b", reason: NameCharacters},
			{name: "a/b", reason: NameCharacters},
			{name: "a#b", reason: NameCharacters},
			{name: "a?b", reason: NameCharacters},
			{name: ".juliet", reason: NameCharacters},
			{name: "juliet-", reason: NameCharacters},
			{name: "\xFF", reason: NameCharacters},
			{name: "juliеt", reason: NameMixed}, // with a Cyrillic е
			{name: "Admin", reason: NameReserved},
			{name: "Admin", role: Admin, want: "admin"},
			{name: "postmaster", reason: NameReserved},
			{name: "ádmin", reason: NameReserved},
			{name: "admin\u0332", reason: NameReserved},
			{name: "adm\u0131n", reason: NameReserved},
		}
		for _, tt := range tests {
			if tt.role == "" {
				tt.role = User
			}
			got, err := s.CheckName(tt.name, tt.role)
			var reason NameReason
			if e, ok := errors.AsType[*NameError](err); ok {
				reason = e.Reason
			}
			if got != tt.want || reason != tt.reason {
				t.Errorf("%q as %s: got %q, %v, want %q, reason %d", tt.name, tt.role, got, err, tt.want, tt.reason)
			}
		}
	})
}

func TestPasswords(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		tests := []struct {
			name, password string
			reason         PasswordReason
		}{
			{"juliet", "0123456789", 0},
			{"juliet", "012345678", PasswordShort},
			{"juliet", "üüüüüüüüü", PasswordShort},
			{"juliet", "üüüüüüüüüü", 0},
			{"juliet", "01234567\u00AD\u00AD\u00AD", PasswordShort}, // soft hyphens go
			{"juliet", strings.Repeat("x", 1024), 0},
			{"juliet", strings.Repeat("x", 1025), PasswordLong},
			{"juliet", "my name is Juliet", PasswordHasName},
			{"Juliet", "my name is juliet", PasswordHasName},
			{"al", "my name is al", 0},
			{"juliet", "0123456789\n", PasswordCharacters},
			{"juliet", "0123456789\xFF", PasswordCharacters},
		}
		for _, tt := range tests {
			_, err := s.Password(tt.name, tt.password)
			var reason PasswordReason
			if e, ok := errors.AsType[*PasswordError](err); ok {
				reason = e.Reason
			}
			if reason != tt.reason {
				t.Errorf("%q for %s: got %v, want reason %d", tt.password, tt.name, err, tt.reason)
			}
		}
	})
}

func TestCredentials(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		for _, mech := range []string{sasl.SCRAMSHA1, sasl.SCRAMSHA256, sasl.SCRAMSHA512PLUS} {
			h, _ := sasl.HashOf(mech)
			c, got, err := s.Credentials(t.Context(), "Juliet", mech)
			if err != nil || got != a || !c.Check(h, password) || c.Check(h, password+"x") {
				t.Errorf("%s: got %v, %v, or the password does not fit", mech, got, err)
			}
			x, _, err := s.Credentials(t.Context(), "nobody", mech)
			if !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: got %v, want %v", mech, err, ErrUnknown)
			}
			if len(x.Salt) != len(c.Salt) || x.Iterations != c.Iterations || len(x.StoredKey) != len(c.StoredKey) ||
				len(x.ServerKey) != len(c.ServerKey) {
				t.Errorf("%s: what is made up does not look real: %+v", mech, x)
			}
			again, _, _ := s.Credentials(t.Context(), "NOBODY", mech)
			if !cmp.Equal(x, again) {
				t.Errorf("%s: made up anew: %+v, then %+v", mech, x, again)
			}
			other, _, _ := s.Credentials(t.Context(), "somebody", mech)
			if cmp.Equal(x.Salt, other.Salt) || cmp.Equal(x.StoredKey, other.StoredKey) {
				t.Errorf("%s: the same is made up for two names", mech)
			}
			if _, _, err := s.Credentials(t.Context(), "not@a name", mech); !errors.Is(err, ErrUnknown) {
				t.Errorf("%s: got %v, want %v", mech, err, ErrUnknown)
			}
		}
		if _, _, err := s.Credentials(t.Context(), "juliet", "PLAIN"); err == nil {
			t.Error("credentials for PLAIN")
		}
	})
}

// How long an answer takes does not tell either who has an account: who was here before is not known any better.
func TestCredentialsTakeTheirTime(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("juliet", User)
		took := map[string][]time.Duration{}
		for range 300 {
			for _, name := range []string{"juliet", "nobody"} { // by turns, so that both meet the same
				began := time.Now()
				if _, _, err := s.Credentials(t.Context(), name, sasl.SCRAMSHA256); err != nil && !errors.Is(err, ErrUnknown) {
					t.Fatal(err)
				}
				took[name] = append(took[name], time.Since(began))
			}
		}
		median := func(name string) time.Duration {
			slices.Sort(took[name])
			return took[name][len(took[name])/2]
		}
		juliet, nobody := median("juliet"), median("nobody")
		if juliet > 2*nobody || nobody > 2*juliet {
			t.Errorf("it takes %v for juliet, %v for nobody", juliet, nobody)
		}
	})
}

func TestCheckPassword(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		check := func(name, pass string, want error) {
			t.Helper()
			got, err := s.CheckPassword(t.Context(), name, pass)
			if !errors.Is(err, want) || (want == nil) != (got.ID == a.ID) {
				t.Errorf("%s, %q: got %v, %v, want %v", name, pass, got, err, want)
			}
		}
		check("juliet", password, nil)
		check("juliet", "wrong", ErrPassword)
		check("nobody", password, ErrPassword)
		check("juliet", strings.Repeat("x", maxPassword+1), ErrPassword)

		p, err := s.Password("juliet", "another password")
		if err != nil {
			t.Fatal(err)
		}
		s.write(func(tx *db.Tx) error { return s.SetPassword(tx, a.ID, p) })
		check("juliet", password, ErrPassword)
		check("juliet", "another password", nil)
		s.fails(ErrUnknown, func(tx *db.Tx) error { return s.SetPassword(tx, 1, p) })

		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, true) })
		check("juliet", password, ErrPassword)
		check("juliet", "another password", ErrDisabled)
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, true) }) // told once
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, false) })
		check("juliet", "another password", nil)

		want := []string{"juliet: created", "juliet: password changed", "juliet: disabled", "juliet: enabled"}
		if diff := cmp.Diff(want, s.told); diff != "" {
			t.Error(diff)
		}
	})
}

// Checks of passwords take turns: one for each processor goes on, and who is gone before its turn costs nothing.
func TestCheckPasswordTakesTurns(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("juliet", User)
		for range cap(s.checks) {
			s.checks <- struct{}{}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, name := range []string{"juliet", "nobody"} {
			if _, err := s.CheckPassword(gone, name, password); !errors.Is(err, context.Canceled) {
				t.Errorf("%s: got %v", name, err)
			}
		}
		<-s.checks
		for _, name := range []string{"juliet", "juliet"} {
			if _, err := s.CheckPassword(t.Context(), name, password); err != nil {
				t.Errorf("%s, when it is its turn: %v", name, err)
			}
		}
	})
}

func TestDelete(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("nurse", Admin)
		a := s.create("juliet", User)
		if _, err := s.Lookup(t.Context(), "juliet"); err != nil {
			t.Fatal(err)
		}
		s.write(func(tx *db.Tx) error { return s.Delete(tx, a.ID) })
		if _, err := s.Lookup(t.Context(), "juliet"); !errors.Is(err, ErrUnknown) {
			t.Errorf("got %v, want %v", err, ErrUnknown)
		}
		s.fails(ErrUnknown, func(tx *db.Tx) error { return s.Delete(tx, a.ID) })
		p, _ := s.Password("juliet", password)
		s.fails(ErrUnknown, func(tx *db.Tx) error { return s.SetPassword(tx, a.ID, p) }) // it was on its way
		s.fails(ErrTaken, func(tx *db.Tx) error {
			_, err := s.Create(tx, "juliet", p, User)
			return err
		})
		for name, want := range map[string]bool{"juliet": false, "nurse": false, "tybalt": true} {
			if free, err := s.Free(t.Context(), name); err != nil || free != want {
				t.Errorf("%s is free: %v, %v; want %v", name, free, err, want)
			}
		}
		if b := s.create("romeo", User); b.ID <= a.ID {
			t.Errorf("id %d after the deleted %d", b.ID, a.ID)
		}
		var rows int
		err := s.db.Read(t.Context(), func(tx *db.ReadTx) error {
			return tx.QueryRow(`SELECT COUNT(*) FROM account_credential WHERE account = $1`, a.ID).Scan(&rows)
		})
		if err != nil || rows != 0 {
			t.Errorf("%d credentials are left, %v", rows, err)
		}
	})
}

func TestTheLastAdminStays(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		has := func(want bool) {
			t.Helper()
			s.write(func(tx *db.Tx) error {
				if got, err := s.HasAdmin(tx); got != want || err != nil {
					t.Errorf("HasAdmin: got %v, %v, want %v", got, err, want)
				}
				return nil
			})
		}
		has(false)
		nurse := s.create("nurse", Admin).ID
		s.create("juliet", User)
		has(true)
		acts := map[string]func(tx *db.Tx) error{
			"delete":  func(tx *db.Tx) error { return s.Delete(tx, nurse) },
			"disable": func(tx *db.Tx) error { return s.SetDisabled(tx, nurse, true) },
			"demote":  func(tx *db.Tx) error { return s.SetRole(tx, nurse, User) },
		}
		for name, act := range acts {
			t.Log(name)
			s.fails(ErrLastAdmin, act)
		}
		friar := s.create("friar", Admin).ID
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, friar, true) })
		for name, act := range acts {
			t.Log(name, "while the other admin is disabled")
			s.fails(ErrLastAdmin, act)
		}
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, friar, false) })
		s.write(func(tx *db.Tx) error { return s.SetRole(tx, nurse, Admin) }) // as it was: nothing happens
		s.write(func(tx *db.Tx) error { return s.SetRole(tx, nurse, Limited) })
		s.write(func(tx *db.Tx) error { return s.Delete(tx, nurse) })
		s.fails(ErrUnknown, func(tx *db.Tx) error { return s.SetRole(tx, nurse, User) })
		s.fails(ErrRole, func(tx *db.Tx) error { return s.SetRole(tx, friar, "king") })
		want := []string{"nurse: created", "juliet: created", "friar: created", "friar: disabled", "friar: enabled",
			"nurse: role changed", "nurse: deleted"}
		if diff := cmp.Diff(want, s.told); diff != "" {
			t.Error(diff)
		}
	})
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, name := range []string{"romeo", "juliet", "nurse"} {
			s.create(name, User)
		}
		var got []string
		for after := ""; ; {
			page, err := s.List(t.Context(), after, 2)
			if err != nil {
				t.Fatal(err)
			}
			if len(page) == 0 {
				break
			}
			for _, a := range page {
				got = append(got, a.Name)
				after = a.Name
			}
		}
		if want := []string{"juliet", "nurse", "romeo"}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	var c cache
	for i := range maxCached + 10 {
		c.put(0, fmt.Sprint("a", i), nil)
		c.put(0, fmt.Sprint("b", i), &Account{})
	}
	if len(c.known) != maxCached || len(c.unknown) != maxCached {
		t.Errorf("got %d and %d entries, want %d", len(c.known), len(c.unknown), maxCached)
	}
	c.put(1, "x", &Account{})
	if _, ok := c.get("x"); ok {
		t.Error("what was read in another turn was put in")
	}
	c.forget("y")
	c.put(0, "x", &Account{})
	if _, ok := c.get("x"); ok {
		t.Error("what was read before a change was put in after it")
	}
}

// Readers and writers at once: what Lookup answers after a change is never older than the change.
func TestConcurrentUse(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("nurse", Admin)
		a := s.create("juliet", User)
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
					if _, err := s.Lookup(t.Context(), "juliet"); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range 50 {
			want := i%2 == 0
			s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, want) })
			if got, err := s.Lookup(t.Context(), "juliet"); err != nil || got.Disabled != want {
				t.Errorf("round %d: got %v, %v, want disabled %v", i, got, err, want)
			}
		}
		close(stop)
		wg.Wait()
	})
}
