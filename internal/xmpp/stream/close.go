// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"crypto/rand"
	"errors"
	"io"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	closeTimeout   = 5 * time.Second // how long a peer has to take our end and answer it
	suspendTimeout = time.Second     // how long Suspend waits for the peer to have taken what was sent
	maxDiscard     = 1 << 20         // bytes read from a peer after its stream was given up

	closeElement = `<close xmlns="` + xmlstream.NSFraming + `"/>`
)

// Close ends the stream: it sends the stream error e if that is not nil (RFC 6120 §4.9), our end, then waits for the
// peer's, and closes the connection (RFC 6120 §4.4, XEP-0190 v1.1 §2). A write in progress is finished first. What the
// peer cannot take within five seconds is not sent, and a peer that does not end its stream within that time is cut.
//
// If a Read is in progress elsewhere, that one does the waiting and Close returns when our end is sent; else Close
// waits, and drops what still comes in. So a reader that stops reading calls Close, or Cut, whatever the error was.
//
// A stream error that happens before our header was sent is preceded by it (RFC 6120 §4.9.1.2). A second Close
// sends nothing. The error is that of sending; nil if there was nothing to send.
func (s *Stream) Close(e *Error) error {
	s.startTimer()
	s.link.closeBy(time.Now().Add(closeTimeout))
	s.writing.Lock()
	err := s.farewell(e)
	s.writing.Unlock()
	if s.reading.TryLock() {
		s.linger(s.ended == nil)
		s.reading.Unlock()
	}
	return err
}

// Cut closes the connection at once and sends nothing. Reads and writes in progress return ErrClosed.
func (s *Stream) Cut() {
	s.down.Store(true)
	_ = s.link.Close() // nothing to be done about it
}

// Suspend closes the connection and not the stream, which is to be resumed after a restart of the server
// (XEP-0198 §5): no closing tag, and on a WebSocket the code 1012. No more is read from now on. It waits up to a
// second until the peer has taken what was written before.
func (s *Stream) Suspend() {
	s.startTimer()
	s.link.closeBy(time.Now().Add(suspendTimeout))
	s.suspended.Store(true)
	_ = s.link.conn.SetReadDeadline(time.Now()) // wakes the reader
	s.reading.Lock()
	defer s.reading.Unlock()
	s.ended = ErrClosed
	s.writing.Lock()
	s.said = true
	if s.broken == nil {
		_ = s.put(nil, false) // what was gathered
	}
	if s.IsWebSocket() {
		s.wave(codeRestart)
	}
	s.writing.Unlock()
	_ = s.link.conn.SetReadDeadline(time.Now().Add(suspendTimeout))
	s.discard()
}

// startTimer sees to it that the connection ends even if the peer does nothing.
func (s *Stream) startTimer() {
	s.closing.Store(true)
	if t := time.AfterFunc(closeTimeout, s.Cut); !s.timer.CompareAndSwap(nil, t) {
		t.Stop() // it runs already
	}
}

// farewell sends our end, once; s.writing is held.
func (s *Stream) farewell(e *Error) error {
	if s.said || s.waved || s.broken != nil || s.down.Load() {
		s.said = true
		return s.broken
	}
	s.said = true
	var b []byte
	if e != nil && !s.opened && !s.o.Client {
		b = s.appendHeader(b, Header{To: bare(s.peer), ID: rand.Text()})
		s.opened = true
	}
	if !s.opened {
		return s.put(b, false) // there is no stream to end
	}
	if e != nil {
		var at int
		b, at = s.begin(b)
		b = e.append(b, s.IsWebSocket())
		b = s.finish(b, at)
	}
	if s.IsWebSocket() { // RFC 7395 §3.6
		var at int
		b, at = s.begin(b)
		b = append(b, closeElement...)
		b = s.finish(b, at)
	} else {
		b = append(b, "</stream:stream>"...)
	}
	return s.put(b, false)
}

// endOfPeer notes that the peer has ended its stream. If we had ended ours before, all is done and the connection
// is closed; else the caller of Read calls Close.
func (s *Stream) endOfPeer() error {
	s.ended = io.EOF
	s.writing.Lock()
	said := s.said
	s.writing.Unlock()
	if said {
		s.linger(true)
	}
	return io.EOF
}

// linger waits for the peer's end and closes the connection; s.reading is held. first says that our end was sent
// before the peer's came.
func (s *Stream) linger(first bool) {
	if s.down.Load() {
		return
	}
	_ = s.link.conn.SetReadDeadline(time.Now().Add(closeTimeout)) // the timer is there as well
	s.writing.Lock()
	opened, broken := s.opened, s.broken
	s.writing.Unlock()
	switch {
	case broken != nil: // the peer cannot be reached
		s.closeConn()
		return
	case opened:
		s.awaitEnd()
	}
	_, unreadable := errors.AsType[*frameError](s.ended)
	switch {
	case errors.Is(s.ended, io.ErrUnexpectedEOF):
		s.closeConn()
	case s.IsWebSocket():
		// RFC 7395 §3.6: who ended the stream first closes the WebSocket, and we do where the peer cannot.
		if first || !errors.Is(s.ended, io.EOF) {
			s.writing.Lock()
			s.wave(s.code)
			s.writing.Unlock()
		}
		if unreadable {
			s.discard()
			return
		}
		s.awaitWave()
		s.closeConn()
	case !opened || errors.Is(s.ended, io.EOF):
		s.closeConn()
	default:
		s.discard()
	}
}

// awaitEnd drops what the peer sends until it ends its stream.
func (s *Stream) awaitEnd() {
	for s.ended == nil {
		tok, err := s.token()
		if err != nil {
			return
		}
		if tok.Kind == xmlstream.Close {
			s.ended = io.EOF
		}
	}
}

// awaitWave drops what the peer sends until its close frame, and answers that.
func (s *Stream) awaitWave() {
	for {
		op, payload, err := s.frame()
		switch {
		case err != nil:
			return
		case op == opClose:
			_ = s.peerWaved(payload) // it says that all is over, which is known
			return
		case op == opText:
			s.frames.release()
		}
	}
}

// discard shows the peer our end of the connection, and drops what it has sent so that the system does not reset
// the connection under what it has not yet read from us.
func (s *Stream) discard() {
	s.closeTLS()
	if c, ok := s.link.conn.(interface{ CloseWrite() error }); ok {
		_ = c.CloseWrite() // what fails ends sooner
		_, _ = io.CopyN(io.Discard, s.link.conn, maxDiscard)
	}
	s.closeConn()
}

// closeTLS tells the peer that nothing more is sent (RFC 8446 §6.1).
func (s *Stream) closeTLS() {
	t := s.tls.Load()
	if t == nil {
		return
	}
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.broken != nil {
		return
	}
	err := t.CloseWrite()
	if err == nil {
		err = s.link.flush(true)
	}
	if err == nil {
		err = ErrClosed
	}
	s.broken = err
}

// closeConn closes the connection, with TLS as TLS wants it.
func (s *Stream) closeConn() {
	s.closeTLS()
	s.Cut()
	s.timer.Load().Stop()
}
