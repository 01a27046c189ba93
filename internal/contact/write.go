// SPDX-License-Identifier: Apache-2.0

package contact

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// row is an item with the request that goes with its state.
type row struct {
	Item
	request string
	askedAt int64
}

// Set puts a contact in the list, or changes the name and groups of one that is there (RFC 6121 §2.3, §2.4). Address,
// Name and Groups of the item count; the address is taken as bare. It returns ErrSelf, ErrLimit, ErrDuplicate or
// ErrTooMany. The list gets a new version also where nothing changed, since a push must follow.
func (s *Service) Set(tx *db.Tx, owner Owner, item Item) error {
	if err := check(owner, item); err != nil {
		return err
	}
	before, err := read(tx, owner, item.Address)
	if err != nil {
		return err
	}
	after := before
	after.Listed, after.Name, after.Groups = true, item.Name, item.Groups
	return s.save(tx, owner, before, &after, true)
}

func check(owner Owner, item Item) error {
	if item.Address.Bare() == owner.JID {
		return ErrSelf
	}
	if len(item.Name) > maxText || len(item.Groups) > maxGroups {
		return ErrLimit
	}
	for i, g := range item.Groups {
		if g == "" || len(g) > maxText {
			return ErrLimit
		}
		if slices.Contains(item.Groups[:i], g) {
			return ErrDuplicate
		}
	}
	return nil
}

// Remove takes a contact out of the list, with all subscriptions and requests between the two, and returns what it
// was; the caller tells the contact (RFC 6121 §2.5.2): unsubscribe where the state had To or PendingOut, unsubscribed
// where it had From or PendingIn. It returns ErrUnknown where the list does not show the address.
func (s *Service) Remove(tx *db.Tx, owner Owner, address jid.JID) (Item, error) {
	before, err := read(tx, owner, address)
	if err != nil {
		return Item{}, err
	}
	if !before.Listed {
		return Item{}, ErrUnknown
	}
	after := row{Item: Item{Address: before.Address}}
	return before.Item, s.save(tx, owner, before, &after, true)
}

// Outbound notes a stanza of type t that the owner sends to peer, and returns what to do with it (RFC 6121 §A.2). It
// returns ErrSelf for the owner's own address and ErrTooMany where the list is full.
func (s *Service) Outbound(tx *db.Tx, owner Owner, peer jid.JID, t Type) (Verdict, error) {
	before, err := other(tx, owner, peer)
	if err != nil {
		return Verdict{}, err
	}
	after := before
	next, route, preapproval := before.State.outbound(t)
	after.State = next
	switch t {
	case Subscribe:
		after.Listed = true // RFC 6121 §3.1.2: the push shows the contact
	case Subscribed:
		after.Listed = before.Listed || next.Has(From) || preapproval // RFC 6121 §3.1.5, §3.4.2
		after.Approved = before.Approved || preapproval
	case Unsubscribed:
		after.Approved = false // RFC 6121 §3.2.2
	}
	return s.conclude(tx, owner, before, after, Verdict{Route: route})
}

// Inbound notes a stanza of type t that peer has sent to the owner, and returns what to do with it (RFC 6121 §A.3).
// raw is the whole stanza: of a request that must wait for the owner it is kept, if it is not larger than 8 KiB; of
// several, the first (RFC 6121 §3.1.3). It returns ErrSelf for the owner's own address, and ErrTooMany where 1,000
// people who are not in the list wait for an answer.
func (s *Service) Inbound(tx *db.Tx, owner Owner, peer jid.JID, t Type, raw string) (Verdict, error) {
	before, err := other(tx, owner, peer)
	if err != nil {
		return Verdict{}, err
	}
	after := before
	next, deliver, reply := before.State.inbound(t, before.Approved)
	after.State = next
	if next.Has(PendingIn) && !before.State.Has(PendingIn) {
		after.askedAt = s.now().UnixMicro()
		if len(raw) <= maxRequest {
			after.request = raw
		}
	}
	return s.conclude(tx, owner, before, after, Verdict{Deliver: deliver, Reply: reply})
}

// other is read for an address that must not be the owner's own.
func other(tx *db.Tx, owner Owner, peer jid.JID) (row, error) {
	if peer.Bare() == owner.JID {
		return row{}, ErrSelf
	}
	return read(tx, owner, peer)
}

