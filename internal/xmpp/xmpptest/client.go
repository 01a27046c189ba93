// SPDX-License-Identifier: Apache-2.0

// Package xmpptest has what tests of XMPP need: connections in memory (Pipe), a client that does what it is told
// (Client), patterns for what it receives (Pattern), and plays in text files that a whole server has to follow
// (Run). Tests only.
//
// A Client does nothing by itself and starts no goroutine: it reads when something is expected. So a test says in
// which order things happen, and two runs are alike. What a server does on behalf of one client has reached
// the others when that client was answered: see Client.Sync.
//
// It speaks RFC 6120, XEP-0388 v1.0.4, XEP-0386 v1.1.0, XEP-0484 v0.2.0, XEP-0198 v1.6.3 and XEP-0199 v2.0.1, as far as a client has to.
package xmpptest

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsTLS        = "urn:ietf:params:xml:ns:xmpp-tls"
	nsPing       = "urn:xmpp:ping"
	nsManagement = "urn:xmpp:sm:3"
)

// patience is how long something may take in a test that does not say otherwise.
const patience = 10 * time.Second

// Options say how to reach a server.
type Options struct {
	Domain    string      // what the stream is addressed to; required
	From      string      // the address in the header; "" for none
	TLS       *tls.Config // STARTTLS with it, TLS at once if Direct, wss for a WebSocket; nil for none
	Direct    bool
	WebSocket string // path of the WebSocket, such as "/ws"; "" for TCP
	Origin    string // of the page that opens the WebSocket; "" for none
}

// A Client is one connection of a client to a server. It is used by one goroutine.
type Client struct {
	Stream   *stream.Stream
	Header   stream.Header  // the server's last
	Features xmlstream.Node // the server's last
	JID      jid.JID        // after login
	Captures Captures       // what patterns captured, and what Send fills in

	options Options
	wire    *wire            // what Reach made it of; else nil
	pending []xmlstream.Node // read by Sync, not yet expected
	failed  bool             // the server's stream error was read
	autoAck bool
	taken   uint32 // stanzas read since management was enabled
	acked   uint32 // the server's last h
	managed bool
	smID    string // by which the session may be resumed
	pings   int
}

// Dial connects to the server at addr, opens the stream with TLS as options say, and reads the features.
func Dial(ctx context.Context, addr string, o Options) (*Client, error) {
	c, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return New(ctx, c, o)
}

// New is Dial over a connection that is there already, which belongs to the client from now on.
func New(ctx context.Context, conn net.Conn, o Options) (*Client, error) {
	if o.TLS != nil && (o.Direct || o.WebSocket != "") {
		t := tls.Client(conn, o.TLS)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = conn.Close() // of no use
			return nil, err
		}
		conn = t
	}
	c := &Client{options: o, Captures: Captures{}}
	so := stream.Options{Client: true, Limits: patternLimits}
	if o.WebSocket == "" {
		c.Stream = stream.NewTCP(conn, so)
	} else {
		br, err := openWebSocket(conn, o)
		if err != nil {
			_ = conn.Close() // of no use
			return nil, err
		}
		c.Stream = stream.NewWebSocket(conn, br, so)
	}
	if err := c.begin(ctx); err != nil {
		c.Stream.Cut()
		return nil, err
	}
	return c, nil
}

// begin opens the stream and starts TLS.
func (c *Client) begin(ctx context.Context) error {
	if err := c.Open(ctx); err != nil {
		return err
	}
	if c.options.TLS == nil || c.Stream.Secure() {
		return nil
	}
	if err := c.Send(`<starttls xmlns="` + nsTLS + `"/>`); err != nil {
		return err
	}
	if _, err := c.Expect(ctx, `<proceed xmlns="`+nsTLS+`"/>`); err != nil {
		return err
	}
	if err := c.Stream.StartTLS(c.options.TLS); err != nil {
		return err
	}
	return c.Open(ctx)
}

// Open sends a stream header, and reads the server's and its features.
func (c *Client) Open(ctx context.Context) error {
	if err := c.Stream.Send(stream.Header{To: c.options.Domain, From: c.options.From}); err != nil {
		return err
	}
	c.deadline(ctx)
	var err error
	if c.Header, err = c.Stream.Open(); err != nil {
		return fmt.Errorf("open stream: %w", err)
	}
	return c.readFeatures(ctx)
}

func (c *Client) readFeatures(ctx context.Context) error {
	_, err := c.Expect(ctx, `<stream:features/>`)
	return err
}

