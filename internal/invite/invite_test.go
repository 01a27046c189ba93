// SPDX-License-Identifier: Apache-2.0

package invite

import (
	"context"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/keyfile"
)

// server is a service with a clock of its own.
type server struct {
	*Service
	t     *testing.T
	clock time.Time
}

func each(t *testing.T, f func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &server{t: t, clock: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)}
		s.Service = New(d, Options{Keys: keys(t), Now: func() time.Time { return s.clock }})
		f(t, s)
	}, Schema())
}

func keys(t *testing.T) keyfile.Keys {
	t.Helper()
	k, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (s *server) create(r Request) (Invite, Token) {
	s.t.Helper()
	i, token, err := s.tryCreate(r)
	if err != nil {
		s.t.Fatal(err)
	}
	return i, token
}

func (s *server) tryCreate(r Request) (i Invite, token Token, err error) {
	if r.Role == "" {
		r.Role = "user"
	}
	err = s.db.Write(s.t.Context(), func(tx *db.Tx) error {
		i, token, err = s.Create(tx, r)
		return err
	})
	return i, token, err
}

func (s *server) redeem(token Token, by By) (i Invite, err error) {
	err = s.db.Write(s.t.Context(), func(tx *db.Tx) error {
		i, err = s.Redeem(tx, token, by)
		return err
	})
	return i, err
}

// expect looks at token, as the page does, and redeems it, as the sign-up does: both must say the same.
func (s *server) expect(token Token, by By, want error) {
	s.t.Helper()
	if _, err := s.Look(s.t.Context(), token); !errors.Is(err, want) && want != ErrName {
		s.t.Errorf("Look: got %v, want %v", err, want)
	}
	if _, err := s.redeem(token, by); !errors.Is(err, want) {
		s.t.Errorf("Redeem: got %v, want %v", err, want)
	}
}

func (s *server) write(f func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.db.Write(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

var (
	juliet = By{ID: 1, Name: "juliet"}
	romeo  = By{ID: 2, Name: "romeo"}
)

func TestOnce(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		made, token := s.create(Request{Kind: Contact, Inviter: 7, InviterName: "nurse", Note: "for Juliet"})
		want := Invite{ID: s.clock.UnixMicro(), Kind: Contact, Inviter: 7, InviterName: "nurse", Role: "user",
			Note: "for Juliet", MaxUses: 1, Created: s.clock, Expires: s.clock.Add(DefaultTTL)}
		if diff := cmp.Diff(want, made); diff != "" {
			t.Error(diff)
		}
		if got, err := s.Look(t.Context(), token); err != nil || got != want {
			t.Errorf("Look: got %v, %v", got, err)
		}
		got, err := s.redeem(token, juliet)
		want.Uses = 1
		if err != nil || got != want {
			t.Errorf("Redeem: got %v, %v, want %v", got, err, want)
		}
		s.expect(token, romeo, ErrUsed)
		s.expect(token, juliet, ErrUsed)
		// The page still knows who invited.
		if got, err := s.Look(t.Context(), token); got != want || !errors.Is(err, ErrUsed) {
			t.Errorf("Look: got %v, %v, want %v beside %v", got, err, want, ErrUsed)
		}
		if users, err := s.UsedBy(t.Context(), made.ID); !cmp.Equal(users, []int64{1}) || err != nil {
			t.Errorf("UsedBy: got %v, %v", users, err)
		}
	})
}

func TestSeveralTimes(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		made, token := s.create(Request{Uses: 2})
		s.expect(token, juliet, nil)
		s.expect(token, romeo, nil)
		s.expect(token, By{ID: 3, Name: "paris"}, ErrUsed)
		if users, err := s.UsedBy(t.Context(), made.ID); !cmp.Equal(users, []int64{1, 2}) || err != nil {
			t.Errorf("UsedBy: got %v, %v", users, err)
		}
		_, token = s.create(Request{Uses: 2})
		s.expect(token, juliet, nil)
		if _, err := s.redeem(token, juliet); !errors.Is(err, ErrUsed) {
			t.Errorf("the same person again: got %v, want %v", err, ErrUsed)
		}
		s.expect(token, romeo, nil) // the refused one was not counted
	})
}

func TestExpiryAndMemory(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		used, usedToken := s.create(Request{TTL: 2 * time.Hour})
		_, token := s.create(Request{TTL: time.Hour})
		s.clock = s.clock.Add(time.Hour)
		s.expect(usedToken, juliet, nil)
		s.expect(token, juliet, ErrExpired)
		s.clock = s.clock.Add(remembered - time.Second)
		s.purgeNow()
		s.expect(token, juliet, ErrExpired)
		s.expect(usedToken, juliet, ErrUsed)
		s.clock = s.clock.Add(2 * time.Second)
		s.purgeNow()
		s.expect(token, juliet, ErrUnknown)
		s.expect(usedToken, juliet, ErrUnknown)
		if users, err := s.UsedBy(t.Context(), used.ID); len(users) != 0 || err != nil {
			t.Errorf("UsedBy: got %v, %v", users, err)
		}
	})
}

func (s *server) purgeNow() {
	s.t.Helper()
	if err := s.purge(s.t.Context()); err != nil {
		s.t.Fatal(err)
	}
}

func TestName(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		_, token := s.create(Request{Name: "juliet"})
		s.expect(token, romeo, ErrName)
		s.expect(token, juliet, nil)
	})
}

// The name of an open invitation is kept (XEP-0401 §6.2).
func TestKeptNames(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		kept := func(name string, want int64) {
			t.Helper()
			var id int64
			s.write(func(tx *db.Tx) (err error) {
				id, err = s.KeptBy(tx, name)
				return err
			})
			is, err := s.Kept(t.Context(), name)
			if id != want || is != (want != 0) || err != nil {
				t.Errorf("%q: kept by %d, %v, %v, want %d", name, id, is, err, want)
			}
		}
		s.create(Request{}) // for whoever it is
		first, token := s.create(Request{Name: "juliet"})
		kept("juliet", first.ID)
		kept("romeo", 0)
		kept("", 0)
		if _, _, err := s.tryCreate(Request{Name: "juliet"}); !errors.Is(err, ErrKept) {
			t.Errorf("got %v, want %v", err, ErrKept)
		}
		s.expect(token, juliet, nil)
		kept("juliet", 0)
		second, _ := s.create(Request{Name: "juliet"})
		s.write(func(tx *db.Tx) error { return s.Revoke(tx, second.ID) })
		kept("juliet", 0)
		third, _ := s.create(Request{Name: "juliet", TTL: time.Hour})
		kept("juliet", third.ID)
		s.clock = s.clock.Add(time.Hour)
		kept("juliet", 0)
	})
}

// Whether an invitation has expired is judged by when it was found good (XEP-0445 §4).
func TestFoundGoodBefore(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		_, token := s.create(Request{TTL: time.Hour})
		good := s.clock
		s.clock = s.clock.Add(time.Hour)
		s.expect(token, juliet, ErrExpired)
		late := juliet
		late.Since = s.clock
		if _, err := s.redeem(token, late); !errors.Is(err, ErrExpired) {
			t.Errorf("got %v, want %v", err, ErrExpired)
		}
		late.Since = good
		if _, err := s.redeem(token, late); err != nil {
			t.Error(err)
		}
		if _, err := s.redeem(token, By{ID: romeo.ID, Name: romeo.Name, Since: good}); !errors.Is(err, ErrUsed) {
			t.Errorf("got %v, want %v", err, ErrUsed)
		}
	})
}

// People of other servers use invitations as well; a use that fails changes nothing, so that its act may go on.
func TestUsesOfOthers(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		made, token := s.create(Request{Uses: 3})
		s.expect(token, By{Name: "romeo@elsewhere.example"}, nil)
		s.expect(token, juliet, nil)
		s.write(func(tx *db.Tx) error {
			if _, err := s.Redeem(tx, token, juliet); !errors.Is(err, ErrUsed) {
				t.Errorf("again: got %v, want %v", err, ErrUsed)
			}
			return nil
		})
		if i, err := s.Look(t.Context(), token); i.Uses != 2 || err != nil {
			t.Errorf("%d uses, %v; want 2", i.Uses, err)
		}
		s.expect(token, By{Name: "mercutio@elsewhere.example"}, nil)
		if users, err := s.UsedBy(t.Context(), made.ID); !cmp.Equal(users, []int64{1}) || err != nil {
			t.Errorf("UsedBy: got %v, %v", users, err)
		}
		_, named := s.create(Request{Name: "juliet"})
		s.expect(named, By{Name: "juliet@elsewhere.example"}, ErrName)
	})
}

