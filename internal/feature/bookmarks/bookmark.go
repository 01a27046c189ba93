// SPDX-License-Identifier: Apache-2.0

package bookmarks

import (
	"iter"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A bookmark is what is known of a room, whatever form it came in.
type bookmark struct {
	name       string
	autojoin   bool
	nick       string
	password   string
	extensions []xmlstream.Raw // of any namespace (XEP-0402 §2), such as what is to ring (XEP-0492 §2.1)
	rest       []xmlstream.Raw // what else is in an item, and must not be lost
}

// readItem reads the payload of an item (XEP-0402 §2); false: it is none of a bookmark.
func readItem(payload xmlstream.Raw) (m bookmark, ok bool) {
	n, ok := element(payload, Node, "conference")
	if !ok {
		return bookmark{}, false
	}
	m.name, m.autojoin = n.Attr("name"), truth(n.Attr("autojoin"))
	for c := range n.Children() {
		switch {
		case c.Is(Node, "nick"):
			m.nick = c.Text()
		case c.Is(Node, "password"):
			m.password = c.Text()
		case c.Is(Node, "extensions"):
			for x := range c.Children() {
				m.extensions = append(m.extensions, x.Raw())
			}
		default:
			m.rest = append(m.rest, c.Raw())
		}
	}
	return m, true
}

// readOld reads a room's part of a list (XEP-0048 §2.1). What that document does not know counts as an extension.
func readOld(n xmlstream.Node) (m bookmark) {
	m.name, m.autojoin = n.Attr("name"), truth(n.Attr("autojoin"))
	for c := range n.Children() {
		switch {
		case c.Is(List, "nick"):
			m.nick = c.Text()
		case c.Is(List, "password"):
			m.password = c.Text()
		default:
			m.extensions = append(m.extensions, c.Raw())
		}
	}
	return m
}

// updated returns m as somebody wants it who knows of what XEP-0048 has, and may not know of extensions.
func (m bookmark) updated(by bookmark) bookmark {
	m.name, m.autojoin, m.nick, m.password = by.name, by.autojoin, by.nick, by.password
	var have []xmlstream.Name // of m's extensions; zero for one that is replaced
	for _, x := range m.extensions {
		have = append(have, name(x))
	}
	m.extensions = slices.Clone(m.extensions)
	for _, x := range by.extensions {
		if i := slices.Index(have, name(x)); i >= 0 {
			m.extensions[i], have[i] = x, xmlstream.Name{}
		} else {
			m.extensions = append(m.extensions, x)
		}
	}
	return m
}

// item is the payload of an item.
func (m bookmark) item() xmlstream.Raw {
	var w xmlstream.Builder
	w.Start(Node, "conference")
	m.write(&w)
	if len(m.extensions) > 0 {
		w.Start(Node, "extensions")
		for _, x := range m.extensions {
			w.Raw(x)
		}
		w.End()
	}
	for _, x := range m.rest {
		w.Raw(x)
	}
	return w.End().Build()
}

// old writes the room's part of a list. It has the extensions, so that a client which keeps what it does not know keeps them.
func (m bookmark) old(w *xmlstream.Builder, id string) {
	w.Start(List, "conference").Attr("jid", id)
	m.write(w)
	for _, x := range m.extensions {
		if n := name(x); n.Space != List || n.Local != "nick" && n.Local != "password" { // these would mean something else there
			w.Raw(x)
		}
	}
	w.End()
}

// write writes what both forms have.
func (m bookmark) write(w *xmlstream.Builder) {
	if m.name != "" {
		w.Attr("name", m.name)
	}
	if m.autojoin {
		w.Attr("autojoin", "true")
	}
	if m.nick != "" {
		w.Start("", "nick").Text(m.nick).End()
	}
	if m.password != "" {
		w.Start("", "password").Text(m.password).End()
	}
}

// truth reads a boolean of XML Schema; what is none is false, the default (XEP-0402 §2, XEP-0048 §2.1).
func truth(v string) bool { return v == "true" || v == "1" }

// element parses one element that must have that name.
func element(raw xmlstream.Raw, space, local string) (xmlstream.Node, bool) {
	n, err := xmlstream.ParseRaw(raw)
	if err != nil {
		return xmlstream.Node{}, false
	}
	return n.Child(space, local)
}

// inside yields what is in a list.
func inside(list xmlstream.Raw) iter.Seq[xmlstream.Node] {
	return func(yield func(xmlstream.Node) bool) {
		n, ok := element(list, List, "storage")
		if !ok {
			return
		}
		for c := range n.Children() {
			if !yield(c) {
				return
			}
		}
	}
}

// name is that of an element.
func name(raw xmlstream.Raw) xmlstream.Name {
	n, err := xmlstream.ParseRaw(raw)
	if err != nil {
		return xmlstream.Name{}
	}
	for c := range n.Children() {
		return c.Name()
	}
	return xmlstream.Name{}
}
