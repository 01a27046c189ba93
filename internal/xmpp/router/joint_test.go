// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// oneRouter runs f in a world of one router: there the home of both accounts is here.
func oneRouter(t *testing.T, f func(w *routertest.World, r *router.Router)) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		f(w, w.Routers[0])
		w.Close()
	})
}

// TestOneAct holds that a message is recorded for both sides at once where the recipient's turn has nothing to do, be
// its account there or away, and that it takes two acts else.
func TestOneAct(t *testing.T) {
	oneRouter(t, func(w *routertest.World, r *router.Router) {
		romeo, juliet := w.Come("romeo/a", 0), w.Come("juliet/a", 0)
		w.Account("nurse")
		acts := func(f func()) int {
			before := w.DB.Counters().Committed.Value()
			f()
			synctest.Wait()
			return int(w.DB.Counters().Committed.Value() - before)
		}
		if n := acts(func() { say(romeo, "juliet@", 0, 1) }); n != 1 {
			w.T.Errorf("to who is there: %d acts, want 1", n)
		}
		if n := acts(func() { say(romeo, "nurse@", 1, 2) }); n != 1 {
			w.T.Errorf("to who is away: %d acts, want 1", n)
		}
		if n := len(waiting(w, "nurse")); n != 1 {
			w.T.Errorf("%d wait, want 1", n)
		}
		busy := make(chan struct{})
		r.Do(juliet.JID.Bare(), func(context.Context) { <-busy })
		n := acts(func() {
			say(romeo, "juliet@", 2, 3)
			synctest.Wait()
			if got := entries(w, "romeo"); len(got) != 3 {
				w.T.Errorf("the sender has %d records while the recipient is busy, want 3", len(got))
			}
			close(busy)
		})
		if n != 2 {
			w.T.Errorf("to who is busy: %d acts, want 2", n)
		}
		wantBodies(w, juliet, []string{"0", "2"})
		if n := len(entries(w, "juliet")); n != 2 {
			w.T.Errorf("juliet has %d records, want 2", n)
		}
		noTransit(w)
	})
}

// TestLongWayInOrder holds that what follows a stanza which goes on behind its commit does not overtake it.
func TestLongWayInOrder(t *testing.T) {
	oneRouter(t, func(w *routertest.World, r *router.Router) {
		romeo, juliet := w.Come("romeo/a", 0), w.Come("juliet/a", 0)
		free := make(chan struct{})
		w.DB.Submit(func(*db.Tx) error { <-free; return nil }, nil)
		busy := make(chan struct{})
		r.Do(juliet.JID.Bare(), func(context.Context) { <-busy })
		say(romeo, "juliet@", 0, 1) // the long way
		synctest.Wait()
		close(busy) // now juliet's turn could be borrowed
		synctest.Wait()
		say(romeo, "juliet@", 1, 2)
		romeo.Sendf(`<message to="juliet@" type="chat"><body>2</body><no-store xmlns="urn:xmpp:hints"/></message>`)
		say(romeo, "juliet@", 3, 5)
		synctest.Wait()
		close(free)
		synctest.Wait()
		wantBodies(w, juliet, numbers(0, 5))
		noTransit(w)
	})
}

// TestBorrowedTurn holds that while a turn is borrowed nothing else happens in it, that it goes on by itself, and that
// two accounts which write to each other meanwhile do not stand still.
func TestBorrowedTurn(t *testing.T) {
	oneRouter(t, func(w *routertest.World, r *router.Router) {
		busy := make(chan struct{})
		var inside, together atomic.Int32
		r.OnScreen(router.Inbound, func(_ context.Context, tr *router.Trip) error {
			if tr.Stanza.ID == "0" {
				inside.Add(1)
				<-busy
				inside.Add(-1)
			}
			return nil
		})
		romeo, juliet := w.Come("romeo/a", 0), w.Come("juliet/a", 0)
		say(romeo, "juliet@", 0, 1) // in romeo's turn, which acts for juliet's
		synctest.Wait()
		if inside.Load() != 1 {
			w.T.Error("the message is not screened")
		}
		r.Do(juliet.JID.Bare(), func(context.Context) { together.Add(inside.Load()) })
		say(juliet, "romeo@", 1, 2)
		say(romeo, "juliet@", 2, 4)
		phone := make(chan *routertest.Device)
		go func() { phone <- w.Bind("juliet/phone") }() // ends when the turn has bound it
		synctest.Wait()
		select {
		case <-phone:
			w.T.Error("a device is bound while the turn is borrowed")
		default:
		}
		close(busy)
		<-phone
		synctest.Wait()
		if together.Load() != 0 {
			w.T.Error("the turn went on while it was borrowed")
		}
		wantBodies(w, romeo, []string{"1"})
		wantBodies(w, juliet, []string{"0", "2", "3"})
		noTransit(w)
	})
}

