// SPDX-License-Identifier: Apache-2.0

package app

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	nsSM   = "urn:xmpp:sm:3"
	enable = `<enable xmlns="` + nsSM + `" resume="true"/>`
)

// resumable makes a client that has logged in one that may resume, and is available.
func resumable(t *testing.T, c *xmpptest.Client) *xmpptest.Client {
	t.Helper()
	c.MustSend(t, enable)
	c.MustExpect(t, `<enabled xmlns="urn:xmpp:sm:3" resume="true" max="600"/>`)
	c.AutoAck(true)
	c.MustSend(t, `<presence><status>here</status></presence>`)
	await(t, c, `<presence from="`+c.JID.String()+`"/>`)
	return c
}

func await(t *testing.T, c *xmpptest.Client, pattern string) {
	t.Helper()
	if _, err := c.Await(t.Context(), pattern); err != nil {
		t.Fatal(err)
	}
}

// resume goes on with the session of old at s, over direct TLS; h is what the server is to have of old's stanzas.
func (s *testServer) resume(t *testing.T, old *xmpptest.Client, h uint32) *xmpptest.Client {
	t.Helper()
	c := s.dial(t)
	must(t, c.Authenticate(t.Context(), old.JID.Local(), password, sasl.SCRAMSHA256))
	got, err := c.Resume(t.Context(), old)
	must(t, err)
	if got != h {
		t.Errorf("%v resumed with h=%d, want %d", old.JID, got, h)
	}
	return c
}

// suspended requires that the server closes the connection and not the stream, having sent nothing but what is counted.
func suspended(t *testing.T, c *xmpptest.Client) {
	t.Helper()
	for {
		n, err := c.Stream.Read()
		if errors.Is(err, io.ErrUnexpectedEOF) {
			return
		}
		if err != nil || n.Root().Name().Local != "a" && n.Root().Name().Local != "r" {
			t.Fatalf("%v got %v, %v", c.JID, n, err)
		}
	}
}

func chat(to string, id any) string {
	return fmt.Sprintf(`<message to="%s@kith.example" type="chat" id="%v"><body>Hark</body></message>`, to, id)
}

// A restart of the server is no outage: nobody is seen to leave or to come, sessions go on where they were, with their
// presence, what features know of them and what they had not got, however they are connected.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	a, b, m := s.user(t, "juliet", account.User), s.user(t, "romeo", account.User), s.user(t, "mercutio", account.User)
	s.befriend(t, a, b)
	s.befriend(t, a, m)

	juliet := resumable(t, s.login(t, "juliet", password, "balcony"))
	juliet.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	await(t, juliet, `<iq type="result" id="list"/>`)
	web := s.reach(t, s.web.Addr().String(), webSocket())
	_, err := web.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "romeo", Password: password, Mechanism: sasl.SCRAMSHA256, Client: "a browser", Bind: true, BindFeatures: enable,
	})
	must(t, err)
	web.AutoAck(true)
	web.MustSend(t, `<presence/>`)
	await(t, web, `<presence from="`+juliet.JID.String()+`"/>`)
	await(t, juliet, `<presence from="`+web.JID.String()+`"/>`)
	plain := s.available(t, "mercutio", password, "street", juliet.JID.String())
	await(t, juliet, `<presence from="`+plain.JID.String()+`"/>`)

	// Not read before the connection goes, and so not acknowledged.
	web.MustSend(t, chat("juliet", 1)+chat("juliet", 2))
	must(t, web.Sync(t.Context()))
	julietSent, webSent := uint32(2), uint32(4)

	stopped := make(chan struct{})
	go func() {
		s.stop()
		close(stopped)
	}()
	suspended(t, web)
	ends(t, plain, "system-shutdown")
	plain.Close()
	<-stopped

	s = startOn(t, s.config)
	// Who comes in the meantime sees them, and does not see them come.
	plain = s.available(t, "mercutio", password, "street", juliet.JID.String())
	plain.MustSend(t, chat("juliet", 3))
	plain.MustExpectNothing(t)

	back := s.reach(t, s.web.Addr().String(), webSocket())
	back.Adopt(web)
	welcome, err := back.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "romeo", Password: password, Mechanism: sasl.SCRAMSHA256, Client: "a browser", Bind: true, BindFeatures: enable,
		Extra: web.ResumeRequest(),
	})
	must(t, err)
	if !welcome.Resumed || back.JID != web.JID {
		t.Fatalf("not resumed: %s", welcome.Success.Raw())
	}
	if r, _ := welcome.Success.Child("urn:xmpp:sm:3", "resumed"); r.Attr("h") != fmt.Sprint(webSent) {
		t.Errorf("resumed: got %s, want h=%d", r.Raw(), webSent)
	}
	back.MustSend(t, chat("juliet", 4))
	must(t, back.Sync(t.Context()))

	juliet = s.resume(t, juliet, julietSent)
	for i := 1; i <= 2; i++ {
		await(t, juliet, fmt.Sprintf(`<message from="%s" id="%d"/>`, web.JID, i))
	}
	// That he left and came back is one piece of news, the newer one, unless she was still connected when he left.
	await(t, juliet, `<presence from="`+plain.JID.String()+`" type="(none)"/>`)
	for i := 3; i <= 4; i++ {
		await(t, juliet, fmt.Sprintf(`<message id="%d"/>`, i))
	}
	juliet.MustExpectNothing(t)
	back.MustExpectNothing(t)
	plain.MustExpectNothing(t)

	// What was asked for before is still known.
	juliet.MustSend(t, `<iq type="set" id="name"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" name="R"/></query></iq>`)
	must(t, juliet.ExpectAll(t.Context(),
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" name="R"/></query></iq>`,
		`<iq type="result" id="name"/>`,
	))

	// All that was acknowledged is not sent to anybody again.
	must(t, juliet.Ack())
	must(t, juliet.Sync(t.Context()))
	juliet.Close()
	await(t, back, `<presence from="`+juliet.JID.String()+`" type="unavailable"/>`)
	desk := s.login(t, "juliet", password, "desk")
	desk.MustSend(t, `<presence/>`)
	must(t, desk.ExpectAll(t.Context(),
		`<presence from="juliet@kith.example/desk"/>`,
		`<presence from="`+web.JID.String()+`"/>`,
		`<presence from="`+plain.JID.String()+`"/>`,
	))
	desk.MustExpectNothing(t)
}

