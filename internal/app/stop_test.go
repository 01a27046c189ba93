// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"log/slog"
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

// A server that is told to stop while it starts stops in good order, too: the sessions that it has taken from the store go
// back there.
func TestStopWhileStarting(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.befriend(t, s.user(t, "juliet", account.User), s.user(t, "romeo", account.User))
	juliet := resumable(t, s.login(t, "juliet", password, "balcony"))
	romeo := resumable(t, s.login(t, "romeo", password, "orchard"))
	await(t, juliet, `<presence from="`+romeo.JID.String()+`"/>`)
	juliet.Cut()
	romeo.MustSend(t, chat("juliet", 1))
	must(t, romeo.Sync(t.Context()))
	s.stop()

	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	o := testOptions(t)
	o.Log = slog.New(&trap{o.Log.Handler(), "sessions may be resumed", cancel})
	srv, err := prepare(ctx, s.config, o)
	must(t, err)
	must(t, srv.run(ctx))
	must(t, srv.close())
	if ctx.Err() == nil {
		t.Fatal("it was not told to stop")
	}

	s = startOn(t, s.config)
	romeo = s.resume(t, romeo, 3)
	juliet = s.resume(t, juliet, 1)
	juliet.MustExpect(t, `<message id="1"/>`)
	juliet.MustExpectNothing(t)
	romeo.MustExpectNothing(t)
}

// A trap is a log that springs at a message.
type trap struct {
	slog.Handler
	message string
	spring  func()
}

func (l *trap) Enabled(context.Context, slog.Level) bool { return true }

func (l *trap) Handle(ctx context.Context, r slog.Record) error {
	if r.Message == l.message {
		l.spring()
	}
	if !l.Handler.Enabled(ctx, r.Level) {
		return nil
	}
	return l.Handler.Handle(ctx, r)
}

func (l *trap) WithAttrs(a []slog.Attr) slog.Handler {
	return &trap{l.Handler.WithAttrs(a), l.message, l.spring}
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
