// SPDX-License-Identifier: Apache-2.0

// Package xmlstream reads and writes the XML of XMPP (RFC 6120 §11, RFC 7395): grammar, not meaning.
//
// A Parser takes the bytes of a stream in pieces of any size and gives its tokens: the stream header (Open), each
// complete first-level element (Child), the end (Close). Parse reads one document, such as a WebSocket frame or a
// stored stanza. Both are strict. What XMPP forbids (comments, processing instructions, document types, entities of
// one's own), what is not well-formed with its namespaces, and what exceeds the Limits is a SyntaxError that names
// the stream error to send. Nothing is let through that another parser might refuse: the one who would lose the
// stream is the receiver.
//
// An Element is immutable: one string with its text, and flat lists of offsets into it. A Node is a view of one
// element inside and costs nothing. Node.Raw gives an element as text that can stand anywhere else, so that
// forwarding and storing is copying, never printing anew.
//
// Of namespaces inner code knows two things only. Prefixes never leave this package: Name has the namespace, and
// Raw binds what it needs. And the content namespace of a stream (jabber:client, jabber:server,
// jabber:component:accept) is always called NSClient: on any stream a message is NSClient message.
//
// A Builder writes XML, and is the only way to: it escapes what must be escaped.
package xmlstream

import (
	"errors"
	"fmt"
)

// Namespaces that streams are made of.
const (
	NSClient    = "jabber:client"                        // the content namespace, whatever the stream calls it (RFC 6120 §4.8.2)
	NSComponent = "jabber:component:accept"              // what the stream of a component calls it (XEP-0114 §3)
	NSStreams   = "http://etherx.jabber.org/streams"     // stream header, features, errors (RFC 6120 §4.8.1)
	NSFraming   = "urn:ietf:params:xml:ns:xmpp-framing"  // open and close on WebSocket (RFC 7395 §3.3.2)
	NSXML       = "http://www.w3.org/XML/1998/namespace" // always bound to the prefix xml
)

const (
	nsServer = "jabber:server"
	nsXMLNS  = "http://www.w3.org/2000/xmlns/"
)

// IsContent reports whether ns is the content namespace of one of the kinds of streams (RFC 6120 §4.8.3).
func IsContent(ns string) bool { return ns == NSClient || ns == nsServer || ns == NSComponent }

// A Name is a namespace and a local name. Unprefixed attributes have no namespace.
type Name struct{ Space, Local string }

// String returns the name as {namespace}local.
func (n Name) String() string {
	if n.Space == "" {
		return n.Local
	}
	return "{" + n.Space + "}" + n.Local
}

// Raw is well-formed XML of zero or more elements, and the text between them, that is self-contained: no prefix
// is bound outside of it. An element without a namespace declaration of its own is in the content namespace of
// where the Raw is put.
type Raw string

// Limits bound what one first-level element, or the stream header, may be. All must be positive.
type Limits struct {
	Bytes int // length of its text
	Depth int // elements inside each other, itself included
	Attrs int // attributes and namespace declarations of one element
	Nodes int // elements in all
}

// The limits of a server's streams; they are not changed.
var (
	// BeforeAuth is for peers that have not said who they are. RFC 6120 §13.12 asks for 10,000 bytes at least.
	BeforeAuth = Limits{Bytes: 10_000, Depth: 16, Attrs: 32, Nodes: 200}
	// AfterAuth is for peers that are known.
	AfterAuth = Limits{Bytes: 256 << 10, Depth: 64, Attrs: 64, Nodes: 10_000}
)

const (
	maxName      = 1024 // bytes of a qualified name
	maxNamespace = 512  // bytes of a namespace name; each rewritten element may repeat it
	maxBinds     = 128  // namespace declarations in force at one place; all are looked through
	maxReference = 16   // bytes of a character or entity reference
	maxDecl      = 256  // bytes of an XML declaration
)

// ErrMore says that what was fed ends within a token.
var ErrMore = errors.New("xmlstream: more input needed")

// Stream error conditions that a SyntaxError can have (RFC 6120 §4.9.3).
const (
	BadFormat           = "bad-format"
	NotWellFormed       = "not-well-formed"
	PolicyViolation     = "policy-violation"
	RestrictedXML       = "restricted-xml"
	UnsupportedEncoding = "unsupported-encoding"
)

// A SyntaxError is input that ends a stream.
type SyntaxError struct {
	Condition string // the stream error to send (RFC 6120 §4.9.3)
	Reason    string // for logs and people, in lower case; says nothing of the input's text
}

// Error returns condition and reason.
func (e *SyntaxError) Error() string { return fmt.Sprintf("xmlstream: %s: %s", e.Condition, e.Reason) }

func illFormed(reason string) error { return &SyntaxError{NotWellFormed, reason} }
func restricted(reason string) error {
	// RFC 6120 §11.1
	return &SyntaxError{RestrictedXML, reason}
}
func overLimit(reason string) error   { return &SyntaxError{PolicyViolation, reason} }
func badEncoding(reason string) error { return &SyntaxError{UnsupportedEncoding, reason} }
