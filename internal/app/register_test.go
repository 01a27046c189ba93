// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const device = "d4565fa7-4d72-4749-b3d3-740edbf87770"

// preauth shows an invitation on a stream that has not logged in.
func preauth(t *testing.T, c *xmpptest.Client, token invite.Token, answer string) {
	t.Helper()
	c.MustSend(t, `<iq type="set" id="pre" to="kith.example"><preauth xmlns="urn:xmpp:pars:0" token="`+string(token)+`"/></iq>`)
	c.MustExpect(t, answer)
}

// signUp makes an account on such a stream.
func (s *testServer) signUp(t *testing.T, c *xmpptest.Client, name, answer string) {
	t.Helper()
	c.MustSend(t, `<iq type="set" id="reg" to="kith.example"><query xmlns="jabber:iq:register"><username>`+name+
		`</username><password>`+password+`</password></query></iq>`)
	c.MustExpect(t, answer)
}

const (
	accepted   = `<iq type="result" id="pre"/>`
	registered = `<iq type="result" id="reg"/>`
	endedToken = `<iq type="error" id="pre"><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`
)

// The whole way of an app: it shows the invitation, makes the account, logs in on the same stream, and finds the inviter
// in the contact list; and the inviter is told (XEP-0445 §4, XEP-0401 §5.5).
func TestRegisterInAnApp(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	juliet := s.available(t, "juliet", password, "balcony")
	juliet.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	juliet.MustExpect(t, `<iq type="result" id="list"/>`)
	token := invited(t, juliet)

	c := s.dial(t)
	preauth(t, c, token, accepted)
	s.signUp(t, c, "juliet", `<iq type="error" id="reg"><error type="cancel"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
	s.signUp(t, c, "Romeo", registered)
	juliet.MustExpect(t, `<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="both"/></query></iq>`)
	must(t, c.Login(t.Context(), "romeo", password, "orchard", sasl.SCRAMSHA256))
	c.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	c.MustExpect(t, `<iq type="result" id="list"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="both"/></query></iq>`)
	c.MustSend(t, `<presence/>`)
	must(t, c.ExpectAll(t.Context(), `<presence from="romeo@kith.example/orchard"/>`, `<presence from="juliet@kith.example/balcony"/>`))
	juliet.MustExpect(t, `<presence from="romeo@kith.example/orchard"/>`)
	juliet.MustExpectNothing(t)

	preauth(t, s.dial(t), token, endedToken)
	// The page says the same.
	_, err := invitations{s.invites, s.signup}.Look(t.Context(), token)
	if err != invite.ErrUsed {
		t.Errorf("got %v, want %v", err, invite.ErrUsed)
	}
}

// An invitation that ends while somebody fills in the form still counts (XEP-0445 §4); one that is taken back does not.
func TestInvitationThatEndsMeanwhile(t *testing.T) {
	t.Parallel()
	s := start(t)
	make := func() (inv invite.Invite, token invite.Token) {
		must(t, s.db.Write(t.Context(), func(tx *db.Tx) (err error) {
			inv, token, err = s.invites.Create(tx, invite.Request{Role: "user"})
			return err
		}))
		return inv, token
	}
	inv, token := make()
	c := s.dial(t)
	preauth(t, c, token, accepted)
	must(t, s.db.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec(`UPDATE invite SET expires_at = created_at + 1 WHERE id = $1`, inv.ID)
		return err
	}))
	preauth(t, s.dial(t), token, endedToken)
	must(t, s.db.Write(t.Context(), func(tx *db.Tx) error { // as if it had ended after that
		_, err := tx.Exec(`UPDATE invite SET expires_at = created_at + 3600000000 WHERE id = $1`, inv.ID)
		return err
	}))
	s.signUp(t, c, "romeo", registered)

	inv, token = make()
	c = s.dial(t)
	preauth(t, c, token, accepted)
	must(t, s.db.Write(t.Context(), func(tx *db.Tx) error { return s.invites.Revoke(tx, inv.ID) }))
	s.signUp(t, c, "paris", `<iq type="error" id="reg"><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
}

// Admins make invitations for accounts, and can choose the name, which is kept until then (XEP-0401 §5.4, §6.2).
func TestCreateAccount(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "nurse", account.Admin)
	s.user(t, "juliet", account.User)
	c := s.available(t, "nurse", password, "kitchen")
	c.Captures = xmpptest.Captures{}
	open := func() {
		t.Helper()
		delete(c.Captures, "session")
		c.MustSend(t, `<iq type="set" id="1" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" node="urn:xmpp:invite#create-account" action="execute"/></iq>`)
		c.MustExpect(t, `<iq type="result" id="1"><command xmlns="http://jabber.org/protocol/commands" sessionid="{session}"
			node="urn:xmpp:invite#create-account" status="executing"><actions execute="complete"><complete/></actions>
			<x xmlns="jabber:x:data" type="form"><field var="username" type="text-single"/><field var="roster-subscription" type="boolean"/></x></command></iq>`)
	}
	answer := func(name, contact, want string) {
		t.Helper()
		c.MustSend(t, `<iq type="set" id="2" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" sessionid="`+c.Captures["session"]+
			`" node="urn:xmpp:invite#create-account"><x xmlns="jabber:x:data" type="submit"><field var="username"><value>`+name+
			`</value></field><field var="roster-subscription"><value>`+contact+`</value></field></x></command></iq>`)
		for _, k := range []string{"uri", "page"} {
			delete(c.Captures, k)
		}
		c.MustExpect(t, want)
	}
	made := `<iq type="result" id="2"><command xmlns="http://jabber.org/protocol/commands" status="completed"><x xmlns="jabber:x:data" type="result">
		<field var="FORM_TYPE"><value>urn:xmpp:invite#invitation</value></field><field var="uri"><value>{uri}</value></field>
		<field var="landing-url"><value>{page}</value></field><field var="expire"><value>…</value></field></x></command></iq>`
	uri := func(want string) invite.Token {
		t.Helper()
		token, ok := strings.CutPrefix(c.Captures["uri"], want+"?register;preauth=")
		if !ok || c.Captures["page"] != origin+"/invite/"+token {
			t.Errorf("got %v", c.Captures)
		}
		return invite.Token(token)
	}
	failed := func(typ, condition string) string {
		return `<iq type="error" id="2"><error type="` + typ + `"><` + condition + ` xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`
	}

	open()
	answer("juliet", "0", failed("cancel", "conflict"))
	answer("a b", "0", failed("modify", "not-acceptable"))
	for action, want := range map[string]string{"next": "bad-action", "prev": "bad-action", "complete": "bad-payload", "dance": "malformed-action"} {
		c.MustSend(t, `<iq type="set" id="2" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" sessionid="`+c.Captures["session"]+
			`" node="urn:xmpp:invite#create-account" action="`+action+`"/></iq>`)
		c.MustExpect(t, `<iq type="error" id="2"><error type="modify"><bad-request xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><`+want+
			` xmlns="http://jabber.org/protocol/commands"/></error></iq>`)
	}
	c.MustSend(t, `<iq type="set" id="2" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" sessionid="`+c.Captures["session"]+
		`" node="urn:xmpp:invite#invite"/></iq>`) // that of another command
	c.MustExpect(t, failed("modify", "bad-request"))
	answer("Romeo", "0", made) // the form can be sent again
	token := uri("xmpp:romeo@kith.example")
	answer("paris", "0", failed("cancel", "not-allowed")) // it is done
	open()
	answer("romeo", "0", failed("cancel", "conflict")) // it is kept
	c.MustSend(t, `<iq type="set" id="3" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" sessionid="`+c.Captures["session"]+
		`" node="urn:xmpp:invite#create-account" action="cancel"/></iq>`)
	c.MustExpect(t, `<iq type="result" id="3"><command xmlns="http://jabber.org/protocol/commands" status="canceled"/></iq>`)
	open()
	answer("", "true", made)
	withContact := uri("xmpp:kith.example")

	x := s.dial(t)
	preauth(t, x, withContact, accepted)
	s.signUp(t, x, "romeo", `<iq type="error" id="reg"><error type="cancel"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
	s.signUp(t, x, "paris", registered)
	must(t, x.Login(t.Context(), "paris", password, "", sasl.SCRAMSHA256))
	x.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	x.MustExpect(t, `<iq type="result" id="list"><query xmlns="jabber:iq:roster"><item jid="nurse@kith.example" subscription="both"/></query></iq>`)
	x = s.dial(t)
	preauth(t, x, token, accepted)
	s.signUp(t, x, "romeo", registered)
}

// Who invites and is no admin any more makes no admins, and who may not invite any more brings in nobody.
func TestInvitersWhoMayNoLonger(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "admin", account.Admin)
	nurse := s.user(t, "nurse", account.Admin)
	invitation := func(role account.Role) (token invite.Token) {
		must(t, s.db.Write(t.Context(), func(tx *db.Tx) (err error) {
			_, token, err = s.invites.Create(tx, invite.Request{Inviter: nurse.ID, InviterName: nurse.Name, Role: string(role), Uses: 5})
			return err
		}))
		return token
	}
	admin, user := invitation(account.Admin), invitation(account.User)
	became := func(role account.Role) {
		must(t, s.db.Write(t.Context(), func(tx *db.Tx) error { return s.accounts.SetRole(tx, nurse.ID, role) }))
	}
	preauth(t, s.dial(t), admin, accepted)
	c := s.dial(t)
	preauth(t, c, admin, accepted)
	became(account.User)
	s.signUp(t, c, "tybalt", `<iq type="error" id="reg"><error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
	preauth(t, s.dial(t), admin, endedToken)
	preauth(t, s.dial(t), user, accepted)
	became(account.Limited)
	preauth(t, s.dial(t), user, endedToken)
}

// Somebody with an account opens an invitation: nobody needs to answer anything (XEP-0379 §3.5, §3.6).
func TestInvitationOfSomebodyWithAnAccount(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	s.user(t, "romeo", account.User)
	juliet := s.available(t, "juliet", password, "balcony")
	juliet.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	juliet.MustExpect(t, `<iq type="result" id="list"/>`)
	romeo := s.available(t, "romeo", password, "orchard")
	romeo.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	romeo.MustExpect(t, `<iq type="result" id="list"/>`)
	token := invited(t, juliet)

	romeo.MustSend(t, `<presence type="subscribed" to="juliet@kith.example"/>`)
	romeo.MustExpect(t, `<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="none" approved="true"/></query></iq>`)
	romeo.MustSend(t, `<presence type="subscribe" to="juliet@kith.example"><preauth xmlns="urn:xmpp:pars:0" token="`+string(token)+`"/></presence>`)
	must(t, juliet.ExpectAll(t.Context(),
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="from"/></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="from" ask="subscribe"/></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="romeo@kith.example" subscription="both"/></query></iq>`,
		`<presence type="subscribed" from="romeo@kith.example"/>`, `<presence from="romeo@kith.example/orchard"/>`))
	must(t, romeo.ExpectAll(t.Context(),
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="none" ask="subscribe"/></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="to"/></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="both"/></query></iq>`,
		`<presence type="subscribed" from="juliet@kith.example"/>`, `<presence from="juliet@kith.example/balcony"/>`))
	romeo.MustExpectNothing(t)
	juliet.MustExpectNothing(t)
	preauth(t, s.dial(t), token, endedToken) // it was good for one
}

// Without a good token of the one who is asked, a request is an ordinary one; and nobody sees tokens (XEP-0379 §4.1, §5.2).
func TestTokensThatDoNotCount(t *testing.T) {
	t.Parallel()
	s := start(t)
	nurse := s.user(t, "nurse", account.Admin)
	for _, name := range []string{"juliet", "romeo", "paris"} {
		s.user(t, name, account.User)
	}
	juliet, romeo := s.available(t, "juliet", password, "balcony"), s.login(t, "romeo", password, "")
	used := invited(t, juliet)
	_, err := s.signup.Do(t.Context(), signup.Request{Name: "benvolio", Password: password, Token: used})
	must(t, err)
	juliet.MustExpectNothing(t) // it has not asked for the list
	other := s.available(t, "paris", password, "")
	var foreign, named, account invite.Token
	must(t, s.db.Write(t.Context(), func(tx *db.Tx) (err error) {
		_, account, err = s.invites.Create(tx, invite.Request{Role: "user", Inviter: nurse.ID, InviterName: nurse.Name})
		return err
	}))
	j, err := s.accounts.Lookup(t.Context(), "juliet")
	must(t, err)
	_, named, err = s.signup.Invite(t.Context(), invite.Request{Kind: invite.Contact, Role: "user", Inviter: j.ID, InviterName: j.Name, Name: "mercutio"})
	must(t, err)
	p, err := s.accounts.Lookup(t.Context(), "paris")
	must(t, err)
	_, foreign, err = s.signup.Invite(t.Context(), invite.Request{Kind: invite.Contact, Role: "user", Inviter: p.ID, InviterName: p.Name})
	must(t, err)
	for name, token := range map[string]invite.Token{
		"used up": used, "of somebody else": foreign, "for another name": named, "for an account": account, "nonsense": "x", "nothing": "",
	} {
		romeo.MustSend(t, `<presence type="subscribe" to="juliet@kith.example"><preauth xmlns="urn:xmpp:pars:0" token="`+string(token)+`"/><status>Hark</status></presence>`)
		n, err := juliet.Expect(t.Context(), `<presence type="subscribe" from="romeo@kith.example"><status>Hark</status></presence>`)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if strings.Contains(string(n.Raw()), "preauth") {
			t.Errorf("%s: the device sees %s", name, n.Raw())
		}
		juliet.MustSend(t, `<presence type="unsubscribed" to="romeo@kith.example"/>`)
		must(t, juliet.Sync(t.Context()))
	}
	preauth(t, s.dial(t), foreign, accepted) // none of them was used up
	preauth(t, s.dial(t), named, accepted)
	other.MustExpectNothing(t)
	juliet.MustExpectNothing(t)
}

// byToken returns a client that is logged in with a token, and not by the password.
func (s *testServer) byToken(t *testing.T, name string) *xmpptest.Client {
	t.Helper()
	c := s.dial(t)
	w, err := c.LoginSASL2(t.Context(), xmpptest.SASL2{User: name, Password: password, Mechanism: sasl.SCRAMSHA256, Client: device, RequestToken: true})
	must(t, err)
	c.Close()
	c = s.dial(t)
	_, err = c.LoginSASL2(t.Context(), xmpptest.SASL2{User: name, Password: w.Token, Mechanism: sasl.HTSHA256NONE, Client: device, Bind: true})
	must(t, err)
	return c
}

// A device that is logged in by a token must know the password to change it (XEP-0077 §3.3), and cannot try for ever.
func TestPasswordOfAnOpenDevice(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	c := s.byToken(t, "juliet")
	const next = "parting is such sweet sorrow"
	wanted := `<iq type="error" id="1"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="form">
		<field var="FORM_TYPE" type="hidden"><value>jabber:iq:register:changepassword</value></field><field var="username"/>
		<field var="old_password" type="text-private"/><field var="password" type="text-private"/></x></query>
		<error type="modify"><not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`
	change := func(old, want string) {
		t.Helper()
		c.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="submit">
			<field var="FORM_TYPE"><value>jabber:iq:register:changepassword</value></field><field var="username"><value>juliet@kith.example</value></field>
			<field var="old_password"><value>`+old+`</value></field><field var="password"><value>`+next+`</value></field></x></query></iq>`)
		c.MustExpect(t, want)
	}
	c.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><username>juliet</username><password>`+next+`</password></query></iq>`)
	n := c.MustExpect(t, wanted)
	if strings.Contains(string(n.Raw()), next) {
		t.Error("the answer repeats the password")
	}
	change("not it", wanted)
	change(password, `<iq type="result" id="1"/>`)
	if _, err := s.accounts.CheckPassword(t.Context(), "juliet", next); err != nil {
		t.Error(err)
	}
	for range 3 {
		change("not it", wanted)
	}
	change(next, `<iq type="error" id="1"><error type="wait"><resource-constraint xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
}

// Who has a device of somebody else cannot keep its owner from changing the password by guessing at it.
func TestThiefDoesNotLockTheOwnerOut(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "juliet", account.User)
	thief := s.byToken(t, "juliet")
	guess := func() string {
		t.Helper()
		thief.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="submit">
			<field var="FORM_TYPE"><value>jabber:iq:register:cancel</value></field><field var="username"><value>juliet</value></field>
			<field var="password"><value>not it</value></field></x></query></iq>`)
		return string(thief.MustExpect(t, `<iq type="error" id="1"/>`).Raw())
	}
	for range 5 {
		guess()
	}
	if got := guess(); !strings.Contains(got, "resource-constraint") {
		t.Errorf("the thief goes on: %s", got)
	}
	owner := s.login(t, "juliet", password, "balcony")
	owner.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><username>juliet</username><password>parting is such sweet sorrow</password></query></iq>`)
	owner.MustExpect(t, `<iq type="result" id="1"/>`)
	thief.MustExpect(t, `<stream:error><reset xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`)
}

// Who logged in by a token must know the password to leave (XEP-0077 §3.2), and the last admin cannot.
func TestRemovalByAnOpenDevice(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "nurse", account.Admin)
	nurse := s.login(t, "nurse", password, "kitchen")
	nurse.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><remove/></query></iq>`)
	nurse.MustExpect(t, `<iq type="error" id="1"><error type="cancel"><not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>
		<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">You are the last admin. Make somebody else an admin first.</text></error></iq>`)
	nurse.MustExpectNothing(t)

	s.user(t, "juliet", account.User)
	c := s.byToken(t, "juliet")
	wanted := `<iq type="error" id="1"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="form">
		<field var="FORM_TYPE" type="hidden"><value>jabber:iq:register:cancel</value></field><field var="username"/>
		<field var="password" type="text-private"/></x></query>
		<error type="cancel"><not-allowed xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`
	c.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><remove/></query></iq>`)
	c.MustExpect(t, wanted)
	leave := func(password string) {
		t.Helper()
		c.MustSend(t, `<iq type="set" id="1"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="submit">
			<field var="FORM_TYPE"><value>jabber:iq:register:cancel</value></field><field var="username"><value>juliet</value></field>
			<field var="password"><value>`+password+`</value></field></x></query></iq>`)
	}
	leave("not it")
	c.MustExpect(t, wanted)
	leave(password)
	c.MustExpect(t, `<iq type="result" id="1"/>`)
	c.MustExpect(t, `<stream:error><not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`)
	must(t, c.ExpectEnd(t.Context()))
	if _, err := s.accounts.Lookup(t.Context(), "juliet"); err != account.ErrUnknown {
		t.Errorf("got %v, want %v", err, account.ErrUnknown)
	}
	x := s.dial(t)
	err := x.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256)
	if e, ok := err.(*xmpptest.AuthError); !ok || e.Condition != "not-authorized" {
		t.Errorf("log-in: got %v", err)
	}
	var token invite.Token
	must(t, s.db.Write(t.Context(), func(tx *db.Tx) (err error) {
		_, token, err = s.invites.Create(tx, invite.Request{Role: "user"})
		return err
	}))
	x = s.dial(t)
	preauth(t, x, token, accepted)
	s.signUp(t, x, "juliet", `<iq type="error" id="reg"><error type="cancel"><conflict xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
}

