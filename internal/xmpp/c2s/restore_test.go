// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"testing"
	"testing/synctest"
)

// What sleeping devices of one account hold over a restart is theirs: none gets what another one was sent, whichever is
// restored first.
func TestRestoreTwoDevices(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		romeo := w.login("romeo", "orchard")
		balcony := w.resumable("juliet", "balcony", "")
		garden := w.resumable("juliet", "garden", "")
		w.await(balcony, `<presence from="`+garden.JID.String()+`"/>`)
		w.await(garden, `<presence from="`+balcony.JID.String()+`"/>`)
		w.cut(balcony)
		w.cut(garden)
		romeo.MustSend(t, chat("juliet", "both"))
		for _, c := range []struct{ to, id string }{{garden.JID.String(), "garden"}, {balcony.JID.String(), "balcony"}} {
			romeo.MustSend(t, `<message to="`+c.to+`" type="chat" id="`+c.id+`"><body>Hark</body></message>`)
		}
		romeo.MustExpectNothing(t)
		w.restart(0)
		balcony, garden = w.resume(balcony, 1), w.resume(garden, 1)
		balcony.MustExpect(t, `<message id="both"/>`)
		balcony.MustExpect(t, `<message id="balcony"/>`)
		garden.MustExpect(t, `<message id="both"/>`)
		garden.MustExpect(t, `<message id="garden"/>`)
		balcony.MustExpectNothing(t)
		garden.MustExpectNothing(t)
	})
}

// What a device had not come to when the server stopped, since it was fetching what had waited, comes to it after that.
func TestRestoreWhileFetching(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		romeo := w.login("romeo", "orchard")
		for i := range 150 {
			romeo.MustSend(t, chat("juliet", i))
		}
		synctest.Wait()
		balcony := w.resumable("juliet", "balcony", "")
		synctest.Wait()
		garden := w.login("juliet", "garden")
		garden.MustSend(t, chat("juliet", "own"))
		synctest.Wait()
		w.restart(0)
		balcony = w.resume(balcony, 1)
		w.await(balcony, `<message id="own"/>`)
	})
}
