// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"fmt"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A key names a message: the number is its place among those of one sender to one recipient, from 1 on.
type key struct {
	from, to string // accounts
	n        int
}

func (k key) String() string { return fmt.Sprintf("%s-%s-%d", k.from, k.to, k.n) }

// pair is the key of a conversation's direction.
func (k key) pair() key { return key{from: k.from, to: k.to} }

// text is the body of the message, as long as numbers say, so that pages fill at different places.
func (k key) text() string {
	return k.String() + " " + strings.Repeat("lorem ipsum ", k.n%7*k.n%60)
}

// parseKey reads a message's key off its body.
func parseKey(body string) (k key, err error) {
	name, _, _ := strings.Cut(body, " ")
	if _, err := fmt.Sscanf(strings.ReplaceAll(name, "-", " "), "%s %s %d", &k.from, &k.to, &k.n); err != nil || k.text() != body {
		return k, fmt.Errorf("nobody has ever sent %.60q", body)
	}
	return k, nil
}

// address is the bare address of an account.
func address(account string) jid.JID { return jid.MustParse(account + "@" + domain) }

// A message is what happened to one message, as far as clients know.
type message struct {
	key
	acked   bool   // its sender was told that it has arrived
	id      string // its id in the recipient's archive, as it came with it last; "" before
	again   int    // how often it was sent again: nobody knew whether it had arrived
	direct  bool   // it was sent to a full address: it comes as soon as that is bound, before all that waits
	settled bool   // it was delivered and acknowledged, and the server stopped in good order after that
}

// A ledger knows what was sent, acknowledged and delivered. It may be used by many goroutines.
type ledger struct {
	mu        sync.Mutex // guards all below
	messages  map[key]*message
	numbers   map[key]int // the last of each pair
	first     map[key]int // the last of each pair that was delivered
	copies    int         // deliveries of what was delivered before
	acked     int
	repeated  int // that were sent again
	uncounted int // that were there and not counted
	problems  []string
}

func newLedger() *ledger {
	return &ledger{messages: map[key]*message{}, numbers: map[key]int{}, first: map[key]int{}}
}

// next is the next message of a pair. It counts as sent.
func (l *ledger) next(from string, to jid.JID) *message {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := key{from: from, to: to.Local()}
	l.numbers[k]++
	m := &message{key: key{from, k.to, l.numbers[k]}, direct: to.IsFull()}
	l.messages[m.key] = m
	return m
}

// last is the number of the last message of a pair.
func (l *ledger) last(from, to string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.numbers[key{from: from, to: to}]
}

// acknowledged notes that the server has told the sender of m that it has it.
func (l *ledger) acknowledged(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.acked = true
	l.acked++
}

// sentAgain notes that m is sent again.
func (l *ledger) sentAgain(m *message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m.again++
	m.settled = false
	l.repeated++
}

// again reports whether a message was sent again.
func (l *ledger) again(k key) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[k]
	return m != nil && m.again > 0
}

// delivered notes that the device p got the message n, and returns its key. last is, by sender, what came over the
// same connection before.
func (l *ledger) delivered(p person, last map[string]int, n xmlstream.Node) key {
	k, id, err := read(n, p.account)
	if err == nil && n.Attr("type") == "error" {
		err = fmt.Errorf("it came back as an error: %s", n.Raw())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.messages[k]
	switch {
	case err != nil:
	case m == nil:
		err = fmt.Errorf("it was never sent")
	case k.to != p.account:
		err = fmt.Errorf("it was sent to somebody else")
	case id == "":
		err = fmt.Errorf("it has no id in the recipient's archive: %s", n.Raw())
	case m.again > 0: // it may have arrived twice, and behind others
	case m.id != "" && m.id != id:
		err = fmt.Errorf("it came a second time with the id %s instead of %s", id, m.id)
	case m.settled:
		err = fmt.Errorf("it came again after a stop in good order")
	case m.direct:
	case last[k.from] >= k.n:
		err = fmt.Errorf("over the same connection came %d before", last[k.from])
	case m.id == "" && p.alone && l.first[k.pair()] > k.n:
		err = fmt.Errorf("%d was delivered before, and this one not yet", l.first[k.pair()])
	}
	if err != nil {
		l.problem("%v to %s: %v", k, p.account, err)
		return k
	}
	if m.id != "" {
		l.copies++
	}
	m.id = id
	if !m.direct {
		last[k.from] = max(last[k.from], k.n)
		l.first[k.pair()] = max(l.first[k.pair()], k.n)
	}
	return k
}

// read takes a message apart: whose it is, and its id in the archive of account.
func read(n xmlstream.Node, account string) (k key, id string, err error) {
	body, _ := n.Child(xmlstream.NSClient, "body")
	if body.IsZero() {
		return k, "", fmt.Errorf("no body: %s", n.Raw())
	}
	if k, err = parseKey(body.Text()); err != nil {
		return k, "", err
	}
	from, err := jid.Parse(n.Attr("from"))
	if err == nil && from.Bare() != address(k.from) {
		err = fmt.Errorf("it is from %s", from)
	}
	for c := range n.Children() {
		if c.Is("urn:xmpp:sid:0", "stanza-id") && c.Attr("by") == account+"@"+domain {
			id = c.Attr("id")
		}
	}
	return k, id, err
}

// settle notes that all that was delivered will not come again.
func (l *ledger) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, m := range l.messages {
		m.settled = m.settled || m.id != ""
	}
}

// problem notes that something is wrong. mu is held.
func (l *ledger) problem(format string, args ...any) {
	l.problems = append(l.problems, fmt.Sprintf(format, args...))
}

// wrong is problem for who does not hold mu.
func (l *ledger) wrong(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.problem(format, args...)
}

// report returns the problems and forgets them.
func (l *ledger) report() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.problems
	l.problems = nil
	return p
}

func (l *ledger) sum() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return fmt.Sprintf("%d sent, %d acknowledged, %d copies, %d sent again, %d of them in vain in all",
		len(l.messages), l.acked, l.copies, l.repeated, l.uncounted)
}

// address is where the message was sent.
func (m *message) address() jid.JID {
	if m.direct {
		return jid.MustParse(address(m.to).String() + "/main")
	}
	return address(m.to)
}

// stanza is the message as it is sent to an address of its recipient.
func (m *message) stanza(to jid.JID) *stanza.Stanza {
	return stanza.New(stanza.Message, "chat", m.key.String(), jid.JID{}, to,
		xmlstream.TextElem(xmlstream.NSClient, "body", m.text()))
}