// What a device had not got over a restart, and never gets, comes to the next one; and one after the other restart makes
// no difference.
func TestRestartsAndLoss(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.befriend(t, s.user(t, "juliet", account.User), s.user(t, "romeo", account.User))
	juliet := resumable(t, s.login(t, "juliet", password, "balcony"))
	romeo := resumable(t, s.login(t, "romeo", password, "orchard"))
	for i := range 3 {
		romeo.MustSend(t, chat("juliet", i)+`<iq type="get" id="q`+fmt.Sprint(i)+`" to="`+juliet.JID.String()+`"><ping xmlns="urn:xmpp:ping"/></iq>`)
		must(t, romeo.Sync(t.Context()))
		s.stop()
		s = startOn(t, s.config)
		romeo = s.resume(t, romeo, uint32(4+3*i))
	}
	// The same account elsewhere: what sleeps with the first device is not given to the second while that may wake.
	desk := s.available(t, "juliet", password, "desk", juliet.JID.String(), romeo.JID.String())
	desk.MustExpectNothing(t)
	other := s.login(t, "juliet", password, "balcony") // takes its place
	other.Close()
	for i := range 3 {
		await(t, desk, fmt.Sprintf(`<message id="%d"><delay xmlns="urn:xmpp:delay"/></message>`, i))
		await(t, romeo, fmt.Sprintf(`<iq type="error" id="q%d"/>`, i))
	}
	desk.MustExpectNothing(t)
}

// A session hears how far it had come when the server died under it: at least what was acknowledged, and not more than
// is there.
func TestCountAfterCrash(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	s.user(t, "romeo", account.User)
	juliet := resumable(t, s.login(t, "juliet", password, "balcony"))
	never := resumable(t, s.login(t, "juliet", password, "garden"))
	for i := range 50 {
		juliet.MustSend(t, chat("romeo", i))
	}
	juliet.MustSend(t, `<r xmlns="urn:xmpp:sm:3"/>`)
	must(t, juliet.Sync(t.Context()))
	if juliet.Acked() > 52 {
		t.Fatalf("acknowledged: %d", juliet.Acked())
	}

	s = startOn(t, crashed(t, s))
	c := s.dial(t)
	must(t, c.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256))
	c.Adopt(juliet)
	c.MustSend(t, c.ResumeRequest())
	n := c.MustExpect(t, `<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
	if n.Attr("h") != "51" { // the presence and the messages
		t.Errorf("got %s, want h=51", n.Raw())
	}
	c.Adopt(never)
	c.MustSend(t, c.ResumeRequest())
	n = c.MustExpect(t, `<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
	if n.HasAttr("h") {
		t.Errorf("nothing was recorded of it: got %s", n.Raw())
	}
	must(t, c.Bind(t.Context(), "balcony"))

	romeo := s.login(t, "romeo", password, "orchard")
	romeo.MustSend(t, `<presence/>`)
	for i := range 50 {
		await(t, romeo, fmt.Sprintf(`<message id="%d"/>`, i))
	}
	romeo.MustExpectNothing(t)
}

