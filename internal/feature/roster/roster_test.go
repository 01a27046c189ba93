// SPDX-License-Identifier: Apache-2.0

package roster_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// TestPushesInOrder holds that a device that asks with an old version, while its list changes all the time, is pushed each
// version once and in order, and ends with the same as the others (RFC 6121 §2.6.3).
func TestPushesInOrder(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		busy := w.Bind("juliet/busy")
		set := func(i int) {
			busy.Sendf(`<iq type="set" id="s%d"><query xmlns="jabber:iq:roster"><item jid="c%d@" name="%d"/></query></iq>`, i, i%7, i)
		}
		for i := range 10 {
			set(i)
		}
		w.Settle()
		id := w.Account("juliet")
		_, since, err := w.Contacts.List(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		for i := range 10 {
			set(10 + i)
		}
		w.Settle()

		late := []*routertest.Device{w.Bind("juliet/a"), w.Bind("juliet/b"), w.Bind("juliet/c")}
		for i := range 60 {
			set(20 + i)
			if i%10 == 5 {
				d := late[i/10%len(late)]
				d.Sendf(`<iq type="get" id="g%d"><query xmlns="jabber:iq:roster" ver="%d"/></iq>`, i, since)
			}
		}
		w.Settle()
		_, last, err := w.Contacts.List(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range late {
			names := map[string]string{}
			var before int64
			for _, st := range d.Take() {
				query, _ := st.Child("jabber:iq:roster", "query")
				if st.Type == stanza.TypeResult {
					if !query.IsZero() {
						t.Errorf("%s got the whole list", d.JID)
					}
					before = since // what follows is new since the version that it asked with
					continue
				}
				version, err := strconv.ParseInt(query.Attr("ver"), 10, 64)
				if err != nil || version <= before {
					t.Errorf("%s was pushed %d after %d, %v", d.JID, version, before, err)
				}
				before = version
				for item := range query.Children() {
					names[item.Attr("jid")] = item.Attr("name")
				}
			}
			if before != last {
				t.Errorf("%s ends with version %d, the list has %d", d.JID, before, last)
			}
			for i := 73; i < 80; i++ {
				if a := fmt.Sprintf("c%d@kith.example", i%7); names[a] != strconv.Itoa(i) {
					t.Errorf("%s has %q for %s, want %d", d.JID, names[a], a, i)
				}
			}
		}
	})
}

// TestNoStore holds that a list that cannot be read, or changed, is an error of ours (RFC 6121 §2.2, §2.3.3).
func TestNoStore(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		d := w.Bind("juliet/a")
		w.Settle()
		if err := w.DB.Close(); err != nil {
			t.Fatal(err)
		}
		d.Sendf(`<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`)
		d.Sendf(`<iq type="set" id="2"><query xmlns="jabber:iq:roster"><item jid="romeo@"/></query></iq>`)
		w.Settle()
		got := d.Take()
		for _, st := range got {
			if e := stanza.ParseError(st); st.Type != stanza.TypeError || !errors.Is(e, stanza.InternalServerError) || e.Text != "" {
				t.Errorf("got %s", st.Raw())
			}
		}
		if len(got) != 2 {
			t.Errorf("got %d answers", len(got))
		}
	})
}
