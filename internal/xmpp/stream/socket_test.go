// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// sockets returns the two ends of a TCP connection with small buffers, so that little is under way.
func sockets(t *testing.T) (a, b *net.TCPConn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	d, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	a, b = d.(*net.TCPConn), c.(*net.TCPConn)
	for _, c := range []*net.TCPConn{a, b} {
		t.Cleanup(func() { _ = c.Close() })
		if err := errors.Join(c.SetReadBuffer(4096), c.SetWriteBuffer(4096)); err != nil {
			t.Fatal(err)
		}
	}
	_ = b.SetDeadline(time.Now().Add(30 * time.Second))
	return a, b
}

// A carrier makes a stream whose header has come, and the peer's end, from which what we sent is read.
type carrier struct {
	name string
	open func(*testing.T) (*stream.Stream, net.Conn)
}

func carriers() []carrier {
	begin := func(t *testing.T, s *stream.Stream, c net.Conn) (*stream.Stream, net.Conn) {
		t.Helper()
		t.Cleanup(s.Cut)
		if _, err := io.WriteString(c, header); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Open(); err != nil {
			t.Fatal(err)
		}
		s.SetLimits(xmlstream.AfterAuth)
		return s, c
	}
	return []carrier{
		{"TCP", func(t *testing.T) (*stream.Stream, net.Conn) {
			a, b := sockets(t)
			return begin(t, stream.NewTCP(a, stream.Options{From: "kith.example"}), b)
		}},
		{"TLS", func(t *testing.T) (*stream.Stream, net.Conn) {
			a, b := sockets(t)
			s, c := withTLS(t, a, b)
			return begin(t, s, c)
		}},
		{"TLS over a pipe", func(t *testing.T) (*stream.Stream, net.Conn) {
			a, b := xmpptest.Pipe(4096)
			s, c := withTLS(t, a, b)
			return begin(t, s, c)
		}},
	}
}

// withTLS does the handshake between a, which becomes a stream, and b.
func withTLS(t *testing.T, a, b net.Conn) (*stream.Stream, *tls.Conn) {
	t.Helper()
	serverTLS, clientTLS := configs(t)
	s, c := stream.NewTCP(a, stream.Options{From: "kith.example"}), tls.Client(b, clientTLS)
	done := make(chan error, 1)
	go func() { done <- c.Handshake() }()
	if err := errors.Join(s.StartTLS(serverTLS), <-done); err != nil {
		t.Fatal(err)
	}
	return s, c
}

// each runs f over all carriers.
func each(t *testing.T, f func(t *testing.T, s *stream.Stream, c net.Conn)) {
	t.Parallel()
	for _, k := range carriers() {
		t.Run(k.name, func(t *testing.T) {
			t.Parallel()
			s, c := k.open(t)
			f(t, s, c)
		})
	}
}

// read reads one element in the background.
func read(s *stream.Stream) <-chan error {
	done := make(chan error, 1)
	go func() {
		_, err := s.Read()
		done <- err
	}()
	return done
}

// A peer that reads a byte at a time gets everything, while it sends as slowly, and nothing is torn.
func TestSlowPeer(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		raw := xmlstream.Raw(`<x xmlns="urn:x">` + strings.Repeat("0123456789abcdef", 1000) + `</x>`)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for range 4 {
				if err := s.Write(raw); err != nil {
					t.Error(err)
				}
			}
			if err := s.Close(nil); err != nil { // nobody reads: it does
				t.Error(err)
			}
		})
		want := strings.Repeat(string(raw), 4)
		got, buf := make([]byte, 0, len(want)), make([]byte, 1)
		for len(got) < len(want) {
			if _, err := c.Read(buf); err != nil {
				t.Fatalf("after %d bytes: %v", len(got), err)
			}
			got = append(got, buf...)
		}
		if string(got) != want {
			t.Error("what came is not what was sent")
		}
		_ = c.Close()
	})
}

// A stanza of many segments, each a record of its own where there is TLS.
func TestSmallSegments(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		body := strings.Repeat("é<a/>"+strings.Repeat("x", 200), 200)
		done := make(chan *xmlstream.Element, 1)
		go func() {
			el, err := s.Read()
			if err != nil {
				t.Error(err)
			}
			done <- el
		}()
		message := "<message><body>" + body + "</body></message>"
		for part := range slices.Chunk([]byte(message), 97) {
			if _, err := c.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		if el := <-done; el != nil && !strings.Contains(string(el.Root().Raw()), body) {
			t.Errorf("got %d bytes", len(el.Root().Raw()))
		}
	})
}

