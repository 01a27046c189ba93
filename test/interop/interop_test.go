// SPDX-License-Identifier: Apache-2.0

// Package interop runs clients that others have written against the program: the libraries slixmpp and nbxmpp in Python
// and xmpp.js, whose plays stand in the folders of these names; profanity and mcabber, which a person would use in a
// terminal; and go-sendxmpp, which is for scripts. Where two people chat, one of them may sit in the web app, for which a
// client stands that logs in and binds as the web app does.
//
// clients.md says for each client what it checks and where it broke. Clients that are not installed are skipped, but with
// CI=true they must be there.
package interop

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
	"github.com/kith-im/kith/test/kith"
)

// password is everybody's.
const password = "when the wind is southerly"

func TestClients(t *testing.T) {
	t.Parallel()
	binary := kith.Build(t)
	t.Run("slixmpp", func(t *testing.T) {
		t.Parallel()
		testSlixmpp(t, binary)
	})
	t.Run("nbxmpp", func(t *testing.T) {
		t.Parallel()
		testNbxmpp(t, binary)
	})
	t.Run("xmpp.js", func(t *testing.T) {
		t.Parallel()
		testXMPPjs(t, binary)
	})
	t.Run("profanity", func(t *testing.T) {
		t.Parallel()
		testProfanity(t, binary)
	})
	t.Run("go-sendxmpp", func(t *testing.T) {
		t.Parallel()
		testSendxmpp(t, binary)
	})
	t.Run("mcabber", func(t *testing.T) {
		t.Parallel()
		testMcabber(t, binary)
	})
}

// A webUser is somebody in the web app.
type webUser struct {
	*xmpptest.Client
	token string
}

// openWeb logs in over the WebSocket as the web app does (web/src/stream/login.ts): SASL2 with Bind 2, stream management
// and a token for the next time. With a token it uses that. It returns when the app would show its contacts.
func openWeb(ctx context.Context, s *kith.Server, name, token string) (*webUser, error) {
	c, err := xmpptest.Dial(ctx, strings.TrimPrefix(s.Web, "http://"), xmpptest.Options{
		Domain: kith.Domain, From: name + "@" + kith.Domain, WebSocket: "/xmpp-websocket", Origin: s.Web,
	})
	if err != nil {
		return nil, fmt.Errorf("open the WebSocket: %w", err)
	}
	request := xmpptest.SASL2{
		User: name, Password: password, Mechanism: "SCRAM-SHA-256", RequestToken: true,
		Client: "7f3c1a52-6f0e-4b5e-9d55-0b1d5d3a4c21",
		Bind:   true, Tag: "Kith", BindFeatures: `<enable xmlns="urn:xmpp:sm:3"/>`,
	}
	if token != "" {
		request.Password, request.Mechanism, request.RequestToken = token, "HT-SHA-256-NONE", false
	}
	w, err := c.LoginSASL2(ctx, request)
	if err == nil && w.Token == "" && token == "" {
		err = errors.New("there is no token for the next time")
	}
	if err != nil {
		c.Cut()
		return nil, err
	}
	c.AutoAck(true)
	u := &webUser{c, w.Token}
	err = u.Send(`<iq type="get" id="contacts"><query xmlns="jabber:iq:roster" ver=""/></iq>`)
	if err == nil {
		_, err = u.Await(ctx, `<iq type="result" id="contacts"/>`)
	}
	if err == nil {
		err = u.Send(`<presence/>`)
	}
	return u, err
}

// mustOpenWeb is openWeb that fails the test, and closes the connection when that ends.
func mustOpenWeb(t *testing.T, s *kith.Server, name, token string) *webUser {
	t.Helper()
	u, err := openWeb(t.Context(), s, name, token)
	if err != nil {
		t.Fatalf("log in to the web app as %s: %v", name, err)
	}
	t.Cleanup(u.Cut)
	return u
}

// await reads until an element matches, and returns that.
func (u *webUser) await(t *testing.T, pattern string) xmlstream.Node {
	t.Helper()
	n, err := u.Await(t.Context(), pattern)
	if err != nil {
		t.Fatalf("the web user waited for %s: %v", pattern, err)
	}
	return n
}

// writes sends a chat message as the web app does.
func (u *webUser) writes(t *testing.T, to, body string) {
	t.Helper()
	u.MustSend(t, fmt.Sprintf(`<message to="%s" type="chat" id="%x"><body>%s</body>`+
		`<active xmlns="http://jabber.org/protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/></message>`,
		to, body, xmlstream.AppendEscaped(nil, body)))
}

// befriends grants somebody who asks for the user's presence, asks for theirs, and waits until that is granted too, by
// what grant does; nil where they do so by themselves.
func (u *webUser) befriends(t *testing.T, who string, grant func()) {
	t.Helper()
	u.await(t, `<presence type="subscribe" from="`+who+`"/>`)
	u.MustSend(t, `<presence type="subscribed" to="`+who+`"/><presence type="subscribe" to="`+who+`"/>`)
	if grant != nil {
		grant()
	}
	u.await(t, `<presence type="subscribed" from="`+who+`"/>`)
}

// leaves ends the session as the app does when the last window is closed in good order.
func (u *webUser) leaves(t *testing.T) {
	t.Helper()
	u.MustSend(t, `<presence type="unavailable"/>`)
	if err := u.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	u.Close()
}