// TestRefusedByRecipient holds that what the recipient's side refuses, or falls over, is recorded for its sender, and
// answered once.
func TestRefusedByRecipient(t *testing.T) {
	oneRouter(t, func(w *routertest.World, r *router.Router) {
		r.OnScreen(router.Inbound, func(_ context.Context, tr *router.Trip) error {
			switch {
			case tr.Stanza.Type == "error":
			case tr.Stanza.ID == "0":
				return stanza.ServiceUnavailable
			case tr.Stanza.ID == "1":
				return router.ErrDropped
			}
			return nil
		})
		romeo, juliet := w.Come("romeo/a", 0), w.Come("juliet/a", 0)
		for i, want := range []string{"service-unavailable", "", ""} {
			say(romeo, "juliet@", i, i+1)
			synctest.Wait()
			if got := conditions(romeo.Take()); got != want {
				w.T.Errorf("message %d: the sender got %q, want %q", i, got, want)
			}
		}
		wantBodies(w, juliet, []string{"2"})
		if a, b := len(entries(w, "romeo")), len(entries(w, "juliet")); a != 3 || b != 1 {
			w.T.Errorf("%d and %d records, want 3 and 1", a, b)
		}
		noTransit(w)
	})
}

// TestRecipientsPartFails holds that where the recipient's part fails, before the act or in it, by an error or a panic,
// the sender's side goes on alone, and the message comes by the long way; no trace of what was tried is left.
func TestRecipientsPartFails(t *testing.T) {
	oneRouter(t, func(w *routertest.World, r *router.Router) {
		var screened atomic.Int32
		r.OnScreen(router.Inbound, func(_ context.Context, tr *router.Trip) error {
			if tr.Stanza.ID == "3" && screened.Add(1) == 1 {
				panic("odd")
			}
			return nil
		})
		tries := map[string]int{} // the store's
		r.OnMessage(router.Inbound, router.Record, func(_ context.Context, tr *router.Trip) error {
			tr.Write(func(*db.Tx) error {
				id := tr.Stanza.ID
				if tries[id]++; tries[id] > 1 {
					return nil
				}
				switch id {
				case "1":
					return errors.New("odd")
				case "2":
					panic("odd")
				}
				return nil
			})
			return nil
		})
		romeo, juliet := w.Come("romeo/a", 0), w.Come("juliet/a", 0)
		for i := range 5 {
			say(romeo, "juliet@", i, i+1)
			synctest.Wait()
		}
		wantBodies(w, juliet, numbers(0, 5))
		if got := romeo.Take(); len(got) != 0 {
			w.T.Errorf("the sender got %s", got[0].Raw())
		}
		if d := cmp.Diff(map[string]int{"0": 1, "1": 2, "2": 2, "3": 1, "4": 1}, tries); d != "" {
			w.T.Errorf("tries (-want +got):\n%s", d)
		}
		for _, name := range []string{"romeo", "juliet"} {
			if n := len(entries(w, name)); n != 5 {
				w.T.Errorf("%s has %d records, want 5", name, n)
			}
		}
		noTransit(w)
	})
}

// TestSendersPartFails holds that where the sender's part of the act fails neither has the message, and the sender is
// told.
func TestSendersPartFails(t *testing.T) {
	oneRouter(t, func(w *routertest.World, r *router.Router) {
		r.OnMessage(router.Outbound, router.Record, func(_ context.Context, tr *router.Trip) error {
			tr.Write(func(*db.Tx) error { return errors.New("odd") })
			return nil
		})
		romeo, juliet := w.Come("romeo/a", 0), w.Come("juliet/a", 0)
		say(romeo, "juliet@", 0, 1)
		synctest.Wait()
		if got := conditions(romeo.Take()); got != "internal-server-error" {
			w.T.Errorf("the sender got %q", got)
		}
		wantBodies(w, juliet, nil)
		if a, b := len(entries(w, "romeo")), len(entries(w, "juliet")); a != 0 || b != 0 {
			w.T.Errorf("%d and %d records, want none", a, b)
		}
		noTransit(w)
	})
}

// TestInterleaved has accounts write to each other whatever their turns and the store are at, and looks whether each
// message came once, in the order of its sender, and stands in both archives in that order.
func TestInterleaved(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint("seed=", seed), func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) { interleave(w, rand.New(rand.NewPCG(seed, 1))) })
		})
	}
}

