// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A wire is a connection that remembers what was last read from it, so that a test can look at the very end.
type wire struct {
	net.Conn

	mu    sync.Mutex // guards the two below
	last  []byte     // the end of what was read
	ended bool       // there is no more
}

const wireMemory = 4 << 10 // bytes

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.last = append(w.last, p[:n]...)
	w.last = w.last[max(0, len(w.last)-wireMemory):]
	w.ended = w.ended || errors.Is(err, io.EOF)
	return n, err
}

// CloseWrite ends what the server reads.
func (w *wire) CloseWrite() error {
	if c, ok := w.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// tail returns what was last read, and whether there is no more.
func (w *wire) tail() (string, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.last), w.ended
}

// Reach returns a client over conn that has not opened a stream, so that a test can say what is sent, byte by byte.
// TLS and the handshake of a WebSocket are done as o says; STARTTLS is not, see StartTLS.
func Reach(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	if o.TLS != nil && (o.Direct || o.WebSocket != "") {
		t := tls.Client(conn, o.TLS)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // of no use
			return nil, err
		}
		conn = t
	}
	c := &Client{options: o, Captures: Captures{}, wire: &wire{Conn: conn}}
	so := stream.Options{Client: true, Limits: patternLimits}
	if o.WebSocket == "" {
		c.Stream = stream.NewTCP(c.wire, so)
		return c, nil
	}
	br, err := openWebSocket(c.wire, o)
	if err != nil {
		_ = conn.Close() // of no use
		return nil, err
	}
	c.Stream = stream.NewWebSocket(c.wire, br, so)
	return c, nil
}

// StartTLS does the handshake that follows <proceed/>, and forgets the stream (RFC 6120 §5.4.3).
func (c *Client) StartTLS(ctx context.Context) error {
	t := tls.Client(c.wire.Conn, c.options.TLS)
	if err := t.HandshakeContext(ctx); err != nil {
		return err
	}
	c.wire.Conn = t
	c.Stream.Restart()
	return nil
}

// secured returns the state of the connection's TLS, nil where there is none.
func (c *Client) secured() *tls.ConnectionState {
	if c.wire == nil {
		return c.Stream.TLS()
	}
	t, ok := c.wire.Conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := t.ConnectionState()
	return &state
}

// Write sends text as it is: on a WebSocket as one message.
func (c *Client) Write(text string) error {
	data := []byte(text)
	if c.Stream.IsWebSocket() {
		data = frame(data)
	}
	_ = c.wire.SetWriteDeadline(time.Now().Add(patience))
	_, err := c.wire.Write(data)
	return err
}

// closeFrame ends a WebSocket from the side of a client.
const closeFrame = "\x88\x80\x00\x00\x00\x00"

// frame makes a text message of a client (RFC 6455 §5.2), under a mask of zeros.
func frame(payload []byte) []byte {
	b := []byte{0x81}
	switch n := len(payload); {
	case n < 126:
		b = append(b, 0x80|byte(n))
	case n < 1<<16:
		b = binary.BigEndian.AppendUint16(append(b, 0x80|126), uint16(n))
	default:
		b = binary.BigEndian.AppendUint64(append(b, 0x80|127), uint64(n))
	}
	b = append(b, 0, 0, 0, 0)
	return append(b, payload...)
}

// WriteHeader sends a stream header with exactly these attributes, such as `to="kith.example" version="1.0"`.
func (c *Client) WriteHeader(attrs string) error {
	c.again()
	if c.Stream.IsWebSocket() {
		return c.Write(`<open xmlns="` + xmlstream.NSFraming + `" ` + attrs + `/>`)
	}
	return c.Write(`<?xml version='1.0'?><stream:stream xmlns="` + xmlstream.NSClient + `" xmlns:stream="` + xmlstream.NSStreams + `" ` + attrs + `>`)
}

// again forgets the stream that there was, if any.
func (c *Client) again() {
	if c.Header.ID != "" {
		c.Stream.Restart()
		c.Header = stream.Header{}
	}
}

// ExpectHeader reads the server's stream header, which must have these attributes, as a pattern has them.
func (c *Client) ExpectHeader(ctx context.Context, attrs string) error {
	p, err := ParsePattern("<header " + attrs + "/>")
	if err != nil {
		return err
	}
	c.deadline(ctx)
	if c.Header, err = c.Stream.Open(); err != nil {
		return fmt.Errorf("expected a stream header\ngot %w", err)
	}
	var b strings.Builder
	b.WriteString("<header")
	h := c.Header
	for _, a := range [...][2]string{{"from", h.From}, {"to", h.To}, {"id", h.ID}, {"version", h.Version}, {"xml:lang", h.Lang}} {
		if a[1] != "" {
			b.WriteString(" " + a[0] + `="` + string(xmlstream.AppendEscaped(nil, a[1])) + `"`)
		}
	}
	el, err := xmlstream.Parse(b.String()+"/>", patternLimits)
	if err != nil {
		return err
	}
	return p.Match(el.Root(), c.Captures)
}

