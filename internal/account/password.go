// SPDX-License-Identifier: Apache-2.0

package account

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha512"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"
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
	for _, h := range sasl.Hashes() {
		salt := make([]byte, saltLen)
		rand.Read(salt)
		if p.credentials[h], err = sasl.Derive(h, password, salt, s.iterations); err != nil {
			return Password{}, fmt.Errorf("derive credentials: %w", err)
		}
	}
	return p, nil
}

// Keys returns what another server kept of a password that nobody here has seen. It may be for some hash functions only,
// for one at least; the account gets the others by an upgrade, or with its next password.
func Keys(keys map[sasl.Hash]sasl.Credentials) Password {
	return Password{credentials: maps.Clone(keys)}
}

// Credentials returns what the server's side of the SCRAM mechanism mech needs, and whose it is.
//
// With ErrUnknown or ErrDisabled it returns credentials too, so that the exchange can run to its end before it fails.
// Those of unknown names are made up: the same each time, and no password fits them. So are those of an account that
// has no keys for mech: ErrUnknown too.
func (s *Service) Credentials(ctx context.Context, name, mech string) (sasl.Credentials, Account, error) {
	h, ok := sasl.HashOf(mech)
	if !ok {
		return sasl.Credentials{}, Account{}, fmt.Errorf("account: no credentials for mechanism %q", mech)
	}
	made, err := s.makeUp(ctx, h, name) // for every name, so that it takes the same time
	if err != nil {
		return sasl.Credentials{}, Account{}, err
	}
	a, k, err := s.keysOf(ctx, name)
	switch {
	case errors.Is(err, ErrUnknown), err == nil && len(k[h].StoredKey) == 0:
		return made, Account{}, ErrUnknown
	case err != nil:
		return sasl.Credentials{}, Account{}, err
	case a.Disabled:
		return k[h], a, ErrDisabled
	}
	return k[h], a, nil
}

// keys are those of an account, by sasl.Hash.
type keys [sasl.SHA512 + 1]sasl.Credentials

// keysOf returns the account of name with its keys; ErrUnknown if nobody has it. It asks the store each time, and reads
// somebody's keys for a name that nobody has: see the package's comment.
func (s *Service) keysOf(ctx context.Context, name string) (a Account, k keys, err error) {
	name, _ = s.normal(name) // "" is nobody's name
	known := false
	err = s.db.ReadOne(ctx, func(tx *db.ReadTx) error {
		const q = `
			SELECT account.id, account.name, account.role, account.disabled, account.created_at, account.password,
				k.hash, k.salt, k.iterations, k.stored_key, k.server_key
			FROM (SELECT 1) AS one LEFT JOIN account ON account.name = $1
				LEFT JOIN account_credential AS k ON k.account = COALESCE(account.id, (SELECT MIN(id) FROM account))`
		rows, err := tx.Query(q, name)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var row struct {
				id, created, password, iterations *int64
				name, role, hash                  *string
				disabled                          *bool
			}
			var c sasl.Credentials
			err := rows.Scan(&row.id, &row.name, &row.role, &row.disabled, &row.created, &row.password,
				&row.hash, &c.Salt, &row.iterations, &c.StoredKey, &c.ServerKey)
			if err != nil {
				return err
			}
			if known = row.id != nil; known {
				a = Account{
					ID: *row.id, Name: *row.name, Role: Role(*row.role), Disabled: *row.disabled,
					CreatedAt: time.UnixMicro(*row.created).UTC(), Password: *row.password,
				}
			}
			if row.hash == nil {
				continue
			}
			c.Iterations = int(*row.iterations)
			for _, h := range sasl.Hashes() {
				if h.String() == *row.hash {
					k[h] = c
				}
			}
		}
		return rows.Err()
	})
	if err != nil {
		return Account{}, keys{}, fmt.Errorf("read credentials: %w", err)
	}
	if !known {
		return Account{}, keys{}, ErrUnknown
	}
	return a, k, nil
}

// makeUp returns credentials for a name that nobody has, or an account without keys for h.
func (s *Service) makeUp(ctx context.Context, h sasl.Hash, name string) (sasl.Credentials, error) {
	if normal, err := s.normal(name); err == nil {
		name = normal
	}
	p, err := s.madeUpProfile(ctx, name)
	if err != nil {
		return sasl.Credentials{}, err
	}
	iterations := cmp.Or(p[h], s.iterations)
	return sasl.Credentials{
		// An account has another count when it has another password, and with that another salt.
		Salt:       s.madeUpPart("salt", h.String(), strconv.Itoa(iterations), name)[:saltLen],
		Iterations: iterations,
		StoredKey:  s.madeUpPart("stored", h.String(), name)[:h.Size()],
		ServerKey:  s.madeUpPart("server", h.String(), name)[:h.Size()],
	}, nil
}

