// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"fmt"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
	"github.com/kith-im/kith/test/kith"
)

// pace is how often one of the pair writes to the other.
const pace = 10 * time.Millisecond

// A pair is two people who chat: one writes, the other one reads, and notes how long each message took.
type pair struct {
	from, to *xmpptest.Client
	stop     chan struct{}
	running  sync.WaitGroup

	mu     sync.Mutex // guards those below
	took   []time.Duration
	asked  time.Time // when it was looked at
	failed error
}

func newPair(t *testing.T, s *kith.Server) *pair {
	t.Helper()
	p := &pair{from: login(t, s, "romeo"), to: login(t, s, "juliet"), stop: make(chan struct{})}
	for _, c := range []*xmpptest.Client{p.from, p.to} {
		c.MustSend(t, `<presence/>`)
	}
	p.running.Go(p.write)
	p.running.Go(p.read)
	return p
}

// login connects somebody over TLS and binds.
func login(t *testing.T, s *kith.Server, name string) *xmpptest.Client {
	t.Helper()
	c := connect(t, s)
	if err := c.Login(t.Context(), name, password, "", sasl.SCRAMSHA256); err != nil {
		t.Fatal(err)
	}
	return c
}

// connect opens a stream over TLS.
func connect(t *testing.T, s *kith.Server) *xmpptest.Client {
	t.Helper()
	c, err := xmpptest.Dial(t.Context(), s.ClientsTLS, xmpptest.Options{Domain: kith.Domain, TLS: trusting(), Direct: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Stream.Cut)
	return c
}

func (p *pair) write() {
	_ = p.from.Stream.SetWriteDeadline(time.Time{})
	tick := time.NewTicker(pace)
	defer tick.Stop()
	for {
		select {
		case <-p.stop:
			p.fail(p.from.Stream.Close(nil))
			return
		case <-tick.C:
		}
		m := fmt.Sprintf(`<message to="juliet@%s" type="chat"><body>%d</body></message>`, kith.Domain, time.Now().UnixNano())
		if err := p.from.Stream.Write(xmlstream.Raw(m)); err != nil {
			p.fail(fmt.Errorf("romeo writes: %w", err))
			return
		}
	}
}

func (p *pair) read() {
	_ = p.to.Stream.SetReadDeadline(time.Time{})
	for {
		el, err := p.to.Stream.Read()
		if err != nil {
			select {
			case <-p.stop:
			default:
				p.fail(fmt.Errorf("juliet reads: %w", err))
			}
			return
		}
		body, ok := el.Root().Child(xmlstream.NSClient, "body")
		if !ok {
			continue // presence
		}
		sent, err := strconv.ParseInt(body.Text(), 10, 64)
		if err != nil {
			p.fail(err)
			return
		}
		p.mu.Lock()
		p.took = append(p.took, time.Since(time.Unix(0, sent)))
		p.mu.Unlock()
	}
}

func (p *pair) fail(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == nil {
		p.failed = err
	}
}

// median is that of the messages since it was last asked.
func (p *pair) median(t *testing.T) (_ time.Duration, n int) {
	t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed != nil {
		t.Fatal(p.failed)
	}
	took := p.took
	p.took = nil
	if len(took) == 0 {
		if time.Since(p.asked) > closing {
			t.Fatal("the bystanders hear nothing any more")
		}
		return 0, 0 // -test.run has left out what would have taken its time
	}
	p.asked = time.Now()
	slices.Sort(took)
	return took[len(took)/2], len(took)
}

// quiet is the median while nothing else goes on.
func (p *pair) quiet(t *testing.T) time.Duration {
	t.Helper()
	d := time.Second
	if long() {
		d = 10 * time.Second
	}
	time.Sleep(d / 4) // warming up is not what is measured
	p.median(t)
	time.Sleep(d)
	m, _ := p.median(t)
	return m
}

// check compares what the bystanders noticed of an attack with how it was when all was calm: at most twice as long, and
// in the short form, where one slow moment of the machine is a good part of the whole, an allowance.
func (p *pair) check(t *testing.T, attack string, calm time.Duration) {
	t.Helper()
	m, n := p.median(t)
	t.Logf("%s: median latency %v of %d messages", attack, m, n)
	if !long() {
		calm += 50 * time.Millisecond
	}
	if m > 2*calm {
		calm = max(calm, p.quiet(t)) // the machine may have got more to do since
	}
	if m > 2*calm {
		t.Errorf("%s: the bystanders' median latency was %v, and is %v otherwise", attack, m, calm)
	}
}

// end has the bystanders leave in good order.
func (p *pair) end(t *testing.T) {
	t.Helper()
	close(p.stop)
	_ = p.to.Stream.Close(nil) // its reader sees the end
	p.running.Wait()
	if p.failed != nil {
		t.Error(p.failed)
	}
}
