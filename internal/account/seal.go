// SPDX-License-Identifier: Apache-2.0

package account

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
)

// errSealed says that a stored secret was sealed under another key or for another place.
var errSealed = errors.New("account: stored secret does not open")

// sealer encrypts secrets for the store by AES-256-GCM, so that the database alone lets nobody in.
type sealer struct{ aead cipher.AEAD }

func newSealer(key [32]byte) sealer {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		panic("account: " + err.Error()) // only the length of the key could be wrong
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic("account: " + err.Error())
	}
	return sealer{aead}
}

// place is where a secret belongs: a row copied to another account or client opens no door there.
func place(account int64, kind, client, mech string) []byte {
	return fmt.Appendf(nil, "%s\x00%d\x00%s\x00%s", kind, account, mech, client)
}

func (s sealer) seal(secret string, place []byte) []byte {
	return s.aead.Seal(nil, nil, []byte(secret), place)
}

func (s sealer) open(sealed, place []byte) ([]byte, error) {
	b, err := s.aead.Open(nil, nil, sealed, place)
	if err != nil {
		return nil, errSealed
	}
	return b, nil
}

// newSecret returns 192 random bits as text.
func newSecret() string {
	var b [24]byte
	rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
