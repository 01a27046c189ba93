// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	nsManagement = "urn:xmpp:sm:3"
	window       = 20 // messages that a device sends ahead of their acknowledgement
	askEvery     = 5  // messages, for an acknowledgement
)

var (
	errEnded = errors.New("the connection ended")
	errGone  = errors.New("the server is gone")
)

// A device is one connection of a client that is logged in. One goroutine, read, takes what comes; all methods may
// be called by any.
type device struct {
	person
	w      *world
	stream *stream.Stream
	ended  chan struct{} // closed when read has returned
	why    error         // after ended

	last map[string]int // by sender; of read alone

	bell           // its mu guards all below, and is held while writing
	sent    uint32 // stanzas, since stream management was enabled
	open    []sending
	certain uint32 // the number of the last message that was acknowledged
	asked   int    // messages that were sent since an acknowledgement was asked for
	enabled bool   // stream management
	id      string // of the session; "" where it cannot be resumed
	taken   uint32 // stanzas that were read, since stream management was enabled
	reached map[uint32]bool
	got     map[key]bool
}

// A sending is a stanza that was sent and is not acknowledged; message is nil where it is none.
type sending struct {
	*message
	stanza *stanza.Stanza
}

// dial opens a stream to a server.
func dial(ctx context.Context, s *server) (*xmpptest.Client, error) {
	c, err := xmpptest.Dial(ctx, s.address, xmpptest.Options{
		Domain: domain, Direct: true,
		TLS: &tls.Config{ServerName: domain, InsecureSkipVerify: true}, // its own certificate; nobody is between
	})
	if err != nil {
		return nil, fmt.Errorf("connect: %w", err)
	}
	return c, nil
}

// forLong lets a stream read and write for longer than anybody waits; where that cannot be, it is cut.
func forLong(c *xmpptest.Client) error {
	deadline := time.Now().Add(2 * lifetime)
	err := errors.Join(c.Stream.SetReadDeadline(deadline), c.Stream.SetWriteDeadline(deadline))
	if err != nil {
		c.Cut()
	}
	return err
}

// connect logs in as p, and goes on with the session of before where there is one.
func (w *world) connect(ctx context.Context, s *server, p person) (*device, error) {
	c, err := dial(ctx, s)
	if err != nil {
		return nil, err
	}
	if err := c.Authenticate(ctx, p.account, password, "SCRAM-SHA-256"); err != nil {
		c.Cut()
		return nil, fmt.Errorf("log in as %s: %w", p.account, err)
	}
	m := w.memory(p)
	resumed, err := m.resume(c)
	if err == nil && !resumed {
		err = c.Bind(ctx, p.resource)
	}
	if err != nil {
		c.Cut()
		return nil, fmt.Errorf("bind %s: %w", p.account, err)
	}
	if err := forLong(c); err != nil {
		return nil, err
	}
	d := &device{person: p, w: w, stream: c.Stream, ended: make(chan struct{}), last: map[string]int{},
		reached: map[uint32]bool{}, got: map[key]bool{}}
	w.step()
	if resumed {
		m.goOn(d)
		go d.read() // as below
		return d, nil
	}
	go d.read() // ends with the connection; whoever connects sees to that
	if !p.managed {
		return d, nil
	}
	enable := xmlstream.Elem(nsManagement, "enable")
	if p.resumes {
		enable = `<enable xmlns="` + nsManagement + `" resume="true"/>`
	}
	d.mu.Lock()
	err = d.stream.Write(enable)
	d.mu.Unlock()
	if err == nil {
		err = d.await(ctx, func() bool { return d.enabled })
	}
	if err == nil {
		err = m.begin(ctx, d)
	}
	if err != nil {
		d.leave(false)
		return nil, err
	}
	return d, nil
}

// read takes what comes until the connection ends.
func (d *device) read() {
	defer close(d.ended)
	for {
		el, err := d.stream.Read()
		if err != nil {
			d.why = err
			_ = d.stream.Close(nil) // an answer, if anybody listens
			d.mu.Lock()
			d.changed()
			d.mu.Unlock()
			return
		}
		d.take(el.Root())
		d.w.step()
	}
}

