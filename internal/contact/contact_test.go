// SPDX-License-Identifier: Apache-2.0

package contact

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

var (
	juliet = Owner{ID: 1, JID: jid.MustParse("juliet@kith.example")}
	romeo  = Owner{ID: 2, JID: jid.MustParse("romeo@kith.example")}
	nurse  = jid.MustParse("nurse@elsewhere.example")
)

// server is a service with a clock of its own.
type server struct {
	*Service
	t     *testing.T
	clock time.Time
	told  []string // "owner: address state" or "owner: address removed"
}

func each(t *testing.T, f func(t *testing.T, s *server)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := &server{t: t, clock: time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)}
		s.Service = New(d, Options{Now: func() time.Time { return s.clock }})
		s.OnChange(func(c Change) {
			what := c.Item.State.String()
			if c.Item.Approved {
				what += ", approved"
			}
			if c.Removed {
				what = "removed"
			}
			s.told = append(s.told, fmt.Sprintf("%s: %s %s", c.Owner.JID.Local(), c.Item.Address.Local(), what))
		})
		f(t, s)
	}, Schema())
}

// try runs one act.
func (s *server) try(f func(tx *db.Tx) error) error {
	return s.db.Write(s.t.Context(), f)
}

// write runs one act that must succeed.
func (s *server) write(f func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.try(f); err != nil {
		s.t.Fatal(err)
	}
}

// expectTold compares what was told since the last call.
func (s *server) expectTold(want ...string) {
	s.t.Helper()
	if diff := cmp.Diff(want, s.told); diff != "" {
		s.t.Error("told:", diff)
	}
	s.told = nil
}

func (s *server) set(o Owner, i Item) error {
	return s.try(func(tx *db.Tx) error { return s.Set(tx, o, i) })
}

func (s *server) out(o Owner, peer jid.JID, t Type) (v Verdict) {
	s.t.Helper()
	s.write(func(tx *db.Tx) (err error) {
		v, err = s.Outbound(tx, o, peer, t)
		return err
	})
	return v
}

func (s *server) in(o Owner, peer jid.JID, t Type, raw string) (v Verdict) {
	s.t.Helper()
	s.write(func(tx *db.Tx) (err error) {
		v, err = s.Inbound(tx, o, peer, t, raw)
		return err
	})
	return v
}

func (s *server) get(o Owner, address jid.JID) Item {
	s.t.Helper()
	i, err := s.Get(s.t.Context(), o.ID, address)
	if err != nil {
		s.t.Fatal(err)
	}
	return i
}

// list returns the list of o as "address state name [groups]", and its version.
func (s *server) list(o Owner) (out []string, version int64) {
	s.t.Helper()
	items, version, err := s.List(s.t.Context(), o.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, i := range items {
		out = append(out, fmt.Sprintf("%s %s %q %q", i.Address, i.State, i.Name, i.Groups))
	}
	return out, version
}

func TestSet(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if got, version := s.list(juliet); len(got) != 0 || version != 0 {
			t.Errorf("a new list: got %v, version %d", got, version)
		}
		if err := s.set(juliet, Item{Address: nurse, Name: "Nurse", Groups: []string{"Servants", "<&>"}}); err != nil {
			t.Fatal(err)
		}
		full, err := romeo.JID.WithResource("balcony")
		if err != nil {
			t.Fatal(err)
		}
		if err := s.set(juliet, Item{Address: full}); err != nil {
			t.Fatal(err)
		}
		got, first := s.list(juliet)
		want := []string{`nurse@elsewhere.example None "Nurse" ["Servants" "<&>"]`, `romeo@kith.example None "" []`}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		// RFC 6121 §2.4.1: an item is atomic.
		if err := s.set(juliet, Item{Address: nurse}); err != nil {
			t.Fatal(err)
		}
		got, second := s.list(juliet)
		want[0] = `nurse@elsewhere.example None "" []`
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		if second <= first {
			t.Errorf("version %d follows %d", second, first)
		}
		if got, _ := s.list(romeo); len(got) != 0 {
			t.Errorf("Romeo's list: %v", got)
		}
		s.expectTold("juliet: nurse None", "juliet: romeo None", "juliet: nurse None")
	})
}

