// SPDX-License-Identifier: Apache-2.0

// Package private keeps XML for accounts: what clients store for themselves (XEP-0049 v1.2), and what is left of older
// forms of things that have a newer one by now (bookmarks, vCards).
//
// What is kept has a name, that of its elements, and replaces what had that name before. A Service may be used by many
// goroutines; the methods that take a *db.Tx belong to the act of that Tx.
package private

import (
	"context"
	"embed"
	"errors"
	"fmt"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

var (
	// ErrSize says that what is to be kept under one name is too large.
	ErrSize = errors.New("private: too large")
	// ErrQuota says that all that is kept for the account would be too large or too much.
	ErrQuota = errors.New("private: the account has no room left")
)

// Options say how much there may be. Each 0 means what is said behind it.
type Options struct {
	Size  int   // bytes under one name: 128 KiB
	Names int   // of one account: 500
	Quota int64 // bytes of one account: 2 MiB
}

// Service is what is kept on a server.
type Service struct {
	db *db.DB
	o  Options
}

// New returns what is kept in d, which has the table of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Size == 0 {
		o.Size = 128 << 10
	}
	if o.Names == 0 {
		o.Names = 500
	}
	if o.Quota == 0 {
		o.Quota = 2 << 20
	}
	return &Service{d, o}
}

//go:embed schema
var schema embed.FS

// Schema is the table of this package. It hangs on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "private", FS: schema} }

// Get returns what is kept for owner under a name, "" where there is nothing.
func (s *Service) Get(ctx context.Context, owner int64, name xmlstream.Name) (raw xmlstream.Raw, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `SELECT xml FROM private_xml WHERE owner = $1 AND space = $2 AND local = $3`
		err := tx.QueryRow(q, owner, name.Space, name.Local).Scan((*string)(&raw))
		if errors.Is(err, db.ErrNoRows) {
			return nil
		}
		return err
	})
	if err != nil {
		return "", fmt.Errorf("read private XML: %w", err)
	}
	return raw, nil
}

// Set keeps raw, elements of that name with their namespace declared, instead of what owner had under it; "" keeps
// nothing. It returns ErrSize or ErrQuota.
func (s *Service) Set(tx *db.Tx, owner int64, name xmlstream.Name, raw xmlstream.Raw) error {
	const drop = `DELETE FROM private_xml WHERE owner = $1 AND space = $2 AND local = $3`
	if _, err := tx.Exec(drop, owner, name.Space, name.Local); err != nil {
		return fmt.Errorf("drop private XML: %w", err)
	}
	if raw == "" {
		return nil
	}
	size := len(name.Space) + len(name.Local) + len(raw)
	if size > s.o.Size {
		return ErrSize
	}
	var names int
	var sum int64
	const count = `SELECT count(*), coalesce(sum(size), 0) FROM private_xml WHERE owner = $1`
	if err := tx.QueryRow(count, owner).Scan(&names, &sum); err != nil {
		return fmt.Errorf("count private XML: %w", err)
	}
	if names >= s.o.Names || sum+int64(size) > s.o.Quota {
		return ErrQuota
	}
	const put = `INSERT INTO private_xml (owner, space, local, size, xml) VALUES ($1, $2, $3, $4, $5)`
	if _, err := tx.Exec(put, owner, name.Space, name.Local, size, string(raw)); err != nil {
		return fmt.Errorf("keep private XML: %w", err)
	}
	return nil
}

// Clear removes some of what owner has, as much as one act of a long job may change, and returns how much that was: 0
// where nothing is left.
func (s *Service) Clear(tx *db.Tx, owner int64) (n int, err error) {
	const q = `
		DELETE FROM private_xml WHERE owner = $1 AND (space, local) IN
			(SELECT space, local FROM private_xml WHERE owner = $1 LIMIT $2)`
	r, err := tx.Exec(q, owner, db.BatchRows)
	if err != nil {
		return 0, fmt.Errorf("clear private XML of %d: %w", owner, err)
	}
	changed, err := r.RowsAffected()
	return int(changed), err
}
