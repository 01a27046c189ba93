// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Nobody finds what was taken back, whether it was indexed before; the entry stays in its place.
func TestRetractedIsNotFound(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		device := jid.MustParse("romeo@kith.example/orchard")
		send := func(id string, children ...xmlstream.Raw) *stanza.Stanza {
			return stanza.New(stanza.Message, "chat", id, device, juliets, children...)
		}
		keep := func(st *stanza.Stanza) archive.ID {
			return add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Raw: st.Raw()}).ID
		}
		search := func() (list []archive.ID) {
			t.Helper()
			q := archive.All(juliet, 10)
			q.Text, q.AnyText = "secret", false
			r, err := a.Find(t.Context(), q)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range r.Entries {
				list = append(list, k.ID)
			}
			return list
		}
		indexed := keep(send("1", "<body>a secret</body>"))
		if err := a.Index(t.Context(), juliet, true); err != nil {
			t.Fatal(err)
		}
		later := keep(send("2", "<body>another secret</body>"))
		if got := search(); len(got) != 2 {
			t.Fatalf("found %v", got)
		}
		for i, id := range []archive.ID{indexed, later} {
			st := send("r"+string(rune('1'+i)), `<retract xmlns="urn:xmpp:message-retract:1" id="`+xmlstream.Raw(rune('1'+i))+`"/>`)
			back, err := a.Retracted(t.Context(), juliet, romeos, false, st)
			if err != nil || back == nil {
				t.Fatal(back, err)
			}
			write(t, d, func(tx *db.Tx) error {
				n, err := a.Append(tx, archive.Entry{Owner: juliet, Peer: romeos, Raw: st.Raw()})
				if err != nil {
					return err
				}
				return a.Retract(tx, back, n)
			})
			if e, err := a.Get(t.Context(), juliet, id); err != nil || strings.Contains(string(e.Raw), "secret") {
				t.Errorf("%v is %s, %v", id, e.Raw, err)
			}
			if got := search(); len(got) != 1-i {
				t.Errorf("found %v after %d", got, i+1)
			}
		}
		if back, err := a.Retracted(t.Context(), juliet, romeos, false, send("3", "<body/>")); back != nil || err != nil {
			t.Errorf("a message that takes nothing back: %v, %v", back, err)
		}
	})
}

// What is taken back is found where it is in the index by peer, behind it, and while it only waits; and who takes something
// back in a long archive has it indexed, so that the next time little is looked through.
func TestRetractedWherever(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		device := jid.MustParse("romeo@kith.example/orchard")
		keep := func(id string, passing bool) archive.ID {
			st := stanza.New(stanza.Message, "chat", id, device, juliets, "<body>a secret</body>")
			return add(t, d, a, archive.Entry{Owner: juliet, Peer: romeos, Waiting: passing, Passing: passing, Raw: st.Raw()}).ID
		}
		ids := map[string]archive.ID{"old": keep("old", false), "twice": keep("twice", false), "waits": keep("waits", true)}
		for range 150 {
			keep("", false)
		}
		if err := a.Index(t.Context(), juliet, false); err != nil {
			t.Fatal(err)
		}
		first := ids["twice"]
		ids["twice"], ids["new"], ids["new waits"] = keep("twice", false), keep("new", false), keep("new waits", true)
		for id, is := range ids {
			st := stanza.New(stanza.Message, "chat", "r", device, juliets, `<retract xmlns="urn:xmpp:message-retract:1" id="`+xmlstream.Raw(id)+`"/>`)
			back, err := a.Retracted(t.Context(), juliet, romeos, false, st)
			if err != nil {
				t.Fatal(err)
			}
			write(t, d, func(tx *db.Tx) error { return a.Retract(tx, back, 0) })
			if e, err := a.Get(t.Context(), juliet, is); err != nil || strings.Contains(string(e.Raw), "secret") {
				t.Errorf("%s is %s, %v", id, e.Raw, err)
			}
		}
		if e, err := a.Get(t.Context(), juliet, first); err != nil || !strings.Contains(string(e.Raw), "secret") {
			t.Errorf("the older one of that id is %s, %v", e.Raw, err)
		}
		if a.Wanted() {
			t.Error("little was looked through, and is to be indexed")
		}
		for range 150 {
			keep("", false)
		}
		st := stanza.New(stanza.Message, "chat", "r", device, juliets, `<retract xmlns="urn:xmpp:message-retract:1" id="none"/>`)
		if _, err := a.Retracted(t.Context(), juliet, romeos, false, st); err != nil || !a.Wanted() {
			t.Errorf("much was looked through, and is not to be indexed: %v", err)
		}
	})
}
