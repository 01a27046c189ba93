// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
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

// A placed entry is one that matches, and its place among all of them.
type placed struct {
	Kept
	place int
}

// page is the usual case: what matches stands in a row in an index, and is counted. The newest with a peer may not be in
// that index yet; they are the tail.
func (f *finder) page() (r Result, err error) {
	toFirst, toLast := first, last
	var tail []placed
	if f.peer != 0 {
		toFirst, toLast = firstWith, lastWith
		if tail, err = f.tail(); err != nil {
			return r, err
		}
	}
	begin, err := f.edge(toFirst)
	if err != nil {
		return r, err
	}
	counted := 0
	if begin.id != 0 {
		end, err := f.edge(toLast)
		if err != nil {
			return r, err
		}
		counted = int(end.n - begin.n + 1)
		if f.Index >= 0 && f.Index < counted {
			if err := f.skip(toFirst, begin, end); err != nil {
				return r, err
			}
		}
	}
	for i := range tail {
		tail[i].place += counted
	}
	r.Count = counted + len(tail)
	switch {
	case f.Index >= r.Count || r.Count == 0: // XEP-0059 §2.6
		r.Complete = true
		return r, nil
	case f.Index >= counted:
		f.low = tail[f.Index-counted].ID - 1
	}
	list, err := f.collect(tail, begin.n)
	if err != nil {
		return r, err
	}
	if r.Complete = len(list) <= f.Max; !r.Complete {
		list = list[:f.Max]
	}
	if err := f.fill(&r, list); err != nil {
		return r, err
	}
	if f.Index >= 0 {
		r.Index = f.Index // XEP-0059 §2.6: what was asked for
	}
	return r, nil
}

// fill puts the entries of the page into r: list has the first of them first, or the last where the page is the last one.
func (f *finder) fill(r *Result, list []placed) error {
	r.Entries = make([]Kept, 0, len(list))
	size := 0
	for _, p := range list {
		if p.Raw == "" {
			_, raw, err := f.one(p.ID)
			if err != nil {
				return err
			}
			p.Raw = xmlstream.Raw(raw)
		}
		if size += len(p.Raw); f.Bytes != 0 && size > f.Bytes && len(r.Entries) > 0 {
			r.Complete = false
			break
		}
		if len(r.Entries) == 0 || f.Last {
			r.Index = p.place
		}
		r.Entries = append(r.Entries, p.Kept)
	}
	if f.Last {
		slices.Reverse(r.Entries)
	}
	return nil
}

