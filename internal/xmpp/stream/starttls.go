// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"crypto/tls"
	"errors"
	"fmt"
	"time"
)

// handshakeTimeout is how long the peer has for the TLS handshake.
const handshakeTimeout = 30 * time.Second

// StartTLS does the TLS handshake after <proceed/> was sent, or received by a client (RFC 6120 §5.4.3), or at once, and
// restarts the stream; Open comes next. It fails with *Error policy-violation where the peer had sent anything behind its
// last element: that came unprotected, and would count as protected. After any error the connection is gone, and
// no closing tag was sent (RFC 6120 §5.4.3.2).
func (s *Stream) StartTLS(cfg *tls.Config) error {
	err := s.startTLS(cfg)
	if err != nil {
		s.Cut()
		return fmt.Errorf("start tls: %w", err)
	}
	s.Restart()
	return nil
}

func (s *Stream) startTLS(cfg *tls.Config) (err error) {
	if s.parser == nil || s.ofTLS() != nil { // RFC 7395 §3.9
		return errors.New("stream: TLS does not fit here")
	}
	s.reading.Lock()
	defer s.reading.Unlock()
	// COMPAT(go-xmpp): a line break behind <starttls/>, which RFC 6120 §5.3.3 does not want. It counts for nothing.
	s.parser.SkipSpace()
	// Nobody writes into the handshake; a Close from elsewhere cuts it when its patience ends.
	s.writing.Lock()
	defer s.writing.Unlock()
	if s.parser.Buffered() > 0 {
		_ = s.link.flush(false) // <proceed/>, which may be gathered: the peer sees how far it came
		return &Error{Condition: "policy-violation", Text: "data before the TLS handshake"}
	}
	s.link.shaking, s.link.shakes = true, s.o.Shakes
	defer func() {
		s.link.shaking = false
		if err != nil || s.o.Client {
			_ = s.link.flush(false) // an alert; or the end of the handshake, though we may have nothing to say yet
		}
	}()
	t := tls.Server(s.link, cfg)
	if s.o.Client {
		t = tls.Client(s.link, cfg)
	}
	s.o.Shakes.enter()
	defer s.o.Shakes.leave()
	defer time.AfterFunc(handshakeTimeout, func() { _ = s.link.Close() }).Stop() // the handshake meets it
	if err := t.Handshake(); err != nil {
		if s.down.Load() {
			return ErrClosed
		}
		return err
	}
	s.tls.Store(t)
	return nil
}
