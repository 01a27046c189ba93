// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"slices"
	"sync"
)

// alpnClient is what a client of direct TLS may ask for (XEP-0368 §3). One that asks for something else only is refused
// in the handshake; one that asks for nothing is welcome.
const alpnClient = "xmpp-client"

// maxPins is how many certificates are in use at once, at most, before the oldest is forgotten and made anew.
const maxPins = 16

// handshakes makes the configuration of each handshake, and remembers which certificate was shown in it: what
// tls-server-end-point binds to (RFC 5929 §4.1), and what crypto/tls does not tell. A certificate may change between two
// handshakes, and there may be several.
//
// What a handshake begins with is made for it and gone when the client's hello has come; what a connection keeps is
// shared by all with the same certificate. No tickets are given, since in a resumed session no certificate is shown, and
// one that was shown before may be another one (doc/decisions/011).
type handshakes struct {
	base    *tls.Config
	clients *x509.CertPool // who signs certificates of clients; nil: none are asked for

	mu   sync.Mutex // guards pins
	pins []*pin     // the newest last
}

// A pin is the configuration with one certificate.
type pin struct {
	certificate *tls.Certificate
	direct      bool
	leaf        *x509.Certificate
	config      *tls.Config
}

// A shown is what was shown in a handshake.
type shown struct {
	certificate *x509.Certificate // nil before, or where TLS is not ours
}

// begin returns the configuration for one handshake, and what will have the certificate after it. direct says that the
// connection began with it.
func (h *handshakes) begin(direct bool) (*tls.Config, *shown) {
	s := &shown{}
	c := h.base.Clone()
	c.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		p, err := h.pinFor(hello, direct)
		if err != nil {
			return nil, err
		}
		s.certificate = p.leaf
		return p.config, nil
	}
	return c, s
}

// pinFor returns the configuration with the certificate that fits a client.
func (h *handshakes) pinFor(hello *tls.ClientHelloInfo, direct bool) (*pin, error) {
	certificate, err := h.choose(hello)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.pins {
		if p.certificate == certificate && p.direct == direct {
			return p, nil
		}
	}
	p := &pin{certificate: certificate, direct: direct, leaf: certificate.Leaf}
	if p.leaf == nil {
		if p.leaf, err = x509.ParseCertificate(certificate.Certificate[0]); err != nil {
			return nil, fmt.Errorf("read our certificate: %w", err)
		}
	}
	p.config = h.base.Clone()
	p.config.GetCertificate = nil
	p.config.Certificates = []tls.Certificate{*certificate}
	p.config.SessionTicketsDisabled = true
	p.config.NextProtos = nil
	if direct {
		p.config.NextProtos = []string{alpnClient} // XEP-0368 §3
	}
	if h.clients != nil {
		// They are judged after the handshake: one that does not fit is no reason to keep its owner out who has a password.
		p.config.ClientAuth, p.config.ClientCAs = tls.RequestClientCert, h.clients
	}
	if len(h.pins) >= maxPins {
		h.pins = slices.Delete(h.pins, 0, 1)
	}
	h.pins = append(h.pins, p)
	return p, nil
}

// choose is how crypto/tls chooses a certificate.
func (h *handshakes) choose(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	if h.base.GetCertificate != nil {
		c, err := h.base.GetCertificate(hello)
		if c != nil || err != nil {
			return c, err
		}
	}
	list := h.base.Certificates
	for i := range list {
		if hello.SupportsCertificate(&list[i]) == nil {
			return &list[i], nil
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("c2s: there is no certificate for %q", hello.ServerName)
	}
	return &list[0], nil
}