func (d *device) take(n xmlstream.Node) {
	var k key
	if n.Is(xmlstream.NSClient, "message") {
		k = d.w.ledger.delivered(d.person, d.last, n)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	defer d.changed()
	name := n.Name()
	if name.Space == xmlstream.NSClient {
		d.taken++ // XEP-0198 §4
	}
	switch {
	case n.Is(xmlstream.NSClient, "message"):
		if d.got[k] && !d.w.ledger.again(k) {
			d.w.ledger.wrong("%v came twice over the same connection of %s", k, d.account)
		}
		d.got[k] = true
	case n.Is(xmlstream.NSClient, "presence") && n.Attr("type") == "subscribe":
		if from, err := jid.Parse(n.Attr("from")); err == nil {
			_ = d.put(stanza.New(stanza.Presence, "subscribed", "", jid.JID{}, from.Bare()), nil) // else read sees the end
		}
	case n.Is(xmlstream.NSClient, "iq") && strings.HasPrefix(n.Attr("id"), pingPrefix):
		number, _ := strconv.ParseUint(strings.TrimPrefix(n.Attr("id"), pingPrefix), 10, 32) // we made it
		d.reached[uint32(number)] = true
		if !d.managed {
			d.acknowledged(uint32(number))
		}
	case n.Is(nsManagement, "enabled"):
		d.enabled, d.taken, d.id = true, 0, n.Attr("id")
	case n.Is(nsManagement, "r"):
		_ = d.stream.Write(d.answer()) // else read sees the end
	case n.Is(nsManagement, "a"):
		h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
		if err != nil || !d.acknowledged(uint32(h)) {
			d.w.ledger.wrong("%s: an acknowledgement of what was not sent: %s", d.account, n.Raw())
		}
	}
}

// answer acknowledges all that was read (XEP-0198 §4). mu is held.
func (d *device) answer() xmlstream.Raw {
	return xmlstream.Raw(`<a xmlns="` + nsManagement + `" h="` + strconv.FormatUint(uint64(d.taken), 10) + `"/>`)
}

// acknowledged notes that the server has what was sent up to the stanza with that number. mu is held.
func (d *device) acknowledged(h uint32) bool {
	n := int(h - (d.sent - uint32(len(d.open))))
	if n < 0 || n > len(d.open) {
		return false
	}
	for i, x := range d.open[:n] {
		if x.message != nil {
			d.w.ledger.acknowledged(x.message)
			d.certain = d.sent - uint32(len(d.open)-i-1)
		}
	}
	d.open = d.open[n:]
	return true
}

// put writes a stanza, which is m unless that is nil. mu is held.
func (d *device) put(st *stanza.Stanza, m *message, extra ...xmlstream.Raw) error {
	d.sent++
	d.open = append(d.open, sending{m, st})
	return d.stream.WriteStanzas([]*stanza.Stanza{st}, extra...)
}

// present says that the device is available, and waits until the server knows.
func (d *device) present(ctx context.Context) error {
	d.mu.Lock()
	err := d.put(stanza.New(stanza.Presence, "", "", jid.JID{}, jid.JID{}), nil)
	if d.contact != "" {
		err = errors.Join(err, d.put(stanza.New(stanza.Presence, "subscribe", "", jid.JID{}, address(d.contact)), nil))
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	return d.sync(ctx)
}

const pingPrefix = "ping-"

// ping asks the server for an answer, which comes in order (RFC 6120 §10.1): when all before it is done and written
// down. Without stream management it stands for the acknowledgement. mu is held. It returns the ping's number.
func (d *device) ping() (uint32, error) {
	number := d.sent + 1
	id := pingPrefix + strconv.FormatUint(uint64(number), 10)
	return number, d.put(stanza.New(stanza.IQ, "get", id, jid.JID{}, jid.MustParse(domain),
		xmlstream.Elem("urn:xmpp:ping", "ping")), nil)
}

// sync acknowledges what was read, and waits until the server has dealt with that and all that was sent.
func (d *device) sync(ctx context.Context) error {
	d.mu.Lock()
	var err error
	if d.managed {
		err = d.stream.Write(d.answer())
	}
	number, errPing := d.ping()
	d.mu.Unlock()
	if err := errors.Join(err, errPing); err != nil {
		return err
	}
	return d.await(ctx, func() bool { return d.reached[number] })
}

// await waits until ok, which is called with mu held.
func (d *device) await(ctx context.Context, ok func() bool) error {
	err := d.awaitOr(ctx, d.ended, ok)
	if errors.Is(err, errEnded) {
		err = fmt.Errorf("%s: %w: %w", d.account, err, d.why)
	}
	return err
}

// send sends the next message to an account, when the window lets it.
func (d *device) send(ctx context.Context, to jid.JID) error {
	if err := d.await(ctx, func() bool { return len(d.open) < window }); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	m := d.w.ledger.next(d.account, to)
	if d.asked++; d.asked < askEvery {
		return d.put(m.stanza(to), m)
	}
	d.asked = 0
	if d.managed {
		err := d.put(m.stanza(to), m, xmlstream.Elem(nsManagement, "r"))
		if err == nil && d.asks {
			_, err = d.ping()
		}
		return err
	}
	err := d.put(m.stanza(to), m)
	if err == nil {
		_, err = d.ping()
	}
	return err
}

// leave ends the connection, in good order or by cutting it, and waits for its end.
func (d *device) leave(inOrder bool) {
	if inOrder {
		_ = d.stream.Close(nil) // read sees how it ends
	} else {
		d.stream.Cut()
	}
	<-d.ended
}
