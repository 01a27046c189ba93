// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsBOSH  = "http://jabber.org/protocol/httpbind"
	nsXBOSH = "urn:xmpp:xbosh"
)

// DialBOSH returns a connection that looks like one over TCP and is a session of BOSH at url (XEP-0124 v1.11.2,
// XEP-0206 v1.4): headers, elements and ends that are written to it become requests, and what comes in their
// answers is read as a stream. domain is the host of the requests. The goroutines behind it end with the connection.
func DialBOSH(url, domain string) net.Conn {
	here, there := Pipe(0)
	b := &boshClient{
		url: url, host: domain, conn: there, rid: uint64(rand.Uint32()), answers: map[uint64]boshAnswer{},
		parser: xmlstream.NewParser(patternLimits),
	}
	b.next = b.rid + 1
	go b.run()
	return here
}

// A boshClient turns a stream into requests, and their answers into a stream.
type boshClient struct {
	url, host string
	conn      net.Conn
	parser    *xmlstream.Parser // of what the test writes

	mu      sync.Mutex // guards all below
	outbox  []boshRequest
	rid     uint64 // of the last request
	sid     string
	open    int                   // requests without an answer
	next    uint64                // of the answer that comes next
	answers map[uint64]boshAnswer // that came before those before them
	header  xmlstream.Node        // of the stream to come
	ended   bool
}

// A boshRequest is what one request is to carry.
type boshRequest struct {
	attrs, payload string
	header         bool // it begins a stream
}

// maxOpen is how many requests may be without an answer (XEP-0124 §11).
const maxOpen = 2

type boshAnswer struct {
	root   xmlstream.Node
	header bool // it answers a header
}

// run reads what is written until it ends.
func (b *boshClient) run() {
	buf := make([]byte, 4<<10)
	for {
		tok, err := b.parser.Next()
		switch {
		case errors.Is(err, xmlstream.ErrMore):
			n, err := b.conn.Read(buf)
			if err != nil {
				b.end()
				return
			}
			if bytes.HasPrefix(buf[:n], []byte("<?xml")) {
				b.parser.Reset() // it opens the next stream
			}
			b.parser.Feed(buf[:n])
		case err == io.EOF:
			_, _ = io.Copy(io.Discard, b.conn) // until the test has enough
			b.end()
			return
		case err != nil:
			b.fail(err)
			return
		default:
			b.take(tok)
		}
	}
}

// take sends what the test wrote.
func (b *boshClient) take(tok xmlstream.Token) {
	switch tok.Kind {
	case xmlstream.Open:
		root := tok.Element.Root()
		attrs := ` xmlns:xmpp="` + nsXBOSH + `"`
		for name, value := range root.Attrs() {
			switch {
			case name.Space == xmlstream.NSXML:
				attrs += attribute("xml:lang", value)
			case name.Local == "version":
				attrs += attribute("xmpp:version", value)
			case name.Local != "id":
				attrs += attribute(name.Local, value)
			}
		}
		if b.session() == "" {
			b.ask(boshRequest{attrs + ` wait="60" hold="1" ver="1.6"`, "", true})
			return
		}
		b.ask(boshRequest{attrs + ` xmpp:restart="true"`, "", true})
	case xmlstream.Child:
		n := tok.Element.Root()
		payload := string(n.Raw())
		if n.Name().Space == xmlstream.NSClient {
			payload = string(declare(n.Raw()))
		}
		b.ask(boshRequest{payload: payload})
	case xmlstream.Close:
		b.ask(boshRequest{attrs: ` type="terminate"`})
	}
}

func attribute(name, value string) string {
	return " " + name + `="` + string(xmlstream.AppendEscaped(nil, value)) + `"`
}

func (b *boshClient) session() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.sid
}

// ask sends a request, when there may be one more.
func (b *boshClient) ask(r boshRequest) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.outbox = append(b.outbox, r)
	b.pump()
}

// pump sends what may be sent. Answers are taken when they come, on goroutines that end with that.
func (b *boshClient) pump() {
	for len(b.outbox) > 0 && b.open < maxOpen && !b.ended {
		if b.sid == "" && b.open > 0 {
			return // the session has no name yet
		}
		r := b.outbox[0]
		b.outbox = b.outbox[1:]
		b.rid++
		rid := b.rid
		if b.sid != "" {
			r.attrs += attribute("sid", b.sid)
		}
		b.open++
		text := `<body xmlns="` + nsBOSH + `" rid="` + strconv.FormatUint(rid, 10) + `"` + r.attrs + `>` + r.payload + `</body>`
		go func() {
			root, err := b.post(text)
			if err != nil {
				b.fail(err)
				return
			}
			b.arrived(rid, boshAnswer{root, r.header})
		}()
	}
}

func (b *boshClient) post(text string) (xmlstream.Node, error) {
	req, err := http.NewRequest(http.MethodPost, b.url, strings.NewReader(text))
	if err != nil {
		return xmlstream.Node{}, err
	}
	req.Host = b.host
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return xmlstream.Node{}, err
	}
	defer res.Body.Close()
	doc, err := io.ReadAll(res.Body)
	if err != nil {
		return xmlstream.Node{}, err
	}
	el, err := xmlstream.Parse(string(doc), patternLimits)
	if err != nil {
		return xmlstream.Node{}, fmt.Errorf("answer %d %q: %w", res.StatusCode, doc, err)
	}
	return el.Root(), nil
}

// arrived puts an answer into the stream, in its order, and sees to it that the server always has a request to answer.
func (b *boshClient) arrived(rid uint64, a boshAnswer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers[rid] = a
	for {
		a, ok := b.answers[b.next]
		if !ok {
			break
		}
		delete(b.answers, b.next)
		b.next++
		b.open--
		b.show(a)
	}
	if b.open == 0 && len(b.outbox) == 0 {
		b.outbox = append(b.outbox, boshRequest{})
	}
	b.pump()
}

// show writes what an answer has to the stream.
func (b *boshClient) show(a boshAnswer) {
	root := a.root
	if sid := root.Attr("sid"); sid != "" {
		b.sid = sid
		b.header = root
	}
	var s strings.Builder
	if a.header {
		s.WriteString(`<stream:stream xmlns="` + xmlstream.NSClient + `" xmlns:stream="` + xmlstream.NSStreams + `"`)
		s.WriteString(attribute("from", b.header.Attr("from")) + attribute("id", b.header.Attr("authid")))
		s.WriteString(attribute("version", b.header.AttrNS(nsXBOSH, "version")) + ">")
	}
	for n := range root.Children() {
		s.WriteString(string(n.Raw()))
	}
	if root.Attr("type") == "terminate" {
		s.WriteString("</stream:stream>")
		b.ended = true
	}
	_, _ = io.WriteString(b.conn, s.String()) // who does not read does not want it
	if b.ended {
		_ = b.conn.(interface{ CloseWrite() error }).CloseWrite()
	}
}

func (b *boshClient) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended {
		_, _ = io.WriteString(b.conn, "<!-- "+err.Error()+" -->") // the test will show it
	}
	b.ended = true
	_ = b.conn.Close()
}

func (b *boshClient) end() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended = true
	_ = b.conn.Close()
}
