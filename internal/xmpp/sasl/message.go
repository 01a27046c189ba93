// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// gs2Header is the head of a client's first message (RFC 5802 §7).
type gs2Header struct {
	flag    byte   // 'n', 'y' or 'p'
	binding string // the name after "p=", else ""
	authzid string // decoded; "" means none
	raw     string // as received, both commas included
}

// clientFirst is a client's first message (RFC 5802 §7).
type clientFirst struct {
	gs2   gs2Header
	name  string // decoded, as received otherwise
	nonce string
	bare  string // the message without its header, as received
}

// clientFinal is a client's last message (RFC 5802 §7).
type clientFinal struct {
	binding      []byte // decoded "c"
	nonce        string
	proof        []byte
	withoutProof string // the message up to ",p=", as received
}

// serverFirst is a server's first message (RFC 5802 §7).
type serverFirst struct {
	nonce      string
	salt       []byte
	iterations int
	attributes map[byte]string // optional ones, by their letter; of two with one letter, the last
}

func parseClientFirst(b []byte) (clientFirst, *Error) {
	var m clientFirst
	s := string(b)
	if err := checkText(s); err != nil {
		return m, err
	}
	flag, rest, ok := strings.Cut(s, ",")
	if !ok {
		return m, malformed("no GS2 header")
	}
	switch {
	case flag == "n" || flag == "y":
		m.gs2.flag = flag[0]
	case strings.HasPrefix(flag, "p=") && isBindingName(flag[2:]):
		m.gs2.flag, m.gs2.binding = 'p', flag[2:]
	default:
		return m, malformed("the GS2 header does not begin with n, y or p")
	}
	authzid, bare, ok := strings.Cut(rest, ",")
	if !ok {
		return m, malformed("no end of the GS2 header")
	}
	if authzid != "" {
		v, ok := strings.CutPrefix(authzid, "a=")
		if !ok {
			return m, malformed("something else where the authorization identity stands")
		}
		if m.gs2.authzid, ok = decodeName(v); !ok {
			return m, malformed("the authorization identity is not quoted as it must be")
		}
	}
	m.gs2.raw = s[:len(s)-len(bare)]
	m.bare = bare
	var err *Error
	m.name, m.nonce, err = parseBare(bare)
	return m, err
}

func parseBare(bare string) (name, nonce string, err *Error) {
	attrs := strings.Split(bare, ",")
	if strings.HasPrefix(attrs[0], "m=") {
		return "", "", malformed("extensions-not-supported") // RFC 5802 §5.1
	}
	v, ok := strings.CutPrefix(attrs[0], "n=")
	if !ok {
		return "", "", malformed("no name")
	}
	if name, ok = decodeName(v); !ok {
		return "", "", malformed("the name is not quoted as it must be")
	}
	if len(attrs) < 2 {
		return "", "", malformed("no nonce")
	}
	if nonce, ok = strings.CutPrefix(attrs[1], "r="); !ok || !isPrintable(nonce) {
		return "", "", malformed("no nonce")
	}
	return name, nonce, checkExtensions(attrs[2:])
}

func parseClientFinal(b []byte) (clientFinal, *Error) {
	var m clientFinal
	s := string(b)
	if err := checkText(s); err != nil {
		return m, err
	}
	// The proof is the last attribute, and no value has a comma in it.
	i := strings.LastIndexByte(s, ',')
	if i < 0 || !strings.HasPrefix(s[i:], ",p=") {
		return m, malformed("no proof")
	}
	var ok bool
	if m.proof, ok = decode64(s[i+len(",p="):]); !ok {
		return m, malformed("the proof is not base64")
	}
	m.withoutProof = s[:i]
	attrs := strings.Split(m.withoutProof, ",")
	v, ok := strings.CutPrefix(attrs[0], "c=")
	if !ok {
		return m, malformed("no channel binding data")
	}
	if m.binding, ok = decode64(v); !ok {
		return m, malformed("the channel binding data is not base64")
	}
	if len(attrs) < 2 {
		return m, malformed("no nonce")
	}
	if m.nonce, ok = strings.CutPrefix(attrs[1], "r="); !ok || !isPrintable(m.nonce) {
		return m, malformed("no nonce")
	}
	return m, checkExtensions(attrs[2:])
}

func parseServerFirst(b []byte) (serverFirst, *Error) {
	var m serverFirst
	if err := checkText(string(b)); err != nil {
		return m, err
	}
	attrs := strings.Split(string(b), ",")
	if strings.HasPrefix(attrs[0], "m=") {
		return m, malformed("extensions-not-supported")
	}
	if len(attrs) < 3 {
		return m, malformed("nonce, salt or iterations are missing")
	}
	var ok bool
	if m.nonce, ok = strings.CutPrefix(attrs[0], "r="); !ok || !isPrintable(m.nonce) {
		return m, malformed("no nonce")
	}
	salt, ok := strings.CutPrefix(attrs[1], "s=")
	if !ok {
		return m, malformed("no salt")
	}
	if m.salt, ok = decode64(salt); !ok {
		return m, malformed("the salt is not base64")
	}
	count, ok := strings.CutPrefix(attrs[2], "i=")
	if !ok || count == "" || count[0] < '1' || count[0] > '9' {
		return m, malformed("no iteration count")
	}
	n, err := strconv.Atoi(count)
	if err != nil {
		return m, malformed("no iteration count")
	}
	m.iterations = n
	if bad := checkExtensions(attrs[3:]); bad != nil {
		return m, bad
	}
	m.attributes = map[byte]string{}
	for _, a := range attrs[3:] {
		m.attributes[a[0]] = a[2:]
	}
	return m, nil
}

// checkText says whether s may be a message at all: UTF-8 without NUL, of a length that is no attack.
func checkText(s string) *Error {
	switch {
	case len(s) > maxMessageLen:
		return malformed("too long")
	case !utf8.ValidString(s), strings.IndexByte(s, 0) >= 0:
		return malformed("not UTF-8 without NUL")
	}
	return nil
}

// checkExtensions allows what is unknown and optional (RFC 5802 §5.1), and nothing else.
func checkExtensions(attrs []string) *Error {
	for _, a := range attrs {
		if len(a) < 3 || a[1] != '=' || !isAlpha(a[0]) {
			return malformed("an extension that is none")
		}
		if a[0] == 'm' {
			return malformed("extensions-not-supported")
		}
	}
	return nil
}

// decodeName undoes the quoting of "saslname" (RFC 5802 §5.1); false if v is empty or not quoted well.
func decodeName(v string) (string, bool) {
	if v == "" {
		return "", false
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(v, "=")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		switch {
		case strings.HasPrefix(after, "2C"):
			b.WriteByte(',')
		case strings.HasPrefix(after, "3D"):
			b.WriteByte('=')
		default:
			return "", false
		}
		v = after[2:]
	}
}

func encodeName(s string) string {
	return strings.NewReplacer("=", "=3D", ",", "=2C").Replace(s)
}

// decode64 is strict: RFC 5802 §7 knows neither line ends nor missing padding.
func decode64(s string) ([]byte, bool) {
	if strings.ContainsAny(s, "\r\n") {
		return nil, false
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	return b, err == nil
}

func isPrintable(s string) bool {
	for i := range len(s) {
		if s[i] < 0x21 || s[i] > 0x7E || s[i] == ',' {
			return false
		}
	}
	return s != ""
}

func isBindingName(s string) bool {
	for i := range len(s) {
		if c := s[i]; !isAlpha(c) && (c < '0' || c > '9') && c != '.' && c != '-' {
			return false
		}
	}
	return s != ""
}

func isAlpha(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }
