// SPDX-License-Identifier: Apache-2.0

package unifiedpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
)

// errToken says that an endpoint was not made here.
var errToken = errors.New("unifiedpush: not an endpoint of ours")

const (
	nonceSize = 12
	maxToken  = 6 << 10 // characters; the longest address has some 3,000 bytes
)

// A sealer writes endpoints as text that nobody else can read or make.
type sealer struct {
	aead   cipher.AEAD
	domain []byte
}

func newSealer(key [32]byte, domain string) sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("unifiedpush: " + err.Error()) // 32 bytes are a key
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		panic("unifiedpush: " + err.Error())
	}
	return sealer{aead, []byte(domain)}
}

func (s sealer) seal(e endpoint) string {
	plain := binary.BigEndian.AppendUint64(nil, uint64(e.until.Unix()))
	plain = append(plain, e.app[:]...)
	plain = append(plain, e.instance[:]...)
	plain = append(plain, e.to.String()...)
	nonce := make([]byte, nonceSize, nonceSize+len(plain)+s.aead.Overhead())
	rand.Read(nonce) // never fails
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nonce, nonce, plain, s.domain))
}

// open reads what seal wrote; errToken where it is something else. It does not look at the time.
func (s sealer) open(token string) (e endpoint, err error) {
	if len(token) > maxToken {
		return e, errToken
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(token)
	if err != nil || len(b) < nonceSize {
		return e, errToken
	}
	plain, err := s.aead.Open(nil, b[:nonceSize], b[nonceSize:], s.domain)
	if err != nil || len(plain) < 8+2*hashSize {
		return e, errToken
	}
	e.until = time.Unix(int64(binary.BigEndian.Uint64(plain)), 0).UTC()
	e.app, e.instance = [hashSize]byte(plain[8:]), [hashSize]byte(plain[8+hashSize:])
	if e.to, err = jid.Parse(string(plain[8+2*hashSize:])); err != nil {
		return e, errToken
	}
	return e, nil
}
