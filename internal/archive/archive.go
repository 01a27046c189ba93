// SPDX-License-Identifier: Apache-2.0

// Package archive keeps every account's messages: what XEP-0313 v1.1.3 lets its owner read again, which of them wait
// for a device, and which are still on their way to the next account or server.
//
// An Entry is one message in one account's archive, as the bytes of its stanza; a message between two accounts of
// this server is two entries. Its ID is the time at which it was recorded, made unique: ids of one owner grow without
// exception, and become visible in their order, because they are given inside the acts of the one writer. Outside of
// the server an id is a text of 13 letters and digits that sorts like the number.
//
// A message that no device could take is marked as waiting, in the act that records it. Beside the marks stands, for
// each owner, the id up to which the devices have taken all others; it is saved now and then, so after a crash a
// few messages may come to a device twice, and none is lost.
//
// A message that goes on after it was recorded for its sender is in transit: the row is written in the act that
// records the sender's entry and removed in the act that records the recipient's (or when another server has it).
// Rows that a crash has left are sent on again at the start, and TakeTransit tells which were there already.
//
// What an owner does not want to have archived, but no device could take, is passing: it waits like the others, nobody
// finds it, and it is removed when a device has taken it.
//
// Find reads pages of an archive, by peer, time, id and text (find.go). Entries are counted as they come, so the number of
// those that match, and the place of a page among them, are differences. An act that fails may leave a gap in the
// numbers; then they are a little too high.
//
// Where an owner's entries have to be looked through, by peer or by the words of their texts (list.go, text.go),
// recording costs nothing for that: they are put into an index when the owner asks (index.go), and what came since is
// looked through.
//
// Run removes what is older than the server keeps (expire.go): the oldest first, without holes (XEP-0313 §3.2). A message
// that its author retracts leaves a tombstone (retract.go).
//
// Everything hangs on the account's row and goes with it. Ids of accounts are never used for another account.
// An Archive may be used by many goroutines.
package archive

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// ErrUnknown says that there is no entry with the id.
var ErrUnknown = errors.New("archive: unknown id")

//go:embed schema/*.sql
var schema embed.FS

// Schema returns the tables. They refer to account(id), so the schema of the accounts comes first.
func Schema() db.Schema { return db.Schema{Name: "archive", FS: schema} }

// Entry is one message in one account's archive.
type Entry struct {
	Owner   int64   // the account's id
	ID      ID      // 0 in an entry that has none yet
	Peer    jid.JID // bare: who the message is to or from, whichever is not the owner
	Sent    bool    // by the owner; else received
	Waiting bool    // marked: no device took it
	Passing bool    // not archived: it is only kept until a device has taken it
	Raw     xmlstream.Raw
}

const (
	cached      = 16384 // bounds what an Archive remembers
	maxSearches = 2     // look through much at a time; the store has more readers, and others need them
)

// Archive is the service.
type Archive struct {
	db     *db.DB
	now    func() time.Time
	cached int // owners that are remembered; twice as many peers

	mu    sync.Mutex // guards those below
	last  map[int64]count
	floor ID // no less than any id that was in last
	peers map[peer]int64
	older map[peer]int64 // the peers before those; those in use come back from here

	policies policies
	wanted   chan wanted   // what is to be indexed
	searches chan struct{} // one for each search under way that looks through much
}

type peer struct {
	owner   int64
	address string
}

// A count is an entry's id and number.
type count struct{ id, n int64 }

// New returns the archive in d. Entries are dated by now.
func New(d *db.DB, now func() time.Time) *Archive {
	return &Archive{db: d, now: now, cached: cached, last: map[int64]count{}, peers: map[peer]int64{},
		wanted: make(chan wanted, 64), searches: make(chan struct{}, maxSearches)}
}

// NextID gives an id to a message of owner that Append will record in the same act: it stands in the stanza itself
// (XEP-0359 §2.1), so it must be known before. It is greater than all that owner ever had: now, or one more than the last
// one where the clock stands still or goes back. If the act fails, the id is never given again.
func (a *Archive) NextID(tx *db.Tx, owner int64) (ID, error) {
	last, err := a.lastOf(tx, owner)
	if err != nil {
		return 0, err
	}
	last.id = max(last.id+1, a.now().UnixMicro())
	a.mu.Lock()
	a.last[owner] = last
	a.mu.Unlock()
	return ID(last.id), nil
}

// lastOf returns where owner stands, and remembers it.
func (a *Archive) lastOf(tx *db.Tx, owner int64) (count, error) {
	a.mu.Lock()
	last, ok := a.last[owner]
	floor := a.floor
	a.mu.Unlock()
	if ok {
		return last, nil
	}
	// An owner may have deleted newer entries than there are now; what was taken still counts.
	var taken int64
	const q = `SELECT COALESCE((SELECT id FROM archive_taken WHERE owner = $1), 0)`
	err := tx.QueryRow(q, owner).Scan(&taken)
	if err == nil {
		const q = `SELECT id, n FROM archive WHERE owner = $1 ORDER BY id DESC LIMIT 1` // archive_owner
		err = none(tx.QueryRow(q, owner).Scan(&last.id, &last.n))
	}
	if err != nil {
		return count{}, fmt.Errorf("last in archive of %d: %w", owner, err)
	}
	last.id = max(last.id, taken, int64(floor))
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.last) >= a.cached {
		for _, last := range a.last {
			a.floor = max(a.floor, ID(last.id))
		}
		clear(a.last)
	}
	a.last[owner] = last
	return last, nil
}

