// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/subtle"
	"fmt"
	"hash"
	"strings"
)

// A Hash is the hash function of a SCRAM mechanism.
type Hash uint8

// The hash functions; the zero value is none of them.
const (
	SHA1   Hash = iota + 1 // of SCRAM-SHA-1; RFC 5802 uses it where its weakness to collisions does not matter
	SHA256                 // of SCRAM-SHA-256
	SHA512                 // of SCRAM-SHA-512
)

// Hashes are all hash functions, strongest first.
func Hashes() []Hash { return []Hash{SHA512, SHA256, SHA1} }

const (
	scramPrefix = "SCRAM-"
	plusSuffix  = "-PLUS"
)

// HashOf returns the hash function of a SCRAM mechanism, with or without channel binding, and whether mech is one.
func HashOf(mech string) (Hash, bool) {
	name, ok := strings.CutPrefix(strings.TrimSuffix(mech, plusSuffix), scramPrefix)
	if !ok {
		return 0, false
	}
	for _, h := range Hashes() {
		if h.String() == name {
			return h, true
		}
	}
	return 0, false
}

// IsPlus reports whether mech is the variant with channel binding of a SCRAM mechanism (RFC 5802 §4).
func IsPlus(mech string) bool {
	_, ok := HashOf(mech)
	return ok && strings.HasSuffix(mech, plusSuffix)
}

// Mechanism returns the name of the SCRAM mechanism with that hash function; plus: its variant with channel binding.
func (h Hash) Mechanism(plus bool) string {
	if plus {
		return scramPrefix + h.String() + plusSuffix
	}
	return scramPrefix + h.String()
}

// String returns the name of h as in the names of mechanisms.
func (h Hash) String() string {
	switch h {
	case SHA1:
		return "SHA-1"
	case SHA256:
		return "SHA-256"
	}
	return "SHA-512"
}

// Size returns the length of a sum in bytes.
func (h Hash) Size() int { return h.new().Size() }

func (h Hash) new() hash.Hash {
	switch h {
	case SHA1:
		return sha1.New()
	case SHA256:
		return sha256.New()
	}
	return sha512.New()
}

func (h Hash) sum(b []byte) []byte {
	d := h.new()
	d.Write(b)
	return d.Sum(nil)
}

func (h Hash) hmac(key []byte, message string) []byte {
	m := hmac.New(h.new, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// Credentials are what a server keeps of a password for one hash function (RFC 5802 §3). Who has them can
// neither log in with them nor read the password from them, but can try passwords against them.
type Credentials struct {
	Salt       []byte // random, or made up from the name
	Iterations int    // of PBKDF2
	StoredKey  []byte // H(ClientKey)
	ServerKey  []byte // by which the server proves to the client that it has the credentials
}

// Derive makes the credentials of a password for h. It returns ErrPrep if the password cannot be one. It costs
// iterations of HMAC, some milliseconds. The credentials keep salt.
func Derive(h Hash, password string, salt []byte, iterations int) (Credentials, error) {
	salted, err := SaltedPassword(h, password, salt, iterations)
	if err != nil {
		return Credentials{}, err
	}
	return FromSalted(h, salted, salt, iterations), nil
}

// FromSalted makes the credentials of a password that was salted elsewhere (XEP-0480 §3). They keep salt.
func FromSalted(h Hash, salted, salt []byte, iterations int) Credentials {
	return Credentials{
		Salt:       salt,
		Iterations: iterations,
		StoredKey:  h.sum(h.hmac(salted, "Client Key")),
		ServerKey:  h.hmac(salted, "Server Key"),
	}
}

// Check reports whether password is the one that c was derived from with h. It costs as much as Derive,
// whatever the result, unless the password cannot be one.
func (c Credentials) Check(h Hash, password string) bool {
	other, err := Derive(h, password, c.Salt, c.Iterations)
	return err == nil && subtle.ConstantTimeCompare(c.StoredKey, other.StoredKey) == 1
}

// SaltedPassword is RFC 5802 §3: Hi(Normalize(password), salt, i). It returns ErrPrep if the password cannot be one.
// Who has it can log in by h.
func SaltedPassword(h Hash, password string, salt []byte, iterations int) ([]byte, error) {
	password, err := Prep(password)
	if err != nil {
		return nil, err
	}
	salted, err := pbkdf2.Key(h.new, password, salt, iterations, h.Size())
	if err != nil {
		return nil, fmt.Errorf("sasl: derive credentials: %w", err)
	}
	return salted, nil
}
