// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"slices"
	"testing"
)

func TestNode(t *testing.T) {
	t.Parallel()
	n := mustParse(t, `<iq type="set" id='a&lt;b' xml:lang="en" p:x="1" xmlns:p="urn:p"><query xmlns="urn:q" node=""><item/>one<item n="2"/> two</query><other/></iq>`)
	if !n.Is(NSClient, "iq") || n.Is("urn:q", "iq") || n.IsZero() || !(Node{}).IsZero() {
		t.Error("name:", n.Name())
	}
	if n.Attr("type") != "set" || n.Attr("id") != "a<b" || n.Attr("none") != "" || n.Attr("x") != "" || n.Attr("lang") != "" {
		t.Error("attributes")
	}
	if n.AttrNS(NSXML, "lang") != "en" || n.AttrNS("urn:p", "x") != "1" {
		t.Error("attributes with namespace")
	}
	q, ok := n.Child("urn:q", "query")
	if !ok || !q.HasAttr("node") || q.HasAttr("type") || !q.HasText() || n.HasText() {
		t.Fatal("query")
	}
	if got := q.Text(); got != "one two" {
		t.Errorf("Text() = %q", got)
	}
	var names []Name
	for c := range n.Children() {
		names = append(names, c.Name())
	}
	if !slices.Equal(names, []Name{{"urn:q", "query"}, {NSClient, "other"}}) {
		t.Error("children:", names)
	}
	item, _ := q.Child("urn:q", "item")
	if item.Raw() != `<item xmlns="urn:q"/>` {
		t.Error("inherited namespace:", item.Raw())
	}
	if q.Inner() != `<item xmlns="urn:q"/>one<item xmlns="urn:q" n="2"/> two` {
		t.Error("inner:", q.Inner())
	}
	if (Name{"urn:q", "a"}).String() != "{urn:q}a" || (Name{"", "a"}).String() != "a" {
		t.Error("Name.String")
	}
}

func TestText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"":                               "",
		"plain":                          "plain",
		"&lt;&gt;&amp;&quot;&apos;":      `<>&"'`,
		"&#x1F99C;&#233;&#13;":           "🦜é\r",
		"a\r\nb\rc\nd":                   "a\nb\nc\nd",
		"<![CDATA[&lt;\r\n]]>&lt;":       "&lt;\n<",
		"<![CDATA[a]]><b/><![CDATA[c]]>": "ac",
		"<b/>":                           "",
		" <b>x</b> ":                     "  ",
		"<![CDATA[]]]]><![CDATA[>]]>":    "]]>",
	} {
		if got := mustParse(t, "<a>"+in+"</a>").Text(); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
	if got, want := mustParse(t, "<a b='1\r\n2\t3&#10;4\n'/>").Attr("b"), "1 2 3\n4 "; got != want {
		t.Errorf("attribute: %q, want %q", got, want)
	}
}

func TestParseRaw(t *testing.T) {
	t.Parallel()
	n, err := ParseRaw(`<a xmlns="urn:a"/> <b/>`)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := n.Child(NSClient, "b"); !ok || n.Inner() != `<a xmlns="urn:a"/> <b/>` {
		t.Error(n.Inner())
	}
	for _, bad := range []Raw{"<a>", "</x><x>", "<p:a/>"} {
		if n, err := ParseRaw(bad); err == nil {
			t.Error("accepted:", n.Inner())
		}
	}
}

// TestNoAllocations: looking at an element is free.
func TestNoAllocations(t *testing.T) {
	n := mustParse(t, chat)
	found := 0
	if a := testing.AllocsPerRun(100, func() {
		for c := range n.Children() {
			if c.Is("urn:xmpp:receipts", "request") && len(c.Raw()) > 0 && c.Name().Local != "" {
				found++
			}
		}
		if id, ok := n.Child("urn:xmpp:sid:0", "origin-id"); ok && id.Attr("id") != "" {
			found++
		}
		if body, ok := n.Child(NSClient, "body"); ok && body.Text() != "" && len(n.Inner()) > 0 {
			found++
		}
		for name, value := range n.Attrs() {
			if name.Space == NSXML && value == "en" {
				found++
			}
		}
	}); a != 0 || found == 0 {
		t.Errorf("%v allocations, found %d", a, found)
	}
}

func TestParseAllocations(t *testing.T) {
	p := NewParser(AfterAuth)
	p.Feed([]byte(header))
	if _, err := p.Next(); err != nil {
		t.Fatal(err)
	}
	in := []byte(chat)
	if a := testing.AllocsPerRun(100, func() {
		p.Feed(in)
		if _, err := p.Next(); err != nil {
			t.Error(err)
		}
	}); a > 5 {
		t.Errorf("%v allocations", a)
	}
}
