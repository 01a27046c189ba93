// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const openFrame = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" to="kith.example" version="1.0"/>`

// serveWebSocket runs serve on each WebSocket that comes in, and returns the server's address as ws://.
func serveWebSocket(t *testing.T, secure bool, serve func(*stream.Stream)) (url string, client *http.Client) {
	t.Helper()
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, br, err := stream.Upgrade(w, r, func(*http.Request) bool { return true })
		if err != nil {
			return
		}
		go serve(stream.NewWebSocket(c, br, stream.Options{From: "kith.example"}))
	}))
	if secure {
		s.StartTLS()
	} else {
		s.Start()
	}
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http"), s.Client()
}

// echo opens the stream, sends every message back, and closes as it should be.
func echo(s *stream.Stream) {
	_, err := s.Open()
	if err == nil {
		s.SetLimits(xmlstream.AfterAuth)
		err = s.Reply(stream.Header{ID: "id"})
	}
	for err == nil {
		var el *xmlstream.Element
		if el, err = s.Read(); err == nil {
			var st *stanza.Stanza
			if st, err = stanza.Parse(el); err == nil {
				err = s.WriteStanzas([]*stanza.Stanza{st})
			}
		}
	}
	_ = s.Close(stream.ErrorFor(err))
}

func dial(t *testing.T, url string, client *http.Client) *websocket.Conn {
	t.Helper()
	c, _, err := websocket.Dial(t.Context(), url, &websocket.DialOptions{HTTPClient: client, Subprotocols: []string{"xmpp"}})
	if err != nil {
		t.Fatal(err)
	}
	c.SetReadLimit(1 << 20)
	t.Cleanup(func() { _ = c.CloseNow() })
	return c
}

func write(t *testing.T, c *websocket.Conn, kind websocket.MessageType, s string) {
	t.Helper()
	if err := c.Write(t.Context(), kind, []byte(s)); err != nil {
		t.Fatal(err)
	}
}

func expect(t *testing.T, c *websocket.Conn, want string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	kind, b, err := c.Read(ctx)
	if err != nil || kind != websocket.MessageText || string(b) != want {
		t.Fatalf("got %v %s %v\nwant %s", kind, b, err, want)
	}
}

const (
	ourOpen  = `<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="kith.example" id="id" version="1.0" xml:lang="en"/>`
	ourClose = `<close xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`
)

// Another implementation as client: open, messages of many sizes, pings and fragments, the orderly end.
func TestWebSocketWithOther(t *testing.T) {
	t.Parallel()
	for _, secure := range []bool{false, true} {
		url, client := serveWebSocket(t, secure, echo)
		c := dial(t, url, client)
		write(t, c, websocket.MessageText, openFrame)
		expect(t, c, ourOpen)
		for _, size := range []int{0, 1, 20, 30, 40, 200, 1000, 65400, 65500, 65600, 200_000} {
			message := `<message xmlns="jabber:client"><body>` + strings.Repeat("x", size) + `</body></message>`
			write(t, c, websocket.MessageText, message)
			expect(t, c, message)
		}

		w, err := c.Writer(t.Context(), websocket.MessageText) // fragments where it is written in parts
		if err != nil {
			t.Fatal(err)
		}
		message := `<message xmlns="jabber:client"><body>` + strings.Repeat("é", 50_000) + `</body></message>`
		for part := range slices.Chunk([]byte(message), 30_001) {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		expect(t, c, message)

		pinged := make(chan error, 1)
		go func() { pinged <- c.Ping(t.Context()) }()
		for waiting := true; waiting; { // the pong is seen while messages are read
			message := `<presence xmlns="jabber:client"/>`
			write(t, c, websocket.MessageText, message)
			expect(t, c, message)
			select {
			case err := <-pinged:
				if err != nil {
					t.Fatal(err)
				}
				waiting = false
			default:
			}
		}
	}
}

// The ends of a WebSocket as another implementation sees them.
func TestWebSocketEnds(t *testing.T) {
	t.Parallel()
	const nsErr = `<stream:error xmlns:stream="http://etherx.jabber.org/streams"><`
	tests := []struct {
		name  string
		kind  websocket.MessageType
		send  string
		frame []string // that come before the close frame
		code  websocket.StatusCode
	}{
		{"the client ends the stream", websocket.MessageText, ourClose, []string{ourClose}, websocket.StatusNormalClosure},
		{"binary", websocket.MessageBinary, "<presence/>", []string{nsErr + `bad-format` + errorNS + `/>` +
			`<text` + errorNS + ` xml:lang="en">binary data</text></stream:error>`, ourClose}, websocket.StatusUnsupportedData},
		{"too long", websocket.MessageText, strings.Repeat("<", 300_000), []string{nsErr + `policy-violation` + errorNS + `/>` +
			`<text` + errorNS + ` xml:lang="en">a message is too long</text></stream:error>`, ourClose}, websocket.StatusMessageTooBig},
		{"not XML", websocket.MessageText, "<a", []string{"not-well-formed", ourClose}, websocket.StatusNormalClosure},
		{"not UTF-8", websocket.MessageText, "<a>\xff</a>", []string{"unsupported-encoding", ourClose}, websocket.StatusInvalidFramePayloadData},
		{"white space first", websocket.MessageText, " <a/>", []string{"bad-format", ourClose}, websocket.StatusNormalClosure},
		{"a white space keepalive", websocket.MessageText, " ", []string{"bad-format", ourClose}, websocket.StatusNormalClosure},
		{"a second header", websocket.MessageText, openFrame, []string{"bad-format", ourClose}, websocket.StatusNormalClosure},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			url, client := serveWebSocket(t, false, echo)
			c := dial(t, url, client)
			write(t, c, websocket.MessageText, openFrame)
			expect(t, c, ourOpen)
			write(t, c, test.kind, test.send)
			for _, want := range test.frame {
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				_, b, err := c.Read(ctx)
				if err != nil || !strings.Contains(string(b), want) {
					t.Fatalf("got %s %v\nwant %s", b, err, want)
				}
			}
			if test.name == "the client ends the stream" { // it closes the WebSocket (RFC 7395 §3.6)
				if err := c.Close(websocket.StatusNormalClosure, ""); err != nil {
					t.Error(err)
				}
				return
			}
			_, _, err := c.Read(t.Context())
			if got := websocket.CloseStatus(err); got != test.code {
				t.Errorf("got code %d (%v), want %d", got, err, test.code)
			}
		})
	}
}

