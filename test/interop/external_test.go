// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net/url"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/kith-im/kith/test/kith"
)

// testExternal runs slixmpp/external.py on a server of its own, which takes the certificates of an authority of ours.
func testExternal(t *testing.T, binary kith.Binary) {
	dir := t.TempDir()
	authority := &x509.Certificate{Subject: pkix.Name{CommonName: "authority"}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign}
	key := newKey(t)
	issue(t, authority, authority, key, key, filepath.Join(dir, "authority.pem"))
	s := binary.Start(t, "KITH_TLS_CLIENT_AUTHORITIES="+filepath.Join(dir, "authority.pem"))
	for _, name := range []string{"ann", "nobody"} {
		client := &x509.Certificate{Subject: pkix.Name{CommonName: name},
			URIs:     []*url.URL{{Scheme: "xmpp", Opaque: "external-" + name + "@" + kith.Domain}},
			KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		issue(t, client, authority, newKey(t), key, filepath.Join(s.Dir, name+".pem"))
	}
	play(t, s, "slixmpp/external", []string{"ann", "ben"}, nil)
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// issue writes a certificate, signed by parent, with its key into a file.
func issue(t *testing.T, c, parent *x509.Certificate, key, signer *ecdsa.PrivateKey, file string) {
	t.Helper()
	c.SerialNumber = big.NewInt(time.Now().UnixNano())
	c.NotBefore, c.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	b = append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}
