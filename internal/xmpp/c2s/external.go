// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"net/url"
	"slices"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// Log-in by a certificate: SASL EXTERNAL (RFC 4422 §A) as XEP-0178 v1.2 has it.

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidXMPPAddr       = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 7, 8, 5} // RFC 6120 §13.7.1.4
)

// certified returns the names of the accounts that a client's certificate is for; none where it was signed by nobody who
// may, has expired, or names nobody here. Whether there are such accounts is not looked at before the client asks.
func (s *Server) certified(chain []*x509.Certificate) []string {
	if s.ClientCAs == nil || len(chain) == 0 {
		return nil
	}
	leaf := withoutSubjectAltName(chain[0])
	o := x509.VerifyOptions{
		Roots: s.ClientCAs, Intermediates: x509.NewCertPool(), CurrentTime: s.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	for _, c := range chain[1:] {
		o.Intermediates.AddCert(c)
	}
	if _, err := leaf.Verify(o); err != nil {
		s.Log.Debug("certificate of a client", "err", err)
		return nil
	}
	var names []string
	for _, address := range addressesIn(leaf) {
		id, err := jid.Parse(address)
		if err != nil || id != id.Bare() || id.DomainJID() != s.Domain || id.Local() == "" {
			continue
		}
		if !slices.Contains(names, id.Local()) {
			names = append(names, id.Local())
		}
	}
	return names
}

// withoutSubjectAltName returns a certificate whose subjectAltName counts as understood, which we read ourselves: x509
// knows no otherName, and would refuse one that is critical, as it is where the subject is empty (RFC 5280 §4.2.1.6).
func withoutSubjectAltName(c *x509.Certificate) *x509.Certificate {
	if len(c.UnhandledCriticalExtensions) == 0 {
		return c
	}
	copied := *c
	copied.UnhandledCriticalExtensions = slices.DeleteFunc(slices.Clone(c.UnhandledCriticalExtensions), oidSubjectAltName.Equal)
	return &copied
}

// addressesIn returns the addresses that a certificate names: those made for it (XEP-0178 §2); where there is none,
// those in xmpp: URIs; and where there is none of those either, its mail addresses.
func addressesIn(c *x509.Certificate) []string {
	for _, e := range c.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			if list := xmppAddrs(e.Value); len(list) > 0 {
				return list
			}
		}
	}
	var list []string
	for _, u := range c.URIs {
		if u.Scheme != "xmpp" {
			continue
		}
		if address, err := url.PathUnescape(u.Opaque); err == nil && address != "" {
			list = append(list, address)
		}
	}
	if len(list) > 0 {
		return list
	}
	return c.EmailAddresses
}

// xmppAddrs returns the id-on-xmppAddr names of a subjectAltName (RFC 6120 §13.7.1.4); none where it cannot be read.
//
//	SubjectAltName ::= SEQUENCE OF GeneralName
//	GeneralName    ::= CHOICE { otherName [0] SEQUENCE { type-id OBJECT IDENTIFIER, value [0] EXPLICIT ANY }, … }
func xmppAddrs(der []byte) []string {
	var names asn1.RawValue
	rest, err := asn1.Unmarshal(der, &names)
	if err != nil || len(rest) > 0 || names.Class != asn1.ClassUniversal || names.Tag != asn1.TagSequence {
		return nil
	}
	var list []string
	for rest = names.Bytes; len(rest) > 0; {
		var name asn1.RawValue
		if rest, err = asn1.Unmarshal(rest, &name); err != nil {
			return nil
		}
		if name.Class != asn1.ClassContextSpecific || name.Tag != 0 {
			continue
		}
		var other struct {
			Type  asn1.ObjectIdentifier
			Value asn1.RawValue
		}
		if _, err := asn1.UnmarshalWithParams(name.FullBytes, &other, "tag:0"); err != nil || !other.Type.Equal(oidXMPPAddr) ||
			other.Value.Class != asn1.ClassContextSpecific || other.Value.Tag != 0 {
			continue
		}
		var address asn1.RawValue
		if _, err := asn1.Unmarshal(other.Value.Bytes, &address); err == nil && address.Class == asn1.ClassUniversal &&
			address.Tag == asn1.TagUTF8String && utf8.Valid(address.Bytes) {
			list = append(list, string(address.Bytes))
		}
	}
	return list
}

// external returns the server's side of EXTERNAL.
func (x *exchange) external() sasl.Server {
	return sasl.NewExternal(func(ctx context.Context, authzid string) (string, error) {
		name, err := x.c.certifiedAs(authzid)
		if err != nil {
			return "", err
		}
		a, err := x.c.srv.Accounts.Lookup(ctx, name)
		switch {
		case errors.Is(err, account.ErrUnknown): // XEP-0178 §2
			return "", &sasl.Error{Condition: sasl.NotAuthorized}
		case err == nil && a.Disabled:
			return "", &sasl.Error{Condition: sasl.AccountDisabled}
		}
		x.account = a
		return name, err
	})
}

// certifiedAs chooses among the names in a client's certificate (XEP-0178 §2, step 11): the one that it asks for, or the
// only one. The stream stays open after a refusal, where XEP-0178 would close it: the client may have a password.
func (c *conn) certifiedAs(authzid string) (string, error) {
	names := c.offered.names
	if authzid == "" && len(names) == 1 {
		return names[0], nil
	}
	for _, name := range names {
		if authzid != "" && c.mayActAs(name, authzid) {
			return name, nil
		}
	}
	return "", &sasl.Error{Condition: sasl.InvalidAuthzID}
}
