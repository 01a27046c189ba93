// SPDX-License-Identifier: Apache-2.0

// Package session is one device's end of a stream: the queue of stanzas on their way to it, and the
// counters of both directions (XEP-0198 v1.6.3, RFC 6120 §10.1).
//
// Outbound, Send takes a stanza and returns at once; a goroutine that exists only while there is something
// to write hands the queue to the stream in batches. Each stanza may have a Fate, which is told exactly once
// whether the device took it: with stream management that is when the device acknowledged it, else when it
// was written.
//
// Inbound, Accept numbers each stanza that was read and waits for credit, so that a device which sends faster
// than its stanzas find their way is not read. A stanza is marked safe when it may be acknowledged, in any
// order; h is the end of the unbroken run (XEP-0198 §4).
//
// While nobody looks at its client, what can wait does (idle.go, XEP-0352 v1.0.0). Who wants to know whether the client
// answers is told (watch.go).
//
// A session may outlive its stream (sleep.go): Detach lets it sleep, Attach gives it another stream, and Save and
// Restore take it over a restart of the server. Its counters and its queue stay as they were.
//
// A Session is safe for concurrent use. It knows no router and no storage.
package session

import (
	"fmt"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	maxQueue      = 4096     // stanzas that wait to be written; one more cuts the stream
	maxQueueBytes = 4 << 20  // bytes of the same
	maxUnacked    = 10_000   // stanzas that were written and not acknowledged; one more cuts the stream
	maxUnackedMem = 16 << 20 // bytes of the same
	maxBatch      = 64       // stanzas in one write
	maxBatchBytes = 64 << 10 // bytes in one write, unless a single stanza is longer
)

// An AckError says that the peer acknowledged stanzas that it was never sent, or takes back what it acknowledged
// (XEP-0198 §4).
type AckError struct {
	H    uint32 // what it says it has handled
	Sent uint32 // what it was sent, modulo 2^32
}

// Error returns both numbers.
func (e *AckError) Error() string {
	return fmt.Sprintf("session: %d acknowledged, %d sent", e.H, e.Sent)
}

// A Stream is what a session writes to. Of Write and WriteStanzas one is called at a time. They fail where the peer takes
// nothing for a minute: the session has no clock of its own for that.
type Stream interface {
	Write(xmlstream.Raw) error
	WriteStanzas(list []*stanza.Stanza, extra ...xmlstream.Raw) error
	Cut()
}

// A Fate is told what became of a stanza that was given to a device: exactly one of its methods is called,
// once, on any goroutine; it must not block and must not call back into the session.
type Fate interface {
	Taken() // the device has it
	Lost()  // the session ended before the device had it
}

// An item is one entry of the outbound queue: a stanza, or an element that is none (a nonza).
type item struct {
	stanza  *stanza.Stanza
	raw     xmlstream.Raw
	fate    Fate
	at      int64 // when it was queued, in ms since 1970; 0 where the session cannot be resumed
	enables bool  // raw is <enabled/>: what follows it counts
	weight  Weight
}

// A Session is one bound device on the node that holds its connection.
type Session struct {
	ID     string  // unique on this node; runs through all log lines of the connection
	JID    jid.JID // full
	Client string  // the client's own id (XEP-0386, XEP-0388); "" where it told none
	LogIn  LogIn   // set before the session is bound, and not changed

	mu       sync.Mutex // guards what follows
	stream   Stream     // nil: it sleeps
	room     *sync.Cond // credit came back, the session ended or sleeps, or everything became safe
	queue    []item
	bytes    int  // of queue
	known    bool // its client knows that it is bound
	started  bool // its client knows that this stream is the session's
	flushing bool
	ended    bool
	replaced bool          // Abandon was called
	kicked   func(*Kick)   // what ends it; nil once used
	drained  chan struct{} // closed when no flusher runs any more; nil where nobody waits

	// XEP-0198 §4
	key       Key    // XEP-0198 §5; zero: it cannot be resumed
	managed   bool   // what is read counts
	counting  bool   // what is written counts: <enabled/> has been taken from the queue
	unacked   []item // written or being written, in order; only while counting
	unackedIn int    // bytes of unacked
	sent      uint32 // stanzas handed to the stream since it was enabled, modulo 2^32
	asked     uint32 // value of sent when the last <r/> went out
	asking    bool   // an <r/> is unanswered
	in        window
	owesCount bool        // an <r/> has no answer yet that has all of what was read before it
	moment    *time.Timer // for that answer; nil: there was none yet
	watcher   Watcher     // nil: nobody asks
	askedAt   time.Time   // when the last <r/> went out
	alarm     *time.Timer // for its answer; nil: there was none yet
	watching  bool        // alarm is set
	silent    bool        // watcher was told that the client does not answer

	// XEP-0352, see idle.go
	weigh   Weigher // nil: nothing waits; set before the session is bound
	idle    bool
	due     bool        // what is queued is to be written although the client is idle
	urgent  bool        // it has something that is to be acknowledged although the client is idle
	until   time.Time   // until then nothing waits
	bell    *time.Timer // for what comes Soon; nil: there was none yet
	ringing bool        // bell is set

	credit    Credit
	held      int // of credit
	heldBytes int
}

// A Kick is the reason for which the server ends a session (RFC 6120 §4.9.3).
type Kick struct{ Condition, Text string }

