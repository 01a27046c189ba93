// SPDX-License-Identifier: Apache-2.0

// Package sasl has the mechanisms by which a peer proves who it is: SCRAM-SHA-1 (RFC 5802), SCRAM-SHA-256 (RFC 7677)
// and SCRAM-SHA-512, each also with channel binding (-PLUS); the token mechanisms of FAST (XEP-0484 v0.2.0), which are
// HT-SHA-256-NONE, -ENDP and -EXPR (draft-schmaus-kitten-sasl-ht-09); EXTERNAL (RFC 4422 §A); and PLAIN (RFC 4616),
// which is for servers whose admin wants it.
//
// A mechanism is a Server that is fed the client's messages, already decoded from base64, and answers with
// challenges until it is done. It knows no network and no storage: keys come from a function that the caller
// gives. What goes wrong is an *Error that carries a condition of RFC 6120 §6.5 and may be shown to the peer;
// its Cause is ours and is for the log only.
//
// Nobody learns from an exchange whether a name exists. The lookup function gives credentials for unknown names
// too, made up but the same each time, together with the *Error that the exchange shall end with; the exchange
// runs to its end as with real ones, and a wrong proof gives not-authorized whatever the lookup said.
//
// The server keeps StoredKey and ServerKey only (RFC 5802 §3), never a password. Names and passwords are
// prepared by SASLprep (Prep); see there why it is not the newer OpaqueString.
//
// A Channel is what an exchange can be bound to: tls-exporter (RFC 9266) and tls-server-end-point (RFC 5929), where
// TLS is our own. An Offer is what the server told its client; SCRAM's first answer repeats it, so that who changed it
// on the way is found out (XEP-0474 v0.5.0, XEP-0515 v0.1.0). The client sides are for tests and for load.
package sasl

import (
	"context"
	"fmt"
)

// The names of the mechanisms.
const (
	SCRAMSHA1       = "SCRAM-SHA-1"
	SCRAMSHA1PLUS   = "SCRAM-SHA-1-PLUS"
	SCRAMSHA256     = "SCRAM-SHA-256"
	SCRAMSHA256PLUS = "SCRAM-SHA-256-PLUS"
	SCRAMSHA512     = "SCRAM-SHA-512"
	SCRAMSHA512PLUS = "SCRAM-SHA-512-PLUS"
	HTSHA256NONE    = "HT-SHA-256-NONE" // without channel binding
	HTSHA256ENDP    = "HT-SHA-256-ENDP" // with tls-server-end-point
	HTSHA256EXPR    = "HT-SHA-256-EXPR" // with tls-exporter
	EXTERNAL        = "EXTERNAL"
	PLAIN           = "PLAIN"
)

// ByPassword reports whether who logs in by the mechanism mech proves to know the password.
func ByPassword(mech string) bool {
	_, scram := HashOf(mech)
	return scram || mech == PLAIN
}

// Binds reports whether a log-in by the mechanism mech is bound to its channel: of use to nobody on another one.
func Binds(mech string) bool {
	return IsPlus(mech) || mech == HTSHA256ENDP || mech == HTSHA256EXPR
}

// maxMessageLen is how long a client's message may be, in bytes.
const maxMessageLen = 4096

// A Server is the server's side of one exchange. It is used by one goroutine, for one exchange.
type Server interface {
	// Next takes the client's next message and returns the answer to it. A nil message means that the client
	// sent no initial response; the answer is then an empty challenge (RFC 6120 §6.4.2).
	//
	// While done is false, reply is a challenge. With done the client is who Username says, and reply is the
	// additional data that goes with success (RFC 6120 §6.4.6), which must be sent. Errors are of type *Error,
	// end the exchange, and are returned again by every later call.
	Next(ctx context.Context, message []byte) (reply []byte, done bool, err error)

	// Username is the name that the client claims to have, prepared by Prep; "" before it was read. It proves
	// nothing before done: until then it is for counting failures only.
	Username() string
}

// Conditions of failure, the element names of RFC 6120 §6.5.
const (
	Aborted              = "aborted"
	AccountDisabled      = "account-disabled"
	CredentialsExpired   = "credentials-expired"
	EncryptionRequired   = "encryption-required"
	IncorrectEncoding    = "incorrect-encoding"
	InvalidAuthzID       = "invalid-authzid"
	InvalidMechanism     = "invalid-mechanism"
	MalformedRequest     = "malformed-request"
	NotAuthorized        = "not-authorized"
	TemporaryAuthFailure = "temporary-auth-failure"
)

// An Error is the failure of an exchange, as the peer may see it.
type Error struct {
	Condition string // one of the conditions above
	Text      string // for a person, in English; "" means none
	Cause     error  // what happened on our side, not for the peer; nil if the peer is at fault
}

// Error returns the condition, the text and the cause.
func (e *Error) Error() string {
	s := "sasl: " + e.Condition
	if e.Text != "" {
		s += ": " + e.Text
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

func malformed(format string, args ...any) *Error {
	return &Error{Condition: MalformedRequest, Text: fmt.Sprintf(format, args...)}
}

func notAuthorized() *Error { return &Error{Condition: NotAuthorized} }
