// SPDX-License-Identifier: Apache-2.0

package session

import "time"

// overdue is how long a client has to acknowledge what it was asked for (XEP-0198 §4). After that its connection is as
// good as none, for who could wake it by other means; it is not cut for that.
const overdue = 30 * time.Second

// A Watcher hears whether a session's client answers. Its methods are called on any goroutine and must not block, nor call
// back into the session.
type Watcher interface {
	// Silent says that the client has not acknowledged in time what it was asked for, or has lost its connection before
	// it had acknowledged everything. fates are those of what it has not acknowledged, as far as these have any.
	Silent(fates []Fate)
	// Heard says that it answers again. It may be said once too often.
	Heard()
}

// Watch has w hear whether the client answers. It is called before the session is started.
func (s *Session) Watch(w Watcher) {
	s.mu.Lock()
	s.watcher = w
	s.mu.Unlock()
}

// await notes that the client was asked to acknowledge. One timer is enough: where it goes off early, the client has been
// asked again meanwhile. mu is held.
func (s *Session) await() {
	s.asking, s.asked, s.urgent = true, s.sent, false
	if s.watcher == nil {
		return
	}
	s.askedAt = time.Now()
	if s.watching {
		return
	}
	s.watching = true
	if s.alarm == nil {
		s.alarm = time.AfterFunc(overdue, s.look)
	} else {
		s.alarm.Reset(overdue)
	}
}

// look looks whether the client has acknowledged.
func (s *Session) look() {
	s.mu.Lock()
	s.watching = false
	if !s.asking || s.silent || s.stream == nil || s.ended {
		s.mu.Unlock()
		return
	}
	if rest := overdue - time.Since(s.askedAt); rest > 0 {
		s.watching = true
		s.alarm.Reset(rest)
		s.mu.Unlock()
		return
	}
	s.silent = true
	w, fates := s.watcher, s.open()
	s.mu.Unlock()
	w.Silent(fates)
	s.mu.Lock()
	if !s.silent { // it has spoken meanwhile, and that may have been heard first
		w.Heard()
	}
	s.mu.Unlock()
}

// open lists the fates of what the client has not acknowledged. mu is held.
func (s *Session) open() (fates []Fate) {
	for _, list := range [][]item{s.unacked, s.queue} {
		for _, it := range list {
			if it.fate != nil {
				fates = append(fates, it.fate)
			}
		}
	}
	return fates
}

// speaks notes that the client has said something. What it still owes, it has as much time for again. mu is held.
func (s *Session) speaks() {
	if !s.silent {
		return
	}
	s.silent = false
	s.watcher.Heard()
	if s.asking && !s.watching {
		s.askedAt, s.watching = time.Now(), true
		s.alarm.Reset(overdue)
	}
}
