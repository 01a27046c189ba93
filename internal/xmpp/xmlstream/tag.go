// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"bytes"
	"strings"
)

// startTag reads the start tag at pos: that of the stream, or one that opens an element, or an empty element.
// After ErrMore the caller takes back what was appended to attrs and binds.
func (p *Parser) startTag(w []byte) (Token, error) {
	if p.nodes == nil {
		p.scratch()
	}
	start := p.pos
	i, prefix, err := qname(w, start+1)
	if err != nil {
		return Token{}, err
	}
	n := node{
		start: uint32(start), nameLen: uint16(i - start - 1), prefixLen: uint16(prefix),
		attr: uint32(len(p.attrs)),
	}
	f := frame{binds: uint32(len(p.binds)), low: everywhere, lowPrefix: everywhere}
	f.def, f.defDepth = p.outerDefault()
	depth := int32(len(p.stack))
	header := p.single == "" && p.state != between
	if header {
		depth = -1
	}

	i, empty, err := p.attributes(w, i, &f, depth)
	if err != nil {
		return Token{}, err
	}
	n.attrs = uint16(len(p.attrs) - int(n.attr))

	// What their prefixes mean, now that all declarations are known.
	if prefix == 0 {
		n.space = f.def
		if f.def != nsContent {
			f.low = f.defDepth
		}
	} else {
		name := w[start+1 : start+prefix]
		if string(name) == "xmlns" {
			return Token{}, illFormed("element with the prefix xmlns")
		}
		if n.space, err = p.lookup(w, name, &f); err != nil {
			return Token{}, err
		}
		if n.space == nsContent {
			p.mixed = true // RFC 6120 §4.8.5: no prefix for the content namespace; corrected before it is routed
		}
	}
	if err := p.resolve(w, p.attrs[n.attr:], &f); err != nil {
		return Token{}, err
	}
	if header {
		return p.open(w, n, &f, i, empty)
	}
	// Children of a stanza follow its namespace wherever it goes, so they must not declare it.
	if depth == 1 && n.space == nsContent && f.defDepth == depth && p.nodes[0].space == nsContent {
		p.mixed = true
	}

	if int(depth) >= p.limits.Depth {
		return Token{}, overLimit("elements too deep")
	}
	if len(p.nodes) >= p.limits.Nodes {
		return Token{}, overLimit("too many elements")
	}
	f.node = uint32(len(p.nodes))
	n.inner = uint32(i)
	p.nodes = append(p.nodes, n)
	p.stack = append(p.stack, f)
	if empty {
		return p.finish(w, uint32(i), i)
	}
	p.pos, p.text, p.scan = i, i, 0
	return Token{}, nil
}

// outerDefault returns the default namespace of where the next tag stands, and where it is bound.
func (p *Parser) outerDefault() (span, int32) {
	if len(p.stack) > 0 {
		f := &p.stack[len(p.stack)-1]
		return f.def, f.defDepth
	}
	switch {
	case IsContent(p.content):
		return nsContent, -1
	case p.content != "":
		return span{spanSpecial, specialHead}, -1 // header[0] is the default namespace then
	}
	return nsNone, -1
}

// attributes reads attributes and declarations from w[i] on to the end of the tag. empty is true of <a/>.
func (p *Parser) attributes(w []byte, i int, f *frame, depth int32) (end int, empty bool, err error) {
	for count := 0; ; count++ {
		before := i
		for i < len(w) && classes[w[i]]&isSpace != 0 {
			i++
		}
		switch {
		case i >= len(w), w[i] == '/' && i+1 >= len(w):
			return 0, false, ErrMore
		case w[i] == '>':
			return i + 1, false, nil
		case w[i] == '/' && w[i+1] == '>':
			return i + 2, true, nil
		case w[i] == '/':
			return 0, false, illFormed("bad tag")
		case i == before:
			return 0, false, illFormed("no white space before attribute")
		case count >= p.limits.Attrs:
			return 0, false, overLimit("too many attributes")
		}
		var a attr
		if i, err = attribute(w, i, &a); err != nil {
			return 0, false, err
		}
		if !isDeclaration(w, &a) {
			p.attrs = append(p.attrs, a)
		} else if err := p.declare(w, &a, f, depth); err != nil {
			return 0, false, err
		}
	}
}