func TestRevoke(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		i, token := s.create(Request{})
		revoke := func(id int64) error {
			return s.db.Write(t.Context(), func(tx *db.Tx) error { return s.Revoke(tx, id) })
		}
		for range 2 {
			if err := revoke(i.ID); err != nil {
				t.Fatal(err)
			}
			s.expect(token, juliet, ErrRevoked)
		}
		if err := revoke(1); !errors.Is(err, ErrUnknown) {
			t.Errorf("got %v, want %v", err, ErrUnknown)
		}
		i, token = s.create(Request{})
		s.expect(token, juliet, nil)
		if err := revoke(i.ID); err != nil {
			t.Fatal(err)
		}
		s.expect(token, juliet, ErrUsed) // what was used was not taken back
	})
}

func TestForget(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		came, first := s.create(Request{})
		s.expect(first, juliet, nil)
		_, open := s.create(Request{Kind: Contact, Inviter: juliet.ID, InviterName: juliet.Name})
		_, other := s.create(Request{Kind: Contact, Inviter: romeo.ID, InviterName: romeo.Name})
		s.write(func(tx *db.Tx) error { return s.Forget(tx, juliet.ID) })
		s.expect(open, romeo, ErrRevoked)
		s.expect(other, juliet, nil)
		if users, err := s.UsedBy(t.Context(), came.ID); len(users) != 0 || err != nil {
			t.Errorf("UsedBy: got %v, %v", users, err)
		}
	})
}

func TestFirstAdmin(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		first := func() (i Invite, token Token) {
			s.write(func(tx *db.Tx) (err error) {
				i, token, err = s.FirstAdmin(tx)
				return err
			})
			return i, token
		}
		i, token := first()
		if i.Role != "admin" || !i.FirstAdmin || i.Kind != Account || !i.Expires.Equal(s.clock.Add(24*time.Hour)) {
			t.Errorf("got %+v", i)
		}
		if again, same := first(); again != i || same != token {
			t.Errorf("another one while one is open: %+v", again)
		}
		s.clock = s.clock.Add(24 * time.Hour)
		s.expect(token, juliet, ErrExpired)
		_, next := first()
		if next == token {
			t.Fatal("the expired one again")
		}
		s.write(s.EndFirstAdmin)
		s.expect(next, juliet, ErrRevoked)
		s.expect(token, juliet, ErrRevoked)
		_, usual := s.create(Request{Role: "admin"})
		s.write(s.EndFirstAdmin)
		s.expect(usual, juliet, nil)
	})
}

func TestRequests(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for name, r := range map[string]Request{
			"unknown kind":            {Kind: "x"},
			"a contact of nobody":     {Kind: Contact},
			"an inviter without name": {Inviter: 1},
			"a name without inviter":  {InviterName: "juliet"},
			"too many uses":           {Uses: maxUses + 1},
			"negative uses":           {Uses: -1},
			"one name for two":        {Name: "juliet", Uses: 2},
			"too long":                {TTL: maxTTL + 1},
			"in the past":             {TTL: -1},
			"long note":               {Note: strings.Repeat("x", maxNote+1)},
		} {
			if _, _, err := s.tryCreate(r); !errors.Is(err, ErrRequest) {
				t.Errorf("%s: got %v, want %v", name, err, ErrRequest)
			}
		}
		err := s.db.Write(t.Context(), func(tx *db.Tx) error {
			_, _, err := s.Create(tx, Request{})
			return err
		})
		if !errors.Is(err, ErrRequest) {
			t.Errorf("no role: got %v, want %v", err, ErrRequest)
		}
		r := Request{Inviter: 1, InviterName: "juliet"}
		for range maxOpen {
			s.create(r)
		}
		if _, _, err := s.tryCreate(r); !errors.Is(err, ErrTooMany) {
			t.Errorf("got %v, want %v", err, ErrTooMany)
		}
		s.create(Request{Inviter: 2, InviterName: "romeo"})
		s.create(Request{})
		s.clock = s.clock.Add(DefaultTTL)
		s.create(r)
	})
}

