// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"bytes"
	"errors"
	"net"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// controlTimeout is how long a peer has to take a control frame.
const controlTimeout = time.Minute

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

// KeepAlive sends what the peer ignores and its system acknowledges: a space (RFC 6120 §4.6.1), or a ping frame
// (RFC 7395 §3.8).
func (s *Stream) KeepAlive() error {
	if s.IsWebSocket() {
		return s.send(appendFrame(nil, opPing, nil, s.o.Client))
	}
	return s.send([]byte{' '})
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

// send writes b, and a pong that came due meanwhile.
func (s *Stream) send(b []byte) error {
	s.writing.Lock()
	err := s.broken
	if s.said || s.waved || s.down.Load() {
		err = ErrClosed
	}
	if err == nil {
		err = s.put(b)
	}
	s.writing.Unlock()
	s.flushPong()
	return err
}

// put writes b; s.writing is held. Whether the reader may still find something decides what an error ends: a
// timeout cuts the connection, any other error the reader meets as well, after what the peer had sent before.
func (s *Stream) put(b []byte) error {
	_, err := s.conn().Write(b)
	if err == nil {
		return nil
	}
	if s.down.Load() {
		err = ErrClosed
	} else if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
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
	s.flushPong()
}

func (s *Stream) flushPong() {
	for s.answer.Load() != nil && s.writing.TryLock() {
		if b := s.answer.Swap(nil); b != nil && s.broken == nil && !s.waved {
			s.putControl(appendFrame(nil, opPong, *b, s.o.Client))
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

// putControl writes a frame of which the writer knows nothing: its deadline may have passed long ago, and is put
// back afterwards. s.writing is held. The next write or read meets the same error.
func (s *Stream) putControl(b []byte) {
	s.setPatience(func() time.Time { return time.Now().Add(controlTimeout) })
	_ = s.put(b)
	s.setPatience(func() time.Time { return s.until })
}

// setPatience sets the deadline of writes, which is not the writer's. When the stream is closing, Close has set it.
func (s *Stream) setPatience(until func() time.Time) {
	s.patience.Lock()
	defer s.patience.Unlock()
	if !s.closing.Load() {
		_ = s.raw.SetWriteDeadline(until()) // a dead connection says so when it is written to
	}
}