// EndStream sends the end of the stream and nothing else.
func (c *Client) EndStream() error {
	if c.Stream.IsWebSocket() {
		return c.Write(`<close xmlns="` + xmlstream.NSFraming + `"/>`)
	}
	return c.Write(`</stream:stream>`)
}

// ExpectError fails unless the next element is a stream error with that condition, the end of the stream follows it,
// and then, when the client has ended its own, the end of the connection (RFC 6120 §4.9.1.1).
func (c *Client) ExpectError(ctx context.Context, condition string) error {
	_, err := c.Expect(ctx, `<stream:error><`+condition+` xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`)
	if err != nil {
		return err
	}
	return c.ExpectEnd(ctx)
}

// ExpectCut fails unless the connection ends next, and the stream does not.
func (c *Client) ExpectCut(ctx context.Context) error {
	n, err := c.next(ctx)
	switch {
	case err == nil:
		return fmt.Errorf("expected the end of the connection\ngot %s", n.Raw())
	case errors.Is(err, io.ErrUnexpectedEOF):
		return nil
	}
	return fmt.Errorf("expected the end of the connection\ngot %w", err)
}

// drain ends the stream on a wire and reads all that comes. It fails unless the server has ended its stream as well,
// and ends the connection.
func (c *Client) drain(ctx context.Context) error {
	if err := c.EndStream(); err != nil && !errors.Is(err, net.ErrClosed) && !errors.Is(err, io.ErrClosedPipe) {
		if _, ok := errors.AsType[*net.OpError](err); !ok { // the server may be gone already
			return err
		}
	}
	if c.Stream.IsWebSocket() {
		_, _ = io.WriteString(c.wire, closeFrame) // RFC 7395 §3.6
	}
	c.deadline(ctx)
	_, _ = io.Copy(io.Discard, c.wire) // what is wrong, the wire knows
	last, ended := c.wire.tail()
	end := "</stream:stream>"
	if c.Stream.IsWebSocket() {
		end = `<close xmlns="` + xmlstream.NSFraming + `"/>`
	}
	switch {
	case !strings.Contains(last, end):
		return fmt.Errorf("the server did not end its stream\nthe last that came is %q", last)
	case !ended:
		return errors.New("the server did not end the connection")
	}
	return nil
}

// ReadAll reads what the server sends until it ends the connection, and matches it, text as text, with pattern: "…" stands
// for anything, {name} is captured. A client that has read anything before has lost some. On a WebSocket it is the
// text of all messages, and the client closes it.
func (c *Client) ReadAll(ctx context.Context, pattern string) error {
	if c.Stream.IsWebSocket() {
		_, _ = io.WriteString(c.wire, closeFrame) // the server reads it behind all that was sent
	}
	c.deadline(ctx)
	all, err := io.ReadAll(c.wire)
	if err != nil {
		return fmt.Errorf("read %q: %w", all, err)
	}
	if c.Stream.IsWebSocket() {
		if all, err = unframe(all); err != nil {
			return err
		}
	}
	return matchAll(pattern, string(all), c.Captures)
}

// unframe returns the text of a server's messages.
func unframe(b []byte) ([]byte, error) {
	var text []byte
	for len(b) > 0 {
		if len(b) < 2 {
			return nil, io.ErrUnexpectedEOF
		}
		op, n, head := b[0]&0xf, int(b[1]), 2
		switch {
		case n == 126 && len(b) > 4:
			n, head = int(binary.BigEndian.Uint16(b[2:])), 4
		case n >= 126:
			return nil, errors.New("a frame too long for a test")
		}
		if len(b) < head+n {
			return nil, io.ErrUnexpectedEOF
		}
		if op == 1 {
			text = append(text, b[head:head+n]...)
		}
		b = b[head+n:]
	}
	return text, nil
}

// matchAll matches a text with a pattern of text.
func matchAll(pattern, got string, c Captures) error {
	var expr bytes.Buffer
	var names []string
	expr.WriteString(`(?s)^`)
	for rest := pattern; rest != ""; {
		at := wildcard.FindStringIndex(rest)
		if at == nil {
			expr.WriteString(regexp.QuoteMeta(rest))
			break
		}
		expr.WriteString(regexp.QuoteMeta(rest[:at[0]]))
		switch name := strings.Trim(rest[at[0]:at[1]], "{}"); {
		case name == "…":
			expr.WriteString(`.*`)
		case c[name] != "":
			expr.WriteString(regexp.QuoteMeta(c[name]))
		default:
			names = append(names, name)
			expr.WriteString(`([^<>"']+)`)
		}
		rest = rest[at[1]:]
	}
	expr.WriteString(`$`)
	m := regexp.MustCompile(expr.String()).FindStringSubmatch(got)
	if m == nil {
		return fmt.Errorf("expected %s\ngot %s", pattern, got)
	}
	for i, name := range names {
		c[name] = m[i+1]
	}
	return nil
}

// wildcard is what stands for something else in a pattern of text.
var wildcard = regexp.MustCompile(`…|` + captureName.String())

// unescape gives the bytes that \xff, \n and the like in a line of a play stand for.
func unescape(s string) (string, error) {
	return strconv.Unquote(`"` + strings.ReplaceAll(s, `"`, `\"`) + `"`)
}