// The server ends the stream first: it closes the WebSocket when the client's end has come.
func TestWebSocketServerEnds(t *testing.T) {
	t.Parallel()
	url, client := serveWebSocket(t, false, func(s *stream.Stream) {
		if _, err := s.Open(); err == nil && s.Reply(stream.Header{ID: "id"}) == nil {
			_ = s.Close(&stream.Error{Condition: "conflict"})
		}
	})
	c := dial(t, url, client)
	write(t, c, websocket.MessageText, openFrame)
	expect(t, c, ourOpen)
	expect(t, c, `<stream:error xmlns:stream="http://etherx.jabber.org/streams"><conflict`+errorNS+`/></stream:error>`)
	expect(t, c, ourClose)
	write(t, c, websocket.MessageText, `<message xmlns="jabber:client"/>`) // too late
	write(t, c, websocket.MessageText, ourClose)
	_, _, err := c.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusNormalClosure {
		t.Errorf("got %v", err)
	}
}

// RFC 7395 §3.5: an error in the client's header comes after ours.
func TestWebSocketErrorDuringSetup(t *testing.T) {
	t.Parallel()
	for in, condition := range map[string]string{
		`<open xmlns="urn:wrong" version="1.0"/>`:             "invalid-namespace",
		`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing"/>`: "unsupported-version",
		`<presence xmlns="jabber:client"/>`:                   "bad-format",
		header:                                                "not-well-formed",
	} {
		url, client := serveWebSocket(t, false, echo)
		c := dial(t, url, client)
		write(t, c, websocket.MessageText, in)
		for _, want := range []string{`<open xmlns="urn:ietf:params:xml:ns:xmpp-framing" from="kith.example" id="`, condition, ourClose} {
			_, b, err := c.Read(t.Context())
			if err != nil || !strings.Contains(string(b), want) {
				t.Errorf("%s: got %s %v, want %s", in, b, err, want)
			}
		}
	}
}

// A close frame ends the connection and not the stream, which may be resumed (RFC 7395 §3.6).
func TestWebSocketClosedWithoutEnd(t *testing.T) {
	t.Parallel()
	got := make(chan error, 1)
	url, client := serveWebSocket(t, false, func(s *stream.Stream) {
		_, err := s.Open()
		if err == nil {
			_, err = s.Read()
		}
		got <- err
		s.Cut()
	})
	c := dial(t, url, client)
	write(t, c, websocket.MessageText, openFrame)
	if err := c.Close(websocket.StatusGoingAway, "bye"); err != nil {
		t.Error(err)
	}
	if err := <-got; !errors.Is(err, io.ErrUnexpectedEOF) || stream.ErrorFor(err) != nil {
		t.Errorf("got %v", err)
	}
}

