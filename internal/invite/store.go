// SPDX-License-Identifier: Apache-2.0

package invite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/internal/db"
)

const columns = `id, kind, inviter, inviter_name, role, name, note, uses, max_uses, first_admin, created_at, expires_at, revoked`

// scan reads the columns. It returns ErrUnknown where there is no row.
func scan(row interface{ Scan(...any) error }) (i Invite, err error) {
	var created, expires int64
	err = row.Scan(&i.ID, &i.Kind, &i.Inviter, &i.InviterName, &i.Role, &i.Name, &i.Note, &i.Uses, &i.MaxUses,
		&i.FirstAdmin, &created, &expires, &i.Revoked)
	if errors.Is(err, db.ErrNoRows) {
		return Invite{}, ErrUnknown
	}
	if err != nil {
		return Invite{}, fmt.Errorf("read invitation: %w", err)
	}
	i.Created, i.Expires = time.UnixMicro(created).UTC(), time.UnixMicro(expires).UTC()
	return i, nil
}

// Create makes an invitation and returns it with its token. It returns ErrRequest where r breaks a bound, ErrTooMany
// where the inviter has 100 open invitations, and ErrKept where another open one keeps the name. Whether the inviter may
// invite, and whether the name is free otherwise, is for the caller to know.
func (s *Service) Create(tx *db.Tx, r Request) (Invite, Token, error) {
	if err := r.complete(); err != nil {
		return Invite{}, "", err
	}
	if kept, err := s.KeptBy(tx, r.Name); err != nil {
		return Invite{}, "", err
	} else if kept != 0 {
		return Invite{}, "", ErrKept
	}
	if r.Inviter != 0 {
		const open = `SELECT COUNT(*) FROM invite WHERE inviter = $1 AND ended_at = 0 AND expires_at > $2` // by invite_inviter
		var n int
		if err := tx.QueryRow(open, r.Inviter, s.now().UnixMicro()).Scan(&n); err != nil {
			return Invite{}, "", fmt.Errorf("count invitations: %w", err)
		}
		if n >= maxOpen {
			return Invite{}, "", ErrTooMany
		}
	}
	return s.insert(tx, r, false)
}

func (s *Service) insert(tx *db.Tx, r Request, first bool) (Invite, Token, error) {
	const q = `
		INSERT INTO invite (id, kind, inviter, inviter_name, role, name, note, uses, max_uses, first_admin,
			created_at, expires_at, ended_at, revoked)
		SELECT CASE WHEN last.id < $9 THEN $9 ELSE last.id + 1 END, $1, $2, $3, $4, $5, $6, 0, $7, $8, $9, $10, 0, FALSE
		FROM (SELECT COALESCE(MAX(id), 0) AS id FROM invite) AS last
		RETURNING ` + columns
	now := s.now()
	i, err := scan(tx.QueryRow(q, r.Kind, r.Inviter, r.InviterName, r.Role, r.Name, r.Note, r.Uses, first,
		now.UnixMicro(), now.Add(r.TTL).UnixMicro()))
	if err != nil {
		return Invite{}, "", err
	}
	return i, s.Token(i.ID), nil
}

// complete puts the defaults in and checks the bounds.
func (r *Request) complete() error {
	if r.Kind == "" {
		r.Kind = Account
	}
	if r.Uses == 0 {
		r.Uses = 1
	}
	if r.TTL == 0 {
		r.TTL = DefaultTTL
	}
	switch {
	case r.Kind != Account && r.Kind != Contact:
		return fmt.Errorf("%w: kind %q", ErrRequest, r.Kind)
	case (r.Inviter == 0) != (r.InviterName == ""), r.Kind == Contact && r.Inviter == 0:
		return fmt.Errorf("%w: no inviter", ErrRequest)
	case r.Role == "":
		return fmt.Errorf("%w: no role", ErrRequest)
	case r.Uses < 0 || r.Uses > maxUses, r.Name != "" && r.Uses != 1:
		return fmt.Errorf("%w: %d uses", ErrRequest, r.Uses)
	case r.TTL < 0 || r.TTL > maxTTL:
		return fmt.Errorf("%w: valid for %v", ErrRequest, r.TTL)
	case len(r.Note) > maxNote:
		return fmt.Errorf("%w: note too long", ErrRequest)
	}
	return nil
}

