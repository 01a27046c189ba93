// SPDX-License-Identifier: Apache-2.0

package vcard

import (
	"iter"
	"regexp"
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A kind is a property that both forms have (XEP-0292 §11), under a name each.
type kind struct {
	older, newer string
	value        string   // the newer form's element for its value; "" where it has parts
	parts        []string // names in the older form, each followed by that in the newer
	typed        bool     // it may be at home or at work, and preferred
}

// kinds are the properties that are translated. Of all others there is nothing in the other form.
func kinds() []kind {
	return []kind{
		{older: "FN", newer: "fn", value: "text"},
		{older: "N", newer: "n", parts: []string{"FAMILY", "surname", "GIVEN", "given", "MIDDLE", "additional", "PREFIX", "prefix", "SUFFIX", "suffix"}},
		{older: "NICKNAME", newer: "nickname", value: "text"},
		{older: "BDAY", newer: "bday", value: "date"},
		{older: "URL", newer: "url", value: "uri"},
		{older: "TITLE", newer: "title", value: "text"},
		{older: "ROLE", newer: "role", value: "text"},
		{older: "DESC", newer: "note", value: "text"},    // XEP-0292 §11.1.1
		{older: "JABBERID", newer: "impp", value: "uri"}, // XEP-0292 §11.1.2
		{older: "ORG", newer: "org", parts: []string{"ORGNAME", "text", "ORGUNIT", "text"}},
		{older: "EMAIL", newer: "email", parts: []string{"USERID", "text"}, typed: true},
		{older: "TEL", newer: "tel", parts: []string{"NUMBER", "uri"}, typed: true}, // XEP-0292 §11.3.5; text where it is no URI
		{older: "ADR", newer: "adr", parts: []string{"POBOX", "pobox", "EXTADD", "ext", "STREET", "street", "LOCALITY", "locality",
			"REGION", "region", "PCODE", "code", "CTRY", "country"}, typed: true},
	}
}

// types are what a typed property may be, in both forms. INTERNET is what every e-mail address is.
func types() []string {
	return []string{"HOME", "home", "WORK", "work", "VOICE", "voice", "FAX", "fax", "PAGER", "pager", "MSG", "text", "CELL", "cell",
		"VIDEO", "video"}
}

// other returns what stands beside name in a list of pairs; at is 0 to look among the first of each, 1 among the second.
func other(pairs []string, at int, name string) (string, bool) {
	for i := at; i < len(pairs); i += 2 {
		if pairs[i] == name {
			return pairs[i^1], true
		}
	}
	return "", false
}

var (
	date = regexp.MustCompile(`^\d{4}-\d{2}-\d{2}$`)
	tel  = regexp.MustCompile(`^\+?[0-9][0-9.()-]*$`)
)

const (
	xmpp = "xmpp:"
	call = "tel:"
)

// newer translates a property of the older form; false where there are no words for all of it.
func newer(n xmlstream.Node) (xmlstream.Raw, bool) {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return n.Is(ns, k.older) })
	if i < 0 {
		return "", false
	}
	k := kinds()[i]
	var b xmlstream.Builder
	b.Start(ns4, k.newer)
	if k.value != "" {
		v := strings.TrimSpace(n.Text())
		switch {
		case v == "", k.value == "date" && !date.MatchString(v):
			return "", false
		case k.newer == "impp":
			v = xmpp + v
		}
		return b.Start("", k.value).Text(v).End().End().Build(), true
	}
	if k.typed {
		parameters(&b, n)
	}
	found := false
	for c := range n.Children() {
		part, ok := other(k.parts, 0, c.Name().Local)
		v := strings.TrimSpace(c.Text())
		switch {
		case !ok || v == "":
			continue
		case part == "uri" && tel.MatchString(v):
			v = call + v
		case part == "uri":
			part = "text"
		}
		b.Start("", part).Text(v).End()
		found = true
	}
	return b.End().Build(), found
}

// parameters writes the types of a property of the older form.
func parameters(b *xmlstream.Builder, n xmlstream.Node) {
	var list []string
	pref := false
	for c := range n.Children() {
		if t, ok := other(types(), 0, c.Name().Local); ok {
			list = append(list, t)
		}
		pref = pref || c.Is(ns, "PREF")
	}
	if len(list) == 0 && !pref {
		return
	}
	b.Start("", "parameters")
	if len(list) > 0 {
		b.Start("", "type")
		for _, t := range list {
			b.Start("", "text").Text(t).End()
		}
		b.End()
	}
	if pref {
		b.Start("", "pref").Start("", "integer").Text("1").End().End()
	}
	b.End()
}

