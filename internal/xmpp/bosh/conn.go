// SPDX-License-Identifier: Apache-2.0

package bosh

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
)

// serverLimits are for what our own server writes: more than anything that it lets in, with what it adds to it.
func serverLimits() xmlstream.Limits {
	return xmlstream.Limits{Bytes: 64 << 20, Depth: 1 << 10, Attrs: 1 << 10, Nodes: 1 << 22}
}

// A link is the side of a session towards the server; the session's lock guards it.
type link struct {
	parser *xmlstream.Parser // of what the server writes
	authID string            // of the server's stream
	in     []byte            // what the server has to read
	eof    bool              // no more comes after that
	out    payloads          // what no answer has carried yet
	queued uint64            // elements that were put into out
	taken  uint64            // those that left it
	closed bool              // by the server

	authenticated bool // the client has logged in
	restarts      bool // it is to begin a new stream
	failed        bool // the server has sent a stream error

	read, write deadline
}

// header begins a stream (XEP-0206 §3).
func (s *session) header(to, from, lang string) {
	b := append(s.in, `<stream:stream xmlns="`+xmlstream.NSClient+`" xmlns:stream="`+xmlstream.NSStreams+`"`...)
	for _, a := range [...][2]string{{"to", to}, {"from", from}, {"version", s.version}, {"xml:lang", lang}} {
		if a[1] != "" {
			b = append(b, " "+a[0]+`="`...)
			b = append(xmlstream.AppendEscaped(b, a[1]), '"')
		}
	}
	s.in = append(b, '>')
	s.change.Broadcast()
}

// reopen begins the stream anew, if the server waits for that (XEP-0206 §5).
func (s *session) reopen(root xmlstream.Node) bool {
	if !s.restarts {
		return false
	}
	s.restarts = false
	s.parser.Reset()
	to, lang := root.Attr("to"), root.AttrNS(xmlstream.NSXML, "lang")
	if to == "" {
		to = s.to
	}
	if lang == "" {
		lang = s.lang
	}
	s.header(to, root.Attr("from"), lang)
	return true
}

// give hands the server what a request carries.
func (s *session) give(payload string) {
	if payload != "" {
		s.in = append(s.in, payload...)
		s.change.Broadcast()
	}
}

// hangUp ends the stream in good order.
func (s *session) hangUp() {
	s.give("</stream:stream>")
	s.eof = true
}

// cut ends the connection and not the stream. What the server wrote and nobody has taken is not delivered.
func (s *session) cut() {
	s.eof, s.out = true, payloads{}
	s.change.Broadcast()
}

// take is all that waits for the client.
func (s *session) take() payloads {
	p := s.out
	s.out, s.taken = payloads{}, s.queued
	s.change.Broadcast()
	return p
}

// heard reads what the server has written, and returns which element must have been taken for all of it to be.
func (s *session) heard(p []byte) uint64 {
	for len(p) > 0 && !s.over {
		part := p
		if i := bytes.Index(p[1:], xmlDeclaration()); i >= 0 {
			part = p[:1+i]
		}
		p = p[len(part):]
		if bytes.HasPrefix(part, xmlDeclaration()) {
			// A stream begins: as the client has asked for, or before it could, since the server has an error to say
			// (RFC 6120 §4.9.1.2).
			s.parser.Reset()
		}
		s.parser.Feed(part)
		if !s.parse() {
			return s.queued
		}
	}
	if s.over {
		return s.queued + 1 // which never will be
	}
	s.release()
	return s.queued
}

// xmlDeclaration is how each stream of the server begins, and nothing within one.
func xmlDeclaration() []byte { return []byte("<?xml") }

// parse takes what there is of the server's stream, and reports whether there may be more.
func (s *session) parse() bool {
	for !s.over {
		tok, err := s.parser.Next()
		switch {
		case errors.Is(err, xmlstream.ErrMore):
			return true
		case err != nil:
			s.g.o.Log.Error("the server's stream cannot be read", "err", err)
			s.fail(internalServerError, nil)
		case tok.Kind == xmlstream.Open:
			s.authID = tok.Element.Root().Attr("id")
		case tok.Kind == xmlstream.Close:
			s.hungUp()
			return false
		default:
			s.queue(tok.Element.Root())
		}
	}
	return true
}

// queue puts an element on its way to the client.
func (s *session) queue(n xmlstream.Node) {
	s.out.add(n)
	s.queued++
	switch {
	case n.Is(xmlstream.NSStreams, "error"):
		s.failed = true
	case n.Is(nsSASL, "success"):
		s.authenticated, s.restarts = true, true
		s.settle()
	case n.Is(nsSASL2, "success"):
		s.authenticated = true
		s.settle()
	}
}

// hungUp follows the server that has ended its stream (XEP-0206 §6).
func (s *session) hungUp() {
	s.hangUp()
	s.taken = s.queued // the server does not wait; whoever comes next gets it
	if s.failed {
		s.finish(remoteStreamError)
		return
	}
	s.finish("")
}

// A conn is the end of a session that the server holds.
type conn struct{ *session }

// Read gives what the client sent. That goes on after Close, up to the end: the client was told that it arrived.
func (c *conn) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(c.in) > 0:
			n := copy(p, c.in)
			if c.in = c.in[n:]; len(c.in) == 0 {
				c.in = nil
			}
			c.release()
			return n, nil
		case c.closed:
			return 0, net.ErrClosed
		case c.eof:
			return 0, io.EOF
		}
		c.change.Wait()
	}
}

// Write returns when the client has been given all of p. There is no deadline for a client that pauses or polls: it has
// announced that it will be away, and for how long at most.
func (c *conn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, net.ErrClosed
	}
	last := c.heard(p)
	for {
		switch {
		case c.taken >= last:
			return len(p), nil
		case c.closed:
			return 0, net.ErrClosed
		case c.over:
			return 0, io.ErrClosedPipe
		case c.write.passed() && !c.paused && !c.polls():
			return 0, os.ErrDeadlineExceeded
		}
		c.change.Wait()
	}
}

// Close ends the session, if it has not ended.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return net.ErrClosed
	}
	c.closed, c.eof = true, true
	c.read.stop()
	c.write.stop()
	if !c.over {
		c.cut()
		c.finish(remoteConnectionFailed)
		c.watch(false)
	}
	c.change.Broadcast()
	c.settle()
	c.g.conns.Done()
	return nil
}

func (c *conn) SetReadDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(&c.read, t)
	return nil
}

func (c *conn) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set(&c.write, t)
	return nil
}

func (c *conn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // neither fails
	return c.SetWriteDeadline(t)
}

// LocalAddr and RemoteAddr say what kind of connection this is. The client's address goes to Accept.
func (c *conn) LocalAddr() net.Addr  { return addr{} }
func (c *conn) RemoteAddr() net.Addr { return addr{} }

type addr struct{}

func (addr) Network() string { return "bosh" }
func (addr) String() string  { return "bosh" }

// A deadline wakes who waits when its time has come.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (d *deadline) stop() {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
}

// set moves a deadline. The lock is held.
func (c *conn) set(d *deadline, at time.Time) {
	d.stop()
	d.at = at
	if !at.IsZero() && !c.closed {
		d.timer = time.AfterFunc(time.Until(at), func() {
			c.mu.Lock()
			defer c.mu.Unlock()
			c.change.Broadcast()
		})
	}
	c.change.Broadcast()
}