// conclude saves after, if it differs from before, and completes the verdict.
func (s *Service) conclude(tx *db.Tx, owner Owner, before, after row, v Verdict) (Verdict, error) {
	v.Changed = shows(before.Item, after.Item)
	if v.Changed || before.State != after.State {
		if err := s.save(tx, owner, before, &after, v.Changed); err != nil {
			return Verdict{}, err
		}
	}
	v.Before, v.After = before.Item, after.Item
	return v, nil
}

// shows reports whether a client sees after differ from before. PendingIn is not shown (RFC 6121 §A.1).
func shows(before, after Item) bool {
	if !before.Listed && !after.Listed {
		return false
	}
	return before.Listed != after.Listed || before.State&^PendingIn != after.State&^PendingIn || before.Approved != after.Approved
}

// MakeMutual makes a and b contacts of each other, both seeing the presence of both, whatever was between them; names
// and groups stay. It is for invitations, where both have agreed already. It returns ErrSelf if a is b.
func (s *Service) MakeMutual(tx *db.Tx, a, b Owner) error {
	for _, pair := range [][2]Owner{{a, b}, {b, a}} {
		before, err := other(tx, pair[0], pair[1].JID)
		if err != nil {
			return err
		}
		after := before
		after.Listed, after.State = true, Both
		if before.State == Both && before.Listed {
			continue
		}
		if err := s.save(tx, pair[0], before, &after, true); err != nil {
			return err
		}
	}
	return nil
}

