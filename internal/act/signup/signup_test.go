// SPDX-License-Identifier: Apache-2.0

package signup

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

const password = "a good password"

type server struct {
	*Act
	t    *testing.T
	told []string
}

func each(t *testing.T, f func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
		if err != nil {
			t.Fatal(err)
		}
		s := &server{t: t, Act: &Act{
			DB:       d,
			Accounts: account.New(d, account.Options{Domain: "kith.example", Keys: keys, Iterations: 8}),
			Invites:  invite.New(d, invite.Options{Keys: keys}),
			Contacts: contact.New(d, contact.Options{}),
			Domain:   "kith.example",
		}}
		s.Accounts.OnChange(func(a account.Account, c account.Change) { s.told = append(s.told, a.Name+" "+c.String()) })
		s.Contacts.OnChange(func(c contact.Change) {
			s.told = append(s.told, c.Owner.JID.Local()+" knows "+c.Item.Address.Local()+": "+c.Item.Subscription())
		})
		f(t, s)
	}, account.Schema(), invite.Schema(), contact.Schema())
}

func (s *server) invite(r invite.Request) (token invite.Token) {
	s.t.Helper()
	if r.Role == "" {
		r.Role = "user"
	}
	s.write(func(tx *db.Tx) (err error) {
		_, token, err = s.Invites.Create(tx, r)
		return err
	})
	return token
}

func (s *server) write(f func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.DB.Write(s.t.Context(), f); err != nil {
		s.t.Fatal(err)
	}
}

// do signs up and says what must come of it.
func (s *server) do(r Request, want error) Result {
	s.t.Helper()
	if r.Password == "" {
		r.Password = password
	}
	res, err := s.Do(s.t.Context(), r)
	if !errors.Is(err, want) {
		s.t.Fatalf("%s: got %v, want %v", r.Name, err, want)
	}
	return res
}

func TestInvitationByAPerson(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		nurse := s.do(Request{Name: "nurse", Role: account.User}, nil).Account
		token := s.invite(invite.Request{Kind: invite.Contact, Inviter: nurse.ID, InviterName: nurse.Name})
		res := s.do(Request{Name: "Juliet", Token: token, Code: true}, nil)
		if res.Account.Name != "juliet" || res.Account.Role != account.User || res.Inviter != nurse {
			t.Errorf("got %+v", res)
		}
		want := []string{"nurse created", "juliet created", "juliet knows nurse: both", "nurse knows juliet: both"}
		if diff := cmp.Diff(want, s.told); diff != "" {
			t.Error(diff)
		}
		if a, err := s.Accounts.CheckPassword(t.Context(), "juliet", password); a != res.Account || err != nil {
			t.Errorf("CheckPassword: got %v, %v", a, err)
		}
		codes, err := s.Accounts.Candidates(t.Context(), "juliet", "", sasl.HTSHA256NONE)
		if err != nil || len(codes) != 1 || string(codes[0].Secret) != res.Code {
			t.Errorf("the code %q is not among %v, %v", res.Code, codes, err)
		}
		s.do(Request{Name: "romeo", Token: token}, invite.ErrUsed)
	})
}

func TestWhatFailsChangesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.do(Request{Name: "juliet", Role: account.User}, nil)
		told := len(s.told)
		token := s.invite(invite.Request{Name: "romeo"})
		s.do(Request{Name: "juliet", Token: token}, account.ErrTaken)
		s.do(Request{Name: "paris", Token: token}, invite.ErrName)
		s.do(Request{Name: "romeo", Token: "x"}, invite.ErrUnknown)
		for _, r := range []Request{
			{Name: "a b", Token: token, Password: password},
			{Name: "romeo", Token: token, Password: "short"},
			{Name: "romeo", Token: token, Password: "my name is romeo"},
		} {
			_, err := s.Do(t.Context(), r)
			_, name := errors.AsType[*account.NameError](err)
			_, pass := errors.AsType[*account.PasswordError](err)
			if !name && !pass {
				t.Errorf("%+v: got %v", r, err)
			}
		}
		if _, err := s.Accounts.Lookup(t.Context(), "paris"); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("paris: got %v", err)
		}
		if len(s.told) != told {
			t.Errorf("told %v", s.told[told:])
		}
		s.do(Request{Name: "romeo", Token: token}, nil)
	})
}

