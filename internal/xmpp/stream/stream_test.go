// SPDX-License-Identifier: Apache-2.0

package stream_test

import (
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	header  = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' to='kith.example' version='1.0'>`
	errorNS = ` xmlns="urn:ietf:params:xml:ns:xmpp-streams"`
)

var romeo = jid.MustParse("romeo@kith.example")

// A peer is the other end of a connection, by hand.
type peer struct {
	t *testing.T
	net.Conn
}

// server returns a stream and its peer, whose writes never block. capacity is that of the pipe, 0 for no limit.
func server(t *testing.T, capacity int) (*stream.Stream, peer) {
	a, b := xmpptest.Pipe(capacity)
	s := stream.NewTCP(a, stream.Options{From: "kith.example"})
	t.Cleanup(s.Cut)
	t.Cleanup(func() { _ = b.Close() })
	_ = b.SetDeadline(time.Now().Add(20 * time.Second))
	return s, peer{t, b}
}

func (p peer) send(s string) {
	p.t.Helper()
	if _, err := io.WriteString(p, s); err != nil {
		p.t.Fatal(err)
	}
}

// until reads up to and including end.
func (p peer) until(end string) string {
	p.t.Helper()
	var got strings.Builder
	buf := make([]byte, 1)
	for !strings.HasSuffix(got.String(), end) {
		if _, err := p.Read(buf); err != nil {
			p.t.Fatalf("after %q: %v, want %q", got.String(), err, end)
		}
		got.Write(buf)
	}
	return got.String()
}

// rest reads to the end.
func (p peer) rest() string {
	p.t.Helper()
	b, err := io.ReadAll(p)
	if err != nil {
		p.t.Fatalf("after %q: %v", b, err)
	}
	return string(b)
}

// opened is server with the headers exchanged.
func opened(t *testing.T, capacity int) (*stream.Stream, peer) {
	t.Helper()
	s, p := server(t, capacity)
	p.send(header)
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	if err := s.Reply(stream.Header{}); err != nil {
		t.Fatal(err)
	}
	p.until(`">`)
	return s, p
}

func TestOpen(t *testing.T) {
	t.Parallel()
	const streams = `xmlns:stream='http://etherx.jabber.org/streams'`
	tests := []struct {
		name, in  string
		want      stream.Header
		condition string // of the error; "" for none
	}{
		{"a client's header",
			`<?xml version='1.0'?><stream:stream from='romeo@kith.example' to='kith.example' version='1.0' xml:lang='de' xmlns='jabber:client' ` + streams + `>`,
			stream.Header{From: "romeo@kith.example", To: "kith.example", Lang: "de", Version: "1.0", NS: "jabber:client"}, ""},
		{"without a prefix", `<stream xmlns='http://etherx.jabber.org/streams' to='a' version='1.0'>`,
			stream.Header{To: "a", Version: "1.0"}, ""},
		{"a newer version", `<stream:stream version='2.13' xmlns='jabber:client' ` + streams + `>`,
			stream.Header{Version: "2.13", NS: "jabber:client"}, ""},
		{"no version", `<stream:stream to='a' xmlns='jabber:client' ` + streams + `>`,
			stream.Header{To: "a", NS: "jabber:client"}, "unsupported-version"},
		{"0.9", `<stream:stream version='0.9' xmlns='jabber:client' ` + streams + `>`,
			stream.Header{Version: "0.9", NS: "jabber:client"}, "unsupported-version"},
		{"a version that is none", `<stream:stream version='1' xmlns='jabber:client' ` + streams + `>`,
			stream.Header{Version: "1", NS: "jabber:client"}, "unsupported-version"},
		{"the wrong stream namespace", `<stream:stream to='a' version='1.0' xmlns='jabber:client' xmlns:stream='urn:wrong'>`,
			stream.Header{To: "a", Version: "1.0", NS: "jabber:client"}, "invalid-namespace"},
		{"the wrong content namespace", `<stream:stream version='1.0' xmlns='jabber:server' ` + streams + `>`,
			stream.Header{Version: "1.0", NS: "jabber:server"}, "invalid-namespace"},
		{"the wrong element", `<stream:flow version='1.0' xmlns='jabber:client' ` + streams + `>`,
			stream.Header{Version: "1.0", NS: "jabber:client"}, "bad-format"},
		{"HTTP", "GET / HTTP/1.1\r\n\r\n", stream.Header{}, "not-well-formed"},
		{"a processing instruction", `<?php ?>`, stream.Header{}, "restricted-xml"},
		{"another encoding", `<?xml version='1.0' encoding='latin1'?><stream:stream>`, stream.Header{}, "unsupported-encoding"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, p := server(t, 0)
			p.send(test.in)
			got, err := s.Open()
			if got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
			condition := ""
			if e := stream.ErrorFor(err); e != nil {
				condition = e.Condition
			}
			if condition != test.condition || (err == nil) != (test.condition == "") {
				t.Errorf("got error %v, want %q", err, test.condition)
			}
		})
	}
}