// attribute reads one attribute that begins at w[i] and returns where it ends.
func attribute(w []byte, i int, a *attr) (end int, err error) {
	end, prefix, err := qname(w, i)
	if err != nil {
		return 0, err
	}
	a.name, a.nameLen, a.prefixLen = uint32(i), uint16(end-i), uint16(prefix)
	a.space = nsNone
	i = end
	for i < len(w) && classes[w[i]]&isSpace != 0 {
		i++
	}
	if i >= len(w) {
		return 0, ErrMore
	}
	if w[i] != '=' {
		return 0, illFormed("attribute without a value")
	}
	i++
	for i < len(w) && classes[w[i]]&isSpace != 0 {
		i++
	}
	if i >= len(w) {
		return 0, ErrMore
	}
	quote := w[i]
	if quote != '"' && quote != '\'' {
		return 0, illFormed("attribute value without quotes")
	}
	i++
	a.val = uint32(i)
	for i < len(w) {
		c := w[i]
		switch {
		case classes[c]&isPlainAttr != 0:
			for i++; i < len(w) && classes[w[i]]&isPlainAttr != 0; {
				i++
			}
		case c == quote:
			a.valLen = uint32(i) - a.val
			return i + 1, nil
		case c == '"' || c == '\'':
			i++
		case c == '&':
			a.escaped = true
			if i, err = reference(w, i); err != nil {
				return 0, err
			}
		case c == '\t' || c == '\n' || c == '\r':
			a.escaped = true
			i++
		case c == '<':
			return 0, illFormed("'<' in attribute value")
		case c < 0x20:
			return 0, illFormed("character not allowed in XML")
		default:
			_, n, err := multibyte(w, i)
			if err != nil {
				return 0, err
			}
			i += n
		}
	}
	return 0, ErrMore
}

// isDeclaration reports whether a is xmlns or xmlns:prefix.
func isDeclaration(w []byte, a *attr) bool {
	return (a.nameLen == 5 || a.prefixLen == 6) && string(w[a.name:a.name+5]) == "xmlns"
}

// declare notes the namespace declaration a, which stands in the tag of f.
func (p *Parser) declare(w []byte, a *attr, f *frame, depth int32) error {
	uri := w[a.val : a.val+a.valLen]
	b := bind{depth: depth, uri: span{a.val, a.valLen}}
	if a.prefixLen > 0 {
		b.prefix = span{a.name + uint32(a.prefixLen), uint32(a.nameLen - a.prefixLen)}
	}
	if a.escaped {
		uri = unescapeAttr(nil, string(uri))
		b.uri.size |= spanEscaped
	}
	if len(uri) > maxNamespace {
		return overLimit("namespace name too long")
	}
	prefix := p.part(w, b.prefix)
	for _, old := range p.binds[f.binds:] {
		if bytes.Equal(p.part(w, old.prefix), prefix) {
			return illFormed("namespace declared twice")
		}
	}
	// Namespaces in XML 1.0 §3: xml and xmlns belong to their namespaces and these to them.
	isXML := string(uri) == NSXML
	switch {
	case string(prefix) == "xmlns", string(uri) == nsXMLNS:
		return illFormed("declaration of xmlns")
	case (string(prefix) == "xml") != isXML:
		return illFormed("wrong declaration of xml")
	case len(uri) == 0 && len(prefix) > 0:
		return illFormed("prefix bound to nothing")
	case isXML:
		b.uri = nsXML
	case len(uri) == 0:
		b.uri = nsNone
	case depth >= 0 && string(uri) == NSClient:
		b.uri = nsContent
	case depth >= 0 && string(uri) == p.content && IsContent(p.content):
		b.uri = nsContent
		p.mixed = true // inside it is called jabber:client, whatever the stream calls it
	}
	if len(p.binds) >= maxBinds {
		return overLimit("too many namespace declarations")
	}
	p.binds = append(p.binds, b)
	if len(prefix) == 0 {
		f.def, f.defDepth = b.uri, depth
	}
	return nil
}

