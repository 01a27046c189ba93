// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// negotiationTime is how long a client has from its connection to a bound resource. A stream that is not
// authenticated by then is of no use to anybody.
const negotiationTime = 60 * time.Second

// settleTime is how long a stream that ends waits until what it read is safe.
const settleTime = 5 * time.Second

// kickTime is how long a stream that the server ends waits until what is queued is written.
const kickTime = time.Second

// maxFailures is how many log-ins may fail on one stream (RFC 6120 §6.4.5 wants 2 to 5).
const maxFailures = 5

// A conn is one client's connection.
type conn struct {
	srv    *Server
	stream *stream.Stream
	id     string // of the stream and the session; runs through the log
	log    *slog.Logger

	state    state
	header   stream.Header // the client's
	account  account.Account
	client   string // id of the user agent (XEP-0388 §2.3); "" where it told none
	logIn    session.LogIn
	proof    string // the mechanism by which it proved who it is, for the log
	failures int
	unbound  int   // how often it could not bind
	guess    guess // the last wrong password

	shown     *shown   // the certificate of the handshake
	offered   *offered // nil where there is no log-in now
	continued bool     // a log-in has come to its tasks; there is no other after it (XEP-0388 §4.8)

	registration *registration // nil: it was never asked for

	session *session.Session
	binding *router.Binding
	berth   *berth // nil: the session cannot be resumed

	leave       func()      // it is no stranger any more, or gone; see strangers
	interrupted atomic.Bool // Shutdown wants it to end
	yielding    atomic.Bool // another connection resumes its session
}

func newConn(s *Server, st *stream.Stream, shown *shown, leave func()) *conn {
	id := stanza.NewID()
	return &conn{srv: s, stream: st, id: id, shown: shown, leave: leave, log: s.Log.With("session", id)}
}

// interrupt has the reader stop, so that the connection ends in good order.
func (c *conn) interrupt() {
	c.interrupted.Store(true)
	c.stopReading()
}

// yield has the reader stop, so that the connection gives its session up and ends.
func (c *conn) yield() {
	c.yielding.Store(true)
	c.stopReading()
	time.AfterFunc(settleTime-kickTime, c.stream.Cut) // where the reader does not read, but has an answer to write
}

func (c *conn) stopReading() {
	_ = c.stream.SetReadDeadline(time.Unix(1, 0)) // a connection that fails here ends anyhow
}

// serve is the life of a connection. Once it is bound that goes on in other goroutines, and the stack that this one has
// grown for the handshake is given back.
func (c *conn) serve() {
	if err := c.negotiate(context.Background()); err != nil {
		c.end(err)
		c.srv.gone(c)
		return
	}
	c.stream.Serve(taker{c}) // Shutdown waits for its end
}

// A taker is a connection between binding and its end.
type taker struct{ *conn }

func (t taker) Take(el *xmlstream.Element) error { return t.element(el) }

func (t taker) End(err error) {
	t.end(err)
	t.srv.gone(t.conn)
}

// negotiate takes the connection from its first byte to a bound resource.
func (c *conn) negotiate(ctx context.Context) error {
	// What a client sends in that time is bounded by the limits before authentication. One that does not read what it
	// asked for holds up our writing.
	end := c.srv.Now().Add(negotiationTime)
	if err := errors.Join(c.stream.SetReadDeadline(end), c.stream.SetWriteDeadline(end)); err != nil {
		return err
	}
	if c.interrupted.Load() {
		c.interrupt()
	}
	c.stream.Gather(true)
	if c.stream.Secure() {
		c.state |= secure
	}
	for {
		if err := c.open(ctx); err != nil {
			return err
		}
		for restart := false; !restart; {
			if c.state&bound != 0 {
				return nil
			}
			el, err := c.stream.Read()
			if err != nil {
				return err
			}
			if restart, err = c.take(ctx, el); err != nil {
				return err
			}
		}
	}
}

// open exchanges stream headers and offers what the client may do next (RFC 6120 §4.3.2).
func (c *conn) open(ctx context.Context) error {
	h, err := c.stream.Open()
	if err != nil {
		return err
	}
	to, err := jid.Parse(h.To)
	if h.To != "" && (err != nil || to != c.srv.Domain) { // RFC 6120 §4.9.3.6
		return &stream.Error{Condition: "host-unknown"}
	}
	if h.From != "" {
		from, err := jid.Parse(h.From)
		if err != nil || from.DomainJID() != c.srv.Domain { // RFC 6120 §4.9.3.9
			return &stream.Error{Condition: "invalid-from"}
		}
	}
	id := c.id
	if c.header.Version != "" {
		id = "" // each stream has its own (RFC 6120 §4.3.3)
	}
	c.header = h
	if err := c.stream.Reply(stream.Header{ID: id}); err != nil {
		return err
	}
	if err := c.prepare(ctx); err != nil {
		return err
	}
	return c.stream.WriteFeatures(c.offer())
}

