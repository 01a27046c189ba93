// SPDX-License-Identifier: Apache-2.0

package session

import (
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NSManagement is the namespace of stream management (XEP-0198 §12.1).
const NSManagement = "urn:xmpp:sm:3"

const request = xmlstream.Raw(`<r xmlns="` + NSManagement + `"/>`)

// A window marks stanzas that are safe out of order. Numbers are modulo 2^32; there are never more between the run's
// end and the newest than the credit allows.
type window struct {
	read uint32   // stanzas read since stream management was enabled
	run  uint32   // end of the unbroken run of safe ones: h
	safe []uint64 // one bit a number, by number modulo the bits there are
}

// full reports whether there is no room for one more: an old one is not safe yet, though later ones are through.
func (w *window) full() bool { return w.read-w.run >= uint32(len(w.safe)*64) }

// mark notes that n is safe. It may be told of one more than once.
func (w *window) mark(n uint32) {
	if n-w.run-1 >= w.read-w.run {
		return // it was
	}
	bits := uint32(len(w.safe) * 64)
	w.safe[n%bits/64] |= 1 << (n % 64)
	for w.run != w.read {
		next := w.run + 1
		slot, bit := &w.safe[next%bits/64], uint64(1)<<(next%64)
		if *slot&bit == 0 {
			return
		}
		*slot &^= bit
		w.run = next
	}
}

// has reports whether n, which comes after the run, is safe.
func (w *window) has(n uint32) bool {
	return w.safe[n%uint32(len(w.safe)*64)/64]&(1<<(n%64)) != 0
}

// Enable turns on stream management and reports whether it was off (XEP-0198 §3). What is read from now on
// counts, and so does what is queued behind the answer. enabled is "" where the answer went out already
// (XEP-0386: nothing else did).
func (s *Session) Enable(enabled xmlstream.Raw) bool { return s.EnableResumption(enabled, Key{}) }

// EnableResumption is Enable for a session that may be resumed by what k is the key of (XEP-0198 §5).
func (s *Session) EnableResumption(enabled xmlstream.Raw, k Key) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.managed || s.ended {
		return false
	}
	s.managed, s.key = true, k
	if enabled == "" {
		s.counting = true
		return true
	}
	s.queue = append(s.queue, item{raw: enabled, enables: true})
	s.bytes += len(enabled)
	s.release() // its client waits for the answer, whoever looks at it
	s.wake()
	return true
}

// Managed reports whether stream management is on.
func (s *Session) Managed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.managed
}

// asks reports whether an <r/> is due, and notes that it goes out. mu is held.
func (s *Session) asks() bool {
	if s.asking || len(s.unacked) == 0 || s.asked == s.sent || s.idle && !s.urgent && len(s.unacked) <= askIdle {
		return false
	}
	s.await()
	return true
}

// Acknowledged takes the peer's <a h=…/> (XEP-0198 §4). It returns *AckError where the peer was not sent so much.
func (s *Session) Acknowledged(h uint32) error {
	s.mu.Lock()
	if s.replaced {
		s.mu.Unlock()
		return nil // too late: what it had not said to have is lost
	}
	taken, err := s.acknowledge(h)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.asking = false
	again := !s.ended && len(s.queue) == 0 && s.asks()
	s.speaks()
	s.mu.Unlock()
	tell(taken)
	if again {
		s.SendRaw(request)
	}
	return nil
}

// acknowledge returns what the peer has taken when it has taken h. mu is held.
func (s *Session) acknowledge(h uint32) ([]item, error) {
	n := h - (s.sent - uint32(len(s.unacked)))
	if n > uint32(len(s.unacked)) {
		return nil, &AckError{H: h, Sent: s.sent}
	}
	taken := s.unacked[:n]
	s.unacked = s.unacked[n:]
	for _, it := range taken {
		s.unackedIn -= it.stanza.Size()
	}
	if len(s.unacked) == 0 {
		s.unacked = nil
	}
	return taken, nil
}

// tell says that what was acknowledged is taken. mu is not held.
func tell(taken []item) {
	for _, it := range taken {
		if it.fate != nil {
			it.fate.Taken()
		}
	}
}

// catchUp is how long an answer may wait for what was read to become safe: about as long as a commit takes.
const catchUp = 20 * time.Millisecond

// Requested answers the peer's <r/> with what is safe (XEP-0198 §4). If that lags behind what was read, the answer waits
// for a moment, since most often one is enough; if it still lags then, one more <a/> follows by itself.
func (s *Session) Requested() {
	s.mu.Lock()
	then := func() {}
	switch {
	case s.in.run == s.in.read:
		s.owesCount = false
		then = s.answer()
	case s.owesCount:
		then = s.answer() // to the one before
	case s.moment == nil:
		s.owesCount = true
		s.moment = time.AfterFunc(catchUp, s.overMoment)
	default:
		s.owesCount = true
		s.moment.Reset(catchUp)
	}
	s.mu.Unlock()
	then()
}

