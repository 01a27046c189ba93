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
		name, typ      string
		in             xmlstream.Raw
		noStore, store bool
	}{
		{"none", "chat", `<body/>`, false, false},
		{"no-store", "chat", `<no-store xmlns="urn:xmpp:hints"/>`, true, false},
		{"no-permanent-store", "chat", `<no-permanent-store xmlns="urn:xmpp:hints"/>`, true, false},
		{"store", "", `<store xmlns="urn:xmpp:hints"/>`, false, true},
		{"no-copy is another thing", "chat", `<no-copy xmlns="urn:xmpp:hints"/>`, false, false},
		{"other namespace", "chat", `<no-store/>`, false, false},
		{"ignored in errors", "error", `<no-store xmlns="urn:xmpp:hints"/><store xmlns="urn:xmpp:hints"/>`, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := stanza.New(stanza.Message, c.typ, "", jid.JID{}, jid.JID{}, c.in)
			if NoStore(s) != c.noStore || Store(s) != c.store {
				t.Errorf("NoStore %v, Store %v", NoStore(s), Store(s))
			}
		})
	}
}
