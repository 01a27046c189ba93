// SPDX-License-Identifier: Apache-2.0

// Package webpush sends messages to browsers through their makers' push services (RFC 8030): encrypted for the browser
// (RFC 8291, with the content coding of RFC 8188), and signed with the server's key (RFC 8292).
//
// A Subscription is what the browser gave: an address at a push service, a public key and a secret. Sender.Send makes one
// request of a Message and says what became of it: nil where the push service took it, else an *Error with what can
// be done. It neither waits nor tries again; that is the caller's.
//
// The server's Key is derived from its one secret (internal/keyfile) and not kept anywhere: a key of 256 bits that HKDF
// gives for a label of its own is as good as one from a random source to whoever has not got the secret, and who has it
// could read any key that lay beside it. So it is there from the first start on, and stays for as long as the key
// file does: subscriptions are made for it and no other (RFC 8292 §4).
package webpush

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/outward"
)

// MaxPlaintext is how many bytes every push service takes (RFC 8291 §4).
const MaxPlaintext = 3993

const (
	maxAnswer     = 4 << 10 // bytes that are read of a push service's answer
	maxRetryAfter = 24 * time.Hour
)

// An Urgency says whether a message is worth waking the device for (RFC 8030 §5.3).
type Urgency string

// The urgencies, from what can wait for a charger to what cannot wait.
const (
	VeryLow Urgency = "very-low"
	Low     Urgency = "low"
	Normal  Urgency = "normal"
	High    Urgency = "high"
)

// A Message is what is sent.
type Message struct {
	Plaintext []byte // MaxPlaintext at most
	TTL       time.Duration
	Urgency   Urgency
	Topic     string // up to 32 characters of base64url; it replaces an older message of its topic. "": none
}

// An Error says why a message was not taken.
type Error struct {
	Status     int           // of the answer; 0: there was none
	RetryAfter time.Duration // how long to wait; 0: nothing was said
	err        error         // where there was no answer
}

// Error returns what happened; it holds no address.
func (e *Error) Error() string {
	if e.Status == 0 {
		return "webpush: no answer"
	}
	return "webpush: refused with " + strconv.Itoa(e.Status)
}

// Unwrap returns why there was no answer.
func (e *Error) Unwrap() error { return e.err }

// Gone reports whether the subscription has ended (RFC 8030 §7.3).
func (e *Error) Gone() bool { return e.Status == http.StatusNotFound || e.Status == http.StatusGone }

// TooLarge reports whether a shorter message may be taken (RFC 8030 §7.2).
func (e *Error) TooLarge() bool { return e.Status == http.StatusRequestEntityTooLarge }

// Forbidden reports whether the address is one that we do not connect to.
func (e *Error) Forbidden() bool { return errors.Is(e.err, outward.ErrForbidden) }

// Temporary reports whether the same message may be taken later (RFC 8030 §8.4).
func (e *Error) Temporary() bool {
	return e.Status == 0 && !e.Forbidden() || e.Status == http.StatusTooManyRequests || e.Status >= 500
}

// Options are what a Sender is made of.
type Options struct {
	Client  *http.Client // follows no redirect; see package outward
	Key     *Key
	Contact string           // a URI that begins with https: or mailto: (RFC 8292 §2.1)
	Now     func() time.Time // nil: time.Now
}

// A Sender sends messages. It may be used by many goroutines.
type Sender struct {
	o      Options
	tokens tokens
}

// New returns a sender.
func New(o Options) *Sender {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Sender{o: o}
}

// Key is the sender's public key.
func (s *Sender) Key() string { return s.o.Key.Public() }

// Send sends m, and returns nil or an *Error; other errors say that m cannot be sent at all.
func (s *Sender) Send(ctx context.Context, to Subscription, m Message) error {
	body, err := encrypt(to, m.Plaintext)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to.Endpoint, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("webpush: %w", err)
	}
	authorization, err := s.authorization(to.origin)
	if err != nil {
		return err
	}
	h := req.Header
	h.Set("Authorization", authorization)
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Encoding", "aes128gcm")                        // RFC 8291 §4
	h.Set("TTL", strconv.FormatInt(int64(m.TTL/time.Second), 10)) // RFC 8030 §5.2
	h.Set("Urgency", string(m.Urgency))                           // RFC 8030 §5.3
	if m.Topic != "" {
		h.Set("Topic", m.Topic) // RFC 8030 §5.4
	}
	res, err := s.o.Client.Do(req)
	if err != nil {
		return &Error{err: err}
	}
	defer res.Body.Close()
	// Only so that the connection can be used again; what more comes ends it.
	_, _ = io.CopyN(io.Discard, res.Body, maxAnswer)
	if res.StatusCode/100 == 2 { // RFC 8030 §5 says 201; some say 200 or 202
		return nil
	}
	return &Error{Status: res.StatusCode, RetryAfter: s.retryAfter(res.Header.Get("Retry-After"))}
}

// retryAfter reads seconds or a date.
func (s *Sender) retryAfter(v string) time.Duration {
	v = strings.TrimSpace(v)
	var d time.Duration
	if n, err := strconv.ParseUint(v, 10, 31); err == nil {
		d = time.Duration(n) * time.Second
	} else if at, err := http.ParseTime(v); err == nil {
		d = at.Sub(s.o.Now())
	}
	return max(0, min(d, maxRetryAfter))
}
