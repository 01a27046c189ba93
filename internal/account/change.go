// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"strconv"

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
		RETURNING ` + columns
	a, err := scan(tx.QueryRow(q, s.now().UnixMicro(), name, role))
	if errors.Is(err, ErrUnknown) {
		return Account{}, ErrTaken
	}
	if err != nil {
		return Account{}, err
	}
	if err := s.storePassword(tx, a.ID, p); err != nil {
		return Account{}, err
	}
	s.changed(tx, a, Created)
	return a, nil
}

// there is true of accounts that were not deleted. No name begins with a slash (RFC 7622 §3.3).
const there = `account.name NOT LIKE '/%'`

// othersAdmin is true where the account at hand is no admin who counts, or another such admin is left.
const othersAdmin = `(account.role <> 'admin' OR account.disabled OR EXISTS (
	SELECT 1 FROM account AS other WHERE other.id <> account.id AND other.role = 'admin' AND NOT other.disabled))`

// SetDisabled locks an account, or unlocks it. It returns ErrUnknown or ErrLastAdmin; nothing is told if it was so.
func (s *Service) SetDisabled(tx *db.Tx, id int64, disabled bool) error {
	const q = `
		UPDATE account SET disabled = $2 WHERE id = $1 AND disabled <> $2 AND ` + there + ` AND (NOT $2 OR ` + othersAdmin + `)
		RETURNING ` + columns
	change := Enabled
	if disabled {
		change = Disabled
	}
	return s.update(tx, id, change, func(a Account) bool { return a.Disabled == disabled }, q, id, disabled)
}

// SetRole changes what an account may do. It returns ErrUnknown, ErrRole or ErrLastAdmin; nothing is told if it had
// the role.
func (s *Service) SetRole(tx *db.Tx, id int64, role Role) error {
	if _, err := ParseRole(string(role)); err != nil {
		return err
	}
	const q = `
		UPDATE account SET role = $2 WHERE id = $1 AND role <> $2 AND ` + there + ` AND ` + othersAdmin + `
		RETURNING ` + columns
	return s.update(tx, id, RoleChanged, func(a Account) bool { return a.Role == role }, q, id, role)
}

// update runs a statement that returns the account it changed, and tells of the change. Where nothing was changed, the
// account is unknown, or is the last admin, or was so already, which is no error.
func (s *Service) update(tx *db.Tx, id int64, what Change, already func(Account) bool, q string, args ...any) error {
	a, err := scan(tx.QueryRow(q, args...))
	if err == nil {
		s.changed(tx, a, what)
		return nil
	}
	if !errors.Is(err, ErrUnknown) {
		return err
	}
	if a, err = s.Get(tx, id); err != nil {
		return err
	}
	if already(a) {
		return nil
	}
	return ErrLastAdmin
}

// Delete removes an account with its credentials, tokens and codes, and leaves a tombstone of its name. It returns
// ErrUnknown or ErrLastAdmin. What else belongs to the account is removed by internal/act/removal: a part in the same
// act, and what hangs on the account's row later, little by little. Until Erase the row stays, under a name that nobody
// can have, and is not found by any other method.
func (s *Service) Delete(tx *db.Tx, id int64) error {
	a, err := s.Get(tx, id)
	if err != nil {
		return err
	}
	const q = `
		UPDATE account SET name = $2, role = 'limited', disabled = TRUE WHERE id = $1 AND ` + othersAdmin + `
		RETURNING id`
	err = tx.QueryRow(q, id, "/"+strconv.FormatInt(id, 10)).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return ErrLastAdmin
	}
	if err != nil {
		return fmt.Errorf("delete account: %w", err)
	}
	s.changed(tx, a, Deleted)
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

// Deleted returns an account that Delete removed and Erase did not; ErrUnknown if there is none.
func (s *Service) Deleted(ctx context.Context) (id int64, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		return tx.QueryRow(`SELECT id FROM account WHERE name LIKE '/%' LIMIT 1`).Scan(&id) // seldom asked, so by no index
	})
	if errors.Is(err, db.ErrNoRows) {
		return 0, ErrUnknown
	}
	if err != nil {
		return 0, fmt.Errorf("look for deleted accounts: %w", err)
	}
	return id, nil
}

// Erase removes the row of an account that Delete removed, and with it what still hangs on it.
func (s *Service) Erase(tx *db.Tx, id int64) error {
	if _, err := tx.Exec(`DELETE FROM account WHERE id = $1 AND NOT (`+there+`)`, id); err != nil {
		return fmt.Errorf("erase account: %w", err)
	}
	return nil
}
