// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A message is what the model knows of an entry.
type message struct {
	id      archive.ID
	peer    jid.JID // full
	text    string  // lower case, words apart by one blank
	passing bool
}

// find is archive.Find as one would write it who has all in memory and much time.
func find(all []message, q archive.Query) (archive.Result, error) {
	var list []message
	known := map[archive.ID]bool{}
	for _, m := range all {
		if m.passing {
			continue
		}
		known[m.id] = true
		at := time.UnixMilli(int64(m.id) / 1000)
		switch {
		case !q.With.IsZero() && m.peer != q.With && m.peer.Bare() != q.With,
			!q.Start.IsZero() && at.Before(q.Start), !q.End.IsZero() && at.After(q.End),
			q.AfterID != 0 && m.id <= q.AfterID, q.BeforeID != 0 && m.id >= q.BeforeID,
			q.IDs != nil && !slices.Contains(q.IDs, m.id),
			!q.AnyText && !has(m.text, q.Text):
			continue
		}
		list = append(list, m)
	}
	for _, id := range append(slices.Clone(q.IDs), q.After, q.Before, q.AfterID, q.BeforeID) {
		if id != 0 && !known[id] {
			return archive.Result{}, archive.ErrUnknown
		}
	}
	r := archive.Result{Count: len(list)}
	type numbered struct {
		message
		i int
	}
	var page []numbered
	for i, m := range list {
		if i >= q.Index && (q.After == 0 || m.id > q.After) && (q.Before == 0 || m.id < q.Before) {
			page = append(page, numbered{m, i})
		}
	}
	r.Complete = len(page) <= q.Max
	if !r.Complete && q.Last {
		page = page[len(page)-q.Max:]
	}
	page = page[:min(len(page), q.Max)]
	size := 0
	for i := range page {
		if q.Last {
			i = len(page) - 1 - i
		}
		if size += len(page[i].raw()); q.Bytes != 0 && size > q.Bytes && len(page) > 1 {
			if r.Complete = false; q.Last {
				page = page[min(i+1, len(page)-1):]
			} else {
				page = page[:max(i, 1)]
			}
			break
		}
	}
	for _, m := range page {
		r.Entries = append(r.Entries, archive.Kept{ID: m.id, Raw: m.raw()})
	}
	if len(r.Entries) > 0 {
		r.Index = page[0].i
	}
	return r, nil
}

// has reports whether text has words that begin with those of what is searched for.
func has(text, sought string) bool {
	words := strings.Fields(strings.ToLower(sought))
	for _, w := range words {
		if !slices.ContainsFunc(strings.Fields(text), func(t string) bool { return strings.HasPrefix(t, w) }) {
			return false
		}
	}
	return len(words) > 0
}

func (m message) raw() xmlstream.Raw {
	return xmlstream.Raw(`<message xmlns="jabber:client" type="chat" from="` + m.peer.String() +
		`" to="romeo@kith.example"><body>` + strings.ToUpper(m.text) + `</body></message>`)
}

// Whatever is asked for, the archive gives what its model does: whether it is indexed, in part, or not at all, and while
// the oldest go.
func TestFindIsLikeItsModel(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		for seed := range uint64(2) {
			pick := rand.New(rand.NewPCG(seed, 7))
			var all []message
			peers := []jid.JID{juliets, jid.MustParse("juliet@kith.example/balcony"), jid.MustParse("nurse@kith.example/a"),
				jid.MustParse("nurse@kith.example/b"), jid.MustParse("verona.example")}
			vocabulary := []string{"hark", "harken", "light", "yonder", "window", "soft", "12x"}
			write(t, d, func(tx *db.Tx) error {
				_, err := tx.Exec("DELETE FROM archive")
				return err
			})
			grow := func(n int) {
				for range n {
					c.t = c.t.Add(time.Duration(pick.IntN(3)*pick.IntN(3000)) * time.Microsecond)
					var words []string
					for range pick.IntN(4) {
						words = append(words, vocabulary[pick.IntN(len(vocabulary))])
					}
					m := message{peer: peers[pick.IntN(len(peers))], text: strings.Join(words, " "), passing: pick.IntN(10) == 0}
					e := add(t, d, a, archive.Entry{Owner: romeo, Peer: m.peer, Waiting: m.passing, Passing: m.passing, Raw: m.raw()})
					m.id = e.ID
					all = append(all, m)
					if pick.IntN(4) == 0 {
						add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Raw: m.raw()})
					}
				}
			}
			for round := range 5 {
				grow(20)
				switch round {
				case 1:
					indexAll(t, a)
				case 3:
					cut := all[len(all)/3].id
					if err := a.Expire(t.Context(), cut.Time(), nil); err != nil {
						t.Fatal(err)
					}
					all = slices.DeleteFunc(all, func(m message) bool { return m.id < cut })
				}
				for range 100 {
					q := question(pick, all, peers, vocabulary)
					want, wantErr := find(all, q)
					got, err := a.Find(t.Context(), q)
					if !errors.Is(err, wantErr) || (err != nil) != (wantErr != nil) {
						t.Fatalf("seed %d: %+v: got %v, want %v", seed, q, err, wantErr)
					}
					if len(got.Entries) == 0 {
						got.Entries, got.Index, want.Index = nil, 0, 0
					}
					if diff := cmp.Diff(want, got); diff != "" {
						t.Fatalf("seed %d, round %d: %+v: %s", seed, round, q, diff)
					}
				}
			}
		}
	})
}