// FirstAdmin returns the invitation by which the first admin comes in: the one that is open, or else a new one that
// is good for 24 hours. It is for servers that have no admin; EndFirstAdmin ends it when there is one.
func (s *Service) FirstAdmin(tx *db.Tx) (Invite, Token, error) {
	const q = `
		SELECT ` + columns + ` FROM invite
		WHERE first_admin AND ended_at = 0 AND expires_at > $1 ORDER BY id DESC LIMIT 1` // few rows at that time
	i, err := scan(tx.QueryRow(q, s.now().UnixMicro()))
	if errors.Is(err, ErrUnknown) {
		return s.insert(tx, Request{Kind: Account, Role: roleOfFirst, Uses: 1, TTL: firstTTL}, true)
	}
	if err != nil {
		return Invite{}, "", err
	}
	return i, s.Token(i.ID), nil
}

// EndFirstAdmin revokes what FirstAdmin gave and nobody used.
func (s *Service) EndFirstAdmin(tx *db.Tx) error {
	const q = `UPDATE invite SET revoked = TRUE, ended_at = $1 WHERE first_admin AND ended_at = 0`
	if _, err := tx.Exec(q, s.now().UnixMicro()); err != nil {
		return fmt.Errorf("end the first admin's invitation: %w", err)
	}
	return nil
}

// Look returns the invitation of t. Where it cannot be redeemed any more it returns it beside ErrRevoked, ErrUsed or
// ErrExpired, for a page that explains.
func (s *Service) Look(ctx context.Context, t Token) (i Invite, err error) {
	if _, ok := s.id(t); !ok {
		return Invite{}, ErrUnknown // without asking the store: anybody can send anything
	}
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		i, err = s.Check(tx, t)
		return err
	})
	return i, err
}

// Check is Look as tx sees it.
func (s *Service) Check(tx db.Querier, t Token) (Invite, error) {
	id, ok := s.id(t)
	if !ok {
		return Invite{}, ErrUnknown
	}
	i, err := scan(tx.QueryRow(`SELECT `+columns+` FROM invite WHERE id = $1`, id))
	if err != nil {
		return Invite{}, err
	}
	return i, i.Err(s.now())
}

// KeptBy returns the id of the open invitation that keeps a name for who was invited (XEP-0401 §6.2), 0 where none does.
func (s *Service) KeptBy(tx db.Querier, name string) (id int64, err error) {
	if name == "" {
		return 0, nil
	}
	const q = `SELECT id FROM invite WHERE name = $1 AND name <> '' AND ended_at = 0 AND expires_at > $2 LIMIT 1` // by invite_name
	err = tx.QueryRow(q, name, s.now().UnixMicro()).Scan(&id)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return 0, fmt.Errorf("look for a name that is kept: %w", err)
	}
	return id, nil
}

// Kept reports whether an open invitation keeps a name.
func (s *Service) Kept(ctx context.Context, name string) (kept bool, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		id, err := s.KeptBy(tx, name)
		kept = id != 0
		return err
	})
	return kept, err
}

// By says who redeems an invitation.
type By struct {
	ID    int64     // account; 0: one of another server
	Name  string    // localpart, normalised; of an account of another server its bare address
	Since time.Time // when the invitation was found good: whether it has expired is judged by then; zero: now
}

