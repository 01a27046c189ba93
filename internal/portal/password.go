// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"strings"
	"unicode/utf8"
)

// passwordMin is how many characters a password has at least; package account insists on it.
const passwordMin = 10

// How good a password is. The rules are the account service's; this is only a hint beside the field.
const (
	tooShort = iota
	weak     // easy to guess: few different characters, or mostly rows and repetitions
	good
	strong
)

// strength judges a password. assets/portal.js does the same while one types.
func strength(password string) int {
	n := utf8.RuneCountInString(password)
	if n < passwordMin {
		return tooShort
	}
	different, steps, last := map[rune]bool{}, 0, rune(-9)
	for _, c := range strings.ToLower(password) {
		different[c] = true
		if d := c - last; d >= -1 && d <= 1 {
			steps++
		}
		last = c
	}
	switch {
	case len(different) < 6 || steps*2 >= n:
		return weak
	case n >= 16:
		return strong
	}
	return good
}
