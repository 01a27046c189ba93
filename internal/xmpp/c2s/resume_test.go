// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const nsStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas"

// resumable returns a client that is available and may resume. attrs go into <enable/>.
func (w *world) resumable(name, resource, attrs string) *xmpptest.Client {
	w.t.Helper()
	c := w.login(name, resource)
	c.MustSend(w.t, `<enable xmlns="`+nsSM+`" resume="1" `+attrs+`/>`)
	n := c.MustExpect(w.t, `<enabled xmlns="`+nsSM+`" resume="true"/>`)
	if len(n.Attr("id")) < 26 {
		w.t.Fatalf("the id has not 128 bits: %s", n.Raw())
	}
	c.AutoAck(true)
	c.MustSend(w.t, `<presence/>`)
	w.await(c, `<presence from="`+c.JID.String()+`"/>`)
	return c
}

func (w *world) await(c *xmpptest.Client, pattern string) xmlstream.Node {
	w.t.Helper()
	n, err := c.Await(w.t.Context(), pattern)
	if err != nil {
		w.t.Fatal(err)
	}
	return n
}

// resume goes on with the session of old, and requires that the server has h of its stanzas.
func (w *world) resume(old *xmpptest.Client, h uint32) *xmpptest.Client {
	w.t.Helper()
	c := w.authenticated(old.JID.Local())
	got, err := c.Resume(w.t.Context(), old)
	if err != nil {
		w.t.Fatal(err)
	}
	if got != h {
		w.t.Errorf("resumed with h=%d, want %d", got, h)
	}
	return c
}

// refused requires that old cannot be resumed by name; h is how far it had come, "" where the server is not to tell.
func (w *world) refused(name string, old *xmpptest.Client, h string) *xmpptest.Client {
	w.t.Helper()
	c := w.authenticated(name)
	other := *c
	other.Adopt(old)
	c.MustSend(w.t, other.ResumeRequest())
	n := c.MustExpect(w.t, `<failed xmlns="`+nsSM+`"><item-not-found xmlns="`+nsStanzas+`"/></failed>`)
	if n.Attr("h") != h {
		w.t.Errorf("got %s, want h=%q", n.Raw(), h)
	}
	return c
}

// cut takes a client's connection away.
func (w *world) cut(c *xmpptest.Client) {
	c.Cut()
	synctest.Wait()
}

// chat is a message to the account of name.
func chat(name string, id any) string {
	return fmt.Sprintf(`<message to="%s@kith.example" type="chat" id="%v"><body>Hark</body></message>`, name, id)
}

// A session whose connection is lost goes on on the next one, again and again: with its counters, its address and its
// presence, and what it missed comes in order, with the time at which it was sent (XEP-0198 §5).
func TestResume(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		romeo := w.resumable("romeo", "orchard", "")
		juliet := w.resumable("juliet", "balcony", "")
		full := juliet.JID.String()
		w.await(romeo, `<presence from="`+full+`"/>`)
		w.await(juliet, `<presence from="`+romeo.JID.String()+`"/>`)

		h := uint32(1)
		for i := range 3 { // how often it is cut
			juliet.MustSend(t, chat("romeo", fmt.Sprint("j", i)))
			w.await(romeo, fmt.Sprintf(`<message from="%s" id="j%d"/>`, full, i))
			h++
			w.cut(juliet)
			sent := time.Now()
			for j := range 3 {
				romeo.MustSend(t, chat("juliet", fmt.Sprint(i, "-", j)))
			}
			synctest.Wait()
			time.Sleep(time.Minute)

			juliet = w.resume(juliet, h)
			for j := range 3 {
				n := w.await(juliet, fmt.Sprintf(`<message to="juliet@kith.example" id="%d-%d"><delay xmlns="urn:xmpp:delay" from="kith.example"/></message>`, i, j))
				d, _ := n.Child("urn:xmpp:delay", "delay")
				if at, err := time.Parse(time.RFC3339, d.Attr("stamp")); err != nil || at.Sub(sent).Abs() > time.Second {
					t.Errorf("sent at %s, want %s", d.Attr("stamp"), sent.UTC())
				}
			}
			if juliet.JID.String() != full {
				t.Errorf("resumed as %s", juliet.JID)
			}
			juliet.MustExpectNothing(t)
			h++ // for that
		}
		romeo.MustExpectNothing(t) // it neither left nor came
		if n := len(w.Routers[0].Devices(juliet.JID.Bare())); n != 1 {
			t.Errorf("%d devices", n)
		}
	})
}

