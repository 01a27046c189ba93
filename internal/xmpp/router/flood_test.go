// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
)

// TestFlood has accounts flood each other, both ways and in a ring, with streams that may have one stanza on its way:
// were a turn to wait for a turn, or for a stream, they would stand still.
func TestFlood(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		const accounts, each = 3, 60
		one := session.Credit{Stanzas: 1, Bytes: 1}
		var all []*routertest.Device
		for i := range accounts {
			d := w.BindWith(fmt.Sprintf("user%d/a", i), "", one)
			d.Manage()
			d.Sendf(`<presence/>`)
			all = append(all, d)
		}
		w.Settle()
		for _, d := range all {
			d.Take()
		}
		var wg sync.WaitGroup
		for i, d := range all {
			for j := range all {
				wg.Go(func() {
					for n := range each {
						switch n % 3 {
						case 0:
							d.Sendf(`<message to="user%d@" type="chat"><body>%d</body></message>`, j, n)
						case 1:
							d.Sendf(`<message to="user%d@/a" type="chat"><body>%d</body><no-store xmlns="urn:xmpp:hints"/></message>`, j, n)
						case 2:
							d.Sendf(`<iq to="user%d@/a" type="result" id="x%d"/>`, j, i)
						}
					}
				})
			}
		}
		wg.Wait()
		w.Settle()
		for j, d := range all {
			got := len(d.Take())
			want := each*(accounts-1) + each*2/3 // of one's own, those to the bare address are not copied
			if got != want {
				w.T.Errorf("user%d got %d stanzas, want %d", j, got, want)
			}
			if h, want := d.H(), uint32(1+each*accounts); h != want {
				w.T.Errorf("user%d: %d stanzas are safe, want %d", j, h, want)
			}
		}
		noTransit(w)
	})
}
