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

// What is hashed is one of these words, and behind it the channel binding data.
const (
	htInitiator = "Initiator"
	htResponder = "Responder"
)

// Tokens finds the tokens that would prove name now: none, one, or several while one is being replaced
// (XEP-0484 §5.1). It returns none for unknown names. An error of type *Error ends the exchange with it; any
// other becomes temporary-auth-failure.
type Tokens func(ctx context.Context, name string) ([][]byte, error)

// HTMechanisms are the names of the HT mechanisms that can be used on a channel (XEP-0484 §3.1).
func HTMechanisms(ch Channel) []string {
	var list []string
	for _, m := range []string{HTSHA256ENDP, HTSHA256EXPR, HTSHA256NONE} {
		if _, ok := HTBinding(m, ch); ok {
			list = append(list, m)
		}
	}
	return list
}

// HTBinding returns what an exchange of the HT mechanism mech is bound to on a channel, nil for HT-SHA-256-NONE; false
// where mech is no HT mechanism, or cannot be used there.
func HTBinding(mech string, ch Channel) ([]byte, bool) {
	switch mech {
	case HTSHA256NONE:
		return nil, true
	case HTSHA256ENDP:
		return ch.Data(TLSServerEndPoint)
	case HTSHA256EXPR:
		return ch.Data(TLSExporter)
	}
	return nil, false
}

// HT is the server's side of one exchange of an HT mechanism: one message, one answer. It is a Server.
type HT struct {
	tokens  Tokens
	binding string
	name    string
	matched int
	over    bool
	failed  *Error
}

// NewHT returns the server's side of one exchange that is bound to what HTBinding returned.
func NewHT(tokens Tokens, binding []byte) *HT {
	return &HT{tokens: tokens, binding: string(binding), matched: -1}
}

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
		if subtle.ConstantTimeCompare(SHA256.hmac(t, htInitiator+h.binding), proof) == 1 && h.matched < 0 {
			h.matched = i
		}
	}
	if len(tokens) == 0 {
		SHA256.hmac(nil, htInitiator+h.binding)
	}
	if h.matched < 0 {
		return nil, notAuthorized()
	}
	return SHA256.hmac(tokens[h.matched], htResponder+h.binding), nil
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

// An HTClient is the client's side of one exchange of an HT mechanism: Initial, and Verify the additional data of
// success.
type HTClient struct {
	name, token, binding string
}

// NewHTClient returns the client's side of an exchange of mech over a channel. token is the text that the server handed
// out. It returns ErrPrep if name cannot be one, and an error where mech cannot be used there.
func NewHTClient(mech, name, token string, ch Channel) (*HTClient, error) {
	name, err := Prep(name)
	if err != nil {
		return nil, err
	}
	binding, ok := HTBinding(mech, ch)
	if !ok {
		return nil, fmt.Errorf("sasl: the channel is not fit for %q", mech)
	}
	return &HTClient{name, token, string(binding)}, nil
}

// Initial returns the first message.
func (c *HTClient) Initial() []byte {
	return append([]byte(c.name+"\x00"), SHA256.hmac([]byte(c.token), htInitiator+c.binding)...)
}

// Respond returns ErrServer: there is no challenge.
func (c *HTClient) Respond([]byte) ([]byte, error) { return nil, ErrServer }

// Verify checks the additional data that came with the server's success: ErrServer if the server does not know the
// token, or is the end of another channel.
func (c *HTClient) Verify(data []byte) error {
	if subtle.ConstantTimeCompare(SHA256.hmac([]byte(c.token), htResponder+c.binding), data) != 1 {
		return ErrServer
	}
	return nil
}
