// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
)

// TestLostByAnother holds that what one device after the other has lost comes to the one that stays, each message
// once, though that one takes its time to acknowledge.
func TestLostByAnother(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		first, second := w.Bind("juliet/first"), w.Bind("juliet/second")
		first.Manage()
		second.Manage()
		w.Settle()
		say(romeo, "juliet@/first", 0, 5)
		say(romeo, "juliet@/second", 5, 10)
		w.Settle()
		stays := managed(w, "juliet/stays")
		w.Settle()
		n := len(stays.Take())
		first.Leave()
		w.Settle()
		second.Leave()
		w.Settle()
		wantBodies(w, stays, numbers(0, 10))
		stays.Ack(uint32(n + 10))
		w.Settle()
		if n := len(waiting(w, "juliet")); n != 0 {
			w.T.Errorf("%d still wait", n)
		}
	})
}

// TestLostBehind holds that a message which is lost while another device fetches what waited, and which is older than
// what that one has got, comes when it is through.
func TestLostBehind(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		gone := w.Bind("juliet/gone") // not available: nothing but what is for it alone
		gone.Manage()
		w.Settle()
		say(romeo, "juliet@/gone", 0, 1)
		w.Settle()
		say(romeo, "juliet@", 1, 151)
		w.Settle()
		slow := managed(w, "juliet/slow")
		w.Settle()
		page := slow.Take()
		gone.Leave()
		w.Settle()
		n := uint32(len(page) + len(presences(slow.Take())))
		slow.Ack(n)
		w.Settle()
		wantBodies(w, slow, append(numbers(101, 151), "0"))
	})
}

// TestLeftBetweenPages holds that when a device leaves that was fetching what waited, another one gets the rest.
func TestLeftBetweenPages(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := w.Bind("romeo/desk")
		say(romeo, "juliet@", 0, 150)
		w.Settle()
		slow := managed(w, "juliet/slow")
		w.Settle()
		n := len(slow.Take())
		fast := w.Come("juliet/fast", 0)
		n += len(presences(slow.Take()))
		slow.Ack(uint32(n))
		slow.Leave() // before the next page
		w.Settle()
		wantBodies(w, fast, numbers(100, 150))
	})
}

// TestUnavailableBetweenPages holds that a device that becomes unavailable while it fetches what waited gets no more, and
// another one does.
func TestUnavailableBetweenPages(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := w.Bind("romeo/desk")
		say(romeo, "juliet@", 0, 150)
		w.Settle()
		slow := managed(w, "juliet/slow")
		w.Settle()
		n := len(slow.Take())
		fast := w.Come("juliet/fast", 0)
		slow.Sendf(`<presence type="unavailable"/>`)
		w.Settle()
		n += len(slow.Take())
		slow.Ack(uint32(n))
		w.Settle()
		wantBodies(w, slow, nil)
		wantBodies(w, fast, numbers(100, 150))
	})
}

// TestReplacedInOrder holds that a device which takes the place of one whose connection is dead gets first what that one
// never took, though it is not known yet that the connection is.
func TestReplacedInOrder(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		romeo := w.Bind("romeo/desk")
		old := managed(w, "juliet/phone")
		w.Settle()
		say(romeo, "juliet@", 0, 5)
		w.Settle()
		old.Deaf()
		young := w.Bind("juliet/phone")
		young.Sendf(`<presence/>`)
		say(romeo, "juliet@", 5, 10)
		w.Settle()
		wantBodies(w, young, numbers(0, 10))
		old.Leave()
		w.Settle()
		wantBodies(w, young, nil)
		w.Close()
	})
}

// TestMissedOnce holds that a message whose devices go between its act and its delivery is missed once.
func TestMissedOnce(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		var missed atomic.Int32 // two turns run at a time
		w.Routers[0].OnMessage(router.Inbound, router.Missed, func(context.Context, *router.Trip) error {
			missed.Add(1)
			return nil
		})
		w.Account("romeo")
		juliet := w.Come("juliet/a", 0)
		juliet.Take()
		release := make(chan struct{})
		w.DB.Submit(func(*db.Tx) error { <-release; return nil }, nil)
		juliet.Sendf(`<message to="romeo@" type="chat"><body>hi</body></message>`) // holds up what comes behind it
		juliet.Sendf(`<presence type="unavailable"/>`)
		w.Routers[0].Route(w.Parse(`<message from="kith.example" to="juliet@kith.example" type="chat"><body>late</body></message>`))
		synctest.Wait()
		close(release)
		synctest.Wait()
		// romeo is away as well: his message is the other one that is missed.
		if n := missed.Load(); n != 2 {
			t.Errorf("missed %d times, want once for each of two messages", n)
		}
		if n := len(waiting(w, "juliet")); n != 1 {
			t.Errorf("%d wait, want 1", n)
		}
		w.Close()
	})
}
