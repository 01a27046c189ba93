// SPDX-License-Identifier: Apache-2.0

package form

import (
	"maps"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func parse(t *testing.T, text string) xmlstream.Node {
	t.Helper()
	el, err := xmlstream.Parse(text, xmlstream.AfterAuth)
	if err != nil {
		t.Fatal(err)
	}
	return el.Root()
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name      string
		got, want xmlstream.Raw
	}{
		{"a result", Result("urn:x", Field{Var: "uri", Value: "a&b"}),
			`<x xmlns="jabber:x:data" type="result"><field var="FORM_TYPE" type="hidden"><value>urn:x</value></field>` +
				`<field var="uri" type="text-single"><value>a&amp;b</value></field></x>`},
		{"to be filled in", New("urn:x", "Title", "Please.", Field{Var: "name", Label: "Name", Value: "juliet", Required: true},
			Field{Var: "yes", Type: Boolean}, Field{Type: Fixed, Value: "Thanks."}),
			`<x xmlns="jabber:x:data" type="form"><title>Title</title><instructions>Please.</instructions>` +
				`<field var="FORM_TYPE" type="hidden"><value>urn:x</value></field>` +
				`<field var="name" type="text-single" label="Name"><required/><value>juliet</value></field>` +
				`<field var="yes" type="boolean"/><field type="fixed"><value>Thanks.</value></field></x>`},
		{"the least", New("", "", ""), `<x xmlns="jabber:x:data" type="form"/>`},
	} {
		if diff := cmp.Diff(c.want, c.got); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, xml string
		want      Values
		in        bool
	}{
		{"none", `<query/>`, nil, false},
		{"another's", `<query><x xmlns="jabber:x:oob" type="submit"/></query>`, nil, false},
		{"cancelled", `<query><x xmlns="jabber:x:data" type="cancel"/></query>`, nil, true},
		{"nothing in it", `<query><x xmlns="jabber:x:data" type="submit"/></query>`, Values{}, true},
		{"fields of all kinds", `<query><x xmlns="jabber:x:data" type="submit"><title>x</title>
			<field var="FORM_TYPE" type="hidden"><value>urn:x</value></field><field var="a"><value>1</value><value>2</value></field>
			<field var="a"><value>3</value></field><field var="none"/><field><value>nameless</value></field>
			<field var="empty"><value/></field><field xmlns="urn:y" var="y"><value>y</value></field></x></query>`,
			Values{"FORM_TYPE": "urn:x", "a": "1", "empty": ""}, true},
	} {
		n := parse(t, c.xml)
		if diff := cmp.Diff(c.want, Read(n)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
		if In(n) != c.in {
			t.Errorf("%s: In is %v", c.name, !c.in)
		}
	}
	v := Values{"FORM_TYPE": "urn:x", "a": "1", "b": "true", "c": "false", "d": "yes"}
	if v.Type() != "urn:x" || !v.True("a") || !v.True("b") || v.True("c") || v.True("d") || v.True("e") {
		t.Errorf("%v is read in another way", v)
	}
}

// What is read and written as a form again is read as the same.
func FuzzRead(f *testing.F) {
	f.Add(`<query><x xmlns="jabber:x:data" type="submit"><field var="a"><value>1</value></field></x></query>`)
	f.Add(`<query><x xmlns="jabber:x:data" type="submit"><field var="&lt;"><value>&amp;</value></field><field/></x></query>`)
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmlstream.Parse(text, xmlstream.BeforeAuth)
		if err != nil {
			return
		}
		v := Read(el.Root())
		if v == nil {
			return
		}
		var b xmlstream.Builder
		b.Start("", "query").Start(ns, "x").Attr("type", "submit")
		for _, name := range slices.Sorted(maps.Keys(v)) {
			b.Start(ns, "field").Attr("var", name).Start(ns, "value").Text(v[name]).End().End()
		}
		again, err := xmlstream.Parse(string(b.End().End().Build()), xmlstream.AfterAuth)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(v, Read(again.Root())); diff != "" {
			t.Error(diff)
		}
	})
}
