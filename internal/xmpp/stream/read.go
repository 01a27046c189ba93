// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Read returns the next first-level element. Its errors end the stream, except for timeouts:
//   - io.EOF: the peer ended the stream with its closing tag. The caller calls Close.
//   - io.ErrUnexpectedEOF: the connection ended, the stream did not; it may be resumed (XEP-0198).
//   - *xmlstream.SyntaxError, *Error: the peer broke a rule; ErrorFor has the answer for Close.
//   - *PeerError: the peer sent a stream error.
//   - ErrClosed: we closed or cut the stream.
//   - others: of the network.
//
// After a Close from elsewhere it goes on reading until the peer has ended the stream too (RFC 6120 §4.4).
func (s *Stream) Read() (*xmlstream.Element, error) {
	s.reading.Lock()
	defer s.reading.Unlock()
	return s.element(s.token())
}

// element is what Read makes of a token.
func (s *Stream) element(tok xmlstream.Token, err error) (*xmlstream.Element, error) {
	switch {
	case err != nil:
		return nil, err
	case tok.Kind == xmlstream.Close:
		return nil, s.endOfPeer()
	case tok.Kind == xmlstream.Open:
		return nil, s.end(&Error{Condition: "bad-format", Text: "a second stream header"})
	case tok.Element.Root().Is(xmlstream.NSStreams, "error"):
		return nil, s.end(peerError(tok.Element.Root()))
	}
	return tok.Element, nil
}

// end notes why no more is read.
func (s *Stream) end(err error) error {
	s.ended = err
	return err
}

// token waits for what comes next.
func (s *Stream) token() (xmlstream.Token, error) {
	for {
		tok, err := s.next()
		if err == errBlocked {
			s.rest()
			err = s.failed(s.link.await())
			if err == nil {
				continue
			}
		}
		return tok, err
	}
}

// next returns what comes next, and errBlocked where that has to be waited for. Of its other errors, all but timeouts
// are the same ever after.
func (s *Stream) next() (tok xmlstream.Token, err error) {
	if s.ended != nil {
		return tok, s.ended
	}
	if s.parser != nil {
		tok, err = s.tcpToken()
	} else {
		tok, err = s.webSocketToken()
	}
	if err == errBlocked {
		return tok, err
	}
	return tok, s.failed(err)
}

// failed notes err, if it is one, unless reading may go on after it.
func (s *Stream) failed(err error) error {
	if err == nil {
		return nil
	}
	if s.down.Load() || s.suspended.Load() {
		err = ErrClosed
	}
	if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
		return err
	}
	return s.end(err)
}

func (s *Stream) tcpToken() (xmlstream.Token, error) {
	for {
		tok, err := s.parser.Next()
		if err != xmlstream.ErrMore {
			return tok, err
		}
		err = s.fill()
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		if err != nil {
			return tok, err
		}
	}
}

// fill reads once.
func (s *Stream) fill() error {
	s.flushUnasked()
	b := getBuffer()
	defer putBuffer(b)
	n, err := s.conn().Read((*b)[:cap(*b)])
	if n > 0 {
		s.parser.Feed((*b)[:n])
		return nil // an error will come again
	}
	return err
}

// rest does what has to be done before waiting: it sends what is due, and gives memory back.
func (s *Stream) rest() {
	s.flushDue()
	switch {
	case s.parser == nil:
		s.frames.rest()
	case !s.gathering.Load(): // else much will come soon
		s.parser.Release() // if it holds nothing
	}
	if t := s.tls.Load(); t != nil {
		dropBuffers(t)
	}
}

// flushUnasked is flushDue where a read waits without telling that it has to.
func (s *Stream) flushUnasked() {
	if s.link.sock == nil {
		s.flushDue()
	}
}

// frame waits for the next message or control frame of a WebSocket.
func (s *Stream) frame() (op byte, payload []byte, err error) {
	for {
		op, payload, err = s.frames.next(s.limits.Bytes)
		if err != errBlocked {
			return op, payload, err
		}
		s.rest()
		if err := s.link.await(); err != nil {
			return 0, nil, err
		}
	}
}

func (s *Stream) webSocketToken() (xmlstream.Token, error) {
	s.flushUnasked()
	for {
		op, payload, err := s.frames.next(s.limits.Bytes)
		if err != nil {
			if e, ok := errors.AsType[*frameError](err); ok {
				s.code = e.code
			}
			if err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return xmlstream.Token{}, err
		}
		switch op {
		case opPing:
			s.pong(payload)
		case opPong:
		case opClose:
			return xmlstream.Token{}, s.peerWaved(payload)
		default:
			doc := string(payload)
			s.frames.release()
			return s.document(doc)
		}
	}
}

// document reads a message of a WebSocket, which is one element (RFC 7395 §3.3.3).
func (s *Stream) document(doc string) (xmlstream.Token, error) {
	if doc == "" || doc[0] != '<' {
		return xmlstream.Token{}, &Error{Condition: "bad-format", Text: "a message must begin with <"}
	}
	el, err := xmlstream.Parse(doc, s.limits)
	if err != nil {
		if !utf8.ValidString(doc) { // RFC 6455 §8.1
			s.code = codeInvalidData
		}
		return xmlstream.Token{}, err
	}
	tok := xmlstream.Token{Kind: xmlstream.Child, Element: el}
	switch n := el.Root(); {
	case n.Is(xmlstream.NSFraming, "open"):
		tok.Kind = xmlstream.Open
	case n.Is(xmlstream.NSFraming, "close"):
		tok.Kind = xmlstream.Close
	}
	return tok, nil
}

// peerWaved answers a close frame (RFC 6455 §5.5.1). The stream was not ended by it (RFC 7395 §3.6).
func (s *Stream) peerWaved(payload []byte) error {
	code, err := closeCode(payload)
	if err != nil { // RFC 6455 §7.1.7
		code, s.code = codeProtocol, codeProtocol
		err = fmt.Errorf("%w: %w", io.ErrUnexpectedEOF, err)
	} else {
		err = io.ErrUnexpectedEOF
	}
	s.writing.Lock()
	s.wave(code)
	s.writing.Unlock()
	return err
}
