// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"sync"
	"time"
)

const (
	tokenLife  = 12 * time.Hour // RFC 8292 §2: 24 hours at most, whatever the two clocks say
	tokenReuse = 6 * time.Hour  // RFC 8292 §5: a token is used again, so that it need not be checked again
	maxTokens  = 256            // push services; when there are more, all tokens are made anew
)

// A Key is what the server signs with (RFC 8292 §2). It is used for nothing else (RFC 8292 §3.2).
type Key struct {
	private *ecdsa.PrivateKey
	public  string
}

// NewKey derives the key; derive returns 32 bytes for a label, always the same and like random ones.
//
// A number from 1 to the order of the curve, less one, is a key, and nearly all numbers of 256 bits are such. One that is
// not is left out for the next, which is how keys are made of random bits without preferring any.
func NewKey(derive func(label string) [32]byte) (*Key, error) {
	for i := range 16 {
		label := "web-push"
		if i > 0 {
			label += "-" + strconv.Itoa(i)
		}
		seed := derive(label)
		private, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
		if err != nil {
			continue
		}
		point, err := private.PublicKey.Bytes()
		if err != nil {
			return nil, fmt.Errorf("webpush: %w", err)
		}
		return &Key{private, base64.RawURLEncoding.EncodeToString(point)}, nil
	}
	return nil, fmt.Errorf("webpush: what keys are derived from is not like random bits")
}

// Public is the key that browsers make subscriptions for: the uncompressed point in base64url (RFC 8292 §3.2).
func (k *Key) Public() string { return k.public }

// tokens are those that were made, by the origin they are for. The zero value is ready.
type tokens struct {
	mu sync.Mutex
	by map[string]token
}

type token struct {
	header string
	until  time.Time // that it is used
}

// authorization returns the header's value for an origin (RFC 8292 §3).
func (s *Sender) authorization(origin string) (string, error) {
	now := s.o.Now()
	s.tokens.mu.Lock()
	defer s.tokens.mu.Unlock()
	if t, ok := s.tokens.by[origin]; ok && now.Before(t.until) {
		return t.header, nil
	}
	jwt, err := s.o.Key.sign(origin, s.o.Contact, now.Add(tokenLife))
	if err != nil {
		return "", err
	}
	if s.tokens.by == nil || len(s.tokens.by) >= maxTokens {
		s.tokens.by = map[string]token{}
	}
	header := "vapid t=" + jwt + ",k=" + s.o.Key.public
	s.tokens.by[origin] = token{header, now.Add(tokenReuse)}
	return header, nil
}

// sign makes the token (RFC 8292 §2): a JWT (RFC 7519 §3.1) that is signed with ES256 (RFC 7518 §3.4).
func (k *Key) sign(audience, contact string, expires time.Time) (string, error) {
	claims, err := json.Marshal(struct {
		Audience string `json:"aud"`
		Expires  int64  `json:"exp"`
		Subject  string `json:"sub,omitempty"`
	}{audience, expires.Unix(), contact})
	if err != nil {
		return "", err
	}
	enc := base64.RawURLEncoding
	signed := enc.EncodeToString([]byte(`{"typ":"JWT","alg":"ES256"}`)) + "." + enc.EncodeToString(claims)
	sum := sha256.Sum256([]byte(signed))
	r, v, err := ecdsa.Sign(rand.Reader, k.private, sum[:])
	if err != nil {
		return "", fmt.Errorf("webpush: sign: %w", err)
	}
	var signature [64]byte
	r.FillBytes(signature[:32])
	v.FillBytes(signature[32:])
	return signed + "." + enc.EncodeToString(signature[:]), nil
}
