// SPDX-License-Identifier: Apache-2.0

package bosh

import (
	"crypto/rand"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	maxRepeats  = 10       // of one request (XEP-0124 §14.3)
	maxBehind   = 64 << 10 // bytes that the server may have left to read when a request is answered with nothing
	maxStranger = 20_000   // bytes of payload in one request of a client that has not logged in
)

// A waiter is the channel on which one HTTP request waits for its one answer.
type waiter chan answer

// An exchange is one request of a session and its answer.
type exchange struct {
	*request
	first    bool // it began the session
	plain    bool // it did nothing but ask for payloads
	at       time.Time
	waiter   waiter // nil: answered, or the client's connection broke
	expired  bool   // it has waited for as long as was agreed
	repeats  int
	answered bool
	silent   bool   // the answer had no payload
	body     string // of the answer
}

// A session is one client's, and all that is known of it. session.go has the side of the client, conn.go that of the
// server; one lock is for both.
type session struct {
	g *Gateway
	term
	sid string

	mu     sync.Mutex // guards what follows
	change sync.Cond  // for the server, which waits in Read and Write

	next  uint64               // the rid that comes next; all before it have come
	ahead map[uint64]*exchange // came before those that come before them
	open  []*exchange          // not answered, in order of rid
	kept  []*exchange          // answered, the last of them, for who asks again
	last  *exchange            // came last in order

	idle     *time.Timer
	deadline time.Time     // by when a request must come; zero while one waits
	patience time.Duration // how long that is
	paused   bool

	stopping bool
	over     bool
	why      condition // it is over; "" in good order
	told     bool      // the client knows, or will not come back
	counted  bool      // among those that have not logged in

	link
}

// newSession returns a session that waits for its first request. The server will find the stream header of it.
func newSession(g *Gateway, t term, first *request) *session {
	s := &session{
		g: g, term: t, sid: rand.Text(), // 130 bits (XEP-0124 §19.3)
		counted: true, next: first.rid, ahead: map[uint64]*exchange{}, patience: t.inactivity,
		link: link{parser: xmlstream.NewParser(serverLimits())},
	}
	s.change.L = &s.mu
	s.idle = time.AfterFunc(s.patience, s.idled) // nothing, while there is no deadline
	s.header(t.to, t.from, t.lang)
	return s
}

// enter takes a request and returns on what its answer comes.
func (s *session) enter(req *request) waiter {
	w := make(waiter, 1)
	s.mu.Lock()
	defer s.mu.Unlock()
	e := &exchange{request: req, waiter: w, at: time.Now(), first: req.sid == "", plain: req.empty(), expired: s.wait == 0}
	window := uint64(s.requests)
	if req.terminate || req.pause > 0 { // XEP-0124 §11
		window++
	}
	old := s.find(req.rid)
	switch {
	case s.told:
		w <- refusal(itemNotFound, s.legacy)
	case old != nil:
		s.repeat(old, w)
	case s.over:
		s.conclude(e)
	case req.rid < s.next, req.rid >= s.next+window: // XEP-0124 §14.2, §14.3: the same for both
		s.fail(itemNotFound, e)
	case !s.authenticated && len(req.payload) > maxStranger:
		s.fail(policyViolation, e)
	default:
		s.ahead[req.rid] = e
		for e = s.ahead[s.next]; e != nil && !s.over; e = s.ahead[s.next] {
			delete(s.ahead, s.next)
			s.next++
			s.process(e)
		}
	}
	s.watch(true)
	return w
}

// find returns the exchange of a request that has come before.
func (s *session) find(rid uint64) *exchange {
	if e := s.ahead[rid]; e != nil {
		return e
	}
	for _, e := range slices.Concat(s.open, s.kept) {
		if e.rid == rid {
			return e
		}
	}
	return nil
}