func (p *Parser) part(w []byte, s span) []byte { return w[s.off : s.off+s.size] }

// lookup returns the namespace of a prefix, and notes in f where that is bound.
func (p *Parser) lookup(w, prefix []byte, f *frame) (span, error) {
	if string(prefix) == "xml" {
		return nsXML, nil
	}
	for k := len(p.binds) - 1; k >= 0; k-- {
		if b := &p.binds[k]; b.prefix.size > 0 && bytes.Equal(p.part(w, b.prefix), prefix) {
			f.low, f.lowPrefix = min(f.low, b.depth), min(f.lowPrefix, b.depth)
			return b.uri, nil
		}
	}
	for k, b := range p.header {
		if b.prefix == string(prefix) {
			f.low, f.lowPrefix = -1, -1
			if b.uri == NSClient || b.uri == p.content && IsContent(b.uri) {
				return nsContent, nil
			}
			return span{spanSpecial, specialHead + uint32(k)}, nil
		}
	}
	return span{}, illFormed("prefix is not bound") // RFC 6120 §11.3
}

// resolve finds the namespaces of attributes and checks that none is there twice.
func (p *Parser) resolve(w []byte, list []attr, f *frame) error {
	for k := range list {
		a := &list[k]
		if a.prefixLen > 0 {
			s, err := p.lookup(w, w[a.name:a.name+uint32(a.prefixLen)-1], f)
			if err != nil {
				return err
			}
			a.space = s
		}
		local := w[a.name+uint32(a.prefixLen) : a.name+uint32(a.nameLen)]
		for j := range list[:k] {
			b := &list[j]
			if bytes.Equal(local, w[b.name+uint32(b.prefixLen):b.name+uint32(b.nameLen)]) && p.same(w, a.space, b.space) {
				return illFormed("attribute twice")
			}
		}
	}
	return nil
}

// same reports whether two spans are the same namespace.
func (p *Parser) same(w []byte, a, b span) bool {
	if a == b || a == nsNone || b == nsNone {
		return a == b
	}
	return p.uri(w, a) == p.uri(w, b)
}

// uri returns the namespace of a span while the element is not complete.
func (p *Parser) uri(w []byte, s span) string {
	switch {
	case s == nsContent:
		return NSClient
	case s == nsXML:
		return NSXML
	case s.off == spanSpecial:
		return p.header[s.size-specialHead].uri
	case s.size&spanEscaped != 0:
		return string(unescapeAttr(nil, string(w[s.off:s.off+s.size&^spanEscaped])))
	}
	return string(p.part(w, s))
}

// open takes the start tag n, which ends at w[end], for the stream header.
func (p *Parser) open(w []byte, n node, f *frame, end int, empty bool) (Token, error) {
	if end > p.limits.Bytes {
		return Token{}, overLimit("stream header too long")
	}
	n.end, n.inner, n.innerEnd, n.next = n.start, n.start, n.start, 1
	doc := string(w[:end])
	e := &Element{doc: doc, nodes: []node{n}, attrs: append([]attr(nil), p.attrs...)}
	p.root = strings.Clone(doc[n.start+1 : n.start+1+uint32(n.nameLen)])
	if f.defDepth == -1 && f.def != nsNone {
		p.content = strings.Clone(e.ns(f.def))
	}
	// The default namespace comes first: see outerDefault.
	p.header = []binding{{"", p.content}}
	for _, b := range p.binds {
		if b.prefix.size > 0 && b.uri != nsXML {
			p.header = append(p.header, binding{
				strings.Clone(doc[b.prefix.off : b.prefix.off+b.prefix.size]), strings.Clone(e.ns(b.uri)),
			})
		}
	}
	p.binds, p.attrs = p.binds[:0], p.attrs[:0]
	p.state = between
	if empty {
		p.state = ending
	}
	p.consume(end)
	return Token{Kind: Open, Element: e}, nil
}