// What was written and not acknowledged comes once more, before anything new, and what was is not sent again.
func TestResend(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		romeo := w.login("romeo", "orchard")
		juliet := w.resumable("juliet", "balcony", "")
		for i := range 5 {
			romeo.MustSend(t, chat("juliet", i))
		}
		romeo.MustExpectNothing(t)
		w.await(juliet, `<message id="1"/>`) // and what follows is lost on the way
		w.cut(juliet)
		romeo.MustSend(t, chat("juliet", 5))
		romeo.MustExpectNothing(t)
		juliet = w.resume(juliet, 1)
		for i := 2; i < 6; i++ {
			juliet.MustExpect(t, fmt.Sprintf(`<message id="%d"/>`, i))
		}
		juliet.MustExpectNothing(t)

		// All was acknowledged by now: nothing waits for the next device.
		if err := juliet.Ack(); err != nil {
			t.Fatal(err)
		}
		juliet.Close()
		desk := w.login("juliet", "desk")
		desk.MustSend(t, `<presence/>`)
		desk.MustExpect(t, `<presence/>`)
		desk.MustExpectNothing(t)
	})
}

// The connection that a session has is taken from it: what was read there is counted, and it ends with a conflict
// (XEP-0198 §5).
func TestTakeOver(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		old := w.resumable("juliet", "balcony", "")
		release := w.blocked()
		old.MustSend(t, chat("romeo", 1)+chat("romeo", 2))
		synctest.Wait()
		c := w.authenticated("juliet")
		done := make(chan error)
		go func() {
			h, err := c.Resume(t.Context(), old)
			if h != 3 && err == nil {
				err = fmt.Errorf("h=%d, want 3", h)
			}
			done <- err
		}()
		synctest.Wait()
		time.Sleep(3 * time.Second)
		select {
		case err := <-done:
			t.Fatalf("resumed before all was safe: %v", err)
		default:
		}
		release()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		w.ends(old, "conflict")
		c.MustExpectNothing(t)

		// Where that takes too long, the server cannot tell how far it came.
		release = w.blocked()
		c.MustSend(t, chat("romeo", 3))
		synctest.Wait()
		begin := time.Now()
		late := w.refused("juliet", c, "")
		if d := time.Since(begin); d < settleTime || d > settleTime+time.Second {
			t.Errorf("refused after %v", d)
		}
		release()
		synctest.Wait()
		if _, err := late.Resume(t.Context(), c); err != nil {
			t.Errorf("later on: %v", err)
		}
	})
}

// A connection that takes nothing does not hold up who resumes its session.
func TestTakeOverOfDeadConnection(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		romeo := w.login("romeo", "orchard")
		juliet := w.resumable("juliet", "balcony", "")
		for i := range 20 { // more than the pipe holds, and nobody reads
			romeo.MustSend(t, `<message to="juliet@kith.example" type="chat" id="`+fmt.Sprint(i)+`"><body>`+strings.Repeat("x", 20_000)+`</body></message>`)
		}
		romeo.MustExpectNothing(t)
		begin := time.Now()
		juliet = w.resume(juliet, 1)
		if d := time.Since(begin); d > time.Second {
			t.Errorf("resumed after %v", d)
		}
		for i := range 20 {
			juliet.MustExpect(t, fmt.Sprintf(`<message id="%d"/>`, i))
		}
		juliet.MustExpectNothing(t)
	})
}

