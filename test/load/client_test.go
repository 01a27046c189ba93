// SPDX-License-Identifier: Apache-2.0

package load

import (
	"bufio"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsTLS        = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL       = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind       = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSASL2      = "urn:xmpp:sasl:2"
	nsBind2      = "urn:xmpp:bind:0"
	nsFAST       = "urn:xmpp:fast:0"
	nsManagement = "urn:xmpp:sm:3"
)

// patience is how long the server may take for one answer.
const patience = 30 * time.Second

// limits are generous: what a server sends is not judged here.
var limits = xmlstream.Limits{Bytes: 1 << 20, Depth: 100, Attrs: 1000, Nodes: 100_000}

// A way is how a client connects.
type way uint8

const (
	startTLS  way = iota // TCP, then STARTTLS
	directTLS            // TLS at once
	webSocket            // RFC 7395, without TLS: from this machine, as behind a proxy
)

// A client is one connection. It does as little as it can, so that the server has the machine.
type client struct {
	*stream.Stream
	jid jid.JID

	writing sync.Mutex // held while writing once run was called
	taken   uint32     // stanzas read since management was enabled; of the goroutine that reads
}

// dial connects and reads the first features.
func dial(ctx context.Context, s *server, w way) (*client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", s.address[w])
	if err != nil {
		return nil, err
	}
	c, err := open(ctx, s, w, conn)
	if err != nil {
		_ = conn.Close() // of no use
		return nil, fmt.Errorf("connect to %s: %w", s.name, err)
	}
	return c, nil
}

func open(ctx context.Context, s *server, w way, conn net.Conn) (*client, error) {
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	c := &client{}
	switch o := (stream.Options{Client: true, Limits: limits}); w {
	case startTLS:
		c.Stream = stream.NewTCP(conn, o)
	case directTLS:
		c.Stream = stream.NewTCP(conn, o)
		if err := c.StartTLS(s.tls); err != nil {
			return nil, err
		}
	case webSocket:
		br, err := handshake(conn, s.path)
		if err != nil {
			return nil, err
		}
		c.Stream = stream.NewWebSocket(conn, br, o)
	}
	if _, err := c.begin(); err != nil || w != startTLS {
		return c, err
	}
	if err := c.Write(xmlstream.Elem(nsTLS, "starttls")); err != nil {
		return nil, err
	}
	if _, err := c.expect(nsTLS, "proceed"); err != nil {
		return nil, err
	}
	if err := c.StartTLS(s.tls); err != nil {
		return nil, err
	}
	_, err := c.begin()
	return c, err
}

