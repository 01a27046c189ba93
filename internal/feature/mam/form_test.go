// SPDX-License-Identifier: Apache-2.0

package mam

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// What is read from a form, or is refused with an error for the client, is read from the form that says the same.
func FuzzForm(f *testing.F) {
	const head = `<q><x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE"><value>urn:xmpp:mam:2</value></field>`
	for _, s := range []string{
		`<q/>`, head + `</x></q>`,
		head + `<field var="with"><value>juliet@kith.example/a&lt;b</value></field><field var="start"><value>2026-11-22T12:00:00.5+01:00</value></field></x></q>`,
		head + `<field var="ids"><value>0000000000001</value><value>01k9p2qd6g000</value></field><field var="withtext"><value> Ö x</value></field></x></q>`,
		head + `<field var="after-id"><value>01k9p2qd6g000</value></field><field var="before-id"/><field var="mood"/></x></q>`,
		head + `<field var="include-groupchat"><value>1</value></field><title/><field var="end"><value>x</value></field></x></q>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmlstream.Parse(text, xmlstream.BeforeAuth)
		if err != nil {
			return
		}
		q := archive.All(1, 50)
		if err := readForm(el.Root(), &q); err != nil {
			if _, ok := errors.AsType[*stanza.Error](err); !ok {
				t.Fatalf("%v", err)
			}
			return
		}
		again, err := xmlstream.Parse(string(writeForm(q)), xmlstream.AfterAuth)
		if err != nil {
			t.Fatal(err)
		}
		r := archive.All(1, 50)
		if err := readForm(again.Root(), &r); err != nil {
			t.Fatalf("%+v: %v", q, err)
		}
		same := cmp.Comparer(func(a, b jid.JID) bool { return a == b })
		if diff := cmp.Diff(q, r, same); diff != "" {
			t.Error(diff)
		}
	})
}

// writeForm writes what q filters as a client would.
func writeForm(q archive.Query) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start("", "q").Start(nsForm, "x").Attr("type", "submit")
	field := func(name string, values ...string) {
		b.Start(nsForm, "field").Attr("var", name)
		for _, v := range values {
			b.Start(nsForm, "value").Text(v).End()
		}
		b.End()
	}
	field("FORM_TYPE", ns)
	if !q.With.IsZero() {
		field("with", q.With.String())
	}
	for name, at := range map[string]time.Time{"start": q.Start, "end": q.End} {
		if !at.IsZero() {
			field(name, at.Format(time.RFC3339Nano))
		}
	}
	for name, id := range map[string]archive.ID{"after-id": q.AfterID, "before-id": q.BeforeID} {
		if id != 0 {
			field(name, id.String())
		}
	}
	if q.IDs != nil {
		var ids []string
		for _, id := range q.IDs {
			ids = append(ids, id.String())
		}
		field("ids", ids...)
	}
	if !q.AnyText {
		field("withtext", q.Text)
	}
	return b.End().End().Build()
}
