// SPDX-License-Identifier: Apache-2.0

package xmlstream

import "testing"

func TestBuilder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name  string
		build func(b *Builder)
		want  Raw
	}{
		{"nothing", func(b *Builder) {}, ""},
		{"empty element", func(b *Builder) { b.Start("urn:a", "a").End() }, `<a xmlns="urn:a"/>`},
		{"content namespace", func(b *Builder) { b.Start(NSClient, "a").End().Start("", "b").End() }, `<a/><b/>`},
		{"namespace only where it differs", func(b *Builder) {
			b.Start("urn:a", "a").Start("urn:a", "b").Start("", "c").End().End().Start("urn:d", "d").Start("urn:a", "e").End().End().End()
		}, `<a xmlns="urn:a"><b><c/></b><d xmlns="urn:d"><e xmlns="urn:a"/></d></a>`},
		{"content namespace inside", func(b *Builder) { b.Start("urn:a", "a").Start(NSClient, "b").End().End() },
			`<a xmlns="urn:a"><b xmlns="jabber:client"/></a>`},
		{"attributes", func(b *Builder) { b.Start("", "a").Attr("b", `<"'>&`+"\n\t\r").Lang("en").Lang("").End() },
			`<a b="&lt;&quot;&apos;&gt;&amp;&#10;&#9;&#13;" xml:lang="en"/>`},
		{"text", func(b *Builder) { b.Start("", "a").Text("<\"'>&\n\t\r").Text("").End() }, "<a>&lt;\"'&gt;&amp;\n\t&#13;</a>"},
		{"empty text", func(b *Builder) { b.Start("", "a").Text("").Raw("").End() }, "<a/>"},
		{"what XML cannot say", func(b *Builder) { b.Start("", "a").Text("x\x00\xff\uffff\xed\xa0\x80y").End() },
			"<a>x\ufffd\ufffd\ufffd\ufffd\ufffd\ufffdy</a>"},
		{"raw", func(b *Builder) { b.Start("", "a").Raw("<b/>").End().Raw("<c/>") }, `<a><b/></a><c/>`},
		{"other scripts", func(b *Builder) { b.Start("", "a").Attr("b", "é🦜").Text("日本\ufffd").End() }, "<a b=\"é🦜\">日本\ufffd</a>"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var b Builder
			c.build(&b)
			if got := b.Build(); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := b.Build(); got != "" {
				t.Errorf("%s is left", got)
			}
		})
	}
	if got := Elem("urn:a", "a") + TextElem("", "b", "&"); got != `<a xmlns="urn:a"/><b>&amp;</b>` {
		t.Error(got)
	}
}

func TestBuilderMisuse(t *testing.T) {
	t.Parallel()
	for name, f := range map[string]func(b *Builder){
		"attribute behind text":  func(b *Builder) { b.Start("", "a").Text("x").Attr("b", "c") },
		"attribute without tag":  func(b *Builder) { b.Attr("b", "c") },
		"attribute behind child": func(b *Builder) { b.Start("", "a").Start("", "b").End().Attr("b", "c") },
		"end without start":      func(b *Builder) { b.End() },
		"build while open":       func(b *Builder) { b.Start("", "a").Build() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f(new(Builder))
		})
	}
}
