// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"bytes"
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"unicode/utf8"
)

// HT-SHA-256-NONE: no channel binding, so what is hashed is one of these words alone.
const (
	htInitiator = "Initiator"
	htResponder = "Responder"
)

// Tokens finds the tokens that would prove name now: none, one, or several while one is being replaced
// (XEP-0484 §5.1). It returns none for unknown names. An error of type *Error ends the exchange with it; any
// other becomes temporary-auth-failure.
type Tokens func(ctx context.Context, name string) ([][]byte, error)

// HT is the server's side of one HT-SHA-256-NONE exchange: one message, one answer. It is a Server.
type HT struct {
	tokens  Tokens
	name    string
	matched int
	over    bool
	failed  *Error
}

// NewHT returns the server's side of one exchange.
func NewHT(tokens Tokens) *HT { return &HT{tokens: tokens, matched: -1} }

// Username implements Server.
func (h *HT) Username() string { return h.name }

// Matched is the index, in what the Tokens function returned, of the token that the client has; -1 before the
// exchange is done.
func (h *HT) Matched() int { return h.matched }

// Next implements Server. All tokens are compared, and one is for an unknown name, so that the time tells little.
func (h *HT) Next(ctx context.Context, message []byte) ([]byte, bool, error) {
	if message == nil && !h.over && h.failed == nil {
		return []byte{}, false, nil
	}
	if h.failed == nil {
		var reply []byte
		if reply, h.failed = h.next(ctx, message); h.failed == nil {
			return reply, true, nil
		}
	}
	return nil, false, h.failed
}

func (h *HT) next(ctx context.Context, message []byte) ([]byte, *Error) {
	if h.over {
		h.matched = -1
		return nil, malformed("the exchange is over")
	}
	h.over = true
	name, proof, bad := parseHT(message)
	if bad != nil {
		return nil, bad
	}
	name, err := Prep(name)
	if err != nil {
		return nil, notAuthorized()
	}
	h.name = name
	tokens, err := h.tokens(ctx, name)
	if err != nil {
		if refusal, ok := errors.AsType[*Error](err); ok {
			return nil, refusal
		}
		return nil, &Error{Condition: TemporaryAuthFailure, Cause: fmt.Errorf("look up tokens: %w", err)}
	}
	for i, t := range tokens {
		if subtle.ConstantTimeCompare(SHA256.hmac(t, htInitiator), proof) == 1 && h.matched < 0 {
			h.matched = i
		}
	}
	if len(tokens) == 0 {
		SHA256.hmac(nil, htInitiator)
	}
	if h.matched < 0 {
		return nil, notAuthorized()
	}
	return SHA256.hmac(tokens[h.matched], htResponder), nil
}

// parseHT reads authcid NUL HMAC.
func parseHT(message []byte) (name string, proof []byte, bad *Error) {
	if len(message) > maxMessageLen {
		return "", nil, malformed("too long")
	}
	before, proof, ok := bytes.Cut(message, []byte{0})
	switch {
	case !ok:
		return "", nil, malformed("no NUL after the name")
	case len(before) == 0 || !utf8.Valid(before):
		return "", nil, malformed("no name in UTF-8")
	case len(proof) != SHA256.Size():
		return "", nil, malformed("the hashed token is not %d bytes long", SHA256.Size())
	}
	return string(before), proof, nil
}

// HTInitial is the client's one message of HT-SHA-256-NONE. The token is the text that the server handed out.
func HTInitial(name, token string) ([]byte, error) {
	name, err := Prep(name)
	if err != nil {
		return nil, err
	}
	return append([]byte(name+"\x00"), SHA256.hmac([]byte(token), htInitiator)...), nil
}

// HTVerify checks the additional data that came with the server's success: ErrServer if the server does not know
// the token.
func HTVerify(token string, data []byte) error {
	if subtle.ConstantTimeCompare(SHA256.hmac([]byte(token), htResponder), data) != 1 {
		return ErrServer
	}
	return nil
}
