// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"math"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

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