// Of many connections that resume a session at once, one has it in the end, and it is whole.
func TestResumeAtOnce(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		juliet := w.resumable("juliet", "balcony", "")
		var clients []*xmpptest.Client
		for range 10 {
			c := w.authenticated("juliet")
			c.Adopt(juliet)
			clients = append(clients, c)
		}
		for _, c := range clients {
			c.MustSend(t, c.ResumeRequest())
		}
		synctest.Wait()
		ended := 0
		for _, c := range clients {
			c.MustExpect(t, `<resumed xmlns="`+nsSM+`" h="1"/>`)
			if n, err := c.Await(t.Context(), `<stream:error><conflict xmlns="`+nsError+`"/></stream:error>`); err == nil && !n.IsZero() {
				ended++
			}
			if ended == 9 {
				break
			}
		}
		w.ends(juliet, "conflict")
		if n := len(w.Routers[0].Devices(juliet.JID.Bare())); n != 1 {
			t.Errorf("%d devices", n)
		}
	})
}

// Who does not come back in time is gone, with what it had not got (XEP-0198 §4, §5): others see it leave only then, and
// it can still hear how far it came.
func TestSleepEnds(t *testing.T) {
	for attrs, rest := range map[string]time.Duration{
		"":             router.DefaultPatience,
		`max="0"`:      router.DefaultPatience,
		`max="60"`:     time.Minute,
		`max="100000"`: router.DefaultPatience,
		`max="long"`:   router.DefaultPatience,
	} {
		t.Run(attrs, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				w.Friends("juliet", "romeo")
				romeo := w.resumable("romeo", "orchard", "")
				juliet := w.resumable("juliet", "balcony", attrs)
				full := juliet.JID.String()
				w.await(romeo, `<presence from="`+full+`"/>`)
				juliet.MustSend(t, chat("romeo", 1))
				w.await(romeo, `<message id="1"/>`)
				w.cut(juliet)
				romeo.MustSend(t, chat("juliet", 2)+`<iq type="get" id="3" to="`+full+`"><ping xmlns="urn:xmpp:ping"/></iq>`)
				time.Sleep(rest - time.Second)
				synctest.Wait()
				romeo.MustExpectNothing(t)
				time.Sleep(time.Second)
				synctest.Wait()
				if err := romeo.ExpectAll(t.Context(),
					`<presence from="`+full+`" type="unavailable"/>`,
					`<iq type="error" id="3"><error type="wait"><recipient-unavailable xmlns="`+nsStanzas+`"/></error></iq>`,
				); err != nil {
					t.Fatal(err)
				}
				c := w.refused("juliet", juliet, "2")
				w.refused("romeo", juliet, "") // nobody else's business

				// XEP-0198 §5: the client may bind now.
				if err := c.Bind(t.Context(), "balcony"); err != nil {
					t.Fatal(err)
				}
				c.MustSend(t, `<presence/>`)
				w.await(c, `<message id="2"><delay xmlns="urn:xmpp:delay"/></message>`)
			})
		})
	}
}

// What ends a session for good leaves nothing to resume (XEP-0198 §7).
func TestNothingToResume(t *testing.T) {
	for name, end := range map[string]func(w *world, c *xmpptest.Client){
		"the client ends the stream": func(w *world, c *xmpptest.Client) { c.Close() },
		"the client breaks a rule":   func(w *world, c *xmpptest.Client) { c.MustSend(w.t, `<nonsense xmlns="urn:example"/>`) },
		"the client sends an error": func(w *world, c *xmpptest.Client) {
			c.Stream.Close(&stream.Error{Condition: "policy-violation"})
		},
		"it is replaced, awake":  func(w *world, c *xmpptest.Client) { w.login("juliet", "balcony"); w.ends(c, "conflict") },
		"it is replaced, asleep": func(w *world, c *xmpptest.Client) { w.cut(c); w.login("juliet", "balcony") },
		"it is kicked, awake":    func(w *world, c *xmpptest.Client) { w.kick(c); w.ends(c, "reset") },
		"it is kicked, asleep":   func(w *world, c *xmpptest.Client) { w.cut(c); w.kick(c) },
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				w.Friends("juliet", "romeo")
				romeo := w.resumable("romeo", "orchard", "")
				juliet := w.resumable("juliet", "balcony", "")
				w.await(romeo, `<presence from="`+juliet.JID.String()+`"/>`)
				w.await(juliet, `<presence from="`+romeo.JID.String()+`"/>`)
				end(w, juliet)
				synctest.Wait()
				w.await(romeo, `<presence from="`+juliet.JID.String()+`" type="unavailable"/>`)
				w.refused("juliet", juliet, "1")
			})
		})
	}
}

