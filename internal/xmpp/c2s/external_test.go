// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"math/big"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// An authority signs certificates of clients.
type authority struct {
	t    *testing.T
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
}

func newAuthority(t *testing.T) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority"}, NotAfter: time.Now().Add(1000 * time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, c, c, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	if c, err = x509.ParseCertificate(der); err != nil {
		t.Fatal(err)
	}
	return &authority{t, key, c}
}

func (a *authority) pool() *x509.CertPool {
	p := x509.NewCertPool()
	p.AddCert(a.cert)
	return p
}

// sign makes a certificate of a client that change has completed.
func (a *authority) sign(change func(c *x509.Certificate)) tls.Certificate {
	a.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		a.t.Fatal(err)
	}
	c := &x509.Certificate{
		SerialNumber: big.NewInt(2), NotAfter: time.Now().Add(100 * time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, KeyUsage: x509.KeyUsageDigitalSignature,
	}
	change(c)
	der, err := x509.CreateCertificate(rand.Reader, c, a.cert, key.Public(), a.key)
	if err != nil {
		a.t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// altName is a subjectAltName with XMPP addresses and something else, critical as it is without a subject.
func altName(t testing.TB, addresses ...string) pkix.Extension {
	t.Helper()
	names := []asn1.RawValue{{Class: asn1.ClassContextSpecific, Tag: 2, Bytes: []byte("kith.example")}}
	for _, a := range addresses {
		text, err := asn1.MarshalWithParams(a, "utf8")
		if err != nil {
			t.Fatal(err)
		}
		value, err := asn1.Marshal(asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: text})
		if err != nil {
			t.Fatal(err)
		}
		id, err := asn1.Marshal(oidXMPPAddr)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, asn1.RawValue{Class: asn1.ClassContextSpecific, Tag: 0, IsCompound: true, Bytes: append(id, value...)})
	}
	der, err := asn1.Marshal(names)
	if err != nil {
		t.Fatal(err)
	}
	return pkix.Extension{Id: oidSubjectAltName, Critical: true, Value: der}
}

// forAddresses names XMPP addresses in a certificate.
func forAddresses(t testing.TB, addresses ...string) func(c *x509.Certificate) {
	return func(c *x509.Certificate) { c.ExtraExtensions = []pkix.Extension{altName(t, addresses...)} }
}

// By a certificate, in all cases of XEP-0178 §2, in both profiles.
func TestExternal(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Account("tybalt")
		w.disable("tybalt")
		ca, other := newAuthority(t), newAuthority(t)
		w.server.ClientCAs, w.server.handshakes.clients = ca.pool(), ca.pool()
		juliet := "juliet@kith.example"
		uri := func(s string) *url.URL {
			u, err := url.Parse(s)
			if err != nil {
				t.Fatal(err)
			}
			return u
		}
		for _, test := range []struct {
			name    string
			cert    tls.Certificate
			authzid string
			offered bool
			want    string // condition; "": success
		}{
			{"the address", ca.sign(forAddresses(t, juliet)), "", true, ""},
			{"the address, and it is said", ca.sign(forAddresses(t, "Juliet@KITH.example")), juliet, true, ""},
			{"another is said", ca.sign(forAddresses(t, juliet)), "romeo@kith.example", true, "invalid-authzid"},
			{"two, and one is said", ca.sign(forAddresses(t, "romeo@kith.example", juliet)), juliet, true, ""},
			{"two, and none is said", ca.sign(forAddresses(t, "romeo@kith.example", juliet)), "", true, "invalid-authzid"},
			{"one of them elsewhere", ca.sign(forAddresses(t, juliet, "juliet@other.example")), "", true, ""},
			{"elsewhere is said", ca.sign(forAddresses(t, juliet, "juliet@other.example")), "juliet@other.example", true, "invalid-authzid"},
			{"twice the same", ca.sign(forAddresses(t, juliet, juliet)), "", true, ""},
			{"nobody", ca.sign(forAddresses(t, "nobody@kith.example")), "", true, "not-authorized"},
			{"disabled", ca.sign(forAddresses(t, "tybalt@kith.example")), "", true, "account-disabled"},
			{"nonsense is said", ca.sign(forAddresses(t, juliet)), "\xff", true, "malformed-request"},
			{"a URI", ca.sign(func(c *x509.Certificate) {
				c.URIs = []*url.URL{uri("https://kith.example"), uri("xmpp:juliet@kith.example")}
			}), "", true, ""},
			{"a mail address", ca.sign(func(c *x509.Certificate) { c.EmailAddresses = []string{juliet} }), "", true, ""},
			{"a mail address elsewhere", ca.sign(func(c *x509.Certificate) { c.EmailAddresses = []string{"juliet@other.example"} }), "", false, ""},
			{"an XMPP address elsewhere, a mail address here", ca.sign(func(c *x509.Certificate) {
				forAddresses(t, "juliet@other.example")(c)
				c.EmailAddresses = []string{juliet}
			}), "", false, ""},
			{"a resource", ca.sign(forAddresses(t, juliet+"/balcony")), "", false, ""},
			{"the server's name", ca.sign(forAddresses(t, "kith.example")), "", false, ""},
			{"no address", ca.sign(func(c *x509.Certificate) { c.Subject.CommonName = "juliet" }), "", false, ""},
			{"another authority", other.sign(forAddresses(t, juliet)), "", false, ""},
			{"expired", ca.sign(func(c *x509.Certificate) {
				forAddresses(t, juliet)(c)
				c.NotAfter = time.Now().Add(-time.Hour)
			}), "", false, ""},
			{"for servers", ca.sign(func(c *x509.Certificate) {
				forAddresses(t, juliet)(c)
				c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
			}), "", false, ""},
			{"something critical that nobody knows", ca.sign(func(c *x509.Certificate) {
				forAddresses(t, juliet)(c)
				c.ExtraExtensions = append(c.ExtraExtensions, pkix.Extension{Id: asn1.ObjectIdentifier{1, 2, 3}, Critical: true})
			}), "", false, ""},
		} {
			for _, profile := range []string{nsSASL, nsSASL2} {
				c, err := w.connect(&tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
					return &test.cert, nil
				}}, profile == nsSASL)
				if err != nil {
					t.Fatalf("%s: %v", test.name, err)
				}
				if got := strings.Contains(string(c.Features.Raw()), ">EXTERNAL<"); got != test.offered {
					t.Errorf("%s: offered: got %v", test.name, got)
				}
				want := test.want
				if !test.offered {
					want = "invalid-mechanism"
				}
				w.external(c, profile, test.authzid, want)
				if want != "" { // the password is still good
					if err := c.Login(t.Context(), "juliet", password, "", "SCRAM-SHA-256-PLUS"); err != nil {
						t.Errorf("%s: the password: %v", test.name, err)
					}
				}
				c.Cut()
				time.Sleep(forgetAfter)
			}
		}
		c := w.client()
		w.external(c, nsSASL, "", "invalid-mechanism") // no certificate at all
	})
}

