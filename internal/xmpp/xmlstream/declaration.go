// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"bytes"
	"strings"
)

// declaration reads the XML declaration, which may stand before the stream header only (RFC 6120 §11.5).
func (p *Parser) declaration(w []byte) error {
	const begin = "<?xml"
	if got := string(w[p.pos:min(len(w), p.pos+len(begin)+1)]); p.state != atStart || len(p.stack) > 0 {
		return restricted("processing instruction")
	} else if len(got) <= len(begin) && strings.HasPrefix(begin, got) {
		return ErrMore
	} else if !strings.HasPrefix(got, begin) || classes[got[len(begin)]]&isSpace == 0 {
		return restricted("processing instruction")
	}
	end := bytes.Index(w[:min(len(w), maxDecl)], []byte("?>"))
	if end < 0 {
		if len(w) >= maxDecl {
			return illFormed("bad XML declaration")
		}
		return ErrMore
	}
	if err := checkDeclaration(string(w[len(begin):end])); err != nil {
		return err
	}
	p.state = declared
	p.consume(end + 2)
	return nil
}

// checkDeclaration checks what stands between "<?xml" and "?>".
func checkDeclaration(s string) error {
	// version is required, encoding and standalone may follow, in this order (XML 1.0, production XMLDecl).
	for i, name := range []string{"version", "encoding", "standalone"} {
		trimmed := strings.TrimLeft(s, " \t\r\n")
		rest, ok := strings.CutPrefix(trimmed, name)
		if !ok {
			if i == 0 {
				return illFormed("bad XML declaration")
			}
			continue
		}
		if len(trimmed) == len(s) {
			return illFormed("bad XML declaration")
		}
		rest, ok = strings.CutPrefix(strings.TrimLeft(rest, " \t\r\n"), "=")
		rest = strings.TrimLeft(rest, " \t\r\n")
		if !ok || rest == "" || rest[0] != '"' && rest[0] != '\'' {
			return illFormed("bad XML declaration")
		}
		value, after, ok := strings.Cut(rest[1:], rest[:1])
		if !ok {
			return illFormed("bad XML declaration")
		}
		s = after
		switch {
		case i == 0 && value != "1.0": // RFC 6120 §11.8
			return illFormed("XML version is not 1.0")
		case i == 1 && !strings.EqualFold(value, "UTF-8"): // RFC 6120 §11.6
			return badEncoding("encoding is not UTF-8")
		case i == 2 && value != "yes" && value != "no": // ignored otherwise (RFC 6120 §11.5)
			return illFormed("bad XML declaration")
		}
	}
	if strings.Trim(s, " \t\r\n") != "" {
		return illFormed("bad XML declaration")
	}
	return nil
}
