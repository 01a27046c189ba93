// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A Browser is one that a device has registered for Web Push, with the push service that brings it what it is sent.
type Browser struct {
	Endpoint string

	w    *World
	key  *ecdh.PrivateKey
	auth []byte

	mu     sync.Mutex
	status int // what the service answers; 0: 201
	header http.Header
	got    []Pushed
}

// A Pushed is what came to a browser.
type Pushed struct {
	At      time.Time
	Header  http.Header // of the request to the push service
	Payload xmlstream.Node
}

// Browser makes a browser.
func (w *World) Browser(name string) *Browser {
	w.T.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		w.T.Fatal(err)
	}
	b := &Browser{Endpoint: "https://push.example/" + name, w: w, key: key, auth: make([]byte, 16)}
	rand.Read(b.auth) // never fails
	w.browsers.Store(b.Endpoint, b)
	return b
}

// Element is the element by which an app tells the server of the browser.
func (b *Browser) Element() string {
	enc := base64.RawURLEncoding.EncodeToString
	return fmt.Sprintf(`<webpush endpoint="%s" p256dh="%s" auth="%s"/>`, b.Endpoint, enc(b.key.PublicKey().Bytes()), enc(b.auth))
}

// Enable has a device register the browser; more is what else the request has. What the device was sent is gone.
func (b *Browser) Enable(d *Device, more string) {
	b.w.T.Helper()
	d.Sendf(`<iq type="set" id="enable"><enable xmlns="https://kith.im/ns/webpush/0">%s%s</enable></iq>`, b.Element(), more)
	b.w.Settle()
	for _, st := range d.Take() {
		if st.ID == "enable" && st.Type != "result" {
			b.w.T.Fatalf("%v: not enabled: %s", d.JID, st.Raw())
		}
	}
}

// Answer has the push service answer so from now on, with these headers: names and values.
func (b *Browser) Answer(status int, headers ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.header = status, http.Header{}
	for i := 0; i < len(headers); i += 2 {
		b.header.Set(headers[i], headers[i+1])
	}
}

// Take returns what came to the push service since the last call, whatever it has answered.
func (b *Browser) Take() []Pushed {
	b.mu.Lock()
	defer b.mu.Unlock()
	got := b.got
	b.got = nil
	return got
}

// RoundTrip is the push service of all browsers of the world.
func (w *World) RoundTrip(r *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body.Close()
	v, ok := w.browsers.Load(r.URL.String())
	if !ok {
		return nil, errors.New("there is no such push service")
	}
	b := v.(*Browser)
	text, err := b.open(body)
	if err != nil {
		w.T.Errorf("%s cannot read what it was sent: %v", b.Endpoint, err)
	}
	el, err := xmlstream.Parse(text, xmlstream.AfterAuth)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", text, err)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.got = append(b.got, Pushed{time.Now(), r.Header, el.Root()})
	status := b.status
	if status == 0 {
		status = http.StatusCreated
	}
	return &http.Response{StatusCode: status, Header: b.header, Body: io.NopCloser(strings.NewReader("")), Request: r}, nil
}

// open decrypts what came (RFC 8291 §3.4).
func (b *Browser) open(body []byte) (string, error) {
	if len(body) < 86 || len(body) > 4096 || body[20] != 65 {
		return "", fmt.Errorf("%d bytes are no push", len(body))
	}
	salt, theirs := body[:16], body[21:86]
	public, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return "", err
	}
	shared, err := b.key.ECDH(public)
	if err != nil {
		return "", err
	}
	info := "WebPush: info\x00" + string(b.key.PublicKey().Bytes()) + string(theirs)
	ikm, err := hkdf.Key(sha256.New, shared, b.auth, info, 32)
	if err != nil {
		return "", err
	}
	cek, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return "", err
	}
	nonce, err := hkdf.Key(sha256.New, ikm, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return "", err
	}
	block, err := aes.NewCipher(cek)
	if err != nil {
		return "", err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return "", err
	}
	plain, err := gcm.Open(nil, nonce, body[86:], nil)
	if err != nil {
		return "", err
	}
	return strings.TrimSuffix(strings.TrimRight(string(plain), "\x00"), "\x02"), nil
}
