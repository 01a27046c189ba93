// SPDX-License-Identifier: Apache-2.0

// Package hints reads what the sender of a message wants done with it (XEP-0334 v1.0.0). Hints are wishes: who gets
// one decides. Hints in errors are ignored, since an error may repeat what the message had (XEP-0334 §5).
package hints

import "github.com/kith-im/kith/internal/xmpp/stanza"

// NS is the namespace of the hints.
const NS = "urn:xmpp:hints"

// NoStore reports whether s should not be kept at all (XEP-0334 §4.2).
func NoStore(s *stanza.Stanza) bool { return has(s, "no-store") }

// NoPermanentStore reports whether s should not be put into an archive; it may wait for who is away (XEP-0334 §3.3, §4.1).
func NoPermanentStore(s *stanza.Stanza) bool { return has(s, "no-permanent-store") }

// Store reports whether s should be put into an archive although it may have no body (XEP-0334 §4.4).
func Store(s *stanza.Stanza) bool { return has(s, "store") }

func has(s *stanza.Stanza, hint string) bool {
	if s.Type == stanza.TypeError {
		return false
	}
	_, ok := s.Child(NS, hint)
	return ok
}
