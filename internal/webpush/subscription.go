// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"crypto/ecdh"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// ErrInsecure says that an endpoint is not https (RFC 8030 §8).
var ErrInsecure = errors.New("webpush: the endpoint is not https")

const (
	maxEndpoint = 2048 // bytes
	authSize    = 16   // RFC 8291 §3.2
)

// A Subscription is how a browser can be reached. Make it with Parse.
type Subscription struct {
	Endpoint string
	Host     string // of the endpoint: a name or an address, without port

	origin string
	key    *ecdh.PublicKey
	auth   []byte
}

// Parse checks what a browser gave: the endpoint, its key and its secret, the latter two in base64url with or without
// padding. Where insecure is true the endpoint may be plain http, which is for tests. It returns ErrInsecure, or another
// error that says what is malformed and may be shown.
func Parse(endpoint, p256dh, auth string, insecure bool) (Subscription, error) {
	u, err := url.Parse(endpoint)
	switch {
	case err != nil || len(endpoint) > maxEndpoint || u.Host == "" || u.Hostname() == "" || u.User != nil || u.Fragment != "":
		return Subscription{}, errors.New("webpush: the endpoint is no URL")
	case u.Scheme != "https" && !(insecure && u.Scheme == "http"):
		return Subscription{}, ErrInsecure
	}
	point, err := decode(p256dh)
	if err != nil {
		return Subscription{}, fmt.Errorf("webpush: p256dh: %w", err)
	}
	key, err := ecdh.P256().NewPublicKey(point) // RFC 8291 §7: it is on the curve
	if err != nil {
		return Subscription{}, errors.New("webpush: p256dh is no point of P-256")
	}
	secret, err := decode(auth)
	if err != nil {
		return Subscription{}, fmt.Errorf("webpush: auth: %w", err)
	}
	if len(secret) != authSize {
		return Subscription{}, errors.New("webpush: auth is not 16 bytes")
	}
	return Subscription{Endpoint: endpoint, Host: strings.ToLower(u.Hostname()), origin: origin(u), key: key, auth: secret}, nil
}

var errEncoding = errors.New("not base64url")

// decode reads base64url as browsers write it.
func decode(s string) ([]byte, error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(strings.TrimRight(s, "="))
	if err != nil {
		return nil, errEncoding
	}
	return b, nil
}

// origin is what the token is good for (RFC 8292 §2): scheme, host, and the port unless it is the usual one.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Host)
	switch {
	case u.Scheme == "https":
		host = strings.TrimSuffix(host, ":443")
	case u.Scheme == "http":
		host = strings.TrimSuffix(host, ":80")
	}
	return u.Scheme + "://" + strings.TrimSuffix(host, ":")
}