// Our header has an id of its own each time, and the client's bare address only if it gave one.
func TestReply(t *testing.T) {
	t.Parallel()
	s, p := server(t, 0)
	p.send(strings.Replace(header, "to=", "from='romeo@kith.example/desk' to=", 1))
	if _, err := s.Open(); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range 2 {
		if err := s.Reply(stream.Header{Lang: "de"}); err != nil {
			t.Fatal(err)
		}
		got := p.until(">") + p.until(">")
		before, after, ok1 := strings.Cut(got, ` id="`)
		id, after, ok2 := strings.Cut(after, `"`)
		want := [2]string{`<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams"` +
			` from="kith.example" to="romeo@kith.example"`, ` version="1.0" xml:lang="de">`}
		if !ok1 || !ok2 || [2]string{before, after} != want {
			t.Fatalf("got %s", got)
		}
		if len(id) < 20 {
			t.Errorf("the id %q is too easy to guess", id)
		}
		ids = append(ids, id)
	}
	if ids[0] == ids[1] {
		t.Error("one id twice")
	}
}

// RFC 6120 §4.9.1.2: an error before our header comes after it.
func TestErrorDuringSetup(t *testing.T) {
	t.Parallel()
	s, p := server(t, 0)
	p.send(`<stream:stream from="romeo@kith.example/balcony" xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams">`)
	_, err := s.Open()
	closed := make(chan error)
	go func() { closed <- s.Close(stream.ErrorFor(err)) }()
	got := p.until("</stream:stream>")
	if !strings.Contains(got, `from="kith.example" to="romeo@kith.example" id="`) ||
		!strings.HasSuffix(got, `><stream:error><unsupported-version`+errorNS+`/></stream:error></stream:stream>`) {
		t.Errorf("got %s", got)
	}
	_ = p.Close()
	if err := <-closed; err != nil {
		t.Error(err)
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	peerError := func(condition string) func(error) bool {
		return func(err error) bool {
			e, ok := errors.AsType[*stream.PeerError](err)
			return ok && e.Condition == condition && stream.ErrorFor(err) == nil
		}
	}
	is := func(want error) func(error) bool { return func(err error) bool { return err == want } }
	ours := func(condition string) func(error) bool {
		return func(err error) bool { e := stream.ErrorFor(err); return e != nil && e.Condition == condition }
	}
	tests := []struct {
		name, in string
		err      func(error) bool
	}{
		{"the end of the stream", "</stream:stream>", is(io.EOF)},
		{"the end of the connection", "", is(io.ErrUnexpectedEOF)},
		{"inside of an element", "<mess", is(io.ErrUnexpectedEOF)},
		{"a stream error", "<stream:error><conflict" + errorNS + "/><text" + errorNS + ">two</text></stream:error></stream:stream>", peerError("conflict")},
		{"an unknown stream error", "<stream:error/>", peerError("undefined-condition")},
		{"not XML", "<message></presence>", ours("not-well-formed")},
		{"a comment", "<!-- -->", ours("restricted-xml")},
		{"too long", "<message>" + strings.Repeat("x", 10_000), ours("policy-violation")},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s, p := opened(t, 0)
			p.send("<presence/> \n<iq/>" + test.in)
			_ = p.Close()
			for _, want := range []string{"presence", "iq"} {
				el, err := s.Read()
				if err != nil || !el.Root().Is(xmlstream.NSClient, want) {
					t.Fatalf("got %v, want %s", err, want)
				}
			}
			for range 2 { // errors stay
				if _, err := s.Read(); !test.err(err) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
}

// Content of any size comes through, whatever the pieces, and a read that timed out goes on where it was.
func TestReadGoesOnAfterTimeout(t *testing.T) {
	t.Parallel()
	s, p := opened(t, 0)
	s.SetLimits(xmlstream.AfterAuth)
	body := strings.Repeat("x", 100_000)
	p.send("<message><body>" + body)
	if err := s.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
		t.Fatal(err)
	}
	_, err := s.Read()
	if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
		t.Fatalf("got %v, want a timeout", err)
	}
	if err := s.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	p.send("</body></message>")
	el, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	if b, _ := el.Root().Child(xmlstream.NSClient, "body"); b.Text() != body {
		t.Errorf("got %d bytes, want %d", len(b.Text()), len(body))
	}
}

func TestWriteStanzas(t *testing.T) {
	t.Parallel()
	s, p := opened(t, 0)
	list := []*stanza.Stanza{
		stanza.New(stanza.Presence, "", "", romeo, jid.JID{}),
		stanza.New(stanza.Message, "chat", "m1", romeo, romeo, "<body>hi</body>"),
	}
	if err := s.WriteStanzas(list, `<r xmlns="urn:xmpp:sm:3"/>`, `<a xmlns="urn:xmpp:sm:3" h="1"/>`); err != nil {
		t.Fatal(err)
	}
	if err := s.WriteFeatures(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>`); err != nil {
		t.Fatal(err)
	}
	want := string(list[0].Append(nil, false)) + string(list[1].Append(nil, false)) +
		`<r xmlns="urn:xmpp:sm:3"/><a xmlns="urn:xmpp:sm:3" h="1"/>` +
		`<stream:features><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/></stream:features>`
	if got := p.until("</stream:features>"); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// What the peer sends of its next stream before ours is ready belongs to it.
func TestRestart(t *testing.T) {
	t.Parallel()
	s, p := opened(t, 0)
	p.send("<auth/>" + header + "<iq/>")
	if _, err := s.Read(); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if h, err := s.Open(); err != nil || h.To != "kith.example" {
		t.Fatalf("got %+v %v", h, err)
	}
	if el, err := s.Read(); err != nil || !el.Root().Is(xmlstream.NSClient, "iq") {
		t.Fatal(err)
	}
}

func TestRemoteAddr(t *testing.T) {
	t.Parallel()
	a, _ := xmpptest.Pipe(0)
	if got, want := stream.NewTCP(a, stream.Options{}).RemoteAddr(), netip.MustParseAddr("127.0.0.1"); got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	told := netip.MustParseAddr("192.0.2.7")
	s := stream.NewTCP(a, stream.Options{Remote: told, Secure: true})
	if got := s.RemoteAddr(); got != told || !s.Secure() || s.TLS() != nil || s.IsWebSocket() {
		t.Errorf("got %v", got)
	}
}

// The peer answers our end: the connection closes at once, and what it sent before is still read.
func TestCloseWaitsForPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := opened(t, 0)
		start := time.Now()
		got := make(chan string)
		go func() { // the reader
			for {
				el, err := s.Read()
				if err != nil {
					got <- err.Error()
					return
				}
				got <- el.Root().Name().Local
			}
		}()
		synctest.Wait()
		if err := s.Close(&stream.Error{Condition: "system-shutdown"}); err != nil {
			t.Error(err)
		}
		if err := s.Write("<r/>"); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("got %v after Close", err)
		}
		p.send("<message/></stream:stream>")
		if a, b := <-got, <-got; a != "message" || b != io.EOF.Error() {
			t.Errorf("got %s, %s", a, b)
		}
		want := "<stream:error><system-shutdown" + errorNS + "/></stream:error></stream:stream>"
		if got := p.rest(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		if took := time.Since(start); took != 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// A peer that does not answer our end is cut, whether somebody reads or not.
func TestCloseCutsSilentPeer(t *testing.T) {
	t.Parallel()
	for _, reading := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s, p := opened(t, 0)
			start := time.Now()
			done := make(chan error, 1)
			if reading {
				go func() {
					_, err := s.Read()
					done <- err
				}()
				synctest.Wait()
			}
			if err := s.Close(nil); err != nil {
				t.Error(err)
			}
			if got := p.rest(); got != "</stream:stream>" {
				t.Errorf("got %s", got)
			}
			if took := time.Since(start); took != 5*time.Second {
				t.Errorf("it took %v", took)
			}
			if reading {
				if err := <-done; !errors.Is(err, stream.ErrClosed) {
					t.Errorf("the reader got %v", err)
				}
			}
		})
	}
}

// The peer ends the stream: we answer and close.
func TestCloseAfterPeer(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := opened(t, 0)
		start := time.Now()
		p.send("</stream:stream>")
		if _, err := s.Read(); err != io.EOF {
			t.Fatal(err)
		}
		if err := s.Close(nil); err != nil {
			t.Error(err)
		}
		if err := s.Close(&stream.Error{Condition: "reset"}); err != nil { // nothing twice
			t.Error(err)
		}
		if got := p.rest(); got != "</stream:stream>" || time.Since(start) != 0 {
			t.Errorf("got %s after %v", got, time.Since(start))
		}
	})
}

// Close waits for a write in progress, and does not tear it.
func TestCloseDuringWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := opened(t, 1000)
		raw := xmlstream.Raw("<x xmlns='urn:x'>" + strings.Repeat("x", 5000) + "</x>")
		wrote := make(chan error, 1)
		go func() { wrote <- s.Write(raw) }()
		synctest.Wait() // it is stuck
		go func() { _ = s.Close(nil) }()
		synctest.Wait()
		if got, want := p.until("</stream:stream>"), string(raw)+"</stream:stream>"; got != want {
			t.Errorf("got %d bytes, want %d", len(got), len(want))
		}
		if err := <-wrote; err != nil {
			t.Error(err)
		}
		_ = p.Close()
		synctest.Wait()
	})
}

// A peer that takes nothing holds nobody up for more than five seconds.
func TestCloseOfStuckWrite(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, _ := opened(t, 1000)
		wrote := make(chan error, 1)
		go func() { wrote <- s.Write(xmlstream.Raw("<x>" + strings.Repeat("x", 5000) + "</x>")) }()
		synctest.Wait()
		start := time.Now()
		if err := s.Close(nil); err == nil {
			t.Error("no error")
		}
		if err := <-wrote; err == nil {
			t.Error("the write did not fail")
		}
		if took := time.Since(start); took != 5*time.Second {
			t.Errorf("it took %v", took)
		}
		if _, err := s.Read(); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
}

// A write that met its deadline cuts the stream, since the peer has a part of it.
func TestWriteDeadline(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := opened(t, 1000)
		_ = s.SetWriteDeadline(time.Now().Add(10 * time.Second))
		err := s.Write(xmlstream.Raw("<x>" + strings.Repeat("x", 5000) + "</x>"))
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() {
			t.Errorf("got %v", err)
		}
		if _, err := s.Read(); !errors.Is(err, stream.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if got := p.rest(); strings.Contains(got, "</stream:stream>") {
			t.Error("our end followed a torn element")
		}
	})
}

// Suspend sends no end, and gives nothing to the reader any more.
func TestSuspend(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, p := opened(t, 0)
		done := make(chan error, 1)
		go func() {
			_, err := s.Read()
			done <- err
		}()
		synctest.Wait()
		if err := s.Write(`<a xmlns="urn:xmpp:sm:3" h="7"/>`); err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		s.Suspend()
		if took := time.Since(start); took != time.Second { // the peer still has its side open
			t.Errorf("it took %v", took)
		}
		if err := <-done; !errors.Is(err, stream.ErrClosed) {
			t.Errorf("the reader got %v", err)
		}
		if got := p.rest(); got != `<a xmlns="urn:xmpp:sm:3" h="7"/>` {
			t.Errorf("got %s", got)
		}
	})
}

// Close, Cut, the deadlines and the getters at any time, from anywhere, while one goroutine reads and one writes.
func TestConcurrentClose(t *testing.T) {
	t.Parallel()
	for _, end := range []func(*stream.Stream){
		func(s *stream.Stream) { _ = s.Close(&stream.Error{Condition: "conflict"}) },
		(*stream.Stream).Cut,
		(*stream.Stream).Suspend,
	} {
		for range 20 {
			s, p := opened(t, 4096)
			var wg sync.WaitGroup
			wg.Go(func() { // the peer reads all, and ends when we do
				b, _ := io.ReadAll(p) // cut or not
				_ = p.Close()
				if i := strings.Index(string(b), "</stream:stream>"); i >= 0 && i+len("</stream:stream>") != len(b) {
					t.Error("something follows the end")
				}
				if strings.Count(string(b), "<x>") > strings.Count(string(b), "</x>")+1 {
					t.Error("an element was torn")
				}
			})
			wg.Go(func() {
				for range 100 {
					if _, err := io.WriteString(p, "<presence/>"); err != nil {
						return
					}
				}
				_, _ = io.WriteString(p, "</stream:stream>")
			})
			ready := make(chan struct{})
			wg.Go(func() {
				started := sync.OnceFunc(func() { close(ready) })
				defer started()
				for i := range 1000 {
					if i == 10 {
						started()
					}
					if s.Write("<x>payload</x>") != nil {
						return // the stream has ended
					}
				}
			})
			wg.Go(func() {
				for {
					if _, err := s.Read(); err != nil {
						_ = s.Close(stream.ErrorFor(err))
						return
					}
				}
			})
			wg.Go(func() {
				<-ready
				_ = s.SetReadDeadline(time.Time{})
				_ = s.SetWriteDeadline(time.Time{})
				_, _, _, _ = s.Secure(), s.TLS(), s.RemoteAddr(), s.IsWebSocket()
				end(s)
				_ = p.Close()
			})
			wg.Wait()
		}
	}
}
