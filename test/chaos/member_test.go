// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	nsCarbons = "urn:xmpp:carbons:2"
	nsCSI     = "urn:xmpp:csi:0"
)

// A habit is how a member behaves.
type habit struct {
	account int
	bind2   bool // binds in one step with its log-in (XEP-0386); else it takes what waits, too
	goes    bool // comes and goes while people chat
	dozes   bool // says now and then that nobody looks at it (XEP-0352)
	away    bool // while people chat
}

// A member is one of somebody's devices. It keeps what it gets by the ids of its account's archive, and asks that for what
// it has missed. What it sends is never sent again in another session: what is not acknowledged by then may be there or
// not, but never twice.
type member struct {
	habit
	c     *company
	index int

	bell   // its mu guards all below, and is held while writing
	stream *stream.Stream
	ended  chan struct{} // closed when read has returned
	why    error         // after ended
	jid    jid.JID

	// Of the session, which may outlive its connection.
	id       string
	kills    int // of the server, when it began or was resumed
	enabled  bool
	taken    uint32
	sent     uint32
	open     []posted
	asked    int
	requests int
	answers  map[string]xmlstream.Node
	came     map[letter]bool // at once, as itself or as a copy
	newest   string          // id of these
	caught   bool            // up with the archive

	shelf *shelf
}

// posted is a stanza that a member has sent and that is not acknowledged; post is nil where it is no message.
type posted struct {
	*post
	stanza *stanza.Stanza
}

func (m *member) wrong(format string, args ...any) {
	m.c.ledger.wrong("%s of %s: %s", m.resource(), accountsOfCompany[m.account], fmt.Sprintf(format, args...))
}

func (m *member) resource() string { return "m" + strconv.Itoa(m.index) }
func (m *member) bare() jid.JID    { return address(accountsOfCompany[m.account]) }

// connect logs in, and goes on with the session of before where that can be. Else there is a new one: what that of before
// had sent and is not certain will not be known.
func (m *member) connect(ctx context.Context, s *server) (resumed bool, err error) {
	if m.ended != nil {
		<-m.ended
	}
	c, err := dial(ctx, s)
	if err != nil {
		return false, err
	}
	if m.bind2 {
		resumed, err = m.bindAtOnce(ctx, c)
	} else {
		resumed, err = m.bindInSteps(ctx, c)
	}
	if err != nil {
		c.Cut()
		return false, fmt.Errorf("%s logs in: %w", m.resource(), err)
	}
	if err := forLong(c); err != nil {
		return false, err
	}
	m.mu.Lock()
	m.stream, m.ended, m.kills = c.Stream, make(chan struct{}), m.c.kills
	if resumed {
		var list []*stanza.Stanza
		for _, x := range m.open {
			list = append(list, x.stanza)
		}
		if len(list) > 0 {
			_ = m.stream.WriteStanzas(list, xmlstream.Elem(nsManagement, "r")) // else read sees the end
		}
	} else {
		m.jid = c.JID
		if !m.bind2 {
			err = m.stream.Write(`<enable xmlns="` + nsManagement + `" resume="true"/>`)
		}
	}
	m.mu.Unlock()
	m.c.step()
	go m.read(m.stream, m.ended) // ends with the connection, which each life and the company's end see to
	if resumed || err != nil || m.bind2 {
		return resumed, err
	}
	if err := m.await(ctx, func() bool { return m.enabled }); err != nil {
		return false, err
	}
	_, err = m.ask(ctx, jid.JID{}, "set", xmlstream.Elem(nsCarbons, "enable"))
	return false, err
}

// bindAtOnce authenticates, and resumes or binds with it.
func (m *member) bindAtOnce(ctx context.Context, c *xmpptest.Client) (bool, error) {
	resume := ""
	if m.id != "" {
		resume = m.resume()
	}
	w, err := c.LoginSASL2(ctx, xmpptest.SASL2{User: accountsOfCompany[m.account], Password: password, Mechanism: "SCRAM-SHA-256",
		Client: fmt.Sprintf("00000000-0000-4000-9000-%012d", m.index), Extra: resume, Bind: true,
		BindFeatures: `<enable xmlns="` + nsManagement + `" resume="true"/>` + string(xmlstream.Elem(nsCarbons, "enable"))})
	if err != nil {
		return false, err
	}
	if n, ok := w.Success.Child(nsManagement, "resumed"); ok {
		m.goOn(n)
		return true, nil
	}
	if m.id != "" {
		n, _ := w.Success.Child(nsManagement, "failed")
		m.forget(n)
	}
	bound, _ := w.Success.Child("urn:xmpp:bind:0", "bound")
	enabled, _ := bound.Child(nsManagement, "enabled")
	m.fresh()
	if m.id = enabled.Attr("id"); m.id == "" {
		return false, fmt.Errorf("the session cannot be resumed: %s", w.Success.Raw())
	}
	m.enabled = true
	return false, nil
}

