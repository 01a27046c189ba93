// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

// A tree is an element as the tests compare it: all that it means, nothing of how it was written.
type tree struct {
	Name  Name
	Attrs map[Name]string
	Text  string
	Kids  []tree
}

func treeOf(n Node) tree {
	t := tree{Name: flatName(n.Name()), Attrs: map[Name]string{}, Text: n.Text()}
	for name, value := range n.Attrs() {
		t.Attrs[flatName(name)] = flat(value)
	}
	for c := range n.Children() {
		t.Kids = append(t.Kids, treeOf(c))
	}
	return t
}

// flat makes white space plain, which encoding/xml does not do for attribute values.
func flat(s string) string { return strings.NewReplacer("\t", " ", "\n", " ", "\r", " ").Replace(s) }

func flatName(n Name) Name {
	if n.Local == "xmlns" { // encoding/xml leaves an element of that name without its namespace
		return Name{"", n.Local}
	}
	return Name{flat(n.Space), n.Local}
}

// oracle reads doc with encoding/xml, the second opinion of these tests.
func oracle(doc string) (tree, error) {
	d := xml.NewDecoder(strings.NewReader(doc))
	d.DefaultSpace = NSClient
	var top tree
	open := []*tree{&top}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			if len(top.Kids) != 1 {
				return tree{}, io.ErrUnexpectedEOF
			}
			return top.Kids[0], nil
		}
		if err != nil {
			return tree{}, err
		}
		in := open[len(open)-1]
		switch tok := tok.(type) {
		case xml.StartElement:
			t := tree{Name: flatName(Name(tok.Name)), Attrs: map[Name]string{}}
			for _, a := range tok.Attr {
				if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
					continue
				}
				t.Attrs[flatName(Name(a.Name))] = flat(a.Value)
			}
			in.Kids = append(in.Kids, t)
			open = append(open, &in.Kids[len(in.Kids)-1])
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			in.Text += string(tok)
		}
	}
}

// mustParse reads a document that is right.
func mustParse(t *testing.T, doc string) Node {
	t.Helper()
	e, err := Parse(doc, AfterAuth)
	if err != nil {
		t.Fatalf("Parse(%q): %v", doc, err)
	}
	return e.Root()
}

// walk calls f for n and every element in it.
func walk(n Node, f func(Node)) {
	f(n)
	for c := range n.Children() {
		walk(c, f)
	}
}

// A read is all that was read of a stream.
type read struct {
	header Node
	kids   []Node
	closed bool
	parser *Parser
	err    error // ErrMore if everything was right
}

// readStream feeds in in pieces of the sizes that next gives.
func readStream(l Limits, in string, next func() int) read {
	r := read{parser: NewParser(l)}
	for {
		tok, err := r.parser.Next()
		switch {
		case err == io.EOF:
			r.err = nil
			return r
		case err == ErrMore && in != "":
			n := min(len(in), max(1, next()))
			r.parser.Feed([]byte(in[:n]))
			in = in[n:]
		case err != nil:
			r.err = err
			return r
		case tok.Kind == Open:
			r.header = tok.Element.Root()
		case tok.Kind == Child:
			r.kids = append(r.kids, tok.Element.Root())
		case tok.Kind == Close:
			r.closed = true
		}
	}
}

func whole(in string) func() int { return func() int { return len(in) } }
func pieces(size int) func() int { return func() int { return size } }
func condition(err error) string {
	if err == nil || err == ErrMore {
		return ""
	}
	return err.(*SyntaxError).Condition
}
