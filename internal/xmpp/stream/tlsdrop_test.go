// SPDX-License-Identifier: Apache-2.0

//go:build tlsdrop

package stream

import (
	"bytes"
	"crypto/tls"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unsafe"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// This fails with a Go whose crypto/tls is another than the one we know: nothing is dropped then. See that all that
// tlsdrop.go relies on still holds, or build without the tag.
func TestDropBuffers(t *testing.T) {
	t.Parallel()
	at, ok := tlsBuffers()
	if !ok {
		t.Fatal("crypto/tls has no buffers as they were")
	}
	web := httptest.NewTLSServer(nil)
	defer web.Close()
	a, b := connected(t)
	s := NewTCP(a, Options{Limits: xmlstream.AfterAuth})
	defer s.Cut()
	c := tls.Client(b, &tls.Config{InsecureSkipVerify: true})
	go func() { _ = c.Handshake() }() // what comes below fails if this does
	if err := s.StartTLS(&tls.Config{Certificates: web.TLS.Certificates}); err != nil {
		t.Fatal(err)
	}
	conn := s.tls.Load()
	grown := func() (n int) {
		for _, offset := range at {
			n += (*bytes.Buffer)(unsafe.Add(unsafe.Pointer(conn), offset)).Cap()
		}
		return n
	}
	if grown() < 500 {
		t.Errorf("after the handshake: %d bytes; are these the buffers?", grown())
	}
	send := func(text string) {
		t.Helper()
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
	}
	idle := func() {
		t.Helper()
		_ = s.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
		if _, err := s.Read(); err == nil {
			t.Fatal("there was nothing to read")
		}
		_ = s.SetReadDeadline(time.Time{})
	}
	send("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{10, 20_000, 100_000} {
		idle()
		if n := grown(); n != 0 {
			t.Errorf("while idle: %d bytes", n)
		}
		send("<message><body>" + strings.Repeat("x", size) + "</body></message>")
		if el, err := s.Read(); err != nil || len(el.Root().Raw()) < size {
			t.Fatal(err)
		}
	}
}
