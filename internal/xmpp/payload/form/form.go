// SPDX-License-Identifier: Apache-2.0

// Package form writes data forms (XEP-0004 v2.13.2), as far as results need them.
package form

import "github.com/kith-im/kith/internal/xmpp/xmlstream"

const ns = "jabber:x:data"

// A Field is one field of a result, with one value.
type Field struct{ Var, Value string }

// Result returns a form of type result; typ is its FORM_TYPE (XEP-0068 §3.1 in use).
func Result(typ string, fields ...Field) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "x").Attr("type", "result")
	field(&b, "FORM_TYPE", "hidden", typ)
	for _, f := range fields {
		field(&b, f.Var, "text-single", f.Value)
	}
	return b.End().Build()
}

func field(b *xmlstream.Builder, name, typ, value string) {
	b.Start(ns, "field").Attr("var", name).Attr("type", typ)
	b.Start(ns, "value").Text(value).End()
	b.End()
}