func TestSetRefuses(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		many := make([]string, maxGroups+1)
		for i := range many {
			many[i] = fmt.Sprint(i)
		}
		for name, tt := range map[string]struct {
			item Item
			want error
		}{
			"oneself":           {Item{Address: juliet.JID}, ErrSelf},
			"long name":         {Item{Address: nurse, Name: strings.Repeat("x", maxText+1)}, ErrLimit},
			"longest name":      {Item{Address: nurse, Name: strings.Repeat("x", maxText)}, nil},
			"empty group":       {Item{Address: nurse, Groups: []string{""}}, ErrLimit},
			"long group":        {Item{Address: nurse, Groups: []string{strings.Repeat("x", maxText+1)}}, ErrLimit},
			"many groups":       {Item{Address: nurse, Groups: many}, ErrLimit},
			"most groups":       {Item{Address: nurse, Groups: many[:maxGroups]}, nil},
			"group named twice": {Item{Address: nurse, Groups: []string{"a", "b", "a"}}, ErrDuplicate},
		} {
			if err := s.set(juliet, tt.item); !errors.Is(err, tt.want) {
				t.Errorf("%s: got %v, want %v", name, err, tt.want)
			}
		}
	})
}

func TestFullList(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.write(func(tx *db.Tx) error {
			for i := range maxItems {
				r := row{Item: Item{Address: jid.MustParse(fmt.Sprintf("a%d@elsewhere.example", i)), Listed: true}}
				if err := write(tx, juliet, r); err != nil {
					return err
				}
			}
			for i := range maxPending {
				r := row{Item: Item{Address: jid.MustParse(fmt.Sprintf("b%d@elsewhere.example", i)), State: PendingIn}, askedAt: 1}
				if err := write(tx, juliet, r); err != nil {
					return err
				}
			}
			return nil
		})
		if err := s.set(juliet, Item{Address: nurse}); !errors.Is(err, ErrTooMany) {
			t.Errorf("Set: got %v, want %v", err, ErrTooMany)
		}
		if err := s.set(juliet, Item{Address: jid.MustParse("a1@elsewhere.example"), Name: "x"}); err != nil {
			t.Errorf("Set of one in the list: %v", err)
		}
		if err := s.try(func(tx *db.Tx) error {
			v, err := s.Outbound(tx, juliet, nurse, Subscribe)
			if !cmp.Equal(v, Verdict{}, cmp.AllowUnexported(jid.JID{})) {
				t.Errorf("Outbound: got %+v beside an error", v)
			}
			return err
		}); !errors.Is(err, ErrTooMany) {
			t.Errorf("Outbound: got %v, want %v", err, ErrTooMany)
		}
		if err := s.try(func(tx *db.Tx) error {
			_, err := s.Inbound(tx, juliet, nurse, Subscribe, "<presence/>")
			return err
		}); !errors.Is(err, ErrTooMany) {
			t.Errorf("Inbound: got %v, want %v", err, ErrTooMany)
		}
		s.write(func(tx *db.Tx) error { return s.MakeMutual(tx, juliet, romeo) })
		if got := s.get(juliet, romeo.JID).State; got != Both {
			t.Errorf("by invitation: got %s", got)
		}
	})
}

