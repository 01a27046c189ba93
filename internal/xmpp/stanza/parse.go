// SPDX-License-Identifier: Apache-2.0

package stanza

import (
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Parse reads the header of a stanza and checks it. It returns ErrNotStanza for elements that are none.
//
// Every other error is an *Error, the one to answer with. The stanza is returned beside it, with as much of its
// header as could be read, so that the caller can Bounce it, if its type allows an answer. An address that is
// malformed is the zero JID in it.
//
// Attributes of the stanza other than type, id, from, to and xml:lang are dropped, and so is text between its
// children.
func Parse(e *xmlstream.Element) (*Stanza, error) {
	root := e.Root()
	s := &Stanza{}
	switch name := root.Name(); {
	case name.Space != xmlstream.NSClient:
		return nil, ErrNotStanza
	case name.Local == "message":
		s.Kind = Message
	case name.Local == "presence":
		s.Kind = Presence
	case name.Local == "iq":
		s.Kind = IQ
	default:
		return nil, ErrNotStanza
	}
	s.children(root)

	var bad *Error
	for name, value := range root.Attrs() {
		switch name {
		case xmlstream.Name{Local: "type"}:
			s.Type = value
		case xmlstream.Name{Local: "id"}:
			s.ID = value
		case xmlstream.Name{Space: xmlstream.NSXML, Local: "lang"}:
			s.Lang = value
		case xmlstream.Name{Local: "from"}:
			s.From = address(value, &bad)
		case xmlstream.Name{Local: "to"}:
			s.To = address(value, &bad)
		}
	}
	if err := s.check(); err != nil {
		return s, err
	}
	if bad != nil {
		return s, bad
	}
	return s, nil
}

// address reads an address, or sets bad (RFC 6120 §8.3.3.8).
func address(v string, bad **Error) jid.JID {
	j, err := jid.Parse(v)
	if err != nil {
		*bad = JIDMalformed
	}
	return j
}

// children takes the children of root.
func (s *Stanza) children(root xmlstream.Node) {
	if !root.HasText() {
		s.content = piece{raw: root.Inner(), parent: root}
		return
	}
	for n := range root.Children() {
		s.more = append(s.more, piece{raw: n.Raw(), only: n})
	}
}

// check checks type, id and the number of children, and makes the type of a message one of those that are known.
func (s *Stanza) check() error {
	switch s.Kind {
	case Message:
		switch s.Type {
		case "chat", "groupchat", "headline", TypeError:
		default: // RFC 6121 §5.2.2: an unknown type is normal
			s.Type = ""
		}
	case Presence:
		switch s.Type { // RFC 6121 §4.7.1
		case "", "unavailable", "subscribe", "subscribed", "unsubscribe", "unsubscribed", "probe", TypeError:
		default:
			return BadRequest
		}
	case IQ:
		switch s.Type { // RFC 6120 §8.2.3
		case TypeResult, TypeError:
		case TypeGet, TypeSet:
			n := 0
			for range s.Children() {
				n++
			}
			if n != 1 {
				return BadRequest
			}
		default:
			return BadRequest
		}
		if s.ID == "" {
			return BadRequest
		}
	}
	return nil
}