func TestWebSocketSuspend(t *testing.T) {
	t.Parallel()
	url, client := serveWebSocket(t, false, func(s *stream.Stream) {
		if _, err := s.Open(); err == nil {
			s.Suspend()
		}
	})
	c := dial(t, url, client)
	write(t, c, websocket.MessageText, openFrame)
	_, _, err := c.Read(t.Context())
	if got := websocket.CloseStatus(err); got != websocket.StatusServiceRestart {
		t.Errorf("got %v", err)
	}
}

// webSockets returns the two ends of a WebSocket, both ours.
func webSockets(t *testing.T, capacity int) (s, c *stream.Stream) {
	t.Helper()
	a, b := xmpptest.Pipe(capacity)
	s = stream.NewWebSocket(a, nil, stream.Options{From: "kith.example"})
	c = stream.NewWebSocket(b, nil, stream.Options{Client: true})
	t.Cleanup(s.Cut)
	t.Cleanup(c.Cut)
	if err := c.Send(stream.Header{To: "kith.example"}); err != nil {
		t.Fatal(err)
	}
	if h, err := s.Open(); err != nil || h.To != "kith.example" || h.NS != xmlstream.NSClient {
		t.Fatal(h, err)
	}
	if err := s.Reply(stream.Header{}); err != nil {
		t.Fatal(err)
	}
	if h, err := c.Open(); err != nil || h.From != "kith.example" || h.ID == "" {
		t.Fatal(h, err)
	}
	return s, c
}

