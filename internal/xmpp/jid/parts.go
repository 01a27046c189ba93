// SPDX-License-Identifier: Apache-2.0

package jid

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
)

// normalLocal enforces the rules of the localpart. An empty s stays empty.
func normalLocal(s string) (string, error) {
	if isASCII(s) {
		for i := range len(s) {
			if s[i] <= ' ' || s[i] == 0x7f || excluded(s[i]) {
				return "", malformed("character not allowed in localpart")
			}
		}
		s = lower(s)
	} else {
		// RFC 7622 §3.3: the profile UsernameCaseMapped (RFC 8265 §3.3).
		var err error
		if s, err = enforce(precis.UsernameCaseMapped, s); err != nil || s == "" {
			return "", malformed("character not allowed in localpart")
		}
		for i := range len(s) {
			if excluded(s[i]) {
				return "", malformed("character not allowed in localpart")
			}
		}
	}
	if len(s) > maxPart {
		return "", malformed("localpart too long")
	}
	return s, nil
}

// excluded reports whether c is one of the characters that usernames may have and localparts may not.
func excluded(c byte) bool {
	switch c { // RFC 7622 §3.3.1
	case '"', '&', '\'', '/', ':', '<', '>', '@':
		return true
	}
	return false
}

// normalResource enforces the rules of the resourcepart. An empty s stays empty.
func normalResource(s string) (string, error) {
	if isASCII(s) {
		for i := range len(s) {
			if s[i] < ' ' || s[i] == 0x7f {
				return "", malformed("control character in resourcepart")
			}
		}
	} else {
		// RFC 7622 §3.4: the profile OpaqueString (RFC 8265 §4.2). It allows a space at either end, though
		// example 18 of RFC 7622 §3.5 does not; people have nicknames like that in rooms of other servers.
		var err error
		if s, err = enforce(precis.OpaqueString, s); err != nil || s == "" {
			return "", malformed("character not allowed in resourcepart")
		}
	}
	if len(s) > maxPart {
		return "", malformed("resourcepart too long")
	}
	return s, nil
}

// enforce applies a profile until its output no longer changes. RFC 8265 §3.3.3 and §4.2.3 ask for an idempotent
// result, and one pass does not always give it; what is not stable after four passes is refused, as RFC 8264 §7
// advises.
func enforce(p *precis.Profile, s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", ErrMalformed // the profiles would replace the bytes in silence
	}
	for range 4 {
		t, err := p.String(s)
		if err != nil {
			return "", err
		}
		if t == s {
			return s, nil
		}
		s = t
	}
	return "", ErrMalformed
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// lower returns the ASCII string s in lower case, s itself if it is.
func lower(s string) string {
	for i := range len(s) {
		if 'A' <= s[i] && s[i] <= 'Z' {
			return strings.ToLower(s)
		}
	}
	return s
}
