// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// What a device wants, and what it was sent, is known over a restart of the server.
func TestFollowOverRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	const tune = `<presence><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://test.example" ver="/+SQJ26U+qFkR6J26y5c1y5dHkE="/></presence>`
	event := func(id string) string {
		return `<message type="headline" from="juliet@kith.example"><event xmlns="http://jabber.org/protocol/pubsub#event">` +
			`<items node="tune"><item id="` + id + `"/></items></event></message>`
	}
	publish := func(c *xmpptest.Client, id string) {
		t.Helper()
		c.MustSend(t, `<iq type="set" id="`+id+`"><pubsub xmlns="http://jabber.org/protocol/pubsub"><publish node="tune"><item id="`+id+`"><x xmlns="urn:x"/></item></publish></pubsub></iq>`)
		await(t, c, `<iq type="result" id="`+id+`"/>`)
	}
	phone := resumable(t, s.login(t, "juliet", password, "phone"))
	publish(phone, "a")
	phone.MustSend(t, tune)
	phone.Captures = xmpptest.Captures{}
	await(t, phone, `<iq type="get" id="{ask}" from="juliet@kith.example"/>`)
	phone.MustSend(t, `<iq type="result" id="{ask}" to="juliet@kith.example"><query xmlns="http://jabber.org/protocol/disco#info">`+
		`<identity category="client" type="pc" name="Test"/><feature var="tune+notify"/></query></iq>`)
	await(t, phone, event("a"))
	must(t, phone.Ack())
	must(t, phone.Sync(t.Context()))
	h := uint32(5) // presence, publication, presence, answer, and Sync's question
	s.stop()

	s = startOn(t, s.config)
	desk := s.login(t, "juliet", password, "desk")
	publish(desk, "b")
	phone = s.resume(t, phone, h)
	await(t, phone, event("b"))
	phone.MustSend(t, tune)
	await(t, phone, `<presence from="`+phone.JID.String()+`"/>`)
	phone.MustExpectNothing(t)
}
