// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"crypto/sha256"
	"crypto/sha512"
	"crypto/tls"
	"crypto/x509"
)

// Types of channel bindings, as XEP-0440 §2 and SCRAM name them.
const (
	TLSExporter       = "tls-exporter"         // RFC 9266 §2
	TLSServerEndPoint = "tls-server-end-point" // RFC 5929 §4
)

// exporterLabel and exporterLen are RFC 9266 §2.
const (
	exporterLabel = "EXPORTER-Channel-Binding"
	exporterLen   = 32
)

// A Channel is the TLS connection beneath an exchange, as far as an exchange can be bound to it (RFC 5056): both
// sides compute the same of it, and somebody between them who is an end of two connections does not. The zero value
// is a connection whose TLS is not ours, and binds nothing.
type Channel struct {
	version  uint16 // of TLS; 0 where it is not ours
	exporter []byte // nil where it is not defined
	endPoint []byte // nil where it is not defined
}

// NewChannel returns what can be bound to on a connection after its handshake. certificate is the server's, the very
// one that it showed in that handshake, and may be nil where that is not known.
//
// RFC 9266 §2 defines tls-exporter for TLS 1.3, and for TLS 1.2 with the extended master secret (RFC 7627): crypto/tls
// exports nothing without it, nor where renegotiation is allowed (RFC 9266 §4.2). RFC 9266 §4.1 would have the
// connection closed after one exchange; RFC 6120 §6.4.5 wants a second try after a failure to be possible, and each
// exchange of SCRAM has nonces of its own. There is no tls-unique: TLS 1.3 does not have it.
func NewChannel(state *tls.ConnectionState, certificate *x509.Certificate) Channel {
	c := Channel{version: state.Version, endPoint: endPoint(certificate)}
	// The context is of no bytes, which is not the same as none in TLS 1.2 (RFC 5705 §4).
	if data, err := state.ExportKeyingMaterial(exporterLabel, []byte{}, exporterLen); err == nil {
		c.exporter = data
	}
	return c
}

// Types are the channel binding types that c has, in the order in which they are announced (XEP-0440 §2).
func (c Channel) Types() []string {
	var list []string
	for _, kind := range []string{TLSServerEndPoint, TLSExporter} {
		if _, ok := c.Data(kind); ok {
			list = append(list, kind)
		}
	}
	return list
}

// Data is the channel binding data of a type; false where c does not have that type.
func (c Channel) Data(kind string) ([]byte, bool) {
	switch {
	case kind == TLSExporter && c.exporter != nil:
		return c.exporter, true
	case kind == TLSServerEndPoint && c.endPoint != nil:
		return c.endPoint, true
	}
	return nil, false
}

// endPoint is RFC 5929 §4.1: the certificate's hash, by the hash function that it is signed with, SHA-256 in place of
// MD5 and SHA-1. It is nil for signatures without a hash function of their own (Ed25519), where it is not defined.
func endPoint(certificate *x509.Certificate) []byte {
	if certificate == nil {
		return nil
	}
	switch certificate.SignatureAlgorithm {
	case x509.MD5WithRSA, x509.SHA1WithRSA, x509.DSAWithSHA1, x509.ECDSAWithSHA1,
		x509.SHA256WithRSA, x509.SHA256WithRSAPSS, x509.DSAWithSHA256, x509.ECDSAWithSHA256:
		sum := sha256.Sum256(certificate.Raw)
		return sum[:]
	case x509.SHA384WithRSA, x509.SHA384WithRSAPSS, x509.ECDSAWithSHA384:
		sum := sha512.Sum384(certificate.Raw)
		return sum[:]
	case x509.SHA512WithRSA, x509.SHA512WithRSAPSS, x509.ECDSAWithSHA512:
		sum := sha512.Sum512(certificate.Raw)
		return sum[:]
	}
	return nil
}
