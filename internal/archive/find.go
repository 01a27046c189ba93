// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A Query asks for a page of those entries of an owner that match. What is zero does not matter.
type Query struct {
	Owner int64

	With              jid.JID   // who the message is to or from: a bare address is that of all its resources
	Start, End        time.Time // when it was recorded, to the millisecond; both are included
	AfterID, BeforeID ID        // entries between which it stands
	IDs               []ID      // entries that it is one of; not nil and empty matches nothing
	Text              string    // its body has words that begin with the words of this one
	AnyText           bool      // Text does not matter

	// Of those that match, the page has the first ones after After, or the last ones before Before, or those from Index on.
	After, Before ID
	Last          bool // the last ones, before Before unless that is 0
	Index         int  // counts from 0; -1 does not matter
	Max           int  // entries at most, 0 or more
	Bytes         int  // of their stanzas: no more entries than make that many, but one; 0 does not matter
}

// A Result is a page, in the order of the archive.
type Result struct {
	Entries  []Kept
	Complete bool // nothing that was asked for was left out because of Max and Bytes
	Index    int  // the place of the first entry of the page among all that match
	Count    int  // of all that match
}

// Kept is an entry as it is found.
type Kept struct {
	ID  ID
	Raw xmlstream.Raw
}

// All is a query for the first entries of owner, max at most.
func All(owner int64, max int) Query { return Query{Owner: owner, AnyText: true, Index: -1, Max: max} }

// Queries; $2 and $3 are ids between which they look, and $4 the number of a peer.
const (
	kept     = `FROM archive WHERE owner = $1 AND id > $2 AND id < $3 AND peer > 0 `       // archive_owner
	keptWith = `FROM archive_with WHERE owner = $1 AND peer = $4 AND id > $2 AND id < $3 ` // its key

	first     = `SELECT id, n ` + kept + `ORDER BY id LIMIT 1`
	last      = `SELECT id, n ` + kept + `ORDER BY id DESC LIMIT 1`
	firstWith = `SELECT id, n ` + keptWith + `ORDER BY id LIMIT 1`
	lastWith  = `SELECT id, n ` + keptWith + `ORDER BY id DESC LIMIT 1`

	forward  = `SELECT id, n, raw ` + kept + `ORDER BY id LIMIT $4`
	backward = `SELECT id, n, raw ` + kept + `ORDER BY id DESC LIMIT $4`

	withRaw = `SELECT w.id, w.n, a.raw FROM archive_with w JOIN archive a ON a.seq = w.seq
		WHERE w.owner = $1 AND w.peer = $4 AND w.id > $2 AND w.id < $3 `
	forwardWith  = withRaw + `ORDER BY w.id LIMIT $5`
	backwardWith = withRaw + `ORDER BY w.id DESC LIMIT $5`

	tailWith = `SELECT id ` + kept + `AND peer = $4 ORDER BY id`                  // archive_owner has all of it
	scan     = `SELECT id, raw ` + kept + `AND ($4 = 0 OR peer = $4) ORDER BY id` // archive_owner

	known   = `SELECT 1 FROM archive WHERE owner = $1 AND id = $2 AND peer > 0`         // archive_owner has all of it
	keptOne = `SELECT peer, raw FROM archive WHERE owner = $1 AND id = $2 AND peer > 0` // archive_owner
)

// Find returns the page that q asks for. It returns ErrUnknown where there is no entry with one of the ids in q.
func (a *Archive) Find(ctx context.Context, q Query) (r Result, err error) {
	if q.long() {
		select {
		case a.searches <- struct{}{}:
			defer func() { <-a.searches }()
		case <-ctx.Done():
			return Result{}, fmt.Errorf("search archive: %w", ctx.Err())
		}
	}
	f := &finder{Query: q}
	err = a.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		r, err = f.find(tx)
		return err
	})
	if err != nil {
		return Result{}, fmt.Errorf("search archive: %w", err)
	}
	if f.unindexed >= indexWorth {
		a.want(wanted{owner: q.Owner, texts: !q.AnyText})
	}
	return r, nil
}

