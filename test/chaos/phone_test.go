// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// A way is how a phone connects.
type way int

const (
	overTLS way = iota
	overSTARTTLS
	overWebSocket
	ways
)

// A phone is a device that is logged in once, and then keeps its session over as many connections as it takes
// (XEP-0198 §5): what it sends while it has none goes out with the next one.
type phone struct {
	hall     *hall
	index    int
	account  int
	resource string
	way      way
	random   *rand.Rand // of live alone
	jid      jid.JID
	orders   chan order

	bell              // its mu guards all below, and is held while writing
	wire     *wire    // nil: it has none, or is about to give up the one it had
	id       string   // of the session
	taken    uint32   // stanzas that were read
	told     uint32   // how many of them it has said to have
	recent   []func() // undo what the others changed
	sent     uint32   // stanzas
	open     []*stanza.Stanza
	asked    int // stanzas that were sent since an acknowledgement was asked for
	letters  int
	pings    map[int]bool    // unanswered
	answered map[letter]bool // requests
}

// A wire is one connection of a phone. What is read before the phone has chosen it is held back.
type wire struct {
	stream *stream.Stream
	link   *link
	h      uint32        // what the server had of the phone's stanzas
	ended  chan struct{} // closed when nothing more can be read
	why    error         // after ended

	held   []xmlstream.Node // phone.mu
	chosen bool             // phone.mu
}

// window is how many stanzas a phone sends ahead of their acknowledgement; what it answers comes on top.
const phoneWindow = 20

// dial opens a stream to the server. prepare, which may be nil, is called with the link before anything goes through it.
func (p *phone) dial(ctx context.Context, prepare func(*link)) (*xmpptest.Client, *link, error) {
	o := xmpptest.Options{Domain: domain, TLS: &tls.Config{ServerName: domain, InsecureSkipVerify: true}} // its own certificate
	switch p.way {
	case overTLS:
		o.Direct = true
	case overWebSocket: // the server takes it for a proxy's, on the same machine
		o.TLS, o.WebSocket = nil, httpd.WebSocketPath
	}
	conn, l, err := p.hall.links.dial(ctx, p.hall.addresses[p.way])
	if err != nil {
		return nil, nil, err
	}
	if prepare != nil {
		prepare(l)
	}
	c, err := xmpptest.New(ctx, conn, o)
	if err != nil {
		l.cut(cut)
		return nil, nil, err
	}
	return c, l, nil
}

func (p *phone) name() string { return accountName(p.account) }

// agent is the id of its software (XEP-0388 §2.3).
func (p *phone) agent() string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", p.index) }

// join logs in and begins a session.
func (p *phone) join(ctx context.Context) (*wire, error) {
	c, l, err := p.dial(ctx, nil)
	if err != nil {
		return nil, err
	}
	enable := `<enable xmlns="` + nsManagement + `" resume="true"/>`
	var enabled xmlstream.Node
	if p.random.IntN(2) == 0 {
		var w xmpptest.Welcome
		w, err = c.LoginSASL2(ctx, xmpptest.SASL2{User: p.name(), Password: password, Mechanism: "SCRAM-SHA-256",
			Client: p.agent(), Bind: true, BindFeatures: enable})
		if err == nil {
			bound, _ := w.Success.Child("urn:xmpp:bind:0", "bound")
			enabled, _ = bound.Child(nsManagement, "enabled")
		}
	} else {
		err = c.Login(ctx, p.name(), password, p.resource, "SCRAM-SHA-256")
		if err == nil {
			err = c.Send(enable)
		}
		if err == nil {
			enabled, err = c.Expect(ctx, `<enabled xmlns="`+nsManagement+`"/>`)
		}
	}
	if err == nil && (enabled.IsZero() || enabled.Attr("id") == "") {
		err = errors.New("the session cannot be resumed")
	}
	if err != nil {
		l.cut(cut)
		return nil, err
	}
	p.id, p.jid = enabled.Attr("id"), c.JID
	w := p.hear(c, l)
	p.choose(w)
	return w, nil
}

