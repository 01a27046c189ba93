// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// What a byte can be; see classes.
const (
	isSpace     uint8 = 1 << iota // S of XML
	isNameStart                   // ASCII letters and '_'; ':' is handled apart
	isNameRest                    // the same, digits, '-' and '.'
	isPlainText                   // stands for itself in text and needs no second look
	isPlainAttr                   // the same in attribute values, in either quotes
)

// classes has the kinds of each byte. Bytes from 0x80 on have none.
var classes = classify()

func classify() (t [256]uint8) {
	for c := range 0x80 {
		b := byte(c)
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b == '_'
		digit := b >= '0' && b <= '9'
		space := b == ' ' || b == '\t' || b == '\n' || b == '\r'
		if space {
			t[c] |= isSpace
		}
		if letter {
			t[c] |= isNameStart
		}
		if letter || digit || b == '-' || b == '.' {
			t[c] |= isNameRest
		}
		if b >= ' ' && b != '<' && b != '&' && b != '>' || b == '\t' || b == '\n' {
			t[c] |= isPlainText
		}
		if b >= ' ' && b != '<' && b != '&' && b != '"' && b != '\'' {
			t[c] |= isPlainAttr
		}
	}
	return t
}

// isChar reports whether r may stand in XML (production Char).
func isChar(r rune) bool {
	return r >= 0x20 && r < 0xd800 || r == '\t' || r == '\n' || r == '\r' ||
		r >= 0xe000 && r <= 0xfffd || r >= 0x10000 && r <= utf8.MaxRune
}

// inRanges reports whether r is in one of the ranges, which are sorted.
func inRanges(ranges [][2]uint16, r rune) bool {
	if r > 0xffff {
		return false
	}
	_, found := slices.BinarySearchFunc(ranges, uint16(r), func(p [2]uint16, c uint16) int {
		switch {
		case p[1] < c:
			return -1
		case p[0] > c:
			return 1
		}
		return 0
	})
	return found
}

// multibyte checks the character of several bytes that w[i:] begins with and returns its length in bytes.
func multibyte(w []byte, i int) (rune, int, error) {
	r, n := utf8.DecodeRune(w[i:])
	if r == utf8.RuneError && n <= 1 {
		if !utf8.FullRune(w[i:]) {
			return 0, 0, ErrMore
		}
		return 0, 0, badEncoding("invalid UTF-8") // RFC 6120 §4.9.3.22
	}
	if !isChar(r) {
		return 0, 0, illFormed("character not allowed in XML")
	}
	return r, n, nil
}

// qname reads the qualified name that begins at w[i]. It ends at w[end]; colon is the length of the prefix with
// its colon, 0 if there is none.
func qname(w []byte, i int) (end, prefix int, err error) {
	start := i
	if i < len(w) && classes[w[i]]&isNameStart != 0 { // the usual name: letters, no prefix
		for i++; i < len(w) && classes[w[i]]&isNameRest != 0; {
			i++
		}
		if i < len(w) && w[i] < utf8.RuneSelf && w[i] != ':' && i-start <= maxName {
			return i, 0, nil
		}
	}
	first := i == start // the next character begins a prefix or local name
	for i < len(w) {
		c := w[i]
		switch {
		case classes[c]&isNameRest != 0:
			if first && classes[c]&isNameStart == 0 {
				return 0, 0, illFormed("bad name")
			}
			first = false
			i++
			continue
		case c == ':':
			if first || prefix > 0 {
				return 0, 0, illFormed("bad name")
			}
			i++
			prefix, first = i-start, true
			continue
		case c >= utf8.RuneSelf:
			r, n, err := multibyte(w, i)
			if err != nil {
				return 0, 0, err
			}
			if !inRanges(nameStartRanges[:], r) && (first || !inRanges(nameRestRanges[:], r)) {
				return 0, 0, illFormed("bad name")
			}
			first = false
			i += n
			continue
		}
		if first {
			return 0, 0, illFormed("bad name")
		}
		if i-start > maxName {
			return 0, 0, overLimit("name too long")
		}
		return i, prefix, nil
	}
	if i-start > maxName {
		return 0, 0, overLimit("name too long")
	}
	return 0, 0, ErrMore
}

