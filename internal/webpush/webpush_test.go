// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/outward"
)

const (
	somePoint = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
	someAuth  = "BTBZMqHH6r4Tts7J_aSIgg"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, endpoint, key, auth string
		ok                        bool
	}{
		{"good", "https://push.example/1", somePoint, someAuth, true},
		{"padded", "https://push.example/1", somePoint + "=", someAuth + "==", true},
		{"plain http", "http://push.example/1", somePoint, someAuth, false},
		{"no URL", "push", somePoint, someAuth, false},
		{"another scheme", "ftp://push.example/1", somePoint, someAuth, false},
		{"no host", "https:///1", somePoint, someAuth, false},
		{"a name and a password", "https://a:b@push.example/1", somePoint, someAuth, false},
		{"too long", "https://push.example/" + strings.Repeat("x", maxEndpoint), somePoint, someAuth, false},
		{"no key", "https://push.example/1", "", someAuth, false},
		{"a point that is not on the curve", "https://push.example/1", somePoint[:80] + "AAAAAAA", someAuth, false},
		{"the point at infinity", "https://push.example/1", "AA", someAuth, false},
		{"plain base64", "https://push.example/1", somePoint, "BTBZMqHH6r4Tts7J/aSIgg", false},
		{"a short secret", "https://push.example/1", somePoint, "BTBZMqHH6r4Tts7J", false},
		{"a newline", "https://push.example/1\n", somePoint, someAuth, false},
	} {
		if _, err := Parse(c.endpoint, c.key, c.auth, false); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if _, err := Parse("http://push.example/1", somePoint, someAuth, false); !errors.Is(err, ErrInsecure) {
		t.Errorf("plain http: %v", err)
	}
	for endpoint, want := range map[string]string{
		"https://Push.Example/1":       "https://push.example",
		"https://push.example:443/1?x": "https://push.example",
		"https://push.example:8443/":   "https://push.example:8443",
		"https://push.example:/":       "https://push.example",
		"http://[::1]:80/1":            "http://[::1]",
		"http://127.0.0.1:8080/1":      "http://127.0.0.1:8080",
	} {
		s, err := Parse(endpoint, somePoint, someAuth, true)
		if err != nil || s.origin != want {
			t.Errorf("%s: origin %q, %v, want %q", endpoint, s.origin, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("https://push.example/1", somePoint, someAuth)
	f.Add("http://[::1]:80/1", somePoint+"=", "")
	f.Fuzz(func(t *testing.T, endpoint, key, auth string) {
		s, err := Parse(endpoint, key, auth, false)
		if err != nil {
			return
		}
		if !strings.HasPrefix(s.origin, "https://") || s.Host == "" || s.Endpoint != endpoint {
			t.Errorf("%q is read as %+v", endpoint, s)
		}
		if _, err := encrypt(s, []byte("x")); err != nil {
			t.Errorf("a subscription that was taken cannot be used: %v", err)
		}
	})
}

func testKey(t testing.TB) *Key {
	t.Helper()
	k, err := NewKey(func(label string) [32]byte { return sha256.Sum256([]byte(label)) })
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNewKey(t *testing.T) {
	t.Parallel()
	if a, b := testKey(t), testKey(t); a.Public() != b.Public() {
		t.Error("the key is not the same each time")
	}
	if n := len(raw(t, testKey(t).Public())); n != 65 {
		t.Errorf("the public key has %d bytes", n)
	}
	// What is no key is left out.
	bad := [32]byte{}
	for i := range bad {
		bad[i] = 0xff
	}
	k, err := NewKey(func(label string) [32]byte {
		switch label {
		case "web-push":
			return bad
		case "web-push-1":
			return [32]byte{}
		}
		return sha256.Sum256([]byte("web-push"))
	})
	if err != nil || k.Public() != testKey(t).Public() {
		t.Errorf("after two that are none: %v", err)
	}
	if _, err := NewKey(func(string) [32]byte { return [32]byte{} }); err == nil {
		t.Error("zeros make a key")
	}
}

// claims checks a token as a push service does (RFC 8292 §4.2), and returns what it says.
func claims(t testing.TB, header string) (audience, subject string, expires int64) {
	t.Helper()
	rest, ok := strings.CutPrefix(header, "vapid t=")
	token, key, ok2 := strings.Cut(rest, ",k=")
	parts := strings.Split(token, ".")
	if !ok || !ok2 || len(parts) != 3 {
		t.Fatalf("Authorization is %q", header)
	}
	pub, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), raw(t, key))
	if err != nil {
		t.Fatal(err)
	}
	sig := raw(t, parts[2])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if len(sig) != 64 || !ecdsa.Verify(pub, sum[:], new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])) {
		t.Error("the signature is wrong")
	}
	if h := string(raw(t, parts[0])); h != `{"typ":"JWT","alg":"ES256"}` {
		t.Errorf("header is %s", h)
	}
	var c struct {
		Aud, Sub string
		Exp      int64
	}
	if err := json.Unmarshal(raw(t, parts[1]), &c); err != nil {
		t.Fatal(err)
	}
	return c.Aud, c.Sub, c.Exp
}

