// SPDX-License-Identifier: Apache-2.0

package stream

import "github.com/kith-im/kith/internal/xmpp/xmlstream"

// A Taker takes what Serve reads.
type Taker interface {
	// Take takes an element; its error ends Serve.
	Take(*xmlstream.Element) error
	// End is called once, when Serve is at its end, with an error of Read or of Take.
	End(error)
}

// Serve reads for the rest of the stream's life in place of a loop around Read, on goroutines of its own, and returns at
// once. One of them exists at a time, which is the reader. While there is nothing to read that is one that only waits:
// the stack that reading and taking have grown, 8 KiB and more, is given back, and that one has 2 KiB.
func (s *Stream) Serve(t Taker) {
	s.taker = t
	go s.serve()
}

func (s *Stream) serve() {
	for {
		s.reading.Lock()
		tok, err := s.next()
		if err == errBlocked {
			s.rest()
			go s.wait() // holds s.reading
			return
		}
		el, err := s.element(tok, err)
		s.reading.Unlock()
		if err == nil {
			err = s.taker.Take(el)
		}
		if err != nil {
			s.taker.End(err)
			return
		}
	}
}

// wait is a goroutine that waits, and then serves. Nothing that needs stack happens before it was woken.
func (s *Stream) wait() {
	err := s.link.await()
	grow(0)
	err = s.failed(err)
	s.reading.Unlock()
	if err != nil {
		s.taker.End(err)
		return
	}
	s.serve()
}

// grow makes room on the stack in one step for what is called next: else it would be copied each time that it doubles.
//
//go:noinline
func grow(any int) byte {
	var room [6 << 10]byte
	return room[any]
}
