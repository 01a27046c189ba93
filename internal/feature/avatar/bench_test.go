// SPDX-License-Identifier: Apache-2.0

package avatar

import (
	"context"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// BenchmarkPresence is what the hash costs for each presence that a device sends; what contacts get of it costs nothing more.
func BenchmarkPresence(b *testing.B) {
	const hash = "11f6ad8ec52a2984abaafd7c3b516503785c2072"
	a := &Avatar{hashes: hashes{known: map[int64]string{1: hash}}}
	st := stanza.New(stanza.Presence, "", "", jid.MustParse("juliet@kith.example/balcony"), jid.JID{},
		xmlstream.TextElem("", "show", "away"), xmlstream.TextElem("", "status", "in the orchard"))
	d := &router.Device{}
	for b.Loop() {
		t := &router.Trip{Stanza: st, Device: d, Owner: account.Account{ID: 1}}
		if err := a.presence(context.Background(), t); err != nil || t.Stanza == st {
			b.Fatal(err)
		}
	}
}
