// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"io"
	"net"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// connected returns the two ends of a TCP connection.
func connected(t *testing.T) (a, b net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if b, err = net.Dial("tcp", l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if a, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	_ = b.SetDeadline(time.Now().Add(30 * time.Second))
	return a, b
}

// A deadline that a connection had before it became the stream's says nothing of what the stream writes.
func TestLinkForgetsDeadlines(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	if err := a.SetWriteDeadline(time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	s := NewTCP(a, Options{})
	if err := s.Write("<a/>"); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 4)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "<a/>" {
		t.Errorf("got %q %v", got, err)
	}
}

// Read never waits, await does, and what comes between the two is seen.
func TestLinkRead(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	l := newLink(a)
	if l.sock == nil {
		t.Skip("no sockets here that can be asked")
	}
	buf := make([]byte, 10)
	for range 2 {
		if n, err := l.Read(buf); n != 0 || err != errBlocked {
			t.Fatalf("got %d %v", n, err)
		}
	}
	for _, size := range []int{1, 10, 11, 25} {
		if _, err := b.Write(make([]byte, size)); err != nil {
			t.Fatal(err)
		}
		for got := 0; got < size; {
			n, err := l.Read(buf)
			if err == errBlocked {
				if err := l.await(); err != nil {
					t.Fatal(err)
				}
			} else if err != nil {
				t.Fatal(err)
			}
			got += n
		}
	}
	_ = b.Close()
	var err error
	for err == nil || err == errBlocked {
		if _, err = l.Read(buf); err == errBlocked {
			if err := l.await(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err != io.EOF {
		t.Errorf("got %v at the end", err)
	}
}

// What is kept has a bound, and who meets it is cut.
func TestBacklog(t *testing.T) {
	t.Parallel()
	a, _ := net.Pipe()
	s := NewTCP(a, Options{})
	for range maxRest / 1024 {
		if _, err := s.link.Write(make([]byte, 1024)); err != nil { // as TLS does that has to answer, again and again
			t.Fatal(err)
		}
	}
	if _, err := s.link.Write([]byte("x")); err != errBacklog {
		t.Errorf("got %v", err)
	}
	if err := s.Write("<x/>"); err != errBacklog {
		t.Errorf("got %v", err)
	}
	if _, err := s.Read(); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// What TLS has to say while it reads is sent before the reader parks.
func TestAnswersOfReader(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	s := NewTCP(a, Options{})
	defer s.Cut()
	if _, err := s.link.Write([]byte("answer")); err != nil {
		t.Fatal(err)
	}
	go func() { _, _ = s.Read() }()
	got := make([]byte, 6)
	if _, err := io.ReadFull(b, got); err != nil || string(got) != "answer" {
		t.Errorf("got %q %v", got, err)
	}
}

// While a WebSocket is idle it holds no buffer, and what net/http had read before is the first to be read.
func TestFrameReaderRests(t *testing.T) {
	t.Parallel()
	first := appendFrame(nil, opText, []byte("<a/>"), true)
	second := appendFrame(nil, opPing, []byte("!"), true)
	src := &blocking{parts: [][]byte{first[3:], second}}
	f := &frameReader{src: src, masked: true}
	f.take(first[:3])
	for _, want := range []string{"<a/>", "", "!", ""} {
		_, payload, err := f.next(100)
		if want == "" {
			if f.rest(); err != errBlocked || f.buf != nil {
				t.Fatalf("got %v, holding %v", err, f.buf != nil)
			}
			continue
		}
		if err != nil || string(payload) != want {
			t.Fatalf("got %q %v, want %q", payload, err, want)
		}
		if f.control == nil {
			f.release()
		}
	}
}

// blocking is a reader that is blocked after each part.
type blocking struct {
	parts   [][]byte
	blocked bool
}

func (b *blocking) Read(p []byte) (int, error) {
	if b.blocked = !b.blocked; !b.blocked || len(b.parts) == 0 {
		return 0, errBlocked
	}
	n := copy(p, b.parts[0])
	b.parts = b.parts[1:]
	return n, nil
}

func BenchmarkWrite(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	go func() {
		if c, err := l.Accept(); err == nil {
			_, _ = io.Copy(io.Discard, c)
		}
	}()
	c, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		b.Fatal(err)
	}
	s := NewTCP(c, Options{})
	defer s.Cut()
	b.ReportAllocs()
	for b.Loop() {
		if err := s.Write(`<message xmlns="jabber:client"><body>hello</body></message>`); err != nil {
			b.Fatal(err)
		}
	}
}

// What is gathered goes out in one piece when the reader has to wait, and in order when the writer writes.
func TestGather(t *testing.T) {
	t.Parallel()
	a, b := connected(t)
	s := NewTCP(a, Options{})
	defer s.Cut()
	s.Gather(true)
	for _, raw := range []xmlstream.Raw{"<a/>", "<b/>"} {
		if err := s.Write(raw); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.link.owes(); n != 8 {
		t.Errorf("%d bytes are kept", n)
	}
	expect := func(want string) {
		t.Helper()
		got := make([]byte, len(want))
		if _, err := io.ReadFull(b, got); err != nil || string(got) != want {
			t.Fatalf("got %q %v, want %q", got, err, want)
		}
	}
	done := make(chan struct{})
	go func() {
		_, _ = s.Read()
		close(done)
	}()
	expect("<a/><b/>")
	if _, err := io.WriteString(b, "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:client'>"); err != nil {
		t.Fatal(err)
	}
	<-done
	if err := s.Write("<c/>"); err != nil {
		t.Fatal(err)
	}
	s.Gather(false)
	if err := s.Write("<d/>"); err != nil {
		t.Fatal(err)
	}
	expect("<c/><d/>")
	s.Gather(true)
	if err := s.Write("<e/>"); err != nil {
		t.Fatal(err)
	}
	go func() { _ = s.Close(nil) }()
	expect("<e/>")
}
