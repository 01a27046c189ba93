// SPDX-License-Identifier: Apache-2.0

package component

import (
	"context"
	"crypto/rand"
	"crypto/sha1"
	"crypto/subtle"
	"encoding/hex"
	"errors"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	negotiationTime = 30 * time.Second // from the connection to the handshake
	settleTime      = 5 * time.Second  // for a stream that ends in order, until what it read is through
	kickTime        = time.Second      // for a stream that the server ends, until what is queued is written
	probeTime       = 5 * time.Second  // how long a connection may be silent when it is asked whether it lives
	spaceEvery      = time.Minute      // a space goes out so often: a connection that is gone shows (RFC 6120 §4.6.1)

	nsPing = "urn:xmpp:ping"
)

// credit is how much a component may have on its way.
func credit() session.Credit { return session.Credit{Stanzas: 4096, Bytes: 8 << 20} }

// A conn is one connection of a component.
type conn struct {
	srv    *Server
	stream *stream.Stream
	id     string // of the stream and the session; runs through the log
	log    *slog.Logger
	lang   string // of the stream, as the component says

	host    *host            // whose connection it is, or wants to be
	session *session.Session // nil before the handshake
	left    chan struct{}    // closed when the host has let go of it

	interrupted atomic.Bool // Shutdown wants it to end

	mu     sync.Mutex    // guards what follows
	queued int           // stanzas for it that it has not taken
	bytes  int           // of the same
	heard  chan struct{} // closed when something is read; nil where nobody listens
}

func newConn(s *Server, st *stream.Stream) *conn {
	// The id is what the secret is hashed with, so nobody must guess the next one (RFC 6120 §4.7.3).
	id := rand.Text()
	return &conn{srv: s, stream: st, id: id, log: s.Log.With("session", id), left: make(chan struct{})}
}

// interrupt has the reader stop, so that the connection ends in good order.
func (c *conn) interrupt() {
	c.interrupted.Store(true)
	_ = c.stream.SetReadDeadline(time.Unix(1, 0)) // a connection that fails here ends anyhow
}

// serve is the life of a connection.
func (c *conn) serve(ctx context.Context) {
	err := c.negotiate(ctx)
	if err == nil {
		err = c.run()
	}
	c.end(err)
}

// negotiate takes the connection from its first byte to the host it is for (XEP-0114 §3).
func (c *conn) negotiate(ctx context.Context) error {
	end := c.srv.Now().Add(negotiationTime)
	if err := errors.Join(c.stream.SetReadDeadline(end), c.stream.SetWriteDeadline(end)); err != nil {
		return err
	}
	if c.interrupted.Load() {
		c.interrupt()
	}
	if err := c.open(); err != nil {
		c.srv.count.Connections.Of(outcome(err)).Inc()
		return err
	}
	if err := c.authenticate(ctx); err != nil {
		c.srv.count.Connections.Of(outcome(err)).Inc()
		return err
	}
	c.srv.count.Connections.Of("accepted").Inc()
	return nil
}

// outcome is how a connection is counted that came to nothing.
func outcome(err error) string {
	if e := stream.ErrorFor(err); e != nil {
		return e.Condition
	}
	return "lost"
}

// open exchanges stream headers. The component names its own domain, and that is who answers.
func (c *conn) open() error {
	h, err := c.stream.Open()
	if err != nil {
		return err
	}
	to, err := jid.Parse(h.To)
	if err != nil || to.HasLocal() || to.Resource() != "" || c.srv.hosts[to.Domain()] == nil { // RFC 6120 §4.9.3.6
		return &stream.Error{Condition: "host-unknown"}
	}
	c.host, c.lang = c.srv.hosts[to.Domain()], h.Lang
	c.log = c.log.With("component", to.Domain())
	return c.stream.Reply(stream.Header{From: to.Domain(), ID: c.id})
}

// authenticate checks the handshake, and enters the connection as its domain's. Before that it learns nothing of another
// one that may be there.
func (c *conn) authenticate(ctx context.Context) error {
	el, err := c.stream.Read()
	if err != nil {
		return err
	}
	root := el.Root()
	if !root.Is(xmlstream.NSClient, "handshake") || !proves(root.Text(), c.id, c.host.secret) {
		return &stream.Error{Condition: "not-authorized"}
	}
	s := session.New(c.id, c.host.domain, "", c.stream, credit(), c.kick)
	c.session = s
	if !c.host.attach(ctx, c) {
		c.session = nil
		return &stream.Error{Condition: "conflict", Text: "this component is connected already"} // RFC 6120 §4.9.3.3
	}
	c.srv.count.Connected.Inc()
	c.log.Info("component connected")
	if err := c.stream.Write("<handshake/>"); err != nil {
		return err
	}
	c.stream.SetLimits(c.srv.Limits)
	_ = c.stream.SetReadDeadline(time.Time{}) // a connection that fails here ends anyhow
	_ = c.stream.SetWriteDeadline(time.Time{})
	if c.interrupted.Load() {
		c.interrupt()
	}
	s.Start() // from now on the session writes
	return nil
}

// proves reports whether handshake is the SHA-1 of id and secret, as lower-case hexadecimal (XEP-0114 §3), in a time that
// does not depend on it.
func proves(handshake, id, secret string) bool {
	sum := sha1.Sum([]byte(id + secret))
	return subtle.ConstantTimeCompare([]byte(strings.TrimSpace(handshake)), []byte(hex.EncodeToString(sum[:]))) == 1
}