// Drop removes the whole list of an account that is deleted, and returns what was in it, requests included, in the
// order of the addresses. Nothing is told.
func (s *Service) Drop(tx *db.Tx, owner Owner) (items []Item, err error) {
	rows, err := tx.Query(`DELETE FROM contact WHERE owner = $1 RETURNING `+columns, owner.ID)
	if err != nil {
		return nil, fmt.Errorf("drop contacts: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		i, err := scan(rows)
		if err != nil {
			return nil, err
		}
		items = append(items, i)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("drop contacts: %w", err)
	}
	for _, q := range []string{`DELETE FROM contact_list WHERE owner = $1`, `DELETE FROM contact_removed WHERE owner = $1`} {
		if _, err := tx.Exec(q, owner.ID); err != nil {
			return nil, fmt.Errorf("drop contacts: %w", err)
		}
	}
	tx.After(func() { s.cache.forget(owner.ID) })
	slices.SortFunc(items, byAddress)
	return items, nil
}

// Holders returns the accounts that have a subscription or a request to or from address.
func (s *Service) Holders(tx db.Querier, address jid.JID) (owners []int64, err error) {
	const q = `SELECT owner FROM contact WHERE address = $1 AND state <> 0 ORDER BY owner` // by contact_address
	rows, err := tx.Query(q, address.Bare().String())
	if err != nil {
		return nil, fmt.Errorf("look for holders of a contact: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var owner int64
		if err := rows.Scan(&owner); err != nil {
			return nil, fmt.Errorf("look for holders of a contact: %w", err)
		}
		owners = append(owners, owner)
	}
	return owners, rows.Err()
}

// read returns the row of address; where there is none, one that says so.
func read(tx *db.Tx, owner Owner, address jid.JID) (r row, err error) {
	address = address.Bare()
	const q = `SELECT ` + columns + `, request, asked_at FROM contact WHERE owner = $1 AND address = $2`
	r.Item, err = scan(with{tx.QueryRow(q, owner.ID, address.String()), []any{&r.request, &r.askedAt}})
	if errors.Is(err, db.ErrNoRows) {
		return row{Item: Item{Address: address}}, nil
	}
	if err != nil {
		return row{}, fmt.Errorf("read contact: %w", err)
	}
	return r, nil
}

// with scans more columns after those that its caller asks for.
type with struct {
	row  *db.Row
	more []any
}

// Scan implements what scan needs.
func (w with) Scan(dest ...any) error { return w.row.Scan(slices.Concat(dest, w.more)...) }

// save writes after in place of before. Where the list shows the change, it gets a new version, which after then has,
// and the change is told.
func (s *Service) save(tx *db.Tx, owner Owner, before row, after *row, shown bool) error {
	if err := s.checkRoom(tx, owner, before, *after); err != nil {
		return err
	}
	if !after.State.Has(PendingIn) {
		after.request, after.askedAt = "", 0
	}
	if shown {
		var err error
		if after.Version, err = s.nextVersion(tx, owner); err != nil {
			return err
		}
	}
	var err error
	if after.Listed || after.State != None {
		err = write(tx, owner, *after)
	} else {
		_, err = tx.Exec(`DELETE FROM contact WHERE owner = $1 AND address = $2`, owner.ID, after.Address.String())
	}
	if err != nil {
		return fmt.Errorf("write contact: %w", err)
	}
	switch {
	case before.Listed && !after.Listed:
		err = s.remember(tx, owner, after.Address, after.Version)
	case !before.Listed && after.Listed:
		_, err = tx.Exec(`DELETE FROM contact_removed WHERE owner = $1 AND address = $2`, owner.ID, after.Address.String())
	}
	if err != nil {
		return fmt.Errorf("write removed contact: %w", err)
	}
	c := Change{Owner: owner, Item: after.Item, Removed: !after.Listed, Version: after.Version}
	tx.After(func() {
		s.cache.forget(owner.ID)
		if !shown {
			return
		}
		for _, f := range s.hooks {
			f(c)
		}
	})
	return nil
}

// checkRoom returns ErrTooMany where after is one more than there may be. Contacts made by invitation count, but are
// made even in a full list.
func (s *Service) checkRoom(tx *db.Tx, owner Owner, before, after row) error {
	var limit int
	switch {
	case after.Listed && !before.Listed && after.State != Both:
		limit = maxItems
	case !after.Listed && before.State == None && after.State != None:
		limit = maxPending
	default:
		return nil
	}
	var n int
	const q = `SELECT COUNT(*) FROM contact WHERE owner = $1 AND listed = $2` // by the primary key
	if err := tx.QueryRow(q, owner.ID, after.Listed).Scan(&n); err != nil {
		return fmt.Errorf("count contacts: %w", err)
	}
	if n >= limit {
		return ErrTooMany
	}
	return nil
}

func write(tx *db.Tx, owner Owner, r row) error {
	const q = `
		INSERT INTO contact (owner, address, listed, name, group_list, state, approved, request, asked_at, version)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
		ON CONFLICT (owner, address) DO UPDATE SET listed = excluded.listed, name = excluded.name,
			group_list = excluded.group_list, state = excluded.state, approved = excluded.approved,
			request = excluded.request, asked_at = excluded.asked_at, version = excluded.version`
	groups := []byte("[]")
	if len(r.Groups) > 0 {
		var err error
		if groups, err = json.Marshal(r.Groups); err != nil {
			return err
		}
	}
	_, err := tx.Exec(q, owner.ID, r.Address.String(), r.Listed, r.Name, string(groups), int64(r.State), r.Approved,
		r.request, r.askedAt, r.Version)
	return err
}

// nextVersion gives the list of owner a new version: the time, or one more than the last. After a database was
// restored from a backup, versions that clients saw in the lost time are therefore not given to other changes.
func (s *Service) nextVersion(tx *db.Tx, owner Owner) (version int64, err error) {
	const q = `
		INSERT INTO contact_list (owner, version, complete) VALUES ($1, $2, 0)
		ON CONFLICT (owner) DO UPDATE SET version =
			CASE WHEN contact_list.version < excluded.version THEN excluded.version ELSE contact_list.version + 1 END
		RETURNING version`
	if err := tx.QueryRow(q, owner.ID, s.now().UnixMicro()).Scan(&version); err != nil {
		return 0, fmt.Errorf("give list a new version: %w", err)
	}
	return version, nil
}

// remember notes that address was removed, and forgets the oldest such note where there are too many.
func (s *Service) remember(tx *db.Tx, owner Owner, address jid.JID, version int64) error {
	const q = `
		INSERT INTO contact_removed (owner, address, version) VALUES ($1, $2, $3)
		ON CONFLICT (owner, address) DO UPDATE SET version = excluded.version`
	if _, err := tx.Exec(q, owner.ID, address.String(), version); err != nil {
		return err
	}
	const forget = `
		DELETE FROM contact_removed WHERE owner = $1 AND address IN (
			SELECT address FROM contact_removed WHERE owner = $1 ORDER BY version DESC LIMIT 1 OFFSET $2)
		RETURNING version`
	var forgotten int64
	err := tx.QueryRow(forget, owner.ID, maxRemoved).Scan(&forgotten)
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	_, err = tx.Exec(`UPDATE contact_list SET complete = $2 WHERE owner = $1`, owner.ID, forgotten)
	return err
}