// Each element comes in a message of its own, all of them in one write, and can be read by itself.
func TestWebSocketWrite(t *testing.T) {
	t.Parallel()
	s, c := webSockets(t, 0)
	list := []*stanza.Stanza{
		stanza.New(stanza.Presence, "", "", romeo, romeo),
		stanza.New(stanza.Message, "chat", "m1", romeo, romeo, "<body>hi</body>"),
	}
	if err := s.WriteStanzas(list, `<r xmlns="urn:xmpp:sm:3"/>`); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteFeatures(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>`); err != nil {
		t.Fatal(err)
	}
	for _, want := range []xmlstream.Name{
		{Space: xmlstream.NSClient, Local: "presence"}, {Space: xmlstream.NSClient, Local: "message"},
		{Space: "urn:xmpp:sm:3", Local: "r"}, {Space: xmlstream.NSStreams, Local: "features"},
	} {
		el, err := c.Read()
		if err != nil || el.Root().Name() != want {
			t.Fatalf("got %v, want %v", err, want)
		}
	}
}

// Both ends are ours, and say goodbye without waiting for a timeout.
func TestWebSocketBothEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, c := webSockets(t, 0)
		start := time.Now()
		got := make(chan error)
		go func() {
			_, err := c.Read()
			_ = c.Close(nil)
			got <- err
		}()
		if err := s.Close(nil); err != nil {
			t.Error(err)
		}
		if err := <-got; err != io.EOF {
			t.Errorf("the client got %v", err)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// A ping that comes during a write is answered after it; of many, the last.
func TestPongDuringWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := xmpptest.Pipe(1000)
		s := stream.NewWebSocket(a, nil, stream.Options{})
		defer s.Cut()
		go func() { _, _ = s.Read() }()
		body := strings.Repeat("x", 5000)
		go func() { _ = s.Write(xmlstream.Raw("<x xmlns='urn:x'>" + body + "</x>")) }()
		synctest.Wait()
		for _, payload := range []byte("ab") {
			_, _ = b.Write([]byte{0x89, 0x81, 0, 0, 0, 0, payload}) // a ping, masked with zeros
		}
		synctest.Wait()
		got := make([]byte, 4+len(body)+len("<x xmlns='urn:x'></x>")+3)
		if _, err := io.ReadFull(b, got); err != nil {
			t.Fatal(err)
		}
		if tail := string(got[len(got)-7:]); tail != "</x>\x8a\x01b" {
			t.Errorf("got %q", tail)
		}
	})
}

func TestUpgrade(t *testing.T) {
	t.Parallel()
	const key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" // RFC 6455 §1.3
	good := "Upgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" + key +
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: chat, xmpp\r\n"
	tests := []struct {
		name, request string
		status        int
		header        string // one that must be in the answer
	}{
		{"as it should be", "GET /ws HTTP/1.1\r\nHost: a\r\n" + good, 101, "Sec-Websocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="},
		{"names it", "GET /ws HTTP/1.1\r\nHost: a\r\n" + good, 101, "Sec-Websocket-Protocol: xmpp"},
		{"another version", "GET /ws HTTP/1.1\r\nHost: a\r\n" + strings.Replace(good, "13", "8", 1), 426, "Sec-Websocket-Version: 13"},
		{"no WebSocket", "GET /ws HTTP/1.1\r\nHost: a\r\n", 426, "Upgrade: websocket"},
		{"POST", "POST /ws HTTP/1.1\r\nHost: a\r\n" + good, 405, "Allow: GET"},
		{"HTTP/1.0", "GET /ws HTTP/1.0\r\nHost: a\r\n" + good, 505, ""},
		{"without xmpp", "GET /ws HTTP/1.1\r\nHost: a\r\n" + strings.Replace(good, "xmpp", "mqtt", 1), 400, ""},
		{"without protocol", "GET /ws HTTP/1.1\r\nHost: a\r\n" + strings.Replace(good, "Protocol", "Nothing", 1), 400, ""},
		{"a short key", "GET /ws HTTP/1.1\r\nHost: a\r\n" + strings.Replace(good, "dGhl", "", 1), 400, ""},
		{"another origin", "GET /ws HTTP/1.1\r\nHost: a\r\nOrigin: https://evil.example\r\n" + good, 403, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			upgraded := make(chan error, 1)
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				c, br, err := stream.Upgrade(w, r, func(r *http.Request) bool { return r.Header.Get("Origin") == "" })
				if err == nil { // what came right behind the request is not lost
					s := stream.NewWebSocket(c, br, stream.Options{})
					_, err = s.Open()
					s.Cut()
				} else if !errors.Is(err, stream.ErrNoUpgrade) {
					err = errors.New("another error: " + err.Error())
				}
				upgraded <- err
			}))
			defer s.Close()
			c, err := net.Dial("tcp", s.Listener.Addr().String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			frame := "\x81" + string([]byte{0x80 | byte(len(openFrame))}) + "\x00\x00\x00\x00" + openFrame
			if _, err := io.WriteString(c, test.request+"\r\n"+frame); err != nil {
				t.Fatal(err)
			}
			resp, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil {
				t.Fatal(err)
			}
			if resp.StatusCode != test.status {
				t.Errorf("got %s, want %d", resp.Status, test.status)
			}
			if name, value, _ := strings.Cut(test.header, ": "); resp.Header.Get(name) != value {
				t.Errorf("got %v, want %s", resp.Header, test.header)
			}
			if err := <-upgraded; (err == nil) != (test.status == 101) || err != nil && !errors.Is(err, stream.ErrNoUpgrade) {
				t.Errorf("got %v", err)
			}
		})
	}
}

// The writer's deadline of long ago does not count for a pong, and is back after it.
func TestPongAfterDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := xmpptest.Pipe(0)
		s := stream.NewWebSocket(a, nil, stream.Options{})
		t.Cleanup(s.Cut)
		_ = s.SetWriteDeadline(time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		go func() { _, _ = s.Read() }()
		if _, err := io.WriteString(b, "\x89\x80\x00\x00\x00\x00"); err != nil { // a ping
			t.Fatal(err)
		}
		synctest.Wait()
		err := s.Write(`<r xmlns="urn:xmpp:sm:3"/>`)
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
			t.Errorf("got %v, want a timeout", err)
		}
	})
}

// A client that stops in the middle of a frame is still told why it has to go.
func TestWebSocketCloseInsideFrame(t *testing.T) {
	t.Parallel()
	for _, opened := range []bool{false, true} {
		for _, part := range []string{"\x81\x85\x00\x00\x00\x00He", "\x01\x85\x00\x00\x00\x00Hello", "\x81", "\x89\x85\x00\x00\x00\x00H"} {
			synctest.Test(t, func(t *testing.T) {
				a, b := xmpptest.Pipe(0)
				s := stream.NewWebSocket(a, nil, stream.Options{})
				start := time.Now()
				if opened {
					c := stream.NewWebSocket(b, nil, stream.Options{Client: true})
					if err := c.Send(stream.Header{}); err != nil {
						t.Fatal(err)
					}
					if _, err := s.Open(); err != nil {
						t.Fatal(err)
					}
				}
				_, _ = io.WriteString(b, part)
				_ = s.SetReadDeadline(time.Now().Add(time.Second))
				if _, err := s.Read(); err == nil {
					t.Error("there was no element")
				}
				_ = s.Close(&stream.Error{Condition: "connection-timeout"})
				got, err := io.ReadAll(b)
				if err != nil || !strings.Contains(string(got), "<connection-timeout") {
					t.Errorf("got %q %v", got, err)
				}
				if took := time.Since(start); took != 6*time.Second {
					t.Errorf("it took %v", took)
				}
			})
		}
	}
}
