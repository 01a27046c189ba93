// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// TestRemovedAtOnce holds that what a request brings about comes behind what was sent before it (RFC 6120 §10.1): a
// contact that is let in and removed at once is not left with the presence of who removed it.
func TestRemovedAtOnce(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		juliet, romeo := w.Come("juliet/a", 0), w.Come("romeo/desk", 0)
		romeo.Sendf(`<presence to="juliet@" type="subscribe"/>`)
		w.Settle()
		juliet.Sendf(`<presence to="romeo@" type="subscribed"/>`)
		juliet.Sendf(`<iq type="set" id="1"><query xmlns="jabber:iq:roster"><item jid="romeo@" subscription="remove"/></query></iq>`)
		w.Settle()
		there := false
		var last string
		for _, st := range romeo.Take() {
			if st.Kind == stanza.Presence && st.From == juliet.JID {
				there = st.Type == ""
			} else if st.Kind == stanza.Presence {
				last = st.Type
			}
		}
		if there || last != "unsubscribed" {
			w.T.Errorf("there %v, and the last word on subscriptions was %q", there, last)
		}
	})
}

// TestUnavailableFirst holds that somebody whose subscription ends hears that the devices are gone while it still is one
// (RFC 6121 §3.2.2).
func TestUnavailableFirst(t *testing.T) {
	for name, ends := range map[string]string{
		"cancelled": `<presence to="romeo@" type="unsubscribed"/>`,
		"removed": `<iq type="set" id="1"><query xmlns="jabber:iq:roster">` +
			`<item jid="romeo@" subscription="remove"/></query></iq>`,
	} {
		t.Run(name, func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) {
				w.Friends("juliet", "romeo")
				juliet, romeo := w.Come("juliet/a", 0), w.Come("romeo/desk", 0)
				juliet.Sendf("%s", ends)
				w.Settle()
				gone, ended := -1, -1
				for i, st := range romeo.Take() {
					switch {
					case st.From == juliet.JID && st.Type == "unavailable":
						gone = i
					case st.Type == "unsubscribed":
						ended = i
					}
				}
				if gone < 0 || ended < gone {
					w.T.Errorf("unavailable was the %d. stanza, unsubscribed the %d.", gone, ended)
				}
			})
		})
	}
}
