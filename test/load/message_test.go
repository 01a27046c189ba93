// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	window   = 20 // messages that a client sends ahead of their acknowledgement
	askEvery = 5  // messages, for an acknowledgement, while the window is used
	prefix   = "m-"
)

// A chat is pairs of clients of which one writes to the other. All are online with stream management, and the server
// keeps each message for both.
type chat struct {
	server *server
	pairs  []*pair
	ending sync.WaitGroup // one for each client that reads

	mu  sync.Mutex
	err error // the first of those that read

	due     []atomic.Int64 // by message: when it was to be sent, in ns since begin
	arrived []atomic.Int64 // when it came, 0 before
	begin   time.Time
	missing atomic.Int64  // of those that are sent or still to be sent
	all     chan struct{} // closed when none is missing
}

type pair struct {
	from, to *client
	bare     jid.JID

	sent  uint32 // stanzas of from since management was enabled
	acked atomic.Uint32
	news  chan struct{} // holds one if acked may have changed
}

// newChat logs in two clients for each pair.
func newChat(ctx context.Context, s *server, pairs int) (*chat, error) {
	c := &chat{server: s}
	clients := make([]*client, 2*pairs)
	err := each(len(clients), 4, func(i int) (err error) {
		clients[i], err = join(ctx, s, directTLS, false, s.accounts[i])
		return err
	})
	if err != nil {
		return nil, err
	}
	for i := range pairs {
		p := &pair{from: clients[2*i], to: clients[2*i+1], sent: 2, news: make(chan struct{}, 1)} // see present
		p.bare = p.to.jid.Bare()
		p.acked.Store(2)
		c.pairs = append(c.pairs, p)
		c.ending.Go(func() { c.ended(p.from.run(p.answered)) })
		c.ending.Go(func() { c.ended(p.to.run(c.came)) })
	}
	return c, nil
}

// answered takes what comes to a sender.
func (p *pair) answered(n xmlstream.Node) {
	if n.Is(nsManagement, "a") {
		h, _ := strconv.ParseUint(n.Attr("h"), 10, 32) // a wrong one never reaches what was sent
		p.acked.Store(uint32(h))
		select {
		case p.news <- struct{}{}:
		default:
		}
	}
}

// came takes what comes to a recipient.
func (c *chat) came(n xmlstream.Node) {
	number, ok := strings.CutPrefix(n.Attr("id"), prefix)
	if !ok || !n.Is(xmlstream.NSClient, "message") {
		return
	}
	i, err := strconv.Atoi(number)
	if err == nil && c.arrived[i].CompareAndSwap(0, int64(time.Since(c.begin))) {
		c.less(1)
	}
}

// less notes that n messages have come, or never will.
func (c *chat) less(n int) {
	if n > 0 && c.missing.Add(-int64(n)) == 0 {
		close(c.all)
	}
}

func (c *chat) ended(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err == nil {
		c.err = err
	}
}

func (c *chat) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// message is what a modern client sends: a line of text with a request for a receipt, a chat state and its own id.
func (p *pair) message(i int) *stanza.Stanza {
	id := prefix + strconv.Itoa(i)
	return stanza.New(stanza.Message, "chat", id, jid.JID{}, p.bare,
		xmlstream.TextElem("", "body", "Good night, good night! Parting is such sweet sorrow, that I shall say good night till it be morrow."),
		`<active xmlns="http://jabber.org/protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/>`,
		xmlstream.Raw(`<origin-id xmlns="urn:xmpp:sid:0" id="`+id+`"/>`))
}

const request = xmlstream.Raw(`<r xmlns="` + nsManagement + `"/>`)

func (p *pair) send(i int, ask bool) error {
	p.sent++
	if ask {
		return p.from.put(p.message(i), request)
	}
	return p.from.put(p.message(i))
}

// ask asks for the acknowledgement of all that was sent.
func (p *pair) ask() error {
	p.from.writing.Lock()
	defer p.from.writing.Unlock()
	return p.from.Write(request)
}

