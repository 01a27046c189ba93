// SPDX-License-Identifier: Apache-2.0

package app

import (
	"net"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// A stop is told to all who are connected, however they are; and the next start goes on where it was.
func TestStopAndStart(t *testing.T) {
	t.Parallel()
	s := start(t)
	juliet, romeo := s.user(t, "juliet", account.User), s.user(t, "romeo", account.User)
	s.befriend(t, juliet, romeo)

	// One by STARTTLS, one by TLS, one in a browser, and one that never logs in.
	plain := s.reach(t, s.plain.Addr().String(), xmpptest.Options{Domain: domain, TLS: trusting()})
	must(t, plain.Login(t.Context(), "juliet", password, "balcony", sasl.SCRAMSHA256))
	direct := s.login(t, "juliet", password, "garden")
	web := s.reach(t, s.web.Addr().String(), webSocket())
	welcome, err := web.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "juliet", Password: password, Mechanism: sasl.SCRAMSHA256, Client: "a browser", Bind: true, RequestToken: true,
		BindFeatures: `<enable xmlns="urn:xmpp:sm:3"/>`,
	})
	must(t, err)
	idle := s.dial(t)

	// Written at the last moment, to somebody who is away.
	web.MustSend(t, `<message to="romeo@kith.example" type="chat" id="1"><body>Good night</body></message>`)
	web.MustSend(t, `<r xmlns="urn:xmpp:sm:3"/>`)
	_, err = web.Await(t.Context(), `<a xmlns="urn:xmpp:sm:3"/>`)
	must(t, err)

	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	_, err = web.Await(t.Context(), `<stream:error><system-shutdown `+streamErrors+`/></stream:error>`)
	must(t, err)
	must(t, web.ExpectEnd(t.Context()))
	if web.Acked() != 1 {
		t.Errorf("the last acknowledgement: got h=%d, want 1", web.Acked())
	}
	for _, c := range []*xmpptest.Client{plain, direct, idle} {
		ends(t, c, "system-shutdown")
	}
	<-stopped
	for _, l := range []net.Listener{s.plain, s.direct, s.web} {
		if c, err := net.Dial("tcp", l.Addr().String()); err == nil {
			c.Close()
			t.Errorf("something still listens at %s", l.Addr())
		}
	}

	s = startOn(t, s.config)
	r := s.login(t, "romeo", password, "orchard")
	r.MustSend(t, `<presence/>`)
	must(t, r.ExpectAll(t.Context(),
		`<presence from="romeo@kith.example/orchard"/>`,
		`<presence from="juliet@kith.example" type="unavailable"/>`,
		`<message from="`+web.JID.String()+`" id="1"><body>Good night</body><delay xmlns="urn:xmpp:delay" stamp="*"/></message>`,
	))
	back := s.reach(t, s.web.Addr().String(), webSocket())
	_, err = back.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "juliet", Password: welcome.Token, Mechanism: sasl.HTSHA256NONE, Client: "a browser", Bind: true,
	})
	must(t, err)
	if back.JID != web.JID {
		t.Errorf("the browser comes back as %s, was %s", back.JID, web.JID)
	}
	back.MustSend(t, `<iq type="get" id="1"><query xmlns="jabber:iq:roster"/></iq>`)
	back.MustExpect(t, `<iq type="result" id="1"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="both"/></query></iq>`)
}

// Who wants fewer doors has fewer.
func TestWithoutListeners(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *config.Config) { c.Listen.Clients, c.Listen.ClientsTLS = "", "" })
	if s.plain != nil || s.direct != nil {
		t.Error("it listens all the same")
	}
	s.user(t, "juliet", account.User)
	c := s.reach(t, s.web.Addr().String(), webSocket())
	must(t, c.Login(t.Context(), "juliet", password, "balcony", sasl.SCRAMSHA256))
}