// A refusal is what a server says that does not resume a session.
type refusal struct{ raw xmlstream.Raw }

func (e *refusal) Error() string { return fmt.Sprintf("not resumed: %s", e.raw) }

// come connects and asks for the session, saying to have h stanzas. It returns a *refusal where the server says no.
func (p *phone) come(ctx context.Context, h uint32, inline bool, prepare func(*link)) (*wire, error) {
	ctx, cancel := context.WithTimeout(ctx, lifetime)
	defer cancel()
	c, l, err := p.dial(ctx, prepare)
	if err != nil {
		return nil, err
	}
	n, err := p.ask(ctx, c, h, inline)
	if err == nil && !n.Is(nsManagement, "resumed") {
		err = &refusal{n.Raw()}
	}
	if err != nil && said(err, "handled-count-too-high") {
		err = &refusal{xmlstream.Raw(err.Error())}
	}
	var count uint64
	if err == nil {
		count, err = strconv.ParseUint(n.Attr("h"), 10, 32)
	}
	if err != nil {
		l.cut(cut)
		return nil, err
	}
	w := p.hear(c, l)
	w.h = uint32(count)
	return w, nil
}

// said reports whether err is a stream error of the server with that condition; while a client logs in it is not parsed.
func said(err error, condition string) bool {
	if e, ok := errors.AsType[*stream.PeerError](err); ok {
		return e.Condition == condition || strings.Contains(string(e.Raw), "<"+condition+" ")
	}
	return err != nil && strings.Contains(err.Error(), "<"+condition+" ")
}

// ask logs in and returns the answer to <resume/>.
func (p *phone) ask(ctx context.Context, c *xmpptest.Client, h uint32, inline bool) (n xmlstream.Node, err error) {
	resume := `<resume xmlns="` + nsManagement + `" previd="` + p.id + `" h="` + strconv.FormatUint(uint64(h), 10) + `"/>`
	if !inline {
		if err := c.Authenticate(ctx, p.name(), password, "SCRAM-SHA-256"); err != nil {
			return n, err
		}
		if err := c.Send(resume); err != nil {
			return n, err
		}
		el, err := c.Stream.Read()
		if err != nil {
			return n, err
		}
		return el.Root(), nil
	}
	w, err := c.LoginSASL2(ctx, xmpptest.SASL2{User: p.name(), Password: password, Mechanism: "SCRAM-SHA-256",
		Client: p.agent(), Extra: resume})
	if err != nil {
		return n, err
	}
	for _, name := range []string{"resumed", "failed"} {
		if n, ok := w.Success.Child(nsManagement, name); ok {
			return n, nil
		}
	}
	return n, fmt.Errorf("no answer to <resume/>: %s", w.Success.Raw())
}

// hear begins to read from a connection.
func (p *phone) hear(c *xmpptest.Client, l *link) *wire {
	w := &wire{stream: c.Stream, link: l, ended: make(chan struct{})}
	far := time.Now().Add(time.Hour) // nobody waits for so long
	_, _ = c.Stream.SetReadDeadline(far), c.Stream.SetWriteDeadline(far)
	p.hall.readers.Go(func() {
		defer close(w.ended)
		for {
			el, err := w.stream.Read()
			if err != nil {
				w.why = err
				_ = w.stream.Close(nil) // an answer, if anybody listens
				p.lost(w)
				return
			}
			p.mu.Lock()
			switch {
			case p.wire == w:
				p.take(el.Root())
			case !w.chosen:
				w.held = append(w.held, el.Root())
			}
			p.mu.Unlock()
		}
	})
	return w
}

// lost looks at how a connection has ended, of which the phone made use.
func (p *phone) lost(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed()
	if p.wire != w {
		return // another one has taken its place, of which it may be told
	}
	_, told := errors.AsType[*stream.PeerError](w.why)
	if told || errors.Is(w.why, io.EOF) {
		p.hall.wrong("%v: the server has ended the stream: %v", p.jid, w.why)
	}
}

