// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Verifier returns nil where the password is that of name, which is prepared; the password is not. An error of type
// *Error ends the exchange with it; any other becomes temporary-auth-failure. It takes the same time for names that
// nobody has.
type Verifier func(ctx context.Context, name, password string) error

// plainServer is the server's side of PLAIN.
type plainServer struct {
	verify    Verifier
	authorize Authorizer
	name      string
	over      bool
	failed    *Error
}

// NewPlain returns the server's side of one exchange of PLAIN (RFC 4616): the client sends the password itself, so the
// channel must be one on which nobody reads along. An authorization identity that authorize does not allow is refused
// with invalid-authzid, after the password was found right.
func NewPlain(verify Verifier, authorize Authorizer) Server {
	return &plainServer{verify: verify, authorize: authorize}
}

// Username implements Server.
func (p *plainServer) Username() string { return p.name }

// Next implements Server. There is no additional data.
func (p *plainServer) Next(ctx context.Context, message []byte) ([]byte, bool, error) {
	if message == nil && !p.over && p.failed == nil {
		return []byte{}, false, nil
	}
	if p.failed == nil {
		if p.failed = p.next(ctx, message); p.failed == nil {
			return nil, true, nil
		}
	}
	return nil, false, p.failed
}

func (p *plainServer) next(ctx context.Context, message []byte) *Error {
	if p.over {
		return malformed("the exchange is over")
	}
	p.over = true
	m, bad := parsePlain(message)
	if bad != nil {
		return bad
	}
	name, err := Prep(m.name)
	if err != nil {
		return notAuthorized() // RFC 4616 §2: who cannot be prepared is not verified
	}
	p.name = name
	if err := p.verify(ctx, name, m.password); err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return refusal
		}
		return &Error{Condition: TemporaryAuthFailure, Cause: fmt.Errorf("check a password: %w", err)}
	}
	if m.authzid != "" && !p.authorize(name, m.authzid) {
		return &Error{Condition: InvalidAuthzID}
	}
	return nil
}

// plainMessage is the one message of PLAIN.
type plainMessage struct{ authzid, name, password string }

// parsePlain is RFC 4616 §2: an authorization identity or nothing, NUL, a name, NUL, a password.
func parsePlain(message []byte) (plainMessage, *Error) {
	switch {
	case len(message) > maxMessageLen: // each part may have 255 bytes, and more
		return plainMessage{}, malformed("too long")
	case !utf8.Valid(message):
		return plainMessage{}, malformed("not UTF-8")
	}
	parts := bytes.Split(message, []byte{0})
	switch {
	case len(parts) != 3:
		return plainMessage{}, malformed("not three parts with NUL between them")
	case len(parts[1]) == 0, len(parts[2]) == 0:
		return plainMessage{}, malformed("no name, or no password")
	}
	return plainMessage{authzid: string(parts[0]), name: string(parts[1]), password: string(parts[2])}, nil
}