// older translates a property of the newer form. It may be several of the older, or none.
func older(n xmlstream.Node) (list []xmlstream.Raw) {
	i := slices.IndexFunc(kinds(), func(k kind) bool { return n.Is(ns4, k.newer) })
	if i < 0 {
		return nil
	}
	k := kinds()[i]
	if k.value != "" {
		for c := range n.Children() {
			v := strings.TrimSpace(c.Text())
			if c.Is(ns4, "parameters") || v == "" {
				continue
			}
			if k.newer == "impp" {
				var ok bool
				if v, ok = strings.CutPrefix(v, xmpp); !ok {
					continue // of another network
				}
			}
			list = append(list, xmlstream.TextElem(ns, k.older, v))
		}
		return list
	}
	var b xmlstream.Builder
	b.Start(ns, k.older)
	if k.typed {
		marks(&b, n)
	}
	if k.older == "EMAIL" {
		b.Start("", "INTERNET").End()
	}
	found := false
	for c := range n.Children() {
		part, ok := other(k.parts, 1, c.Name().Local)
		if k.older == "TEL" && c.Is(ns4, "text") {
			part, ok = "NUMBER", true
		}
		v := strings.TrimSpace(c.Text())
		if !ok || v == "" {
			continue
		}
		if k.older == "ORG" && found {
			part = "ORGUNIT" // XEP-0292 §11.3.3 has none; vCard4 itself has them as further texts
		}
		if k.older == "TEL" {
			v = strings.TrimPrefix(v, call)
		}
		b.Start("", part).Text(v).End()
		found = true
	}
	if raw := b.End().Build(); found {
		return []xmlstream.Raw{raw}
	}
	return nil
}

// marks writes the types of a property of the newer form.
func marks(b *xmlstream.Builder, n xmlstream.Node) {
	p, ok := n.Child(ns4, "parameters")
	if !ok {
		return
	}
	if t, ok := p.Child(ns4, "type"); ok {
		for c := range t.Children() {
			if mark, ok := other(types(), 1, strings.TrimSpace(c.Text())); ok {
				b.Start("", mark).End()
			}
		}
	}
	if _, ok := p.Child(ns4, "pref"); ok {
		b.Start("", "PREF").End()
	}
}

// translated is newer for properties that come back as they were.
func translated(n xmlstream.Node) (xmlstream.Raw, bool) {
	raw, ok := newer(n)
	if !ok {
		return "", false
	}
	back := older(element(raw, ns4, name(raw)))
	return raw, len(back) == 1 && slices.Equal(sense(n), sense(element(back[0], ns, n.Name().Local)))
}

// said reports whether a property of the newer form stays beside those of the older: all that it means there is among them,
// or it means nothing there. without are the properties that say something else.
func said(p xmlstream.Node, list []xmlstream.Node) (ok bool, without []xmlstream.Node) {
	without = slices.Clone(list)
	for _, raw := range older(p) {
		means := sense(element(raw, ns, name(raw)))
		i := slices.IndexFunc(without, func(n xmlstream.Node) bool { return slices.Equal(sense(n), means) })
		if i < 0 {
			return false, nil
		}
		without = slices.Delete(without, i, i+1)
	}
	return true, without
}

// sense is what a property of the older form says, whatever the order and the white space: its name, and its parts.
func sense(n xmlstream.Node) []string {
	if n.IsZero() {
		return nil
	}
	var parts []string
	for c := range n.Children() {
		v := strings.TrimSpace(c.Text())
		_, mark := other(types(), 0, c.Name().Local)
		deep := false
		for range c.Children() {
			deep = true
		}
		switch {
		case c.Is(ns, "INTERNET") && n.Is(ns, "EMAIL"):
		case deep:
			parts = append(parts, string(c.Raw()))
		case mark && v == "", c.Is(ns, "PREF"), c.Name().Space != ns:
			parts = append(parts, c.Name().String())
		case v != "":
			parts = append(parts, c.Name().String()+"="+v)
		case !known(n, c): // an empty part says nothing, but what we do not know may
			parts = append(parts, c.Name().String())
		}
	}
	slices.Sort(parts)
	return append([]string{n.Name().String(), strings.TrimSpace(n.Text())}, parts...)
}

// known reports whether c is a part of its property n that has a name in the newer form.
func known(n, c xmlstream.Node) bool {
	for _, k := range kinds() {
		if n.Is(ns, k.older) {
			_, ok := other(k.parts, 0, c.Name().Local)
			return ok
		}
	}
	return false
}

// element parses an element, and returns it if it has that name.
func element(raw xmlstream.Raw, space, local string) xmlstream.Node {
	n, err := xmlstream.ParseRaw(raw)
	if err != nil {
		return xmlstream.Node{}
	}
	el, _ := n.Child(space, local)
	return el
}

// name is the local name of an element that a Builder made.
func name(raw xmlstream.Raw) string {
	n, err := xmlstream.ParseRaw(raw)
	if err != nil {
		return ""
	}
	for c := range n.Children() {
		return c.Name().Local
	}
	return ""
}

// kids yields what is in an element, nothing for a zero Node.
func kids(n xmlstream.Node) iter.Seq[xmlstream.Node] {
	if n.IsZero() {
		return func(func(xmlstream.Node) bool) {}
	}
	return n.Children()
}
