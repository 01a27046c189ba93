// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// A Lookup finds the credentials of a name for the mechanism at hand.
//
// An error of type *Error beside credentials ends the exchange after a right proof: use it for made-up
// credentials (not-authorized), and for what only the owner of the password may learn (account-disabled). An
// *Error without credentials ends it at once. Any other error becomes temporary-auth-failure.
type Lookup func(ctx context.Context, name string) (Credentials, error)

// An Authorizer says whether who proved to be name may act as authzid, which is what the client sent, as it sent
// it. In XMPP this is the bare address of the account or nothing else (RFC 6120 §6.3.8).
type Authorizer func(name, authzid string) bool

// SCRAM says what one exchange is about.
type SCRAM struct {
	Hash      Hash
	Plus      bool // the client asked for the variant with channel binding
	Offer     Offer
	Lookup    Lookup
	Authorize Authorizer // nil: every authorization identity is refused
}

// scramServer is RFC 5802 §5 as the server plays it.
type scramServer struct {
	SCRAM
	nonce func() string // the server's part of the nonce

	step    int // 0: the first message is awaited; 1: the last one; 2: done
	failed  *Error
	first   clientFirst
	binding []byte // what the client's "c" must be, decoded
	name    string // prepared
	creds   Credentials
	refusal *Error // what ends the exchange after a right proof; nil: nothing
	all     string // both parts of the nonce
	sent    string // our first message
}

// NewSCRAM returns the server's side of one SCRAM exchange. An authorization identity that is not allowed is refused
// with invalid-authzid, after the proof.
func NewSCRAM(o SCRAM) Server { return &scramServer{SCRAM: o, nonce: newNonce} }

// newNonce returns 144 random bits in printable form.
func newNonce() string {
	var b [18]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// Username implements Server.
func (s *scramServer) Username() string { return s.name }

// Next implements Server.
func (s *scramServer) Next(ctx context.Context, message []byte) ([]byte, bool, error) {
	if s.failed != nil {
		return nil, false, s.failed
	}
	if message == nil && s.step == 0 {
		return []byte{}, false, nil
	}
	var reply []byte
	switch s.step {
	case 0:
		reply, s.failed = s.begin(ctx, message)
	case 1:
		reply, s.failed = s.finish(message)
	default:
		s.failed = malformed("the exchange is over")
	}
	if s.failed != nil {
		return nil, false, s.failed
	}
	s.step++
	return reply, s.step == 2, nil
}

// begin reads the client's first message and answers with nonce, salt and iteration count.
func (s *scramServer) begin(ctx context.Context, message []byte) ([]byte, *Error) {
	first, bad := parseClientFirst(message)
	if bad != nil {
		return nil, bad
	}
	if s.binding, bad = s.bind(first.gs2, first.nonce); bad != nil {
		return nil, bad
	}
	s.first = first
	name, err := Prep(first.name)
	if err != nil {
		return nil, notAuthorized() // RFC 5802 §5.1; no account can have such a name
	}
	s.name = name
	s.creds, err = s.Lookup(ctx, name)
	if err != nil {
		refusal, ok := errors.AsType[*Error](err)
		if !ok {
			return nil, &Error{Condition: TemporaryAuthFailure, Cause: fmt.Errorf("look up credentials: %w", err)}
		}
		if len(s.creds.StoredKey) == 0 {
			return nil, refusal
		}
		s.refusal = refusal
	}
	s.all = first.nonce + s.nonce()
	s.sent = "r=" + s.all + ",s=" + base64.StdEncoding.EncodeToString(s.creds.Salt) +
		",i=" + strconv.Itoa(s.creds.Iterations) + s.Offer.attributes(s.Hash)
	return []byte(s.sent), nil
}

// bind is RFC 5802 §6: it judges the client's flag, and returns what its "c" must be.
func (s *scramServer) bind(h gs2Header, nonce string) ([]byte, *Error) {
	switch {
	case s.Plus && h.flag == 'p':
		data, ok := s.Offer.Channel.Data(h.binding)
		if !ok { // no password was guessed at: RFC 6120 §6.5.7, which is not counted as a failure
			return nil, &Error{Condition: InvalidMechanism, Text: "unsupported-channel-binding-type"}
		}
		return append([]byte(h.raw), data...), nil
	case s.Plus:
		return nil, malformed("a -PLUS mechanism without channel binding")
	case h.flag == 'p':
		return nil, malformed("channel binding without a -PLUS mechanism")
	case h.flag == 'y' && s.Offer.binds() && !ofSlixmpp(nonce):
		// The client could, and saw no -PLUS mechanism: somebody took them out of what we offered.
		return nil, &Error{Condition: NotAuthorized, Text: "server-does-support-channel-binding"}
	}
	return []byte(h.raw), nil
}

// ofSlixmpp reports whether a client's nonce is one of slixmpp's: the decimals of a random number, up to 19 of them.
//
// COMPAT(slixmpp < 1.8.5): it wants tls-unique, whatever was announced, and says "y" without -PLUS when that is refused:
// it could not log in at all. Its nonce is signed with the password, so nobody in the middle can make the "y" of another
// client pass for one of these. Drop it when Debian 12 is out of support.
func ofSlixmpp(nonce string) bool {
	return len(nonce) < 20 && strings.Trim(nonce, "0123456789") == ""
}

// finish checks the client's proof and answers with ours.
func (s *scramServer) finish(message []byte) ([]byte, *Error) {
	final, bad := parseClientFinal(message)
	if bad != nil {
		return nil, bad
	}
	// RFC 5802 §6: "c" is always checked. It is the header of the first message, and behind it the channel's data.
	if subtle.ConstantTimeCompare(final.binding, s.binding) != 1 {
		return nil, &Error{Condition: NotAuthorized, Text: "channel-bindings-dont-match"}
	}
	// RFC 5802 §5.1: the nonce must be the one we sent.
	if subtle.ConstantTimeCompare([]byte(final.nonce), []byte(s.all)) != 1 {
		return nil, notAuthorized()
	}
	auth := s.first.bare + "," + s.sent + "," + final.withoutProof
	if !s.proves(auth, final.proof) {
		return nil, notAuthorized()
	}
	if s.refusal != nil {
		return nil, s.refusal
	}
	if id := s.first.gs2.authzid; id != "" && (s.Authorize == nil || !s.Authorize(s.name, id)) {
		return nil, &Error{Condition: InvalidAuthzID}
	}
	signature := s.Hash.hmac(s.creds.ServerKey, auth)
	return []byte("v=" + base64.StdEncoding.EncodeToString(signature)), nil
}

// proves is RFC 5802 §3: the proof is ClientKey XOR HMAC(StoredKey, AuthMessage), and H(ClientKey) is StoredKey.
func (s *scramServer) proves(auth string, proof []byte) bool {
	key := s.Hash.hmac(s.creds.StoredKey, auth)
	if len(proof) != len(key) {
		return false
	}
	subtle.XORBytes(key, key, proof)
	return subtle.ConstantTimeCompare(s.Hash.sum(key), s.creds.StoredKey) == 1
}