// kick ends a client's session as the server does when the account has changed.
func (w *world) kick(c *xmpptest.Client) {
	w.Routers[0].Do(c.JID.Bare(), func(context.Context) {
		for _, d := range w.Routers[0].Devices(c.JID.Bare()) {
			d.Kick("reset", "")
		}
	})
}

// Requests to resume that make no sense are answered, and the client may bind (XEP-0198 §6).
func TestBadManagement(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.authenticated("juliet")
		for _, test := range []struct{ send, want string }{
			{`<resume xmlns="` + nsSM + `" previd="x"/>`, "bad-request"},
			{`<resume xmlns="` + nsSM + `" h="1"/>`, "bad-request"},
			{`<resume xmlns="` + nsSM + `" previd="x" h="-1"/>`, "bad-request"},
			{`<resume xmlns="` + nsSM + `" previd="x" h="4294967296"/>`, "bad-request"},
			{`<resume xmlns="` + nsSM + `" previd="` + strings.Repeat("x", 5000) + `" h="0"/>`, "item-not-found"},
			{`<enable xmlns="` + nsSM + `" resume="true"/>`, "unexpected-request"},
			{`<r xmlns="` + nsSM + `"/>`, "unexpected-request"},
		} {
			c.MustSend(t, test.send)
			n := c.MustExpect(t, `<failed xmlns="`+nsSM+`"><`+test.want+` xmlns="`+nsStanzas+`"/></failed>`)
			if n.HasAttr("h") {
				t.Errorf("%s: got %s", test.send, n.Raw())
			}
		}
		if err := c.Bind(t.Context(), "balcony"); err != nil {
			t.Error(err)
		}

		early := w.client() // XEP-0198 §3
		for _, what := range []string{`<enable xmlns="` + nsSM + `"/>`, `<resume xmlns="` + nsSM + `" previd="x" h="0"/>`} {
			early.MustSend(t, what)
			early.MustExpect(t, `<failed xmlns="`+nsSM+`"><unexpected-request xmlns="`+nsStanzas+`"/></failed>`)
		}
		if err := early.Login(t.Context(), "juliet", password, "garden", sasl.SCRAMSHA256); err != nil {
			t.Error(err)
		}
	})
}

// Who acknowledges more than it was sent is told so, and its session is none the worse (XEP-0198 §6).
func TestResumeWithTooMuch(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		juliet := w.resumable("juliet", "balcony", "")
		romeo := w.login("romeo", "orchard")
		w.cut(juliet)
		romeo.MustSend(t, chat("juliet", 1)) // not sent yet
		romeo.MustExpectNothing(t)
		c := w.authenticated("juliet")
		id := strings.Split(strings.SplitAfter(juliet.ResumeRequest(), `previd="`)[1], `"`)[0]
		c.MustSend(t, fmt.Sprintf(`<resume xmlns="%s" previd="%s" h="%d"/>`, nsSM, id, juliet.Taken()+1))
		n := c.MustExpect(t, `<stream:error><undefined-condition xmlns="`+nsError+`"/></stream:error>`)
		h, _ := n.Child(nsSM, "handled-count-too-high")
		if h.Attr("h") != fmt.Sprint(juliet.Taken()+1) || h.Attr("send-count") != fmt.Sprint(juliet.Taken()) {
			t.Errorf("got %s", n.Raw())
		}
		w.over(c)
		juliet = w.resume(juliet, 1)
		juliet.MustExpect(t, `<message id="1"/>`)

		// A second one on a resumed stream, and <enable/>, come too late (XEP-0198 §3, §5).
		juliet.MustSend(t, juliet.ResumeRequest())
		juliet.MustExpect(t, `<failed xmlns="`+nsSM+`"><unexpected-request xmlns="`+nsStanzas+`"/></failed>`)
		juliet.MustSend(t, `<enable xmlns="`+nsSM+`"/>`)
		juliet.MustExpect(t, `<stream:error><policy-violation xmlns="`+nsError+`"/></stream:error>`)
	})
}