// repeat answers a request that came before (XEP-0124 §14.3).
func (s *session) repeat(e *exchange, w waiter) {
	if e.repeats++; e.repeats > maxRepeats && !s.over {
		s.fail(policyViolation, &exchange{request: e.request, waiter: w})
		return
	}
	if e.answered {
		w <- answer{200, s.content, e.body}
		return
	}
	if e.waiter != nil { // XEP-0124 §17.3
		e.waiter <- answer{200, s.content, newBody().attr("type", "error").String()}
	}
	e.waiter = w
	s.release()
}

// process takes the request that is next in order.
func (s *session) process(e *exchange) {
	before := s.last
	s.last = e
	s.open = append(s.open, e)
	s.patience, s.paused = s.inactivity, false
	if s.overactive(e, before) {
		s.fail(policyViolation, nil)
		return
	}
	s.give(e.payload)
	root := e.root
	e.payload, e.root = "", xmlstream.Node{} // the text is needed no more
	switch {
	case e.terminate: // XEP-0124 §13
		s.hangUp()
		s.finish("")
	case e.restart:
		if !s.reopen(root) {
			s.fail(badRequest, nil)
		}
	case e.pause > maxPause:
		s.fail(policyViolation, nil)
	case e.pause > 0: // XEP-0124 §10: answers to all, without payloads
		s.patience, s.paused = e.pause, true
		for len(s.open) > 0 {
			s.answer(s.open[0], payloads{})
		}
	default:
		s.release()
	}
}

// overactive judges how often the client asks.
func (s *session) overactive(e, before *exchange) bool {
	if before == nil || e.terminate || e.pause > 0 {
		return false
	}
	soon := e.at.Sub(before.at) < polling*time.Second
	switch {
	case len(s.open) > s.requests: // XEP-0124 §11
		return true
	case !e.plain:
		return false
	case s.polls(): // XEP-0124 §12
		return soon && !before.first && before.plain && before.answered && before.silent
	default: // XEP-0124 §11
		return soon && len(s.open) == s.requests
	}
}

// release answers what may be answered, oldest first (XEP-0124 §8).
func (s *session) release() {
	for !s.over && len(s.open) > 0 && !s.behind() {
		e := s.open[0]
		switch {
		case e.expired, len(s.open) > s.hold:
		case len(s.out.xml) == 0:
			return
		case e.waiter == nil && !slices.ContainsFunc(s.open, waits):
			return // nobody is there who could take it
		}
		if e.waiter == nil {
			s.answer(e, payloads{}) // what there is goes to who is there
			continue
		}
		s.answer(e, s.take())
	}
}

// behind says that the client is to wait because the server has not read what it sent. What the server wrote goes out
// if it can be: it might not read before that. Requests that wait for an answer cannot be more than such a pile.
func (s *session) behind() bool {
	return len(s.in) > maxBehind && (len(s.out.xml) == 0 || len(s.in) > 4*s.g.limits.Bytes)
}

func waits(e *exchange) bool { return e.waiter != nil }

// answer answers the oldest open request and keeps the answer.
func (s *session) answer(e *exchange, p payloads) {
	s.open = s.open[1:]
	b := newBody()
	if e.first {
		s.welcome(b)
	}
	if highest := s.next - 1; s.acks && (e.first || highest != e.rid) { // XEP-0124 §9.1
		b.number("ack", highest)
	}
	e.body, e.answered, e.silent = b.payloads(p).String(), true, len(p.xml) == 0
	s.kept = append(s.kept, e)
	if n := len(s.kept) - s.requests - 1; n > 0 {
		s.kept = slices.Delete(s.kept, 0, n)
	}
	s.send(e, answer{200, s.content, e.body})
	s.watch(true)
}

// send gives an exchange's HTTP request its answer.
func (s *session) send(e *exchange, a answer) {
	if e.waiter != nil {
		e.waiter <- a // there is room: it gets one
		e.waiter = nil
	}
}