// indexAll does what Run does for romeo when he has asked for much.
func indexAll(t *testing.T, a *archive.Archive) {
	t.Helper()
	for _, texts := range []bool{false, true} {
		if err := a.Index(t.Context(), romeo, texts); err != nil {
			t.Fatal(err)
		}
	}
}

// question makes up a query.
func question(pick *rand.Rand, all []message, peers []jid.JID, vocabulary []string) archive.Query {
	maybe := func(n int) bool { return pick.IntN(n) == 0 }
	id := func() archive.ID {
		if maybe(40) {
			return archive.ID(pick.Int64N(1 << 50)) // unknown
		}
		for {
			if m := all[pick.IntN(len(all))]; !m.passing || maybe(10) {
				return m.id
			}
		}
	}
	at := func() time.Time { return id().Time().Add(time.Duration(pick.IntN(3)-1) * time.Millisecond) }
	q := archive.All(romeo, pick.IntN(12))
	if maybe(4) {
		q.Bytes = 1 + pick.IntN(1000)
	}
	if maybe(2) {
		if q.With = peers[pick.IntN(len(peers))]; maybe(3) {
			q.With = q.With.Bare()
		}
		if maybe(20) {
			q.With = jid.MustParse("stranger@kith.example")
		}
	}
	if maybe(4) {
		q.Start = at()
	}
	if maybe(4) {
		q.End = at()
	}
	if maybe(6) {
		q.AfterID = id()
	}
	if maybe(6) {
		q.BeforeID = id()
	}
	if maybe(8) {
		q.IDs = []archive.ID{}
		for range pick.IntN(6) {
			q.IDs = append(q.IDs, id())
		}
	}
	if maybe(4) {
		w := vocabulary[pick.IntN(len(vocabulary))]
		q.AnyText, q.Text = false, w[:1+pick.IntN(len(w))]
		if maybe(2) {
			q.Text += " " + vocabulary[pick.IntN(len(vocabulary))]
		}
		if maybe(10) {
			q.Text = " "
		}
	}
	switch pick.IntN(5) {
	case 0:
		q.After = id()
	case 1:
		q.Before, q.Last = id(), true
	case 2:
		q.Last = true
	case 3:
		q.Index = pick.IntN(1 + len(all)/2)
	}
	return q
}

func TestEnds(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		check := func(wantBegin, wantEnd archive.ID) {
			t.Helper()
			begin, end, err := a.Ends(t.Context(), juliet)
			if err != nil || begin != wantBegin || end != wantEnd {
				t.Errorf("got %v, %v, %v, want %v and %v", begin, end, err, wantBegin, wantEnd)
			}
		}
		check(0, 0)
		add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Waiting: true, Passing: true, Raw: raw("passing")})
		check(0, 0)
		one := received(t, d, a, "one").ID
		check(one, one)
		received(t, d, a, "two")
		three := received(t, d, a, "three").ID
		add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Waiting: true, Passing: true, Raw: raw("passing")})
		check(one, three)
	})
}

// What is only passing waits like all else, is found by nobody, and is gone when a device has taken it.
func TestPassing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		before := received(t, d, a, "before").ID
		e := add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Waiting: true, Passing: true, Raw: raw("passing")})
		other := add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Waiting: true, Passing: true, Raw: raw("another")})
		after := received(t, d, a, "after").ID
		if got, err := a.Marked(t.Context(), juliet, 0, 10); err != nil || !slices.Equal(got, []archive.Entry{e, other}) {
			t.Errorf("waits: %v, %v", got, err)
		}
		write(t, d, func(tx *db.Tx) error { return a.Unmark(tx, juliet, e.ID, before) })
		if _, err := a.Get(t.Context(), juliet, e.ID); !errors.Is(err, archive.ErrUnknown) {
			t.Errorf("what was taken is still there: %v", err)
		}
		if got, err := a.Get(t.Context(), juliet, other.ID); err != nil || got != other {
			t.Errorf("what was not taken: %v, %v", got, err)
		}
		r, err := a.Find(t.Context(), archive.All(juliet, 10))
		if err != nil || r.Count != 2 || r.Entries[0].ID != before || r.Entries[1].ID != after {
			t.Errorf("found %+v, %v", r, err)
		}
	})
}

