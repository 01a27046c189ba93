// SPDX-License-Identifier: Apache-2.0

package bookmarks

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// FuzzBookmark holds that an item which is written is read as it was, and that a client which stores the list as it got it
// changes nothing.
func FuzzBookmark(f *testing.F) {
	f.Add(`<conference xmlns="urn:xmpp:bookmarks:1" name="The Play" autojoin="1"><nick>JC</nick><password>x</password><extensions><a xmlns="urn:a"/></extensions></conference>`)
	f.Add(`<b:conference xmlns:b="urn:xmpp:bookmarks:1" autojoin="yes"><b:extensions><b:nick/><c xmlns="storage:bookmarks"/></b:extensions><x xmlns="urn:x">y</x></b:conference>`)
	f.Add(`<conference xmlns="urn:xmpp:bookmarks:1"><extensions/><extensions><nick xmlns="storage:bookmarks">J</nick></extensions></conference>`)
	f.Fuzz(func(t *testing.T, payload string) {
		if _, err := xmlstream.Parse(payload, xmlstream.AfterAuth); err != nil {
			return
		}
		m, ok := readItem(xmlstream.Raw(payload))
		if !ok {
			return
		}
		again, ok := readItem(m.item())
		if !ok || again.item() != m.item() {
			t.Fatalf("%s is read as %s", m.item(), again.item())
		}
		var w xmlstream.Builder
		w.Start(List, "storage")
		m.old(&w, "a@b.example")
		for n := range inside(w.End().Build()) {
			if is := m.updated(readOld(n)); is.item() != m.item() {
				t.Fatalf("%s becomes %s", m.item(), is.item())
			}
		}
	})
}
