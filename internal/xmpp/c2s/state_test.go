// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

const (
	inactive = `<inactive xmlns="` + nsCSI + `"/>`
	active   = `<active xmlns="` + nsCSI + `"/>`
)

// While nobody looks, what can wait does, until somebody looks or something cannot wait (XEP-0352 §4, §5.1). Others do not
// see the difference (XEP-0352 §5, §6).
func TestClientState(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		juliet, romeo := w.login("juliet", "balcony"), w.login("romeo", "orchard")
		if _, ok := juliet.Features.Child(nsCSI, "csi"); !ok {
			t.Errorf("not offered in %s", juliet.Features.Raw())
		}
		if _, ok := w.client().Features.Child(nsCSI, "csi"); ok {
			t.Error("offered before the log-in")
		}
		juliet.MustSend(t, `<presence/>`)
		juliet.MustExpect(t, `<presence from="juliet@kith.example/balcony"/>`)
		romeo.MustSend(t, `<presence/>`)
		w.await(juliet, `<presence from="romeo@kith.example/orchard"/>`)
		w.await(romeo, `<presence from="juliet@kith.example/balcony"/>`)

		juliet.MustSend(t, inactive)
		synctest.Wait()
		romeo.MustSend(t, `<presence><show>away</show></presence><presence><show>dnd</show></presence>`)
		w.await(romeo, `<presence><show>dnd</show></presence>`)
		romeo.MustExpectNothing(t)
		juliet.MustSend(t, active+`<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
		juliet.MustExpect(t, `<presence from="romeo@kith.example/orchard"><show>dnd</show></presence>`)
		juliet.MustExpect(t, `<iq type="result" id="1"/>`)
		romeo.MustExpectNothing(t)

		juliet.MustSend(t, inactive)
		synctest.Wait()
		romeo.MustSend(t, `<presence/>`+chat("juliet", 2))
		juliet.MustExpect(t, `<presence from="romeo@kith.example/orchard"/>`)
		juliet.MustExpect(t, `<message id="2"/>`)
		juliet.MustSend(t, `<asleep xmlns="`+nsCSI+`"/>`)
		w.ends(juliet, "unsupported-stanza-type")
	})
}

// A client may begin inactive, and with copies (XEP-0386 §3.2.1); what can be asked for is announced (XEP-0386 §3.1).
func TestBindWithFeatures(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		offered := map[string]bool{}
		c := w.client()
		auth, _ := c.Features.Child(nsSASL2, "authentication")
		inline, _ := auth.Child(nsSASL2, "inline")
		bind, _ := inline.Child(nsBind2, "bind")
		list, _ := bind.Child(nsBind2, "inline")
		for n := range list.Children() {
			offered[n.Attr("var")] = true
		}
		if !offered[nsCSI] || !offered[nsSM] || !offered["urn:xmpp:carbons:2"] {
			t.Errorf("offered: %v", offered)
		}
		r := withPassword()
		r.BindFeatures = `<enable xmlns="urn:xmpp:carbons:2"/>` + inactive
		phone, _ := w.login2(r)
		phone.MustSend(t, `<presence><priority>-1</priority></presence>`)
		desk, romeo := w.login("juliet", "desk"), w.login("romeo", "orchard")
		desk.MustSend(t, `<presence/>`)
		w.await(desk, `<presence from="`+phone.JID.String()+`"/>`)
		romeo.MustSend(t, `<presence/>`)
		w.await(desk, `<presence from="romeo@kith.example/orchard"/>`)
		desk.MustSend(t, chat("romeo", 1))
		romeo.MustSend(t, chat("juliet", 2))
		w.await(desk, `<message id="2"/>`)
		w.await(phone, `<message from="juliet@kith.example" to="`+phone.JID.String()+`" type="chat"><received xmlns="urn:xmpp:carbons:2">
			<forwarded xmlns="urn:xmpp:forward:0"><message xmlns="jabber:client" id="2"/></forwarded></received></message>`)
	})
}

// A session sleeps as long as somebody has patience, and is away for others after ten minutes, over restarts, too.
func TestPatience(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		var patient atomic.Bool
		patient.Store(true)
		hook := func() {
			w.Routers[0].OnPatience(func(_ context.Context, d *router.Device) time.Duration {
				if patient.Load() && d.JID.Local() == "juliet" {
					return 24 * time.Hour
				}
				return 0
			})
		}
		hook()
		w.Friends("juliet", "romeo")
		romeo := w.login("romeo", "orchard")
		romeo.MustSend(t, `<presence/>`)
		romeo.MustExpect(t, `<presence/>`)
		juliet := w.resumable("juliet", "balcony", "")
		full := juliet.JID.String()
		w.await(romeo, `<presence from="`+full+`" type="(none)"/>`)
		w.cut(juliet)
		time.Sleep(9 * time.Minute)
		romeo.MustExpectNothing(t)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		romeo.MustExpect(t, `<presence from="`+full+`" type="(none)"><show>away</show></presence>`)
		romeo.MustSend(t, chat("juliet", 1))
		time.Sleep(20 * time.Hour)
		romeo.MustExpectNothing(t)
		juliet = w.resume(juliet, 1)
		w.await(juliet, `<message id="1"/>`)
		romeo.MustExpect(t, `<presence from="`+full+`" type="(none)"><show>(none)</show></presence>`)

		// It is away after a restart, and until it is back.
		w.cut(juliet)
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		romeo.MustExpect(t, `<presence from="`+full+`"><show>away</show></presence>`)
		w.restart(time.Minute)
		hook()
		romeo = w.login("romeo", "orchard")
		romeo.MustSend(t, `<presence/>`)
		w.await(romeo, `<presence from="`+full+`"><show>away</show></presence>`)
		time.Sleep(20 * time.Hour)
		romeo.MustExpectNothing(t)
		juliet = w.resume(juliet, 1)
		romeo.MustExpect(t, `<presence from="`+full+`"><show>(none)</show></presence>`)

		// Where nobody has patience any more, it ends soon.
		w.cut(juliet)
		time.Sleep(11 * time.Minute)
		synctest.Wait()
		romeo.MustExpect(t, `<presence from="`+full+`"><show>away</show></presence>`)
		patient.Store(false)
		time.Sleep(10 * time.Minute)
		synctest.Wait()
		romeo.MustExpect(t, `<presence from="`+full+`" type="unavailable"/>`)
		w.refused("juliet", juliet, "1")

		// And no patience is longer than it is.
		patient.Store(true)
		juliet = w.resumable("juliet", "balcony", "")
		w.await(romeo, `<presence from="`+full+`"/>`)
		w.cut(juliet)
		time.Sleep(24*time.Hour - time.Minute)
		w.await(romeo, `<presence from="`+full+`"><show>away</show></presence>`)
		romeo.MustExpectNothing(t)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		romeo.MustExpect(t, `<presence from="`+full+`" type="unavailable"/>`)
	})
}

// The client hears how long its session sleeps, as far as that is known when it asks (XEP-0198 §3).
func TestPatienceTold(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Routers[0].OnPatience(func(context.Context, *router.Device) time.Duration { return time.Hour })
		for attrs, want := range map[string]string{"": "3600", `max="60"`: "60", `max="7200"`: "3600"} {
			c := w.login("juliet", "balcony")
			c.MustSend(t, `<enable xmlns="`+nsSM+`" resume="true" `+attrs+`/>`)
			c.MustExpect(t, `<enabled xmlns="`+nsSM+`" max="`+want+`"/>`)
		}
	})
}

// Those whose sessions have slept over a restart hear of one that could not be restored.
func TestLostInRestart(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		romeo := w.resumable("romeo", "orchard", "")
		juliet := w.resumable("juliet", "balcony", "")
		w.await(romeo, `<presence from="`+juliet.JID.String()+`"/>`)
		w.disable("juliet") // and nobody kicks
		w.restart(time.Second)
		romeo = w.resume(romeo, 1)
		romeo.MustExpect(t, `<presence from="`+juliet.JID.String()+`" type="unavailable"/>`)
		romeo.MustExpectNothing(t)
	})
}

// Who may not bind any more does not take the place of who is there.
func TestRefusedBindReplacesNobody(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		late := w.client()
		if err := late.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256); err != nil {
			t.Fatal(err)
		}
		juliet := w.login("juliet", "balcony")
		w.disable("juliet") // and nobody kicks
		late.MustSend(t, `<iq type="set" id="b"><bind xmlns="`+nsBind+`"><resource>balcony</resource></bind></iq>`)
		w.ends(late, "not-authorized")
		juliet.MustExpectNothing(t) // but a pong
	})
}

// A stop that comes while a client is inactive and what it holds has not been written loses nothing of it.
func TestHeldOverRestart(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		juliet := w.resumable("juliet", "balcony", "")
		w.await(juliet, `<presence type="unavailable"/>`) // the answer to her probe
		juliet.MustSend(t, inactive)
		synctest.Wait()
		romeo := w.login("romeo", "orchard")
		for i := range 3 {
			romeo.MustSend(t, fmt.Sprintf(`<presence><status>%d</status></presence>`, i))
			romeo.MustSend(t, fmt.Sprintf(`<message to="juliet@kith.example" id="%d"><displayed xmlns="urn:xmpp:chat-markers:0" id="x"/></message>`, i))
		}
		synctest.Wait()
		w.restart(time.Second)
		juliet = w.resume(juliet, 1)
		juliet.MustExpect(t, `<message id="0"/>`)
		juliet.MustExpect(t, `<message id="1"/>`)
		w.await(juliet, `<presence from="romeo@kith.example/orchard"/>`)
		w.await(juliet, `<message id="2"/>`)
	})
}

// Who binds with Bind 2 looks into the archive, and is not sent what had waited; what waits from then on is (XEP-0386 §3.2).
func TestBindClearsWhatWaits(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		romeo := w.login("romeo", "orchard")
		for i := range 150 {
			romeo.MustSend(t, chat("juliet", i))
		}
		romeo.MustExpectNothing(t)
		time.Sleep(time.Minute)
		app, _ := w.login2(withPassword())
		romeo.MustSend(t, chat("juliet", "late"))
		romeo.MustExpectNothing(t)
		app.MustSend(t, `<presence/>`)
		app.MustExpect(t, `<presence/>`)
		app.MustExpect(t, `<message id="late"><delay xmlns="urn:xmpp:delay"/></message>`)
		app.MustExpectNothing(t)
		app.Close()
		synctest.Wait()
		old := w.login("juliet", "balcony") // nothing of it waits for anybody any more
		old.MustSend(t, `<presence/>`)
		old.MustExpect(t, `<presence/>`)
		old.MustExpectNothing(t)
	})
}
