// SPDX-License-Identifier: Apache-2.0

package xmlstream

import "strings"

// characters reads text, or the rest of a CDATA section and then text, up to a '<'.
func (p *Parser) characters(w []byte) error {
	top := &p.nodes[p.stack[len(p.stack)-1].node]
	i := p.pos
	for i < len(w) {
		c := w[i]
		switch {
		case classes[c]&isPlainText != 0:
			for i++; i < len(w) && classes[w[i]]&isPlainText != 0; {
				i++
			}
		case c == '<' && !p.cdata:
			if i > p.text {
				top.flags |= hasText
			}
			p.pos = i
			return nil
		case c == '>':
			if i-p.text >= 2 && w[i-1] == ']' && w[i-2] == ']' {
				if !p.cdata {
					return illFormed("']]>' in text")
				}
				p.cdata, p.text = false, i+1
			}
			i++
		case c == '&' && !p.cdata:
			end, err := reference(w, i)
			if err != nil {
				p.pos = i
				return err
			}
			top.flags |= hasEscapes
			i = end
		case c == '&' || c == '<':
			i++
		case c == '\r':
			top.flags |= hasEscapes
			i++
		case c < 0x20:
			return illFormed("character not allowed in XML")
		default:
			_, n, err := multibyte(w, i)
			if err != nil {
				p.pos = i
				return err
			}
			i += n
		}
	}
	p.pos = i
	return ErrMore
}

// section begins a CDATA section.
func (p *Parser) section(w []byte) error {
	const begin = "<![CDATA["
	got := w[p.pos:min(len(w), p.pos+len(begin))]
	switch {
	case !strings.HasPrefix(begin, string(got)):
		return restricted("comment or document type")
	case len(got) < len(begin):
		return ErrMore
	case len(p.stack) == 0:
		return &SyntaxError{BadFormat, "text between the elements of the stream"}
	}
	p.nodes[p.stack[len(p.stack)-1].node].flags |= hasText | hasEscapes
	p.pos += len(begin)
	p.text, p.cdata = p.pos, true
	return nil
}
