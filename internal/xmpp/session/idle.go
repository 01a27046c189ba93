// SPDX-License-Identifier: Apache-2.0

package session

import (
	"slices"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Nobody looks at the client of a session that is idle (XEP-0352 v1.0.0): what can wait does, so that a phone's radio may
// sleep, and goes out together with what cannot, in the order in which it came. A Weigher says what can. A session that
// sleeps has it judged as well, so that it does not hold the same news of somebody many times.
const (
	maxHeld      = 256       // stanzas that wait for an idle client; one more, and all are written
	maxHeldBytes = 256 << 10 // bytes of the same
	soon         = 10 * time.Second
	linger       = 5 * time.Second // after a write the radio is on: for so long nothing waits
	askIdle      = 256             // stanzas that an idle client need not acknowledge, if none of them was urgent
)

// A Weight is how long a stanza may wait for a client at which nobody looks.
type Weight uint8

const (
	Now    Weight = iota // not at all
	Soon                 // some seconds
	Later                // until something else is written, or the client sends something
	Latest               // the same, and the next one of that kind, type of thing and sender replaces it
)

// A Weigher judges stanzas. It is called by many goroutines, and with sessions locked: it must be quick.
type Weigher func(*stanza.Stanza) Weight

// SetIdle notes whether somebody looks at the client (XEP-0352 §4.2). What waited is queued for it before anything that
// comes after the call (XEP-0352 §5.1). Every stream begins with an active client (XEP-0352 §5, §5.2).
func (s *Session) SetIdle(idle bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.weigh == nil || s.idle == idle || s.stream == nil {
		return
	}
	s.idle = idle
	s.due = idle && len(s.queue) > 0 // what came before does not wait
	s.urgent, s.until = false, time.Time{}
	s.wake()
}

// Weigh sets who judges what is sent to the session. It is called before the session is bound; without, nothing waits.
func (s *Session) Weigh(w Weigher) { s.weigh = w }

// heard notes that the client has sent something: its radio is on (XEP-0286 §4.2). mu is held.
func (s *Session) heard() {
	if s.idle && len(s.queue) > 0 {
		s.release()
		s.wake()
	}
}

// release lets what waits be written. mu is held.
func (s *Session) release() {
	s.due = true
	s.until = time.Now().Add(linger)
}

// hold decides how long it, which is about to be queued, waits; it returns the fate of what it replaces, or nil. The
// session is idle, or sleeps. mu is held.
func (s *Session) hold(it *item, size int) (replaced Fate) {
	if it.stanza != nil {
		it.weight = s.weigh(it.stanza)
	}
	if it.weight == Latest {
		replaced = s.replace(it.stanza)
	}
	if s.stream == nil {
		return replaced
	}
	switch {
	case it.weight == Now:
		s.release()
		s.urgent = s.urgent || it.stanza != nil && it.stanza.Type != stanza.TypeResult
	case s.due || time.Now().Before(s.until):
		s.due = true
	case len(s.queue) >= maxHeld || s.bytes+size > maxHeldBytes:
		s.release()
	case it.weight == Soon && !s.ringing:
		s.ringing = true
		if s.bell == nil {
			s.bell = time.AfterFunc(soon, s.ring)
		} else {
			s.bell.Reset(soon)
		}
	}
	return replaced
}

// ring is the end of Soon.
func (s *Session) ring() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ringing = false
	if s.idle && len(s.queue) > 0 {
		s.release()
		s.wake()
	}
}

// replace takes older news of the same kind out of the queue, and returns its fate. mu is held.
func (s *Session) replace(st *stanza.Stanza) Fate {
	for i, it := range s.queue {
		if it.weight == Latest && it.stanza.Kind == st.Kind && it.stanza.From == st.From &&
			(st.Kind == stanza.Presence || it.stanza.Type == st.Type) {
			s.bytes -= it.stanza.Size()
			// The queue shares its array with batches that are being written, which lie before it.
			s.queue = slices.Delete(s.queue, i, i+1)
			return it.fate
		}
	}
	return nil
}
