// SPDX-License-Identifier: Apache-2.0

package bosh_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/bosh"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsBody   = "http://jabber.org/protocol/httpbind"
	empty    = `<body xmlns="http://jabber.org/protocol/httpbind"/>`
	features = `<stream:features><x xmlns="urn:x"/></stream:features>`
	success  = `<success xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/>`
)

// terminated is the body of an answer that ends a session.
func terminated(condition string) string {
	return `<body xmlns="` + nsBody + `" type="terminate" condition="` + condition + `"/>`
}

// A world is a gateway, a server behind it that does what the test says, and the requests of one client. All of it runs
// in a bubble, so that everything has happened that will happen when a test looks.
type world struct {
	*testing.T
	g     *bosh.Gateway
	conns chan *peer
	peers []*peer // all of conns; the test's goroutine reads it when nothing else runs
	ctx   context.Context

	sid string
	rid int // the last one

	remote         netip.Addr
	secure, origin bool
	stop           func() // the gateway is to end
}

// play runs f in a world.
func play(t *testing.T, f func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := &world{T: t, conns: make(chan *peer, 6000), rid: 1 << 40, remote: netip.MustParseAddr("192.0.2.1"), secure: true, origin: true}
		var listeners sync.WaitGroup // each ends with its connection
		w.g = bosh.New(bosh.Options{
			Domain: jid.MustParse("kith.example"),
			Accept: func(c net.Conn, o stream.Options) {
				if o.Remote != w.remote || !o.Secure {
					t.Errorf("the connection is from %v, secure %v", o.Remote, o.Secure)
				}
				p := &peer{Conn: c, t: t}
				listeners.Go(p.listen)
				w.peers = append(w.peers, p)
				w.conns <- p
			},
			Policy: func(*http.Request) (netip.Addr, bool, bool) { return w.remote, w.secure, w.origin },
			Limits: xmlstream.AfterAuth,
			Log:    slog.New(slog.NewTextHandler(t.Output(), nil)),
		})
		ctx, cancel := context.WithCancel(t.Context())
		running := make(chan struct{})
		go func() { // ends with the test
			defer close(running)
			if err := w.g.Run(ctx); err != nil {
				t.Error(err)
			}
		}()
		w.stop = func() {
			cancel()
			synctest.Wait()
		}
		var hangUp func()
		w.ctx, hangUp = context.WithCancel(t.Context())
		defer func() {
			w.stop()
			hangUp() // the requests that still wait
			for _, p := range w.peers {
				p.hears(true)
				p.Close() // or it is closed
			}
			listeners.Wait()
			<-running
		}()
		f(w)
	})
}

// A call is one HTTP request.
type call struct {
	t      *testing.T
	rec    *httptest.ResponseRecorder
	cancel func() // breaks its connection
	done   chan struct{}
}

// send makes a request with this text.
func (w *world) send(method, text string, change func(*http.Request)) *call {
	ctx, cancel := context.WithCancel(w.ctx)
	r := httptest.NewRequestWithContext(ctx, method, "/http-bind", strings.NewReader(text))
	if change != nil {
		change(r)
	}
	c := &call{w.T, httptest.NewRecorder(), nil, make(chan struct{})}
	c.cancel = func() {
		cancel()
		synctest.Wait()
	}
	go func() { // ends with the request
		defer close(c.done)
		w.g.ServeHTTP(c.rec, r)
	}()
	synctest.Wait()
	return c
}

// post sends the next body of the client.
func (w *world) post(attrs, payload string) *call {
	w.rid++
	return w.at(w.rid, attrs, payload)
}

// at sends a body with some rid.
func (w *world) at(rid int, attrs, payload string) *call {
	if w.sid != "" {
		attrs += ` sid="` + w.sid + `"`
	}
	return w.send("POST", fmt.Sprintf(`<body xmlns="%s" rid="%d" %s>%s</body>`, nsBody, rid, attrs, payload), nil)
}

// waits requires that there is no answer yet.
func (c *call) waits() {
	c.t.Helper()
	synctest.Wait()
	select {
	case <-c.done:
		c.t.Fatalf("answered: %s", c.rec.Body)
	default:
	}
}

// answer returns the body of the answer, which must have come.
func (c *call) answer() string {
	c.t.Helper()
	synctest.Wait()
	select {
	case <-c.done:
	default:
		c.t.Fatal("not answered")
	}
	return c.rec.Body.String()
}

// gets requires an answer.
func (c *call) gets(want string) {
	c.t.Helper()
	if got := c.answer(); got != want {
		c.t.Fatalf("answer\n%s\nwant\n%s", got, want)
	}
}

// root returns the answer parsed.
func (c *call) root() xmlstream.Node {
	c.t.Helper()
	e, err := xmlstream.Parse(c.answer(), xmlstream.AfterAuth)
	if err != nil {
		c.t.Fatalf("answer %s: %v", c.rec.Body, err)
	}
	return e.Root()
}

// begin begins a session whose server has sent features, and returns the server's end.
func (w *world) begin(attrs string) *peer {
	w.Helper()
	c := w.post(`to="kith.example" ver="1.11" `+attrs, "")
	p := <-w.conns
	p.says(header)
	w.sid = ""
	if !strings.Contains(attrs, `hold="0"`) && !strings.Contains(attrs, `wait="0"`) {
		p.says(features)
	}
	w.sid = c.root().Attr("sid")
	p.heard() // the header
	return p
}

const header = `<?xml version="1.0"?><stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" id="its-id" from="kith.example" version="1.0">`

// A peer is the server's end of a session.
type peer struct {
	net.Conn
	t *testing.T

	mu   sync.Mutex
	deaf bool // it does not read
	text []byte
	err  error
}

func (p *peer) listen() {
	b := make([]byte, 512)
	for {
		p.mu.Lock()
		deaf := p.deaf
		p.mu.Unlock()
		if deaf {
			time.Sleep(time.Millisecond)
			continue
		}
		n, err := p.Read(b)
		p.mu.Lock()
		p.text = append(p.text, b[:n]...)
		p.err = err
		p.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// hears says whether it reads.
func (p *peer) hears(yes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf = !yes
}

// heard returns what has come since it was called last, and how reading ended.
func (p *peer) heard() (string, error) {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := string(p.text)
	p.text = nil
	return s, p.err
}

// hear requires that this has come.
func (p *peer) hear(want string) {
	p.t.Helper()
	if got, _ := p.heard(); got != want {
		p.t.Fatalf("the server heard\n%s\nwant\n%s", got, want)
	}
}

// A saying is something that the server writes, until somebody takes it.
type saying struct {
	t    *testing.T
	done chan struct{}
	err  error
}

// says begins to write.
func (p *peer) says(text string) *saying {
	s := &saying{t: p.t, done: make(chan struct{})}
	go func() { // ends with the write
		defer close(s.done)
		_, s.err = p.Write([]byte(text))
	}()
	synctest.Wait()
	return s
}

// isTaken requires that the write has ended or has not.
func (s *saying) isTaken(want bool) {
	s.t.Helper()
	synctest.Wait()
	select {
	case <-s.done:
		if !want || s.err != nil {
			s.t.Fatalf("written, error %v", s.err)
		}
	default:
		if want {
			s.t.Fatal("the write goes on")
		}
	}
}

// failed requires that the write has ended in an error, and returns that.
func (s *saying) failed() error {
	s.t.Helper()
	synctest.Wait()
	select {
	case <-s.done:
		if s.err == nil {
			s.t.Fatal("written")
		}
	default:
		s.t.Fatal("the write goes on")
	}
	return s.err
}
