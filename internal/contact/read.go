// SPDX-License-Identifier: Apache-2.0

package contact

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// A Request is a subscription request that waits for the owner's answer.
type Request struct {
	From jid.JID   // bare
	Raw  string    // the whole stanza as it came, "" if it was too large to be kept
	At   time.Time // when it came, UTC
}

// List returns the items that the list of owner shows, in the order of their addresses, and its version.
func (s *Service) List(ctx context.Context, owner int64) ([]Item, int64, error) {
	l, err := s.load(ctx, owner)
	if err != nil {
		return nil, 0, err
	}
	return l.items, l.version, nil
}

// Get returns the item of address in the list of owner. Where there is none it returns the zero item, whose state is
// None, as RFC 6121 §A.1 has it.
func (s *Service) Get(ctx context.Context, owner int64, address jid.JID) (Item, error) {
	l, err := s.load(ctx, owner)
	if err != nil {
		return Item{}, err
	}
	if i, ok := l.find(address.Bare()); ok {
		return i, nil
	}
	return Item{Address: address.Bare()}, nil
}

// Subscribers returns the addresses that may see the presence of owner (from and both).
func (s *Service) Subscribers(ctx context.Context, owner int64) ([]jid.JID, error) {
	l, err := s.load(ctx, owner)
	if err != nil {
		return nil, err
	}
	return l.subscribers, nil
}

// Subscriptions returns the addresses whose presence owner may see (to and both).
func (s *Service) Subscriptions(ctx context.Context, owner int64) ([]jid.JID, error) {
	l, err := s.load(ctx, owner)
	if err != nil {
		return nil, err
	}
	return l.subscriptions, nil
}

// Pending returns the requests that wait for the answer of owner, the oldest first.
func (s *Service) Pending(ctx context.Context, owner int64) ([]Request, error) {
	l, err := s.load(ctx, owner)
	if err != nil {
		return nil, err
	}
	if !l.pending { // the usual case, without a query
		return nil, nil
	}
	var list []Request
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `SELECT address, request, asked_at FROM contact WHERE owner = $1 AND asked_at > 0 ORDER BY asked_at, address`
		rows, err := tx.Query(q, owner)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var r Request
			var address string
			var at int64
			if err := rows.Scan(&address, &r.Raw, &at); err != nil {
				return err
			}
			if r.From, err = jid.Parse(address); err != nil {
				return err
			}
			r.At = time.UnixMicro(at).UTC()
			list = append(list, r)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("read requests: %w", err)
	}
	return list, nil
}

// Changes returns what changed in the list of owner after version since, oldest first, and the list's version: items
// as they are now, and addresses that were removed. With full nothing is returned, because what happened since is not
// known, and the client needs the whole list (RFC 6121 §2.6.3).
func (s *Service) Changes(ctx context.Context, owner, since int64) (list []Change, version int64, full bool, err error) {
	l, err := s.load(ctx, owner)
	if err != nil {
		return nil, 0, false, err
	}
	if since == l.version {
		return nil, l.version, false, nil
	}
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		var complete int64
		if version, complete, err = listVersion(tx, owner); err != nil {
			return err
		}
		if full = since < complete || since > version || since <= 0; full {
			return nil
		}
		list, err = changes(tx, owner, since)
		return err
	})
	if err != nil {
		return nil, 0, false, fmt.Errorf("read changes of contacts: %w", err)
	}
	return list, version, full, nil
}

func changes(tx *db.ReadTx, owner, since int64) (list []Change, err error) {
	const items = `SELECT ` + columns + ` FROM contact WHERE owner = $1 AND listed AND version > $2`
	const removed = `
		SELECT address, FALSE, '', '[]', 0, FALSE, version FROM contact_removed WHERE owner = $1 AND version > $2`
	for _, q := range []string{items, removed} {
		rows, err := tx.Query(q, owner, since)
		if err != nil {
			return nil, err
		}
		defer rows.Close()
		for rows.Next() {
			i, err := scan(rows)
			if err != nil {
				return nil, err
			}
			list = append(list, Change{Item: i, Removed: !i.Listed, Version: i.Version})
		}
		if err := rows.Err(); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(list, func(a, b Change) int { return cmp.Compare(a.Version, b.Version) })
	return list, nil
}

// listVersion returns the version of the list of owner, and the one from which on every removal is remembered.
func listVersion(tx db.Querier, owner int64) (version, complete int64, err error) {
	err = tx.QueryRow(`SELECT version, complete FROM contact_list WHERE owner = $1`, owner).Scan(&version, &complete)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return 0, 0, fmt.Errorf("read version: %w", err)
	}
	return version, complete, nil
}

const columns = `address, listed, name, group_list, state, approved, version`

// scan reads the columns of an item.
func scan(row interface{ Scan(...any) error }) (i Item, err error) {
	var address, groups string
	if err := row.Scan(&address, &i.Listed, &i.Name, &groups, &i.State, &i.Approved, &i.Version); err != nil {
		return Item{}, err
	}
	if i.Address, err = jid.Parse(address); err != nil {
		return Item{}, fmt.Errorf("read contact: %w", err)
	}
	if groups == "[]" {
		return i, nil
	}
	if err := json.Unmarshal([]byte(groups), &i.Groups); err != nil {
		return Item{}, fmt.Errorf("read groups: %w", err)
	}
	return i, nil
}
