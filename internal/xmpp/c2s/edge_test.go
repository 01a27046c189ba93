// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// A stranger who asks and does not read the answers keeps neither the connection nor its goroutine.
func TestDeafStranger(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		a, b := xmpptest.Pipe(4096)
		w.plain.conns <- a
		defer b.Close()
		if err := b.SetWriteDeadline(time.Now().Add(10 * negotiationTime)); err != nil {
			t.Fatal(err)
		}
		_, err := io.WriteString(b, header+strings.Repeat(`<auth xmlns='urn:ietf:params:xml:ns:xmpp-sasl'/>`, 1000))
		if e, ok := err.(net.Error); ok && e.Timeout() {
			t.Error("the connection is still there")
		}
	})
}

// A guesser is the same one however the name is spelled, and does not fill our memory with long ones.
func TestNameOfGuess(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		long := strings.Repeat("\ufdfa", 100) // 33 bytes each, once it is prepared
		for _, name := range []string{"juliet", "Juliet", "ＪＵＬＩＥＴ", long} {
			c := w.client()
			if err := c.Login(t.Context(), name, "no "+password, "", "SCRAM-SHA-256"); err == nil {
				t.Fatalf("%.10q got in", name)
			}
		}
		seen := w.server.throttle.seen
		here := network(netip.MustParseAddr("127.0.0.1"))
		if f := seen[throttleKey{from: here, name: "juliet"}]; f == nil || f.n != 3 {
			t.Errorf("failures of juliet: %+v, want 3", f)
		}
		if f := seen[throttleKey{from: here}]; f == nil || f.n != 4 {
			t.Errorf("failures of the address: %+v, want 4", f)
		}
		if len(seen) != 3 { // and juliet's of all addresses
			t.Errorf("%d entries, want 3", len(seen))
		}
	})
}

// One address does not take all the room there is for strangers; who has logged in takes none of it.
func TestManyStrangers(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for i := range maxStrangers + 50 { // this machine itself, which may be a proxy
			if !w.hears("127.0.0.1") {
				t.Fatalf("connection %d of this machine is refused", i)
			}
		}
		for i := range maxStrangers {
			if !w.hears(fmt.Sprintf("2001:db8::%x", i+1)) {
				t.Fatalf("connection %d is refused", i)
			}
		}
		if w.hears("2001:db8::ffff") {
			t.Error("one more is heard")
		}
		if !w.hears("2001:db8:0:1::1") {
			t.Error("another subscriber is refused")
		}
		time.Sleep(2 * negotiationTime)
		if !w.hears("2001:db8::1") {
			t.Error("the room is never free again")
		}
	})
}

// hears connects from an address, and reports whether the server answers.
func (w *world) hears(address string) bool {
	a, b := xmpptest.Pipe(0)
	w.plain.conns <- elsewhere{a, net.ParseIP(address)}
	w.t.Cleanup(func() { b.Close() })
	_, _ = io.WriteString(b, header) // what is refused says so below
	_, err := b.Read(make([]byte, 1))
	return err == nil
}

// elsewhere is a connection that comes from another address.
type elsewhere struct {
	net.Conn
	ip net.IP
}

func (e elsewhere) RemoteAddr() net.Addr { return &net.TCPAddr{IP: e.ip, Port: 40000} }

// A stop does not wait for who is silent in a handshake, nor for who is made to wait for having guessed.
func TestStopIsPrompt(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		silent := w.direct.dial()
		defer silent.Close()
		for range 100 { // so that the next one waits long
			w.server.throttle.count(throttleKey{from: network(netip.MustParseAddr("127.0.0.1"))})
		}
		guesser := w.client()
		guesser.MustSend(t, `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="SCRAM-SHA-256">bm9uc2Vuc2U=</auth>`)
		synctest.Wait()
		before := time.Now()
		w.stop()
		if d := time.Since(before); d > 6*time.Second { // what a peer has to take our end
			t.Errorf("the stop took %v", d)
		}
	})
}