func interleave(w *routertest.World, chance *rand.Rand) {
	const accounts, steps = 4, 250
	for _, r := range w.Routers {
		var n atomic.Int32
		// Now and then the recipient's part of an act fails; that message is late, and only has to come.
		r.OnMessage(router.Inbound, router.Record, func(_ context.Context, tr *router.Trip) error {
			if tr.Stanza.Type == "normal" && n.Add(1)%2 == 0 {
				tr.Write(func(*db.Tx) error { return errors.New("odd") })
			}
			return nil
		})
	}
	name := func(i int) string { return fmt.Sprint("user", i) }
	all := make([]*routertest.Device, accounts)
	for i := range all {
		all[i] = w.Come(name(i)+"/a", 0)
	}
	w.Settle()
	for _, d := range all {
		d.Take()
	}
	var stalls []chan struct{} // of turns, and of the store
	stall := func(f func(<-chan struct{})) {
		c := make(chan struct{})
		stalls = append(stalls, c)
		f(c)
	}
	release := func() {
		if len(stalls) > 0 {
			i := chance.IntN(len(stalls))
			close(stalls[i])
			stalls = append(stalls[:i], stalls[i+1:]...)
		}
	}
	sent := make([][]string, accounts)       // by recipient
	late := make([]int, accounts)            // the same
	kept := make([]map[string]int, accounts) // by owner
	for i := range kept {
		kept[i] = map[string]int{}
	}
	for n := range steps {
		from, to := chance.IntN(accounts), chance.IntN(accounts-1)
		if to >= from {
			to++
		}
		text := fmt.Sprintf("%d %d", from, n)
		switch chance.IntN(12) {
		case 0:
			stall(func(c <-chan struct{}) {
				w.Routers[0].Do(all[to].JID.Bare(), func(context.Context) { <-c })
			})
		case 1:
			stall(func(c <-chan struct{}) {
				w.DB.Submit(func(*db.Tx) error { <-c; return nil }, nil)
			})
		case 2, 3:
			release()
		case 4:
			synctest.Wait()
		case 5:
			all[from].Sendf(`<message to="%s@" type="chat"><body>%s</body><no-store xmlns="urn:xmpp:hints"/></message>`, name(to), text)
			sent[to] = append(sent[to], text)
		case 6:
			all[from].Sendf(`<iq to="%s@/a" type="result" id="%s"/>`, name(to), text)
			sent[to] = append(sent[to], text)
		case 7:
			all[from].Sendf(`<message to="%s@" type="normal"><body>late</body></message>`, name(to))
			late[to]++
		default:
			all[from].Sendf(`<message to="%s@" type="chat"><body>%s</body></message>`, name(to), text)
			sent[to] = append(sent[to], text)
			kept[from][text]++
			kept[to][text]++
		}
	}
	for len(stalls) > 0 {
		release()
		w.Settle()
	}
	time.Sleep(10 * time.Second) // what failed is tried again
	w.Settle()
	for i, d := range all {
		var got []string
		for _, st := range d.Take() {
			if st.Kind == stanza.IQ {
				got = append(got, st.ID)
				continue
			}
			if b, _ := st.Child("jabber:client", "body"); b.Text() != "late" {
				got = append(got, b.Text())
			} else {
				late[i]--
			}
		}
		if d := cmp.Diff(bySender(sent[i]), bySender(got)); d != "" {
			w.T.Errorf("user%d got (-want +got):\n%s", i, d)
		}
		if late[i] != 0 {
			w.T.Errorf("user%d: %d late messages did not come", i, late[i])
		}
		inArchive(w, name(i), kept[i])
	}
	noTransit(w)
}

// bySender sorts texts by who wrote them, and keeps their order otherwise.
func bySender(list []string) map[string][]string {
	m := map[string][]string{}
	for _, text := range list {
		from, _, _ := strings.Cut(text, " ")
		m[from] = append(m[from], text)
	}
	return m
}

// inArchive looks whether an archive has what it should, each once, and what each account wrote in its order.
func inArchive(w *routertest.World, name string, want map[string]int) {
	w.T.Helper()
	got, last := map[string]int{}, map[jid.JID]int{}
	for _, e := range entries(w, name) {
		st := w.Parse(string(e.Raw))
		b, _ := st.Child("jabber:client", "body")
		if b.Text() == "late" {
			continue
		}
		got[b.Text()]++
		_, number, _ := strings.Cut(b.Text(), " ")
		n, err := strconv.Atoi(number)
		if err != nil {
			w.T.Fatal(err)
		}
		if before, ok := last[st.From]; ok && n <= before {
			w.T.Errorf("archive of %s: %q stands behind %d", name, b.Text(), before)
		}
		last[st.From] = n
	}
	if d := cmp.Diff(want, got); d != "" {
		w.T.Errorf("archive of %s (-want +got):\n%s", name, d)
	}
}