// Reopen opens the next stream over the same connection, as after SASL (RFC 6120 §4.3.3).
func (c *Client) Reopen(ctx context.Context) error {
	c.Stream.Restart()
	return c.Open(ctx)
}

// openWebSocket does the client's side of the opening handshake (RFC 6455 §4.1).
func openWebSocket(conn net.Conn, o Options) (*bufio.Reader, error) {
	key := base64.StdEncoding.EncodeToString([]byte(rand.Text()[:16]))
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: o.WebSocket}, Host: o.Domain, Header: http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Key": {key},
		"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Protocol": {"xmpp"},
	}}
	if o.Origin != "" {
		r.Header.Set("Origin", o.Origin)
	}
	if err := r.Write(conn); err != nil {
		return nil, err
	}
	br := bufio.NewReader(conn)
	resp, err := http.ReadResponse(br, r)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusSwitchingProtocols {
		return nil, fmt.Errorf("websocket: %s", resp.Status)
	}
	return br, nil
}

// deadline makes reads end with ctx, or when patience does.
func (c *Client) deadline(ctx context.Context) {
	at, ok := ctx.Deadline()
	if !ok {
		at = time.Now().Add(patience)
	}
	_ = c.Stream.SetReadDeadline(at) // a dead connection says so when it is read
}

// Send sends elements as they are, with what was captured for each {name}; of several, each is an element of its own.
func (c *Client) Send(xml string) error {
	node, err := xmlstream.ParseRaw(xmlstream.Raw(c.Captures.Fill(xml)))
	if err != nil {
		return fmt.Errorf("send %q: %w", xml, err)
	}
	var list []xmlstream.Raw
	for el := range node.Children() {
		raw := el.Raw()
		if c.Stream.IsWebSocket() && el.Name().Space == xmlstream.NSClient {
			raw = declare(raw)
		}
		list = append(list, raw)
	}
	_ = c.Stream.SetWriteDeadline(time.Now().Add(patience))
	return c.Stream.WriteStanzas(nil, list...)
}

// declare gives an element of the content namespace its declaration, unless it has one (RFC 7395 §3.3.3).
func declare(raw xmlstream.Raw) xmlstream.Raw {
	doc := string(raw)
	end := 1
	for end < len(doc) && doc[end] != ' ' && doc[end] != '/' && doc[end] != '>' {
		end++
	}
	return xmlstream.Raw(doc[:end] + ` xmlns="` + xmlstream.NSClient + `"` + doc[end:])
}

// next returns the next element, after answering for XEP-0198 if that is to be done.
func (c *Client) next(ctx context.Context) (xmlstream.Node, error) {
	if len(c.pending) > 0 {
		n := c.pending[0]
		c.pending = c.pending[1:]
		return n, nil
	}
	return c.read(ctx)
}

func (c *Client) read(ctx context.Context) (xmlstream.Node, error) {
	for {
		c.deadline(ctx)
		el, err := c.Stream.Read()
		if e, ok := errors.AsType[*stream.PeerError](err); ok && !c.failed {
			c.failed = true // it is an element once, and then the end
			el, err = xmlstream.Parse(string(e.Raw), patternLimits)
		}
		if err != nil {
			return xmlstream.Node{}, err
		}
		n := el.Root()
		if n.Is(xmlstream.NSStreams, "features") {
			c.Features = n
		}
		if !c.manage(n) {
			return n, nil
		}
	}
}

// manage counts stanzas and says whether n was dealt with.
func (c *Client) manage(n xmlstream.Node) bool {
	switch name := n.Name(); {
	case name.Space == xmlstream.NSClient && c.managed:
		c.taken++ // XEP-0198 §4
	case name.Space != nsManagement:
	case name.Local == "enabled":
		c.managed, c.smID = true, n.Attr("id")
	case name.Local == "resumed":
		c.managed = true
	case name.Local == "r" && c.autoAck:
		_ = c.Send(c.ack()) // a dead connection says so when it is read
		return true
	case name.Local == "a":
		h, _ := strconv.ParseUint(n.Attr("h"), 10, 32) // 0 where there is none
		c.acked = uint32(h)
		return c.autoAck
	}
	return false
}

func (c *Client) ack() string {
	return `<a xmlns="` + nsManagement + `" h="` + strconv.FormatUint(uint64(c.taken), 10) + `"/>`
}

// AutoAck says whether requests for acknowledgement are answered while reading (XEP-0198 §4). Requests and answers
// of the server are then not seen by Expect.
func (c *Client) AutoAck(on bool) { c.autoAck = on }

