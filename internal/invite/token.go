// SPDX-License-Identifier: Apache-2.0

package invite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
)

// A Token is what stands in a link: 32 characters that need no escaping there.
type Token string

// A token is eight bytes of id and sixteen of its HMAC.
const (
	idLen  = 8
	macLen = 16
)

// Token returns the token of the invitation id.
func (s *Service) Token(id int64) Token {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, idLen+macLen), uint64(id))
	return Token(base64.RawURLEncoding.EncodeToString(append(b, s.mac(b)...)))
}

// id returns the id in t, and whether t is one of ours.
func (s *Service) id(t Token) (int64, bool) {
	if len(t) != base64.RawURLEncoding.EncodedLen(idLen+macLen) {
		return 0, false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(string(t))
	if err != nil || len(b) != idLen+macLen || !hmac.Equal(s.mac(b[:idLen]), b[idLen:]) {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(b)), true
}

func (s *Service) mac(id []byte) []byte {
	m := hmac.New(sha256.New, s.key[:])
	m.Write(id)
	return m.Sum(nil)[:macLen]
}
