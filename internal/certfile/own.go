// SPDX-License-Identifier: Apache-2.0

package certfile

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
	"unicode"
)

const (
	ownCertificate = "self-signed.crt"
	ownKey         = "self-signed.key"

	// lifetime of a certificate of our own. Who accepted it did so by hand and should not have to again; there is no
	// authority whose rules would make it short.
	lifetime = 10 * 365 * 24 * time.Hour

	// remaining is how much of it must be left at a start, or a new one is made.
	remaining = 30 * 24 * time.Hour
)

// ErrDomain says that the server cannot make a certificate for its domain.
var ErrDomain = errors.New("certfile: a domain with letters outside of ASCII needs certificate files (tls.certificate and tls.key)")

// OpenOwn returns the certificate that the server made for itself, kept in folder; it makes one if there is none, or
// if that is not for domain or about to expire. It makes none for a domain with letters outside of ASCII and returns
// ErrDomain: certificates name such domains in another spelling.
func OpenOwn(folder, domain string, now func() time.Time, log *slog.Logger) (*Source, error) {
	if strings.ContainsFunc(domain, func(r rune) bool { return r > unicode.MaxASCII }) {
		return nil, ErrDomain
	}
	certificate, key := filepath.Join(folder, ownCertificate), filepath.Join(folder, ownKey)
	reason := unfit(certificate, key, domain, now())
	if reason != "" {
		log.Info("making a certificate of our own", "why", reason)
		if err := makeOwn(certificate, key, domain, now()); err != nil {
			return nil, fmt.Errorf("make a certificate: %w", err)
		}
	}
	return Open(certificate, key, now, log)
}

// unfit says why the certificate cannot be used for domain; "" if it can.
func unfit(certificate, key, domain string, now time.Time) string {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "there is none yet"
	case err != nil:
		return err.Error()
	case pair.Leaf.VerifyHostname(domain) != nil:
		return "the one there is for another domain"
	case now.Add(remaining).After(pair.Leaf.NotAfter):
		return "the one there expires"
	}
	return ""
}

// makeOwn writes a key and a certificate for domain signed by it. The key is written first: with an old certificate it
// does not fit, and the next start begins anew.
func makeOwn(certificate, key, domain string, now time.Time) error {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: domain},
		NotBefore:             now.Add(-time.Hour), // clocks differ
		NotAfter:              now.Add(lifetime),
		KeyUsage:              x509.KeyUsageDigitalSignature,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth, x509.ExtKeyUsageClientAuth},
		BasicConstraintsValid: true,
	}
	switch ip := net.ParseIP(strings.Trim(domain, "[]")); {
	case ip != nil:
		template.IPAddresses = []net.IP{ip}
	case domain == "localhost":
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
		fallthrough
	default:
		template.DNSNames = []string{domain}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		return err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(key), 0o700); err != nil {
		return err
	}
	if err := replace(key, "PRIVATE KEY", pkcs8, 0o600); err != nil {
		return err
	}
	return replace(certificate, "CERTIFICATE", der, 0o644)
}

// replace writes a PEM file beside path and puts it in its place, so that there is never half a file.
func replace(path, kind string, der []byte, mode fs.FileMode) error {
	temporary := path + ".new"
	if err := os.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	err = pem.Encode(f, &pem.Block{Type: kind, Bytes: der})
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
