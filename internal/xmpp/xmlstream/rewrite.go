// SPDX-License-Identifier: Apache-2.0

package xmlstream

import "strings"

// A rewriter writes an element without prefixes that are bound elsewhere: elements get no prefix at all, and each
// attribute's prefix is bound where it stands.
type rewriter struct {
	e     *Element
	limit int // stop soon after so many bytes, 0 for no limit
}

// node appends nodes[i] to dst. def is the default namespace of the place.
func (w rewriter) node(dst []byte, i uint32, def string) []byte {
	if w.limit > 0 && len(dst) > w.limit {
		return dst
	}
	d := &w.e.nodes[i]
	name := Node{w.e, i}.local()
	dst = append(append(dst, '<'), name...)
	space := w.e.ns(d.space)
	if space != def {
		dst = append(dst, ` xmlns="`...)
		dst = append(AppendEscaped(dst, space), '"')
	}
	dst = w.attributes(dst, d)
	if d.inner == d.innerEnd {
		return append(dst, "/>"...)
	}
	dst = w.inner(append(dst, '>'), i, space)
	dst = append(append(dst, "</"...), name...)
	return append(dst, '>')
}

// attributes appends the attributes of d, their values as they were, and binds the prefixes they have.
func (w rewriter) attributes(dst []byte, d *node) []byte {
	list := w.e.attrs[d.attr : d.attr+uint32(d.attrs)]
	for k := range list {
		a := &list[k]
		name := w.e.doc[a.name : a.name+uint32(a.nameLen)]
		if a.prefixLen > 0 && a.space != nsXML {
			prefix := name[:a.prefixLen]
			bound := false
			for _, b := range list[:k] {
				bound = bound || b.prefixLen == a.prefixLen && strings.HasPrefix(w.e.doc[b.name:], prefix)
			}
			if !bound {
				dst = append(append(dst, ` xmlns:`...), prefix[:len(prefix)-1]...)
				dst = append(dst, `="`...)
				dst = append(AppendEscaped(dst, w.e.ns(a.space)), '"')
			}
		}
		dst = append(append(dst, ' '), name...)
		dst = append(dst, '=')
		dst = append(dst, w.e.doc[a.val-1:a.val+a.valLen+1]...) // with its quotes
	}
	return dst
}

// inner appends what is inside nodes[i]. def is the default namespace of the place.
func (w rewriter) inner(dst []byte, i uint32, def string) []byte {
	d := &w.e.nodes[i]
	pos := d.inner
	for k := i + 1; k < d.next; k = w.e.nodes[k].next {
		dst = append(dst, w.e.doc[pos:w.e.nodes[k].start]...)
		dst = w.node(dst, k, def)
		pos = w.e.nodes[k].end
	}
	return append(dst, w.e.doc[pos:d.innerEnd]...)
}