// crashed returns the configuration of a server that finds what this one would leave if it died now.
func crashed(t *testing.T, s *testServer) config.Config {
	t.Helper()
	c := s.config
	c.Data = folder(t)
	must(t, os.Mkdir(c.Data, 0o700))
	files, err := os.ReadDir(s.config.Data)
	must(t, err)
	for _, f := range files {
		if !f.Type().IsRegular() {
			continue // the socket
		}
		b, err := os.ReadFile(filepath.Join(s.config.Data, f.Name()))
		must(t, err)
		must(t, os.WriteFile(filepath.Join(c.Data, f.Name()), b, 0o600))
	}
	return c
}

// A session by BOSH goes on as any other: after a restart, and when the client stays away for too long.
func TestRestartByBOSH(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.befriend(t, s.user(t, "juliet", account.User), s.user(t, "romeo", account.User))
	c := s.dialBOSH(t)
	c.login("juliet", "balcony")
	enabled := c.await(nsSM, "enabled", enable)
	c.await(xmlstream.NSClient, "presence", `<presence xmlns="jabber:client"/>`)
	s.stop()

	s = startOn(t, s.config)
	romeo := s.available(t, "romeo", password, "orchard", "juliet@kith.example/balcony")
	romeo.MustSend(t, chat("juliet", 1))
	romeo.MustExpectNothing(t)
	c = s.dialBOSH(t)
	c.authenticate("juliet")
	resumed := c.await(nsSM, "resumed", `<resume xmlns="`+nsSM+`" previd="`+enabled.Attr("id")+`" h="1"/>`)
	if resumed.Attr("h") != "1" {
		t.Errorf("got %s", resumed.Raw())
	}
	if m := c.await(xmlstream.NSClient, "message", ""); m.Attr("id") != "1" {
		t.Errorf("got %s", m.Raw())
	}
	romeo.MustExpectNothing(t)
}

// When the server dies after sessions were restored, and before their clients came, these hear how far they had come,
// and what they had not got comes to them anew: nothing is lost, and nothing comes to two.
func TestCrashAfterRestart(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.befriend(t, s.user(t, "juliet", account.User), s.user(t, "romeo", account.User))
	juliet := resumable(t, s.login(t, "juliet", password, "balcony"))
	romeo := resumable(t, s.login(t, "romeo", password, "orchard"))
	romeo.MustSend(t, chat("juliet", 1)+chat("juliet", 2))
	must(t, romeo.Sync(t.Context()))
	romeo.Close()
	s.stop()
	s = startOn(t, s.config)
	romeo = s.login(t, "romeo", password, "orchard")
	romeo.MustSend(t, chat("juliet", 3)) // recorded, and never written to her
	must(t, romeo.Sync(t.Context()))

	s = startOn(t, crashed(t, s))
	c := s.dial(t)
	must(t, c.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256))
	c.Adopt(juliet)
	c.MustSend(t, c.ResumeRequest())
	n := c.MustExpect(t, `<failed xmlns="urn:xmpp:sm:3"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></failed>`)
	if n.Attr("h") != "1" {
		t.Errorf("got %s, want h=1", n.Raw())
	}
	must(t, c.Bind(t.Context(), "balcony"))
	c.MustSend(t, `<presence/>`)
	patterns := []string{`<presence from="` + c.JID.String() + `"/>`, `<presence from="romeo@kith.example" type="unavailable"/>`}
	for i := 1; i <= 3; i++ {
		patterns = append(patterns, fmt.Sprintf(`<message id="%d"><delay xmlns="urn:xmpp:delay"/></message>`, i))
	}
	must(t, c.ExpectAll(t.Context(), patterns...))
	c.MustExpectNothing(t)
}