// Ack sends an acknowledgement for all that was read (XEP-0198 §4).
func (c *Client) Ack() error { return c.Send(c.ack()) }

// Taken returns how many stanzas were read since management was enabled, and Acked the last h of the server.
func (c *Client) Taken() uint32 { return c.taken }
func (c *Client) Acked() uint32 { return c.acked }

// Expect reads the next element and returns it. It fails if the element does not match pattern, or does not come
// until ctx ends; a context without deadline gives it ten seconds. A stream error counts as an element.
func (c *Client) Expect(ctx context.Context, pattern string) (xmlstream.Node, error) {
	p, err := ParsePattern(pattern)
	if err != nil {
		return xmlstream.Node{}, err
	}
	n, err := c.next(ctx)
	if err != nil {
		return n, fmt.Errorf("expected %s\ngot %w", p, err)
	}
	if err := p.Match(n, c.Captures); err != nil {
		return n, fmt.Errorf("expected %s\ngot %s\n%w", p, n.Raw(), err)
	}
	return n, nil
}

// ExpectAll reads as many elements as there are patterns; each must match another one, in whatever order.
func (c *Client) ExpectAll(ctx context.Context, patterns ...string) error {
	left := make([]Pattern, len(patterns))
	for i, text := range patterns {
		p, err := ParsePattern(text)
		if err != nil {
			return err
		}
		left[i] = p
	}
	for len(left) > 0 {
		n, err := c.next(ctx)
		if err != nil {
			return fmt.Errorf("expected, in any order, %s\ngot %w", left, err)
		}
		var reasons []error
		for i, p := range left {
			err := p.Match(n, c.Captures)
			if err == nil {
				left = append(left[:i:i], left[i+1:]...)
				reasons = nil
				break
			}
			reasons = append(reasons, err)
		}
		if reasons != nil {
			return fmt.Errorf("expected, in any order, %s\ngot %s\n%w", left, n.Raw(), errors.Join(reasons...))
		}
	}
	return nil
}

// Await reads until an element matches pattern and returns that; the others are dropped.
func (c *Client) Await(ctx context.Context, pattern string) (xmlstream.Node, error) {
	p, err := ParsePattern(pattern)
	if err != nil {
		return xmlstream.Node{}, err
	}
	for {
		n, err := c.next(ctx)
		if err != nil || p.Match(n, c.Captures) == nil {
			return n, err
		}
	}
}

// ExpectNothing fails if the server has sent anything. It asks the server something and requires that the answer is
// the next element; what other clients have sent must have arrived, see Sync.
func (c *Client) ExpectNothing(ctx context.Context) error {
	if err := c.Sync(ctx); err != nil {
		return err
	}
	if len(c.pending) > 0 {
		return fmt.Errorf("expected nothing\ngot %s", c.pending[0].Raw())
	}
	return nil
}

// Sync waits until the server has dealt with all that was sent: it sends a ping (XEP-0199), whose answer comes in
// order (RFC 6120 §10.1). What comes before the answer is kept for Expect.
func (c *Client) Sync(ctx context.Context) error {
	c.pings++
	id := "sync-" + strconv.Itoa(c.pings)
	err := c.Send(`<iq type="get" id="` + id + `" to="` + c.options.Domain + `"><ping xmlns="` + nsPing + `"/></iq>`)
	if err != nil {
		return err
	}
	for {
		n, err := c.read(ctx)
		if err != nil {
			return fmt.Errorf("waiting for the answer to a ping: %w", err)
		}
		if n.Is(xmlstream.NSClient, "iq") && n.Attr("id") == id {
			return nil
		}
		c.pending = append(c.pending, n)
	}
}

// Close ends the stream as it should be.
func (c *Client) Close() { _ = c.Stream.Close(nil) }

// Cut closes the connection without ending the stream.
func (c *Client) Cut() { c.Stream.Cut() }

// MustSend is Send that fails the test.
func (c *Client) MustSend(t testing.TB, xml string) {
	t.Helper()
	if err := c.Send(xml); err != nil {
		t.Fatal(err)
	}
}

// MustExpect is Expect that fails the test.
func (c *Client) MustExpect(t testing.TB, pattern string) xmlstream.Node {
	t.Helper()
	n, err := c.Expect(t.Context(), pattern)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// MustExpectNothing is ExpectNothing that fails the test.
func (c *Client) MustExpectNothing(t testing.TB) {
	t.Helper()
	if err := c.ExpectNothing(t.Context()); err != nil {
		t.Fatal(err)
	}
}
