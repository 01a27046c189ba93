// SPDX-License-Identifier: Apache-2.0

package account

import (
	"errors"
	"fmt"

	"github.com/kith-im/kith/internal/db"
)

// Create makes an account. It returns a *NameError for names that new accounts cannot have, and ErrTaken for those
// that somebody has or had.
func (s *Service) Create(tx *db.Tx, name string, p Password, role Role) (Account, error) {
	if _, err := ParseRole(string(role)); err != nil {
		return Account{}, err
	}
	name, err := s.CheckName(name, role)
	if err != nil {
		return Account{}, err
	}
	// An id is never given twice: it is the time, or one more than the highest ever.
	const q = `
		INSERT INTO account (id, name, role, disabled, created_at)
		SELECT CASE WHEN last.id < $1 THEN $1 ELSE last.id + 1 END, $2, $3, FALSE, $1
		FROM (SELECT COALESCE(MAX(id), 0) AS id FROM (
			SELECT MAX(id) AS id FROM account UNION ALL SELECT MAX(account) FROM account_tombstone) AS ids) AS last
		WHERE NOT EXISTS (SELECT 1 FROM account_tombstone WHERE name = $2)
		ON CONFLICT (name) DO NOTHING
		RETURNING id, name, role, disabled, created_at`
	a, err := scan(tx.QueryRow(q, s.now().UnixMicro(), name, role))
	if errors.Is(err, ErrUnknown) {
		return Account{}, ErrTaken
	}
	if err != nil {
		return Account{}, err
	}
	if err := storePassword(tx, a.ID, p); err != nil {
		return Account{}, err
	}
	s.changed(tx, a, Created)
	return a, nil
}

// othersAdmin is true where the account at hand is no admin who counts, or another such admin is left.
const othersAdmin = `(account.role <> 'admin' OR account.disabled OR EXISTS (
	SELECT 1 FROM account AS other WHERE other.id <> account.id AND other.role = 'admin' AND NOT other.disabled))`

// SetDisabled locks an account, or unlocks it. It returns ErrUnknown or ErrLastAdmin; nothing is told if it was so.
func (s *Service) SetDisabled(tx *db.Tx, id int64, disabled bool) error {
	const q = `
		UPDATE account SET disabled = $2 WHERE id = $1 AND disabled <> $2 AND (NOT $2 OR ` + othersAdmin + `)
		RETURNING id, name, role, disabled, created_at`
	change := Enabled
	if disabled {
		change = Disabled
	}
	_, err := s.update(tx, id, change, func(a Account) bool { return a.Disabled == disabled }, q, id, disabled)
	return err
}

// SetRole changes what an account may do. It returns ErrUnknown, ErrRole or ErrLastAdmin; nothing is told if it had
// the role.
func (s *Service) SetRole(tx *db.Tx, id int64, role Role) error {
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	const q = `
		UPDATE account SET role = $2 WHERE id = $1 AND role <> $2 AND ` + othersAdmin + `
		RETURNING id, name, role, disabled, created_at`
	_, err := s.update(tx, id, RoleChanged, func(a Account) bool { return a.Role == role }, q, id, role)
	return err
}

// update runs a statement that returns the account it changed, tells of the change, and returns the account. Where
// nothing was changed, the account is unknown, or is the last admin, or was so already: then there is no error, and
// the account returned is the zero one.
func (s *Service) update(tx *db.Tx, id int64, what Change, already func(Account) bool, q string, args ...any) (Account, error) {
	a, err := scan(tx.QueryRow(q, args...))
	if err == nil {
		s.changed(tx, a, what)
		return a, nil
	}
	if !errors.Is(err, ErrUnknown) {
		return Account{}, err
	}
	if a, err = s.Get(tx, id); err != nil {
		return Account{}, err
	}
	if already(a) {
		return Account{}, nil
	}
	return Account{}, ErrLastAdmin
}

// Delete removes an account with its credentials, tokens and codes, and leaves a tombstone of its name. It returns
// ErrUnknown or ErrLastAdmin. What else belongs to the account is removed by internal/act/removal, in the same act.
func (s *Service) Delete(tx *db.Tx, id int64) error {
	const q = `DELETE FROM account WHERE id = $1 AND ` + othersAdmin + `
		RETURNING id, name, role, disabled, created_at`
	a, err := s.update(tx, id, Deleted, func(Account) bool { return false }, q, id)
	if err != nil {
		return err
	}
	if err := s.endTokens(tx, id); err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM account_credential WHERE account = $1`, id); err != nil {
		return fmt.Errorf("delete credentials: %w", err)
	}
	const bury = `INSERT INTO account_tombstone (name, account, deleted_at) VALUES ($1, $2, $3)`
	if _, err := tx.Exec(bury, a.Name, a.ID, s.now().UnixMicro()); err != nil {
		return fmt.Errorf("leave tombstone: %w", err)
	}
	return nil
}