// tail returns the entries with the peer that are not indexed yet, with their places among themselves, and has the
// others end where they begin.
func (f *finder) tail() ([]placed, error) {
	mark, _, err := marks(f.tx, f.Owner)
	if err != nil {
		return nil, err
	}
	rest := *f
	rest.low = max(f.low, mark)
	f.high = min(f.high, mark+1)

	rest.peer = 0
	begin, err := rest.edge(first)
	if err != nil || begin.id == 0 {
		return nil, err
	}
	end, err := rest.edge(last)
	if err != nil {
		return nil, err
	}
	f.unindexed = int(end.n - begin.n + 1)

	rest.peer = f.peer
	rows, err := f.tx.Query(tailWith, rest.args()...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var list []placed
	for rows.Next() {
		p := placed{place: len(list)}
		if err := rows.Scan(&p.ID); err != nil {
			return nil, err
		}
		list = append(list, p)
	}
	return list, rows.Err()
}

// collect returns the first entries of the page, or the last ones of the last page with the last of them first: one more
// than it has room for, if there are. base is the number of the first entry of all.
func (f *finder) collect(tail []placed, base int64) (list []placed, err error) {
	f.low = max(f.low, f.After)
	before := ID(math.MaxInt64)
	if f.Before != 0 {
		before = f.Before
		f.high = min(f.high, before)
	}
	list = make([]placed, 0, min(f.Max, 100)+1)
	add := func(p placed) {
		if p.ID > f.low && p.ID < before && len(list) <= f.Max {
			list = append(list, p)
		}
	}
	if f.Last {
		for _, p := range slices.Backward(tail) {
			add(p)
		}
	}
	walk := [2][2]string{{forward, backward}, {forwardWith, backwardWith}}[bit(f.peer != 0)][bit(f.Last)]
	rows, err := f.tx.Query(walk, f.args(f.Max+1-len(list))...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	size := 0
	for rows.Next() {
		var id, n int64
		var raw string
		if err := rows.Scan(&id, &n, &raw); err != nil {
			return nil, err
		}
		add(placed{Kept{ID(id), xmlstream.Raw(raw)}, int(n - base)})
		if size += len(raw); f.Bytes != 0 && size > f.Bytes && len(list) > 1 {
			break // the page is full
		}
	}
	if !f.Last {
		for _, p := range tail {
			add(p)
		}
	}
	return list, rows.Err()
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// skip moves low to where the page at Index begins: entries are counted, so it can be closed in on from both ends.
func (f *finder) skip(q string, begin, end count) error {
	want := begin.n + int64(f.Index)
	from, to := begin.id, end.id // the first entry from to on has the number want, or a higher one
	for from < to {
		middle := from + (to-from)/2
		f.low = ID(middle - 1)
		c, err := f.edge(q)
		if err != nil {
			return err
		}
		if c.n >= want {
			to = middle
		} else {
			from = c.id + 1
		}
	}
	f.low = ID(from - 1)
	return nil
}

// list returns the ids of all that match, in order, where they stand in no index in a row.
func (f *finder) list() (list []ID, err error) {
	words := search(f.Text)
	if !f.AnyText && len(words) == 0 {
		return nil, nil
	}
	match := func(raw string) bool {
		st, err := parse(raw)
		return err == nil && (!f.With.IsFull() || st.To == f.With || st.From == f.With) && (f.AnyText || contains(st, words))
	}
	if f.IDs != nil {
		ids := slices.Clone(f.IDs)
		slices.Sort(ids)
		for _, id := range slices.Compact(ids) {
			peer, raw, err := f.one(id)
			if err != nil {
				return nil, err
			}
			if id > f.low && id < f.high && (f.peer == 0 || peer == f.peer) && match(raw) {
				list = append(list, id)
			}
		}
		return list, nil
	}
	collect := func(match func(string) bool, q string, args ...any) (seen int, err error) {
		rows, err := f.tx.Query(q, args...)
		if err != nil {
			return 0, err
		}
		defer rows.Close()
		for ; rows.Next(); seen++ {
			var id int64
			var raw string
			if err := rows.Scan(&id, &raw); err != nil {
				return 0, err
			}
			if match(raw) {
				list = append(list, ID(id))
			}
		}
		return seen, rows.Err()
	}
	if !f.AnyText {
		_, mark, err := marks(f.tx, f.Owner)
		if err != nil {
			return nil, err
		}
		if mark > f.low {
			found := func(string) bool { return true } // the index said so
			if f.With.IsFull() {
				found = match
			}
			_, err := collect(found, byWords, f.Owner, int64(f.low), int64(min(f.high, mark+1)), f.peer, expression(f.Owner, words))
			if err != nil {
				return nil, err
			}
			f.low = mark
		}
	}
	seen, err := collect(match, scan, f.Owner, int64(f.low), int64(f.high), f.peer)
	if !f.AnyText {
		f.unindexed = seen
	}
	return list, err
}

// cut returns the page out of all that match.
func (f *finder) cut(list []ID) (r Result, err error) {
	r.Count = len(list)
	begin, end := max(f.Index, 0), len(list)
	if f.After != 0 {
		i, _ := slices.BinarySearch(list, f.After+1)
		begin = max(begin, i)
	}
	if f.Before != 0 {
		end, _ = slices.BinarySearch(list, f.Before)
	}
	begin = min(begin, end)
	if r.Complete = end-begin <= f.Max; !r.Complete {
		if f.Last {
			begin = end - f.Max
		} else {
			end = begin + f.Max
		}
	}
	page := make([]placed, 0, end-begin)
	for i := begin; i < end; i++ {
		page = append(page, placed{Kept{ID: list[i]}, i})
	}
	if f.Last {
		slices.Reverse(page)
	}
	return r, f.fill(&r, page)
}

// parse reads a stanza that is kept; it has passed all limits.
func parse(raw string) (*stanza.Stanza, error) {
	el, err := xmlstream.Parse(raw, xmlstream.Limits{Bytes: 16 << 20, Depth: 256, Attrs: 1024, Nodes: 1 << 20})
	if err != nil {
		return nil, err
	}
	return stanza.Parse(el)
}
