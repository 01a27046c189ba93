// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"errors"
	"net"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxWrite is how much is written before the peer must have taken it, in bytes.
const maxWrite = 64 << 10

// Write sends raw, one element with a namespace declaration of its own: what is no stanza, such as <proceed/> or
// <enabled/>. Stream features go through WriteFeatures.
func (s *Stream) Write(raw xmlstream.Raw) error { return s.WriteStanzas(nil, raw) }

// WriteFeatures sends <stream:features/> with the children raw (RFC 6120 §4.3.2).
func (s *Stream) WriteFeatures(raw xmlstream.Raw) error {
	buf := getBuffer()
	defer putBuffer(buf)
	b, at := s.begin(*buf)
	if s.IsWebSocket() { // RFC 7395 §3.3.3
		b = append(b, `<stream:features xmlns:stream="`+xmlstream.NSStreams+`">`...)
	} else {
		b = append(b, "<stream:features>"...)
	}
	b = append(b, raw...)
	b = append(b, "</stream:features>"...)
	*buf = s.finish(b, at)
	return s.send(*buf)
}

// WriteStanzas sends list and then each of extra, which is as for Write, in one write to the connection. Where it
// returns an error, the peer may have any part of it, and nothing more can be sent.
func (s *Stream) WriteStanzas(list []*stanza.Stanza, extra ...xmlstream.Raw) error {
	buf := getBuffer()
	defer putBuffer(buf)
	b, at := *buf, 0
	for _, st := range list {
		b, at = s.begin(b)
		b = st.Append(b, s.IsWebSocket()) // RFC 7395 §3.3.3: each declares its namespace
		b = s.finish(b, at)
	}
	for _, raw := range extra {
		b, at = s.begin(b)
		b = append(b, raw...)
		b = s.finish(b, at)
	}
	*buf = b
	return s.send(b)
}

// begin and finish put what is appended to b between them into a frame, on a WebSocket.
func (s *Stream) begin(b []byte) (_ []byte, at int) {
	if s.IsWebSocket() {
		return beginFrame(b)
	}
	return b, 0
}

func (s *Stream) finish(b []byte, at int) []byte {
	if s.IsWebSocket() {
		return endFrame(b, at, opText, s.o.Client)
	}
	return b
}

// send writes b, and what came due meanwhile.
func (s *Stream) send(b []byte) error {
	s.writing.Lock()
	err := s.broken
	if s.said || s.waved || s.down.Load() {
		err = ErrClosed
	}
	if err == nil {
		err = s.put(b, false)
	}
	s.writing.Unlock()
	if !s.gathering.Load() {
		s.flushDue()
	}
	return err
}

// Gather says whether what is written waits until the reader has to wait for the peer, so that several answers go out
// in one piece; it is for the time in which the reader is the writer. Errors then show in what is written or read next.
// What waits when it ends goes out with what is written next, or when the reader waits.
func (s *Stream) Gather(on bool) { s.gathering.Store(on) }

// put writes b and waits until the peer's system has it, unless that is gathered; s.writing is held. control says that b
// is nothing the writer knows of: its deadline does not count.
func (s *Stream) put(b []byte, control bool) error {
	for {
		var err error
		n := min(len(b), maxWrite)
		if n > 0 {
			_, err = s.conn().Write(b[:n]) // waits for nobody
		}
		gather := s.gathering.Load() && !control && !s.closing.Load() && s.link.owes() < maxWrite
		if err == nil && !gather {
			err = s.link.flush(control)
		}
		if err != nil {
			return s.fail(err)
		}
		if b = b[n:]; len(b) == 0 {
			return nil
		}
	}
}

// fail notes that nothing more can be written; s.writing is held. Whether the reader may still find something decides
// what an error ends: a peer that takes nothing is cut, any other error the reader meets as well, after what the peer
// had sent before.
func (s *Stream) fail(err error) error {
	if s.down.Load() {
		err = ErrClosed
	} else if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() || errors.Is(err, errBacklog) {
		s.Cut()
	}
	s.broken = err
	return err
}

// pong answers a ping with its payload. Where a write is in progress, its end sends the answer; only the last of
// several pings is answered then (RFC 6455 §5.5.3).
func (s *Stream) pong(payload []byte) {
	b := bytes.Clone(payload)
	s.answer.Store(&b)
	s.flushDue()
}

// flushDue sends what was gathered, and what is not the writer's: the answer to a ping, and what TLS has to say to its
// peer while it reads.
func (s *Stream) flushDue() {
	for (s.answer.Load() != nil || s.link.owes() > 0) && s.writing.TryLock() {
		if s.broken != nil {
			s.answer.Store(nil)
			s.writing.Unlock()
			return
		}
		if b := s.answer.Swap(nil); b != nil && !s.waved {
			s.putControl(appendFrame(nil, opPong, *b, s.o.Client))
		} else if err := s.link.flush(!s.gathering.Load()); err != nil {
			_ = s.fail(err) // the next write or read meets it
		}
		s.writing.Unlock()
	}
}

// wave sends a close frame unless one was sent; s.writing is held.
func (s *Stream) wave(code uint16) {
	if s.waved || s.broken != nil || s.down.Load() {
		return
	}
	s.waved = true
	s.putControl(appendClose(nil, code, s.o.Client))
}

// putControl writes a frame of which the writer knows nothing: its deadline may have passed long ago. s.writing is held.
// The next write or read meets the same error.
func (s *Stream) putControl(b []byte) { _ = s.put(b, true) }