func TestList(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		var ids []int64
		for range 3 {
			i, _ := s.create(Request{Inviter: 1, InviterName: "juliet"})
			ids = append(ids, i.ID)
		}
		other, token := s.create(Request{})
		s.expect(token, romeo, nil)
		list := func(f Filter, want ...int64) {
			t.Helper()
			var got []int64
			found, err := s.List(t.Context(), f)
			for _, i := range found {
				got = append(got, i.ID)
			}
			if !cmp.Equal(got, want) || err != nil {
				t.Errorf("%+v: got %v, %v, want %v", f, got, err, want)
			}
		}
		list(Filter{Limit: 10}, ids[2], ids[1], ids[0])
		list(Filter{Limit: 10, Ended: true}, other.ID, ids[2], ids[1], ids[0])
		list(Filter{Limit: 2, Inviter: 1}, ids[2], ids[1])
		list(Filter{Limit: 2, Inviter: 1, After: ids[1]}, ids[0])
		s.clock = s.clock.Add(DefaultTTL)
		list(Filter{Limit: 10})
	})
}

func TestURI(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		invite Invite
		want   string
	}{
		{Invite{Kind: Account}, "xmpp:kith.example?register;preauth=TOKEN"},
		{Invite{Kind: Account, Name: "juliet"}, "xmpp:juliet@kith.example?register;preauth=TOKEN"},
		{Invite{Kind: Contact, InviterName: "romeo"}, "xmpp:romeo@kith.example?roster;preauth=TOKEN;ibr=y"},
		{Invite{Kind: Contact, InviterName: "romeo", Name: "juliet"}, "xmpp:juliet@kith.example?register;preauth=TOKEN"},
		{Invite{Kind: Contact, InviterName: "jürgen+x"}, "xmpp:j%C3%BCrgen+x@kith.example?roster;preauth=TOKEN;ibr=y"},
	} {
		if got := tt.invite.URI("kith.example", "TOKEN"); got != tt.want {
			t.Errorf("got %s, want %s", got, tt.want)
		}
	}
}

// Twenty people with one link: one gets in.
func TestOneLinkManyPeople(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		_, token := s.create(Request{})
		var in atomic.Int32
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				_, err := s.redeem(token, By{ID: int64(i + 1), Name: "x"})
				switch {
				case err == nil:
					in.Add(1)
				case !errors.Is(err, ErrUsed):
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := in.Load(); got != 1 {
			t.Errorf("%d got in", got)
		}
	})
}

// An act that fails later gives the use back.
func TestFailedSignUpCostsNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		_, token := s.create(Request{})
		failed := errors.New("name taken")
		err := s.db.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := s.Redeem(tx, token, juliet); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		s.expect(token, juliet, nil)
	})
}

func TestTokens(t *testing.T) {
	t.Parallel()
	s, other := New(nil, Options{Keys: keys(t)}), New(nil, Options{Keys: keys(t)})
	token := s.Token(1790856000000000)
	if len(token) != 32 {
		t.Errorf("got %d characters", len(token))
	}
	if id, ok := s.id(token); !ok || id != 1790856000000000 {
		t.Errorf("got %d, %v", id, ok)
	}
	if _, ok := other.id(token); ok {
		t.Error("a token of another server was taken")
	}
	for i := range len(token) {
		b := []byte(token)
		if b[i]++; b[i] == 'z'+1 {
			b[i] = 'A'
		}
		if _, ok := s.id(Token(b)); ok {
			t.Errorf("%s was taken for %s", b, token)
		}
	}
	// Nothing is asked of the store, which is nil here.
	if _, err := s.Look(context.Background(), "x"); !errors.Is(err, ErrUnknown) {
		t.Errorf("got %v, want %v", err, ErrUnknown)
	}
}

func FuzzToken(f *testing.F) {
	s := &Service{key: [32]byte{1}}
	f.Add(string(s.Token(1790856000000000)))
	f.Fuzz(func(t *testing.T, text string) {
		if id, ok := s.id(Token(text)); ok && string(s.Token(id)) != text {
			t.Fatalf("%q read as %d", text, id)
		}
	})
}

func TestRunEnds(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		done := make(chan error)
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- s.Run(ctx) }()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
