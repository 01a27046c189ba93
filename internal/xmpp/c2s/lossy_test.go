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
