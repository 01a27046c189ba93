// SPDX-License-Identifier: Apache-2.0

// Package stanza is the unit of XMPP: a message, a presence or an IQ (RFC 6120 §8), with its header read and its
// children left as the text they came as.
//
// Features look at children through views (Child, Children), and change a stanza by making another: With, Without
// and Addressed share the text. So a stanza can be given to any number of sessions, and sending it on is writing a
// header and copying the rest.
//
// A Stanza is never changed after it was given away, and then is safe for concurrent use. Only who made it with New
// or Parse and has not shown it to anybody may set its fields.
//
// Where a stanza is refused, the answer is an Error: one of the conditions of RFC 6120 §8.3.3, such as BadRequest,
// perhaps with a text or a condition of the application. Such an error may be shown to the other side.
package stanza

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"iter"
	"sync"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A Kind is the kind of a stanza.
type Kind uint8

// The three kinds of stanzas (RFC 6120 §8.2).
const (
	Message Kind = iota + 1
	Presence
	IQ
)

// String returns the name of the element: message, presence, iq.
func (k Kind) String() string {
	switch k {
	case Message:
		return "message"
	case Presence:
		return "presence"
	case IQ:
		return "iq"
	}
	return "invalid"
}

// The types that stanzas of several kinds have in common.
const (
	TypeError  = "error"
	TypeGet    = "get"
	TypeSet    = "set"
	TypeResult = "result"
)

// ErrNotStanza is returned for first-level elements that are no stanzas.
var ErrNotStanza = errors.New("stanza: not a stanza")

// A Stanza is the header of a stanza and its children. Make it with Parse or New.
type Stanza struct {
	Kind Kind
	Type string  // "" is the default: a normal message (which "normal" becomes too), an available presence; never for IQ
	ID   string  // "" if there is none
	Lang string  // xml:lang, "" if there is none
	From jid.JID // zero if there is none
	To   jid.JID // zero if there is none

	content piece   // the children, as far as they are of one piece
	more    []piece // those that follow; shared, so never appended to in place
}

// A piece is some children in a row: their text and how to find them in it.
type piece struct {
	raw    xmlstream.Raw
	parent xmlstream.Node // the children of parent, unless zero
	only   xmlstream.Node // this one node, unless zero
	later  *later         // the children are found when they are asked for
}

// later is text that was made here. Most of it is written and never looked at, so it is parsed on demand.
type later struct {
	once sync.Once
	node xmlstream.Node
}

// New makes a stanza of the given children. For an id see NewID; type "normal" of a message becomes "".
func New(k Kind, typ, id string, from, to jid.JID, children ...xmlstream.Raw) *Stanza {
	if k == Message && typ == "normal" {
		typ = ""
	}
	s := &Stanza{Kind: k, Type: typ, ID: id, From: from, To: to}
	s.content = newPiece(children)
	return s
}

func newPiece(children []xmlstream.Raw) piece {
	raw := join(children)
	if raw == "" {
		return piece{}
	}
	return piece{raw: raw, later: new(later)}
}

func join(list []xmlstream.Raw) xmlstream.Raw {
	if len(list) == 1 {
		return list[0]
	}
	n := 0
	for _, r := range list {
		n += len(r)
	}
	if n == 0 {
		return ""
	}
	out := make([]byte, 0, n)
	for _, r := range list {
		out = append(out, r...)
	}
	return xmlstream.Raw(out)
}

