// SPDX-License-Identifier: Apache-2.0

package account

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/kith-im/kith/internal/xmpp/jid"
)

// maxName is the length of a new name in characters. RFC 7622 §3.3 would allow 1023 bytes; nobody could tell such
// names apart in a list.
const maxName = 64

// A NameError says why a name cannot be that of a new account.
type NameError struct {
	Name   string // as it was given
	Reason NameReason
}

// A NameReason is a rule for names that one breaks.
type NameReason uint8

// The rules.
const (
	NameEmpty      NameReason = iota + 1 // there is none
	NameTooLong                          // more than 64 characters
	NameCharacters                       // a character that names do not have, or punctuation at its beginning or end
	NameMixed                            // letters of scripts that look alike
	NameReserved                         // people would take its owner for who runs the server
)

// Error says what is wrong, in English.
func (e *NameError) Error() string {
	switch e.Reason {
	case NameEmpty:
		return "account: no name"
	case NameTooLong:
		return "account: name too long"
	case NameMixed:
		return "account: name mixes scripts that look alike"
	case NameReserved:
		return "account: reserved name"
	}
	return "account: character not allowed in a name"
}

// reserved are names that only an admin may have. An address looks like that of an e-mail, and mail to some of these
// reaches who runs a domain, or proves to a certificate authority that one owns it; others would let their
// owner speak for the server. An admin does run the server, and often wants just "admin".
const reserved = " abuse admin administrator help hostmaster info mailer-daemon moderator noc noreply no-reply " +
	"operator postmaster register root security server service ssladmin sysadmin support system webmaster xmpp "

// CheckName returns name in its normal spelling, or a *NameError where no new account of role may be called so. It
// does not say whether the name is taken.
func (s *Service) CheckName(name string, role Role) (string, error) {
	fail := func(r NameReason) (string, error) { return "", &NameError{Name: name, Reason: r} }
	if name == "" {
		return fail(NameEmpty)
	}
	if utf8.RuneCountInString(name) > maxName {
		return fail(NameTooLong)
	}
	j, err := jid.New(name, s.domain, "")
	if err != nil || j.Local() == "" {
		return fail(NameCharacters)
	}
	local := j.Local()
	if strings.ContainsFunc(local, func(r rune) bool {
		return !unicode.In(r, unicode.L, unicode.M, unicode.Nd) && !strings.ContainsRune(punctuation, r)
	}) {
		return fail(NameCharacters) // RFC 7622 §3.3 allows more; such names break in links and in the terminal
	}
	if strings.Trim(local, punctuation) != local {
		return fail(NameCharacters)
	}
	if mixed(local) {
		return fail(NameMixed)
	}
	if role != Admin && strings.Contains(reserved, " "+undressed(local)+" ") {
		return fail(NameReserved)
	}
	return local, nil
}

// undressed returns name without what is set above or below its letters, and with a dot on each i: so a reserved name
// is seen in "ádmin" and in "admın" as well.
func undressed(name string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case unicode.Is(unicode.M, r):
			return -1
		case r == 'ı':
			return 'i'
		}
		return r
	}, norm.NFD.String(name))
}

const punctuation = "._-+"

// mixed reports whether name has letters of two of the three scripts that share shapes: with them, one could be
// called раypal or juliеt beside the real one. A name wholly in one script may still look like one in another.
func mixed(name string) bool {
	n := 0
	for _, script := range []*unicode.RangeTable{unicode.Latin, unicode.Greek, unicode.Cyrillic} {
		if strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(script, r) }) {
			n++
		}
	}
	return n > 1
}
