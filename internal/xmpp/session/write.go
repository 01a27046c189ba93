// SPDX-License-Identifier: Apache-2.0

package session

import (
	"runtime"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// askEvery is how many stanzas go out before an acknowledgement is asked for although there are more to come; where there
// are not, it is asked for at once.
const askEvery = 256

// wake starts the flusher if there is work and none runs. mu is held. End and Detach wait for it.
func (s *Session) wake() {
	if s.started && !s.flushing && len(s.queue) > 0 && s.stream != nil && (!s.idle || s.due) {
		s.flushing = true
		go s.flush(s.stream)
	}
}

// flush writes the queue to st until it is empty, or st fails or is taken away. One runs at a time.
func (s *Session) flush(st Stream) {
	runtime.Gosched() // who is about to queue more for the device comes first: one write takes it all
	list := make([]*stanza.Stanza, 0, 8)
	for {
		s.mu.Lock()
		if len(s.queue) == 0 || s.ended || s.stream != st || s.idle && !s.due {
			if len(s.queue) == 0 {
				s.queue, s.bytes, s.due = nil, 0, false
			}
			s.flushed()
			s.mu.Unlock()
			return
		}
		var batch []item
		var size int
		batch, list, size = s.next(list[:0])
		var extra []xmlstream.Raw
		if len(list) == 0 {
			extra = append(extra, batch[0].raw)
		}
		managed := s.counting
		if managed && len(list) > 0 {
			s.unacked = append(s.unacked, batch...)
			s.unackedIn += size
			s.sent += uint32(len(list))
		}
		s.counting = s.counting || batch[0].enables
		if (len(s.queue) == 0 || s.sent-s.asked >= askEvery) && s.asks() {
			extra = append(extra, request)
		}
		s.mu.Unlock()

		if !write(st, list, extra) {
			s.mu.Lock()
			if !managed || len(list) == 0 {
				// Back into the queue: End tells their fates.
				s.queue = append(batch, s.queue...)
			}
			s.flushed()
			s.mu.Unlock()
			st.Cut()
			return
		}
		if !managed {
			for _, it := range batch {
				if it.fate != nil {
					it.fate.Taken()
				}
			}
		}
		clear(list)
	}
}

// flushed notes that no flusher runs any more. mu is held.
func (s *Session) flushed() {
	s.flushing = false
	if s.drained != nil {
		close(s.drained)
		s.drained = nil
	}
}

// next takes from the head of the queue either stanzas, as many as make a good write, or one nonza. mu is held.
// size is their bytes.
func (s *Session) next(list []*stanza.Stanza) (_ []item, _ []*stanza.Stanza, size int) {
	n := 0
	for n < len(s.queue) && n < maxBatch && s.queue[n].stanza != nil {
		z := s.queue[n].stanza.Size()
		if n > 0 && size+z > maxBatchBytes {
			break
		}
		list = append(list, s.queue[n].stanza)
		size += z
		n++
	}
	if n == 0 {
		n, size = 1, len(s.queue[0].raw)
	}
	batch := s.queue[:n:n]
	s.queue = s.queue[n:]
	s.bytes -= size
	return batch, list, size
}

func write(st Stream, list []*stanza.Stanza, extra []xmlstream.Raw) bool {
	if len(list) > 0 {
		return st.WriteStanzas(list, extra...) == nil
	}
	for _, raw := range extra {
		if st.Write(raw) != nil {
			return false
		}
	}
	return true
}
