// SPDX-License-Identifier: Apache-2.0

// Package stream carries XML streams over TCP, TLS and WebSocket: their headers, first-level elements, restarts,
// errors and end (RFC 6120 §4, §5; RFC 7395 over RFC 6455).
//
// A Stream is one connection's life. What is negotiated over it is its caller's business: a server does
//
//	s := stream.NewTCP(c, stream.Options{From: "kith.example"})
//	h, err := s.Open()             // the client's header, checked
//	err = s.Reply(stream.Header{}) // ours, with a new id
//	err = s.WriteFeatures(features)
//	for err == nil {
//		el, err = s.Read()
//		…
//	}
//	s.Close(stream.ErrorFor(err))
//
// and calls Open again after StartTLS, and after SASL with Restart before it. All transports look alike from here: <open/> and
// <close/> of a WebSocket are a header and an end, and the framing of RFC 6455 is done in this package, server side
// and client side, without extensions.
//
// Who may call what: Open, Read, Restart, StartTLS, Serve and SetLimits belong to one goroutine, the reader. The other
// writing methods belong to one goroutine at a time, the writer, which may be another one. Close, Cut, Suspend, the
// deadlines and the getters may be called by anyone at any time. Pings of a WebSocket are answered while reading,
// never in the middle of a write.
//
// While a stream is idle it holds no buffer, where its connection is a socket of the system's that can be asked without
// waiting: a reader then waits for the socket to become readable, with nothing to read into (link.go), and where Serve
// reads, with the smallest stack (serve.go). TLS keeps what it has grown, a few KiB, unless it is made to drop that
// (tlsdrop.go). Over anything else, such as a pipe, a reader waits with a buffer.
//
// What is written goes out at once as far as the peer takes it; the writer waits for the rest, outside of TLS. A peer
// that takes nothing for a minute is cut.
package stream

import (
	"bufio"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// ErrClosed is returned by what is called after the stream was closed or cut from our side.
var ErrClosed = errors.New("stream: closed")

// Options say what a stream is before it is opened.
type Options struct {
	Client bool             // we are the initiating entity
	From   string           // our domain, for headers that name no other; "" for a client
	NS     string           // the content namespace (RFC 6120 §4.8.2); "" is jabber:client
	Limits xmlstream.Limits // of what is read; the zero value is xmlstream.BeforeAuth
	Secure bool             // a trusted proxy, or the way itself, protects the stream though TLS is not ours
	Remote netip.Addr       // the peer's address where a trusted proxy knows better; else that of the connection
	Shakes Shakes           // which TLS handshakes go on at once; nil: all
}

// Shakes are places for TLS handshakes. When everybody comes back at once, those who have a place do their part and the
// rest queue here, not in front of who is at work already. Who waits for its peer has no place.
type Shakes chan struct{}

// NewShakes returns n places.
func NewShakes(n int) Shakes { return make(Shakes, n) }

func (s Shakes) enter() {
	if s != nil {
		s <- struct{}{}
	}
}

func (s Shakes) leave() {
	if s != nil {
		<-s
	}
}

// A Stream is one XML stream, or one after the other after restarts, in both directions over one connection.
type Stream struct {
	o    Options
	link *link                    // below TLS
	tls  atomic.Pointer[tls.Conn] // over link; nil without

	// The reader's.
	reading lock              // held while reading; guards the six below
	parser  *xmlstream.Parser // nil on a WebSocket
	frames  *frameReader      // nil on TCP
	limits  xmlstream.Limits
	taker   Taker  // of Serve; nil before
	ended   error  // why no more can be read; nil while it can
	code    uint16 // with what the WebSocket is to be closed

	// The writer's.
	writing lock   // held during each write; guards the six below
	opened  bool   // our header was sent
	peer    string // the address that the peer's header gave as its own
	version string // of XMPP, for our header; "" for none
	said    bool   // our end was sent, or must not be sent any more
	waved   bool   // a close frame was sent
	broken  error  // why no more can be written; nil while it can

	answer    atomic.Pointer[[]byte]     // the last ping's payload that is still to be answered
	gathering atomic.Bool                // what is written waits for the reader to wait
	closing   atomic.Bool                // Close or Suspend was called
	timer     atomic.Pointer[time.Timer] // cuts a stream that is closing; nil before
	suspended atomic.Bool                // Suspend was called
	down      atomic.Bool                // the connection was closed by us
}

// NewTCP returns the stream over c, which is a TCP connection, or something like it, and from now on belongs to the
// stream. For TLS at once (XEP-0368), StartTLS is called before Open. c may also be a *tls.Conn; that costs an idle
// stream a buffer.
func NewTCP(c net.Conn, o Options) *Stream {
	s := newStream(c, o)
	s.parser = xmlstream.NewParser(s.limits)
	return s
}

// NewWebSocket returns the stream over a WebSocket after its handshake, see Upgrade. What br has buffered is taken
// over, and br is not used any more; it may be nil.
func NewWebSocket(c net.Conn, br *bufio.Reader, o Options) *Stream {
	s := newStream(c, o)
	s.frames = &frameReader{src: s.link, masked: !o.Client}
	if br != nil {
		b, _ := br.Peek(br.Buffered()) // cannot fail: so much is there
		s.frames.take(b)
	}
	return s
}

func newStream(c net.Conn, o Options) *Stream {
	if o.NS == "" {
		o.NS = xmlstream.NSClient
	}
	if o.Limits == (xmlstream.Limits{}) {
		o.Limits = xmlstream.BeforeAuth
	}
	return &Stream{o: o, link: newLink(c), reading: newLock(), writing: newLock(), limits: o.Limits, code: codeNormal, version: ours}
}

// conn is what the stream's bytes travel on.
func (s *Stream) conn() io.ReadWriter {
	if t := s.tls.Load(); t != nil {
		return t
	}
	return s.link
}

// ofTLS is the TLS that protects the stream, ours or the connection's; nil without.
func (s *Stream) ofTLS() *tls.Conn {
	if t := s.tls.Load(); t != nil {
		return t
	}
	t, _ := s.link.conn.(*tls.Conn)
	return t
}

// IsWebSocket says whether the stream runs over a WebSocket.
func (s *Stream) IsWebSocket() bool { return s.frames != nil }

// TLS returns the state of the stream's TLS, nil where there is none of ours. It waits for a handshake in progress.
func (s *Stream) TLS() *tls.ConnectionState {
	t := s.ofTLS()
	if t == nil {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// Secure says whether what is sent is protected from those on the way: by our TLS, or as Options say.
func (s *Stream) Secure() bool { return s.o.Secure || s.ofTLS() != nil }

// RemoteAddr returns the peer's address, without its port; the zero Addr where the connection has none.
func (s *Stream) RemoteAddr() netip.Addr {
	if s.o.Remote.IsValid() {
		return s.o.Remote
	}
	if a, ok := s.link.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}

// SetReadDeadline sets the instant from which reads fail with a timeout; the zero Time is never. After a timeout
// reading may go on, nothing is lost. It has no effect once the stream is being closed.
func (s *Stream) SetReadDeadline(t time.Time) error {
	if s.closing.Load() {
		return nil
	}
	return s.link.conn.SetReadDeadline(t)
}

// SetWriteDeadline sets the instant after which a write that the peer does not take at once fails with a timeout; the
// zero Time is never, but for a peer that takes nothing for a minute. A write that failed so cuts the stream: the peer
// has a part of it. It has no effect once the stream is being closed.
func (s *Stream) SetWriteDeadline(t time.Time) error {
	s.link.writeBy(t)
	return nil
}
