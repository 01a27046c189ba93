// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"io"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// Whatever a client sends, the stream ends, and what we sent is one well-formed stream to its last byte.
func FuzzStream(f *testing.F) {
	f.Add([]byte(header+"<presence/><message><body>hi</body></message></stream:stream>"), false)
	f.Add([]byte(header+"<presence/><mess"), false)
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), false)
	frame := func(op byte, s string) string {
		return string([]byte{op, 0x80 | byte(len(s)), 0, 0, 0, 0}) + s
	}
	f.Add([]byte(frame(0x81, openFrame)+frame(0x89, "!")+frame(0x81, "<a/>")+frame(0x81, ourClose)+frame(0x88, "\x03\xe8")), true)
	f.Add([]byte(frame(0x81, openFrame)+frame(0x82, "x")), true)
	f.Add([]byte(frame(0x81, openFrame)+"\x81\xff"), true)
	f.Fuzz(func(t *testing.T, in []byte, webSocket bool) {
		a, b := xmpptest.Pipe(0)
		_, _ = b.Write(in)
		_ = b.(interface{ CloseWrite() error }).CloseWrite()
		s := stream.NewTCP(a, stream.Options{From: "kith.example"})
		if webSocket {
			s = stream.NewWebSocket(a, nil, stream.Options{From: "kith.example"})
		}
		_, err := s.Open()
		if err == nil {
			err = s.Reply(stream.Header{})
		}
		for err == nil {
			var el *xmlstream.Element
			if el, err = s.Read(); err == nil {
				err = s.Write(el.Root().Raw())
			}
		}
		_ = s.Close(stream.ErrorFor(err))

		out, err := io.ReadAll(b)
		if err != nil {
			t.Fatal(err)
		}
		if webSocket || len(out) == 0 {
			return
		}
		if !strings.HasSuffix(string(out), "</stream:stream>") {
			t.Fatalf("the stream has no end: %q", out)
		}
		p := xmlstream.NewParser(xmlstream.AfterAuth)
		p.Feed(out)
		for {
			tok, err := p.Next()
			if err != nil {
				t.Fatalf("we sent %q: %v", out, err)
			}
			if tok.Kind == xmlstream.Close {
				return
			}
		}
	})
}
