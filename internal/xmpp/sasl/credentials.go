// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"hash"
)

// A Hash is the hash function of a SCRAM mechanism.
type Hash uint8

// The hash functions; the zero value is none of them.
const (
	SHA1   Hash = iota + 1 // of SCRAM-SHA-1; RFC 5802 uses it where its weakness to collisions does not matter
	SHA256                 // of SCRAM-SHA-256
)

// HashOf returns the hash function of a SCRAM mechanism, and whether mech is one.
func HashOf(mech string) (Hash, bool) {
	switch mech {
	case SCRAMSHA1:
		return SHA1, true
	case SCRAMSHA256:
		return SHA256, true
	}
	return 0, false
}

// String returns the name of h as in the names of mechanisms.
func (h Hash) String() string {
	if h == SHA1 {
		return "SHA-1"
	}
	return "SHA-256"
}

// Size returns the length of a sum in bytes.
func (h Hash) Size() int { return h.new().Size() }

func (h Hash) new() hash.Hash {
	if h == SHA1 {
		return sha1.New()
	}
	return sha256.New()
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
	salted, err := saltedPassword(h, password, salt, iterations)
	if err != nil {
		return Credentials{}, err
	}
	return Credentials{
		Salt:       salt,
		Iterations: iterations,
		StoredKey:  h.sum(h.hmac(salted, "Client Key")),
		ServerKey:  h.hmac(salted, "Server Key"),
	}, nil
}

// Check reports whether password is the one that c was derived from with h. It costs as much as Derive,
// whatever the result, unless the password cannot be one.
func (c Credentials) Check(h Hash, password string) bool {
	other, err := Derive(h, password, c.Salt, c.Iterations)
	return err == nil && subtle.ConstantTimeCompare(c.StoredKey, other.StoredKey) == 1
}

// saltedPassword is RFC 5802 §3: Hi(Normalize(password), salt, i).
func saltedPassword(h Hash, password string, salt []byte, iterations int) ([]byte, error) {
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
