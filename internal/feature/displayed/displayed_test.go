// SPDX-License-Identifier: Apache-2.0

package displayed_test

import (
	"context"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/feature/displayed"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// What was read is in no message that anybody gets, in no copy and in no archive, but it is published once (XEP-0490 §5.2).
func TestAssist(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, desk, phone := w.Come("romeo/orchard", 0), w.Come("juliet/desk", 0), w.Come("juliet/phone", 0)
		phone.Sendf(`<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
		w.Settle()
		for _, d := range []*routertest.Device{romeo, desk, phone} {
			d.Take()
		}
		const read = `<displayed xmlns="urn:xmpp:mds:displayed:0"><stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example" id="7"/></displayed>`
		desk.Sendf(`<message to="romeo@" type="chat"><body>Hark</body>%s</message>`, read)
		w.Settle()
		for _, d := range []*routertest.Device{romeo, phone} {
			got := d.Take()
			if len(got) != 1 || strings.Contains(string(got[0].Raw()), displayed.Node) || !strings.Contains(string(got[0].Raw()), "Hark") {
				t.Errorf("%v got %v", d.JID, got)
			}
		}
		for _, name := range []string{"romeo", "juliet"} {
			p, err := w.Archive.Page(context.Background(), w.Account(name), archive.ID(0), 10)
			if err != nil || len(p) != 1 || strings.Contains(string(p[0].Raw), displayed.Node) {
				t.Errorf("%s has %v, %v", name, p, err)
			}
		}
		it, err := w.Items.Item(context.Background(), w.Account("juliet"), displayed.Node, "romeo@kith.example")
		if err != nil || string(it.Payload) != read || it.Publisher != desk.JID {
			t.Errorf("published %v, %v", it, err)
		}

		// The id is the address as it stands there, and a message to oneself has one, too.
		desk.Sendf(`<message to="room@/nick" type="chat"><body>a</body>%s</message>`, read)
		desk.Sendf(`<message><body>a</body>%s</message>`, read)
		desk.Sendf(`<message to="nurse@" type="error">%s<error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`, read)
		w.Settle()
		ids, err := w.Items.IDs(context.Background(), w.Account("juliet"), displayed.Node)
		if got := strings.Join(ids, " "); err != nil || got != "romeo@kith.example room@kith.example/nick juliet@kith.example" {
			t.Errorf("got %s, %v", got, err)
		}
		for _, st := range append(desk.Take(), phone.Take()...) {
			if st.Kind == stanza.Message && strings.Contains(string(st.Raw()), displayed.Node) {
				t.Errorf("got %s", st.Raw())
			}
		}

		// What is too large is refused with the message.
		desk.Sendf(`<message to="romeo@" id="x"><body>a</body><displayed xmlns="urn:xmpp:mds:displayed:0">%s</displayed></message>`, strings.Repeat("x", 140_000))
		w.Settle()
		got := desk.Take()
		if len(got) != 1 || got[0].Type != "error" || stanza.ParseError(got[0]).Condition != "policy-violation" {
			t.Errorf("got %v", got)
		}
	})
}