// run reads until the stream ends.
func (c *conn) run() error {
	done := make(chan struct{})
	var spaces sync.WaitGroup // run waits for it
	spaces.Go(func() {
		t := time.NewTicker(spaceEvery)
		defer t.Stop()
		for {
			select {
			case <-done:
				return
			case <-t.C:
				c.session.SendRaw(" ")
			}
		}
	})
	defer spaces.Wait()
	defer close(done)
	for {
		el, err := c.stream.Read()
		if err != nil {
			return err
		}
		c.hear()
		if err := c.element(el); err != nil {
			return err
		}
	}
}

// element takes one first-level element.
func (c *conn) element(el *xmlstream.Element) error {
	root := el.Root()
	st, err := stanza.Parse(el)
	if errors.Is(err, stanza.ErrNotStanza) {
		if xmlstream.IsContent(root.Name().Space) && root.Name().Space != xmlstream.NSClient { // RFC 6120 §4.8.3
			return &stream.Error{Condition: "invalid-namespace"}
		}
		return &stream.Error{Condition: "unsupported-stanza-type"} // RFC 6120 §4.9.3.24
	}
	if root.Attr("from") == "" || root.Attr("to") == "" { // XEP-0114 §3, RFC 6120 §8.1.1.2
		return &stream.Error{Condition: "improper-addressing"}
	}
	from, bad := jid.Parse(root.Attr("from"))
	if bad != nil || from.Domain() != c.host.domain.Domain() { // XEP-0114 §3
		return &stream.Error{Condition: "invalid-from"}
	}
	o := c.session.Accept(st.Size())
	if o == nil {
		return stream.ErrClosed
	}
	c.srv.count.Stanzas.Of("in").Inc()
	if st.Lang == "" { // RFC 6120 §8.1.5
		st.Lang = c.lang
	}
	if err != nil {
		c.bounce(st, err)
		o.Through()
		return nil
	}
	c.srv.Router.FromDomain(st, o)
	return nil
}

// bounce answers a stanza that could not be read.
func (c *conn) bounce(st *stanza.Stanza, err error) {
	se, ok := errors.AsType[*stanza.Error](err)
	if !ok {
		se = stanza.BadRequest
	}
	if st.Type == "error" || st.Kind == stanza.IQ && st.Type == "result" {
		return
	}
	if st.To.IsZero() { // it is no address
		st = st.Addressed(st.From, c.srv.Router.Domain)
	}
	c.session.Send(st.Bounce(se), nil)
}

// reserve takes a place in the queue, and reports false where there is none.
func (c *conn) reserve(size int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.queued >= maxQueued || c.queued > 0 && c.bytes+size > maxQueuedBytes {
		return false
	}
	c.queued++
	c.bytes += size
	return true
}

func (c *conn) release(size int) {
	c.mu.Lock()
	c.queued--
	c.bytes -= size
	c.mu.Unlock()
}

// hear notes that the component has said something.
func (c *conn) hear() {
	c.mu.Lock()
	if c.heard != nil {
		close(c.heard)
		c.heard = nil
	}
	c.mu.Unlock()
}

// alive asks the component for an answer, any answer (RFC 6120 §8.2.3), and reports whether something came.
func (c *conn) alive(ctx context.Context) bool {
	c.mu.Lock()
	if c.heard == nil {
		c.heard = make(chan struct{})
	}
	heard := c.heard
	c.mu.Unlock()
	c.session.Send(stanza.New(stanza.IQ, "get", stanza.NewID(), c.srv.Router.Domain, c.host.domain,
		xmlstream.Elem(nsPing, "ping")), nil)
	t := time.NewTimer(probeTime)
	defer t.Stop()
	select {
	case <-heard:
		return true
	case <-c.left:
	case <-t.C:
	case <-ctx.Done():
	}
	return false
}

// end closes the stream because of err, and takes it from its host.
func (c *conn) end(err error) {
	say := stream.ErrorFor(err)
	switch {
	case c.interrupted.Load() && stream.Lost(err):
		c.settle()
		say = &stream.Error{Condition: "system-shutdown"} // RFC 6120 §4.9.3.20
	case isTimeout(err):
		say = &stream.Error{Condition: "connection-timeout"} // RFC 6120 §4.9.3.4
	case say == nil:
		c.settle()
	}
	if say != nil {
		c.srv.count.StreamErrors.Of(say.Condition).Inc()
	}
	if c.session == nil {
		c.stream.Close(say) // the connection is at its end whatever it says
		c.log.Debug("connection of no component ended", "why", err)
		return
	}
	c.host.detach(c)
	c.stream.Close(say)
	for _, f := range c.session.End() {
		f.Lost()
	}
	close(c.left)
	c.srv.count.Connected.Dec()
	c.log.Info("component gone", "why", err)
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// settle waits until what was read is through and what is queued is written.
func (c *conn) settle() {
	if c.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	c.session.Settle(ctx.Done())
	c.session.Drained(ctx.Done())
}

// kick closes the stream because the session wants to end; the reader then ends it.
func (c *conn) kick(k *session.Kick) {
	ctx, cancel := context.WithTimeout(context.Background(), kickTime)
	defer cancel()
	c.session.Drained(ctx.Done())
	c.stream.Close(&stream.Error{Condition: k.Condition, Text: k.Text})
}
