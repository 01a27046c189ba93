// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// A person writes to somebody over connections that break, and resends what the server did not have (XEP-0198 §5).
type person struct {
	w    *world
	c    *xmpptest.Client
	name string
	to   string
	sent int      // messages that were written, once at least
	got  []string // bodies, in order
}

// write sends the n-th message; the first stanza of a session was its presence.
func (p *person) write(n int) {
	p.w.t.Helper()
	p.c.MustSend(p.w.t, fmt.Sprintf(`<message to="%s@kith.example" type="chat"><body>%d</body></message>`, p.to, n))
}

// read takes up to n stanzas of what has come.
func (p *person) read(n int) {
	for range n {
		ctx, cancel := context.WithTimeout(p.w.t.Context(), time.Second)
		el, _ := p.c.Expect(ctx, `<anything/>`) // which it is not
		cancel()
		if el.IsZero() {
			return
		}
		if b, ok := el.Child(xmlstream.NSClient, "body"); ok {
			p.got = append(p.got, b.Text())
		}
	}
}

// resume goes on with the session, and sends again what the server has not got.
func (p *person) resume() {
	p.w.t.Helper()
	c := p.w.authenticated(p.name)
	h, err := c.Resume(p.w.t.Context(), p.c)
	if err != nil {
		p.w.t.Fatal(err)
	}
	p.c = c
	for n := int(h) - 1; n < p.sent; n++ {
		p.write(n)
	}
}

// Whatever becomes of connections and of the server, stopped in good order, each message comes once and in order.
func TestNothingIsLost(t *testing.T) {
	for seed := range uint64(6) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 4))
				two := []*person{{w: w, name: "juliet", to: "romeo"}, {w: w, name: "romeo", to: "juliet"}}
				for _, p := range two {
					p.c = w.resumable(p.name, "device", "")
				}
				for range 40 {
					p := two[r.IntN(2)]
					switch r.IntN(8) {
					case 0, 1, 2:
						for range r.IntN(20) {
							p.sent++
							p.write(p.sent - 1)
						}
					case 3, 4:
						p.read(r.IntN(15))
					case 5: // the network is gone, and the server may know or not
						p.c.Cut()
						if r.IntN(2) == 0 {
							synctest.Wait()
							time.Sleep(time.Duration(r.IntN(60)) * time.Second)
						}
						p.resume()
					case 6: // the client is elsewhere, and the server does not know
						p.resume()
					case 7:
						if r.IntN(3) == 0 {
							synctest.Wait()
							w.restart(time.Minute)
							for _, p := range two {
								p.resume()
							}
						}
					}
				}
				synctest.Wait()
				for _, p := range two {
					p.read(10_000)
				}
				for i, p := range two {
					var want []string
					for n := range two[1-i].sent {
						want = append(want, fmt.Sprint(n))
					}
					if !slices.Equal(p.got, want) {
						t.Errorf("%s got %v, want %d messages", p.name, p.got, len(want))
					}
				}
			})
		})
	}
}

// A device is one of a person's two, with copies: both are to have the whole conversation.
type device struct {
	w        *world
	c        *xmpptest.Client
	name, to string
	sent     int              // messages that were written, once at least; two stanzas came before them
	got      map[string][]int // numbers, by who sent them
}

func (d *device) write(n int) {
	d.w.t.Helper()
	d.c.MustSend(d.w.t, fmt.Sprintf(`<message to="%s@kith.example" type="chat"><body>%s %d</body></message>`, d.to, d.c.JID, n))
}

// read takes up to n stanzas of what has come.
func (d *device) read(n int) {
	for range n {
		ctx, cancel := context.WithTimeout(d.w.t.Context(), time.Second)
		el, _ := d.c.Expect(ctx, `<anything/>`) // which it is not
		cancel()
		if el.IsZero() {
			return
		}
		for _, direction := range []string{"sent", "received"} {
			if c, ok := el.Child("urn:xmpp:carbons:2", direction); ok {
				f, _ := c.Child("urn:xmpp:forward:0", "forwarded")
				el, _ = f.Child(xmlstream.NSClient, "message")
				break
			}
		}
		if b, ok := el.Child(xmlstream.NSClient, "body"); ok {
			var who string
			var number int
			fmt.Sscan(b.Text(), &who, &number)
			d.got[who] = append(d.got[who], number)
		}
	}
}

func (d *device) resume() {
	d.w.t.Helper()
	c := d.w.authenticated(d.name)
	h, err := c.Resume(d.w.t.Context(), d.c)
	if err != nil {
		d.w.t.Fatal(err)
	}
	d.c = c
	for n := int(h) - 2; n < d.sent; n++ {
		d.write(n)
	}
}

// Each of a person's devices has both sides of the conversation, each message once and in order, whatever becomes of
// connections and of the server, and whether or not somebody looks at the device.
func TestEveryDeviceHasAll(t *testing.T) {
	for seed := range uint64(4) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				r := rand.New(rand.NewPCG(seed, 5))
				var all []*device
				for _, who := range [][3]string{{"juliet", "romeo", "desk"}, {"juliet", "romeo", "phone"}, {"romeo", "juliet", "desk"}, {"romeo", "juliet", "phone"}} {
					d := &device{w: w, name: who[0], to: who[1], got: map[string][]int{}}
					d.c = w.resumable(who[0], who[2], "")
					d.c.MustSend(t, `<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
					w.await(d.c, `<iq type="result" id="c"/>`)
					all = append(all, d)
				}
				for range 50 {
					d := all[r.IntN(len(all))]
					switch r.IntN(9) {
					case 0, 1, 2:
						for range r.IntN(12) {
							d.sent++
							d.write(d.sent - 1)
						}
					case 3, 4:
						d.read(r.IntN(15))
					case 5, 6:
						d.c.Cut()
						if r.IntN(2) == 0 {
							synctest.Wait()
							time.Sleep(time.Duration(r.IntN(60)) * time.Second)
						}
						d.resume()
					case 7:
						d.c.MustSend(t, []string{active, inactive}[r.IntN(2)])
					case 8:
						if r.IntN(3) == 0 {
							synctest.Wait()
							w.restart(time.Minute)
							for _, d := range all {
								d.resume()
							}
						}
					}
				}
				synctest.Wait()
				for _, d := range all {
					d.c.MustSend(t, active)
				}
				synctest.Wait()
				for _, d := range all {
					d.read(10_000)
				}
				for _, d := range all {
					for _, from := range all {
						var want []int
						for n := range from.sent {
							if from != d {
								want = append(want, n)
							}
						}
						if got := d.got[from.c.JID.String()]; !slices.Equal(got, want) {
							t.Errorf("%v got of %v: %v, want %d messages", d.c.JID, from.c.JID, got, len(want))
						}
					}
				}
			})
		})
	}
}
