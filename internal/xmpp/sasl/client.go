// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
)

// maxIterations is what a client computes at most, so that a server cannot keep it busy (RFC 5802 §9).
const maxIterations = 1_000_000

// ErrServer says that the server could not prove that it knows the credentials, or broke the protocol.
var ErrServer = errors.New("sasl: the server's messages are not what they must be")

// A SCRAMClient is the client's side of one SCRAM exchange without channel binding: Initial, Respond to the
// challenge, Verify the additional data of success. It is used by one goroutine.
type SCRAMClient struct {
	hash      Hash
	password  string
	name      string
	authzid   string
	nonce     string
	signature []byte // what the server must prove with; nil before Respond
}

// NewSCRAMClient returns the client's side of a SCRAM exchange for hash h. authzid is "" for none. It returns
// ErrPrep if name cannot be one.
func NewSCRAMClient(h Hash, name, password, authzid string) (*SCRAMClient, error) {
	name, err := Prep(name)
	if err != nil {
		return nil, err
	}
	return &SCRAMClient{hash: h, name: name, password: password, authzid: authzid, nonce: newNonce()}, nil
}

func (c *SCRAMClient) header() string {
	if c.authzid == "" {
		return "n,,"
	}
	return "n,a=" + encodeName(c.authzid) + ","
}

func (c *SCRAMClient) bare() string { return "n=" + encodeName(c.name) + ",r=" + c.nonce }

// Initial returns the first message.
func (c *SCRAMClient) Initial() []byte { return []byte(c.header() + c.bare()) }

// Respond returns the answer to the server's challenge. It fails with ErrServer if that is not one.
func (c *SCRAMClient) Respond(challenge []byte) ([]byte, error) {
	first, bad := parseServerFirst(challenge)
	if bad != nil {
		return nil, fmt.Errorf("%w: %s", ErrServer, bad.Text)
	}
	// RFC 5802 §5.1: the nonce must begin with ours, and be more than ours.
	if !strings.HasPrefix(first.nonce, c.nonce) || len(first.nonce) == len(c.nonce) {
		return nil, fmt.Errorf("%w: another nonce", ErrServer)
	}
	if first.iterations > maxIterations {
		return nil, fmt.Errorf("%w: too many iterations", ErrServer)
	}
	salted, err := saltedPassword(c.hash, c.password, first.salt, first.iterations)
	if err != nil {
		return nil, err
	}
	clientKey := c.hash.hmac(salted, "Client Key")
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(c.header())) + ",r=" + first.nonce
	auth := c.bare() + "," + string(challenge) + "," + withoutProof
	proof := c.hash.hmac(c.hash.sum(clientKey), auth)
	subtle.XORBytes(proof, proof, clientKey)
	c.signature = c.hash.hmac(c.hash.hmac(salted, "Server Key"), auth)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// Verify checks the additional data that came with the server's success. It returns ErrServer if the server did
// not prove that it has the credentials; the exchange is then void (RFC 5802 §5).
func (c *SCRAMClient) Verify(data []byte) error {
	v, ok := strings.CutPrefix(string(data), "v=")
	if !ok || c.signature == nil {
		return ErrServer
	}
	v, extensions, _ := strings.Cut(v, ",")
	if extensions != "" && checkExtensions(strings.Split(extensions, ",")) != nil {
		return ErrServer
	}
	got, ok := decode64(v)
	if !ok || subtle.ConstantTimeCompare(got, c.signature) != 1 {
		return ErrServer
	}
	return nil
}