// reference checks the reference that begins with the '&' at w[i] and returns where it ends.
func reference(w []byte, i int) (end int, err error) {
	rest := w[i+1 : min(len(w), i+maxReference)]
	n := 0
	for n < len(rest) && (classes[rest[n]]&isNameRest != 0 || rest[n] >= utf8.RuneSelf || rest[n] == '#' || rest[n] == ':') {
		n++
	}
	if n == len(rest) && len(w) < i+maxReference {
		return 0, ErrMore
	}
	if n == len(rest) || rest[n] != ';' {
		return 0, illFormed("bad reference")
	}
	if _, ok := expand(string(rest[:n])); !ok {
		if n > 0 && rest[0] == '#' {
			return 0, illFormed("bad character reference")
		}
		if _, _, err := qname(rest, 0); err != nil {
			return 0, illFormed("bad reference")
		}
		return 0, restricted("entity reference")
	}
	return i + 1 + n + 1, nil
}

// expand returns the character that the reference between '&' and ';' stands for.
func expand(ref string) (rune, bool) {
	switch ref {
	case "lt":
		return '<', true
	case "gt":
		return '>', true
	case "amp":
		return '&', true
	case "quot":
		return '"', true
	case "apos":
		return '\'', true
	}
	digits, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return 0, false
	}
	base := rune(10)
	if d, ok := strings.CutPrefix(digits, "x"); ok {
		digits, base = d, 16
	}
	var r rune
	for i := range len(digits) {
		d := rune(-1)
		switch c := digits[i]; {
		case c >= '0' && c <= '9':
			d = rune(c - '0')
		case base == 16 && c|0x20 >= 'a' && c|0x20 <= 'f':
			d = rune(c|0x20-'a') + 10
		}
		if d < 0 || r > utf8.MaxRune {
			return 0, false
		}
		r = r*base + d
	}
	return r, digits != "" && isChar(r)
}

// unescapeText appends to dst what the text s of an element means: references and CDATA sections resolved, line
// ends made '\n' (XML 1.0 §2.11). s was checked by the parser.
func unescapeText(dst []byte, s string) []byte {
	for s != "" {
		i := strings.IndexAny(s, "&<\r")
		if i < 0 {
			return append(dst, s...)
		}
		dst, s = append(dst, s[:i]...), s[i:]
		switch s[0] {
		case '&':
			dst, s = unescapeRef(dst, s)
		case '<':
			var section string
			section, s, _ = strings.Cut(s[len("<![CDATA["):], "]]>")
			for section != "" {
				before, after, found := strings.Cut(section, "\r")
				dst = append(dst, before...)
				if found {
					dst, after = append(dst, '\n'), strings.TrimPrefix(after, "\n")
				}
				section = after
			}
		case '\r':
			dst, s = append(dst, '\n'), strings.TrimPrefix(s[1:], "\n")
		}
	}
	return dst
}

// unescapeAttr appends to dst what the attribute value s means: references resolved, white space made spaces
// (XML 1.0 §3.3.3). s was checked by the parser.
func unescapeAttr(dst []byte, s string) []byte {
	for s != "" {
		i := strings.IndexAny(s, "&\t\n\r")
		if i < 0 {
			return append(dst, s...)
		}
		dst, s = append(dst, s[:i]...), s[i:]
		if s[0] == '&' {
			dst, s = unescapeRef(dst, s)
			continue
		}
		if strings.HasPrefix(s, "\r\n") {
			s = s[1:]
		}
		dst, s = append(dst, ' '), s[1:]
	}
	return dst
}

// unescapeRef appends what the reference at the start of s means and returns the rest of s.
func unescapeRef(dst []byte, s string) ([]byte, string) {
	ref, rest, _ := strings.Cut(s[1:], ";")
	r, _ := expand(ref)
	return utf8.AppendRune(dst, r), rest
}