// Credit is how much a stream may have read that is not yet through.
type Credit struct {
	Stanzas int // 1 or more
	Bytes   int // a single stanza may be larger
}

// ClientCredit is what the stream of a client gets.
func ClientCredit() Credit { return Credit{Stanzas: 256, Bytes: 1 << 20} }

// New returns a session that will write to s from Start on; what is sent before waits. kick is called at most
// once, on a goroutine of its own, when the server wants the stream closed; it must lead to End.
func New(id string, full jid.JID, client string, s Stream, c Credit, kick func(*Kick)) *Session {
	x := newSession(id, full, client, c, kick)
	x.stream = s
	return x
}

func newSession(id string, full jid.JID, client string, c Credit, kick func(*Kick)) *Session {
	x := &Session{ID: id, JID: full, Client: client, credit: c, kicked: kick}
	words := 1 // a power of two, so that numbers may wrap around
	for words*64 < c.Stanzas {
		words *= 2
	}
	x.in.safe = make([]uint64, words)
	x.room = sync.NewCond(&x.mu)
	return x
}

// Start lets the session write: its client has been told that it is bound, or that it is resumed.
func (s *Session) Start() {
	s.mu.Lock()
	s.known, s.started = true, true
	s.wake()
	s.mu.Unlock()
}

// Send queues st and returns at once. fate may be nil.
func (s *Session) Send(st *stanza.Stanza, fate Fate) {
	s.push(item{stanza: st, fate: fate}, st.Size())
}

// SendRaw queues an element that is no stanza, behind what is queued already.
func (s *Session) SendRaw(raw xmlstream.Raw) { s.push(item{raw: raw}, len(raw)) }

func (s *Session) push(it item, size int) {
	s.mu.Lock()
	then := s.add(it, size)
	s.mu.Unlock()
	then()
}

// add is push for who holds mu, and calls what it returns without.
func (s *Session) add(it item, size int) (then func()) {
	st := s.stream
	if s.ended || s.replaced || st == nil && it.stanza == nil { // what is no stanza is for one stream
		if it.fate != nil {
			return it.fate.Lost
		}
		return func() {}
	}
	if s.key != (Key{}) {
		it.at = time.Now().UnixMilli()
	}
	var replaced Fate
	if s.weigh != nil && (s.idle || st == nil) {
		replaced = s.hold(&it, size)
	}
	s.queue = append(s.queue, it)
	s.bytes += size
	full := len(s.queue) > maxQueue || s.bytes > maxQueueBytes ||
		len(s.unacked) > maxUnacked || s.unackedIn > maxUnackedMem || st == nil && !s.mayRest()
	s.wake()
	if !full && replaced == nil {
		return func() {}
	}
	return func() {
		if replaced != nil {
			replaced.Taken() // nobody needs it any more
		}
		switch {
		case !full:
		case st == nil: // it holds more than what is worth resuming
			s.Kick(&Kick{Condition: "resource-constraint"})
		default: // the device does not read: what it misses waits for it elsewhere (Fate.Lost)
			st.Cut()
		}
	}
}

// Kick has the session ended with k, its stream or its sleep, and returns at once. Only the first call counts.
func (s *Session) Kick(k *Kick) {
	s.mu.Lock()
	f := s.kicked
	s.kicked = nil
	s.mu.Unlock()
	if f != nil {
		go f(k) // the connection's reader waits for it: it leads to End
	}
}

// Kicked reports whether Kick was called, or the session has ended: it is not to be resumed.
func (s *Session) Kicked() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.kicked == nil
}

// Drained waits until what is queued was written, or the session or the stream is at its end, or done is closed.
func (s *Session) Drained(done <-chan struct{}) {
	s.mu.Lock()
	if !s.flushing {
		s.mu.Unlock()
		return
	}
	if s.drained == nil {
		s.drained = make(chan struct{})
	}
	drained := s.drained
	s.mu.Unlock()
	select {
	case <-drained:
	case <-done:
	}
}

// Abandon returns, like End, the fates of what the device never took, and is followed by Kick: another session takes the
// device's place, and what this one has lost must be known before. Nothing more is sent to the device; what it says
// still counts. A batch that is being written without stream management gets its fate from its write, or from End.
func (s *Session) Abandon() []Fate {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.replaced = true
	return s.untaken()
}

// End ends the session and returns the fates of all that its device never took, in order; the caller tells
// them Lost once the device can no longer be found. After End nothing is written.
func (s *Session) End() []Fate {
	s.mu.Lock()
	s.ended = true
	s.kicked = nil
	st := s.stream
	s.room.Broadcast()
	s.mu.Unlock()
	if st != nil {
		st.Cut()
	}
	s.Drained(nil) // the flusher sees ended, or its write fails; Detach cuts the stream that it took away

	s.mu.Lock()
	defer s.mu.Unlock()
	return s.untaken()
}

// untaken takes the fates of what the device never took. mu is held.
func (s *Session) untaken() (lost []Fate) {
	for _, it := range append(s.unacked, s.queue...) {
		if it.fate != nil {
			lost = append(lost, it.fate)
		}
	}
	s.unacked, s.unackedIn, s.queue, s.bytes = nil, 0, nil, 0
	return lost
}
