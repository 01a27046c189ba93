// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"testing"
)

func raw(t testing.TB, s string) []byte {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The example of RFC 8291 §5, byte by byte.
func TestRFC8291Example(t *testing.T) {
	t.Parallel()
	to, err := Parse("https://push.example.net/push/JzLQ3raZJfFBR0aqvOMsLrt54w4rJUsV",
		"BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4",
		"BTBZMqHH6r4Tts7J_aSIgg", false)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ecdh.P256().NewPrivateKey(raw(t, "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := seal(to, []byte("When I grow up, I want to be a watermelon"), 0, key, raw(t, "DGv6ra1nlYgDCS1FRnbzlw"))
	if err != nil {
		t.Fatal(err)
	}
	const want = "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27ml" +
		"mlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPT" +
		"pK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
	if s := base64.RawURLEncoding.EncodeToString(got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// The example of RFC 8188 §3.1, whose one record has no name of a key.
func TestRFC8188Example(t *testing.T) {
	t.Parallel()
	got, err := encode(raw(t, "yqdlZ-tYemfogSmv7Ws5PQ"), raw(t, "I1BsxtFttlv3u_Oo94xnmw"), nil, []byte("I am the walrus"), 0)
	if err != nil {
		t.Fatal(err)
	}
	const want = "I1BsxtFttlv3u_Oo94xnmwAAEAAA-NAVub2qFgBEuQKRapoZu-IxkIva3MEB1PD-ly8Thjg"
	if s := base64.RawURLEncoding.EncodeToString(got); s != want {
		t.Errorf("got  %s\nwant %s", s, want)
	}
}

// A browser is the other side, for tests.
type browser struct {
	key  *ecdh.PrivateKey
	auth []byte
}

func newBrowser(t testing.TB) browser {
	t.Helper()
	key, err := ecdh.P256().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	auth := make([]byte, authSize)
	rand.Read(auth)
	return browser{key, auth}
}

func (b browser) at(t testing.TB, endpoint string) Subscription {
	t.Helper()
	enc := base64.RawURLEncoding
	s, err := Parse(endpoint, enc.EncodeToString(b.key.PublicKey().Bytes()), enc.EncodeToString(b.auth), true)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open is what a browser does, by RFC 8291 §3.4 and RFC 8188 §2.
func (b browser) open(body []byte) (string, error) {
	if len(body) < 86 || body[20] != 65 || binary.BigEndian.Uint32(body[16:20]) < uint32(len(body)-86) {
		return "", errors.New("header")
	}
	salt, theirs, record := body[:16], body[21:86], body[86:]
	pub, err := ecdh.P256().NewPublicKey(theirs)
	if err != nil {
		return "", err
	}
	shared, err := b.key.ECDH(pub)
	if err != nil {
		return "", err
	}
	ikm, err := hkdf.Key(sha256.New, shared, b.auth, "WebPush: info\x00"+string(b.key.PublicKey().Bytes())+string(theirs), 32)
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
	plain, err := gcm.Open(nil, nonce, record, nil)
	if err != nil {
		return "", err
	}
	text := strings.TrimRight(string(plain), "\x00")
	if !strings.HasSuffix(text, "\x02") {
		return "", errors.New("delimiter")
	}
	return strings.TrimSuffix(text, "\x02"), nil
}

// What is sent has one of four lengths, none too long for a push service, and is another each time.
func TestEncrypt(t *testing.T) {
	t.Parallel()
	b := newBrowser(t)
	to := b.at(t, "https://push.example/1")
	for _, c := range []struct{ plain, sent int }{
		{0, 615}, {1, 615}, {512, 615}, {513, 1127}, {1024, 1127}, {1025, 2151}, {2048, 2151}, {2049, 4096}, {3993, 4096},
	} {
		text := strings.Repeat("x", c.plain)
		body, err := encrypt(to, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		if len(body) != c.sent {
			t.Errorf("%d bytes become %d, want %d", c.plain, len(body), c.sent)
		}
		if got, err := b.open(body); err != nil || got != text {
			t.Errorf("%d bytes are read as %d, %v", c.plain, len(got), err)
		}
		if again, _ := encrypt(to, []byte(text)); string(again[:86]) == string(body[:86]) {
			t.Error("salt and key came twice")
		}
		if _, err := newBrowser(t).open(body); err == nil {
			t.Error("another browser can read it")
		}
	}
	if _, err := encrypt(to, make([]byte, MaxPlaintext+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("too long: %v", err)
	}
}

func BenchmarkEncrypt(b *testing.B) {
	to := newBrowser(b).at(b, "https://push.example/1")
	text := make([]byte, 800)
	for b.Loop() {
		if _, err := encrypt(to, text); err != nil {
			b.Fatal(err)
		}
	}
}