// drop gives up the connection as far as the phone is concerned, and returns how many stanzas it has got.
func (p *phone) drop() uint32 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wire = nil
	return p.taken
}

// forget drops the connection, and all that the phone has not said to have.
func (p *phone) forget() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wire = nil
	for i := len(p.recent) - 1; i >= 0; i-- {
		p.recent[i]()
	}
	p.recent, p.taken = nil, p.told
}

// choose makes w the phone's connection, takes what has come over it, and sends again what the server has not got.
func (p *phone) choose(w *wire) {
	p.mu.Lock()
	defer p.mu.Unlock()
	defer p.changed()
	p.wire, w.chosen = w, true
	if !p.acknowledged(w.h) {
		p.hall.wrong("%v: resumed with h=%d; sent were %d, and %d not acknowledged", p.jid, w.h, p.sent, len(p.open))
	}
	p.told = p.taken // with <resume/>
	p.recent = nil
	if len(p.open) > 0 {
		_ = w.stream.WriteStanzas(p.open, xmlstream.Elem(nsManagement, "r")) // else its reader sees the end
	}
	for _, n := range w.held {
		p.take(n)
	}
	w.held = nil
}

// acknowledged notes that the server has what was sent up to the stanza with that number. mu is held.
func (p *phone) acknowledged(h uint32) bool {
	n := int(h - (p.sent - uint32(len(p.open))))
	if n < 0 || n > len(p.open) {
		return false
	}
	p.open = p.open[n:]
	return true
}

// put sends a stanza, or keeps it until there is a connection. mu is held.
func (p *phone) put(st *stanza.Stanza) {
	p.sent++
	p.open = append(p.open, st)
	if p.wire == nil {
		return
	}
	var extra []xmlstream.Raw
	if p.asked++; p.asked >= askEvery || len(p.open) == 1 { // else the answer to the last request is on its way
		p.asked = 0
		extra = append(extra, xmlstream.Elem(nsManagement, "r"))
	}
	_ = p.wire.stream.WriteStanzas([]*stanza.Stanza{st}, extra...) // else its reader sees the end
}

// tell acknowledges all that was read. mu is held.
func (p *phone) tell() {
	p.told, p.recent = p.taken, nil
	_ = p.wire.stream.Write(xmlstream.Raw(`<a xmlns="` + nsManagement + `" h="` + strconv.FormatUint(uint64(p.taken), 10) + `"/>`))
}

// take takes what has come over the phone's connection. mu is held.
func (p *phone) take(n xmlstream.Node) {
	defer p.changed()
	switch {
	case n.Is(nsManagement, "r"):
		p.tell()
	case n.Is(nsManagement, "a"):
		h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
		before := len(p.open)
		if err != nil || !p.acknowledged(uint32(h)) {
			p.hall.wrong("%v: an acknowledgement of what was not sent: %s", p.jid, n.Raw())
		}
		if 0 < len(p.open) && len(p.open) < before { // there was more when it was sent
			_ = p.wire.stream.Write(xmlstream.Elem(nsManagement, "r")) // else its reader sees the end
		}
	case n.Name().Space == xmlstream.NSClient:
		p.taken++ // XEP-0198 §4
		if err := p.got(n); err != nil {
			p.hall.wrong("%v: %v: %s", p.jid, err, n.Raw())
		}
	default:
		p.hall.wrong("%v: got %s", p.jid, n.Raw())
	}
}