// long reports whether the search looks at many entries, one by one.
func (q *Query) long() bool {
	const many = 100 // no more than a page of the archive
	return !q.AnyText || q.With.IsFull() && q.IDs == nil || len(q.IDs) > many
}

// Ends returns the ids of the first and the last entry of owner; 0 where there is none.
func (a *Archive) Ends(ctx context.Context, owner int64) (begin, end ID, err error) {
	f := &finder{Query: All(owner, 0)}
	err = a.db.Read(ctx, func(tx *db.ReadTx) error {
		f.tx = tx
		f.bounds()
		x, err := f.edge(first)
		if err == nil {
			begin = ID(x.id)
			x, err = f.edge(last)
			end = ID(x.id)
		}
		return err
	})
	if err != nil {
		return 0, 0, fmt.Errorf("ends of archive of %d: %w", owner, err)
	}
	return begin, end, nil
}

// A finder is a query under way.
type finder struct {
	Query
	tx        *db.ReadTx
	low, high ID    // those that match stand between them
	peer      int64 // 0: with anybody
	unindexed int   // entries that were looked through
}

func (f *finder) find(tx *db.ReadTx) (Result, error) {
	f.tx = tx
	f.bounds()
	for _, id := range append(f.IDs[:len(f.IDs):len(f.IDs)], f.AfterID, f.BeforeID, f.After, f.Before) {
		if id == 0 {
			continue
		}
		var found int
		if err := none(tx.QueryRow(known, f.Owner, int64(id)).Scan(&found)); err != nil {
			return Result{}, err
		}
		if found == 0 {
			return Result{}, ErrUnknown
		}
	}
	if !f.With.IsZero() {
		const q = "SELECT id FROM archive_peer WHERE owner = $1 AND address = $2"
		if err := none(tx.QueryRow(q, f.Owner, f.With.Bare().String()).Scan(&f.peer)); err != nil {
			return Result{}, err
		}
		if f.peer == 0 {
			return Result{Complete: true}, nil
		}
	}
	if f.AnyText && f.IDs == nil && !f.With.IsFull() {
		return f.page()
	}
	list, err := f.list()
	if err != nil {
		return Result{}, err
	}
	return f.cut(list)
}

// bounds finds out between which ids those that match stand. What an entry's time is is said to the millisecond, so
// that is what counts (XEP-0313 §4.1.2).
func (f *finder) bounds() {
	f.low, f.high = f.AfterID, math.MaxInt64
	if !f.Start.IsZero() {
		ms := f.Start.Add(time.Millisecond - 1).UnixMilli() // rounded up
		f.low = max(f.low, atMilli(ms)-1)
	}
	if !f.End.IsZero() {
		f.high = atMilli(f.End.UnixMilli() + 1)
	}
	if f.BeforeID != 0 {
		f.high = min(f.high, f.BeforeID)
	}
}

// atMilli is the first id of a millisecond.
func atMilli(ms int64) ID {
	const most = math.MaxInt64 / 1000
	return ID(min(max(ms, 0), most) * 1000)
}

// one returns the peer and the stanza of an entry.
func (f *finder) one(id ID) (peer int64, raw string, err error) {
	err = none(f.tx.QueryRow(keptOne, f.Owner, int64(id)).Scan(&peer, &raw))
	if err == nil && peer == 0 {
		err = ErrUnknown
	}
	return peer, raw, err
}

// edge returns the first or the last entry between low and high, as q has it; the zero count where there is none.
func (f *finder) edge(q string) (c count, err error) {
	err = none(f.tx.QueryRow(q, f.args()...).Scan(&c.id, &c.n))
	return c, err
}

// args are those that each query has, with more behind them.
func (f *finder) args(more ...any) []any {
	args := []any{f.Owner, int64(f.low), int64(f.high)}
	if f.peer != 0 {
		args = append(args, f.peer)
	}
	return append(args, more...)
}
