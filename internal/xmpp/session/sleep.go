// SPDX-License-Identifier: Apache-2.0

package session

import (
	"crypto/sha256"
	"errors"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

const (
	maxRest      = 1000    // stanzas that a sleeping session holds, unacknowledged ones included
	maxRestBytes = 1 << 20 // bytes of the same
	detachTime   = 100 * time.Millisecond
)

// ErrEnded is the answer to who wants to resume a session that has ended, or is about to.
var ErrEnded = errors.New("session: ended")

// A Key names a session that may be resumed: a hash of the id that its client was given and nobody else has
// (XEP-0198 §5). The zero Key is none.
type Key [16]byte

// KeyOf returns the key of an id.
func KeyOf(id string) Key {
	sum := sha256.Sum256([]byte(id))
	return Key(sum[:16])
}

// Key is what the session can be resumed by; zero where it cannot.
func (s *Session) Key() Key {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.key
}

// mayRest reports whether the session holds no more than one that sleeps may. mu is held.
func (s *Session) mayRest() bool {
	return len(s.queue)+len(s.unacked) <= maxRest && s.bytes+s.unackedIn <= maxRestBytes
}

// Detach takes the session off its stream: it sleeps until Attach or End, and what is sent to it is queued. From now
// on Kick calls kick. It returns false, and changes nothing, where the session cannot sleep: it is not to be resumed,
// its client does not know so, it was kicked, or holds too much. When it returns true, nothing more is written to the
// stream, which is the caller's to close. The stream's reader calls Detach, or has ended.
func (s *Session) Detach(kick func(*Kick)) bool {
	s.mu.Lock()
	if s.key == (Key{}) || !s.counting || !s.known || s.stream == nil || s.ended || s.replaced || s.kicked == nil ||
		!s.mayRest() {
		s.mu.Unlock()
		return false
	}
	st := s.stream
	s.stream, s.kicked = nil, kick
	s.started, s.asking, s.owesCount = false, false, false
	s.idle, s.due, s.urgent, s.silent = false, false, false, false // XEP-0352 §5.2: they are not the next stream's
	s.room.Broadcast()
	s.mu.Unlock()

	grace := make(chan struct{}) // for a write that is just coming to its end
	stop := time.AfterFunc(detachTime, func() { close(grace) })
	s.Drained(grace)
	if !stop.Stop() {
		st.Cut()
		s.Drained(nil)
	}
	s.mu.Lock()
	w, fates := s.watcher, s.open()
	s.mu.Unlock()
	if w != nil && len(fates) > 0 { // it seemed to be there when it was sent these
		w.Silent(fates)
	}
	return true
}

// Attach gives a sleeping session another stream, on which it writes from Start on: first all that its client has not
// got, of which h is the count (XEP-0198 §5), in the old order. Messages say when they were sent at first (XEP-0203 §2).
// It returns *AckError where h is not possible, and ErrEnded; the session then is as it was.
func (s *Session) Attach(st Stream, h uint32, kick func(*Kick)) error {
	s.mu.Lock()
	if s.ended || s.replaced || s.kicked == nil || s.stream != nil {
		s.mu.Unlock()
		return ErrEnded
	}
	taken, err := s.acknowledge(h)
	if err != nil {
		s.mu.Unlock()
		return err
	}
	s.stream, s.kicked = st, kick
	s.rewind()
	s.mu.Unlock()
	tell(taken)
	return nil
}

// rewind puts what was written and not acknowledged back at the head of the queue. mu is held.
func (s *Session) rewind() {
	queue := make([]item, 0, len(s.unacked)+len(s.queue))
	s.bytes = 0
	for i, it := range append(s.unacked[:len(s.unacked):len(s.unacked)], s.queue...) {
		if it.stanza == nil {
			continue // for the old stream
		}
		it.stanza = late(it, s.JID.DomainJID())
		s.bytes += it.stanza.Size()
		if i < len(s.unacked) {
			s.sent--
		}
		queue = append(queue, it)
	}
	if len(queue) == 0 {
		queue = nil
	}
	s.queue, s.unacked, s.unackedIn = queue, nil, 0
	s.asked = s.sent
}

// late is the item's stanza with the time at which it would have arrived.
func late(it item, by jid.JID) *stanza.Stanza {
	st := it.stanza
	if st.Kind != stanza.Message || st.Type == stanza.TypeError || it.at == 0 {
		return st
	}
	if _, has := st.Child(delay.NS, "delay"); has {
		return st
	}
	return st.With(delay.New(by, time.UnixMilli(it.at), ""))
}

// Saved is a session that slept when the server stopped.
type Saved struct {
	ID      string
	JID     jid.JID
	Client  string
	LogIn   LogIn
	Key     Key
	Read    uint32  // the count of its client's stanzas that are safe
	Written uint32  // the count of stanzas that were written to it
	Unacked int     // how many of Items are among these and were not acknowledged
	Items   []Item  // in order
	Weigh   Weigher // as Session.Weigh sets it; not what is written down
}

// An Item is a stanza that a session holds for its client.
type Item struct {
	Stanza *stanza.Stanza
	At     time.Time // when it was sent
	Fate   Fate      // nil: nobody is told
}

// Fates are those of the items, for who has to tell them after all.
func (v Saved) Fates() (list []Fate) {
	for _, it := range v.Items {
		if it.Fate != nil {
			list = append(list, it.Fate)
		}
	}
	return list
}

// Save ends a session that sleeps and returns what it was. Fates are not told any more: they are the caller's. It
// returns false where it does not sleep.
func (s *Session) Save() (Saved, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stream != nil || s.ended || s.replaced || s.kicked == nil {
		return Saved{}, false
	}
	v := Saved{ID: s.ID, JID: s.JID, Client: s.Client, LogIn: s.LogIn, Key: s.key, Read: s.in.run, Written: s.sent,
		Unacked: len(s.unacked)}
	for _, it := range append(s.unacked, s.queue...) {
		if it.stanza != nil {
			v.Items = append(v.Items, Item{it.stanza, time.UnixMilli(it.at), it.fate})
		}
	}
	s.ended, s.kicked = true, nil
	s.unacked, s.unackedIn, s.queue, s.bytes = nil, 0, nil, 0
	s.room.Broadcast()
	return v, true
}

// Restore returns the session that Save has saved: it sleeps. kick is as for Detach.
func Restore(v Saved, c Credit, kick func(*Kick)) *Session {
	s := newSession(v.ID, v.JID, v.Client, c, kick)
	s.LogIn, s.key, s.weigh = v.LogIn, v.Key, v.Weigh
	s.managed, s.counting, s.known = true, true, true
	s.in.read, s.in.run, s.sent = v.Read, v.Read, v.Written
	for i, x := range v.Items {
		it := item{stanza: x.Stanza, fate: x.Fate, at: x.At.UnixMilli()}
		if i < v.Unacked {
			s.unacked = append(s.unacked, it)
			s.unackedIn += it.stanza.Size()
		} else {
			if s.weigh != nil {
				it.weight = s.weigh(it.stanza)
			}
			s.queue = append(s.queue, it)
			s.bytes += it.stanza.Size()
		}
	}
	return s
}
