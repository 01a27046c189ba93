// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"errors"
)

const (
	saltSize   = 16
	recordSize = 4096 // RFC 8291 §4: greater than what is in the one record
	delimiter  = 2    // RFC 8188 §2: behind it stand zeros only, and the record is the last
)

// ErrTooLong says that a plaintext is longer than MaxPlaintext.
var ErrTooLong = errors.New("webpush: too long")

// steps are the lengths that plaintexts are padded to, so that their length tells little (RFC 8291 §7).
func steps() []int { return []int{512, 1024, 2048, MaxPlaintext} }

// encrypt makes the body of a push: a key pair and a salt of its own each time.
func encrypt(to Subscription, plaintext []byte) ([]byte, error) {
	for _, size := range steps() {
		if len(plaintext) <= size {
			key, err := ecdh.P256().GenerateKey(rand.Reader)
			if err != nil {
				return nil, err
			}
			salt := make([]byte, saltSize)
			rand.Read(salt) // never fails
			return seal(to, plaintext, size-len(plaintext), key, salt)
		}
	}
	return nil, ErrTooLong
}

// seal encrypts for a browser (RFC 8291 §3.4).
func seal(to Subscription, plaintext []byte, padding int, key *ecdh.PrivateKey, salt []byte) ([]byte, error) {
	shared, err := key.ECDH(to.key)
	if err != nil {
		return nil, err
	}
	ours := key.PublicKey().Bytes()
	info := "WebPush: info\x00" + string(to.key.Bytes()) + string(ours) // RFC 8291 §3.3
	ikm, err := hkdf.Key(sha256.New, shared, to.auth, info, 32)
	if err != nil {
		return nil, err
	}
	return encode(ikm, salt, ours, plaintext, padding)
}

// encode is the content coding aes128gcm with a single record (RFC 8188 §2).
func encode(ikm, salt, keyID, plaintext []byte, padding int) ([]byte, error) {
	prk, err := hkdf.Extract(sha256.New, ikm, salt)
	if err != nil {
		return nil, err
	}
	cek, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: aes128gcm\x00", 16) // RFC 8188 §2.2
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Expand(sha256.New, prk, "Content-Encoding: nonce\x00", 12) // RFC 8188 §2.3; of record 0
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	record := make([]byte, len(plaintext)+1+padding)
	copy(record, plaintext)
	record[len(plaintext)] = delimiter

	out := make([]byte, 0, saltSize+5+len(keyID)+len(record)+gcm.Overhead())
	out = append(out, salt...) // RFC 8188 §2.1
	out = binary.BigEndian.AppendUint32(out, recordSize)
	out = append(out, byte(len(keyID)))
	out = append(out, keyID...)
	return gcm.Seal(out, nonce, record, nil), nil
}