// await waits until no more than n stanzas are unacknowledged.
func (p *pair) await(ctx context.Context, n uint32) error {
	for p.sent-p.acked.Load() > n {
		select {
		case <-p.news:
		case <-ctx.Done():
			return fmt.Errorf("wait for %d acknowledgements: %w", p.sent-p.acked.Load(), ctx.Err())
		}
	}
	return nil
}

// A talk is what was measured of messages.
type talk struct {
	cpu      time.Duration // of the server, for a message
	rate     float64       // messages a second, from the first sent to the last received and acknowledged
	p50, p99 time.Duration // from when a message was to be sent until it was received
}

// measure has n messages sent by send, and waits until all are received and acknowledged.
func (c *chat) measure(ctx context.Context, n int, send func(context.Context) error) (talk, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	c.due, c.arrived, c.all = make([]atomic.Int64, n), make([]atomic.Int64, n), make(chan struct{})
	c.missing.Store(int64(n))
	before, err := c.server.cpu()
	if err != nil {
		return talk{}, err
	}
	c.begin = time.Now()
	if err := send(ctx); err != nil {
		return talk{}, errors.Join(err, c.failure())
	}
	select {
	case <-c.all:
	case <-ctx.Done():
		return talk{}, errors.Join(fmt.Errorf("%d messages did not come: %w", c.missing.Load(), ctx.Err()), c.failure())
	}
	for _, p := range c.pairs {
		if err := p.await(ctx, 0); err != nil {
			return talk{}, errors.Join(err, c.failure())
		}
	}
	took := time.Since(c.begin)
	after, err := c.server.cpu()
	var late []time.Duration
	for i := range n {
		if at := c.arrived[i].Load(); at > 0 {
			late = append(late, time.Duration(at-c.due[i].Load()))
		}
	}
	if n = len(late); n == 0 {
		return talk{}, errors.New("no message was sent")
	}
	slices.Sort(late)
	return talk{cpu: (after - before) / time.Duration(n), rate: float64(n) / took.Seconds(), p50: late[n/2], p99: late[n*99/100]}, err
}

// floodTime is how long messages are sent in a flood, at most.
const floodTime = 20 * time.Second

// flood sends n messages as fast as the windows of the pairs let it, or fewer where that takes too long.
func (c *chat) flood(ctx context.Context, n int) (talk, error) {
	n -= n % len(c.pairs)
	return c.measure(ctx, n, func(ctx context.Context) error {
		return each(len(c.pairs), len(c.pairs), func(k int) error {
			p := c.pairs[k]
			for sent, i := 1, k; i < n; sent, i = sent+1, i+len(c.pairs) {
				if err := p.await(ctx, window-1); err != nil {
					return err
				}
				if time.Since(c.begin) > floodTime {
					c.less((n - i + len(c.pairs) - 1) / len(c.pairs))
					return p.ask()
				}
				c.due[i].Store(int64(time.Since(c.begin)))
				if err := p.send(i, sent%askEvery == 0 || i+len(c.pairs) >= n); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// pace sends n messages at a steady rate, one pair after the other, whatever becomes of those before. Each asks for
// its acknowledgement.
func (c *chat) pace(ctx context.Context, n int, rate float64) (talk, error) {
	return c.measure(ctx, n, func(ctx context.Context) error {
		for i := range n {
			due := time.Duration(float64(i) / rate * float64(time.Second))
			if err := rest(ctx, due-time.Since(c.begin)); err != nil {
				return err
			}
			c.due[i].Store(int64(due))
			if err := c.pairs[i%len(c.pairs)].send(i, true); err != nil {
				return err
			}
		}
		return nil
	})
}

// leave ends all streams.
func (c *chat) leave() error {
	for _, p := range c.pairs {
		_ = p.from.leave() // ended says how it went
		_ = p.to.leave()   // the same
	}
	c.ending.Wait()
	return c.failure()
}