// NewID returns a fresh random id of 16 characters that can stand in URLs too.
func NewID() string {
	var b [12]byte
	rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Child returns the first child of that name.
func (s *Stanza) Child(space, local string) (xmlstream.Node, bool) {
	for n := range s.Children() {
		if n.Is(space, local) {
			return n, true
		}
	}
	return xmlstream.Node{}, false
}

// First returns the first child: of a request, what is asked.
func (s *Stanza) First() (xmlstream.Node, bool) {
	for n := range s.Children() {
		return n, true
	}
	return xmlstream.Node{}, false
}

// Children returns the children in their order.
func (s *Stanza) Children() iter.Seq[xmlstream.Node] {
	return func(yield func(xmlstream.Node) bool) {
		if !s.content.each(yield) {
			return
		}
		for _, p := range s.more {
			if !p.each(yield) {
				return
			}
		}
	}
}

// each calls yield for each child in p until it returns false, and reports whether it never did.
func (p piece) each(yield func(xmlstream.Node) bool) bool {
	switch {
	case !p.only.IsZero():
		return yield(p.only)
	case p.later != nil:
		p.later.once.Do(func() {
			// What a Builder made is well-formed; of anything else there are no children.
			p.later.node, _ = xmlstream.ParseRaw(p.raw)
		})
		p.parent = p.later.node
	}
	if p.parent.IsZero() {
		return true
	}
	for n := range p.parent.Children() {
		if !yield(n) {
			return false
		}
	}
	return true
}

// With returns a stanza that has the children raw after those of s.
func (s *Stanza) With(raw ...xmlstream.Raw) *Stanza {
	p := newPiece(raw)
	t := *s
	switch {
	case p.raw == "":
	case t.content.raw == "" && len(t.more) == 0:
		t.content = p
	default:
		t.more = append(s.more[:len(s.more):len(s.more)], p)
	}
	return &t
}

// Without returns a stanza without the children for which drop is true: s itself if there are none.
func (s *Stanza) Without(drop func(xmlstream.Node) bool) *Stanza {
	found := false
	for n := range s.Children() {
		if drop(n) {
			found = true
			break
		}
	}
	if !found {
		return s
	}
	t := *s
	t.content, t.more = piece{}, nil
	for n := range s.Children() {
		if !drop(n) {
			t.more = append(t.more, piece{raw: n.Raw(), only: n})
		}
	}
	return &t
}

// Addressed returns a stanza with other addresses and the same children.
func (s *Stanza) Addressed(from, to jid.JID) *Stanza {
	t := *s
	t.From, t.To = from, to
	return &t
}

// Result returns the result of the request s: to its sender, from whom it was asked (RFC 6120 §8.2.3).
func (s *Stanza) Result(payload ...xmlstream.Raw) *Stanza {
	return New(IQ, TypeResult, s.ID, s.To, s.From, payload...)
}

// Bounce returns the error stanza that answers s with e. RFC 6120 §8.3.1 lets it repeat the children of s; it does
// not: the sender knows what it sent, and nobody can use us to send much where little came. An error must never be
// answered with another, and neither must the result of an IQ: look at s.Type first.
func (s *Stanza) Bounce(e *Error) *Stanza {
	return New(s.Kind, TypeError, s.ID, s.To, s.From, e.Payload, e.Raw())
}

// Append appends the stanza as XML to dst. With declare it declares the namespace jabber:client, so that it can
// stand alone (WebSocket) or in an element of another namespace (<forwarded/>); without, it is in the content
// namespace of the stream it is written to.
func (s *Stanza) Append(dst []byte, declare bool) []byte {
	dst = append(dst, '<')
	dst = append(dst, s.Kind.String()...)
	if declare {
		dst = append(dst, ` xmlns="`+xmlstream.NSClient+`"`...)
	}
	dst = appendAttr(dst, ` type="`, s.Type)
	dst = appendAttr(dst, ` id="`, s.ID)
	dst = appendAttr(dst, ` from="`, s.From.String())
	dst = appendAttr(dst, ` to="`, s.To.String())
	dst = appendAttr(dst, ` xml:lang="`, s.Lang)
	if s.content.raw == "" && len(s.more) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	dst = append(dst, s.content.raw...)
	for _, p := range s.more {
		dst = append(dst, p.raw...)
	}
	dst = append(dst, "</"...)
	dst = append(dst, s.Kind.String()...)
	return append(dst, '>')
}

func appendAttr(dst []byte, start, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, start...)
	return append(xmlstream.AppendEscaped(dst, value), '"')
}

// Raw returns the stanza with its namespace declared, so that it can be put anywhere.
func (s *Stanza) Raw() xmlstream.Raw {
	return xmlstream.Raw(s.Append(make([]byte, 0, s.Size()), true))
}

// Size returns about how many bytes Append writes.
func (s *Stanza) Size() int {
	const frame = 96 // element names, attribute names, the declaration
	n := frame + len(s.Type) + len(s.ID) + len(s.Lang) + len(s.From.String()) + len(s.To.String()) + len(s.content.raw)
	for _, p := range s.more {
		n += len(p.raw)
	}
	return n
}
