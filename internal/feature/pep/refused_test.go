// SPDX-License-Identifier: Apache-2.0

package pep_test

import (
	"testing"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// A device that did not answer when it was asked is told as soon as another has said what both announce: its page may just
// have been loaded anew, and it announces nothing a second time.
func TestAnswerOfAnother(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		phone, desk := w.Bind("juliet/phone"), w.Bind("juliet/desk")
		c, _ := software("tune")
		phone.Sendf(`<presence>%s</presence>`, c)
		w.Settle()
		asked := false
		for _, st := range phone.Take() {
			if st.Kind == stanza.IQ && st.Type == "get" {
				asked = true
				phone.Sendf(`<iq type="error" id="%s" to="%s"><error type="cancel">`+
					`<service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`, st.ID, st.From)
			}
		}
		if !asked {
			t.Fatal("the phone is not asked")
		}
		w.Settle()
		publish(w, "juliet", "tune", "before", item.Default())
		phone.Take()
		announce(w, desk, "tune")
		phone.Take()
		publish(w, "juliet", "tune", "one", item.Default())
		check(t, "the phone", phone.Take(), "juliet@kith.example: tune/one")
		check(t, "the desk", desk.Take(), "juliet@kith.example: tune/one")
	})
}
