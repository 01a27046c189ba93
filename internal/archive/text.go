// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// The index of texts is one of words that end with a blank, each with the number of its owner in front: so nobody's search
// looks through what others have. What a word is is decided here, for the index, for what is searched for and for what is
// not indexed yet.

const (
	maxWord   = 64       // bytes of a word; the rest is cut off
	maxWords  = 1000     // of a text
	maxSought = 16       // words that are searched for
	maxText   = 64 << 10 // bytes of a body that are looked at
)

// byWords finds entries in the index, in order; $4 is the peer or 0, and $5 what is searched for.
const byWords = `
	SELECT a.id, a.raw FROM archive_text CROSS JOIN archive a ON a.seq = archive_text.rowid
	WHERE archive_text MATCH $5 AND a.owner = $1 AND a.id > $2 AND a.id < $3 AND ($4 = 0 OR a.peer = $4)
	ORDER BY archive_text.rowid`

// prefix stands in front of each word of owner in the index. No owner's is the beginning of another's with a word.
func prefix(owner int64) string { return strconv.FormatInt(owner, 10) + "x" }

// document is what the index gets of a message; "" where it has no text.
func document(owner int64, st *stanza.Stanza) string {
	var b strings.Builder
	p := prefix(owner)
	for _, w := range texts(st) {
		b.WriteString(p)
		b.WriteString(w)
		b.WriteByte(' ')
	}
	return b.String()
}

// expression is how the index is asked for entries that have a word beginning with each of words.
func expression(owner int64, words []string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteString(" AND ")
		}
		b.WriteString(`"` + prefix(owner) + w + `" *`)
	}
	return b.String()
}

// contains reports whether a message has a word beginning with each of words.
func contains(st *stanza.Stanza, words []string) bool {
	text := texts(st)
	for _, w := range words {
		if !slices.ContainsFunc(text, func(t string) bool { return strings.HasPrefix(t, w) }) {
			return false
		}
	}
	return true
}

// texts returns the words of a message's bodies, in whatever languages. Where a message is encrypted, or takes another
// back, the body is for those who cannot read that, and nobody's text.
func texts(st *stanza.Stanza) (list []string) {
	for n := range st.Children() {
		switch name := n.Name(); name.Space {
		case "urn:xmpp:eme:0", "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:openpgp:0", "jabber:x:encrypted", nsRetract:
			return nil
		case xmlstream.NSClient:
			if name.Local == "body" {
				list = words(list, n.Text(), true)
			}
		}
	}
	return list
}

// search returns the words of a text that is searched for.
func search(text string) []string {
	list := words(nil, text, false)
	return list[:min(len(list), maxSought)]
}

// words appends the words of a text to list: letters and digits in a row, in lower case and without accents. Where a
// script has no blanks between words, each two characters that follow each other are one, and so, if last, is the last
// one of a row alone, for who searches for one character.
func words(list []string, text string, last bool) []string {
	text = fold(text[:min(len(text), maxText)])
	seen := make(map[string]bool, len(list)) // the text may be one word over and over, behind many others
	for _, w := range list {
		seen[w] = true
	}
	add := func(w string) {
		for len(w) > maxWord {
			_, size := utf8.DecodeLastRuneInString(w)
			w = w[:len(w)-size]
		}
		if w != "" && len(list) < maxWords && !seen[w] {
			seen[w], list = true, append(list, w)
		}
	}
	start, dense, row := -1, -1, 0 // where a word began; the last character of a row without blanks, and how many it has
	end := func(i int) {
		if start >= 0 {
			add(text[start:i])
		}
		if dense >= 0 && (last || row == 1) {
			add(text[dense:i])
		}
		start, dense, row = -1, -1, 0
	}
	for i, r := range text {
		switch {
		case !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.IsMark(r):
			end(i)
		case r >= 0x0e00 && unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar):
			if start >= 0 {
				end(i)
			}
			if dense >= 0 {
				add(text[dense : i+utf8.RuneLen(r)])
			}
			dense, row = i, row+1
		default:
			if dense >= 0 {
				end(i)
			}
			if start < 0 {
				start = i
			}
		}
	}
	end(len(text))
	return list
}

// fold makes letters alike that are compared: lower case, no accents, one form of those that have several.
func fold(s string) string {
	plain := true
	for i := range len(s) {
		plain = plain && s[i] < utf8.RuneSelf
	}
	if plain {
		return strings.ToLower(s)
	}
	return strings.Map(func(r rune) rune {
		if unicode.Is(unicode.Mn, r) {
			return -1
		}
		return unicode.ToLower(r)
	}, norm.NFKD.String(strings.ToValidUTF8(s, "")))
}