// With SASL2, resumption takes no step of its own: no features follow, and a request to bind is passed over (XEP-0198
// §9.2). Where it fails, the client is told, and bound (XEP-0198 §9.2.1).
func TestResumeInline(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.BindFeatures = `<enable xmlns="` + nsSM + `" resume="true" max="300"/>`
		offer := w.client()
		auth, _ := offer.Features.Child(nsSASL2, "authentication")
		inline, _ := auth.Child(nsSASL2, "inline")
		if _, ok := inline.Child(nsSM, "sm"); !ok {
			t.Errorf("not offered: %s", offer.Features.Raw())
		}
		juliet, welcome := w.login2(r)
		bound, _ := welcome.Success.Child(nsBind2, "bound")
		enabled, _ := bound.Child(nsSM, "enabled")
		if enabled.Attr("resume") != "true" || enabled.Attr("max") != "300" || len(enabled.Attr("id")) < 26 {
			t.Fatalf("got %s", welcome.Success.Raw())
		}
		juliet.AutoAck(true)
		romeo := w.login("romeo", "orchard")
		juliet.MustSend(t, `<presence/>`)
		w.await(juliet, `<presence/>`)
		for i := range 2 {
			w.cut(juliet)
			romeo.MustSend(t, chat("juliet", i))
			romeo.MustExpectNothing(t)
			c := w.client()
			c.Adopt(juliet)
			r.Extra = c.ResumeRequest()
			welcome, err := c.LoginSASL2(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			_, isBound := welcome.Success.Child(nsBind2, "bound")
			if !welcome.Resumed || isBound || c.JID != juliet.JID {
				t.Fatalf("got %s", welcome.Success.Raw())
			}
			c.MustExpect(t, fmt.Sprintf(`<message id="%d"/>`, i)) // no features
			juliet = c
		}

		juliet.Close()
		synctest.Wait()
		c := w.client()
		c.Adopt(juliet)
		r.Extra = c.ResumeRequest()
		welcome, err := c.LoginSASL2(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		failed, _ := welcome.Success.Child(nsSM, "failed")
		if _, ok := failed.Child(nsStanzas, "item-not-found"); !ok || failed.Attr("h") != "1" || welcome.Resumed {
			t.Errorf("got %s", welcome.Success.Raw())
		}
		if _, isBound := welcome.Success.Child(nsBind2, "bound"); !isBound || c.Features.IsZero() {
			t.Errorf("not bound, or no features: %s", welcome.Success.Raw())
		}
		c.MustExpectNothing(t)
	})
}

// An account that is locked, or has another password, has no sessions that sleep, and none wakes that slips through.
func TestChangedAsleep(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		juliet := w.resumable("juliet", "balcony", "")
		w.cut(juliet)
		c := w.authenticated("juliet")
		p, err := w.Accounts.Password("juliet", "another good password")
		if err != nil {
			t.Fatal(err)
		}
		id := w.Account("juliet")
		w.change(func(tx *db.Tx) error { return w.Accounts.SetPassword(tx, id, p) }) // and nobody kicks
		c.Adopt(juliet)
		c.MustSend(t, c.ResumeRequest())
		w.ends(c, "not-authorized")
		synctest.Wait()
		if n := len(w.Routers[0].Devices(juliet.JID.Bare())); n != 0 {
			t.Errorf("%d devices", n)
		}
	})
}

// A session that holds too much for its client ends, and what it held waits for the next.
func TestSleepsOverfull(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		juliet := w.resumable("juliet", "balcony", "")
		romeo := w.login("romeo", "orchard")
		w.cut(juliet)
		for i := range 1001 {
			romeo.MustSend(t, chat("juliet", i))
		}
		romeo.MustExpectNothing(t)
		synctest.Wait()
		if n := len(w.Routers[0].Devices(juliet.JID.Bare())); n != 0 {
			t.Fatalf("%d devices", n)
		}
		c := w.refused("juliet", juliet, "1")
		if err := c.Bind(t.Context(), "balcony"); err != nil {
			t.Fatal(err)
		}
		c.MustSend(t, `<presence/>`)
		for i := range 1001 {
			w.await(c, fmt.Sprintf(`<message id="%d"/>`, i))
		}
		c.MustExpectNothing(t)
	})
}