// What the tables of RFC 6121 §A do, done by the service, in the list and out of it.
func TestTransitionsAreStored(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		n := 0
		prepare := func(state State, listed bool) jid.JID {
			n++
			peer := jid.MustParse(fmt.Sprintf("peer%d@elsewhere.example", n))
			r := row{Item: Item{Address: peer, Listed: listed, State: state, Name: "x"}}
			if state.Has(PendingIn) {
				r.request, r.askedAt = "<presence/>", 1
			}
			s.write(func(tx *db.Tx) error {
				if state == None && !listed {
					return nil
				}
				return write(tx, juliet, r)
			})
			s.cache.forget(juliet.ID)
			return peer
		}
		check := func(what string, peer jid.JID, v Verdict, before, next State, wasListed bool) {
			t.Helper()
			got := s.get(juliet, peer)
			if got.State != next || v.After.State != next || v.Before.State != before {
				t.Errorf("%s: got %q, after %+v, want %q", what, got.State, v, next)
			}
			if got.State&^PendingIn != None && !got.Listed || wasListed && !got.Listed {
				t.Errorf("%s: %q is not in the list", what, got.State)
			}
			shown := fmt.Sprint(wasListed, before.Subscription(), before.Has(PendingOut)) !=
				fmt.Sprint(got.Listed, got.Subscription(), got.Ask()) || got.Approved
			if v.Changed != shown || len(s.told) > 1 || (len(s.told) == 1) != shown {
				t.Errorf("%s: changed %v, told %v, want %v", what, v.Changed, s.told, shown)
			}
			s.told = nil
			// A request is there as long as it waits.
			pending, err := s.Pending(t.Context(), juliet.ID)
			if err != nil {
				t.Fatal(err)
			}
			waits := false
			for _, r := range pending {
				waits = waits || r.From == peer && r.Raw == "<presence/>"
			}
			if waits != next.Has(PendingIn) {
				t.Errorf("%s: waits %v in %q", what, waits, next)
			}
		}
		for _, listed := range []bool{true, false} {
			for _, tt := range outboundTables {
				if !listed && tt.state&^PendingIn != None {
					continue // not possible
				}
				peer := prepare(tt.state, listed)
				v := s.out(juliet, peer, tt.typ)
				what := fmt.Sprintf("%s in %q, listed %v, outbound", tt.typ, tt.state, listed)
				check(what, peer, v, tt.state, tt.next, listed)
				if v.Route != tt.route || v.Deliver || v.Reply != "" || v.After.Approved != tt.preapproval {
					t.Errorf("%s: got %+v", what, v)
				}
			}
			for _, tt := range inboundTables {
				if !listed && tt.state&^PendingIn != None {
					continue
				}
				peer := prepare(tt.state, listed)
				v := s.in(juliet, peer, tt.typ, "<presence/>")
				what := fmt.Sprintf("%s in %q, listed %v, inbound", tt.typ, tt.state, listed)
				check(what, peer, v, tt.state, tt.next, listed)
				if v.Deliver != tt.deliver || v.Reply != tt.reply || v.Route {
					t.Errorf("%s: got %+v", what, v)
				}
			}
		}
	})
}

func TestSelf(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for name, f := range map[string]func(tx *db.Tx) error{
			"out": func(tx *db.Tx) error { _, err := s.Outbound(tx, juliet, juliet.JID, Subscribe); return err },
			"in":  func(tx *db.Tx) error { _, err := s.Inbound(tx, juliet, juliet.JID, Subscribe, ""); return err },
			"two": func(tx *db.Tx) error { return s.MakeMutual(tx, juliet, juliet) },
		} {
			if err := s.try(f); !errors.Is(err, ErrSelf) {
				t.Errorf("%s: got %v, want %v", name, err, ErrSelf)
			}
		}
	})
}