// external logs in by a certificate, and requires the outcome.
func (w *world) external(c *xmpptest.Client, profile, authzid, want string) {
	w.t.Helper()
	initial := b64(authzid)
	request := `<authenticate xmlns="` + nsSASL2 + `" mechanism="EXTERNAL"><initial-response>` + initial + `</initial-response></authenticate>`
	if profile == nsSASL {
		if initial == "" {
			initial = "="
		}
		request = `<auth xmlns="` + nsSASL + `" mechanism="EXTERNAL">` + initial + `</auth>`
	}
	c.MustSend(w.t, request)
	if want != "" {
		c.MustExpect(w.t, `<failure xmlns="`+profile+`"><`+want+` xmlns="`+nsSASL+`"/></failure>`)
		return
	}
	n := c.MustExpect(w.t, `<success xmlns="`+profile+`"/>`)
	if profile == nsSASL {
		if n.Text() != "" {
			w.t.Errorf("data with success: %s", n.Raw())
		}
		if err := c.Reopen(w.t.Context()); err != nil {
			w.t.Fatal(err)
		}
	} else {
		if got := names(n); got != "authorization-identifier" {
			w.t.Errorf("success: got %s", n.Raw())
		}
		c.MustExpect(w.t, `<stream:features/>`)
	}
	if err := c.Bind(w.t.Context(), ""); err != nil {
		w.t.Error(err)
	}
	list := w.Routers[0].Devices(c.JID.Bare())
	if got := c.JID.Bare().String(); got != "juliet@kith.example" || len(list) == 0 || list[len(list)-1].LogIn.Password {
		w.t.Errorf("logged in as %s, by the password: %+v", got, list)
	}
}

// Where nobody is configured to sign, no client is asked for a certificate.
func TestNoExternal(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c, err := w.connect(&tls.Config{GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
			t.Error("the client is asked for a certificate")
			return &tls.Certificate{}, nil
		}}, true)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(c.Features.Raw()), "EXTERNAL") {
			t.Errorf("offered: %s", c.Features.Raw())
		}
	})
}

func TestAddressesIn(t *testing.T) {
	t.Parallel()
	got := xmppAddrs(altName(t, "juliet@kith.example", "юлия@kith.example").Value)
	if diff := cmp.Diff([]string{"juliet@kith.example", "юлия@kith.example"}, got); diff != "" {
		t.Error(diff)
	}
	der := altName(t, "juliet@kith.example").Value
	for i := range der {
		if list := xmppAddrs(der[:i]); list != nil {
			t.Errorf("%d bytes of it: got %q", i, list)
		}
	}
	if list := xmppAddrs(append(slices.Clone(der), 0)); list != nil {
		t.Errorf("and one more: got %q", list)
	}
}

func FuzzXMPPAddrs(f *testing.F) {
	f.Add(altName(f, "juliet@kith.example", "a").Value)
	f.Add([]byte{0x30, 0})
	f.Fuzz(func(t *testing.T, der []byte) {
		for _, a := range xmppAddrs(der) {
			if a != "" && !strings.Contains(string(der), a) {
				t.Fatalf("%q is not in %x", a, der)
			}
		}
	})
}
