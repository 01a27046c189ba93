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

// ErrDowngrade says that the server offered something else than what the client was told: somebody on the way has
// changed it (XEP-0474 §6.2, XEP-0515 §4.2).
var ErrDowngrade = errors.New("sasl: what the server offered was changed on the way")

// A SCRAMClient is the client's side of one SCRAM exchange: Initial, Respond to the challenge, Verify the additional
// data of success. It is used by one goroutine.
type SCRAMClient struct {
	hash      Hash
	password  string
	name      string
	authzid   string
	nonce     string
	flag      string // "n", or "p=" and the type of channel binding
	data      []byte // of the channel binding
	saw       *Offer // nil: not checked
	signature []byte // what the server must prove with; nil before Respond
}

// NewSCRAMClient returns the client's side of a SCRAM exchange for hash h, without channel binding. authzid is "" for
// none. It returns ErrPrep if name cannot be one.
func NewSCRAMClient(h Hash, name, password, authzid string) (*SCRAMClient, error) {
	name, err := Prep(name)
	if err != nil {
		return nil, err
	}
	return &SCRAMClient{hash: h, name: name, password: password, authzid: authzid, nonce: newNonce(), flag: "n"}, nil
}

// Bind binds the exchange to a channel by one of its types, for the -PLUS mechanism. It is called before Initial.
func (c *SCRAMClient) Bind(ch Channel, kind string) error {
	data, ok := ch.Data(kind)
	if !ok {
		return fmt.Errorf("sasl: the channel has no %s", kind)
	}
	c.flag, c.data = "p="+kind, data
	return nil
}

// Saw tells what the server seemed to offer. Respond fails with ErrDowngrade where the server says otherwise.
func (c *SCRAMClient) Saw(o Offer) { c.saw = &o }

func (c *SCRAMClient) header() string {
	if c.authzid == "" {
		return c.flag + ",,"
	}
	return c.flag + ",a=" + encodeName(c.authzid) + ","
}

func (c *SCRAMClient) bare() string { return "n=" + encodeName(c.name) + ",r=" + c.nonce }

// Initial returns the first message.
func (c *SCRAMClient) Initial() []byte { return []byte(c.header() + c.bare()) }

// Respond returns the answer to the server's challenge. It fails with ErrServer if that is not one, or with
// ErrDowngrade.
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
	if err := c.compare(first); err != nil {
		return nil, err
	}
	salted, err := SaltedPassword(c.hash, c.password, first.salt, first.iterations)
	if err != nil {
		return nil, err
	}
	clientKey := c.hash.hmac(salted, "Client Key")
	withoutProof := "c=" + base64.StdEncoding.EncodeToString(append([]byte(c.header()), c.data...)) +
		",r=" + first.nonce
	auth := c.bare() + "," + string(challenge) + "," + withoutProof
	proof := c.hash.hmac(c.hash.sum(clientKey), auth)
	subtle.XORBytes(proof, proof, clientKey)
	c.signature = c.hash.hmac(c.hash.hmac(salted, "Server Key"), auth)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// compare is XEP-0474 §6.2 and XEP-0515 §4.2: what the server says of its offer, where it does, is what was seen.
func (c *SCRAMClient) compare(first serverFirst) error {
	if c.saw == nil {
		return nil
	}
	if h := first.attributes['h']; h != "" && h != c.saw.digest(c.hash) {
		return fmt.Errorf("%w: its mechanisms or types of channel binding", ErrDowngrade)
	}
	if t := first.attributes['t']; t != "" && t != fmt.Sprintf("%04x", c.saw.Channel.version) {
		return fmt.Errorf("%w: the version of TLS", ErrDowngrade)
	}
	return nil
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
