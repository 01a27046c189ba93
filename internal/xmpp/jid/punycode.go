// SPDX-License-Identifier: Apache-2.0

package jid

import (
	"math"
	"slices"
	"strings"
	"unicode/utf8"
)

// The parameters of Punycode for domain names (RFC 3492 §5).
const (
	pBase        = 36
	pTMin        = 1
	pTMax        = 26
	pSkew        = 38
	pDamp        = 700
	pInitialBias = 72
	pInitialN    = 0x80
)

// fromPunycode decodes the part of an A-label after "xn--", in lower case (RFC 3492 §6.2).
// ok is false if it is not the encoding that toPunycode gives.
func fromPunycode(a string) (u string, ok bool) {
	var out []rune
	in := a
	if i := strings.LastIndexByte(a, '-'); i >= 0 {
		out, in = []rune(a[:i]), a[i+1:]
	}
	n, bias, i := pInitialN, pInitialBias, 0
	for in != "" {
		old, w := i, 1
		for k := pBase; ; k += pBase {
			if in == "" {
				return "", false
			}
			d := punyValue(in[0])
			in = in[1:]
			if d < 0 || d > (math.MaxInt32-i)/w {
				return "", false
			}
			i += d * w
			t := threshold(k, bias)
			if d < t {
				break
			}
			if w > math.MaxInt32/(pBase-t) {
				return "", false
			}
			w *= pBase - t
		}
		bias = adapt(i-old, len(out)+1, old == 0)
		n += i / (len(out) + 1)
		i %= len(out) + 1
		if n > utf8.MaxRune || !utf8.ValidRune(rune(n)) {
			return "", false
		}
		out = slices.Insert(out, i, rune(n))
		i++
	}
	u = string(out)
	return u, toPunycode(u) == a
}

// toPunycode encodes s as the part of an A-label after "xn--" (RFC 3492 §6.3).
func toPunycode(s string) string {
	var out []byte
	runes := []rune(s)
	for _, r := range runes {
		if r < utf8.RuneSelf {
			out = append(out, byte(r))
		}
	}
	basic := len(out)
	if basic > 0 {
		out = append(out, '-')
	}
	n, delta, bias := rune(pInitialN), 0, pInitialBias
	for done := basic; done < len(runes); {
		next := rune(math.MaxInt32)
		for _, r := range runes {
			if r >= n {
				next = min(next, r)
			}
		}
		delta += int(next-n) * (done + 1)
		n = next
		for _, r := range runes {
			if r < n {
				delta++
			}
			if r != n {
				continue
			}
			q := delta
			for k := pBase; ; k += pBase {
				t := threshold(k, bias)
				if q < t {
					break
				}
				out = append(out, punyDigit(t+(q-t)%(pBase-t)))
				q = (q - t) / (pBase - t)
			}
			out = append(out, punyDigit(q))
			bias = adapt(delta, done+1, done == basic)
			delta = 0
			done++
		}
		delta++
		n++
	}
	return string(out)
}

// threshold is t(k) of RFC 3492 §6.2.
func threshold(k, bias int) int { return min(max(k-bias, pTMin), pTMax) }

// adapt is the bias adaptation of RFC 3492 §6.1.
func adapt(delta, points int, first bool) int {
	if first {
		delta /= pDamp
	} else {
		delta /= 2
	}
	delta += delta / points
	k := 0
	for delta > (pBase-pTMin)*pTMax/2 {
		delta /= pBase - pTMin
		k += pBase
	}
	return k + (pBase-pTMin+1)*delta/(delta+pSkew)
}

func punyDigit(d int) byte {
	if d < 26 {
		return byte('a' + d)
	}
	return byte('0' + d - 26)
}

// punyValue returns the value of a digit in lower case, or -1.
func punyValue(c byte) int {
	switch {
	case 'a' <= c && c <= 'z':
		return int(c - 'a')
	case '0' <= c && c <= '9':
		return int(c-'0') + 26
	}
	return -1
}
