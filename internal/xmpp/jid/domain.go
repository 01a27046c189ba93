// SPDX-License-Identifier: Apache-2.0

package jid

import (
	"net/netip"
	"strings"

	"golang.org/x/text/secure/precis"
)

// maxLabel is the length of one label of a domain name in its ASCII form, in bytes (RFC 1034 §3.1, which
// RFC 7622 §3.2 leaves in force).
const maxLabel = 63

// normalDomain enforces the rules of the domainpart: a domain name, in which labels of other scripts stand as
// they are read (U-labels), or an IPv4 address, or an IPv6 address in brackets.
func normalDomain(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		return normalIPv6(s)
	}
	ascii := isASCII(s)
	if !ascii {
		// RFC 5895 §2 for the ideographic full stop; its full-width and half-width forms map to it.
		s = strings.NewReplacer("。", ".", "．", ".", "｡", ".").Replace(s)
	}
	s = strings.TrimSuffix(s, ".") // RFC 7622 §3.2: stripped before anything else
	if s == "" {
		return "", malformed("no domainpart")
	}
	if ascii {
		s = lower(s)
	}
	if !ascii || strings.Contains(s, "xn--") {
		labels := strings.Split(s, ".")
		for i, l := range labels {
			n, err := normalLabel(l)
			if err != nil {
				return "", err
			}
			labels[i] = n
		}
		s = strings.Join(labels, ".")
	} else {
		for l := range strings.SplitSeq(s, ".") {
			if !isLDH(l) {
				return "", malformed("domainpart is not a domain name")
			}
		}
	}
	if len(s) > maxPart {
		return "", malformed("domainpart too long")
	}
	return s, nil
}

// normalLabel returns one label of a domain name in lower case and, if it has letters outside of ASCII, as a
// U-label. x/text has no IDNA tables; UsernameCaseMapped does the same width and case mapping, normalisation,
// compatibility check and bidi check, and what it allows beyond letters, digits and marks is refused here.
func normalLabel(s string) (string, error) {
	s, err := enforce(precis.UsernameCaseMapped, s)
	if err != nil {
		return "", malformed("character not allowed in domainpart")
	}
	if isASCII(s) && !strings.HasPrefix(s, "xn--") {
		if !isLDH(s) {
			return "", malformed("domainpart is not a domain name")
		}
		return s, nil
	}
	if a, isA := strings.CutPrefix(s, "xn--"); isA {
		// RFC 7622 §3.2.1: each A-label is converted to a U-label. It must be the one A-label of that.
		u, ok := fromPunycode(a)
		if !ok || isASCII(u) {
			return "", malformed("domainpart has a false A-label")
		}
		if n, err := enforce(precis.UsernameCaseMapped, u); err != nil || n != u {
			return "", malformed("domainpart has a false A-label")
		}
		s = u
	}
	for i := range len(s) {
		if s[i] < 0x80 && !ldh(s[i]) {
			return "", malformed("character not allowed in domainpart")
		}
	}
	// RFC 5891 §4.2.3.1: no hyphen at the ends, nor at the third and fourth place.
	if s[0] == '-' || s[len(s)-1] == '-' || hyphens34(s) || len("xn--")+len(toPunycode(s)) > maxLabel {
		return "", malformed("domainpart is not a domain name")
	}
	return s, nil
}

// hyphens34 reports whether the third and fourth character of s are hyphens.
func hyphens34(s string) bool {
	r := []rune(s)
	return len(r) >= 4 && r[2] == '-' && r[3] == '-'
}

// isLDH reports whether s is a label of lower-case letters, digits and inner hyphens (RFC 5890 §2.3.1).
func isLDH(s string) bool {
	if s == "" || len(s) > maxLabel || s[0] == '-' || s[len(s)-1] == '-' {
		return false
	}
	for i := range len(s) {
		if !ldh(s[i]) {
			return false
		}
	}
	return true
}

func ldh(c byte) bool { return 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-' }

// normalIPv6 reads an IP-literal. A zone (RFC 6874) means something on one machine only and is refused.
func normalIPv6(s string) (string, error) {
	in, ok := strings.CutSuffix(s[1:], "]")
	if !ok {
		return "", malformed("domainpart is not an IPv6 address")
	}
	a, err := netip.ParseAddr(in)
	if err != nil || !a.Is6() || a.Zone() != "" {
		return "", malformed("domainpart is not an IPv6 address")
	}
	if t := a.String(); t != in {
		return "[" + t + "]", nil
	}
	return s, nil
}
