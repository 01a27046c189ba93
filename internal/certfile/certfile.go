// SPDX-License-Identifier: Apache-2.0

// Package certfile has the certificate that the server shows: from files of the person who runs it, or its own.
//
// Files are read again when they change, so that whoever renews them needs to tell nobody. There is no goroutine for it:
// a handshake looks at the files' times if nobody did for a few seconds, and files that cannot be used, such as a
// certificate whose key is not there yet, change nothing until they can.
//
// Without files the server makes a certificate of its own at its first start and keeps it in its data folder: ECDSA on
// P-256, for its domain, signed by itself. Apps ask a person before they trust it, and remember it, so it is kept for
// as long as it fits the domain.
//
// TLSConfig follows RFC 9325: TLS 1.2 with ephemeral keys and authenticated encryption, or TLS 1.3. RFC 7590 asks XMPP
// to do the same.
package certfile

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// interval is how long what was seen of the files is believed.
const interval = 5 * time.Second

// A Source is a certificate and its key, and the two files they come from. It may be used by many goroutines.
type Source struct {
	certificate, key string // paths
	log              *slog.Logger
	now              func() time.Time

	current atomic.Pointer[tls.Certificate]

	mu      sync.Mutex // guards what is below; held while files are read
	looked  time.Time  // when the files were last looked at
	seen    stamp      // what they were like then
	logged  string     // the last problem that was logged, so that each is logged once
	expires time.Time  // of current
}

// A stamp tells one state of the two files from another.
type stamp struct {
	certificate, key times
}

type times struct {
	modified time.Time
	size     int64
}

// Open reads a certificate with its chain and its key from two PEM files. now is time.Now but in tests.
func Open(certificate, key string, now func() time.Time, log *slog.Logger) (*Source, error) {
	s := &Source{certificate: certificate, key: key, log: log, now: now}
	s.mu.Lock()
	defer s.mu.Unlock()
	seen, err := s.stamp()
	if err != nil {
		return nil, fmt.Errorf("read the certificate: %w", err)
	}
	if err := s.load(seen); err != nil {
		return nil, err
	}
	return s, nil
}

// TLSConfig returns a configuration for a server that shows this certificate. It is the caller's to change.
func (s *Source) TLSConfig() *tls.Config {
	return &tls.Config{
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return s.Certificate(), nil },
		MinVersion:     tls.VersionTLS12, // RFC 9325 §3.1.1
		CipherSuites: []uint16{ // RFC 9325 §4.2; those of TLS 1.3 are all good and not for us to choose
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
			tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		Renegotiation: tls.RenegotiateNever, // RFC 9325 §3.5
	}
}

// Certificate returns the certificate to show now. If the files have not been looked at for a few seconds, and nobody
// else is doing it, they are looked at first.
func (s *Source) Certificate() *tls.Certificate {
	if s.mu.TryLock() {
		s.look()
		s.mu.Unlock()
	}
	return s.current.Load()
}

// look reads the files again if they changed. mu is held.
func (s *Source) look() {
	now := s.now()
	if now.Sub(s.looked) < interval {
		return
	}
	s.looked = now
	seen, err := s.stamp()
	switch {
	case err != nil:
		s.complain("the certificate's files cannot be read; the last one stays in use", err)
	case seen != s.seen:
		if err := s.load(seen); err != nil {
			s.complain("the new certificate cannot be used; the last one stays in use", err)
			return
		}
		s.log.Info("certificate read again", "expires", s.expires)
	}
	if now.After(s.expires) {
		s.complain("the certificate has expired", fmt.Errorf("it was good until %s", s.expires.Format(time.DateTime)))
	}
}

// complain logs a problem unless it was the last one that was logged.
func (s *Source) complain(what string, err error) {
	if p := what + err.Error(); p != s.logged {
		s.logged = p
		s.log.Error(what, "err", err)
	}
}

// stamp looks at the files.
func (s *Source) stamp() (stamp, error) {
	c, errC := os.Stat(s.certificate)
	k, errK := os.Stat(s.key)
	if err := errors.Join(errC, errK); err != nil {
		return stamp{}, err
	}
	return stamp{timesOf(c), timesOf(k)}, nil
}

func timesOf(i fs.FileInfo) times { return times{i.ModTime(), i.Size()} }

// load makes what is in the files current. seen is how they looked before they were read. mu is held.
func (s *Source) load(seen stamp) error {
	pair, err := tls.LoadX509KeyPair(s.certificate, s.key)
	if err != nil {
		return fmt.Errorf("read the certificate %s with the key %s: %w", s.certificate, s.key, err)
	}
	s.current.Store(&pair)
	s.seen, s.looked, s.expires, s.logged = seen, s.now(), pair.Leaf.NotAfter, ""
	return nil
}
