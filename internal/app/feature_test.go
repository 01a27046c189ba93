// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// The hash in the stream features is that of the answer to who asks for it (XEP-0115 §5.1).
func TestCapabilities(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.Connect(t, "juliet", "balcony")
	caps, ok := c.Features.Child("http://jabber.org/protocol/caps", "c")
	if !ok {
		t.Fatalf("no capabilities in %s", c.Features.Raw())
	}
	node := caps.Attr("node") + "#" + caps.Attr("ver")
	c.MustSend(t, `<iq type="get" id="1" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#info" node="`+node+`"/></iq>`)
	n := c.MustExpect(t, `<iq type="result" id="1"><query xmlns="http://jabber.org/protocol/disco#info" node="`+node+`"/></iq>`)
	query, _ := n.Child("http://jabber.org/protocol/disco#info", "query")
	features := map[string]bool{}
	for x := range query.Children() {
		if x.Name().Local != "feature" {
			continue
		}
		if f := x.Attr("var"); features[f] {
			t.Errorf("%s comes twice", f)
		}
		features[x.Attr("var")] = true
	}
	k := capability.Key{Hash: caps.Attr("hash"), Ver: caps.Attr("ver")}
	if _, valid := capability.Read(k, query); !valid || k.Hash != "sha-1" {
		t.Errorf("%s does not fit %s", caps.Raw(), query.Raw())
	}
}

// invited runs the command that makes an invitation, and returns its token.
func invited(t *testing.T, c *xmpptest.Client) invite.Token {
	t.Helper()
	c.MustSend(t, `<iq type="set" id="invite" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" node="urn:xmpp:invite#invite"/></iq>`)
	c.Captures = xmpptest.Captures{}
	c.MustExpect(t, `<iq type="result" id="invite"><command xmlns="http://jabber.org/protocol/commands"><x xmlns="jabber:x:data">
		<field var="uri"><value>{uri}</value></field><field var="landing-url"><value>{page}</value></field>
		<field var="expire"><value>{expire}</value></field></x></command></iq>`)
	token, ok := strings.CutPrefix(c.Captures["page"], origin+"/invite/")
	if want := "xmpp:juliet@kith.example?roster;preauth=" + token + ";ibr=y"; !ok || c.Captures["uri"] != want {
		t.Errorf("got %v", c.Captures)
	}
	expires, err := time.Parse(time.RFC3339, c.Captures["expire"])
	if left := time.Until(expires); err != nil || left < invite.DefaultTTL-time.Hour || left > invite.DefaultTTL {
		t.Errorf("it expires at %s", c.Captures["expire"])
	}
	return invite.Token(token)
}

// Who signs up by an invitation is a contact of who made it, and the other way round; both see it at once.
func TestInvitation(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	c := s.available(t, "juliet", password, "balcony")
	c.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	c.MustExpect(t, `<iq type="result" id="list"/>`)
	token := invited(t, c)

	_, err := s.signup.Do(t.Context(), signup.Request{Name: "romeo", Password: password, Token: token})
	must(t, err)
	c.MustExpect(t, `<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="both"/></query></iq>`)
	romeo := s.available(t, "romeo", password, "orchard", "juliet@kith.example/balcony")
	c.MustExpect(t, `<presence from="romeo@kith.example/orchard"/>`)
	romeo.MustExpectNothing(t)
	c.MustExpectNothing(t)
}

// Accounts of the kind that may not invite do not.
func TestLimitedDoesNotInvite(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "peter", account.Limited)
	c := s.login(t, "peter", password, "kitchen")
	c.MustSend(t, `<iq type="set" id="1" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" node="urn:xmpp:invite#invite"/></iq>`)
	c.MustExpect(t, `<iq type="error" id="1"><error type="auth"><forbidden xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
}