// RFC 6121 §3.1.3: one request of a person, kept whole, until it is answered.
func TestRequestsWait(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.in(juliet, romeo.JID, Subscribe, `<presence id="1"/>`)
		s.clock = s.clock.Add(time.Second)
		s.in(juliet, romeo.JID, Subscribe, `<presence id="2"/>`)
		s.in(juliet, nurse, Subscribe, strings.Repeat("x", maxRequest+1))
		want := []Request{
			{From: romeo.JID, Raw: `<presence id="1"/>`, At: s.clock.Add(-time.Second)},
			{From: nurse, At: s.clock},
		}
		got, err := s.Pending(t.Context(), juliet.ID)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(jid.JID{})); diff != "" || err != nil {
			t.Error(diff, err)
		}
		if list, version := s.list(juliet); len(list) != 0 || version != 0 {
			t.Errorf("the list shows %v, version %d", list, version)
		}
		s.expectTold()
		// Put in the list, the request still waits.
		if err := s.set(juliet, Item{Address: romeo.JID, Name: "Romeo"}); err != nil {
			t.Fatal(err)
		}
		if got := s.get(juliet, romeo.JID); got.State != PendingIn || !got.Listed {
			t.Errorf("got %+v", got)
		}
		s.out(juliet, romeo.JID, Subscribed)
		s.out(juliet, nurse, Unsubscribed)
		if got, err := s.Pending(t.Context(), juliet.ID); len(got) != 0 || err != nil {
			t.Errorf("answered: got %v, %v", got, err)
		}
		if list, _ := s.list(juliet); !cmp.Equal(list, []string{`romeo@kith.example From "Romeo" []`}) {
			t.Errorf("got %v", list)
		}
		s.expectTold("juliet: romeo None + Pending In", "juliet: romeo From")
	})
}

func TestPreApproval(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		v := s.out(juliet, romeo.JID, Subscribed)
		if v.Route || !v.Changed || !v.After.Approved || !v.After.Listed {
			t.Errorf("got %+v", v)
		}
		if v := s.out(juliet, romeo.JID, Subscribed); v.Changed {
			t.Errorf("again: got %+v", v)
		}
		v = s.in(juliet, romeo.JID, Subscribe, "<presence/>")
		if v.Deliver || v.Reply != Subscribed || v.After.State != From || !v.After.Approved {
			t.Errorf("got %+v", v)
		}
		// It holds until it is taken back (RFC 6121 §3.2.2).
		s.in(juliet, romeo.JID, Unsubscribe, "")
		v = s.out(juliet, romeo.JID, Unsubscribed)
		if v.Route || !v.Changed || v.After.Approved {
			t.Errorf("got %+v", v)
		}
		if v := s.in(juliet, romeo.JID, Subscribe, "<presence/>"); !v.Deliver || v.Reply != "" {
			t.Errorf("got %+v", v)
		}
		s.expectTold("juliet: romeo None, approved", "juliet: romeo From, approved", "juliet: romeo None, approved",
			"juliet: romeo None")
	})
}

func TestRemove(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		remove := func(address jid.JID) (i Item, err error) {
			err = s.try(func(tx *db.Tx) error {
				i, err = s.Remove(tx, juliet, address)
				return err
			})
			return i, err
		}
		if _, err := remove(nurse); !errors.Is(err, ErrUnknown) {
			t.Errorf("got %v, want %v", err, ErrUnknown)
		}
		s.in(juliet, nurse, Subscribe, "<presence/>")
		if _, err := remove(nurse); !errors.Is(err, ErrUnknown) {
			t.Errorf("who only asks: got %v, want %v", err, ErrUnknown)
		}
		s.write(func(tx *db.Tx) error { return s.MakeMutual(tx, juliet, romeo) })
		i, err := remove(romeo.JID)
		if err != nil || i.State != Both || i.Address != romeo.JID {
			t.Errorf("got %+v, %v", i, err)
		}
		if got := s.get(juliet, romeo.JID); got.Listed || got.State != None {
			t.Errorf("after: got %+v", got)
		}
		s.expectTold("juliet: romeo Both", "romeo: juliet Both", "juliet: romeo removed")
	})
}

