// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"errors"
	"testing"
)

func TestPrep(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, in, want string // want "": ErrPrep
	}{
		// RFC 4013 §3
		{"soft hyphen", "I\u00ADX", "IX"},
		{"nothing to do", "user", "user"},
		{"case is kept", "USER", "USER"},
		{"ISO 8859-1", "\u00AA", "a"},
		{"roman numeral", "\u2168", "IX"},
		{"control character", "\u0007", ""},
		{"right to left, with a digit at the end", "\u0627\u0031", ""},

		{"right to left", "\u0627\u0031\u0628", "\u0627\u0031\u0628"},
		{"both directions", "\u0627a\u0628", ""},
		{"spaces", "a\u00A0b\u3000c d", "a b c d"},
		{"composed", "e\u0301", "é"},
		{"full width", "ＡＢ１２", "AB12"},
		{"ellipsis", "wait…", "wait..."},
		{"joined emoji", "👩\u200D💻", "👩💻"},
		{"newer than Unicode 3.2", "🫠", "🫠"},
		{"empty", "", ""},
		{"nothing remains", "\u00AD\uFE0F", ""},
		{"private use", "a\uE000", ""},
		{"non-character", "a\U0001FFFE", ""},
		{"tag", "a\U000E0041", ""},
		{"not UTF-8", "a\xFF", ""},
		{"NUL", "a\x00", ""},
		{"DEL", "a\x7F", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := Prep(tt.in)
			if got != tt.want || (tt.want == "") != errors.Is(err, ErrPrep) {
				t.Errorf("got %q, %v, want %q", got, err, tt.want)
			}
		})
	}
}

func FuzzPrep(f *testing.F) {
	f.Add("e\u0301\u00AA \u2168")
	f.Fuzz(func(t *testing.T, s string) {
		once, err := Prep(s)
		if err != nil {
			return
		}
		if again, err := Prep(once); err != nil || again != once {
			t.Fatalf("%q gives %q, and that %q, %v", s, once, again, err)
		}
	})
}
