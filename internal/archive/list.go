// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"slices"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

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