// A deadline wakes a reader that waits, and reading goes on after it, also inside an element.
func TestDeadlineOfParkedReader(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		for _, part := range []string{"", "<mess", "age>", "</message>"} {
			if _, err := io.WriteString(c, part); err != nil {
				t.Fatal(err)
			}
			done := read(s)
			if part == "</message>" {
				if err := <-done; err != nil {
					t.Fatal(err)
				}
				break
			}
			select {
			case err := <-done:
				t.Fatalf("got %v before the deadline", err)
			case <-time.After(10 * time.Millisecond): // most likely it is parked
			}
			if err := s.SetReadDeadline(time.Unix(1, 0)); err != nil {
				t.Fatal(err)
			}
			err := <-done
			if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
				t.Fatalf("got %v, want a timeout", err)
			}
			if err := s.SetReadDeadline(time.Time{}); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// The peer sends no more, and still reads: what it gets is complete.
func TestHalfClosed(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		done := read(s)
		if err := c.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != io.ErrUnexpectedEOF {
			t.Fatalf("got %v", err)
		}
		raw := xmlstream.Raw(`<x xmlns="urn:x">` + strings.Repeat("x", 50_000) + `</x>`)
		var wg sync.WaitGroup
		wg.Go(func() {
			if err := s.Write(raw); err != nil {
				t.Error(err)
			}
			_ = s.Close(nil)
		})
		if got, err := io.ReadAll(c); string(got) != string(raw) || err != nil { // our header was never sent, so it has no end
			t.Errorf("got %d bytes, want %d: %v", len(got), len(raw), err)
		}
		wg.Wait()
	})
}

// Cut ends a reader that is parked, and a writer that waits.
func TestCutOfParked(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		done, wrote := read(s), make(chan error, 1)
		go func() { wrote <- s.Write(xmlstream.Raw("<x>" + strings.Repeat("x", 10<<20) + "</x>")) }()
		time.Sleep(10 * time.Millisecond) // most likely both wait
		s.Cut()
		if err := <-done; !errors.Is(err, stream.ErrClosed) {
			t.Errorf("the reader got %v", err)
		}
		if err := <-wrote; !errors.Is(err, stream.ErrClosed) {
			t.Errorf("the writer got %v", err)
		}
	})
}

// What is read and written at once, as fast as both can, comes in order.
func TestBothWays(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		const n = 50
		raw := xmlstream.Raw(`<x xmlns="urn:x">` + strings.Repeat("y", 1000) + `</x>`)
		var wg sync.WaitGroup
		defer wg.Wait()
		wg.Go(func() {
			for range n {
				if err := s.Write(raw); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for range n {
				if _, err := s.Read(); err != nil {
					t.Error(err)
					return
				}
			}
		})
		wg.Go(func() {
			for i := range n {
				if _, err := io.WriteString(c, "<message><body>"+strings.Repeat("z", i*50)+"</body></message>"); err != nil {
					t.Error(err)
					return
				}
			}
		})
		got := make([]byte, n*len(raw))
		if _, err := io.ReadFull(c, got); err != nil {
			t.Fatal(err)
		}
		if string(got) != strings.Repeat(string(raw), n) {
			t.Error("what came is not what was sent")
		}
	})
}

// One flight has the end of the client's handshake and all that it says: nothing more comes that would wake a reader.
func TestDataBehindHandshake(t *testing.T) {
	t.Parallel()
	serverTLS, clientTLS := configs(t)
	a, b := sockets(t)
	h := &holding{Conn: b}
	c := tls.Client(h, clientTLS)
	go func() {
		err := c.Handshake()
		if err == nil {
			_, err = io.WriteString(c, header+"<presence/>")
		}
		if err := errors.Join(err, h.release()); err != nil {
			t.Error(err)
		}
	}()
	s := stream.NewTCP(a, stream.Options{From: "kith.example"})
	if err := s.StartTLS(serverTLS); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if el, err := s.Read(); err != nil || !el.Root().Is(xmlstream.NSClient, "presence") {
		t.Fatal(err)
	}
}

// A holding connection sends what is written first, and keeps the rest until it is told to release it.
type holding struct {
	net.Conn
	hello bool
	held  []byte
}

func (h *holding) Write(p []byte) (int, error) {
	if !h.hello {
		h.hello = true
		return h.Conn.Write(p)
	}
	h.held = append(h.held, p...)
	return len(p), nil
}

func (h *holding) release() error {
	_, err := h.Conn.Write(h.held)
	return err
}

