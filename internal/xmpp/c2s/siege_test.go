// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// clientAt is a client at an address.
func (w *world) clientAt(address string) *xmpptest.Client {
	w.t.Helper()
	a, b := xmpptest.Pipe(0)
	w.direct.conns <- elsewhere{a, net.ParseIP(address)}
	c, err := xmpptest.New(w.t.Context(), b, xmpptest.Options{Domain: domain, TLS: trusting, Direct: true})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(c.Cut)
	return c
}

// An account at which somebody guesses from everywhere lets those in at once who were in before: by a token, with the
// client's id, or from the same address. Strangers wait, right or wrong.
func TestSiege(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		took := func(f func()) time.Duration {
			before := time.Now()
			f()
			return time.Since(before).Round(100 * time.Millisecond)
		}
		r := withPassword()
		r.RequestToken = true
		c, welcome := w.login2(r)
		c.Close()
		if err := w.clientAt("198.51.100.7").Login(t.Context(), "juliet", password, "", sasl.SCRAMSHA256); err != nil {
			t.Fatal(err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for i := range 40 {
			w.server.throttle.failed(gone, failure{from: netip.AddrFrom4([4]byte{203, 0, 113, byte(i)}), name: "juliet"})
		}
		in := func(address string, r xmpptest.SASL2, want string) func() {
			return func() {
				t.Helper()
				c := w.clientAt(address)
				defer c.Cut()
				if _, err := c.LoginSASL2(t.Context(), r); condition(err) != want {
					t.Errorf("from %s: got %v, want %q", address, err, want)
				}
			}
		}
		stranger := withPassword()
		stranger.Client = "another"
		wrong := stranger
		wrong.Password = "incorrect horse battery"
		const wait = 8 * time.Second
		for _, test := range []struct {
			name string
			do   func()
			want time.Duration
		}{
			{"a token", in("192.0.2.1", withToken(welcome.Token), ""), 0},
			{"a client that has one, with the password", in("192.0.2.2", withPassword(), ""), 0},
			{"an address", func() {
				if err := w.clientAt("198.51.100.7").Login(t.Context(), "juliet", password, "", sasl.SCRAMSHA256); err != nil {
					t.Error(err)
				}
			}, 0},
			{"a stranger with the right password", in("192.0.2.3", stranger, ""), wait},
			{"no stranger any more", in("192.0.2.3", stranger, ""), 0},
			{"a stranger with a wrong one", in("192.0.2.4", wrong, "not-authorized"), wait},
			{"another account", in("192.0.2.5", xmpptest.SASL2{User: "romeo", Password: password, Mechanism: sasl.SCRAMSHA256}, ""), 0},
		} {
			if got := took(test.do); got != test.want {
				t.Errorf("%s: it takes %v, want %v", test.name, got, test.want)
			}
		}
		time.Sleep(forgetAfter)
		stranger.Client = "a third"
		if got := took(in("192.0.2.6", stranger, "")); got != 0 {
			t.Errorf("when it is over: %v", got)
		}
	})
}

// An app that tries all mechanisms after a refusal has one wrong password; who tries one mechanism again has two.
func TestOneWrongPassword(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		mechs := []string{
			sasl.SCRAMSHA512PLUS, sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA512, sasl.SCRAMSHA256, sasl.SCRAMSHA1,
		}
		here := network(netip.MustParseAddr("127.0.0.1"))
		failures := func() int {
			w.server.throttle.mu.Lock()
			defer w.server.throttle.mu.Unlock()
			return w.server.throttle.counted(throttleKey{from: here, name: "juliet"})
		}
		c := w.client()
		for round := 1; round <= 2; round++ {
			for _, m := range mechs {
				if err := c.Authenticate(t.Context(), "juliet", "no "+password, m); condition(err) != "not-authorized" {
					t.Fatalf("%s: %v", m, err)
				}
			}
			if got := failures(); got != round {
				t.Errorf("round %d: %d failures", round, got)
			}
		}
		if err := c.Authenticate(t.Context(), "romeo", "no "+password, sasl.SCRAMSHA256); condition(err) != "not-authorized" {
			t.Fatal(err)
		}
		if err := c.Authenticate(t.Context(), "juliet", "no "+password, sasl.SCRAMSHA1); condition(err) != "not-authorized" {
			t.Fatal(err)
		}
		if got := failures(); got != 3 {
			t.Errorf("with another name between: %d failures, want 3", got)
		}
		if err := c.Login(t.Context(), "juliet", password, "", sasl.SCRAMSHA256); err != nil {
			t.Errorf("the right one: %v", err)
		}

		// A guesser waits as long for each answer as if all were counted at their last step.
		g := w.clientAt("192.0.2.1")
		before := time.Now()
		for range 4 {
			for _, m := range mechs[:2] {
				if err := g.Authenticate(t.Context(), "juliet", "no "+password, m); condition(err) != "not-authorized" {
					t.Fatal(err)
				}
			}
		}
		if got, want := time.Since(before).Round(100*time.Millisecond), 2*firstDelay; got != want {
			t.Errorf("eight guesses took %v, want %v", got, want)
		}
	})
}

// What is known of who has logged in does not grow for ever.
func TestKnownForgets(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
		for i := range 2 * maxEntries {
			th.succeeded(address(i), "juliet")
			if len(th.known) > maxEntries {
				t.Fatalf("%d entries", len(th.known))
			}
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		last := address(2*maxEntries - 1)
		besiege := func() {
			for i := range 100 {
				th.failed(gone, failure{from: address(i), name: "juliet"})
			}
		}
		besiege()
		if d := th.siege(last, "juliet"); d != 0 {
			t.Errorf("who was in waits %v", d)
		}
		time.Sleep(knownFor)
		besiege()
		if d := th.siege(last, "juliet"); d != maxDelay {
			t.Errorf("a month later it waits %v", d)
		}
		if d := th.siege(last, ""); d != 0 {
			t.Errorf("no name waits %v", d)
		}
	})
}
