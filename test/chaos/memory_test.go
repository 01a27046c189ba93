// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strconv"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// A memory is what a client that may resume its session keeps when its connection is gone (XEP-0198 §5). Where the server
// died, it says how far the session had come, and what is beyond that is sent again in the next one. What is on the disk
// is held against that: a message that was counted must be there, and one that was not is, at best, not.
type memory struct {
	w *world
	person

	device *device    // of the session, whose connection may be gone; nil where there is none
	killed bool       // the server was, since then
	h      uint32     // its count as it was on the disk then
	known  bool       // h is
	again  []*message // to be sent again, in order
}

// memory returns the memory of p.
func (w *world) memory(p person) *memory {
	w.mu.Lock()
	defer w.mu.Unlock()
	name := p.account + "/" + p.resource
	if w.memories[name] == nil {
		w.memories[name] = &memory{w: w, person: p}
	}
	return w.memories[name]
}

// resume asks for the session, on a stream that is not bound, and reports whether it goes on.
func (m *memory) resume(c *xmpptest.Client) (bool, error) {
	if m.device == nil {
		return false, nil
	}
	d := m.device
	<-d.ended
	d.mu.Lock()
	defer d.mu.Unlock()
	err := c.Stream.Write(xmlstream.Raw(`<resume xmlns="` + nsManagement + `" previd="` + d.id + `" h="` +
		strconv.FormatUint(uint64(d.taken), 10) + `"/>`))
	if err != nil {
		return false, err
	}
	el, err := c.Stream.Read()
	if err != nil {
		return false, err
	}
	n := el.Root()
	h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	switch resumed := n.Is(nsManagement, "resumed"); {
	case resumed && m.killed:
		m.w.ledger.wrong("%s resumed a session that died with the server: %s", m.account, n.Raw())
	case resumed && (err != nil || !d.acknowledged(uint32(h))):
		m.w.ledger.wrong("%s: %s, of %d, of which %d are open", m.account, n.Raw(), d.sent, len(d.open))
	case resumed:
	case !m.killed:
		m.w.ledger.wrong("%s cannot resume: %s", m.account, n.Raw())
	case !n.Is(nsManagement, "failed"):
		return false, fmt.Errorf("asked to resume, the server says %s", n.Raw())
	default:
		m.forget(uint32(h), n.HasAttr("h"))
	}
	return m.device != nil, nil
}

// forget gives up the session, of which h stanzas are certain. The device's mu is held.
func (m *memory) forget(h uint32, known bool) {
	d := m.device
	if known != m.known || h != m.h {
		m.w.ledger.wrong("%s was told h=%d (%t), and on the disk is %d (%t)", m.account, h, known, m.h, m.known)
	}
	first := d.sent - uint32(len(d.open)) // the last that was acknowledged
	// What is no message is not counted by itself. Where one was under way, messages behind it were not counted either.
	if h > d.sent || h < d.certain && !m.asks {
		m.w.ledger.wrong("%s: %d are certain, of %d; message %d was acknowledged", m.account, h, d.sent, d.certain)
	}
	var again []*message
	for i, x := range d.open {
		switch {
		case x.message == nil:
		case first+uint32(i)+1 <= h:
			m.w.ledger.acknowledged(x.message)
		default:
			again = append(again, x.message)
		}
	}
	m.again = append(again, m.again...)
	m.device = nil
}

// goOn has d, which has a new connection, go on with the session.
func (m *memory) goOn(d *device) {
	old := m.device
	old.mu.Lock()
	defer old.mu.Unlock()
	d.sent, d.open, d.certain, d.enabled, d.id, d.taken = old.sent, old.open, old.certain, true, old.id, old.taken
	d.reached, d.got, d.last = old.reached, old.got, old.last
	m.device = d
	var list []*stanza.Stanza
	for _, x := range d.open {
		list = append(list, x.stanza)
	}
	if len(list) > 0 {
		_ = d.stream.WriteStanzas(list, xmlstream.Elem(nsManagement, "r")) // else read sees the end
	}
}

// begin notes that d has a session that may be resumed, and sends again what the one before had not come to.
func (m *memory) begin(ctx context.Context, d *device) error {
	if !m.resumes {
		return nil
	}
	if d.id == "" {
		return errors.New("the session cannot be resumed")
	}
	m.device, m.killed = d, false
	for len(m.again) > 0 {
		if err := d.await(ctx, func() bool { return len(d.open) < window }); err != nil {
			return err
		}
		d.mu.Lock()
		x := m.again[0]
		m.again = m.again[1:]
		m.w.ledger.sentAgain(x)
		err := d.put(x.stanza(x.address()), x, xmlstream.Elem(nsManagement, "r"))
		d.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// died notes that the server was killed, and holds what it counted against what it has: k is what is on the disk d.
func (m *memory) died(ctx context.Context, d *db.DB, k *disk) error {
	if m.device == nil || m.killed {
		return nil
	}
	sum := sha256.Sum256([]byte(m.device.id))
	var h int64
	err := d.Read(ctx, func(tx *db.ReadTx) error {
		var slept int
		err := tx.QueryRow("SELECT COUNT(*) FROM sleeper WHERE session = $1", sum[:16]).Scan(&slept)
		if err != nil || slept > 0 { // it had stopped in good order, and was killed before it was there again
			return err
		}
		m.killed = true
		return tx.QueryRow("SELECT h FROM sleeper_count WHERE session = $1", sum[:16]).Scan(&h)
	})
	m.h, m.known = uint32(h), err == nil
	if err != nil && !errors.Is(err, db.ErrNoRows) || !m.killed {
		return err
	}
	m.device.mu.Lock()
	defer m.device.mu.Unlock()
	first := m.device.sent - uint32(len(m.device.open))
	for i, x := range m.device.open {
		if x.message == nil {
			continue
		}
		counted, there := first+uint32(i)+1 <= m.h, len(k.sent[x.key]) > 0
		switch {
		case counted && !there:
			k.wrong("%v was counted, and is lost", x.key)
		case counted || !there || x.again > 0:
		case !m.asks:
			k.wrong("%v is there, and was not counted: %d of %s", x.key, m.h, m.account)
		default:
			m.w.ledger.uncounted++
		}
	}
	return nil
}
