// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// TestRestless has an account's devices come, fall asleep, wake, be replaced and leave at any moment, with acknowledgements
// that get lost, while turns and the store stand still now and then. Each message must reach somebody, none a device
// twice, and what was acknowledged must not come to anybody later.
func TestRestless(t *testing.T) {
	for seed := range uint64(6) {
		for _, places := range []int{1, 3} {
			t.Run(fmt.Sprintf("seed=%d,devices=%d", seed, places), func(t *testing.T) {
				routertest.Each(t, func(w *routertest.World) {
					r := &restless{w: w, chance: rand.New(rand.NewPCG(seed, 7)), places: make([]*inhabitant, places),
						got: map[string]bool{}, acked: map[string]bool{}}
					r.run()
				})
			})
		}
	}
}

type restless struct {
	w      *routertest.World
	chance *rand.Rand
	places []*inhabitant
	got    map[string]bool // by any session
	acked  map[string]bool
	stalls []chan struct{}
}

// An inhabitant is a device with what its client knows.
type inhabitant struct {
	*routertest.Device
	asleep bool
	count  uint32   // stanzas that it has
	acked  uint32   // of these, acknowledged
	bodies []string // of what it has and has not acknowledged
	has    map[string]bool
}

// reads takes what was written, or only a part of it: the connection is gone before the rest.
func (r *restless) reads(d *inhabitant, all bool) {
	list := d.Take()
	if !all {
		list = list[:r.chance.IntN(len(list)+1)]
	}
	for _, st := range list {
		d.count++
		b, ok := st.Child("jabber:client", "body")
		if !ok || st.Kind != stanza.Message {
			continue
		}
		if d.has[b.Text()] {
			r.w.T.Errorf("%v got %s twice", d.JID, b.Text())
		}
		d.has[b.Text()], r.got[b.Text()] = true, true
		d.bodies = append(d.bodies, b.Text())
	}
}

// acknowledged notes that the server knows what d has.
func (r *restless) acknowledged(d *inhabitant) {
	for _, b := range d.bodies {
		r.acked[b] = true
	}
	d.bodies, d.acked = nil, d.count
}

func (r *restless) comes(place int) {
	d := &inhabitant{Device: r.w.Bind(fmt.Sprint("juliet/", place)), has: map[string]bool{}}
	d.Resumable()
	d.Sendf(`<presence><priority>%d</priority></presence>`, r.chance.IntN(3)-1)
	r.places[place] = d
}

func (r *restless) stall(f func(<-chan struct{})) {
	c := make(chan struct{})
	r.stalls = append(r.stalls, c)
	f(c)
}

func (r *restless) release() {
	if len(r.stalls) > 0 {
		i := r.chance.IntN(len(r.stalls))
		close(r.stalls[i])
		r.stalls = append(r.stalls[:i], r.stalls[i+1:]...)
	}
}

// calm lets all go on, as is needed before a device binds.
func (r *restless) calm() {
	for len(r.stalls) > 0 {
		r.release()
	}
	r.w.Settle()
}

func (r *restless) run() {
	w := r.w
	juliet := w.Bind("juliet/first")
	writers := []*routertest.Device{w.Bind("romeo/a"), w.Bind("nurse/a")}
	sent := 0
	for range 300 {
		place := r.chance.IntN(len(r.places))
		d := r.places[place]
		switch op := r.chance.IntN(16); {
		case op < 5:
			from := writers[r.chance.IntN(len(writers))]
			from.Sendf(`<message to="juliet@" type="chat"><body>%d</body></message>`, sent)
			sent++
		case op == 5:
			r.stall(func(c <-chan struct{}) { w.Routers[0].Do(juliet.JID.Bare(), func(context.Context) { <-c }) })
		case op == 6:
			r.stall(func(c <-chan struct{}) { w.DB.Submit(func(*db.Tx) error { <-c; return nil }, nil) })
		case op == 7:
			r.release()
		case op == 8:
			synctest.Wait()
		case d == nil || op == 9 && !d.asleep:
			if d != nil { // it is replaced, and does not know
				r.calm()
				r.reads(d, false)
			}
			r.calm()
			r.comes(place)
		case d.asleep && op < 13:
			if !d.Resume(d.count) {
				w.T.Errorf("%v is not resumed", d.JID)
				r.places[place] = nil
				break
			}
			r.acknowledged(d)
			d.asleep = false
		case op < 12: // acknowledges
			synctest.Wait()
			r.reads(d, true)
			d.Ack(d.count)
			r.acknowledged(d)
		case op == 12:
			r.reads(d, true)
		case op == 13 && !d.asleep:
			d.Sendf(`<presence type="unavailable"/>`)
		case op == 14:
			if !d.asleep {
				r.reads(d, false)
			}
			d.Leave()
			r.places[place] = nil
		case !d.asleep:
			d.Sleep()
			r.reads(d, false)
			d.asleep = true
		}
	}
	r.calm()
	for _, d := range r.places {
		if d != nil {
			d.Leave()
		}
	}
	w.Settle()
	last := &inhabitant{Device: w.Bind("juliet/last"), has: map[string]bool{}}
	last.Sendf(`<presence/>`)
	w.Settle()
	r.reads(last, true)
	for n := range sent {
		b := fmt.Sprint(n)
		switch {
		case !r.got[b]:
			w.T.Errorf("%d is lost", n)
		case r.acked[b] && last.has[b]:
			w.T.Errorf("%d was acknowledged, and comes again", n)
		}
	}
	noTransit(w)
}