// The example of RFC 8292 §2.4 is good by the rules that claims holds our own tokens to.
func TestRFC8292Example(t *testing.T) {
	t.Parallel()
	aud, sub, exp := claims(t, "vapid t=eyJ0eXAiOiJKV1QiLCJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJodHRwczovL3"+
		"B1c2guZXhhbXBsZS5uZXQiLCJleHAiOjE0NTM1MjM3NjgsInN1YiI6Im1ha"+
		"Wx0bzpwdXNoQGV4YW1wbGUuY29tIn0.i3CYb7t4xfxCDquptFOepC9GAu_H"+
		"LGkMlMuCGSK2rpiUfnK9ojFwDXb1JrErtmysazNjjvW2L9OkSSHzvoD1oA"+
		",k=BA1Hxzyi1RUM1b5wjxsn7nGxAszw2u61m164i3MrAIxHF6YK5h4SDYic-dRuU_RCPCfA5aq9ojSwk5Y2EmClBPs")
	if aud != "https://push.example.net" || sub != "mailto:push@example.com" || exp != 1453523768 {
		t.Errorf("it says %q, %q, %d", aud, sub, exp)
	}
}

func TestAuthorization(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	s := New(Options{Key: testKey(t), Contact: "https://kith.example", Now: func() time.Time { return now }})
	get := func(origin string) string {
		t.Helper()
		h, err := s.authorization(origin)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	first := get("https://push.example")
	aud, sub, exp := claims(t, first)
	if aud != "https://push.example" || sub != "https://kith.example" || exp != now.Add(12*time.Hour).Unix() {
		t.Errorf("it says %q, %q, %d", aud, sub, exp)
	}
	if get("https://push.example") != first {
		t.Error("a token is not used again")
	}
	if get("https://other.example") == first {
		t.Error("a token is used for another service")
	}
	now = now.Add(7 * time.Hour)
	if _, _, exp := claims(t, get("https://push.example")); exp != now.Add(12*time.Hour).Unix() {
		t.Error("an old token is used")
	}
	for i := range 2 * maxTokens {
		get("https://push" + strconv.Itoa(i) + ".example")
	}
	if n := len(s.tokens.by); n > maxTokens {
		t.Errorf("%d tokens are kept", n)
	}
}

// A service is a push service: it answers as it is told and keeps what it got.
type service struct {
	*httptest.Server
	mu     sync.Mutex
	got    []*http.Request
	bodies [][]byte
	answer func(w http.ResponseWriter)
}

func newService(t *testing.T, answer func(http.ResponseWriter)) *service {
	s := &service{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.got, s.bodies = append(s.got, r), append(s.bodies, body)
		s.mu.Unlock()
		s.answer(w)
	}))
	t.Cleanup(s.Close)
	return s
}

func sender(t testing.TB, d *outward.Dialer) *Sender {
	return New(Options{Client: d.Client(5 * time.Second), Key: testKey(t), Contact: "https://kith.example"})
}

