// SPDX-License-Identifier: Apache-2.0

// Package form writes data forms (XEP-0004 v2.13.2) to be filled in (New) and as results (Result), and reads what was
// filled in: Read where each field has one value, Lists where some have several.
package form

import (
	"cmp"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "jabber:x:data"

// formType is the name of the field that says what kind of form it is (XEP-0068 §3.1).
const formType = "FORM_TYPE"

// Types of fields (XEP-0004 §3.3).
const (
	TextSingle  = "text-single"
	TextMulti   = "text-multi"   // lines
	TextPrivate = "text-private" // as for a password
	JIDSingle   = "jid-single"
	JIDMulti    = "jid-multi"
	ListMulti   = "list-multi"
	ListSingle  = "list-single"
	Boolean     = "boolean"
	Fixed       = "fixed" // a text to be read
)

// A Field is one field.
type Field struct {
	Var      string
	Value    string   // "" in a form to be filled in means that there is none
	Values   []string // instead of Value, where there may be several
	Type     string   // "" means TextSingle
	Label    string   // for people; "" means none; this and what follows is for New
	Required bool
	Options  []Option // of ListSingle
}

// An Option is one of those that a field lets choose from.
type Option struct{ Label, Value string }

// An Extension is what a server tells of itself in service discovery beyond its features (XEP-0128 §2).
type Extension struct {
	Type   string // its FORM_TYPE
	Fields []Field
}

// Result returns a form of type result; typ is its FORM_TYPE.
func Result(typ string, fields ...Field) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "x").Attr("type", "result")
	hidden(&b, typ)
	for _, f := range fields {
		b.Start(ns, "field").Attr("var", f.Var).Attr("type", cmp.Or(f.Type, TextSingle))
		if f.Values == nil {
			b.Start(ns, "value").Text(f.Value).End()
		}
		f.writeValues(&b)
		b.End()
	}
	return b.End().Build()
}

// New returns a form to be filled in. typ is its FORM_TYPE, title and instructions are for people; each may be "".
func New(typ, title, instructions string, fields ...Field) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "x").Attr("type", "form")
	if title != "" {
		b.Start(ns, "title").Text(title).End()
	}
	if instructions != "" {
		b.Start(ns, "instructions").Text(instructions).End()
	}
	if typ != "" {
		hidden(&b, typ)
	}
	for _, f := range fields {
		f.write(&b)
	}
	return b.End().Build()
}

func hidden(b *xmlstream.Builder, typ string) {
	b.Start(ns, "field").Attr("var", formType).Attr("type", "hidden")
	b.Start(ns, "value").Text(typ).End()
	b.End()
}

func (f Field) write(b *xmlstream.Builder) {
	b.Start(ns, "field")
	if f.Var != "" {
		b.Attr("var", f.Var)
	}
	b.Attr("type", cmp.Or(f.Type, TextSingle))
	if f.Label != "" {
		b.Attr("label", f.Label)
	}
	if f.Required {
		b.Start(ns, "required").End()
	}
	if f.Value != "" {
		b.Start(ns, "value").Text(f.Value).End()
	}
	f.writeValues(b)
	for _, o := range f.Options {
		b.Start(ns, "option").Attr("label", o.Label).Start(ns, "value").Text(o.Value).End().End()
	}
	b.End()
}

func (f Field) writeValues(b *xmlstream.Builder) {
	for _, v := range f.Values {
		b.Start(ns, "value").Text(v).End()
	}
}

// Values are what was filled in, by the fields' names: of each field its first value, the FORM_TYPE among them.
type Values map[string]string

// Type is the FORM_TYPE, "" where the form has none.
func (v Values) Type() string { return v[formType] }

// True reads a field of type boolean (XEP-0004 §3.3).
func (v Values) True(name string) bool { return v[name] == "true" || v[name] == "1" }

// Read returns what was filled in in the form in n; nil where n has no form of type submit. Of several fields of one name
// the first counts.
func Read(n xmlstream.Node) Values {
	lists := Lists(n)
	if lists == nil {
		return nil
	}
	v := Values{}
	for name, list := range lists {
		v[name] = list[0]
	}
	return v
}

// Lists is Read with all values of each field that has some.
func Lists(n xmlstream.Node) map[string][]string {
	for x := range n.Children() {
		if !x.Is(ns, "x") || x.Attr("type") != "submit" {
			continue
		}
		lists := map[string][]string{}
		for f := range x.Children() {
			name := f.Attr("var")
			if lists[name] != nil || name == "" || !f.Is(ns, "field") {
				continue
			}
			for value := range f.Children() {
				if value.Is(ns, "value") {
					lists[name] = append(lists[name], value.Text())
				}
			}
		}
		return lists
	}
	return nil
}

// In reports whether n has a form, of whatever type.
func In(n xmlstream.Node) bool {
	_, ok := n.Child(ns, "x")
	return ok
}
