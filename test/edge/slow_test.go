// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// A slow peer says first at once, then a byte of rest each second, and begins anew at its end; nothing more where that is
// "". The server has to give it up within so much.
type slow struct {
	name        string
	connect     func(testing.TB) net.Conn
	first, rest string
	within      time.Duration
	want        string // in what the server says; "" for anything
}

const (
	headerTime      = 10 * time.Second // that the server gives the header of a request
	bodyTime        = 30 * time.Second // and all of it
	handshakeTime   = 30 * time.Second // TLS
	negotiationTime = 60 * time.Second // the way to a bound resource
)

func (w *world) slow(t *testing.T) []slow {
	hello := clientHello(t)
	web := func(t testing.TB) net.Conn { return dial(t, w.web()) }
	plain := func(t testing.TB) net.Conn { return dial(t, w.Clients) }
	direct := func(t testing.TB) net.Conn { return dial(t, w.ClientsTLS) }
	list := []slow{
		{"HTTP, nothing", web, "", "", headerTime, ""},
		{"HTTP, half a hello of TLS", web, hello[:len(hello)/2], "", headerTime, ""},
		{"HTTP, a header byte by byte", web, "GET / HTTP/1.1\r\n", "Host: localhost\r\n", headerTime, ""},
	}
	if !long() {
		return list
	}
	return append(list, []slow{
		{"HTTP, a body byte by byte", web, "POST /http-bind HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10000\r\n\r\n<", "a", bodyTime, ""},
		{"HTTP, chunks byte by byte", web, "POST /http-bind HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n", "1\r\na\r\n", bodyTime, ""},
		{"TLS, nothing", direct, "", "", handshakeTime, ""},
		{"TLS, half a hello", direct, hello[:len(hello)/2], "", handshakeTime, ""},
		{"TLS, a hello byte by byte", direct, hello[:5], hello[5:], handshakeTime, ""},
		{"TLS, a hello and nothing more", direct, hello, "", handshakeTime, ""},
		{"STARTTLS, half a hello", func(t testing.TB) net.Conn { return w.proceed(t) }, hello[:len(hello)/2], "", handshakeTime, ""},
		{"XMPP, nothing", plain, "", "", negotiationTime, ""},
		{"XMPP, a header byte by byte", plain, "", header, negotiationTime, "connection-timeout"},
		{"XMPP, a header only", plain, header, "", negotiationTime, "connection-timeout"},
		{"XMPP, white space", plain, header, " ", negotiationTime, "connection-timeout"},
		{"XMPP, an element byte by byte", func(t testing.TB) net.Conn { return secure(t, w.ClientsTLS) },
			header + "<auth xmlns='" + nsSASL + "' mechanism='SCRAM-SHA-256'>", "a", negotiationTime, "connection-timeout"},
		{"XMPP, an attribute byte by byte", func(t testing.TB) net.Conn { return secure(t, w.ClientsTLS) },
			header + "<auth xmlns='", "a", negotiationTime, "connection-timeout"},
		{"WebSocket, nothing", func(t testing.TB) net.Conn { return w.webSocket(t, "") }, "", "", negotiationTime, ""},
		{"WebSocket, a frame byte by byte", func(t testing.TB) net.Conn { return w.webSocket(t, "") },
			"\x81\xfe\x10\x00\x00\x00\x00\x00<", "a", negotiationTime, "connection-timeout"},
		{"WebSocket, pings", func(t testing.TB) net.Conn { return w.webSocket(t, "") }, frame(text, openWebSocket), frame(0x89, ""),
			negotiationTime, "connection-timeout"},
	}...)
}

// startSlow has all slow peers begin. The function that it returns waits for their ends.
func (w *world) startSlow(t *testing.T) func(*testing.T) {
	t.Helper()
	type end struct {
		got  string
		took time.Duration
		err  error
	}
	list := w.slow(t)
	ends := make([]end, len(list))
	var wg sync.WaitGroup
	for i, s := range list {
		c := s.connect(t)
		wg.Go(func() {
			begin := time.Now()
			stop := make(chan struct{})
			go s.drip(c, stop) // ends with stop
			_ = c.SetReadDeadline(begin.Add(s.within + closing))
			b, err := io.ReadAll(c)
			close(stop)
			ends[i] = end{string(b), time.Since(begin), err}
		})
	}
	var unbound error
	if long() { // who has logged in and does not bind
		c := connect(t, w.Server)
		if err := c.Authenticate(t.Context(), "nurse", password, sasl.SCRAMSHA256); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			_ = c.Stream.SetReadDeadline(time.Now().Add(negotiationTime + closing))
			_, unbound = c.Stream.Read()
		})
	}
	return func(t *testing.T) {
		wg.Wait()
		for i, s := range list {
			e := ends[i]
			if n, ok := errors.AsType[net.Error](e.err); ok && n.Timeout() {
				t.Errorf("%s: still open after %v", s.name, e.took)
			} else if !strings.Contains(e.got, s.want) {
				t.Errorf("%s: the server said %.300q, want %s", s.name, e.got, s.want)
			}
			t.Logf("%s: ended after %v", s.name, e.took.Round(time.Second/10))
		}
		if long() && (unbound == nil || !strings.Contains(unbound.Error(), "connection-timeout")) {
			t.Errorf("who does not bind: %v", unbound)
		}
	}
}

func (s slow) drip(c net.Conn, stop <-chan struct{}) {
	if _, err := io.WriteString(c, s.first); err != nil || s.rest == "" {
		return
	}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for i := 0; ; i++ {
		select {
		case <-stop:
			return
		case <-tick.C:
		}
		if _, err := c.Write([]byte{s.rest[i%len(s.rest)]}); err != nil {
			return
		}
	}
}