// What a stream may ask before its log-in is the same over a WebSocket.
func TestRegisterOverAWebSocket(t *testing.T) {
	t.Parallel()
	s := start(t)
	c := s.reach(t, s.web.Addr().String(), xmpptest.Options{Domain: domain, WebSocket: httpd.WebSocketPath, Origin: origin})
	if _, ok := c.Features.Child("urn:xmpp:ibr-token:0", "register"); !ok {
		t.Fatalf("registration is not offered: %s", xmlstream.Raw(c.Features.Raw()))
	}
	preauth(t, c, "x", endedToken)
}

// A session that sleeps ends with its account.
func TestRemovalEndsWhatSleeps(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.befriend(t, s.user(t, "juliet", account.User), s.user(t, "romeo", account.User))
	phone := resumable(t, s.login(t, "juliet", password, "phone"))
	must(t, phone.Sync(t.Context()))
	romeo := s.available(t, "romeo", password, "orchard", "juliet@kith.example/phone")
	phone.Cut()

	desk := s.login(t, "juliet", password, "desk")
	desk.MustSend(t, `<iq type="set" id="bye"><query xmlns="jabber:iq:register"><remove/></query></iq>`)
	desk.MustExpect(t, `<iq type="result" id="bye"/>`)
	desk.MustExpect(t, `<stream:error><not-authorized xmlns="urn:ietf:params:xml:ns:xmpp-streams"/></stream:error>`)
	must(t, desk.ExpectEnd(t.Context()))
	must(t, romeo.ExpectAll(t.Context(), `<presence type="unavailable" from="juliet@kith.example/phone"/>`,
		`<presence type="unsubscribe" from="juliet@kith.example"/>`, `<presence type="unsubscribed" from="juliet@kith.example"/>`))
	romeo.MustExpectNothing(t)
	for len(s.router.Devices(desk.JID.Bare())) > 0 {
		must(t, romeo.Sync(t.Context()))
	}
}
