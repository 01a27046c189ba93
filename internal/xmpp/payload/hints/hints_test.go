// SPDX-License-Identifier: Apache-2.0

package hints

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func TestHints(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, typ              string
		in                     xmlstream.Raw
		noStore, passes, store bool
	}{
		{"none", "chat", `<body/>`, false, false, false},
		{"no-store", "chat", `<no-store xmlns="urn:xmpp:hints"/>`, true, false, false},
		{"no-permanent-store", "chat", `<no-permanent-store xmlns="urn:xmpp:hints"/>`, false, true, false},
		{"store", "", `<store xmlns="urn:xmpp:hints"/>`, false, false, true},
		{"no-copy is another thing", "chat", `<no-copy xmlns="urn:xmpp:hints"/>`, false, false, false},
		{"other namespace", "chat", `<no-store/>`, false, false, false},
		{"ignored in errors", "error", `<no-store xmlns="urn:xmpp:hints"/><store xmlns="urn:xmpp:hints"/>`, false, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stanza.New(stanza.Message, c.typ, "", jid.JID{}, jid.JID{}, c.in)
			if NoStore(s) != c.noStore || NoPermanentStore(s) != c.passes || Store(s) != c.store {
				t.Errorf("NoStore %v, NoPermanentStore %v, Store %v", NoStore(s), NoPermanentStore(s), Store(s))
			}
		})
	}
}
