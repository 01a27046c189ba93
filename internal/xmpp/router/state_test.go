// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// told is what features that wake devices hear.
type told struct {
	mu   sync.Mutex
	list []string
}

func (x *told) note(s string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.list = append(x.list, s)
}

func (x *told) take() []string {
	x.mu.Lock()
	defer x.mu.Unlock()
	list := x.list
	x.list = nil
	return list
}

// listen hangs a feature into the routers that hears what wakes devices: for each message who took it how, and what was
// held.
func listen(w *routertest.World) *told {
	x := &told{}
	for _, r := range w.Routers {
		r.OnMessage(router.Inbound, router.Notify, func(_ context.Context, t *router.Trip) error {
			var took []string
			for full, state := range t.Took {
				took = append(took, fmt.Sprint(full.Resource(), state))
			}
			slices.Sort(took)
			x.note(fmt.Sprint(bodyOf(t.Stanza), " ", took))
			return nil
		})
		r.OnHeld(func(_ context.Context, d *router.Device, st *stanza.Stanza) {
			x.note(fmt.Sprint("held ", d.JID.Resource(), " ", st.Kind, " ", st.Type, " ", bodyOf(st)))
		})
	}
	return x
}

// TestStates holds what Notify and OnHeld are told of devices.
func TestStates(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		x := listen(w)
		desk, phone := &reader{Device: w.Bind("juliet/desk")}, &reader{Device: w.Bind("juliet/phone")}
		for _, d := range []*reader{desk, phone} {
			d.Resumable()
			d.Sendf(`<presence/>`)
		}
		romeo := w.Come("romeo/a", 0)
		phone.Sendf(`<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
		w.Settle()
		ack := func() {
			w.Settle()
			for _, d := range []*reader{desk, phone} {
				d.read()
				d.Ack(d.h)
			}
			w.Settle()
		}
		ack()
		x.take()
		send := func(to, body string) {
			romeo.Sendf(`<message to="juliet@%s" type="chat"><body>%s</body></message>`, to, body)
			ack()
		}
		send("", "awake")
		check(t, "awake", x.take(), []string{"awake [desk0 phone0]"})
		phone.SetIdle(true)
		send("", "idle")
		send("/desk", "copied")
		check(t, "idle", x.take(), []string{"idle [desk0 phone1]", "copied [desk0 phone1]"})
		phone.Sleep()
		send("", "asleep")
		check(t, "asleep", x.take(), []string{"asleep [desk0 phone2]"})

		// What is sent to it beside messages is told of, if it may matter.
		romeo.Sendf(`<iq type="get" id="1" to="juliet@/phone"><ping xmlns="urn:xmpp:ping"/></iq>`)
		romeo.Sendf(`<presence><show>away</show></presence>`)
		stranger := w.Come("tybalt/street", 0)
		stranger.Sendf(`<presence type="subscribe" to="juliet@"/>`)
		w.Settle()
		check(t, "held", x.take(), []string{"held phone iq get ", "held phone presence subscribe "})
		phone.wake(t)
		ack()
		x.take()
		send("", "awake again")
		check(t, "awake again", x.take(), []string{"awake again [desk0 phone0]"})

		// Who does not acknowledge in time is as good as asleep, and was not awake when it was said to be.
		phone.Sendf(`<presence/>`)
		ack()
		romeo.Sendf(`<message to="juliet@" type="chat"><body>one</body></message>`)
		romeo.Sendf(`<message to="juliet@/desk" type="chat"><body>two</body></message>`)
		w.Settle()
		desk.read()
		desk.Ack(desk.h)
		time.Sleep(time.Minute)
		w.Settle()
		check(t, "overdue", x.take(), []string{"one [desk0 phone0]", "two [desk0 phone0]", "held phone message chat one",
			"held phone message chat two"})
		romeo.Sendf(`<message to="juliet@" type="chat"><body>three</body></message>`)
		w.Settle()
		check(t, "silent", x.take(), []string{"three [desk0 phone2]"})
		ack()
		send("", "four")
		check(t, "heard of", x.take(), []string{"four [desk0 phone0]"})
	})
}

// TestPatience holds that the most patient feature says how long a session may sleep.
func TestPatience(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		for _, r := range w.Routers {
			r.OnPatience(func(context.Context, *router.Device) time.Duration { return 0 })
		}
		short := w.Bind("romeo/desk")
		check(t, "as ever", short.Patience(), router.DefaultPatience)
		for _, r := range w.Routers {
			r.OnPatience(func(_ context.Context, d *router.Device) time.Duration {
				if d.JID.Resource() == "phone" {
					return 24 * time.Hour
				}
				return time.Second
			})
		}
		check(t, "a phone", w.Bind("romeo/phone").Patience(), 24*time.Hour)
		check(t, "a desk", short.Patience(), router.DefaultPatience)
	})
}