// A peer that takes nothing for a minute is cut; one that takes a little is not, however long that goes on.
func TestProgress(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := opened(t, 1000)
		_ = p.SetDeadline(time.Time{})
		wrote, start := make(chan error, 1), time.Now()
		go func() { wrote <- s.Write(xmlstream.Raw("<x>" + strings.Repeat("x", 10_000) + "</x>")) }()
		for range 5 {
			time.Sleep(50 * time.Second)
			if _, err := io.ReadFull(p, make([]byte, 100)); err != nil {
				t.Fatal(err)
			}
		}
		err := <-wrote
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
			t.Errorf("got %v, want a timeout", err)
		}
		if took := time.Since(start) - 250*time.Second; took < time.Minute || took > 80*time.Second {
			t.Errorf("it was cut %v after it had taken something", took)
		}
		if _, err := s.Read(); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// A client in the middle of its handshake, from which nothing comes, takes nobody's place.
func TestShakes(t *testing.T) {
	t.Parallel()
	serverTLS, clientTLS := configs(t)
	shakes := stream.NewShakes(1)
	var wg sync.WaitGroup
	defer wg.Wait()
	for i := range 6 {
		a, b := sockets(t)
		s := stream.NewTCP(a, stream.Options{Shakes: shakes})
		if i%2 == 0 {
			wg.Go(func() {
				if err := s.StartTLS(serverTLS); err == nil {
					t.Error("a handshake without a client")
				}
			})
			defer s.Cut()
			continue
		}
		wg.Go(func() {
			if err := s.StartTLS(serverTLS); err != nil {
				t.Error(err)
			}
		})
		if err := tls.Client(b, clientTLS).Handshake(); err != nil {
			t.Error(err)
		}
	}
}

// A taking is what Serve gave.
type taking struct {
	elements chan string // their names
	ended    chan error
	refuse   error // of what is called "refuse"
}

func newTaking() *taking {
	return &taking{make(chan string), make(chan error, 1), errors.New("refused")}
}

func (t *taking) Take(el *xmlstream.Element) error {
	name := el.Root().Name().Local
	t.elements <- name
	if name == "refuse" {
		return t.refuse
	}
	return nil
}

func (t *taking) End(err error) { t.ended <- err }

// Serve gives what comes, whether it waits in between or not, and then why it is over.
func TestServe(t *testing.T) {
	each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
		got := newTaking()
		s.Serve(got)
		for _, parts := range [][]string{{"<a/>"}, {"<b>", "</b>"}, {"<c/><d>" + strings.Repeat("x", 10_000), "</d>"}, {"</stream:stream>"}} {
			want := ""
			for _, part := range parts {
				if _, err := io.WriteString(c, part); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Millisecond) // most likely it waits now
				want += part
			}
			for _, name := range []string{"a", "b", "c", "d"} {
				if strings.Contains(want, "<"+name) {
					if got := <-got.elements; got != name {
						t.Errorf("got %s, want %s", got, name)
					}
				}
			}
		}
		if err := <-got.ended; err != io.EOF {
			t.Errorf("got %v", err)
		}
	})
}

// The ends of Serve: an element that is refused, a deadline, a connection that is cut, and a stream that is closed.
func TestServeEnds(t *testing.T) {
	for name, test := range map[string]struct {
		end  func(*stream.Stream, net.Conn, *taking)
		want func(error, *taking) bool
	}{
		"refused": {
			func(_ *stream.Stream, c net.Conn, got *taking) {
				_, _ = io.WriteString(c, "<refuse/><a/>")
				<-got.elements
			},
			func(err error, got *taking) bool { return err == got.refuse },
		},
		"a deadline": {
			func(s *stream.Stream, _ net.Conn, _ *taking) { _ = s.SetReadDeadline(time.Unix(1, 0)) },
			func(err error, _ *taking) bool { e, ok := errors.AsType[net.Error](err); return ok && e.Timeout() },
		},
		"cut": {
			func(s *stream.Stream, _ net.Conn, _ *taking) { s.Cut() },
			func(err error, _ *taking) bool { return errors.Is(err, stream.ErrClosed) },
		},
		"closed": {
			func(s *stream.Stream, c net.Conn, _ *taking) {
				_ = s.Close(nil)
				_, _ = io.WriteString(c, "</stream:stream>")
			},
			func(err error, _ *taking) bool { return err == io.EOF },
		},
	} {
		t.Run(name, func(t *testing.T) {
			each(t, func(t *testing.T, s *stream.Stream, c net.Conn) {
				got := newTaking()
				s.Serve(got)
				time.Sleep(time.Millisecond) // most likely it waits now
				test.end(s, c, got)
				if err := <-got.ended; !test.want(err, got) {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}
