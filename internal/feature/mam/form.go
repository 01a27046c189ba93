// SPDX-License-Identifier: Apache-2.0

package mam

import (
	"context"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsForm     = "jabber:x:data"
	nsValidate = "http://jabber.org/protocol/xdata-validate" // XEP-0122
)

// A field is a filter that a query may have (XEP-0313 §4.1).
type field struct {
	name, typ string
	read      func(q *archive.Query, value string) error // is called for each value that is not empty
	silent    bool                                       // understood, and not told of
}

// fields are all that there are.
func fields() []field {
	return []field{
		{name: "with", typ: "jid-single", read: func(q *archive.Query, v string) (err error) { // XEP-0313 §4.1.1
			if q.With, err = jid.Parse(v); err != nil {
				err = stanza.JIDMalformed.WithText("with is no address")
			}
			return err
		}},
		{name: "start", typ: "text-single", read: func(q *archive.Query, v string) (err error) { // XEP-0313 §4.1.2
			q.Start, err = instant("start", v)
			return err
		}},
		{name: "end", typ: "text-single", read: func(q *archive.Query, v string) (err error) {
			q.End, err = instant("end", v)
			return err
		}},
		{name: "before-id", typ: "text-single", read: func(q *archive.Query, v string) (err error) { // XEP-0313 §4.1.3
			q.BeforeID, err = parseID(v)
			return err
		}},
		{name: "after-id", typ: "text-single", read: func(q *archive.Query, v string) (err error) {
			q.AfterID, err = parseID(v)
			return err
		}},
		{name: "ids", typ: "list-multi", read: func(q *archive.Query, v string) error {
			id, err := parseID(v)
			q.IDs = append(q.IDs, id)
			return err
		}},
		{name: "include-groupchat", typ: "boolean", read: func(_ *archive.Query, v string) error { // XEP-0313 §4.1.4: there are none
			switch v {
			case "true", "false", "1", "0":
				return nil
			}
			return stanza.BadRequest.WithText("include-groupchat is neither true nor false")
		}},
		{name: "{" + nsFulltext + "}fulltext", typ: "text-single", read: text}, // XEP-0431 §3.1
		// COMPAT: the name that it had in servers before there was a document. XEP-0313 §4.1 wants others for new fields.
		{name: "withtext", typ: "text-single", read: text, silent: true},
	}
}

func text(q *archive.Query, v string) error {
	q.Text, q.AnyText = v, false
	return nil
}

// instant reads a time (XEP-0082 §3.2).
func instant(name, v string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, v)
	if err != nil {
		return time.Time{}, stanza.BadRequest.WithText(name + " is no time")
	}
	return t, nil
}

// form tells which filters there are (XEP-0313 §4.1.5). None is required (§4.1).
func (m *mam) form(context.Context, *router.Request) (xmlstream.Raw, error) {
	var b xmlstream.Builder
	b.Start(ns, "query").Start(nsForm, "x").Attr("type", "form")
	b.Start(nsForm, "field").Attr("type", "hidden").Attr("var", "FORM_TYPE")
	b.Start(nsForm, "value").Text(ns).End().End()
	for _, f := range fields() {
		if f.silent {
			continue
		}
		b.Start(nsForm, "field").Attr("type", f.typ).Attr("var", f.name)
		if f.name == "ids" { // any value may be chosen, and none is named
			b.Start(nsValidate, "validate").Attr("datatype", "xs:string").Start(nsValidate, "open").End().End()
		}
		b.End()
	}
	return b.End().End().Build(), nil
}

// readForm reads the filters in n, a query, into q. A query without a form has none.
func readForm(n xmlstream.Node, q *archive.Query) error {
	x, ok := n.Child(nsForm, "x")
	if !ok {
		return nil
	}
	if x.Attr("type") != "submit" {
		return stanza.BadRequest.WithText("the form is not of type submit")
	}
	known, seen := fields(), map[string]bool{}
	for f := range x.Children() {
		if !f.Is(nsForm, "field") {
			continue // titles and the like
		}
		name := f.Attr("var")
		if seen[name] {
			return stanza.BadRequest.WithText("a field is there twice")
		}
		seen[name] = true
		if name == "FORM_TYPE" {
			if v, _ := f.Child(nsForm, "value"); v.IsZero() || v.Text() != ns { // XEP-0313 §4.1
				return stanza.BadRequest.WithText("the form is another one")
			}
			continue
		}
		if err := readField(known, f, name, q); err != nil {
			return err
		}
	}
	if !seen["FORM_TYPE"] { // XEP-0313 §4.1
		return stanza.BadRequest.WithText("the form has no FORM_TYPE")
	}
	return nil
}

func readField(known []field, f xmlstream.Node, name string, q *archive.Query) error {
	for _, k := range known {
		if k.name != name {
			continue
		}
		n := 0
		for v := range f.Children() {
			if !v.Is(nsForm, "value") || v.Text() == "" {
				continue
			}
			if n++; n > 1 && k.typ != "list-multi" {
				return stanza.BadRequest.WithText("a field has more than one value")
			}
			if err := k.read(q, v.Text()); err != nil {
				return err
			}
		}
		return nil
	}
	return stanza.FeatureNotImplemented // XEP-0313 §4.1.5
}
