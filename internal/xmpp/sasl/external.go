// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"unicode/utf8"
)

// A Chooser finds the account that a client may log in to by what is known of it from elsewhere, such as its
// certificate, and the authorization identity that it sent, "" for none. An error of type *Error ends the exchange
// with it; any other becomes temporary-auth-failure.
type Chooser func(ctx context.Context, authzid string) (name string, err error)

// external is the server's side of EXTERNAL.
type external struct {
	choose Chooser
	name   string
	over   bool
	failed *Error
}

// NewExternal returns the server's side of one exchange of EXTERNAL (RFC 4422 §A): the client proved who it is before,
// and only says as whom it wants to act.
func NewExternal(choose Chooser) Server { return &external{choose: choose} }

// Username implements Server: the name that was chosen.
func (e *external) Username() string { return e.name }

// Next implements Server. There is no additional data.
func (e *external) Next(ctx context.Context, message []byte) ([]byte, bool, error) {
	if message == nil && !e.over && e.failed == nil {
		return []byte{}, false, nil // RFC 4422 §A.1: the client may want to be asked
	}
	if e.failed == nil {
		if e.failed = e.next(ctx, message); e.failed == nil {
			return nil, true, nil
		}
	}
	return nil, false, e.failed
}

func (e *external) next(ctx context.Context, message []byte) *Error {
	if e.over {
		return malformed("the exchange is over")
	}
	e.over = true
	authzid, bad := parseExternal(message)
	if bad != nil {
		return bad
	}
	name, err := e.choose(ctx, authzid)
	if err == nil {
		e.name = name
		return nil
	}
	if refusal, ok := errors.AsType[*Error](err); ok {
		return refusal
	}
	return &Error{Condition: TemporaryAuthFailure, Cause: fmt.Errorf("find who has the certificate: %w", err)}
}

// parseExternal is RFC 4422 §A.2: an authorization identity in UTF-8 without NUL, or nothing.
func parseExternal(message []byte) (authzid string, bad *Error) {
	switch {
	case len(message) > maxMessageLen:
		return "", malformed("too long")
	case !utf8.Valid(message), bytes.IndexByte(message, 0) >= 0:
		return "", malformed("not UTF-8 without NUL")
	}
	return string(message), nil
}