// madeUpPart returns 64 bytes that are the same each time, and that nobody else can make.
func (s *Service) madeUpPart(what ...string) []byte {
	m := hmac.New(sha512.New, s.madeUp[:])
	m.Write([]byte(strings.Join(what, "\x00")))
	return m.Sum(nil)
}

// CheckPassword returns the account of name if password is its own. It returns ErrPassword for a wrong password and
// for an unknown name, after the same work, and ErrDisabled for the right password of a disabled account. It takes
// milliseconds of a processor, and waits while as many checks as there are processors go on.
func (s *Service) CheckPassword(ctx context.Context, name, password string) (Account, error) {
	h, err := s.bestHash(ctx, name)
	if err != nil {
		return Account{}, err
	}
	c, a, err := s.Credentials(ctx, name, h.Mechanism(false))
	if err != nil && !errors.Is(err, ErrUnknown) && !errors.Is(err, ErrDisabled) {
		return Account{}, err
	}
	right, waited := s.check(ctx, c, h, password)
	if waited != nil {
		return Account{}, waited
	}
	if !right || errors.Is(err, ErrUnknown) {
		return Account{}, ErrPassword
	}
	if err != nil {
		return Account{}, err
	}
	return a, nil
}

// check is Credentials.Check, when its turn comes. It fails when ctx ends before.
func (s *Service) check(ctx context.Context, c sasl.Credentials, h sasl.Hash, password string) (right bool, err error) {
	if len(password) > maxPassword {
		return false, nil
	}
	select {
	case s.checks <- struct{}{}:
		defer func() { <-s.checks }()
		return c.Check(h, password), nil
	case <-ctx.Done():
		return false, fmt.Errorf("check a password: %w", ctx.Err())
	}
}

// bestHash returns the strongest hash function that an account has keys for, or would have if there was one.
func (s *Service) bestHash(ctx context.Context, name string) (sasl.Hash, error) {
	normal := name
	if n, err := s.normal(name); err == nil {
		normal = n
	}
	p, err := s.madeUpProfile(ctx, normal) // for every name, so that it takes the same time
	if err != nil {
		return 0, err
	}
	_, k, err := s.keysOf(ctx, name)
	if err != nil && !errors.Is(err, ErrUnknown) {
		return 0, err
	}
	if err == nil {
		for h, c := range k {
			p[h] = c.Iterations
		}
	}
	for _, h := range sasl.Hashes() {
		if p[h] > 0 {
			return h, nil
		}
	}
	return sasl.SHA256, nil // an account without keys; none fits
}

// StillOpens returns nil where tx sees that the account of id may log in with the password that it had when
// Account.Password was password. A log-in takes a while, and the password may be changed meanwhile, or the account be
// locked or deleted: the error is ErrPassword, ErrDisabled or ErrUnknown then.
func (s *Service) StillOpens(tx db.Querier, id, password int64) error {
	a, err := s.Get(tx, id)
	switch {
	case err != nil:
		return err
	case a.Disabled:
		return ErrDisabled
	case a.Password != password:
		return ErrPassword
	}
	return nil
}

// SetPassword replaces the password of an account, and ends all its tokens and codes: who knew the old password, or
// has a device that was lost, is out. ErrUnknown if there is no account of id.
func (s *Service) SetPassword(tx *db.Tx, id int64, p Password) error {
	a, err := scan(tx.QueryRow(`UPDATE account SET password = password + 1 WHERE id = $1 AND `+there+` RETURNING `+columns, id))
	if err != nil {
		return err
	}
	if err := s.storePassword(tx, id, p); err != nil {
		return err
	}
	if err := s.endTokens(tx, id); err != nil {
		return err
	}
	if err := s.forgetPassword(tx, id); err != nil {
		return err
	}
	s.changed(tx, a, PasswordChanged)
	return nil
}

// storePassword replaces the keys of an account. None of another password stays.
func (s *Service) storePassword(tx *db.Tx, id int64, p Password) error {
	if len(p.credentials) == 0 {
		return &PasswordError{PasswordShort}
	}
	if _, err := tx.Exec(`DELETE FROM account_credential WHERE account = $1`, id); err != nil {
		return fmt.Errorf("remove old keys: %w", err)
	}
	for h, c := range p.credentials {
		if _, err := addKeys(tx, id, h, c); err != nil {
			return err
		}
	}
	if len(p.credentials) < len(sasl.Hashes()) {
		tx.After(func() { s.surveys.changed(true) })
	}
	return nil
}

// addKeys stores keys where there are none for the hash function, and reports whether it did.
func addKeys(tx *db.Tx, id int64, h sasl.Hash, c sasl.Credentials) (bool, error) {
	const q = `
		INSERT INTO account_credential (account, hash, salt, iterations, stored_key, server_key)
		VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (account, hash) DO NOTHING`
	r, err := tx.Exec(q, id, h.String(), c.Salt, c.Iterations, c.StoredKey, c.ServerKey)
	if err != nil {
		return false, fmt.Errorf("store keys: %w", err)
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