// none takes it for no error that there is no row.
func none(err error) error {
	if errors.Is(err, db.ErrNoRows) {
		return nil
	}
	return err
}

// Append records e and returns its id: e.ID, which NextID gave in this act, or a new one where that is 0.
func (a *Archive) Append(tx *db.Tx, e Entry) (ID, error) {
	if e.ID == 0 {
		id, err := a.NextID(tx, e.Owner)
		if err != nil {
			return 0, err
		}
		e.ID = id
	}
	n, err := a.count(tx, e)
	if err != nil {
		return 0, err
	}
	with, err := a.peer(tx, e.Owner, e.Peer.Bare().String())
	if err != nil {
		return 0, err
	}
	if e.Passing {
		with = -with
	}
	const q = "INSERT INTO archive (owner, id, peer, n, sent, waiting, raw) VALUES ($1, $2, $3, $4, $5, $6, $7)"
	if _, err := tx.Exec(q, e.Owner, int64(e.ID), with, n, e.Sent, e.Waiting, string(e.Raw)); err != nil {
		return 0, fmt.Errorf("append to archive of %d: %w", e.Owner, err)
	}
	return e.ID, nil
}

// count gives e its number. What is only passing has that of the entry before.
func (a *Archive) count(tx *db.Tx, e Entry) (int64, error) {
	last, err := a.lastOf(tx, e.Owner)
	if err != nil || e.Passing {
		return last.n, err
	}
	last.n++
	a.mu.Lock()
	a.last[e.Owner] = last
	a.mu.Unlock()
	return last.n, nil
}

// peer returns the number of address in the archive of owner; a new one gets the next.
func (a *Archive) peer(tx *db.Tx, owner int64, address string) (int64, error) {
	key := peer{owner, address}
	if id, ok := a.known(key); ok {
		return id, nil
	}
	const q = `
		INSERT INTO archive_peer (owner, address, id)
		SELECT $1, $2, COALESCE(MAX(id), 0) + 1 FROM archive_peer WHERE owner = $1
		ON CONFLICT (owner, address) DO UPDATE SET address = excluded.address
		RETURNING id`
	var id int64
	if err := tx.QueryRow(q, owner, address).Scan(&id); err != nil {
		return 0, fmt.Errorf("peer in archive of %d: %w", owner, err)
	}
	tx.After(func() { // not before: the row may be undone
		a.mu.Lock()
		defer a.mu.Unlock()
		a.keep(key, id)
	})
	return id, nil
}

// known returns the number of a peer that is remembered.
func (a *Archive) known(key peer) (int64, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	id, ok := a.peers[key]
	if !ok {
		if id, ok = a.older[key]; ok {
			a.keep(key, id)
		}
	}
	return id, ok
}

// keep remembers a peer. a.mu is held.
func (a *Archive) keep(key peer, id int64) {
	if len(a.peers) >= a.cached {
		a.peers, a.older = map[peer]int64{}, a.peers
	}
	key.address = strings.Clone(key.address) // it may be a piece of a whole stanza
	a.peers[key] = id
}

// forget is for the act that removes the peer's row.
func (a *Archive) forget(key peer) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.peers, key)
	delete(a.older, key)
}

// Queries; collect reads their columns. These walk along the index archive_owner.
const (
	columns = `a.owner, a.id, p.address, a.sent, a.waiting, a.peer < 0, a.raw
		FROM archive a JOIN archive_peer p ON p.owner = a.owner AND p.id = ABS(a.peer)`
	one  = "SELECT " + columns + " WHERE a.owner = $1 AND a.id = $2"
	page = "SELECT " + columns + " WHERE a.owner = $1 AND a.id > $2 ORDER BY a.id LIMIT $3"
)

// Get returns one entry, or ErrUnknown.
func (a *Archive) Get(ctx context.Context, owner int64, id ID) (Entry, error) {
	list, err := a.read(ctx, one, owner, int64(id))
	if err != nil {
		return Entry{}, err
	}
	if len(list) == 0 {
		return Entry{}, ErrUnknown
	}
	return list[0], nil
}

// Page returns the first entries of owner after the one with the id after (0: from the beginning), limit at most,
// in their order. There may or may not be an entry with that id.
func (a *Archive) Page(ctx context.Context, owner int64, after ID, limit int) ([]Entry, error) {
	return a.read(ctx, page, owner, int64(after), limit)
}

func (a *Archive) read(ctx context.Context, q string, args ...any) (list []Entry, err error) {
	err = a.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		list, err = collect(nil, tx, q, args...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read archive: %w", err)
	}
	return list, nil
}

// collect appends the entries that q finds to list.
func collect(list []Entry, tx *db.ReadTx, q string, args ...any) ([]Entry, error) {
	rows, err := tx.Query(q, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var e Entry
		var address string
		if err := rows.Scan(&e.Owner, &e.ID, &address, &e.Sent, &e.Waiting, &e.Passing, &e.Raw); err != nil {
			return nil, err
		}
		if e.Peer, err = jid.Parse(address); err != nil {
			return nil, err
		}
		list = append(list, e)
	}
	return list, rows.Err()
}