func TestFirstAdmin(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		first := func() (token invite.Token) {
			s.write(func(tx *db.Tx) (err error) {
				_, token, err = s.Invites.FirstAdmin(tx)
				return err
			})
			return token
		}
		token := first()
		// An admin who came in by the command line ends it as well.
		s.do(Request{Name: "nurse", Role: account.Admin}, nil)
		s.do(Request{Name: "tybalt", Token: token}, invite.ErrRevoked)
		// So does one who was made an admin: then only the act can know.
		token = first()
		s.do(Request{Name: "tybalt", Token: token}, invite.ErrRevoked)
	})
	t.Run("who comes by the link is admin", func(t *testing.T) {
		each(t, func(t *testing.T, s *server) {
			var token invite.Token
			s.write(func(tx *db.Tx) (err error) {
				_, token, err = s.Invites.FirstAdmin(tx)
				return err
			})
			if got := s.do(Request{Name: "admin", Token: token}, nil).Account.Role; got != account.Admin {
				t.Errorf("got role %q", got)
			}
		})
	})
}

func TestInviterWhoIsGone(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		nurse := s.do(Request{Name: "nurse", Role: account.User}, nil).Account
		token := s.invite(invite.Request{Kind: invite.Contact, Inviter: nurse.ID, InviterName: nurse.Name})
		s.write(func(tx *db.Tx) error { return s.Accounts.SetDisabled(tx, nurse.ID, true) })
		s.do(Request{Name: "juliet", Token: token}, invite.ErrRevoked)
		s.write(func(tx *db.Tx) error { return s.Accounts.SetDisabled(tx, nurse.ID, false) })
		s.write(func(tx *db.Tx) error { return s.Accounts.Delete(tx, nurse.ID) })
		s.do(Request{Name: "juliet", Token: token}, invite.ErrRevoked)
	})
}

// An invitation counts as long as who made it could make one like it.
func TestInviterWhoMayNoLonger(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.do(Request{Name: "admin", Role: account.Admin}, nil)
		nurse := s.do(Request{Name: "nurse", Role: account.Admin}, nil).Account
		admin := s.invite(invite.Request{Role: "admin", Inviter: nurse.ID, InviterName: nurse.Name, Uses: 5})
		user := s.invite(invite.Request{Kind: invite.Contact, Inviter: nurse.ID, InviterName: nurse.Name, Uses: 5})
		server := s.invite(invite.Request{Role: "admin", Uses: 5})
		for i, c := range []struct {
			role        account.Role
			admin, user error
		}{
			{account.Admin, nil, nil}, {account.User, invite.ErrRevoked, nil},
			{account.Limited, invite.ErrRevoked, invite.ErrRevoked}, {account.Admin, nil, nil},
		} {
			s.write(func(tx *db.Tx) error { return s.Accounts.SetRole(tx, nurse.ID, c.role) })
			for _, x := range []struct {
				name  string
				token invite.Token
				want  error
			}{{"a", admin, c.admin}, {"u", user, c.user}, {"s", server, nil}} {
				if _, err := s.Look(t.Context(), x.token); !errors.Is(err, x.want) {
					t.Errorf("%s as %s: Look: got %v, want %v", x.name, c.role, err, x.want)
				}
				s.do(Request{Name: x.name + strconv.Itoa(i), Token: x.token}, x.want)
			}
		}
	})
}

// A name that an invitation keeps is nobody else's (XEP-0401 §6.2).
func TestKeptName(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		nurse := s.do(Request{Name: "nurse", Role: account.Admin}, nil).Account
		open := s.invite(invite.Request{Uses: 5})
		made := func(name string, want error) invite.Token {
			t.Helper()
			inv, token, err := s.Invite(t.Context(), invite.Request{Name: name, Role: "user", Inviter: nurse.ID, InviterName: nurse.Name})
			if !errors.Is(err, want) || err == nil && inv.Name != "juliet" {
				t.Errorf("%q: got %+v, %v, want %v", name, inv, err, want)
			}
			return token
		}
		token := made("Juliet", nil)
		made("juliet", invite.ErrKept)
		made("nurse", account.ErrTaken)
		if _, _, err := s.Invite(t.Context(), invite.Request{Name: "a b", Role: "user"}); Refusal(err) == nil {
			t.Errorf("a name that cannot be: %v", err)
		}
		s.do(Request{Name: "JULIET", Token: open}, account.ErrTaken)
		s.do(Request{Name: "juliet", Role: account.User}, account.ErrTaken) // by the command line
		s.do(Request{Name: "romeo", Token: token}, invite.ErrName)
		s.do(Request{Name: "Juliet", Token: token}, nil)
	})
}

