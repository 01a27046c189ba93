// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"strconv"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ellipsis = "…"

const (
	minBody = 40  // bytes; a body that would be cut shorter is left out
	maxID   = 128 // bytes of a message's own id that are worth their place where room is short
)

// payload writes what the browser gets of n: no more than limit bytes, which is 400 or more. What does not fit is made
// shorter in the steps of doc/push.md. Only keys for the OMEMO device of that number are in it, where it is known.
func payload(n push.Notice, omemo string, limit int) []byte {
	if n.Stanza == nil {
		return fit(n, limit)
	}
	st := withoutKeys(n.Stanza, omemo)
	if st != nil {
		if b := around(n, "", st.Raw()); len(b) <= limit {
			return b
		}
		st = st.Without(func(c xmlstream.Node) bool { return !needed(c) })
		if b := around(n, "extras", st.Raw()); len(b) <= limit {
			return b
		}
		if b := cutBody(n, st, limit); b != nil {
			return b
		}
	}
	if b := around(n, "message", bare(n.Stanza).Raw()); len(b) <= limit {
		return b
	}
	n.Stanza = nil
	return fit(n, limit)
}

// fit writes a notice without its stanza, and without the chat where that alone is too long.
func fit(n push.Notice, limit int) []byte {
	cut := ""
	if n.Kind != push.Test && n.Kind != push.CallEnd {
		cut = "all"
	}
	if b := around(n, cut, ""); len(b) <= limit {
		return b
	}
	n.Chat, n.Call = jid.JID{}, ""
	return around(n, "all", "")
}

// bare returns a message without anything but its id in the archive.
func bare(st *stanza.Stanza) *stanza.Stanza {
	id := st.ID
	if len(id) > maxID {
		id = ""
	}
	var ids []xmlstream.Raw
	for c := range st.Children() {
		if c.Is(nsStanzaID, "stanza-id") {
			ids = append(ids, c.Raw())
		}
	}
	return stanza.New(st.Kind, st.Type, id, st.From, st.To, ids...)
}

// around writes the element that all of it is in.
func around(n push.Notice, cut string, content xmlstream.Raw) []byte {
	var b xmlstream.Builder
	b.Start(ns, "push").Attr("kind", string(n.Kind)).Attr("account", n.Account.String())
	if !n.Chat.IsZero() {
		b.Attr("chat", n.Chat.String())
	}
	if n.Count > 1 {
		b.Attr("count", strconv.Itoa(n.Count))
	}
	b.Attr("stamp", n.At.UTC().Format("2006-01-02T15:04:05.000Z"))
	if n.Call != "" {
		b.Attr("call", n.Call)
	}
	if n.Reason != "" {
		b.Attr("reason", n.Reason)
	}
	if cut != "" {
		b.Attr("cut", cut)
	}
	return []byte(b.Raw(content).End().Build())
}

// cutBody writes a message of which only the beginning of the body is left; nil where there is no body, or no room for
// some of it.
func cutBody(n push.Notice, st *stanza.Stanza, limit int) []byte {
	body := ""
	for c := range st.Children() {
		switch {
		case isEncrypted(c):
			return nil // half of it is nothing, and its body says only that it is encrypted
		case body == "" && c.Is(xmlstream.NSClient, "body"):
			body = c.Text()
		}
	}
	rest := bare(st)
	write := func(text string) []byte {
		return around(n, "body", rest.With(xmlstream.TextElem(xmlstream.NSClient, "body", text)).Raw())
	}
	room := limit - len(write(ellipsis))
	if body == "" || room < minBody {
		return nil
	}
	return write(prefix(body, room) + ellipsis)
}

// prefix returns as much of the beginning of text as takes no more than room bytes in XML.
func prefix(text string, room int) string {
	end := 0
	for i, c := range text {
		n := utf8.RuneLen(c)
		switch c {
		case '&':
			n = len("&amp;")
		case '<', '>':
			n = len("&lt;")
		case '\r':
			n = len("&#13;")
		}
		if room -= n; room < 0 {
			break
		}
		end = i + utf8.RuneLen(c)
	}
	return text[:end]
}

const (
	nsStanzaID  = "urn:xmpp:sid:0"                 // XEP-0359
	nsOMEMO     = "urn:xmpp:omemo:2"               // XEP-0384
	nsOldOMEMO  = "eu.siacs.conversations.axolotl" // XEP-0384, before version 0.4
	nsEncrypted = "urn:xmpp:eme:0"                 // XEP-0380
)

// needed reports whether a notification is poorer without that child.
func needed(c xmlstream.Node) bool {
	name := c.Name()
	switch name.Space {
	case xmlstream.NSClient:
		return name.Local == "body" || name.Local == "subject" || name.Local == "status"
	case nsStanzaID, nsEncrypted,
		"urn:xmpp:jingle-message:0",           // XEP-0353
		"http://jabber.org/protocol/muc#user", // XEP-0045 §7.5
		"urn:xmpp:message-correct:0",          // XEP-0308
		"jabber:x:oob",                        // XEP-0066
		"http://jabber.org/protocol/nick",     // XEP-0172
		"urn:xmpp:occupant-id:0":              // XEP-0421
		return true
	}
	return isEncrypted(c)
}

// isEncrypted reports whether an element is an encrypted message.
func isEncrypted(c xmlstream.Node) bool {
	name := c.Name()
	switch name.Space {
	case nsOMEMO, nsOldOMEMO:
		return name.Local == "encrypted"
	case "urn:xmpp:openpgp:0", "jabber:x:encrypted": // XEP-0373, and OpenPGP as it was before
		return true
	}
	return false
}

// withoutKeys leaves only those keys of an OMEMO message in it that are for the device of that number. It returns nil where
// there is none: the device cannot read the message. "" leaves all.
func withoutKeys(st *stanza.Stanza, device string) *stanza.Stanza {
	if device == "" {
		return st
	}
	omemo := func(c xmlstream.Node) bool { return c.Is(nsOMEMO, "encrypted") || c.Is(nsOldOMEMO, "encrypted") }
	var slim []xmlstream.Raw
	for c := range st.Children() {
		if omemo(c) {
			raw, ok := slimmed(c, device)
			if !ok {
				return nil
			}
			slim = append(slim, raw)
		}
	}
	if len(slim) == 0 {
		return st
	}
	return st.Without(omemo).With(slim...)
}

// slimmed writes an OMEMO element with the keys for one device only.
func slimmed(e xmlstream.Node, device string) (raw xmlstream.Raw, found bool) {
	s := slimmer{space: e.Name().Space, device: device}
	s.open(e)
	for c := range e.Children() {
		if c.Is(s.space, "header") {
			s.keys(c)
		} else {
			s.b.Raw(c.Raw())
		}
	}
	return s.b.End().Build(), s.found
}

type slimmer struct {
	b             xmlstream.Builder
	space, device string
	found         bool
}

// open begins an element like n.
func (s *slimmer) open(n xmlstream.Node) {
	s.b.Start(n.Name().Space, n.Name().Local)
	for name, value := range n.Attrs() {
		if name.Space == "" {
			s.b.Attr(name.Local, value)
		}
	}
}

// keys writes an element that has keys in it, or has those of each account in an element of its own.
func (s *slimmer) keys(of xmlstream.Node) {
	s.open(of)
	for k := range of.Children() {
		switch {
		case k.Is(s.space, "keys"):
			s.keys(k)
		case !k.Is(s.space, "key"):
			s.b.Raw(k.Raw())
		case k.Attr("rid") == s.device:
			s.found = true
			s.b.Raw(k.Raw())
		}
	}
	s.b.End()
}