// got takes a stanza. mu is held.
func (p *phone) got(n xmlstream.Node) error {
	if n.Name().Local == "presence" {
		if p.hall.settled.Load() {
			return errors.New("somebody was seen to come or go")
		}
		return nil
	}
	x, err := parseLetter(n.Attr("id"))
	if err != nil {
		return err
	}
	if x.kind == ping {
		if !p.pings[x.n] || n.Attr("type") != "result" {
			return errors.New("an answer to nothing")
		}
		delete(p.pings, x.n)
		p.recent = append(p.recent, func() { p.pings[x.n] = true })
		return nil
	}
	if x.from >= len(p.hall.phones) || n.Attr("from") != p.hall.phones[x.from].jid.String() {
		return fmt.Errorf("not from %s", n.Attr("from"))
	}
	typ := map[byte]string{toBare: "chat", toFull: "chat", request: "get", answer: "result"}[x.kind]
	body, _ := n.Child(xmlstream.NSClient, "body")
	switch {
	case n.Attr("type") != typ:
		return errors.New("of another type")
	case typ == "chat" && (body.IsZero() || body.Text() != x.text()):
		return errors.New("with another body")
	case x.kind == request && !p.answered[x]:
		p.answered[x] = true
		p.post(x.from, letter{answer, p.index, x.n}, "result")
	}
	p.recent = append(p.recent, func() { p.hall.tally.forgotten(x.from, p.index) })
	return p.hall.tally.arrived(x, p.index)
}

// post sends a request, or the answer to one, to another phone. mu is held.
func (p *phone) post(to int, x letter, typ string) {
	p.hall.tally.owe(x, to)
	var body []xmlstream.Raw
	if typ == "get" {
		body = append(body, xmlstream.Elem("urn:xmpp:ping", "ping"))
	}
	p.put(stanza.New(stanza.IQ, typ, x.String(), jid.JID{}, p.hall.phones[to].jid, body...))
}

// ping asks the server something. mu is held.
func (p *phone) ping() {
	p.letters++
	x := letter{ping, p.index, p.letters}
	p.pings[x.n] = true
	p.put(stanza.New(stanza.IQ, "get", x.String(), jid.JID{}, jid.MustParse(domain), xmlstream.Elem("urn:xmpp:ping", "ping")))
}

// sync waits until the server has answered all that it was asked, and acknowledged all that it was sent.
func (p *phone) sync(ctx context.Context) error {
	p.mu.Lock()
	p.ping()
	p.mu.Unlock()
	err := p.await(ctx, func() bool { return len(p.open) == 0 && len(p.pings) == 0 })
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		err = fmt.Errorf("%v: %w: %d stanzas are not acknowledged, and %d requests not answered", p.jid, err, len(p.open), len(p.pings))
	}
	return err
}

// chat sends letters to the phone's contacts, one for each token.
func (p *phone) chat(ctx context.Context, random *rand.Rand) error {
	for {
		select {
		case <-p.hall.tokens:
		case <-ctx.Done():
			return ctx.Err()
		}
		contacts := p.hall.contacts(p.account)
		account := contacts[random.IntN(len(contacts))]
		all := p.hall.of(account)
		one := all[random.IntN(len(all))]
		if err := p.hall.tally.room(ctx, all...); err != nil {
			return err
		}
		if err := p.await(ctx, func() bool { return len(p.open) < phoneWindow }); err != nil {
			return err
		}
		kind := random.IntN(20)
		p.mu.Lock()
		p.letters++
		x := letter{toBare, p.index, p.letters}
		to := p.hall.phones[one].jid
		switch {
		case kind == 0:
			p.ping()
		case kind < 3:
			x.kind = request
			p.post(one, x, "get")
		case kind < 8:
			x.kind = toFull
			p.hall.tally.owe(x, one)
			p.put(p.message(x, to))
		default:
			p.hall.tally.owe(x, all...)
			p.put(p.message(x, to.Bare()))
		}
		p.mu.Unlock()
		p.hall.tally.wrote()
	}
}

func (p *phone) message(x letter, to jid.JID) *stanza.Stanza {
	return stanza.New(stanza.Message, "chat", x.String(), jid.JID{}, to, xmlstream.TextElem(xmlstream.NSClient, "body", x.text()))
}