func TestAccept(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		nurse := s.do(Request{Name: "nurse", Role: account.User}, nil).Account
		juliet := s.do(Request{Name: "juliet", Role: account.User}, nil).Account
		by := invite.By{ID: juliet.ID, Name: juliet.Name}
		accept := func(inviter account.Account, by invite.By, token invite.Token, want bool) {
			t.Helper()
			s.write(func(tx *db.Tx) error {
				ok, err := s.Accept(tx, inviter, by, token)
				if ok != want {
					t.Errorf("got %v, want %v", ok, want)
				}
				return err
			})
		}
		token := s.invite(invite.Request{Kind: invite.Contact, Inviter: nurse.ID, InviterName: nurse.Name, Uses: 2})
		accept(juliet, by, token, false) // it is not hers
		accept(nurse, by, "x", false)
		accept(nurse, by, s.invite(invite.Request{Inviter: nurse.ID, InviterName: nurse.Name}), false) // not to be a contact
		accept(nurse, by, s.invite(invite.Request{Kind: invite.Contact, Inviter: nurse.ID, InviterName: nurse.Name, Name: "romeo"}), false)
		accept(nurse, by, token, true)
		accept(nurse, by, token, false)
		accept(nurse, invite.By{Name: "mercutio@elsewhere.example"}, token, true)
		accept(nurse, invite.By{Name: "tybalt@elsewhere.example"}, token, false)
	})
}

// One link, and many who come by all doors at once: as many get in as it is good for, and who does not leaves nothing.
func TestOneLinkManyDoors(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		nurse := s.do(Request{Name: "nurse", Role: account.User}, nil).Account
		juliet := s.do(Request{Name: "juliet", Role: account.User}, nil).Account
		const uses, people = 3, 8
		token := s.invite(invite.Request{Kind: invite.Contact, Inviter: nurse.ID, InviterName: nurse.Name, Uses: uses})
		var came, used atomic.Int32
		var wg sync.WaitGroup
		for i := range people {
			since := time.Now() // of an app that has shown the token before
			if i%2 == 0 {
				since = time.Time{} // of the page
			}
			wg.Go(func() {
				_, err := s.Do(t.Context(), Request{Name: fmt.Sprint("romeo", i), Password: password, Token: token, Since: since})
				switch {
				case err == nil:
					came.Add(1)
					used.Add(1)
				case !errors.Is(err, invite.ErrUsed):
					t.Error(err)
				}
			})
			wg.Go(func() {
				by := invite.By{ID: juliet.ID, Name: juliet.Name} // once, however often she tries
				if i%2 == 0 {
					by = invite.By{Name: fmt.Sprintf("paris%d@elsewhere.example", i)}
				}
				err := s.DB.Write(t.Context(), func(tx *db.Tx) error {
					ok, err := s.Accept(tx, nurse, by, token)
					if ok {
						tx.After(func() { used.Add(1) })
					}
					return err
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		list, err := s.Accounts.List(t.Context(), "", 100)
		if err != nil || len(list) != 2+int(came.Load()) || used.Load() != uses {
			t.Errorf("%d uses of %d, %d newcomers, %d accounts, %v", used.Load(), uses, came.Load(), len(list), err)
		}
	})
}

// What is ours is not told, and everything else is, in words.
func TestRefusal(t *testing.T) {
	t.Parallel()
	for _, err := range []error{nil, io.EOF, account.ErrLastAdmin} {
		if se := Refusal(err); se != nil {
			t.Errorf("%v is told as %v", err, se)
		}
	}
	texts := map[string]bool{}
	for _, err := range []error{
		account.ErrTaken, invite.ErrName, invite.ErrUnknown, invite.ErrExpired, invite.ErrUsed, invite.ErrRevoked,
		&account.NameError{Reason: account.NameEmpty}, &account.NameError{Reason: account.NameTooLong},
		&account.NameError{Reason: account.NameCharacters}, &account.NameError{Reason: account.NameMixed},
		&account.NameError{Reason: account.NameReserved},
		&account.PasswordError{Reason: account.PasswordShort}, &account.PasswordError{Reason: account.PasswordLong},
		&account.PasswordError{Reason: account.PasswordHasName}, &account.PasswordError{Reason: account.PasswordCharacters},
	} {
		se := Refusal(fmt.Errorf("sign up: %w", err))
		if se == nil || se.Text == "" || texts[se.Text] {
			t.Errorf("%v is told as %v", err, se)
			continue
		}
		texts[se.Text] = true
	}
}
