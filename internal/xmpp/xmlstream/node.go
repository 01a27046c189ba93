// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"iter"
)

// An Element is one parsed element with all that is in it. It is immutable and safe for concurrent use.
type Element struct {
	doc   string
	nodes []node // in document order; nodes[0] is the element itself
	attrs []attr
	outer []binding // prefixes bound by the stream header; used until the element is rewritten
}

// A span is a part of doc. As a namespace it can also be one of those below.
type span struct{ off, size uint32 }

const (
	spanSpecial = 1<<32 - 1 // off of a namespace that is not a part of doc; size tells which
	spanEscaped = 1 << 31   // flag in size: the text has references
	specialNone = 0         // no namespace
	specialOwn  = 1         // the content namespace
	specialXML  = 2         // NSXML
	specialHead = 3         // and up: outer[size-3]
)

var (
	nsNone    = span{spanSpecial, specialNone}
	nsContent = span{spanSpecial, specialOwn}
	nsXML     = span{spanSpecial, specialXML}
)

// A node is an element inside an Element; all offsets are into doc.
type node struct {
	start, end      uint32 // from '<' to after the last '>'; end is start for a stream header
	inner, innerEnd uint32 // what is between the tags
	space           span
	next            uint32 // index of the first node after this one and all within it
	attr            uint32 // index of the first attribute
	attrs           uint16
	nameLen         uint16 // of the qualified name, at start+1
	prefixLen       uint16 // with the colon, 0 without one
	flags           uint16
}

const (
	hasText    uint16 = 1 << iota // character data directly inside, be it white space
	hasEscapes                    // that data has references, CDATA sections or '\r'
	needsOuter                    // a prefix or a default namespace bound outside is used within
	kidNeeds                      // needsOuter is true of a child
)

// An attr is an attribute; namespace declarations are none.
type attr struct {
	name, val uint32 // offsets of the qualified name and of the value
	valLen    uint32
	space     span
	nameLen   uint16
	prefixLen uint16
	escaped   bool // the value has references or white space that is no plain space
}

// Root returns the element as a node. Its children are reached from there.
func (e *Element) Root() Node { return Node{e, 0} }

// ns returns the namespace that s stands for. It allocates only if its text has references.
func (e *Element) ns(s span) string {
	if s.off == spanSpecial {
		switch s.size {
		case specialNone:
			return ""
		case specialOwn:
			return NSClient
		case specialXML:
			return NSXML
		}
		return e.outer[s.size-specialHead].uri
	}
	if s.size&spanEscaped != 0 {
		return string(unescapeAttr(nil, e.doc[s.off:s.off+s.size&^spanEscaped]))
	}
	return e.doc[s.off : s.off+s.size]
}

// A Node is a view of one element inside an Element. Copying and using it does not allocate, but where a method
// says so. It holds the whole Element in memory. The zero Node is no element; only IsZero may be called on it.
type Node struct {
	e *Element
	i uint32
}

func (n Node) node() *node { return &n.e.nodes[n.i] }

// IsZero reports whether n is the zero Node.
func (n Node) IsZero() bool { return n.e == nil }

func (n Node) local() string {
	d := n.node()
	return n.e.doc[d.start+1+uint32(d.prefixLen) : d.start+1+uint32(d.nameLen)]
}

// Name returns namespace and local name. The content namespace of the stream is NSClient.
func (n Node) Name() Name { return Name{n.e.ns(n.node().space), n.local()} }

// Is reports whether this is the name of n.
func (n Node) Is(space, local string) bool {
	return n.local() == local && n.e.ns(n.node().space) == space
}

// Attr returns the value of an attribute without a namespace, "" if there is none. It allocates if the value has
// references.
func (n Node) Attr(local string) string {
	v, _ := n.find("", local)
	return v
}

// HasAttr reports whether there is an attribute without a namespace of that name, be it empty.
func (n Node) HasAttr(local string) bool {
	_, ok := n.find("", local)
	return ok
}

// AttrNS returns the value of an attribute of a namespace, "" if there is none, as Attr does. The language of an
// element is AttrNS(NSXML, "lang").
func (n Node) AttrNS(space, local string) string {
	v, _ := n.find(space, local)
	return v
}

func (n Node) find(space, local string) (string, bool) {
	d := n.node()
	for i := d.attr; i < d.attr+uint32(d.attrs); i++ {
		a := &n.e.attrs[i]
		if n.e.attrLocal(a) == local && n.e.ns(a.space) == space {
			return n.e.value(a), true
		}
	}
	return "", false
}

// Attrs returns names and values of all attributes in their order. Namespace declarations are not among them.
func (n Node) Attrs() iter.Seq2[Name, string] {
	return func(yield func(Name, string) bool) {
		d := n.node()
		for i := d.attr; i < d.attr+uint32(d.attrs); i++ {
			a := &n.e.attrs[i]
			if !yield(Name{n.e.ns(a.space), n.e.attrLocal(a)}, n.e.value(a)) {
				return
			}
		}
	}
}

func (e *Element) attrLocal(a *attr) string {
	return e.doc[a.name+uint32(a.prefixLen) : a.name+uint32(a.nameLen)]
}

func (e *Element) value(a *attr) string {
	v := e.doc[a.val : a.val+a.valLen]
	if a.escaped {
		return string(unescapeAttr(nil, v))
	}
	return v
}

// Text returns the character data directly inside n, without that of its children, with references resolved. It
// allocates if there are references or CDATA sections, or children between the data.
func (n Node) Text() string {
	d := n.node()
	if d.flags&hasText == 0 {
		return ""
	}
	if d.flags&hasEscapes == 0 && d.next == n.i+1 {
		return n.e.doc[d.inner:d.innerEnd]
	}
	var out []byte
	pos := d.inner
	for c := range n.Children() {
		out = unescapeText(out, n.e.doc[pos:c.node().start])
		pos = c.node().end
	}
	return string(unescapeText(out, n.e.doc[pos:d.innerEnd]))
}

// HasText reports whether there is character data directly inside n, be it white space.
func (n Node) HasText() bool { return n.node().flags&hasText != 0 }

// Child returns the first child of that name.
func (n Node) Child(space, local string) (Node, bool) {
	for c := range n.Children() {
		if c.Is(space, local) {
			return c, true
		}
	}
	return Node{}, false
}

// Children returns the elements directly inside n in their order.
func (n Node) Children() iter.Seq[Node] {
	return func(yield func(Node) bool) {
		end := n.node().next
		for i := n.i + 1; i < end; i = n.e.nodes[i].next {
			if !yield(Node{n.e, i}) {
				return
			}
		}
	}
}

// Raw returns the element n itself. This is a part of what was parsed and free of allocations, unless a prefix or
// a default namespace that is bound outside of n is used in it: then each call writes it anew. A child of a stanza
// never needs that. The Raw of a stream header is empty.
func (n Node) Raw() Raw {
	d := n.node()
	if d.flags&needsOuter == 0 {
		return Raw(n.e.doc[d.start:d.end])
	}
	return Raw(rewriter{e: n.e}.node(nil, n.i, NSClient))
}

// Inner returns what is inside n, elements and text. It allocates where the Raw of a child would.
func (n Node) Inner() Raw {
	d := n.node()
	if d.flags&kidNeeds == 0 {
		return Raw(n.e.doc[d.inner:d.innerEnd])
	}
	return Raw(rewriter{e: n.e}.inner(nil, n.i, NSClient))
}
