// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
)

// comes is World.Come for a device that may sleep.
func comes(w *routertest.World, full string) *routertest.Device {
	d := w.Bind(full)
	d.Resumable()
	d.Sendf(`<presence/>`)
	w.Settle()
	d.Ack(uint32(len(d.Take())))
	return d
}

// TestAsleep holds that a device which has lost its connection is there for everybody as it was, gets in order what was
// sent to it when it has another one, and is gone only when it ends.
func TestAsleep(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		juliet, romeo := comes(w, "juliet/balcony"), w.Come("romeo/desk", 0)
		w.Settle()
		taken := uint32(1 + len(juliet.Take()))
		juliet.Ack(taken)
		juliet.Sendf(`<message to="romeo@" type="chat"><body>before</body></message>`)
		w.Settle()
		check(t, "romeo", romeo.Bodies(), []string{"before"})

		juliet.Sleep()
		for i := range 3 {
			romeo.Sendf(`<message to="juliet@" type="chat"><body>%d</body></message>`, i)
		}
		late := w.Come("romeo/phone", 0) // hears of her as ever
		w.Settle()
		if !juliet.Resume(taken) {
			t.Fatal("not resumed")
		}
		w.Settle()
		var bodies []string
		n := uint32(0)
		for _, st := range juliet.Take() {
			n++
			if b, ok := st.Child("jabber:client", "body"); ok {
				bodies = append(bodies, b.Text())
			}
		}
		check(t, "juliet", bodies, []string{"0", "1", "2"})
		juliet.Ack(taken + n)
		juliet.Sendf(`<message to="romeo@/desk" type="chat"><body>after</body></message>`)
		romeo.Take()
		w.Settle()
		check(t, "romeo", romeo.Bodies(), []string{"after"})

		// What it took waits for nobody.
		late.Take()
		juliet.Leave()
		w.Settle()
		for _, st := range late.Take() {
			check(t, "romeo hears", st.Type+" "+st.From.Resource(), "unavailable balcony")
		}
		check(t, "what waits", w.Come("juliet/desk", 0).Bodies(), []string(nil))
	})
}

// TestAsleepAndLost holds that what a device was sent asleep, and never got, comes to the next one.
func TestAsleepAndLost(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		juliet, romeo := comes(w, "juliet/balcony"), w.Come("romeo/desk", 0)
		romeo.Sendf(`<message to="juliet@" type="chat"><body>written</body></message>`)
		w.Settle()
		juliet.Sleep()
		romeo.Sendf(`<message to="juliet@" type="chat"><body>not written</body></message>`)
		w.Settle()
		juliet.Leave()
		w.Settle()
		desk := w.Bind("juliet/desk")
		desk.Sendf(`<presence/>`)
		w.Settle()
		var bodies []string
		for _, st := range desk.Take() {
			if b, ok := st.Child("jabber:client", "body"); ok {
				bodies = append(bodies, b.Text())
			}
		}
		check(t, "what waits", bodies, []string{"written", "not written"})
	})
}

// TestSleeperDoesNotHoldUp holds that what waits, and was not sent to the device that fetches it before that fell asleep,
// comes to the next that becomes available.
func TestSleeperDoesNotHoldUp(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Come("romeo/desk", 0)
		w.Account("juliet")
		for i := range 250 { // pages of 100
			romeo.Sendf(`<message to="juliet@" type="chat"><body>%d</body></message>`, i)
		}
		w.Settle()
		phone := w.Bind("juliet/phone")
		phone.Resumable()
		phone.Sendf(`<presence/>`)
		w.Settle()
		check(t, "sent to the phone", len(phone.Take()), 101)
		phone.Sleep()
		desk := w.Bind("juliet/desk")
		desk.Sendf(`<presence/>`)
		w.Settle()
		n := 0
		for _, st := range desk.Take() {
			if b, ok := st.Child("jabber:client", "body"); ok {
				check(t, "body", b.Text(), fmt.Sprint(100+n))
				n++
			}
		}
		check(t, "sent to the desk", n, 150)
		// The phone comes back, and takes its own.
		if !phone.Resume(101) {
			t.Fatal("not resumed")
		}
		w.Settle()
		phone.Leave()
		desk.Leave()
		w.Settle()
		check(t, "what waits", w.Come("juliet/garden", 0).Bodies(), []string(nil))
	})
}

// TestGivesWay holds that the device that has slept longest makes room for another one.
func TestGivesWay(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		var all []*routertest.Device
		for i := range 20 {
			d := w.Bind(fmt.Sprintf("juliet/%d", i))
			d.Resumable()
			all = append(all, d)
		}
		for _, i := range []int{4, 2, 9} {
			all[i].Sleep()
			w.Settle()
			time.Sleep(time.Second)
		}
		w.Settle()
		check(t, "too much", all[4].Resume(1000), false) // it sleeps on
		w.Bind("juliet/new")                             // in place of the fourth
		w.Settle()
		check(t, "the one that slept longest", all[4].Resume(0), false)
		check(t, "the next", all[2].Resume(0), true)
		w.Bind("juliet/newer")
		w.Settle()
		check(t, "the last", all[9].Resume(0), false)
	})
}

// TestCounted holds that a session's count is right in each transaction: it has all messages that are committed with it,
// and none that follows a stanza that is not safe.
func TestCounted(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := comes(w, "romeo/desk")
		count := func() string {
			h, ok := romeo.Count()
			return fmt.Sprint(h, ok)
		}
		check(t, "before", count(), "0 false")
		release := make(chan struct{})
		w.DB.Submit(func(*db.Tx) error { <-release; return nil }, nil) // so that all are one transaction
		for range 100 {
			romeo.Sendf(`<message to="juliet@" type="chat"><body>Hark</body></message>`)
		}
		synctest.Wait()
		close(release)
		w.Settle()
		check(t, "h", romeo.H(), uint32(101))
		if len(w.Routers) > 1 {
			check(t, "the home is another node", count(), "0 false")
			return
		}
		check(t, "after", count(), "101 true")

		// What is not recorded is safe only when it was handed on: what follows it in the same transaction is not counted.
		release = make(chan struct{})
		w.DB.Submit(func(*db.Tx) error { <-release; return nil }, nil)
		romeo.Sendf(`<message to="juliet@" type="chat"><body>102</body></message>`)
		romeo.Sendf(`<message to="juliet@" type="chat"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>`)
		romeo.Sendf(`<message to="juliet@" type="chat"><body>104</body></message>`)
		synctest.Wait()
		close(release)
		w.Settle()
		check(t, "h", romeo.H(), uint32(104))
		check(t, "after one that is not recorded", count(), "102 true")
		romeo.Sendf(`<message to="romeo@" type="chat"><body>to himself</body></message>`)
		w.Settle()
		check(t, "with the next", count(), "105 true")
	})
}

// check compares, by what is printed.
func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if g, w := fmt.Sprintf("%q", got), fmt.Sprintf("%q", want); g != w {
		t.Errorf("%s: got %s, want %s", what, g, w)
	}
}