// BenchmarkPage reads a page of 50 out of 20,000.
func BenchmarkPage(b *testing.B) {
	const size = 20000
	d, a, ids := long(b, size)
	for _, c := range []struct {
		name   string
		change func(*archive.Query, int)
	}{
		{"first", func(q *archive.Query, i int) {}},
		{"next", func(q *archive.Query, i int) { q.After = ids[i*7919%(size-100)] }},
		{"last", func(q *archive.Query, i int) { q.Last = true }},
		{"with", func(q *archive.Query, i int) { q.With, q.After = juliets, ids[i*7919%(size-1000)] }},
		{"start", func(q *archive.Query, i int) { q.Start = ids[i*7919%(size-5000)].Time() }},
		{"index", func(q *archive.Query, i int) { q.Index = i * 7919 % (size - 100) }},
		{"text", func(q *archive.Query, i int) { q.AnyText, q.Text = false, "word"+fmt.Sprint(i%100) }},
	} {
		b.Run(c.name, func(b *testing.B) {
			before := cpu(b)
			i := 0
			for b.Loop() {
				q := archive.All(romeo, 50)
				c.change(&q, i)
				i++
				r, err := a.Find(context.Background(), q)
				if err != nil || len(r.Entries) != 50 {
					b.Fatal(len(r.Entries), err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(i), "cpu-µs/page")
		})
	}
	_ = d
}

// long is an archive of romeo's with many entries, half of them with juliet, that is indexed.
func long(tb testing.TB, size int) (*db.DB, *archive.Archive, []archive.ID) {
	tb.Helper()
	d, a := open(tb)
	ids := make([]archive.ID, size)
	padding := strings.Repeat("x", 500)
	for begin := 0; begin < size; begin += 500 {
		write(tb, d, func(tx *db.Tx) (err error) {
			for i := begin; i < begin+500; i++ {
				m := message{peer: juliets, text: fmt.Sprintf("word%d and %s", i%100, padding)}
				if i%2 == 1 {
					m.peer = jid.MustParse(fmt.Sprintf("friend%d@kith.example", i%20))
				}
				if ids[i], err = a.Append(tx, archive.Entry{Owner: romeo, Peer: m.peer, Raw: m.raw()}); err != nil {
					return err
				}
			}
			return nil
		})
	}
	for _, texts := range []bool{false, true} {
		if err := a.Index(tb.Context(), romeo, texts); err != nil {
			tb.Fatal(err)
		}
	}
	return d, a, ids
}

// BenchmarkRetracted looks for a message that nobody sent, among 20,000.
func BenchmarkRetracted(b *testing.B) {
	_, a, _ := long(b, 20000)
	st := stanza.New(stanza.Message, "chat", "r", juliets, romeos, `<retract xmlns="urn:xmpp:message-retract:1" id="nobody's"/>`)
	for b.Loop() {
		if r, err := a.Retracted(context.Background(), romeo, juliets, false, st); r == nil || err != nil {
			b.Fatal(r, err)
		}
	}
}

// Who looks through much does not keep others from reading: few do so at a time.
func TestSearchesWait(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		e := received(t, d, a, "a word")
		many := archive.All(juliet, 10)
		many.IDs = slices.Repeat([]archive.ID{e.ID}, 200)
		few, text, full, with := archive.All(juliet, 10), archive.All(juliet, 10), archive.All(juliet, 10), archive.All(juliet, 10)
		few.IDs, full.With, with.With = []archive.ID{e.ID}, jid.MustParse("romeo@kith.example/orchard"), romeos
		text.Text, text.AnyText = "word", false
		end := a.Search()
		for _, q := range []archive.Query{archive.All(juliet, 10), few, with} {
			if _, err := a.Find(t.Context(), q); err != nil {
				t.Errorf("%+v: %v", q, err)
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for _, q := range []archive.Query{many, text, full} {
			if _, err := a.Find(gone, q); !errors.Is(err, context.Canceled) {
				t.Errorf("%+v: %v", q, err)
			}
		}
		end()
		for _, q := range []archive.Query{many, text, full} {
			if _, err := a.Find(t.Context(), q); err != nil {
				t.Errorf("%+v: %v", q, err)
			}
		}
	})
}