// bindInSteps authenticates, and then resumes or binds.
func (m *member) bindInSteps(ctx context.Context, c *xmpptest.Client) (bool, error) {
	if err := c.Authenticate(ctx, accountsOfCompany[m.account], password, "SCRAM-SHA-256"); err != nil {
		return false, err
	}
	if m.id != "" {
		if err := c.Send(m.resume()); err != nil {
			return false, err
		}
		el, err := c.Stream.Read()
		if err != nil {
			return false, err
		}
		if el.Root().Is(nsManagement, "resumed") {
			m.goOn(el.Root())
			return true, nil
		}
		m.forget(el.Root())
	}
	m.fresh()
	return false, c.Bind(ctx, m.resource())
}

func (m *member) resume() string {
	return `<resume xmlns="` + nsManagement + `" previd="` + m.id + `" h="` + strconv.FormatUint(uint64(m.taken), 10) + `"/>`
}

// goOn notes that the session goes on.
func (m *member) goOn(n xmlstream.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	if err != nil || !m.acknowledged(uint32(h)) {
		m.wrong("%s, of %d, of which %d are open", n.Raw(), m.sent, len(m.open))
	}
}

// forget gives up the session. n is the answer, which may say how far it had come (XEP-0198 §5).
func (m *member) forget(n xmlstream.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !n.Is(nsManagement, "failed") || m.kills == m.c.kills {
		m.wrong("cannot resume: %s", n.Raw())
	}
	h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	if n.HasAttr("h") && (err != nil || int32(uint32(h)-(m.sent-uint32(len(m.open)))) > 0 && !m.acknowledged(uint32(h))) {
		m.wrong("%s, of %d", n.Raw(), m.sent)
	}
	m.id = ""
}

// fresh begins a new session.
func (m *member) fresh() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.id, m.enabled, m.taken, m.sent, m.open, m.asked = "", false, 0, 0, nil, 0
	m.answers, m.came, m.newest, m.caught = map[string]xmlstream.Node{}, map[letter]bool{}, "", false
}

// read takes what comes until the connection ends.
func (m *member) read(s *stream.Stream, ended chan struct{}) {
	defer close(ended)
	for {
		el, err := s.Read()
		if err != nil {
			m.why = err
			_ = s.Close(nil) // an answer, if anybody listens
			return
		}
		m.take(el.Root())
		m.c.step()
	}
}

func (m *member) take(n xmlstream.Node) {
	m.mu.Lock()
	defer m.mu.Unlock()
	defer m.changed()
	if n.Name().Space == xmlstream.NSClient {
		m.taken++ // XEP-0198 §4
	}
	switch {
	case n.Is(xmlstream.NSClient, "message"):
		if err := m.message(n); err != nil {
			m.wrong("%v: %s", err, n.Raw())
		}
	case n.Is(xmlstream.NSClient, "iq"):
		m.answers[n.Attr("id")] = n
	case n.Is(nsManagement, "enabled"):
		m.enabled, m.taken, m.id = true, 0, n.Attr("id")
	case n.Is(nsManagement, "r"):
		m.tell()
	case n.Is(nsManagement, "a"):
		h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
		if err != nil || !m.acknowledged(uint32(h)) {
			m.wrong("an acknowledgement of what was not sent: %s", n.Raw())
		}
	}
}

// tell acknowledges all that was read (XEP-0198 §4). mu is held.
func (m *member) tell() {
	_ = m.stream.Write(xmlstream.Raw(`<a xmlns="` + nsManagement + `" h="` + strconv.FormatUint(uint64(m.taken), 10) + `"/>`)) // else read sees the end
}

// acknowledged notes that the server has what was sent up to the stanza with that number. mu is held.
func (m *member) acknowledged(h uint32) bool {
	n := int(int32(h - (m.sent - uint32(len(m.open)))))
	if n < 0 || n > len(m.open) {
		return false
	}
	for _, x := range m.open[:n] {
		if x.post != nil {
			m.c.acknowledged(x.post)
		}
	}
	m.open = m.open[n:]
	return true
}

// put writes a stanza, which is p unless that is nil. mu is held.
func (m *member) put(st *stanza.Stanza, p *post) error {
	m.sent++
	m.open = append(m.open, posted{p, st})
	var extra []xmlstream.Raw
	if m.asked++; m.asked >= askEvery {
		m.asked = 0
		extra = append(extra, xmlstream.Elem(nsManagement, "r"))
	}
	return m.stream.WriteStanzas([]*stanza.Stanza{st}, extra...)
}

