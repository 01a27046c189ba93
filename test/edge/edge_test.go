// SPDX-License-Identifier: Apache-2.0

// Package edge is what comes from outside when it is not meant well: bytes that are no XMPP, too much of it, too slow, too
// early, and from too many, on every port of a server as people run it. Each must get the error that its standard has
// for it, or a closed connection, in its time; the server's memory stays bounded, its log calm; and two people who
// are chatting meanwhile hardly notice (RFC 6120 §13.12, RFC 6455 §10, RFC 7395, XEP-0124 v1.11.2, XEP-0206 v1.4).
//
// The short form leaves out what has to wait for a timeout of half a minute or more, and comes in smaller numbers;
// KITH_SOAK=1 is the whole. What needs many connections is done by a process of its own (crowd_test.go) with the
// lowest priority, since on a machine with few processors the attacker's own work would count as the server's.
package edge

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/test/kith"
)

const password = "a rose by any other name"

const (
	// closing is how long the server may take to end a connection of which it wants no more: its peer has five seconds
	// to end it too.
	closing = 5*time.Second + slack
	// slack is for a machine that has much else to do.
	slack = 10 * time.Second
)

func long() bool { return os.Getenv("KITH_SOAK") != "" }

// A world is the server with the two bystanders.
type world struct {
	*kith.Server
	pair *pair
}

func TestEdge(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("memory of other processes is read as Linux gives it")
	}
	s := kith.Build(t).Start(t, "KITH_LISTEN_METRICS=127.0.0.1:0", "KITH_WEB_TRUSTED_PROXIES=127.0.0.1")
	for _, name := range []string{"romeo", "juliet", "nurse"} {
		s.AddUser(t, name, password)
	}
	w := &world{Server: s, pair: newPair(t, s)}
	calm := w.pair.quiet(t)
	before := s.Memory(t)
	t.Logf("median latency %v, memory %d KiB", calm, before)

	slow := w.startSlow(t) // beside all that follows
	t.Run("stream", w.testStreams)
	t.Run("tls", w.testTLS)
	t.Run("websocket", w.testWebSocket)
	t.Run("bosh", w.testBOSH)
	t.Run("http", w.testHTTP)
	w.pair.check(t, "ill-formed input", calm)
	t.Run("idle", func(t *testing.T) { w.testIdle(t, before) })
	w.pair.check(t, "idle connections", calm)
	t.Run("one address", w.testOneAddress)
	t.Run("guesses", w.testGuesses)
	w.pair.check(t, "wrong passwords", calm)
	slow(t)
	w.pair.end(t)

	// What is free goes back to the system bit by bit, so the long form waits for it.
	const most = 64 << 10 // KiB
	after := s.Memory(t)
	for end := time.Now().Add(3 * time.Minute); long() && after-before > most && time.Now().Before(end); after = s.Memory(t) {
		time.Sleep(time.Second)
	}
	t.Logf("memory %d KiB", after)
	if after-before > most {
		t.Errorf("the server has %d KiB more than before", after-before)
	}
}

// A peer is a connection to the server, and what can be said about its end.
type peer struct{ net.Conn }

func dial(t testing.TB, address string) *peer {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &peer{c}
}

func (w *world) web() string { return strings.TrimPrefix(w.Web, "http://") }

// trusting is the TLS of a client that asks for no authority: the server's certificate is its own.
func trusting() *tls.Config { return &tls.Config{ServerName: kith.Domain, InsecureSkipVerify: true} }

// secure is dial over TLS.
func secure(t testing.TB, address string) *peer {
	t.Helper()
	c := tls.Client(dial(t, address), trusting())
	if err := c.HandshakeContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &peer{c}
}

// write sends s, of which the server may want only a part.
func (p *peer) write(s string) {
	_ = p.SetWriteDeadline(time.Now().Add(closing))
	_, _ = io.WriteString(p, s) // what comes back tells
}

// read reads until it has seen text, and returns all it has read.
func (p *peer) read(t testing.TB, text string) string {
	t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(closing))
	var b strings.Builder
	buf := make([]byte, 4096)
	for !strings.Contains(b.String(), text) {
		n, err := p.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			t.Fatalf("waiting for %s: %v after %q", text, err, b.String())
		}
	}
	return b.String()
}

// rest is all that the server says until it ends the connection, for which it has within. It fails the test if the server
// does not. In the short form the peer ends its side when the server has said that the stream is over, so that nobody
// waits for the other.
func (p *peer) rest(t testing.TB, within time.Duration) string {
	t.Helper()
	_ = p.SetReadDeadline(time.Now().Add(within))
	var got strings.Builder
	buf := make([]byte, 4096)
	for {
		n, err := p.Read(buf)
		got.Write(buf[:n])
		if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
			t.Errorf("the connection is still open after %v; the server said %.300q", within, got.String())
		}
		if err != nil {
			return got.String()
		}
		if said := got.String(); !long() && (strings.Contains(said, "</stream:stream>") || strings.Contains(said, closeWebSocket)) {
			if c, ok := p.Conn.(interface{ CloseWrite() error }); ok {
				_ = c.CloseWrite() // who is gone is at the end as well
			}
		}
	}
}

// together runs tests beside each other: most of their time they wait, so more of them than there are processors.
func together(t *testing.T, list []test) {
	t.Helper()
	var wg sync.WaitGroup
	turn := make(chan struct{}, 32)
	for _, x := range list {
		wg.Go(func() {
			turn <- struct{}{}
			defer func() { <-turn }()
			t.Run(x.name, x.run)
		})
	}
	wg.Wait()
}

// A test is one of several that run together.
type test struct {
	name string
	run  func(*testing.T)
}

// number reads one metric of the server, with its labels as they are shown; 0 where it is not there.
func (w *world) number(t *testing.T, name string) string {
	t.Helper()
	resp, err := http.Get(w.Metrics)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "\n"+name+" ")
	n, _, _ := strings.Cut(after, "\n")
	return n
}
