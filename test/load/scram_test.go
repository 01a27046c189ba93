// SPDX-License-Identifier: Apache-2.0

package load

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
)

// An account is one that exists on the server that is measured.
type account struct {
	name   string
	client string // id of its user agent
	token  string // of its last login2; "" before

	mu     sync.Mutex // guards the two below
	of     string     // salt and iterations that salted was made with
	salted []byte     // RFC 5802 §5.1 lets a client keep it; all others do it once per log-in
}

// saltedPassword is RFC 5802 §3, and done once.
func (a *account) saltedPassword(salt string, iterations int) ([]byte, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	of := salt + strconv.Itoa(iterations)
	if a.of == of {
		return a.salted, nil
	}
	b, err := base64.StdEncoding.DecodeString(salt)
	if err != nil {
		return nil, err
	}
	if a.salted, err = pbkdf2.Key(sha256.New, password, b, iterations, sha256.Size); err != nil {
		return nil, err
	}
	a.of = of
	return a.salted, nil
}

// A scram is one SCRAM-SHA-256 exchange (RFC 5802 §5).
type scram struct {
	account   *account
	nonce     string
	signature []byte // what the server must prove with
}

func (a *account) scram() *scram { return &scram{account: a, nonce: rand.Text()} }

func (x *scram) bare() string { return "n=" + x.account.name + ",r=" + x.nonce }

func (x *scram) initial() string { return "n,," + x.bare() }

func (x *scram) respond(challenge string) (string, error) {
	var nonce, salt, count string
	for part := range strings.SplitSeq(challenge, ",") {
		switch name, value, _ := strings.Cut(part, "="); name {
		case "r":
			nonce = value
		case "s":
			salt = value
		case "i":
			count = value
		}
	}
	iterations, err := strconv.Atoi(count)
	if err != nil || !strings.HasPrefix(nonce, x.nonce) {
		return "", fmt.Errorf("scram: challenge %q", challenge)
	}
	salted, err := x.account.saltedPassword(salt, iterations)
	if err != nil {
		return "", err
	}
	clientKey := mac(salted, "Client Key")
	stored := sha256.Sum256(clientKey)
	final := "c=biws,r=" + nonce
	auth := x.bare() + "," + challenge + "," + final
	proof := mac(stored[:], auth)
	subtle.XORBytes(proof, proof, clientKey)
	x.signature = mac(mac(salted, "Server Key"), auth)
	return final + ",p=" + base64.StdEncoding.EncodeToString(proof), nil
}

func (x *scram) verify(data []byte) error {
	if string(data) != "v="+base64.StdEncoding.EncodeToString(x.signature) {
		return errors.New("scram: the server did not prove that it knows the password")
	}
	return nil
}

func mac(key []byte, message string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}
