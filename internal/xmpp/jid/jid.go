// SPDX-License-Identifier: Apache-2.0

// Package jid reads and compares the addresses of XMPP (RFC 7622), such as juliet@kith.example/balcony.
//
// An address has up to three parts: the localpart before the first '@', the domainpart, and the resourcepart
// after the first '/'. Only the domainpart must be there. An address without a resourcepart is called bare, one
// with it full.
//
// Two spellings can mean one address: Juliet@Kith.Example and juliet@kith.example do. Parse therefore enforces
// the rules of each part (for localpart and resourcepart those of PRECIS, RFC 8265, which replaces the RFC 7613
// that RFC 7622 names; for the domainpart those of IDNA) and keeps the result only. So == compares addresses, a
// JID can be the key of a map, and what is printed is always the one normal spelling.
//
// A JID is a value of 24 bytes: one string and two offsets into it. Taking it apart does not allocate, and
// parsing an address that is already in its normal spelling does not copy it: the JID then shares the memory of
// the string that was parsed. What keeps a JID for long should keep j.Clone(), lest a small address hold the
// whole stanza it came with.
package jid

import (
	"errors"
	"fmt"
	"strings"
)

// ErrMalformed is what every error of this package wraps: the string is no address. In a stanza it is answered
// with jid-malformed (RFC 6120 §8.3.3.8).
var ErrMalformed = errors.New("jid: malformed address")

// maxPart is the length a part may have, in bytes after normalisation (RFC 7622 §3.2, §3.3, §3.4).
const maxPart = 1023

// maxInput bounds what is looked at before normalisation, in bytes. Normalisation shrinks a string by less than
// this leaves room for, and nobody shall make us normalise a megabyte.
const maxInput = 4 * (3*maxPart + 2)

// A JID is an address in its normal form. The zero JID is no address; it prints as "". JIDs compare with == and
// are safe for concurrent use as strings are.
type JID struct {
	s   string
	at  uint16 // length of the localpart, 0 if there is none
	end uint16 // where the domainpart ends in s
}

// Parse reads an address and brings it to its normal form. The error wraps ErrMalformed and says what is wrong.
func Parse(s string) (JID, error) {
	if len(s) > maxInput {
		return JID{}, malformed("too long")
	}
	// RFC 7622 §3.2: first cut the resourcepart at the first '/', then the localpart at the first '@'. This is
	// done before any mapping (§3.1), since a mapping may turn other characters into these two.
	rest, resource, hasResource := strings.Cut(s, "/")
	local, domain, hasLocal := strings.Cut(rest, "@")
	if !hasLocal {
		local, domain = "", rest
	}
	if hasLocal && local == "" {
		return JID{}, malformed("empty localpart")
	}
	if hasResource && resource == "" {
		return JID{}, malformed("empty resourcepart")
	}
	return build(s, local, domain, resource)
}

// New makes an address of its parts. An empty local or resource means that there is no such part.
func New(local, domain, resource string) (JID, error) {
	if len(local)+len(domain)+len(resource) > maxInput {
		return JID{}, malformed("too long")
	}
	return build("", local, domain, resource)
}

// MustParse is Parse for addresses that stand in the program, as in tests. It panics if s is none.
func MustParse(s string) JID {
	j, err := Parse(s)
	if err != nil {
		panic(fmt.Sprintf("jid.MustParse(%q): %v", s, err))
	}
	return j
}

// build normalises the parts and joins them. whole is the string they were cut from, or "": it is used as it is
// if it turns out to be normal.
func build(whole, local, domain, resource string) (JID, error) {
	l, err := normalLocal(local)
	if err != nil {
		return JID{}, err
	}
	d, err := normalDomain(domain)
	if err != nil {
		return JID{}, err
	}
	r, err := normalResource(resource)
	if err != nil {
		return JID{}, err
	}
	return join(whole, l, d, r), nil
}

// join puts normal parts together, in whole if that has them already.
func join(whole, local, domain, resource string) JID {
	end := len(domain)
	if local != "" {
		end += len(local) + 1
	}
	size := end
	if resource != "" {
		size += 1 + len(resource)
	}
	j := JID{s: whole, at: uint16(len(local)), end: uint16(end)}
	if len(whole) == size && j.Local() == local && j.Domain() == domain && j.Resource() == resource {
		return j
	}
	var b strings.Builder
	b.Grow(size)
	if local != "" {
		b.WriteString(local)
		b.WriteByte('@')
	}
	b.WriteString(domain)
	if resource != "" {
		b.WriteByte('/')
		b.WriteString(resource)
	}
	j.s = b.String()
	return j
}

// Local returns the localpart, "" if there is none.
func (j JID) Local() string { return j.s[:j.at] }

// Domain returns the domainpart. It is empty in the zero JID only.
func (j JID) Domain() string {
	if j.at > 0 {
		return j.s[j.at+1 : j.end]
	}
	return j.s[:j.end]
}

// Resource returns the resourcepart, "" if there is none.
func (j JID) Resource() string {
	if int(j.end) == len(j.s) {
		return ""
	}
	return j.s[j.end+1:]
}

// String returns the whole address in its normal form.
func (j JID) String() string { return j.s }

// Bare returns the address without its resourcepart: of a session its account, of an occupant its room.
func (j JID) Bare() JID { return JID{s: j.s[:j.end], at: j.at, end: j.end} }

// DomainJID returns the address of the server or service the address belongs to: the domainpart alone.
func (j JID) DomainJID() JID {
	d := j.Domain()
	return JID{s: d, end: uint16(len(d))}
}

// WithResource returns the address with r as its resourcepart in place of what it has. An empty r gives the bare
// address.
func (j JID) WithResource(r string) (JID, error) {
	if j.IsZero() {
		return JID{}, malformed("no domainpart")
	}
	if len(r) > maxInput {
		return JID{}, malformed("too long")
	}
	r, err := normalResource(r)
	if err != nil {
		return JID{}, err
	}
	return join("", j.Local(), j.Domain(), r), nil
}

// Clone returns an equal address with memory of its own.
func (j JID) Clone() JID {
	j.s = strings.Clone(j.s)
	return j
}

// IsZero reports whether j is the zero JID, which is no address.
func (j JID) IsZero() bool { return j.s == "" }

// IsBare reports whether j is an address without a resourcepart.
func (j JID) IsBare() bool { return j.s != "" && int(j.end) == len(j.s) }

// IsFull reports whether j is an address with a resourcepart.
func (j JID) IsFull() bool { return int(j.end) < len(j.s) }

// HasLocal reports whether j has a localpart: whether it is an account or a room rather than a server.
func (j JID) HasLocal() bool { return j.at > 0 }

// MarshalText returns the address as bytes, so that logs and JSON show it.
func (j JID) MarshalText() ([]byte, error) { return []byte(j.s), nil }

// UnmarshalText reads what MarshalText has written.
func (j *JID) UnmarshalText(text []byte) (err error) {
	*j = JID{}
	if len(text) > 0 {
		*j, err = Parse(string(text))
	}
	return err
}

func malformed(what string) error { return fmt.Errorf("%w: %s", ErrMalformed, what) }
