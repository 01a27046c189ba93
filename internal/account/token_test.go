// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

const ht = sasl.HTSHA256NONE

func (s *server) token(id int64, client string) (tok Token) {
	s.t.Helper()
	s.write(func(tx *db.Tx) (err error) {
		tok, err = s.NewToken(tx, id, Client{ID: client}, ht)
		return err
	})
	return tok
}

func (s *server) code(id int64) (code string) {
	s.t.Helper()
	s.write(func(tx *db.Tx) (err error) {
		code, err = s.NewCode(tx, id)
		return err
	})
	return code
}

// login uses secret as a client does. It returns ErrPassword where the secret is no candidate.
func (s *server) login(name, client, secret string, u Use) (*Token, error) {
	s.t.Helper()
	list, err := s.Candidates(s.t.Context(), name, client, ht)
	if err != nil {
		s.t.Fatal(err)
	}
	i := slices.IndexFunc(list, func(c Candidate) bool { return string(c.Secret) == secret })
	if i < 0 {
		return nil, ErrPassword
	}
	var tok *Token
	err = s.db.Write(s.t.Context(), func(tx *db.Tx) error {
		u.Client.ID = client
		a, fresh, err := s.Use(tx, list[i], u)
		if err == nil && a.Name != name {
			s.t.Errorf("logged in as %q", a.Name)
		}
		tok = fresh
		return err
	})
	return tok, err
}

// expect logs in and says what must come of it; it returns the new secret, if any.
func (s *server) expect(name, client, secret string, u Use, want error, fresh bool) string {
	s.t.Helper()
	tok, err := s.login(name, client, secret, u)
	if !errors.Is(err, want) || (tok != nil) != fresh {
		s.t.Fatalf("got %v, %v, want %v, a new token: %v", tok, err, want, fresh)
	}
	if tok == nil {
		return ""
	}
	return tok.Secret
}

func TestTokenLife(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		s.create("romeo", User)
		tok := s.token(a.ID, "phone")
		if want := s.clock.Add(tokenLife); !tok.Expires.Equal(want) {
			t.Errorf("expires %v, want %v", tok.Expires, want)
		}
		s.expect("juliet", "phone", tok.Secret, Use{}, nil, false)
		s.expect("juliet", "phone", tok.Secret, Use{}, nil, false)
		s.expect("juliet", "desk", tok.Secret, Use{}, ErrPassword, false)
		s.expect("romeo", "phone", tok.Secret, Use{}, ErrPassword, false)
		s.expect("nobody", "phone", tok.Secret, Use{}, ErrPassword, false)
		if list, err := s.Candidates(t.Context(), "juliet", "phone", "HT-SHA-256-EXPR"); len(list) != 0 || err != nil {
			t.Errorf("another mechanism: got %v, %v", list, err)
		}

		s.clock = s.clock.Add(tokenLife)
		s.expect("juliet", "phone", tok.Secret, Use{}, ErrExpired, false)
		s.clock = s.clock.Add(tokenGrace + time.Second)
		if err := s.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.expect("juliet", "phone", tok.Secret, Use{}, ErrPassword, false)
	})
}

func TestTokenRotation(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		first := s.token(a.ID, "phone").Secret
		s.expect("juliet", "phone", first, Use{}, nil, false)

		s.clock = s.clock.Add(tokenRotate)
		lost := s.expect("juliet", "phone", first, Use{}, nil, true)
		// The client never got it, and comes with the old one again; the one that was lost ends (XEP-0484 §3.5).
		second := s.expect("juliet", "phone", first, Use{}, nil, true)
		s.expect("juliet", "phone", lost, Use{}, ErrPassword, false)
		// The new one is used, and the old one ends.
		s.expect("juliet", "phone", second, Use{}, nil, false)
		s.expect("juliet", "phone", first, Use{}, ErrPassword, false)
		s.expect("juliet", "phone", second, Use{}, nil, false)
		// A new one on demand.
		third := s.expect("juliet", "phone", second, Use{Request: ht}, nil, true)
		s.expect("juliet", "phone", third, Use{}, nil, false)
	})
}

