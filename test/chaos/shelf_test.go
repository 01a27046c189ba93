// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsArchive = "urn:xmpp:mam:2"
	nsForward = "urn:xmpp:forward:0"
	nsSet     = "http://jabber.org/protocol/rsm"
)

// A shelf is what a device has kept, by ids of its account's archive. Ids sort as the archive does.
type shelf struct {
	letters map[string]letter
	mark    string // what is in the archive up to this one is on the shelf, or was sent by the device itself
	page    []string

	live, late, copies, found, pages int // how they came, for the log
}

func newShelf() *shelf { return &shelf{letters: map[string]letter{}} }

// message takes what has come as a message. mu is held.
func (m *member) message(n xmlstream.Node) error {
	if n.Attr("type") == "error" {
		return errors.New("it came back as an error")
	}
	if result, ok := n.Child(nsArchive, "result"); ok {
		inner, err := forwarded(result)
		if err != nil {
			return err
		}
		id := result.Attr("id")
		if last := m.shelf.last(); id <= last {
			return fmt.Errorf("behind %s, in the archive's order", last)
		}
		m.shelf.page = append(m.shelf.page, id)
		m.shelf.found++
		_, err = m.keep(inner, id)
		return err
	}
	inner, sent := n, false
	for _, direction := range []string{"sent", "received"} {
		c, ok := n.Child(nsCarbons, direction)
		if !ok {
			continue
		}
		if n.Attr("from") != m.bare().String() {
			return errors.New("a copy by somebody else")
		}
		var err error
		if inner, err = forwarded(c); err != nil {
			return err
		}
		sent = direction == "sent"
		m.shelf.copies++
	}
	id := ""
	for c := range inner.Children() {
		if c.Is("urn:xmpp:sid:0", "stanza-id") && c.Attr("by") == m.bare().String() {
			id = c.Attr("id")
		}
	}
	x, err := m.keep(inner, id)
	if err != nil {
		return err
	}
	mine := m.c.members[x.from].account == m.account
	if inner != n && sent != mine || x.from == m.index {
		return errors.New("a copy that is not for it")
	}
	if _, late := n.Child("urn:xmpp:delay", "delay"); late { // it may have had it before
		m.shelf.late++
		return nil
	}
	m.shelf.live++
	if m.came[x] {
		return errors.New("it came twice in one session")
	}
	m.came[x] = true
	if id <= m.newest {
		return fmt.Errorf("behind %s, in the archive's order", m.newest)
	}
	m.newest = id
	if m.caught {
		m.shelf.mark = max(m.shelf.mark, id)
	}
	return nil
}

// forwarded is what an element forwards (XEP-0297).
func forwarded(n xmlstream.Node) (xmlstream.Node, error) {
	f, _ := n.Child(nsForward, "forwarded")
	inner, ok := f.Child(xmlstream.NSClient, "message")
	if !ok {
		return inner, errors.New("nothing in it")
	}
	return inner, nil
}

// keep puts a message onto the shelf. mu is held.
func (m *member) keep(n xmlstream.Node, id string) (letter, error) {
	x, err := m.c.check(n, m.account, id)
	if err != nil {
		return x, err
	}
	if other, ok := m.shelf.letters[id]; ok && other != x {
		return x, fmt.Errorf("%v has the same id", other)
	}
	m.shelf.letters[id] = x
	return x, nil
}

// last is the id behind which the page under way goes on.
func (s *shelf) last() string {
	if n := len(s.page); n > 0 {
		return s.page[n-1]
	}
	return s.mark
}

// catchUp asks the archive for what is behind the mark, page by page (XEP-0313 §4.3). Who comes and goes may lose its
// connection over that.
func (m *member) catchUp(ctx context.Context, s *server, random *rand.Rand) error {
	for {
		m.mu.Lock()
		m.shelf.page = nil
		after := m.shelf.mark
		m.mu.Unlock()
		var b xmlstream.Builder
		b.Start(nsArchive, "query").Start(nsSet, "set").Start(nsSet, "max").Text(strconv.Itoa(5 + random.IntN(60))).End()
		if after != "" {
			b.Start(nsSet, "after").Text(after).End()
		}
		id, err := m.request(jid.JID{}, "set", b.End().End().Build())
		if err == nil && m.goes && random.IntN(3) == 0 {
			m.leave(false)
			var resumed bool
			if resumed, err = m.connect(ctx, s); err == nil && !resumed {
				err = errors.New("the session did not go on")
			}
		}
		if err != nil {
			return err
		}
		n, err := m.answer(ctx, id)
		if err != nil {
			return err
		}
		fin, _ := n.Child(nsArchive, "fin")
		set, _ := fin.Child(nsSet, "set")
		last, _ := set.Child(nsSet, "last")
		m.mu.Lock()
		m.shelf.pages++
		if len(m.shelf.page) > 0 && last.Text() != m.shelf.last() {
			m.wrong("the page ends with %s: %s", m.shelf.last(), n.Raw())
		}
		m.shelf.mark = m.shelf.last()
		m.mu.Unlock()
		if fin.Attr("complete") == "true" {
			return nil
		}
	}
}

// compare holds what is on the shelf against the archive: nothing is missing of what all should be of, and nothing is there
// that is not in it. It is called while nobody reads.
func (m *member) compare(archived []filed, all bool) {
	n, missing := 0, 0
	for _, f := range archived {
		x, ok := m.shelf.letters[f.id]
		switch {
		case ok && x == f.letter:
			n++
		case ok:
			m.wrong("%s is %v, and in the archive %v", f.id, x, f.letter)
		case f.letter.from != m.index && (all || f.id <= m.shelf.mark):
			if missing++; missing <= 5 {
				m.wrong("%v is missing, id %s; all is there up to %s", f.letter, f.id, m.shelf.mark)
			}
		}
	}
	if n != len(m.shelf.letters) || missing > 5 {
		m.wrong("it has %d messages, of which %d are in the archive; %d are missing", len(m.shelf.letters), n, missing)
	}
}

func (s *shelf) sum() string {
	return fmt.Sprintf("%d messages: %d at once, of all %d copies, %d late, %d in %d pages", len(s.letters), s.live, s.copies, s.late,
		s.found, s.pages)
}
