// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"errors"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/bidi"
	"golang.org/x/text/unicode/norm"
)

// ErrPrep says that a name or a password is empty, is not UTF-8, or has characters that SASLprep forbids.
var ErrPrep = errors.New("sasl: prohibited characters in name or password")

// Prep prepares a name or a password by SASLprep (RFC 4013). An empty result is an error (RFC 5802 §5.1).
//
// RFC 8265 §4 has replaced SASLprep by OpaqueString, which golang.org/x/text offers. But the keys of SCRAM are
// derived on both sides, and RFC 5802 §5.1, which clients follow, asks for SASLprep: the two differ wherever
// NFKC and NFC do (a full-width digit, "ª", "…"), and such a password would work in one client and fail in the
// next. So this is SASLprep. Code points that Unicode 3.2 did not know are allowed, as for query strings
// (RFC 4013 §2.5), also when a password is set: else no password could have an emoji.
func Prep(s string) (string, error) {
	if s == "" || !utf8.ValidString(s) {
		return "", ErrPrep
	}
	if printableASCII(s) {
		return s, nil
	}
	s = norm.NFKC.String(strings.Map(mapRune, s)) // RFC 4013 §2.1, §2.2
	if s == "" || strings.ContainsFunc(s, prohibited) || !bidiAllows(s) {
		return "", ErrPrep
	}
	return s, nil
}

func printableASCII(s string) bool {
	for i := range len(s) {
		if s[i] < 0x20 || s[i] > 0x7E {
			return false
		}
	}
	return true
}

// mapRune is RFC 4013 §2.1: spaces of all kinds become SPACE, and what is commonly mapped to nothing goes (-1).
// U+200B stands in both tables; like other implementations we take it for a space.
func mapRune(r rune) rune {
	switch {
	case r == 0xA0, r == 0x1680, r >= 0x2000 && r <= 0x200B, r == 0x202F, r == 0x205F, r == 0x3000:
		return ' ' // RFC 3454 C.1.2
	case r == 0xAD, r == 0x34F, r == 0x1806, r >= 0x180B && r <= 0x180D, r == 0x200C, r == 0x200D, r == 0x2060,
		r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF:
		return -1 // RFC 3454 B.1
	}
	return r
}

// prohibited is RFC 4013 §2.3, by the tables of RFC 3454 that it names.
func prohibited(r rune) bool {
	in := func(from, to rune) bool { return r >= from && r <= to }
	switch {
	case in(0, 0x1F), in(0x7F, 0x9F), // C.2.1, C.2.2
		r == 0xA0, r == 0x1680, in(0x2000, 0x200B), r == 0x202F, r == 0x205F, r == 0x3000, // C.1.2
		r == 0x6DD, r == 0x70F, r == 0x180E, r == 0x200C, r == 0x200D, r == 0x2028, r == 0x2029, // C.2.2
		in(0x2060, 0x2063), in(0x206A, 0x206F), r == 0xFEFF, in(0x1D173, 0x1D17A), // C.2.2
		in(0xE000, 0xF8FF), in(0xF0000, 0xFFFFD), in(0x100000, 0x10FFFD), // C.3
		in(0xFDD0, 0xFDEF), r&0xFFFE == 0xFFFE, // C.4
		in(0xFFF9, 0xFFFD),                                                   // C.2.2, C.6
		in(0x2FF0, 0x2FFB),                                                   // C.7
		r == 0x340, r == 0x341, r == 0x200E, r == 0x200F, in(0x202A, 0x202E), // C.8
		r == 0xE0001, in(0xE0020, 0xE007F): // C.9
		return true
	}
	return false // surrogates (C.5) are not in valid UTF-8
}

// bidiAllows is RFC 3454 §6: where there is a right-to-left character, the first and the last must be such, and
// there must be no left-to-right one.
func bidiAllows(s string) bool {
	var rtl, ltr, last bool
	for _, r := range s {
		p, _ := bidi.LookupRune(r)
		last = p.Class() == bidi.R || p.Class() == bidi.AL
		rtl = rtl || last
		ltr = ltr || p.Class() == bidi.L
	}
	if !rtl {
		return true
	}
	first, _ := bidi.LookupString(s)
	return !ltr && last && (first.Class() == bidi.R || first.Class() == bidi.AL)
}
