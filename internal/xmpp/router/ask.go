// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// ErrNoAnswer is what Ask tells where nobody has answered in time.
var ErrNoAnswer = errors.New("router: no answer")

// An AnswerFunc takes the answer to a request of ours: the result or error as it came, or ErrNoAnswer and no stanza.
type AnswerFunc func(ctx context.Context, answer *stanza.Stanza, err error)

// asks are the server's own requests that have no answer yet.
type asks struct {
	mu     sync.Mutex
	open   map[string]*ask // by the id of the request
	closed bool
}

// An ask is one of them.
type ask struct {
	from, to jid.JID
	timer    *time.Timer
	done     AnswerFunc
}

// Ask sends a request that the server makes, and returns at once. It comes from the domain or from the bare address of an
// account whose home is here, as iq says; its id is made here. done is called once, in the turn of that account, or in a
// turn that the domain has for this: with the answer, or after timeout. An answer counts only if it comes from who was
// asked (RFC 6120 §8.2.3). Where the router is closed before, done is not called.
func (r *Router) Ask(iq *stanza.Stanza, timeout time.Duration, done AnswerFunc) {
	q := iq.Addressed(iq.From, iq.To)
	q.ID = stanza.NewID() // nobody else has seen q
	if !r.await(q, timeout, done) {
		return
	}
	if node := r.Peers.Home(q.To.Bare()); q.From == r.Domain && r.ours(q.To) && q.To.HasLocal() && node != "" {
		// Answers to the domain stay at the home of who gives them.
		r.links.send(node, &Packet{Kind: PacketAsk, Stanza: q, Wait: timeout})
		return
	}
	r.hop(q, nil, nil)
}

// askedBy sends on a request of another node's domain, and its answer back.
func (r *Router) askedBy(node Node, q *stanza.Stanza, timeout time.Duration) {
	if r.await(q, timeout, func(_ context.Context, answer *stanza.Stanza, err error) {
		if err == nil { // else the other has its own clock
			r.links.send(node, &Packet{Kind: PacketAnswer, Stanza: answer})
		}
	}) {
		r.hop(q, nil, nil)
	}
}

// await enters a request. It returns false where the router is closed.
func (r *Router) await(q *stanza.Stanza, timeout time.Duration, done AnswerFunc) bool {
	a := &ask{from: q.From, to: q.To, done: done}
	r.asks.mu.Lock()
	defer r.asks.mu.Unlock()
	if r.asks.closed {
		return false
	}
	if r.asks.open == nil {
		r.asks.open = map[string]*ask{}
	}
	r.asks.open[q.ID] = a
	a.timer = time.AfterFunc(timeout, func() {
		if a := r.asks.take(q.ID, nil); a != nil {
			r.Do(a.from, func(ctx context.Context) { a.done(ctx, nil, ErrNoAnswer) })
		}
	})
	return true
}

// answered takes an IQ result or error that is addressed to the server or to an account. What nobody asked for is dropped
// (RFC 6120 §8.2.3).
func (r *Router) answered(st *stanza.Stanza) {
	if st.Kind != stanza.IQ || isRequest(st) {
		return
	}
	if a := r.asks.take(st.ID, st); a != nil {
		a.timer.Stop()
		r.Do(a.from, func(ctx context.Context) { a.done(ctx, st, nil) })
	}
}

// take removes the request with that id, if answer may answer it; nil may.
func (s *asks) take(id string, answer *stanza.Stanza) *ask {
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.open[id]
	if a == nil || answer != nil && (answer.From != a.to || answer.To != a.from) {
		return nil
	}
	delete(s.open, id)
	return a
}

// close forgets all requests: their answers cannot come any more.
func (s *asks) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	for id, a := range s.open {
		a.timer.Stop()
		delete(s.open, id)
	}
}
