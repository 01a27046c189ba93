// SPDX-License-Identifier: Apache-2.0

package xmlstream

// Parse reads a document of one element, such as a WebSocket frame (RFC 7395 §3.3.3) or a stored stanza. It begins
// with '<'; white space may follow the element. An element without a namespace is NSClient, as in Raw. Errors are
// *SyntaxError.
func Parse(doc string, l Limits) (*Element, error) {
	if len(doc) > l.Bytes {
		return nil, overLimit("element too long")
	}
	if doc == "" {
		return nil, illFormed("empty document")
	}
	p := Parser{limits: l, buf: []byte(doc), single: doc, content: NSClient}
	tok, err := p.next()
	if err == ErrMore {
		return nil, illFormed("document is not complete")
	}
	if err != nil {
		return nil, err
	}
	for _, c := range p.buf[p.start:] {
		if classes[c]&isSpace == 0 {
			return nil, illFormed("text behind the document")
		}
	}
	return tok.Element, nil
}

// ParseRaw reads the elements of r. They are the children of the Node it returns, whose own name means nothing.
func ParseRaw(r Raw) (Node, error) {
	const begin, end = "<x>", "</x>"
	doc := begin + string(r) + end
	const most = 1 << 30
	e, err := Parse(doc, Limits{Bytes: most, Depth: most, Attrs: most >> 15, Nodes: most})
	if err != nil {
		return Node{}, err
	}
	return e.Root(), nil
}