// element takes one first-level element of a bound stream.
func (c *conn) element(el *xmlstream.Element) error {
	root := el.Root()
	switch root.Name().Space {
	case session.NSManagement:
		return c.manage(root)
	case nsCSI:
		return c.indicate(root)
	}
	st, err := stanza.Parse(el)
	if errors.Is(err, stanza.ErrNotStanza) {
		if space := root.Name().Space; space != xmlstream.NSClient && xmlstream.IsContent(space) { // RFC 6120 §4.8.3: of another kind of stream
			return &stream.Error{Condition: "invalid-namespace"}
		}
		return &stream.Error{Condition: "unsupported-stanza-type"} // RFC 6120 §4.9.3.24
	}
	if root.HasAttr("from") { // RFC 6120 §8.1.2.1
		from, bad := jid.Parse(root.Attr("from"))
		if bad != nil || from != c.session.JID && from != c.session.JID.Bare() {
			return &stream.Error{Condition: "invalid-from"}
		}
	}
	o := c.session.Accept(st.Size())
	if o == nil {
		return stream.ErrClosed
	}
	if st.Lang == "" { // RFC 6120 §8.1.5
		st.Lang = c.header.Lang
	}
	st = st.Addressed(c.session.JID, st.To)
	if err != nil {
		c.bounce(st, err)
		o.Safe()
		o.Through()
		return nil
	}
	c.binding.Enter(st, o)
	return nil
}

// bounce answers a stanza that could not be read.
func (c *conn) bounce(st *stanza.Stanza, err error) {
	se, ok := errors.AsType[*stanza.Error](err)
	if !ok {
		se = stanza.BadRequest
	}
	if st.Type != "error" && !(st.Kind == stanza.IQ && st.Type == "result") {
		c.session.Send(st.Bounce(se), nil)
	}
}

// end closes the stream because of err. Its session sleeps, or is taken out of the directory.
func (c *conn) end(err error) {
	var say *stream.Error
	switch {
	case c.interrupted.Load() && stream.Lost(err):
		c.settle()
		if c.sleep() {
			c.stream.Suspend()
			return
		}
		say = &stream.Error{Condition: "system-shutdown"} // RFC 6120 §4.9.3.20
	case c.yielding.Load() && stream.Lost(err): // XEP-0198 §5
		say = &stream.Error{Condition: "conflict"}
		if c.sleep() {
			c.close(say)
			return
		}
	case stream.Lost(err) && c.sleep():
		c.log.Debug("connection lost", "why", err)
		c.stream.Cut()
		return
	case isTimeout(err):
		say = &stream.Error{Condition: "connection-timeout"} // RFC 6120 §4.9.3.4
	default:
		if say = stream.ErrorFor(err); say == nil {
			c.settle()
		}
	}
	c.close(say)
	switch {
	case c.session == nil:
		return
	case c.berth != nil:
		c.berth.leave()
	default:
		c.binding.Leave(c.session.End())
		c.log.Info("session ended")
	}
	c.log.Debug("session ended", "why", err)
}

// close closes the stream; say may be nil.
func (c *conn) close(say *stream.Error) {
	c.srv.count.ended(say)
	c.stream.Close(say) // the connection is at its end whatever it says
}

func isTimeout(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout()
}

// settle waits until what was read is safe and what is queued is written, for a stream that ends in order.
func (c *conn) settle() {
	if c.session == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), settleTime)
	defer cancel()
	c.session.Settle(ctx.Done())
	if c.session.Managed() {
		c.session.LastCount()
	}
	c.session.Drained(ctx.Done())
}

// kicker returns what closes the stream because the server wants s to end; the reader then ends it.
func (c *conn) kicker(s *session.Session) func(*session.Kick) {
	return func(k *session.Kick) {
		// What is queued goes first, such as the answer to who asked for it (XEP-0077 §3.2).
		ctx, cancel := context.WithTimeout(context.Background(), kickTime)
		defer cancel()
		s.Drained(ctx.Done())
		c.stream.Close(&stream.Error{Condition: k.Condition, Text: k.Text})
	}
}