func TestMakeMutual(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if err := s.set(juliet, Item{Address: romeo.JID, Name: "Romeo", Groups: []string{"Montague"}}); err != nil {
			t.Fatal(err)
		}
		s.in(juliet, romeo.JID, Subscribe, "<presence/>")
		s.out(romeo, juliet.JID, Subscribe)
		s.told = nil
		for range 2 {
			s.write(func(tx *db.Tx) error { return s.MakeMutual(tx, juliet, romeo) })
		}
		s.expectTold("juliet: romeo Both", "romeo: juliet Both")
		if list, _ := s.list(juliet); !cmp.Equal(list, []string{`romeo@kith.example Both "Romeo" ["Montague"]`}) {
			t.Errorf("got %v", list)
		}
		if got, err := s.Pending(t.Context(), juliet.ID); len(got) != 0 || err != nil {
			t.Errorf("waits: %v, %v", got, err)
		}
	})
}

func TestWhoSeesWhom(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		for _, state := range states {
			peer := jid.MustParse(fmt.Sprintf("s%d@elsewhere.example", state))
			s.write(func(tx *db.Tx) error {
				return write(tx, juliet, row{Item: Item{Address: peer, Listed: state != PendingIn, State: state}, askedAt: 1})
			})
		}
		local := func(list []jid.JID, err error) (out string) {
			if err != nil {
				t.Fatal(err)
			}
			for _, j := range list {
				out += " " + j.Local()
			}
			return out
		}
		if got, want := local(s.Subscribers(t.Context(), juliet.ID)), fmt.Sprintf(" s%d s%d s%d", from, both, fromOut); got != want {
			t.Errorf("Subscribers: got%s, want%s", got, want)
		}
		if got, want := local(s.Subscriptions(t.Context(), juliet.ID)), fmt.Sprintf(" s%d s%d s%d", to, both, toIn); got != want {
			t.Errorf("Subscriptions: got%s, want%s", got, want)
		}
		s.write(func(tx *db.Tx) error {
			holders, err := s.Holders(tx, jid.MustParse("s1@elsewhere.example/x"))
			if !cmp.Equal(holders, []int64{juliet.ID}) || err != nil {
				t.Errorf("Holders: got %v, %v", holders, err)
			}
			holders, err = s.Holders(tx, jid.MustParse("s0@elsewhere.example"))
			if len(holders) != 0 || err != nil {
				t.Errorf("Holders of none: got %v, %v", holders, err)
			}
			return nil
		})
	})
}

func TestChanges(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		changes := func(since int64, wantFull bool, want ...string) int64 {
			t.Helper()
			list, version, full, err := s.Changes(t.Context(), juliet.ID, since)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			last := since
			for _, c := range list {
				what := c.Item.State.String()
				if c.Removed {
					what = "removed"
				}
				got = append(got, c.Item.Address.Local()+" "+what)
				if c.Version <= last {
					t.Errorf("version %d after %d", c.Version, last)
				}
				last = c.Version
			}
			if diff := cmp.Diff(want, got); diff != "" || full != wantFull {
				t.Errorf("since %d: full %v, %s", since, full, diff)
			}
			return version
		}
		if v := changes(0, false); v != 0 {
			t.Errorf("a new list has version %d", v)
		}
		s.out(juliet, nurse, Subscribe)
		s.write(func(tx *db.Tx) error { return s.MakeMutual(tx, juliet, romeo) })
		first := changes(0, true)
		changes(first, false)
		s.in(juliet, nurse, Subscribed, "")
		s.write(func(tx *db.Tx) error { _, err := s.Remove(tx, juliet, romeo.JID); return err })
		second := changes(first, false, "nurse To", "romeo removed")
		changes(second+1, true) // from a time that was lost
		if err := s.set(juliet, Item{Address: romeo.JID}); err != nil {
			t.Fatal(err)
		}
		changes(first, false, "nurse To", "romeo None")
		changes(second, false, "romeo None")

		// Removals are remembered up to a bound; who knows less than that gets the whole list.
		third := changes(second, false, "romeo None")
		s.write(func(tx *db.Tx) error {
			for i := range maxRemoved + 1 {
				address := jid.MustParse(fmt.Sprintf("a%d@elsewhere.example", i))
				if err := s.Set(tx, juliet, Item{Address: address}); err != nil {
					return err
				}
				if _, err := s.Remove(tx, juliet, address); err != nil {
					return err
				}
			}
			return nil
		})
		list, _, full, err := s.Changes(t.Context(), juliet.ID, third+2)
		if err != nil || full || len(list) != maxRemoved {
			t.Errorf("since the first removal: full %v, %d changes, %v", full, len(list), err)
		}
		changes(third+1, true)
	})
}

