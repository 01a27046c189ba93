// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsTLS     = "urn:ietf:params:xml:ns:xmpp-tls"
	nsSASL    = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsBind    = "urn:ietf:params:xml:ns:xmpp-bind"
	nsSession = "urn:ietf:params:xml:ns:xmpp-session"
	nsSASL2   = "urn:xmpp:sasl:2"
	nsBind2   = "urn:xmpp:bind:0"
	nsFast    = "urn:xmpp:fast:0"
	nsCSI     = "urn:xmpp:csi:0"
)

// state is how far a stream has come.
type state uint8

const (
	secure        state = 1 << iota // nobody on the way reads along
	authenticated                   // the account is known
	bound                           // the session is in the directory
)

// A feature is one thing that a stream may negotiate, in the states in which it may (RFC 6120 §4.3). The order
// of the list is that of XEP-0170 §3.
type feature struct {
	need, forbid state
	// offer appends it to the stream features.
	offer func(c *conn, b *xmlstream.Builder)
	// begins is the element by which a client asks for it; the zero Name where none does.
	begins xmlstream.Name
	// negotiate does it. restart says that a new stream begins (RFC 6120 §4.3.3).
	negotiate func(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error)
}

func features() []feature {
	return []feature{
		{
			forbid: secure | authenticated,
			offer: func(c *conn, b *xmlstream.Builder) { // RFC 6120 §5.3.1: the only one, and required
				b.Start(nsTLS, "starttls").Start(nsTLS, "required").End().End()
			},
			begins:    xmlstream.Name{Space: nsTLS, Local: "starttls"},
			negotiate: startTLS,
		},
		{
			need: secure, forbid: authenticated, // XEP-0170 §2.3: before the log-in
			offer:     offerRegistration,
			begins:    xmlstream.Name{Space: xmlstream.NSClient, Local: "iq"},
			negotiate: register,
		},
		{
			need: secure, forbid: authenticated,
			offer:     offerSASL2,
			begins:    xmlstream.Name{Space: nsSASL2, Local: "authenticate"},
			negotiate: authenticate2,
		},
		{
			need: secure, forbid: authenticated,
			offer:     offerSASL,
			begins:    xmlstream.Name{Space: nsSASL, Local: "auth"},
			negotiate: authenticate,
		},
		{
			need: secure, forbid: authenticated,
			offer: offerBinding,
		},
		{
			need: authenticated, forbid: bound,
			offer: func(c *conn, b *xmlstream.Builder) {
				b.Start(nsBind, "bind").End()
				b.Start(nsSession, "session").Start(nsSession, "optional").End().End()
			},
			begins:    xmlstream.Name{Space: xmlstream.NSClient, Local: "iq"},
			negotiate: bind,
		},
		{
			need: authenticated,
			offer: func(c *conn, b *xmlstream.Builder) { // XEP-0198 §3
				if c.session == nil || !c.session.Managed() { // XEP-0386 §3.2: it may be on already
					b.Start(session.NSManagement, "sm").End()
				}
				if c.srv.Weigh != nil { // XEP-0352 §4.1
					b.Start(nsCSI, "csi").End()
				}
				b.Raw(c.srv.Features)
			},
			begins:    xmlstream.Name{Space: session.NSManagement, Local: "resume"},
			negotiate: resumeStream,
		},
		{
			need:  secure, // before, TLS is all there is
			offer: offerLimits,
		},
	}
}

// offer is the content of <stream:features/> in the connection's state.
func (c *conn) offer() xmlstream.Raw {
	var b xmlstream.Builder
	for _, f := range features() {
		if c.may(f) {
			f.offer(c, &b)
		}
	}
	return b.Build()
}

func (c *conn) may(f feature) bool { return c.state&f.need == f.need && c.state&f.forbid == 0 }

// take negotiates what the client asks for.
func (c *conn) take(ctx context.Context, el *xmlstream.Element) (restart bool, err error) {
	n := el.Root()
	for _, f := range features() {
		if f.negotiate != nil && n.Name() == f.begins && c.may(f) {
			return f.negotiate(ctx, c, el)
		}
	}
	switch name := n.Name(); {
	case name.Space == session.NSManagement: // XEP-0198 §3: not before binding, and not before the log-in
		return false, c.stream.Write(managementFailed("unexpected-request"))
	case name.Space == nsSASL && c.state&secure == 0: // RFC 6120 §6.5.4
		return false, c.stream.Write(saslFailure(nsSASL, sasl.EncryptionRequired, ""))
	case name.Space == nsSASL2 && c.state&secure == 0:
		return false, c.stream.Write(saslFailure(nsSASL2, sasl.EncryptionRequired, ""))
	case name.Space == nsTLS: // RFC 6120 §5.4.2.2: it does not fit here
		if err := c.stream.Write(xmlstream.Elem(nsTLS, "failure")); err != nil {
			return false, err
		}
		return false, stream.ErrClosed
	}
	return false, &stream.Error{Condition: "not-authorized"} // RFC 6120 §4.9.3.12
}

func startTLS(_ context.Context, c *conn, _ *xmlstream.Element) (restart bool, err error) {
	if err := c.stream.Write(xmlstream.Elem(nsTLS, "proceed")); err != nil {
		return false, err
	}
	cfg, shown := c.srv.handshakes.begin(false)
	if err := c.stream.StartTLS(cfg); err != nil {
		return false, err
	}
	c.shown = shown
	c.state |= secure
	return true, nil
}
