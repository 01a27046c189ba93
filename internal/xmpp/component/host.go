// SPDX-License-Identifier: Apache-2.0

package component

import (
	"context"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

const (
	// graceTime is how long stanzas wait for a component that is starting anew.
	graceTime       = 30 * time.Second
	maxWaiting      = 1000    // stanzas that wait for it
	maxWaitingBytes = 1 << 20 // bytes of the same, unless a single one is longer

	// What is queued for a component that takes it slowly; one more is refused. It is less than what a session bears.
	maxQueued      = 4000
	maxQueuedBytes = 3 << 20
)

// A host is a component's domain. It implements router.DomainHandler.
type host struct {
	srv    *Server
	domain jid.JID
	secret string

	mu           sync.Mutex // guards the rest; never held while a fate or the router is called
	conn         *conn      // nil: nobody is connected
	shutDown     bool
	waiting      []waiting
	waitingBytes int
	until        time.Time   // how long they wait
	timer        *time.Timer // ends the wait; nil: nobody waits
}

// waiting is a stanza for a component that is not connected.
type waiting struct {
	stanza *stanza.Stanza
	fate   session.Fate
}

// Take implements router.DomainHandler. Where there is nobody, and nobody comes soon, it is as with another server that
// cannot be reached (RFC 6120 §8.3.3.17).
func (h *host) Take(st *stanza.Stanza, fate session.Fate) error {
	h.mu.Lock()
	c := h.conn
	if c == nil {
		defer h.mu.Unlock()
		return h.wait(st, fate)
	}
	ok := c.reserve(st.Size())
	h.mu.Unlock()
	if !ok {
		return stanza.ResourceConstraint
	}
	h.srv.count.Stanzas.Of("out").Inc()
	// Not under the lock: where the session has just ended, this tells fate, which may lead back to here.
	c.session.Send(st, &queued{c, st.Size(), fate})
	return nil
}

// wait keeps a stanza until somebody is connected. mu is held.
func (h *host) wait(st *stanza.Stanza, fate session.Fate) error {
	left := h.until.Sub(h.srv.Now())
	if h.shutDown || left <= 0 {
		return stanza.RemoteServerTimeout
	}
	size := st.Size()
	if n := len(h.waiting); n >= maxWaiting || n > 0 && h.waitingBytes+size > maxWaitingBytes {
		return stanza.ResourceConstraint
	}
	h.waiting = append(h.waiting, waiting{st, fate})
	h.waitingBytes += size
	if h.timer == nil {
		h.timer = time.AfterFunc(left, h.expire) // shut stops it
	}
	return nil
}

// expire answers what has waited in vain.
func (h *host) expire() {
	h.mu.Lock()
	list := h.takeWaiting()
	h.mu.Unlock()
	for _, w := range list {
		w.fate.Lost()
	}
}

// takeWaiting takes what waits. mu is held.
func (h *host) takeWaiting() []waiting {
	if h.timer != nil {
		h.timer.Stop()
		h.timer = nil
	}
	list := h.waiting
	h.waiting, h.waitingBytes = nil, 0
	return list
}

// shut ends all waiting for good.
func (h *host) shut() {
	h.mu.Lock()
	h.shutDown = true
	h.mu.Unlock()
	h.expire()
}

// attach gives the domain to c, which has proved that it knows the secret; its session takes what has waited. It reports
// false where another connection has it and lives: one that is silent when it is asked gives way.
func (h *host) attach(ctx context.Context, c *conn) bool {
	for {
		h.mu.Lock()
		old := h.conn
		if old == nil {
			h.conn = c
			for _, w := range h.takeWaiting() {
				c.reserve(w.stanza.Size()) // they are fewer than what is refused
				h.srv.count.Stanzas.Of("out").Inc()
				c.session.Send(w.stanza, &queued{c, w.stanza.Size(), w.fate})
			}
			h.mu.Unlock()
			return true
		}
		h.mu.Unlock()
		if old.alive(ctx) {
			return false
		}
		old.stream.Cut()
		select {
		case <-old.left:
		case <-ctx.Done():
			return false
		}
	}
}

// detach takes the domain from c. From then on stanzas wait for the next one.
func (h *host) detach(c *conn) {
	h.mu.Lock()
	if h.conn == c {
		h.conn = nil
		h.until = h.srv.Now().Add(graceTime)
	}
	h.mu.Unlock()
}

// A queued stanza is on its way to a component; it holds a place in its queue.
type queued struct {
	c    *conn
	size int
	fate session.Fate
}

func (q *queued) Taken() {
	q.c.release(q.size)
	q.fate.Taken()
}

func (q *queued) Lost() {
	q.c.release(q.size)
	q.fate.Lost()
}
