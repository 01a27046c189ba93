// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// Rules for passwords.
const (
	minPassword = 10   // characters
	maxPassword = 1024 // bytes
	minInside   = 3    // characters of a name that a password must not contain; shorter ones stand in many words
	saltLen     = 16   // bytes
)

// A PasswordError says why a password cannot be one.
type PasswordError struct {
	Reason PasswordReason
}

// A PasswordReason is a rule for passwords that one breaks.
type PasswordReason uint8

// The rules.
const (
	PasswordShort      PasswordReason = iota + 1 // fewer than 10 characters
	PasswordLong                                 // more than 1024 bytes
	PasswordHasName                              // contains the name
	PasswordCharacters                           // has control characters or such (RFC 4013 §2.3)
)

// Error says what is wrong, in English.
func (e *PasswordError) Error() string {
	switch e.Reason {
	case PasswordShort:
		return "account: password too short"
	case PasswordLong:
		return "account: password too long"
	case PasswordHasName:
		return "account: password contains the name"
	}
	return "account: character not allowed in a password"
}

// A Password is one that is good enough for a name, turned into what is stored. The zero value is none.
type Password struct {
	credentials map[sasl.Hash]sasl.Credentials
}

// hashes are those that credentials are kept for.
var hashes = [...]sasl.Hash{sasl.SHA256, sasl.SHA1}

// Password checks the password of the account of name and computes what is stored of it. It returns a *PasswordError
// where it breaks a rule. It takes milliseconds on purpose: call it before the act.
func (s *Service) Password(name, password string) (Password, error) {
	if len(password) > maxPassword {
		return Password{}, &PasswordError{PasswordLong}
	}
	if utf8.RuneCountInString(password) < minPassword {
		return Password{}, &PasswordError{PasswordShort}
	}
	prepared, err := sasl.Prep(password)
	if err != nil {
		return Password{}, &PasswordError{PasswordCharacters}
	}
	if utf8.RuneCountInString(prepared) < minPassword {
		return Password{}, &PasswordError{PasswordShort}
	}
	inside := strings.Contains(strings.ToLower(prepared), strings.ToLower(name))
	if inside && utf8.RuneCountInString(name) >= minInside {
		return Password{}, &PasswordError{PasswordHasName}
	}
	p := Password{credentials: map[sasl.Hash]sasl.Credentials{}}
	for _, h := range hashes {
		salt := make([]byte, saltLen)
		rand.Read(salt)
		if p.credentials[h], err = sasl.Derive(h, password, salt, s.iterations); err != nil {
			return Password{}, fmt.Errorf("derive credentials: %w", err)
		}
	}
	return p, nil
}

// Credentials returns what the server's side of the SCRAM mechanism mech needs, and whose it is.
//
// With ErrUnknown or ErrDisabled it returns credentials too, so that the exchange can run to its end before it fails.
// Those of unknown names are made up: the same each time, and no password fits them.
func (s *Service) Credentials(ctx context.Context, name, mech string) (sasl.Credentials, Account, error) {
	h, ok := sasl.HashOf(mech)
	if !ok {
		return sasl.Credentials{}, Account{}, fmt.Errorf("account: no credentials for mechanism %q", mech)
	}
	e, err := s.find(ctx, name)
	switch {
	case errors.Is(err, ErrUnknown):
		return s.makeUp(h, name), Account{}, ErrUnknown
	case err != nil:
		return sasl.Credentials{}, Account{}, err
	case e.account.Disabled:
		return e.credentials[h], e.account, ErrDisabled
	}
	return e.credentials[h], e.account, nil
}

// makeUp returns credentials for a name that nobody has.
func (s *Service) makeUp(h sasl.Hash, name string) sasl.Credentials {
	if normal, err := s.normal(name); err == nil {
		name = normal
	}
	part := func(what string, n int) []byte {
		m := hmac.New(sha256.New, s.madeUp[:])
		fmt.Fprintf(m, "%s\x00%s\x00%s", what, h, name)
		return m.Sum(nil)[:n]
	}
	return sasl.Credentials{
		Salt:       part("salt", saltLen),
		Iterations: s.iterations,
		StoredKey:  part("stored", h.Size()),
		ServerKey:  part("server", h.Size()),
	}
}

// CheckPassword returns the account of name if password is its own. It returns ErrPassword for a wrong password and
// for an unknown name, after the same work, and ErrDisabled for the right password of a disabled account.
func (s *Service) CheckPassword(ctx context.Context, name, password string) (Account, error) {
	c, a, err := s.Credentials(ctx, name, sasl.SCRAMSHA256)
	if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrDisabled) {
		return Account{}, err
	}
	right := len(password) <= maxPassword && c.Check(sasl.SHA256, password)
	if !right || errors.Is(err, ErrUnknown) {
		return Account{}, ErrPassword
	}
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// StillOpens returns nil where tx sees that the account of id may log in with the password that storedKey is of: the
// StoredKey for SCRAM-SHA-256 that Credentials gave some time ago. A log-in takes a while, and the password may be
// changed meanwhile, or the account be locked or deleted: the error is ErrPassword, ErrDisabled or ErrUnknown then.
func (s *Service) StillOpens(tx db.Querier, id int64, storedKey []byte) error {
	a, err := s.Get(tx, id)
	if err != nil {
		return err
	}
	if a.Disabled {
		return ErrDisabled
	}
	var now []byte
	const q = `SELECT stored_key FROM account_credential WHERE account = $1 AND hash = $2` // by the primary key
	err = tx.QueryRow(q, id, sasl.SHA256.String()).Scan(&now)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return fmt.Errorf("read credentials: %w", err)
	}
	if !hmac.Equal(now, storedKey) {
		return ErrPassword
	}
	return nil
}

// SetPassword replaces the password of an account, and ends all its tokens and codes: who knew the old password, or
// has a device that was lost, is out. ErrUnknown if there is no account of id.
func (s *Service) SetPassword(tx *db.Tx, id int64, p Password) error {
	a, err := s.Get(tx, id)
	if err != nil {
		return err
	}
	if err := storePassword(tx, id, p); err != nil {
		return err
	}
	if err := s.endTokens(tx, id); err != nil {
		return err
	}
	s.changed(tx, a, PasswordChanged)
	return nil
}

func storePassword(tx *db.Tx, id int64, p Password) error {
	const q = `
		INSERT INTO account_credential (account, hash, salt, iterations, stored_key, server_key)
		VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (account, hash) DO UPDATE SET salt = excluded.salt, iterations = excluded.iterations,
			stored_key = excluded.stored_key, server_key = excluded.server_key`
	if len(p.credentials) == 0 {
		return &PasswordError{PasswordShort}
	}
	for h, c := range p.credentials {
		if _, err := tx.Exec(q, id, h.String(), c.Salt, c.Iterations, c.StoredKey, c.ServerKey); err != nil {
			return fmt.Errorf("store password: %w", err)
		}
	}
	return nil
}