// handshake opens a WebSocket (RFC 6455 §4.1) as a proxy would, for a client that has an address of its own.
func handshake(conn net.Conn, path string) (*bufio.Reader, error) {
	var from [4]byte
	rand.Read(from[1:])
	from[0] = 10
	r := &http.Request{Method: http.MethodGet, URL: &url.URL{Path: path}, Host: domain, Header: http.Header{
		"Upgrade": {"websocket"}, "Connection": {"Upgrade"}, "Sec-Websocket-Version": {"13"},
		"Sec-Websocket-Key":      {base64.StdEncoding.EncodeToString([]byte(rand.Text()[:16]))},
		"Sec-Websocket-Protocol": {"xmpp"},
		"X-Forwarded-For":        {netip.AddrFrom4(from).String()}, "X-Forwarded-Proto": {"https"},
	}}
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

// begin exchanges headers and returns the features.
func (c *client) begin() (xmlstream.Node, error) {
	if err := c.Send(stream.Header{To: domain}); err != nil {
		return xmlstream.Node{}, err
	}
	if _, err := c.Open(); err != nil {
		return xmlstream.Node{}, err
	}
	return c.expect(xmlstream.NSStreams, "features")
}

// expect reads the next element, which must have that name. Nothing else comes while a client logs in.
func (c *client) expect(space, local string) (xmlstream.Node, error) {
	el, err := c.Read()
	if err != nil {
		return xmlstream.Node{}, fmt.Errorf("wait for <%s/>: %w", local, err)
	}
	if n := el.Root(); n.Is(space, local) {
		return n, nil
	}
	return xmlstream.Node{}, fmt.Errorf("wait for <%s/>: got %s", local, el.Root().Raw())
}

func base64Elem(space, local string, data []byte) xmlstream.Raw {
	return xmlstream.TextElem(space, local, base64.StdEncoding.EncodeToString(data))
}

func dataOf(n xmlstream.Node) []byte {
	b, _ := base64.StdEncoding.DecodeString(n.Text()) // what is wrong with it shows in what it is used for
	return b
}

// login logs in as every client can: SASL and binding (RFC 6120 §6, §7).
func (c *client) login(a *account) error {
	x := a.scram()
	auth := xmlstream.Builder{}
	auth.Start(nsSASL, "auth").Attr("mechanism", sasl.SCRAMSHA256)
	auth.Text(base64.StdEncoding.EncodeToString([]byte(x.initial()))).End()
	if err := c.Write(auth.Build()); err != nil {
		return err
	}
	additional, err := c.answer(x, nsSASL)
	if err != nil {
		return err
	}
	if err := x.verify(dataOf(additional)); err != nil {
		return err
	}
	c.Restart()
	if _, err := c.begin(); err != nil {
		return err
	}
	request := stanza.New(stanza.IQ, "set", "bind", jid.JID{}, jid.JID{}, xmlstream.Elem(nsBind, "bind"))
	if err := c.WriteStanzas([]*stanza.Stanza{request}); err != nil {
		return err
	}
	iq, err := c.expect(xmlstream.NSClient, "iq")
	if err != nil {
		return err
	}
	bound, _ := iq.Child(nsBind, "bind")
	full, _ := bound.Child(nsBind, "jid")
	c.jid, err = jid.Parse(full.Text())
	return err
}

// answer answers the server's challenge and returns what says that it was right.
func (c *client) answer(x *scram, space string) (xmlstream.Node, error) {
	challenge, err := c.expect(space, "challenge")
	if err != nil {
		return xmlstream.Node{}, err
	}
	response, err := x.respond(string(dataOf(challenge)))
	if err != nil {
		return xmlstream.Node{}, err
	}
	if err := c.Write(base64Elem(space, "response", []byte(response))); err != nil {
		return xmlstream.Node{}, err
	}
	return c.expect(space, "success")
}

// login2 logs in as the web app does: SASL2 with Bind 2 and stream management. With a token of the account it uses
// that (XEP-0484 §3.4), else the password, and asks for a token.
func (c *client) login2(a *account) error {
	mechanism, first, x := sasl.SCRAMSHA256, []byte(nil), a.scram()
	var ht *sasl.HTClient
	if a.token == "" {
		first = []byte(x.initial())
	} else {
		var err error
		mechanism = sasl.HTSHA256NONE
		if ht, err = sasl.NewHTClient(mechanism, a.name, a.token, sasl.Channel{}); err != nil {
			return err
		}
		first = ht.Initial()
	}
	var b xmlstream.Builder
	b.Start(nsSASL2, "authenticate").Attr("mechanism", mechanism)
	b.Start(nsSASL2, "initial-response").Text(base64.StdEncoding.EncodeToString(first)).End()
	b.Start(nsSASL2, "user-agent").Attr("id", a.client).End()
	b.Start(nsBind2, "bind").Start(nsBind2, "tag").Text("load").End().Start(nsManagement, "enable").End().End()
	if a.token == "" {
		b.Start(nsFAST, "request-token").Attr("mechanism", sasl.HTSHA256NONE).End()
	} else {
		b.Start(nsFAST, "fast").End()
	}
	if err := c.Write(b.End().Build()); err != nil {
		return err
	}
	var success xmlstream.Node
	var err error
	if a.token == "" {
		success, err = c.answer(x, nsSASL2)
	} else {
		success, err = c.expect(nsSASL2, "success")
	}
	if err != nil {
		return err
	}
	additional, _ := success.Child(nsSASL2, "additional-data")
	if a.token == "" {
		err = x.verify(dataOf(additional))
	} else {
		err = ht.Verify(dataOf(additional))
	}
	if err != nil {
		return err
	}
	if t, ok := success.Child(nsFAST, "token"); ok {
		a.token = t.Attr("token")
	}
	id, _ := success.Child(nsSASL2, "authorization-identifier")
	if c.jid, err = jid.Parse(id.Text()); err != nil {
		return err
	}
	_, err = c.expect(xmlstream.NSStreams, "features")
	return err
}

// manage turns stream management on (XEP-0198 §3), after login.
func (c *client) manage(resume bool) error {
	var b xmlstream.Builder
	b.Start(nsManagement, "enable")
	if resume {
		b.Attr("resume", "true")
	}
	if err := c.Write(b.End().Build()); err != nil {
		return err
	}
	n, err := c.expect(nsManagement, "enabled")
	if can := n.Attr("resume"); err == nil && resume && can != "true" && can != "1" {
		err = fmt.Errorf("the session cannot be resumed: %s", n.Raw())
	}
	return err
}

// present says that the client is available, and waits until that is known: until a ping behind it was answered.
func (c *client) present() error {
	err := c.WriteStanzas([]*stanza.Stanza{
		stanza.New(stanza.Presence, "", "", jid.JID{}, jid.JID{}),
		stanza.New(stanza.IQ, "get", "present", jid.JID{}, jid.MustParse(domain), xmlstream.Elem("urn:xmpp:ping", "ping")),
	})
	if err != nil {
		return err
	}
	for {
		el, err := c.Read()
		if err != nil {
			return err
		}
		n := el.Root()
		if err := c.count(n); err != nil {
			return err
		}
		if n.Is(xmlstream.NSClient, "iq") && n.Attr("id") == "present" {
			return errors.Join(c.SetReadDeadline(time.Time{}), c.SetWriteDeadline(time.Time{}))
		}
	}
}

// count counts n if it is a stanza, and answers if the server asks for the count (XEP-0198 §4).
func (c *client) count(n xmlstream.Node) error {
	switch {
	case n.Name().Space == xmlstream.NSClient:
		c.taken++
	case n.Is(nsManagement, "r"):
		c.writing.Lock()
		defer c.writing.Unlock()
		return c.Write(xmlstream.Raw(`<a xmlns="` + nsManagement + `" h="` + strconv.FormatUint(uint64(c.taken), 10) + `"/>`))
	}
	return nil
}

// put writes a stanza, with whatever follows it, while run reads.
func (c *client) put(st *stanza.Stanza, more ...xmlstream.Raw) error {
	c.writing.Lock()
	defer c.writing.Unlock()
	return c.WriteStanzas([]*stanza.Stanza{st}, more...)
}

// run reads until the stream ends, which is nil where it ended in good order. take gets what is no request.
func (c *client) run(take func(xmlstream.Node)) error {
	for {
		el, err := c.Read()
		if errors.Is(err, io.EOF) || errors.Is(err, stream.ErrClosed) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s: %w", c.jid, err)
		}
		if err := c.count(el.Root()); errors.Is(err, stream.ErrClosed) {
			return nil // asked at the end
		} else if err != nil {
			return err
		}
		take(el.Root())
	}
}

// leave ends the stream in good order and waits for the server to do the same.
func (c *client) leave() error { return c.Close(nil) }