func TestSend(t *testing.T) {
	t.Parallel()
	srv := newService(t, func(w http.ResponseWriter) { w.WriteHeader(http.StatusCreated) })
	b := newBrowser(t)
	err := sender(t, outward.Anywhere()).Send(t.Context(), b.at(t, srv.URL+"/push/1"),
		Message{Plaintext: []byte("hark"), TTL: 45 * time.Second, Urgency: High, Topic: "call"})
	if err != nil {
		t.Fatal(err)
	}
	r := srv.got[0]
	if r.Method != "POST" || r.URL.Path != "/push/1" {
		t.Errorf("%s %s", r.Method, r.URL.Path)
	}
	for name, want := range map[string]string{
		"TTL": "45", "Urgency": "high", "Topic": "call", "Content-Encoding": "aes128gcm", "Content-Type": "application/octet-stream",
	} {
		if got := r.Header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if aud, _, _ := claims(t, r.Header.Get("Authorization")); aud != srv.URL {
		t.Errorf("the token is for %s", aud)
	}
	// RFC 8292 §3.2: one key for signing, others for encrypting
	if k := r.Header.Get("Authorization"); strings.HasSuffix(k, base64.RawURLEncoding.EncodeToString(srv.bodies[0][21:86])) {
		t.Error("the key that signs is the one that encrypts")
	}
	if got, err := b.open(srv.bodies[0]); err != nil || got != "hark" {
		t.Errorf("the browser reads %q, %v", got, err)
	}
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		status     int
		retryAfter string
		ok         bool
		gone       bool
		large      bool
		later      bool
		after      time.Duration
	}{
		{status: 201, ok: true},
		{status: 200, ok: true},
		{status: 202, ok: true},
		{status: 302},
		{status: 307},
		{status: 400},
		{status: 401},
		{status: 403},
		{status: 404, gone: true},
		{status: 410, gone: true},
		{status: 413, large: true},
		{status: 429, later: true},
		{status: 429, retryAfter: "120", later: true, after: 2 * time.Minute},
		{status: 429, retryAfter: "99999999", later: true, after: 24 * time.Hour},
		{status: 500, later: true},
		{status: 503, retryAfter: "Fri, 15 Jan 2027 08:10:00 GMT", later: true, after: 10 * time.Minute},
		{status: 503, retryAfter: "Fri, 15 Jan 2027 07:00:00 GMT", later: true},
		{status: 503, retryAfter: "soon", later: true},
	} {
		srv := newService(t, func(w http.ResponseWriter) {
			w.Header().Set("Retry-After", c.retryAfter)
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(c.status)
			io.WriteString(w, strings.Repeat("a long story ", 100_000))
		})
		s := sender(t, outward.Anywhere())
		s.o.Now = func() time.Time { return time.Date(2027, 1, 15, 8, 0, 0, 0, time.UTC) }
		err := s.Send(t.Context(), newBrowser(t).at(t, srv.URL+"/1"), Message{Urgency: Normal})
		if c.ok {
			if err != nil {
				t.Errorf("%d: %v", c.status, err)
			}
			continue
		}
		e, ok := errors.AsType[*Error](err)
		if !ok {
			t.Errorf("%d: %v", c.status, err)
			continue
		}
		if e.Status != c.status || e.Gone() != c.gone || e.TooLarge() != c.large || e.Temporary() != c.later || e.RetryAfter != c.after {
			t.Errorf("%d %q: %+v", c.status, c.retryAfter, e)
		}
		if len(srv.got) != 1 {
			t.Errorf("%d: %d requests", c.status, len(srv.got))
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	srv := newService(t, func(w http.ResponseWriter) { w.WriteHeader(201) })
	to := newBrowser(t).at(t, srv.URL+"/1")

	err := sender(t, outward.New()).Send(t.Context(), to, Message{})
	if e, ok := errors.AsType[*Error](err); !ok || !e.Forbidden() || e.Temporary() || e.Status != 0 {
		t.Errorf("to an address of our own: %v", err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	err = sender(t, outward.Anywhere()).Send(ended, to, Message{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Forbidden() || !e.Temporary() {
		t.Errorf("out of time: %v", err)
	}
	srv.Close()
	err = sender(t, outward.Anywhere()).Send(t.Context(), to, Message{})
	if e, ok := errors.AsType[*Error](err); !ok || e.Forbidden() || !e.Temporary() {
		t.Errorf("nobody there: %v", err)
	}
	if len(srv.got) != 0 {
		t.Error("somebody was asked")
	}
}