// Sleepers count as devices, and the one that has slept longest gives way.
func TestSleeperGivesWay(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		var all []*xmpptest.Client
		for i := range 20 { // as many as there may be
			all = append(all, w.resumable("juliet", fmt.Sprint(i), ""))
		}
		for _, i := range []int{7, 3} {
			w.cut(all[i])
			time.Sleep(time.Second)
		}
		w.login("juliet", "new")
		synctest.Wait()
		w.refused("juliet", all[7], "1")
		w.resume(all[3], 1)
		c := w.authenticated("juliet")
		if err := c.Bind(t.Context(), "newer"); err == nil {
			t.Error("all are awake, and one more is bound")
		}
	})
}

// A session that nobody was told how to resume does not sleep.
func TestUnknownDoesNotSleep(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.login("juliet", "balcony")
		c.MustSend(t, `<enable xmlns="`+nsSM+`"/>`)
		c.MustExpect(t, `<enabled xmlns="`+nsSM+`"/>`)
		w.cut(c)
		if n := len(w.Routers[0].Devices(c.JID.Bare())); n != 0 {
			t.Errorf("%d devices", n)
		}
	})
}

// Over a restart, a session sleeps for as long as it would have without, however often it is restarted.
func TestSleepEndsAfterRestart(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Friends("juliet", "romeo")
		juliet := w.resumable("juliet", "balcony", `max="60"`)
		romeo := w.resumable("romeo", "orchard", "")
		w.await(juliet, `<presence from="`+romeo.JID.String()+`"/>`)
		w.await(romeo, `<presence from="`+juliet.JID.String()+`"/>`)
		w.restart(20 * time.Second)
		romeo = w.resume(romeo, 1)
		romeo.MustSend(t, chat("juliet", 1))
		romeo.MustExpectNothing(t)
		w.restart(20 * time.Second)
		romeo = w.resume(romeo, 3) // a ping, too
		time.Sleep(15 * time.Second)
		romeo.MustExpectNothing(t)
		juliet = w.resume(juliet, 1)
		juliet.MustExpect(t, `<message id="1"/>`)
		w.cut(juliet) // its time is its own again

		w.restart(50 * time.Second)
		romeo = w.resume(romeo, 4)
		romeo.MustExpectNothing(t)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		romeo.MustExpect(t, `<presence from="`+juliet.JID.String()+`" type="unavailable"/>`)

		// One that should have woken while the server was away is gone when it is back.
		garden := w.resumable("juliet", "garden", `max="60"`)
		w.await(garden, `<message id="1"><delay xmlns="urn:xmpp:delay"/></message>`)
		w.restart(2 * time.Minute)
		synctest.Wait()
		w.refused("juliet", garden, "1")
		c := w.login("juliet", "desk")
		c.MustSend(t, `<presence/>`)
		w.await(c, `<message id="1"><delay xmlns="urn:xmpp:delay"/></message>`) // it was not acknowledged
	})
}

// What was written down of an account that was locked meanwhile stays away, and messages stay.
func TestLockedDuringRestart(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		juliet := w.resumable("juliet", "balcony", "")
		romeo := w.login("romeo", "orchard")
		romeo.MustSend(t, chat("juliet", 1))
		romeo.MustExpectNothing(t)
		synctest.Wait()
		id := w.Account("juliet")
		w.change(func(tx *db.Tx) error { return w.Accounts.SetDisabled(tx, id, true) }) // and nobody kicks
		w.restart(time.Second)
		if n := len(w.Routers[0].Devices(juliet.JID.Bare())); n != 0 {
			t.Errorf("%d devices", n)
		}
		w.change(func(tx *db.Tx) error { return w.Accounts.SetDisabled(tx, id, false) })
		c := w.refused("juliet", juliet, "1")
		if err := c.Bind(t.Context(), "balcony"); err != nil {
			t.Fatal(err)
		}
		c.MustSend(t, `<presence/>`)
		w.await(c, `<message id="1"><delay xmlns="urn:xmpp:delay"/></message>`)
	})
}