func TestTokenIsEnded(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("nurse", Admin)
		a := s.create("juliet", User)
		gone := func(secret string) {
			t.Helper()
			s.expect("juliet", "phone", secret, Use{}, ErrPassword, false)
		}
		var out []ClientKey // written in acts, read after them
		s.OnSignOut(func(_ *db.Tx, id int64, k ClientKey) error {
			if id == a.ID {
				out = append(out, k)
			}
			return nil
		})
		// By the client itself (XEP-0484 §3.6), without a new one though it is due.
		tok := s.token(a.ID, "phone").Secret
		s.clock = s.clock.Add(tokenRotate)
		s.expect("juliet", "phone", tok, Use{Last: true}, nil, false)
		gone(tok)
		// With a new one, because it asks.
		tok = s.token(a.ID, "phone").Secret
		next := s.expect("juliet", "phone", tok, Use{Last: true, Request: ht}, nil, true)
		gone(tok)
		s.expect("juliet", "phone", next, Use{}, nil, false)
		if want := []ClientKey{KeyOf("phone", "")}; !slices.Equal(out, want) { // the second time it only wanted another one
			t.Errorf("signed out: %v, want %v", out, want)
		}
		// By us.
		desk := s.token(a.ID, "desk").Secret
		s.write(func(tx *db.Tx) error { return s.EndTokens(tx, a.ID, "phone") })
		gone(next)
		s.expect("juliet", "desk", desk, Use{}, nil, false)
		// By a new password.
		tok, code := s.token(a.ID, "phone").Secret, s.code(a.ID)
		p, _ := s.Password("juliet", password)
		s.write(func(tx *db.Tx) error { return s.SetPassword(tx, a.ID, p) })
		gone(tok)
		gone(code)
		// While the account is disabled.
		tok = s.token(a.ID, "phone").Secret
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, true) })
		s.expect("juliet", "phone", tok, Use{}, ErrDisabled, false)
		s.write(func(tx *db.Tx) error { return s.SetDisabled(tx, a.ID, false) })
		s.expect("juliet", "phone", tok, Use{}, nil, false)
		// Deleted between the look and the use.
		list, err := s.Candidates(t.Context(), "juliet", "phone", ht)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		s.write(func(tx *db.Tx) error { return s.Delete(tx, a.ID) })
		s.fails(ErrToken, func(tx *db.Tx) error {
			_, _, err := s.Use(tx, list[0], Use{})
			return err
		})
	})
}

// XEP-0484 §3.4: a count that does not grow is a replay.
func TestTokenCount(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		tok := s.token(a.ID, "phone").Secret
		for _, step := range []struct {
			count int64
			want  error
		}{{1, nil}, {1, ErrToken}, {3, nil}, {2, ErrToken}, {0, nil}, {3, ErrToken}, {4, nil}} {
			if _, err := s.login("juliet", "phone", tok, Use{Count: step.count}); !errors.Is(err, step.want) {
				t.Errorf("count %d: got %v, want %v", step.count, err, step.want)
			}
		}
	})
}

