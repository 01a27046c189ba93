// SPDX-License-Identifier: Apache-2.0

package certfile

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// A clock is a time that a test moves.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) pass(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

// A lines collects log lines.
type lines struct {
	mu sync.Mutex
	bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.Buffer.Write(p)
}

func (l *lines) count(what string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.String(), what)
}

func discard() *slog.Logger { return slog.New(slog.DiscardHandler) }

func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	folder, now := filepath.Join(t.TempDir(), "data"), time.Now
	s, err := OpenOwn(folder, "localhost", now, discard())
	if err != nil {
		t.Fatal(err)
	}
	leaf := s.Certificate().Leaf
	for _, name := range []string{"localhost", "127.0.0.1", "::1"} {
		if err := leaf.VerifyHostname(name); err != nil {
			t.Error(err)
		}
	}
	if k, ok := leaf.PublicKey.(*ecdsa.PublicKey); !ok || k.Curve != elliptic.P256() {
		t.Errorf("the key is a %T", leaf.PublicKey)
	}
	info, err := os.Stat(filepath.Join(folder, ownKey))
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode().Perm(); m != 0o600 {
		t.Errorf("the key's mode is %o", m)
	}

	again, err := OpenOwn(folder, "localhost", now, discard())
	if err != nil {
		t.Fatal(err)
	}
	if !again.Certificate().Leaf.Equal(leaf) {
		t.Error("a second start made a new certificate")
	}
	later := func() time.Time { return time.Now().Add(lifetime - remaining) }
	for _, tt := range []struct {
		name, domain string
		now          func() time.Time
	}{
		{"another domain", "kith.example", now},
		{"about to expire", "kith.example", later},
		{"an address for a domain", "[::1]", now},
	} {
		other, err := OpenOwn(folder, tt.domain, tt.now, discard())
		if err != nil {
			t.Fatal(err)
		}
		if got := other.Certificate().Leaf; got.Equal(leaf) || got.VerifyHostname(tt.domain) != nil {
			t.Errorf("%s: the certificate is for %v %v", tt.name, got.DNSNames, got.IPAddresses)
		}
		leaf = other.Certificate().Leaf
	}
}

func TestNoOwnCertificateOutsideOfASCII(t *testing.T) {
	t.Parallel()
	if _, err := OpenOwn(t.TempDir(), "bücher.example", time.Now, discard()); !errors.Is(err, ErrDomain) {
		t.Errorf("error %v", err)
	}
}

// What a crash between the two files leaves is mended at the next start.
func TestOwnCertificateAfterACrash(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	if _, err := OpenOwn(folder, "kith.example", time.Now, discard()); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(folder, ownKey), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := OpenOwn(folder, "kith.example", time.Now, discard()); err != nil {
		t.Error(err)
	}
}

func TestFilesAreReadAgain(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	certificate, key := filepath.Join(folder, "c.pem"), filepath.Join(folder, "k.pem")
	age := time.Now().Add(-time.Hour)
	put := func(domain string) {
		t.Helper()
		if err := makeOwn(certificate, key, domain, time.Now()); err != nil {
			t.Fatal(err)
		}
		age = age.Add(time.Second) // file systems with coarse times must not make this test lie
		if err := errors.Join(os.Chtimes(certificate, age, age), os.Chtimes(key, age, age)); err != nil {
			t.Fatal(err)
		}
	}
	put("one.example")
	c, log := &clock{t: time.Now()}, &lines{}
	s, err := Open(certificate, key, c.now, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	shows := func(when, domain string) {
		t.Helper()
		if got := s.Certificate().Leaf.DNSNames[0]; got != domain {
			t.Errorf("%s it shows %s, want %s", when, got, domain)
		}
	}

	put("two.example")
	shows("at once", "one.example")
	c.pass(interval)
	shows("a few seconds later", "two.example")

	put("three.example")
	broken, err := os.ReadFile(certificate)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(certificate, broken[:len(broken)/2], 0o600); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.pass(interval)
		shows("with half a file", "two.example")
	}
	if n := log.count("cannot be used"); n != 1 {
		t.Errorf("the broken file was logged %d times", n)
	}
	if err := os.Remove(key); err != nil {
		t.Fatal(err)
	}
	c.pass(interval)
	shows("without a key", "two.example")
	put("four.example")
	c.pass(interval)
	shows("with good files again", "four.example")

	c.pass(lifetime)
	s.Certificate()
	c.pass(interval)
	s.Certificate()
	if n := log.count("has expired"); n != 1 {
		t.Errorf("the end of the certificate was logged %d times", n)
	}
}

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	a, ak := filepath.Join(folder, "a.pem"), filepath.Join(folder, "a.key")
	b, bk := filepath.Join(folder, "b.pem"), filepath.Join(folder, "b.key")
	if err := errors.Join(makeOwn(a, ak, "a.example", time.Now()), makeOwn(b, bk, "b.example", time.Now())); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(a, bk, time.Now, discard()); err == nil {
		t.Error("a certificate with the key of another was taken")
	}
	if _, err := Open(a, filepath.Join(folder, "none"), time.Now, discard()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a key that is not there: %v", err)
	}
}

// Handshakes run beside each other while the files change.
func TestHandshakes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	c := &clock{t: time.Now()}
	s, err := OpenOwn(folder, "localhost", c.now, discard())
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(s.Certificate().Leaf)
	config := s.TLSConfig()

	shake := func(client *tls.Config) (tls.ConnectionState, error) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		client.RootCAs, client.ServerName = roots, "localhost"
		served := make(chan error, 1)
		go func() { served <- tls.Server(far, config).Handshake(); far.Close() }() // received below
		conn := tls.Client(near, client)
		err := conn.Handshake()
		near.Close()
		<-served
		return conn.ConnectionState(), err
	}
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			c.pass(interval)
			if _, err := shake(&tls.Config{}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()

	state, err := shake(&tls.Config{MaxVersion: tls.VersionTLS12})
	if err != nil || state.Version != tls.VersionTLS12 {
		t.Errorf("TLS 1.2: %x, %v", state.Version, err)
	}
	if _, err := shake(&tls.Config{MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}); err == nil {
		t.Error("TLS 1.1 was accepted")
	}
	cbc := []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA}
	if _, err := shake(&tls.Config{MaxVersion: tls.VersionTLS12, CipherSuites: cbc}); err == nil {
		t.Error("a suite without authenticated encryption was accepted")
	}
}