// await waits until ok, which is called with mu held, or the connection ends.
func (m *member) await(ctx context.Context, ok func() bool) error {
	err := m.awaitOr(ctx, m.ended, ok)
	if errors.Is(err, errEnded) {
		err = fmt.Errorf("%s: %w: %w", m.resource(), err, m.why)
	}
	return err
}

// request sends a request and returns its id.
func (m *member) request(to jid.JID, typ string, payload xmlstream.Raw) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	id := "q" + strconv.Itoa(m.requests)
	return id, m.put(stanza.New(stanza.IQ, typ, id, jid.JID{}, to, payload), nil)
}

// answer waits for that of a request.
func (m *member) answer(ctx context.Context, id string) (n xmlstream.Node, err error) {
	err = m.await(ctx, func() bool {
		n = m.answers[id]
		return !n.IsZero()
	})
	if err == nil && n.Attr("type") != "result" {
		m.wrong("the answer is %s", n.Raw())
	}
	return n, err
}

// ask sends a request and waits for the answer.
func (m *member) ask(ctx context.Context, to jid.JID, typ string, payload xmlstream.Raw) (xmlstream.Node, error) {
	id, err := m.request(to, typ, payload)
	if err != nil {
		return xmlstream.Node{}, err
	}
	return m.answer(ctx, id)
}

// sync acknowledges what was read, and waits until the server has dealt with that and all that was sent.
func (m *member) sync(ctx context.Context) error {
	m.mu.Lock()
	m.tell()
	m.asked = askEvery // and an acknowledgement
	m.mu.Unlock()
	if _, err := m.ask(ctx, jid.MustParse(domain), "get", xmlstream.Elem("urn:xmpp:ping", "ping")); err != nil {
		return err
	}
	return m.await(ctx, func() bool { return len(m.open) == 0 })
}

// come connects. In a new session it says that it is available, and then catches up: before that, what waits for the account
// is for the first device that is available, and not for the others, which find it in the archive.
func (m *member) come(ctx context.Context, s *server, random *rand.Rand) error {
	resumed, err := m.connect(ctx, s)
	if err != nil || resumed && m.caught {
		return err
	}
	m.mu.Lock()
	err = m.put(stanza.New(stanza.Presence, "", "", jid.JID{}, jid.JID{}), nil)
	m.mu.Unlock()
	if err == nil {
		err = m.sync(ctx)
	}
	if err == nil {
		err = m.catchUp(ctx, s, random)
	}
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.caught = true
	m.shelf.mark = max(m.shelf.mark, m.newest)
	return nil
}

// post sends the next message to somebody, when the window lets it.
func (m *member) post(ctx context.Context, kind byte, account int, to jid.JID) (letter, error) {
	if err := m.await(ctx, func() bool { return len(m.open) < window }); err != nil {
		return letter{}, err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	p := m.c.next(m, kind, account)
	err := m.put(stanza.New(stanza.Message, "chat", p.String(), jid.JID{}, to,
		xmlstream.TextElem(xmlstream.NSClient, "body", p.text())), p)
	return p.letter, err
}

// chat sends n messages to random people; if n is negative, it goes on until the connection ends.
func (m *member) chat(ctx context.Context, random *rand.Rand, n int) error {
	for i := 0; i != n; i++ {
		if m.dozes && random.IntN(25) == 0 {
			m.mu.Lock()
			err := m.stream.Write(xmlstream.Elem(nsCSI, []string{"active", "inactive"}[random.IntN(2)]))
			m.mu.Unlock()
			if err != nil {
				return err
			}
		}
		to := m.c.members[random.IntN(len(m.c.members))] // sometimes oneself, or another device of the same person
		kind, a := byte(toBare), to.bare()
		if full := m.c.where(to); random.IntN(5) == 0 && !full.IsZero() && to.account != m.account {
			kind, a = toFull, full // it may be there or not
		}
		if _, err := m.post(ctx, kind, to.account, a); err != nil {
			return err
		}
		m.c.step()
	}
	return nil
}

// live is what a member does while people chat, until the server is gone.
func (m *member) live(ctx context.Context, s *server, random *rand.Rand) error {
	for {
		if err := m.come(ctx, s, random); err != nil {
			m.leave(false)
			return err
		}
		stays := -1
		if m.goes {
			stays = 20 + random.IntN(150)
		}
		if err := m.chat(ctx, random, stays); err != nil {
			m.leave(false)
			return err
		}
		m.leave(random.IntN(4) == 0)
		if err := m.c.pass(ctx, s, 50+random.Int64N(400)); err != nil {
			return err
		}
	}
}

// leave ends the connection, and with it the session where it ends in good order.
func (m *member) leave(inOrder bool) {
	if m.ended == nil {
		return // there was none
	}
	if inOrder {
		_ = m.stream.Close(nil) // read sees how it ends
		m.id = ""
	} else {
		m.stream.Cut()
	}
	<-m.ended
}