// overMoment answers though not all that was read is safe.
func (s *Session) overMoment() {
	s.mu.Lock()
	then := func() {}
	if s.owesCount {
		then = s.answer()
	}
	s.mu.Unlock()
	then()
}

// LastCount tells the peer at once what is safe, asked for or not: the stream is about to end.
func (s *Session) LastCount() {
	s.mu.Lock()
	s.owesCount = false
	then := s.answer()
	s.mu.Unlock()
	then()
}

// H is the number of the peer's stanzas that are safe (XEP-0198 §4), modulo 2^32.
func (s *Session) H() uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.in.run
}

// answer queues an <a/>, before anybody can queue one with a higher count. It is like add.
func (s *Session) answer() (then func()) {
	raw := xmlstream.Raw(`<a xmlns="` + NSManagement + `" h="` + strconv.FormatUint(uint64(s.in.run), 10) + `"/>`)
	return s.add(item{raw: raw}, len(raw))
}

// An Origin is one stanza that was read, on its way: it holds a piece of the stream's credit until it is
// through. Its methods are called on any goroutine, each at most once, Safe not after Through.
type Origin struct {
	s    *Session
	n    uint32 // its number; meaningless where it does not count
	size int
	flag bool // counts
}

// Accept numbers a stanza of size bytes that was read, and waits until the stream has credit for it. It
// returns nil where the session has ended or sleeps: the stanza was not read.
func (s *Session) Accept(size int) *Origin {
	s.mu.Lock()
	defer s.mu.Unlock()
	for !s.ended && s.stream != nil && s.held > 0 && (s.held >= s.credit.Stanzas || s.heldBytes+size > s.credit.Bytes || s.in.full()) {
		s.room.Wait()
	}
	if s.ended || s.stream == nil {
		return nil
	}
	s.held++
	s.heldBytes += size
	s.heard()
	s.speaks()
	o := &Origin{s: s, size: size, flag: s.managed}
	if o.flag {
		s.in.read++
		o.n = s.in.read
	}
	return o
}

// Safe says that the stanza may be acknowledged: it is on disk, or was handed on, or its error is queued.
func (o *Origin) Safe() {
	if o.flag {
		o.s.Safe(o.n)
	}
}

// Count returns the stanza's session and its number in it; false where it has none, or the session cannot be resumed,
// so that nobody will ever ask.
func (o *Origin) Count() (*Session, uint32, bool) { return o.s, o.n, o.flag && o.s.key != (Key{}) }

// Safe says of several stanzas what Origin.Safe says of one. It may be said more than once.
func (s *Session) Safe(numbers ...uint32) {
	s.mu.Lock()
	full := s.in.full()
	for _, n := range numbers {
		s.in.mark(n)
	}
	if full {
		s.room.Broadcast()
	}
	then := func() {}
	if s.owesCount && s.in.run == s.in.read {
		s.owesCount = false
		then = s.answer()
	}
	s.mu.Unlock()
	then()
}

// Certain is what H would be if the stanzas with these numbers, which grow, were safe as well. It is never more.
func (s *Session) Certain(numbers []uint32) uint32 {
	s.mu.Lock()
	defer s.mu.Unlock()
	h := s.in.run
	for h != s.in.read {
		next := h + 1
		for len(numbers) > 0 && int32(numbers[0]-next) < 0 {
			numbers = numbers[1:]
		}
		if !s.in.has(next) && (len(numbers) == 0 || numbers[0] != next) {
			break
		}
		h = next
	}
	return h
}

// Through gives the stanza's credit back: the last of its trips is through.
func (o *Origin) Through() {
	s := o.s
	s.mu.Lock()
	s.held--
	s.heldBytes -= o.size
	s.room.Broadcast()
	s.mu.Unlock()
}

// Settle waits until every stanza that was read is through, or done is closed, and reports whether all are safe.
// Nothing may be accepted meanwhile.
func (s *Session) Settle(done <-chan struct{}) bool {
	stop := make(chan struct{})
	defer close(stop)
	go func() { // ends with Settle
		select {
		case <-done:
			s.mu.Lock()
			s.room.Broadcast()
			s.mu.Unlock()
		case <-stop:
		}
	}()
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.held > 0 && !s.ended {
		select {
		case <-done:
			return s.in.run == s.in.read
		default:
		}
		s.room.Wait()
	}
	return s.in.run == s.in.read
}