// welcome adds what the first answer says (XEP-0124 §7.2, XEP-0206 §4).
func (s *session) welcome(b *body) {
	b.attr("sid", s.sid).seconds("wait", s.wait).number("requests", uint64(s.requests)).number("hold", uint64(s.hold))
	b.number("polling", polling).seconds("inactivity", s.inactivity).seconds("maxpause", maxPause)
	if !s.legacy {
		b.attr("ver", s.ver)
	}
	b.attr("from", s.to)
	if s.authID != "" {
		b.attr("authid", s.authID)
	}
	b.attr("xmlns:xmpp", nsXMPP).attr("xmpp:version", "1.0").attr("xmpp:restartlogic", "true")
}

// expire notes that a request has waited for long enough.
func (s *session) expire(w waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.waiting(w); e != nil {
		e.expired = true
	}
	s.release()
}

// leave notes that a request's connection broke. The client may send it again on another one.
func (s *session) leave(w waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.waiting(w); e != nil {
		e.waiter = nil
	}
	s.watch(false)
}

// waiting returns the exchange whose answer w waits for, nil where that has come.
func (s *session) waiting(w waiter) *exchange {
	for _, e := range s.open {
		if e.waiter == w {
			return e
		}
	}
	for _, e := range s.ahead {
		if e.waiter == w {
			return e
		}
	}
	return nil
}

// watch lets the time run in which the client must come again, and stops it while a request of it waits. anew says
// that the client was there just now.
func (s *session) watch(anew bool) {
	switch {
	case s.told:
		s.idle.Stop()
	case !s.over && slices.ContainsFunc(s.open, waits):
		s.idle.Stop()
		s.deadline = time.Time{}
	case s.stopping && !s.over: // it cannot come again
		s.lose()
	case anew || s.deadline.IsZero():
		s.deadline = time.Now().Add(s.patience)
		s.idle.Reset(s.patience)
	}
}

// idled ends a session whose client stayed away (XEP-0124 §10). To the server, it is a connection that was lost.
func (s *session) idled() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.told || s.deadline.IsZero() || time.Now().Before(s.deadline) {
		return // it came, just now
	}
	s.lose()
}

// stop ends the session if its client is away. The server will end the others.
func (s *session) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopping = true
	s.watch(false)
}

// lose ends the session without the client.
func (s *session) lose() {
	if !s.over {
		s.cut()
		s.finish(itemNotFound)
	}
	s.forget()
}

// fail ends the session because the client broke the rules. All that wait are told, and e, where it is not nil and not
// among them. To the server, it is a connection that was lost.
func (s *session) fail(c condition, e *exchange) {
	s.cut()
	s.finish(c)
	if e != nil {
		s.conclude(e)
	}
}

// finish ends the session; why is "" where nothing went wrong. All that wait are told. If none waits, the next to come
// is told.
func (s *session) finish(why condition) {
	s.over, s.why = true, why
	s.change.Broadcast()
	for _, e := range s.open {
		s.conclude(e)
	}
	for _, e := range s.ahead {
		s.conclude(e)
	}
	s.open = nil
	clear(s.ahead)
}

// conclude tells one request that the session is over, the first with what else there is. After an end in good order,
// the others get empty answers (XEP-0124 §13).
func (s *session) conclude(e *exchange) {
	if e.waiter == nil {
		return
	}
	b := newBody()
	if s.why != "" || !s.told {
		b.end(s.why).payloads(s.take())
	}
	s.send(e, answer{s.why.status(s.legacy), s.content, b.String()})
	s.forget()
}

// forget removes the session; what comes for it belongs to none.
func (s *session) forget() {
	if !s.told {
		s.told = true
		s.idle.Stop()
		s.g.forget(s)
		s.settle()
	}
}

// settle counts the session no more where it is gone on both sides, or its client has logged in.
func (s *session) settle() {
	if s.counted && (s.authenticated || s.told && s.closed) {
		s.counted = false
		s.g.known()
	}
}
