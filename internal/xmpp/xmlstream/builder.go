// SPDX-License-Identifier: Apache-2.0

package xmlstream

import "unicode/utf8"

// A Builder writes XML. Its methods return the Builder, so that calls can be chained:
//
//	var b xmlstream.Builder
//	b.Start("urn:xmpp:ping", "ping").End()
//	ping := b.Build()
//
// Text and attribute values may be anything; they are escaped, and what XML cannot say becomes U+FFFD. Names are
// the program's own and are written as they are. A Builder is used by one goroutine; its zero value is ready.
type Builder struct {
	buf  []byte
	open []level
	tag  bool // the last start tag has no '>' yet
}

// A level is an element that is open: where its name is in buf, and its namespace.
type level struct {
	name, size int
	space      string
}

// Start begins an element. The namespace is declared where it differs from that of the element around it. An empty
// space means the same as around; outermost that is the content namespace, as NSClient is.
func (b *Builder) Start(space, local string) *Builder {
	if b.buf == nil {
		b.buf, b.open = make([]byte, 0, 256), make([]level, 0, 4)
	}
	around := NSClient
	if n := len(b.open); n > 0 {
		around = b.open[n-1].space
	}
	if space == "" {
		space = around
	}
	b.closeTag()
	b.buf = append(b.buf, '<')
	b.open = append(b.open, level{len(b.buf), len(local), space})
	b.buf = append(b.buf, local...)
	b.tag = true
	if space != around {
		b.Attr("xmlns", space)
	}
	return b
}

// Attr adds an attribute to the element that was started last. It panics if something was put into that already.
func (b *Builder) Attr(local, value string) *Builder {
	if !b.tag {
		panic("xmlstream: Attr must follow Start")
	}
	b.buf = append(append(b.buf, ' '), local...)
	b.buf = append(b.buf, '=', '"')
	b.buf = append(AppendEscaped(b.buf, value), '"')
	return b
}

// Lang adds the attribute xml:lang, unless v is empty. It must stand where Attr may.
func (b *Builder) Lang(v string) *Builder {
	if v == "" {
		return b
	}
	return b.Attr("xml:lang", v)
}

// Text adds text to the element that is open.
func (b *Builder) Text(s string) *Builder {
	if s != "" {
		b.closeTag()
		b.buf = appendEscaped(b.buf, s, false)
	}
	return b
}

// Raw adds elements as they are. Those of r that declare no namespace get the one of the place: put elements of
// the content namespace outermost or into elements of that namespace only.
func (b *Builder) Raw(r Raw) *Builder {
	if r != "" {
		b.closeTag()
		b.buf = append(b.buf, r...)
	}
	return b
}

// End ends the element that was started last and is still open. It panics if there is none.
func (b *Builder) End() *Builder {
	l := b.open[len(b.open)-1]
	b.open = b.open[:len(b.open)-1]
	if b.tag {
		b.buf = append(b.buf, "/>"...)
		b.tag = false
		return b
	}
	b.buf = append(b.buf, "</"...)
	b.buf = append(b.buf, b.buf[l.name:l.name+l.size]...)
	b.buf = append(b.buf, '>')
	return b
}

// Build returns what was written, and empties the Builder for the next use. It panics if an element is open.
func (b *Builder) Build() Raw {
	if len(b.open) > 0 {
		panic("xmlstream: Build with an open element")
	}
	r := Raw(b.buf)
	b.buf = b.buf[:0]
	return r
}

func (b *Builder) closeTag() {
	if b.tag {
		b.buf = append(b.buf, '>')
		b.tag = false
	}
}

// Elem returns an empty element.
func Elem(space, local string) Raw {
	var b Builder
	return b.Start(space, local).End().Build()
}

// TextElem returns an element with text in it.
func TextElem(space, local, text string) Raw {
	var b Builder
	return b.Start(space, local).Text(text).End().Build()
}

// AppendEscaped appends s to dst so that it can stand in text and, in either quotes, in attribute values. What
// cannot stand in XML, invalid UTF-8 included, becomes U+FFFD.
func AppendEscaped(dst []byte, s string) []byte { return appendEscaped(dst, s, true) }

// appendEscaped is AppendEscaped; without attr, quotes, tabs and line feeds stay, as they may in text.
func appendEscaped(dst []byte, s string, attr bool) []byte {
	plain := isPlainText
	if attr {
		plain |= isPlainAttr
	}
	done := 0 // s[:done] is in dst
	for i := 0; i < len(s); {
		c := s[i]
		if classes[c]&plain == plain {
			i++
			continue
		}
		n, with := 1, ""
		switch c {
		case '<':
			with = "&lt;"
		case '>':
			with = "&gt;"
		case '&':
			with = "&amp;"
		case '"':
			with = "&quot;"
		case '\'':
			with = "&apos;"
		case '\t':
			with = "&#9;"
		case '\n':
			with = "&#10;"
		case '\r':
			with = "&#13;"
		default:
			var r rune
			if r, n = utf8.DecodeRuneInString(s[i:]); isChar(r) && (r != utf8.RuneError || n > 1) {
				i += n
				continue
			}
			with = string(utf8.RuneError)
		}
		dst = append(append(dst, s[done:i]...), with...)
		i += n
		done = i
	}
	return append(dst, s[done:]...)
}