// Redeem counts one use of the invitation of t, by an account that exists or is made in the same act, and returns it.
// It returns ErrUnknown, ErrRevoked, ErrUsed, ErrExpired, ErrName where the invitation is for another name, and
// ErrUsed where by has used it before; then nothing has changed.
func (s *Service) Redeem(tx *db.Tx, t Token, by By) (Invite, error) {
	id, ok := s.id(t)
	if !ok {
		return Invite{}, ErrUnknown
	}
	const q = `
		UPDATE invite SET uses = uses + 1, ended_at = CASE WHEN uses + 1 >= max_uses THEN $2 ELSE 0 END
		WHERE id = $1 AND uses < max_uses AND expires_at > $3 AND NOT revoked AND name IN ('', $4)
		AND NOT EXISTS (SELECT 1 FROM invite_use WHERE invite = $1 AND account = $5)
		RETURNING ` + columns
	now, since := s.now(), by.Since
	if since.IsZero() {
		since = now
	}
	i, err := scan(tx.QueryRow(q, id, now.UnixMicro(), since.UnixMicro(), by.Name, by.ID))
	if errors.Is(err, ErrUnknown) {
		return Invite{}, s.whyNot(tx, id, by.Name, since)
	}
	if err != nil {
		return Invite{}, err
	}
	tx.After(s.redeemed.Inc)
	if by.ID == 0 {
		return i, nil
	}
	const use = `INSERT INTO invite_use (invite, account, used_at) VALUES ($1, $2, $3)`
	if _, err := tx.Exec(use, id, by.ID, now.UnixMicro()); err != nil {
		return Invite{}, fmt.Errorf("note use of invitation: %w", err)
	}
	return i, nil
}

// whyNot says why the invitation id could not be redeemed.
func (s *Service) whyNot(tx *db.Tx, id int64, name string, since time.Time) error {
	i, err := scan(tx.QueryRow(`SELECT `+columns+` FROM invite WHERE id = $1`, id))
	if err == nil {
		err = i.Err(since)
	}
	switch {
	case err != nil:
		return err
	case i.Name != "" && i.Name != name:
		return ErrName
	}
	return ErrUsed // by the same one
}

// Revoke takes an invitation back. It returns ErrUnknown where there is none of id, and nothing happens where it has
// ended already. A caller that acts for a person checks first that the invitation is that person's.
func (s *Service) Revoke(tx *db.Tx, id int64) error {
	const q = `
		UPDATE invite SET revoked = (revoked OR ended_at = 0), ended_at = CASE WHEN ended_at = 0 THEN $2 ELSE ended_at END
		WHERE id = $1 RETURNING id`
	err := tx.QueryRow(q, id, s.now().UnixMicro()).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return ErrUnknown
	}
	if err != nil {
		return fmt.Errorf("revoke invitation: %w", err)
	}
	return nil
}

// Forget removes what is known of a deleted account: its open invitations are revoked, and it is no longer said which
// one it came by.
func (s *Service) Forget(tx *db.Tx, account int64) error {
	const revoke = `UPDATE invite SET revoked = TRUE, ended_at = $2 WHERE inviter = $1 AND ended_at = 0`
	if _, err := tx.Exec(revoke, account, s.now().UnixMicro()); err != nil {
		return fmt.Errorf("revoke invitations: %w", err)
	}
	if _, err := tx.Exec(`DELETE FROM invite_use WHERE account = $1`, account); err != nil {
		return fmt.Errorf("forget use of invitation: %w", err)
	}
	return nil
}

// A Filter says which invitations List returns.
type Filter struct {
	Inviter int64 // of this account only; 0 means of all, the server's included
	Ended   bool  // also those that have ended
	After   int64 // only those with a lower id, for the next page; 0 means from the newest
	Limit   int   // at most so many
}

// List returns invitations, the newest first.
func (s *Service) List(ctx context.Context, f Filter) (list []Invite, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `
			SELECT ` + columns + ` FROM invite
			WHERE (inviter = $1 OR $1 = 0) AND (id < $2 OR $2 = 0) AND ($3 OR (ended_at = 0 AND expires_at > $4))
			ORDER BY id DESC LIMIT $5`
		rows, err := tx.Query(q, f.Inviter, f.After, f.Ended, s.now().UnixMicro(), f.Limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			i, err := scan(rows)
			if err != nil {
				return err
			}
			list = append(list, i)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list invitations: %w", err)
	}
	return list, nil
}

// UsedBy returns the accounts that have used the invitation id, in the order in which they did.
func (s *Service) UsedBy(ctx context.Context, id int64) (accounts []int64, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		rows, err := tx.Query(`SELECT account FROM invite_use WHERE invite = $1 ORDER BY used_at, account`, id)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var account int64
			if err := rows.Scan(&account); err != nil {
				return err
			}
			accounts = append(accounts, account)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read uses of invitation: %w", err)
	}
	return accounts, nil
}
