// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var wide = Limits{Bytes: 1 << 20, Depth: 1 << 10, Attrs: 1 << 10, Nodes: 1 << 20}

func seeds(f *testing.F, add func(string)) {
	for _, c := range strict {
		if len(c.doc) < 1000 {
			add(c.doc)
		}
	}
	add(chat)
	add(`<message xmlns:a='urn:a'><a:x b:y='1' xmlns:b='urn:b'><body xmlns='jabber:server'/></a:x> <c:body xmlns:c='jabber:client'>x</c:body></message>`)
	add(`<iq><pubsub xmlns='urn:p'><publish><item id='1'><entry xmlns='urn:e' x:y='&lt;' xmlns:x='urn:x'>a<x:b/>c<![CDATA[d]]></entry></item></publish></pubsub></iq>`)
}

// FuzzParse: what we accept encoding/xml accepts too and understands the same, and each element of it stands alone.
func FuzzParse(f *testing.F) {
	seeds(f, func(s string) { f.Add(s) })
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := Parse(doc, wide)
		if err != nil {
			if _, ok := err.(*SyntaxError); !ok {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		got := treeOf(e.Root())
		want, err := oracle(doc)
		if err != nil {
			t.Fatalf("encoding/xml refuses it: %v", err)
		}
		if !reflect.DeepEqual(want, got) {
			t.Fatalf("encoding/xml understands something else (-theirs +ours):\n%s", cmp.Diff(want, got))
		}
		walk(e.Root(), func(n Node) { standsAlone(t, n) })
	})
}

// standsAlone checks that Raw and Inner mean the same elsewhere.
func standsAlone(t *testing.T, n Node) {
	t.Helper()
	e, err := Parse(string(n.Raw()), wide)
	if err != nil {
		t.Fatalf("Raw %q: %v", n.Raw(), err)
	}
	if a, b := treeOf(n), treeOf(e.Root()); !reflect.DeepEqual(a, b) {
		t.Fatalf("Raw %q:\n%s", n.Raw(), cmp.Diff(a, b))
	}
	in, err := ParseRaw(n.Inner())
	if err != nil {
		t.Fatalf("Inner %q: %v", n.Inner(), err)
	}
	a, b := treeOf(n), treeOf(in)
	if a.Text != b.Text || !reflect.DeepEqual(a.Kids, b.Kids) {
		t.Fatalf("Inner %q of %q:\n%s", n.Inner(), n.Raw(), cmp.Diff(a, b))
	}
}

// FuzzStream: however a stream is cut into pieces, the same is read; and children of stanzas fit into any stream.
func FuzzStream(f *testing.F) {
	seeds(f, func(s string) {
		f.Add(s+" "+s+"</stream:stream>", uint64(1), true)
		f.Add(s, uint64(2), false)
	})
	f.Fuzz(func(t *testing.T, in string, seed uint64, server bool) {
		full := header + in
		if server {
			full = `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:h='urn:h' xmlns:c='jabber:client'>` + in
		}
		one := readStream(wide, full, whole(full))
		random := rand.New(rand.NewPCG(seed, 0))
		size := 1 + random.IntN(20)
		cut := readStream(wide, full, func() int { return random.IntN(size + 1) })
		if condition(one.err) != condition(cut.err) && cut.err != ErrMore || one.closed != cut.closed || len(one.kids) != len(cut.kids) {
			t.Fatalf("whole: %v, %d elements; in pieces: %v, %d elements", one.err, len(one.kids), cut.err, len(cut.kids))
		}
		for i, n := range one.kids {
			if n.Raw() != cut.kids[i].Raw() {
				t.Fatalf("whole: %s; in pieces: %s", n.Raw(), cut.kids[i].Raw())
			}
			// On a stream between servers an element in jabber:server of a client's would be of the content namespace.
			if n.Name().Space == NSClient && (server || !strings.Contains(in, "jabber:")) {
				moves(t, n)
			}
		}
	})
}

// moves checks that the children of the stanza n mean the same on a stream between servers, verbatim.
func moves(t *testing.T, n Node) {
	t.Helper()
	if n.node().flags&kidNeeds != 0 {
		t.Fatalf("a child of %q needs to be written anew", n.Raw())
	}
	there := "<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'><x>" + string(n.Inner()) + "</x>"
	r := readStream(wide, there, whole(there))
	if len(r.kids) != 1 {
		t.Fatalf("%q: %v", there, r.err)
	}
	if want, got := treeOf(n), treeOf(r.kids[0]); !reflect.DeepEqual(want.Kids, got.Kids) {
		t.Fatalf("%q:\n%s", there, cmp.Diff(want, got))
	}
}

// FuzzBuilder: whatever text is put in comes out again, but for what XML cannot say.
func FuzzBuilder(f *testing.F) {
	f.Add("a", "b")
	f.Add("<&>'\"\r\n\t", "]]>\x00\xff")
	f.Fuzz(func(t *testing.T, value, text string) {
		var b Builder
		b.Start("urn:a", "a").Attr("v", value).Text(text).End()
		raw := b.Build()
		e, err := Parse(string(raw), Limits{Bytes: 1 << 30, Depth: 1, Attrs: 2, Nodes: 1})
		if err != nil {
			t.Fatalf("%q: %v", raw, err)
		}
		if got, want := e.Root().Attr("v"), valid(value); got != want {
			t.Errorf("attribute %q, want %q", got, want)
		}
		if got, want := e.Root().Text(), valid(text); got != want {
			t.Errorf("text %q, want %q", got, want)
		}
	})
}

func valid(s string) string {
	out := []rune(s) // invalid bytes become U+FFFD here
	for i, r := range out {
		if !isChar(r) {
			out[i] = '\ufffd'
		}
	}
	return string(out)
}
