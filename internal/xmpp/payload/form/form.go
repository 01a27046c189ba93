// SPDX-License-Identifier: Apache-2.0

// Package form writes data forms (XEP-0004 v2.13.2) to be filled in (New) and as results (Result), and reads what was
// filled in (Read): as far as fields of one line need it.
package form

import "github.com/kith-im/kith/internal/xmpp/xmlstream"

const ns = "jabber:x:data"

// formType is the name of the field that says what kind of form it is (XEP-0068 §3.1).
const formType = "FORM_TYPE"

// Types of fields (XEP-0004 §3.3).
const (
	TextSingle  = "text-single"
	TextPrivate = "text-private" // as for a password
	Boolean     = "boolean"
	Fixed       = "fixed" // a text to be read
)

// A Field is one field, with one value.
type Field struct {
	Var      string
	Value    string // "" in a form to be filled in means that there is none
	Type     string // "" means TextSingle; this and what follows is for New
	Label    string // for people; "" means none
	Required bool
}

// Result returns a form of type result; typ is its FORM_TYPE. Of the fields Var and Value count.
func Result(typ string, fields ...Field) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "x").Attr("type", "result")
	hidden(&b, typ)
	for _, f := range fields {
		b.Start(ns, "field").Attr("var", f.Var).Attr("type", TextSingle)
		b.Start(ns, "value").Text(f.Value).End()
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
	typ := f.Type
	if typ == "" {
		typ = TextSingle
	}
	b.Attr("type", typ)
	if f.Label != "" {
		b.Attr("label", f.Label)
	}
	if f.Required {
		b.Start(ns, "required").End()
	}
	if f.Value != "" {
		b.Start(ns, "value").Text(f.Value).End()
	}
	b.End()
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
	for x := range n.Children() {
		if !x.Is(ns, "x") || x.Attr("type") != "submit" {
			continue
		}
		v := Values{}
		for f := range x.Children() {
			name := f.Attr("var")
			if _, double := v[name]; double || name == "" || !f.Is(ns, "field") {
				continue
			}
			if value, ok := f.Child(ns, "value"); ok {
				v[name] = value.Text()
			}
		}
		return v
	}
	return nil
}

// In reports whether n has a form, of whatever type.
func In(n xmlstream.Node) bool {
	_, ok := n.Child(ns, "x")
	return ok
}
