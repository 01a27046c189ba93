// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"bytes"
	"crypto/tls"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/test/kith"
)

// testTLS has peers that do not do their handshake as they should. The connection ends, and no stream begins.
func (w *world) testTLS(t *testing.T) {
	hello := clientHello(t)
	var list []test
	for _, way := range []struct {
		name    string
		connect func(t testing.TB) *peer
	}{
		{"direct", func(t testing.TB) *peer { return dial(t, w.ClientsTLS) }},
		{"starttls", w.proceed},
	} {
		for _, b := range []struct{ name, send string }{
			{"garbage", strings.Repeat("\x00\xff", 1000)},
			{"XMPP", header},
			{"HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"},
			{"SSL 2", "\x80\x2e\x01\x00\x02" + strings.Repeat("\x00", 43)},
			{"a record too long", "\x16\x03\x01\xff\xff" + strings.Repeat("a", 1<<16)},
			{"a hello too long", "\x16\x03\x01\x40\x00\x01\xff\xff\xff" + strings.Repeat("\x00", 1<<14-4)},
			{"a hello, then garbage", hello + strings.Repeat("\xff", 1000)},
			{"an alert", "\x15\x03\x01\x00\x02\x02\x28"},
			{"application data", "\x17\x03\x03\x00\x05hello"},
		} {
			list = append(list, test{way.name + "/" + b.name, func(t *testing.T) {
				c := way.connect(t)
				go c.write(b.send) // ends with the connection
				if got := c.rest(t, closing); strings.Contains(got, "stream") {
					t.Errorf("the server said %.300q", got)
				}
			}})
		}
	}
	together(t, list)
}

// proceed is a connection on which TLS may begin.
func (w *world) proceed(t testing.TB) *peer {
	t.Helper()
	c := dial(t, w.Clients)
	c.write(header)
	c.read(t, "</stream:features>")
	c.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>")
	c.read(t, "<proceed")
	return c
}

// clientHello is what a client of TLS says first.
func clientHello(t *testing.T) string {
	t.Helper()
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	go func() { // ends with here
		_ = tls.Client(there, &tls.Config{ServerName: kith.Domain, InsecureSkipVerify: true}).HandshakeContext(t.Context())
	}()
	_ = here.SetReadDeadline(time.Now().Add(closing))
	head := make([]byte, 5)
	if _, err := io.ReadFull(here, head); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, int(head[3])<<8|int(head[4]))
	if _, err := io.ReadFull(here, body); err != nil {
		t.Fatal(err)
	}
	return string(bytes.Join([][]byte{head, body}, nil))
}