func TestTokenBounds(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		for _, client := range []string{"", fmt.Sprintf("%0*d", maxClient+1, 0)} {
			s.fails(ErrClient, func(tx *db.Tx) error {
				_, err := s.NewToken(tx, a.ID, Client{ID: client}, ht)
				return err
			})
		}
		if err := s.db.Write(t.Context(), func(tx *db.Tx) error {
			_, err := s.NewToken(tx, a.ID, Client{ID: "phone"}, "HT-SHA-512-NONE")
			return err
		}); err == nil {
			t.Error("a token for a mechanism that we do not have")
		}
		first := s.token(a.ID, "phone").Secret
		s.write(func(tx *db.Tx) error {
			for i := range maxTokens {
				if _, err := s.NewToken(tx, a.ID, Client{ID: fmt.Sprint(i)}, ht); err != nil {
					return err
				}
			}
			return nil
		})
		s.expect("juliet", "phone", first, Use{}, ErrPassword, false)
		var n int
		s.write(func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM account_token`).Scan(&n) })
		if n != maxTokens {
			t.Errorf("got %d tokens, want %d", n, maxTokens)
		}
	})
}

func TestCode(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		s.create("romeo", User)
		code := s.code(a.ID)
		s.expect("romeo", "browser", code, Use{}, ErrPassword, false)
		// Two logins at once: both have seen the code, one gets in.
		list, err := s.Candidates(t.Context(), "juliet", "browser", ht)
		if err != nil || len(list) != 1 {
			t.Fatal(list, err)
		}
		tok := s.expect("juliet", "browser", code, Use{Request: ht}, nil, true)
		s.fails(ErrToken, func(tx *db.Tx) error {
			_, _, err := s.Use(tx, list[0], Use{})
			return err
		})
		s.expect("juliet", "browser", code, Use{}, ErrPassword, false)
		s.expect("juliet", "browser", tok, Use{}, nil, false)

		code = s.code(a.ID)
		s.clock = s.clock.Add(codeLife)
		s.expect("juliet", "browser", code, Use{}, ErrPassword, false)

		first := s.code(a.ID)
		for range maxCodes {
			code = s.code(a.ID)
		}
		s.expect("juliet", "browser", first, Use{}, ErrPassword, false)
		s.expect("juliet", "", code, Use{}, nil, false)
		s.clock = s.clock.Add(codeLife + time.Second)
		if err := s.expire(t.Context()); err != nil {
			t.Fatal(err)
		}
		var n int
		s.write(func(tx *db.Tx) error { return tx.QueryRow(`SELECT COUNT(*) FROM account_code`).Scan(&n) })
		if n != 0 {
			t.Errorf("%d codes are left", n)
		}
	})
}

// A database without its key file lets nobody in, and a row that was moved to another account neither.
func TestTokensAreSealed(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a, b := s.create("juliet", User), s.create("romeo", User)
		tok := s.token(a.ID, "phone").Secret
		s.write(func(tx *db.Tx) error {
			var row []byte
			if err := tx.QueryRow(`SELECT secret FROM account_token`).Scan(&row); err != nil {
				return err
			}
			if len(row) <= len(tok) || string(row) == tok {
				t.Errorf("stored as %q", row)
			}
			_, err := tx.Exec(`UPDATE account_token SET account = $1`, b.ID)
			return err
		})
		s.expect("romeo", "phone", tok, Use{}, ErrPassword, false)

		tok = s.token(a.ID, "phone").Secret
		keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
		if err != nil {
			t.Fatal(err)
		}
		other := &server{t: t, Service: New(s.db, Options{Domain: s.domain, Keys: keys, Now: s.now})}
		other.expect("juliet", "phone", tok, Use{}, ErrPassword, false)
		s.expect("juliet", "phone", tok, Use{}, nil, false)
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

// The store is asked for an unknown name too: else the time would tell that it is one.
func TestCandidatesOfNobody(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.create("juliet", User)
		names := []string{"juliet", "nobody"}
		for _, name := range names {
			if list, err := s.Candidates(t.Context(), name, "a client", sasl.HTSHA256NONE); len(list) != 0 || err != nil {
				t.Errorf("%s: got %v, %v", name, list, err)
			}
		}
		if err := s.db.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if _, err := s.Candidates(t.Context(), name, "a client", sasl.HTSHA256NONE); !errors.Is(err, db.ErrClosed) {
				t.Errorf("%s: got %v, want that the store is asked", name, err)
			}
		}
	})
}

// A token is good for the mechanism that it was asked for (XEP-0484 §3.4), and keeps it when it is replaced.
func TestTokenOfMechanism(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		for _, mech := range []string{sasl.HTSHA256EXPR, sasl.HTSHA256ENDP, ht} {
			var tok Token
			s.write(func(tx *db.Tx) (err error) {
				tok, err = s.NewToken(tx, a.ID, Client{ID: mech}, mech)
				return err
			})
			s.code(a.ID)
			for _, other := range []string{sasl.HTSHA256EXPR, sasl.HTSHA256ENDP, ht} {
				list, err := s.Candidates(t.Context(), "juliet", mech, other)
				if err != nil {
					t.Fatal(err)
				}
				i := slices.IndexFunc(list, func(c Candidate) bool { return string(c.Secret) == tok.Secret })
				if (i >= 0) != (other == mech) {
					t.Errorf("a token for %s is for %s too", mech, other)
				}
				if other != ht && slices.ContainsFunc(list, func(c Candidate) bool { return c.code }) {
					t.Errorf("a code is for %s too", other)
				}
			}
			s.clock = s.clock.Add(2 * tokenRotate)
			list, err := s.Candidates(t.Context(), "juliet", mech, mech)
			if err != nil {
				t.Fatal(err)
			}
			var fresh *Token
			s.write(func(tx *db.Tx) (err error) {
				_, fresh, err = s.Use(tx, list[0], Use{})
				return err
			})
			if list, err = s.Candidates(t.Context(), "juliet", mech, mech); err != nil || fresh == nil || string(list[0].Secret) != fresh.Secret {
				t.Errorf("%s: the new token is not for it: %v", mech, err)
			}
		}
	})
}

// What a client tells of itself is kept with its token, in bounds, and goes on to the next one.
func TestAgent(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		agentOf := func() (software, device string, used int64) {
			t.Helper()
			err := s.db.Read(t.Context(), func(tx *db.ReadTx) error {
				const q = `SELECT software, device, used_at FROM account_token WHERE account = $1 ORDER BY id DESC LIMIT 1`
				return tx.QueryRow(q, a.ID).Scan(&software, &device, &used)
			})
			if err != nil {
				t.Fatal(err)
			}
			return software, device, used
		}
		var tok Token
		s.write(func(tx *db.Tx) (err error) {
			tok, err = s.NewToken(tx, a.ID, Client{"phone", " Awesome\n XMPP ", strings.Repeat("ü", maxAgent)}, ht)
			return err
		})
		software, device, used := agentOf()
		if software != "Awesome XMPP" || device != strings.Repeat("ü", maxAgent/2) || used != 0 {
			t.Errorf("got %q, %q, %d", software, device, used)
		}
		s.clock = s.clock.Add(time.Hour)
		s.expect("juliet", "phone", tok.Secret, Use{Client: Client{Device: "Kiva's phone"}}, nil, false)
		if software, device, used = agentOf(); software != "Awesome XMPP" || device != "Kiva's phone" || used != s.clock.UnixMicro() {
			t.Errorf("after a log-in: got %q, %q, %d", software, device, used)
		}
		s.clock = s.clock.Add(2 * tokenRotate)
		s.expect("juliet", "phone", tok.Secret, Use{Client: Client{Software: "Awesome 2"}}, nil, true)
		if software, device, used = agentOf(); software != "Awesome 2" || device != "Kiva's phone" || used != 0 {
			t.Errorf("of the new token: got %q, %q, %d", software, device, used)
		}
		for client, want := range map[string]bool{"phone": true, "desk": false, "": false} {
			if got, err := s.Knows(t.Context(), "juliet", client); got != want || err != nil {
				t.Errorf("Knows(%q): got %v, %v", client, got, err)
			}
			if got, err := s.Knows(t.Context(), "nobody", client); got || err != nil {
				t.Errorf("of nobody: Knows(%q): got %v, %v", client, got, err)
			}
		}
	})
}
