// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"encoding/binary"
	"fmt"
	"strings"
	"testing"
)

const (
	openWebSocket  = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="localhost" version="1.0"/>`
	closeWebSocket = `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`
)

// webSocket opens one, from an address as a proxy gives it; "" for none.
func (w *world) webSocket(t testing.TB, from string) *peer {
	t.Helper()
	c := dial(t, w.web())
	c.write(upgrade(from))
	c.read(t, "\r\n\r\n")
	return c
}

// upgrade is the request for a WebSocket.
func upgrade(from string) string {
	head := "GET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: xmpp\r\n"
	if from != "" {
		head += "X-Forwarded-For: " + from + "\r\nX-Forwarded-Proto: https\r\n"
	}
	return head + "\r\n"
}

// frame is a frame of a client (RFC 6455 §5.2) with its first byte, under a mask of zeros.
func frame(first byte, payload string) string {
	b := []byte{first}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	return string(append(b, 0, 0, 0, 0)) + payload
}

const (
	text   = 0x81
	bytes_ = 0x82
)

// testWebSocket has frames that RFC 6455 forbids, or that are not XMPP (RFC 7395).
func (w *world) testWebSocket(t *testing.T) {
	var list []test
	closes := func(name, send string, code int) {
		list = append(list, test{"frame/" + name, func(t *testing.T) {
			c := w.webSocket(t, "")
			c.write(frame(text, openWebSocket))
			c.read(t, "</stream:features>")
			go c.write(send) // ends with the connection
			want := string(binary.BigEndian.AppendUint16(nil, uint16(code)))
			if got := c.rest(t, closing); !strings.Contains(got, "\x88\x02"+want) {
				t.Errorf("the server said %.300q, which does not close with %d", got, code)
			}
		}})
	}
	closes("binary", frame(bytes_, "<presence/>"), 1003)
	closes("no mask", "\x81\x05hello", 1002)
	closes("a reserved bit", frame(0xc1, "<presence/>"), 1002)
	closes("a reserved opcode", frame(0x83, ""), 1002)
	closes("a reserved opcode of control", frame(0x8b, ""), 1002)
	closes("a continuation of nothing", frame(0x80, "a"), 1002)
	closes("a message in a message", frame(0x01, "<a")+frame(0x81, "<b/>"), 1002)
	closes("a control frame in parts", frame(0x09, "a"), 1002)
	closes("a control frame too long", frame(0x89, strings.Repeat("a", 126)), 1002)
	closes("a close frame of one byte", frame(0x88, "a"), 1002)
	closes("a length not as short as it could be", "\x81\xfe\x00\x05\x00\x00\x00\x00hello", 1002)
	closes("a length with the highest bit", "\x81\xff\x80\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 1002)
	closes("a length that is a threat", "\x81\xff\x00\x00\x00\xff\xff\xff\xff\xff\x00\x00\x00\x00", 1009)
	closes("a message too long", frame(text, strings.Repeat("a", 1<<20)), 1009)
	closes("too many parts", frame(0x01, "<")+strings.Repeat(frame(0x00, ""), 1<<17), 1009)
	closes("no UTF-8", frame(text, "<a xmlns='b'>\xff</a>"), 1007)

	for _, b := range elements() {
		list = append(list, test{"element/" + b.name, func(t *testing.T) {
			c := w.webSocket(t, "")
			c.write(frame(text, openWebSocket))
			c.read(t, "</stream:features>")
			go c.write(frame(text, b.send)) // ends with the connection
			b.check(t, c.rest(t, closing))
		}})
	}
	for _, b := range []breach{
		{"a header of TCP", header, "not-well-formed"}, // it does not end
		{"no header", "<presence xmlns='jabber:client'/>", "bad-format"},
		{"no XML", "hello", "bad-format"},
		{"an empty message", "", "bad-format"},
		{"two elements", openWebSocket + openWebSocket, "not-well-formed"},
		{"another namespace", `<open xmlns="b" to="localhost" version="1.0"/>`, "invalid-namespace"},
		{"another host", strings.Replace(openWebSocket, "localhost", "elsewhere.example", 1), "host-unknown"},
	} {
		list = append(list, test{"header/" + b.name, func(t *testing.T) {
			c := w.webSocket(t, "")
			c.write(frame(text, b.send))
			b.check(t, c.rest(t, closing))
		}})
	}
	list = append(list, test{"a flood of pings", func(t *testing.T) {
		c := w.webSocket(t, "")
		go c.write(strings.Repeat(frame(0x89, "a"), 10_000) + frame(text, openWebSocket)) // ends with the connection
		c.read(t, "</stream:features>")
	}})
	for name, request := range map[string]struct {
		change [2]string
		status int
	}{
		"no upgrade":     {[2]string{"Upgrade: websocket\r\n", ""}, 426},
		"another one":    {[2]string{"Upgrade: websocket\r\n", "Upgrade: h2c\r\n"}, 426},
		"an old version": {[2]string{"Version: 13", "Version: 8"}, 426},
		"no key":         {[2]string{"Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\n", ""}, 400},
		"a short key":    {[2]string{"MDEyMzQ1Njc4OWFiY2RlZg==", "MDEy"}, 400},
		"no protocol":    {[2]string{"Sec-WebSocket-Protocol: xmpp\r\n", ""}, 400},
		"another page":   {[2]string{"Upgrade: websocket\r\n", "Upgrade: websocket\r\nOrigin: https://evil.example\r\n"}, 403},
		"by POST":        {[2]string{"GET", "POST"}, 405},
		"HTTP 1.0":       {[2]string{"HTTP/1.1", "HTTP/1.0"}, 505},
	} {
		list = append(list, test{"handshake/" + name, func(t *testing.T) {
			c := dial(t, w.web())
			c.write(strings.Replace(upgrade(""), request.change[0], request.change[1], 1))
			if got := c.read(t, "\r\n"); !strings.HasPrefix(got, fmt.Sprintf("HTTP/1.1 %d ", request.status)) &&
				!strings.HasPrefix(got, fmt.Sprintf("HTTP/1.0 %d ", request.status)) {
				t.Errorf("the server said %.100q, want %d", got, request.status)
			}
		}})
	}
	together(t, list)
}
