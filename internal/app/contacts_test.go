// SPDX-License-Identifier: Apache-2.0

package app

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// The stream features say that lists have versions, and that requests can be granted in advance (RFC 6121 §2.6.1, §3.4);
// neither is said to be required.
func TestListFeatures(t *testing.T) {
	t.Parallel()
	s := start(t)
	p, err := xmpptest.ParsePattern(`<stream:features><ver xmlns="urn:xmpp:features:rosterver"/><sub xmlns="urn:xmpp:features:pre-approval"/></stream:features>`)
	must(t, err)
	must(t, p.Match(s.Connect(t, "juliet", "balcony").Features, nil))
}

// What people have agreed and asked is there after a restart, and when they were there last.
func TestContactsAfterRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	juliet, romeo := s.Connect(t, "juliet", "balcony"), s.Connect(t, "romeo", "orchard")
	s.Connect(t, "tybalt", "").Close()
	sync := func(list ...*xmpptest.Client) {
		for _, c := range list {
			must(t, c.Sync(t.Context()))
		}
	}
	// Romeo is let in before he asks (RFC 6121 §3.4.2), and asks somebody who is away (RFC 6121 §3.1.3).
	juliet.MustSend(t, `<presence type="subscribed" to="romeo@kith.example"/>`)
	romeo.MustSend(t, `<presence id="ask" type="subscribe" to="tybalt@kith.example"><status>Peace?</status><x xmlns="urn:example:x"/></presence>`)
	sync(juliet, romeo)
	juliet.MustSend(t, `<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`)
	juliet.MustExpect(t, `<iq type="result" id="1"><query xmlns="jabber:iq:roster" ver="{ver}"><item jid="romeo@kith.example" approved="true"/></query></iq>`)
	juliet.MustSend(t, `<presence/>`)
	juliet.MustExpect(t, `<presence from="juliet@kith.example/balcony"/>`)
	juliet.MustSend(t, `<presence type="unavailable"><status>Good night</status></presence>`)
	juliet.MustExpect(t, `<presence type="unavailable"/>`)
	sync(juliet, romeo)
	captured := juliet.Captures
	s.stop()

	s = startOn(t, s.config)
	juliet, romeo = s.login(t, "juliet", password, "balcony"), s.login(t, "romeo", password, "orchard")
	juliet.Captures = captured
	juliet.MustSend(t, `<iq type="get" id="2"><query xmlns="jabber:iq:roster" ver="{ver}"/></iq>`)
	n := juliet.MustExpect(t, `<iq type="result" id="2"/>`) // nothing is new
	for range n.Children() {
		t.Errorf("got %s", n.Raw())
	}
	romeo.MustSend(t, `<iq type="get" id="3"><query xmlns="jabber:iq:roster"/></iq>`)
	romeo.MustExpect(t, `<iq type="result" id="3"><query xmlns="jabber:iq:roster"><item jid="tybalt@kith.example" ask="subscribe"/></query></iq>`)
	romeo.MustSend(t, `<presence type="subscribe" to="juliet@kith.example"/>`)
	must(t, romeo.ExpectAll(t.Context(),
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" ask="subscribe"/></query></iq>`,
		`<presence type="subscribed" from="juliet@kith.example"/>`,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="to"/></query></iq>`,
	))
	juliet.MustExpect(t, `<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="from" approved="true"/></query></iq>`)
	juliet.MustExpectNothing(t)
	romeo.MustSend(t, `<iq type="get" id="4" to="juliet@kith.example"><query xmlns="jabber:iq:last"/></iq>`)
	romeo.MustExpect(t, `<iq type="result" id="4"><query xmlns="jabber:iq:last" seconds="*">Good night</query></iq>`)

	tybalt := s.login(t, "tybalt", password, "street")
	tybalt.MustSend(t, `<presence/>`)
	must(t, tybalt.ExpectAll(t.Context(),
		`<presence from="tybalt@kith.example/street"/>`,
		`<presence id="ask" type="subscribe" from="romeo@kith.example"><status>Peace?</status><x xmlns="urn:example:x"/></presence>`,
	))
}