// After a restore from a backup the clock is ahead of the last version, so no version is given a second time.
func TestVersionsFollowTheClock(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		if err := s.set(juliet, Item{Address: nurse}); err != nil {
			t.Fatal(err)
		}
		if _, got := s.list(juliet); got != s.clock.UnixMicro() {
			t.Errorf("got %d, want the time %d", got, s.clock.UnixMicro())
		}
		s.clock = s.clock.Add(-time.Hour)
		if err := s.set(juliet, Item{Address: nurse}); err != nil {
			t.Fatal(err)
		}
		if _, got := s.list(juliet); got != s.clock.Add(time.Hour).UnixMicro()+1 {
			t.Errorf("got %d after the clock went back", got)
		}
	})
}

func TestDrop(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.write(func(tx *db.Tx) error { return s.MakeMutual(tx, juliet, romeo) })
		s.in(juliet, nurse, Subscribe, "<presence/>")
		s.list(juliet)
		s.told = nil
		var items []Item
		s.write(func(tx *db.Tx) (err error) {
			items, err = s.Drop(tx, juliet)
			return err
		})
		if len(items) != 2 || items[0].Address != nurse || items[0].State != PendingIn || items[1].State != Both {
			t.Errorf("got %+v", items)
		}
		if got, version := s.list(juliet); len(got) != 0 || version != 0 {
			t.Errorf("left: %v, version %d", got, version)
		}
		if got, _ := s.list(romeo); len(got) != 1 {
			t.Errorf("Romeo's list: %v", got)
		}
		s.expectTold()
	})
}

// An act that fails is not told, and not seen.
func TestFailedActLeavesNothing(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		s.list(juliet)
		failed := errors.New("later")
		err := s.try(func(tx *db.Tx) error {
			if err := s.Set(tx, juliet, Item{Address: nurse}); err != nil {
				return err
			}
			return failed
		})
		if !errors.Is(err, failed) {
			t.Fatal(err)
		}
		if got, version := s.list(juliet); len(got) != 0 || version != 0 {
			t.Errorf("got %v, version %d", got, version)
		}
		s.expectTold()
	})
}

func TestCacheIsBounded(t *testing.T) {
	t.Parallel()
	c := newCache()
	big := &list{items: make([]Item, maxCached/4)}
	for owner := range int64(10) {
		c.put(owner, 0, big)
		c.put(owner, 0, big)
	}
	if c.size > maxCached || len(c.lists) != 3 || c.size != 3*big.size() {
		t.Errorf("got %d lists of %d items together", len(c.lists), c.size)
	}
	c.forget(20)
	c.put(20, 0, big)
	if l, _ := c.get(20); l != nil {
		t.Error("what was read before a change was put in after it")
	}
}

// Readers and writers at once: what List answers after a change is never older than the change.
func TestConcurrentUse(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		stop := make(chan struct{})
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
					}
					if _, err := s.Subscribers(t.Context(), juliet.ID); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		for i := range 50 {
			if err := s.set(juliet, Item{Address: nurse, Name: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			if got := s.get(juliet, nurse).Name; got != fmt.Sprint(i) {
				t.Errorf("got %s, want %d", got, i)
			}
		}
		close(stop)
		wg.Wait()
	})
}
