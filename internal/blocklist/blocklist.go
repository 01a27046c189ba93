// SPDX-License-Identifier: Apache-2.0

// Package blocklist knows from whom an account wants to hear nothing (XEP-0191 v1.3).
//
// A list is a set of addresses. An address of a person stands for all devices, that of a device for this one alone, and
// a domain for everybody on it (Set.Covers). Lists are read from memory: a bounded cache, corrected after each commit, so
// that a message costs one look into a map, and those of people who block nobody cost nothing else.
//
// What changes is told to the functions given to OnChange, after the commit. A Service may be used by many goroutines;
// the methods that take a *db.Tx belong to the act of that Tx.
package blocklist

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"iter"
	"maps"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// maxEntries bounds one list.
const maxEntries = 10_000

var (
	// ErrTooMany says that the list is full.
	ErrTooMany = errors.New("blocklist: list is full")
	// ErrSelf says that nobody can block themselves or a device of theirs (XEP-0191 §5).
	ErrSelf = errors.New("blocklist: own address")
)

// An Owner is an account that has a list.
type Owner struct {
	ID  int64
	JID jid.JID // bare
}

// A Set is a list as it was when it was asked for. It does not change. The zero value blocks nobody.
type Set struct{ addresses map[jid.JID]struct{} }

// SetOf returns the set of some addresses.
func SetOf(list ...jid.JID) Set {
	s := Set{make(map[jid.JID]struct{}, len(list))}
	for _, a := range list {
		s.addresses[a] = struct{}{}
	}
	return s
}

// Len is how many addresses the set has.
func (s Set) Len() int { return len(s.addresses) }

// All yields the addresses of the set, in no order.
func (s Set) All() iter.Seq[jid.JID] { return maps.Keys(s.addresses) }

// Covers reports whether the list blocks an address (XEP-0191 §6): by itself; a device of a person by the person's
// address; and all that is of a domain by that domain.
func (s Set) Covers(a jid.JID) bool {
	if len(s.addresses) == 0 {
		return false
	}
	if s.has(a) {
		return true
	}
	return a.IsFull() && s.has(a.Bare()) || s.has(a.DomainJID())
}

func (s Set) has(a jid.JID) bool {
	_, ok := s.addresses[a]
	return ok
}

// A Change is what happened to a list. What was asked for is told even where it was so already, since devices that
// follow the list expect to hear of it (XEP-0191 §3.3).
type Change struct {
	Owner     Owner
	Blocked   []jid.JID
	Unblocked []jid.JID // with All, what was in the list
	All       bool      // the list is empty now (XEP-0191 §3.5)
}

// Service is the lists of a server.
type Service struct {
	db    *db.DB
	cache cache
	hooks []func(Change)
}

// New returns the lists kept in d, which has the tables of Schema.
func New(d *db.DB) *Service { return &Service{db: d, cache: newCache()} }

//go:embed schema
var schema embed.FS

// Schema is the table of this package. It hangs on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "blocklist", FS: schema} }

// OnChange has f called after the commit of each change, in commit order, on the writer's goroutine, so f must not
// block. It is called before the service is used.
func (s *Service) OnChange(f func(Change)) { s.hooks = append(s.hooks, f) }

// Of returns the list of an account.
func (s *Service) Of(ctx context.Context, owner int64) (Set, error) {
	list, turn, ok := s.cache.get(owner)
	if ok {
		return list, nil
	}
	addresses := map[jid.JID]struct{}{}
	err := s.db.Read(ctx, func(tx *db.ReadTx) error {
		list, err := read(tx, owner)
		for _, a := range list {
			addresses[a] = struct{}{}
		}
		return err
	})
	if err != nil {
		return Set{}, fmt.Errorf("read blocklist: %w", err)
	}
	if len(addresses) > 0 {
		list = Set{addresses}
	}
	s.cache.put(owner, turn, list)
	return list, nil
}

// Blocked reports whether the account wants to hear nothing from an address.
func (s *Service) Blocked(ctx context.Context, owner int64, address jid.JID) (bool, error) {
	list, err := s.Of(ctx, owner)
	return list.Covers(address), err
}

// List returns the addresses in the account's list, sorted.
func (s *Service) List(ctx context.Context, owner int64) (list []jid.JID, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		list, err = read(tx, owner)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("list who is blocked: %w", err)
	}
	return list, nil
}

// Add blocks addresses. It returns ErrSelf for the owner's own, and ErrTooMany where the list would have more than
// 10,000 entries; the act must fail then.
func (s *Service) Add(tx *db.Tx, owner Owner, addresses ...jid.JID) error {
	for _, a := range addresses {
		if a.Bare() == owner.JID {
			return ErrSelf
		}
		const q = `INSERT INTO blocklist (owner, address) VALUES ($1, $2) ON CONFLICT (owner, address) DO NOTHING`
		if _, err := tx.Exec(q, owner.ID, a.String()); err != nil {
			return fmt.Errorf("block: %w", err)
		}
	}
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM blocklist WHERE owner = $1`, owner.ID).Scan(&n); err != nil {
		return fmt.Errorf("count who is blocked: %w", err)
	}
	if n > maxEntries {
		return ErrTooMany
	}
	s.changed(tx, Change{Owner: owner, Blocked: addresses})
	return nil
}

// Remove takes addresses out of the list.
func (s *Service) Remove(tx *db.Tx, owner Owner, addresses ...jid.JID) error {
	for _, a := range addresses {
		if _, err := tx.Exec(`DELETE FROM blocklist WHERE owner = $1 AND address = $2`, owner.ID, a.String()); err != nil {
			return fmt.Errorf("unblock: %w", err)
		}
	}
	s.changed(tx, Change{Owner: owner, Unblocked: addresses})
	return nil
}

// RemoveAll empties the list.
func (s *Service) RemoveAll(tx *db.Tx, owner Owner) error {
	list, err := read(tx, owner.ID)
	if err == nil {
		_, err = tx.Exec(`DELETE FROM blocklist WHERE owner = $1`, owner.ID)
	}
	if err != nil {
		return fmt.Errorf("unblock all: %w", err)
	}
	s.changed(tx, Change{Owner: owner, Unblocked: list, All: true})
	return nil
}

// Clear removes a part of what is left of an account that was deleted, and returns how many entries that were; none
// when nothing is left.
func (s *Service) Clear(tx *db.Tx, owner int64) (int, error) {
	const q = `
		DELETE FROM blocklist WHERE owner = $1 AND address IN (
			SELECT address FROM blocklist WHERE owner = $1 LIMIT $2)`
	r, err := tx.Exec(q, owner, db.BatchRows)
	if err != nil {
		return 0, fmt.Errorf("clear blocklist: %w", err)
	}
	tx.After(func() { s.cache.forget(owner) })
	n, err := r.RowsAffected()
	return int(n), err
}

// changed corrects the cache and tells of a change, once tx is committed.
func (s *Service) changed(tx *db.Tx, c Change) {
	tx.After(func() {
		s.cache.forget(c.Owner.ID)
		for _, f := range s.hooks {
			f(c)
		}
	})
}

// read returns the list of owner as tx sees it, sorted.
func read(tx db.Querier, owner int64) (list []jid.JID, err error) {
	rows, err := tx.Query(`SELECT address FROM blocklist WHERE owner = $1 ORDER BY address`, owner) // by the primary key
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		a, err := jid.Parse(text)
		if err != nil {
			return nil, fmt.Errorf("entry %q: %w", text, err)
		}
		list = append(list, a)
	}
	return list, rows.Err()
}
