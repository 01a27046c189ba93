// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	otherPassword = "parting is such sweet sorrow"
	streamErrors  = `xmlns="urn:ietf:params:xml:ns:xmpp-streams"`
)

// refused requires that a log-in fails with the condition.
func (s *testServer) refused(t *testing.T, name, password, condition string) {
	t.Helper()
	err := s.dial(t).Authenticate(t.Context(), name, password, sasl.SCRAMSHA256)
	if e, ok := errors.AsType[*xmpptest.AuthError](err); !ok || e.Condition != condition {
		t.Errorf("log-in of %s: got %v, want %s", name, err, condition)
	}
}

// ends requires that the server ends the stream with the condition.
func ends(t *testing.T, c *xmpptest.Client, condition string) {
	t.Helper()
	c.MustExpect(t, `<stream:error><`+condition+` `+streamErrors+`/></stream:error>`)
	if err := c.ExpectEnd(t.Context()); err != nil {
		t.Error(err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// What the commands do to users takes effect on the server that runs: sessions end, and contacts hear of it.
func TestAdminOfUsers(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin, ctx := s.admin(), t.Context()
	must(t, admin.AddUser(ctx, control.NewUser{Name: "juliet", Password: password, Role: account.User}))
	must(t, admin.AddUser(ctx, control.NewUser{Name: "nurse", Password: password, Role: account.Admin}))
	romeo := s.user(t, "romeo", account.User)
	juliet, err := s.accounts.Lookup(ctx, "juliet")
	must(t, err)
	s.befriend(t, romeo, juliet)

	users, err := admin.ListUsers(ctx, "", 10)
	must(t, err)
	got := []string{}
	for _, u := range users {
		got = append(got, u.Name+" "+string(u.Role))
	}
	if want := "juliet user, nurse admin, romeo user"; strings.Join(got, ", ") != want {
		t.Errorf("users: got %v, want %s", got, want)
	}

	r := s.available(t, "romeo", password, "orchard", "juliet@"+domain)
	r.MustSend(t, `<iq type="get" id="list"><query xmlns="jabber:iq:roster"/></iq>`)
	r.MustExpect(t, `<iq type="result" id="list"/>`)
	arrives := func(password string) *xmpptest.Client {
		t.Helper()
		c := s.available(t, "juliet", password, "balcony", "romeo@"+domain+"/orchard")
		r.MustExpect(t, `<presence from="juliet@kith.example/balcony"/>`)
		return c
	}
	leaves := func() {
		t.Helper()
		r.MustExpect(t, `<presence from="juliet@kith.example/balcony" type="unavailable"/>`)
	}

	c := arrives(password)
	must(t, admin.SetPassword(ctx, "juliet", otherPassword))
	ends(t, c, "reset")
	leaves()
	s.refused(t, "juliet", password, sasl.NotAuthorized)

	c = arrives(otherPassword)
	must(t, admin.SetDisabled(ctx, "juliet", true))
	ends(t, c, "not-authorized")
	leaves()
	s.refused(t, "juliet", otherPassword, sasl.AccountDisabled)
	s.refused(t, "juliet", password, sasl.NotAuthorized) // who does not know the password learns nothing
	r.MustSend(t, `<message to="juliet@kith.example" type="chat" id="1"><body>Where art thou?</body></message>`)
	r.MustExpect(t, `<message type="error" id="1"><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`)

	must(t, admin.SetDisabled(ctx, "juliet", false))
	c = arrives(otherPassword)
	must(t, admin.DeleteUser(ctx, "juliet"))
	ends(t, c, "not-authorized")
	must(t, r.ExpectAll(ctx,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="to"/></query></iq>`,
		`<iq type="set"><query xmlns="jabber:iq:roster"><item jid="juliet@kith.example" subscription="none"/></query></iq>`,
		`<presence from="juliet@kith.example" type="unsubscribe"/>`,
		`<presence from="juliet@kith.example" type="unsubscribed"/>`,
		`<presence from="juliet@kith.example/balcony" type="unavailable"/>`,
	))
	r.MustExpectNothing(t)
	s.refused(t, "juliet", otherPassword, sasl.NotAuthorized)
	if err := admin.AddUser(ctx, control.NewUser{Name: "juliet", Password: password, Role: account.User}); explained(err) != "taken" {
		t.Errorf("the name again: got %v, want taken", err)
	}
	if err := admin.DeleteUser(ctx, "nurse"); explained(err) != "last-admin" {
		t.Errorf("the last admin: got %v, want last-admin", err)
	}
	if err := admin.SetPassword(ctx, "nobody", password); explained(err) != "unknown" {
		t.Errorf("nobody: got %v, want unknown", err)
	}
}

// explained is the code of an error that came over the socket.
func explained(err error) string {
	if e, ok := errors.AsType[*control.Error](err); ok {
		return e.Code
	}
	return ""
}

// tokenOf is the token in an invitation's link.
func tokenOf(i control.Invite) invite.Token {
	_, token, _ := strings.Cut(i.URL, "/invite/")
	return invite.Token(token)
}

// The link for the first admin is one only, good for a day, and dies when there is an admin.
func TestFirstAdmin(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin, ctx := s.admin(), t.Context()
	request := control.InviteRequest{Role: account.Admin, Uses: 1, TTL: invite.DefaultTTL}
	first, err := admin.CreateInvite(ctx, request)
	must(t, err)
	if got := first.Expires.Sub(first.Created); got != 24*time.Hour {
		t.Errorf("it is good for %v, want a day", got)
	}
	if again, err := admin.CreateInvite(ctx, request); err != nil || again.URL != first.URL {
		t.Errorf("a second one: got %v, %v, want the same", again.URL, err)
	}
	if link, err := s.firstAdmin(ctx, landing(s.config)); err != nil || link != first.URL {
		t.Errorf("at the start: got %v, %v, want the same", link, err)
	}
	user, err := admin.CreateInvite(ctx, control.InviteRequest{Role: account.User, Uses: 1, TTL: invite.DefaultTTL})
	must(t, err)
	if user.Expires.Sub(user.Created) != invite.DefaultTTL {
		t.Errorf("a user's is good for %v", user.Expires.Sub(user.Created))
	}

	must(t, admin.AddUser(ctx, control.NewUser{Name: "nurse", Password: password, Role: account.Admin}))
	_, err = s.signup.Do(ctx, signup.Request{Name: "tybalt", Password: password, Token: tokenOf(first)})
	if !errors.Is(err, invite.ErrRevoked) {
		t.Errorf("the first admin's link, with an admin there: got %v, want revoked", err)
	}
	if link, err := s.firstAdmin(ctx, landing(s.config)); err != nil || link != "" {
		t.Errorf("at the next start: got %q, %v, want none", link, err)
	}

	second, err := admin.CreateInvite(ctx, request)
	must(t, err)
	if second.URL == first.URL || second.Expires.Sub(second.Created) != invite.DefaultTTL {
		t.Errorf("for a second admin: got %+v, want an invitation like others", second)
	}
	res, err := s.signup.Do(ctx, signup.Request{Name: "peter", Password: password, Token: tokenOf(second)})
	if err != nil || res.Account.Role != account.Admin {
		t.Errorf("a second admin: got %+v, %v", res.Account, err)
	}
}

func TestAdminOfInvitations(t *testing.T) {
	t.Parallel()
	s := start(t)
	admin, ctx := s.admin(), t.Context()
	one, err := admin.CreateInvite(ctx, control.InviteRequest{Role: account.User, Uses: 2, TTL: time.Hour, Note: "choir"})
	must(t, err)
	if !strings.HasPrefix(one.URL, origin+"/invite/") || one.Uses != 2 || one.Note != "choir" || one.Role != account.User {
		t.Errorf("got %+v", one)
	}
	two, err := admin.CreateInvite(ctx, control.InviteRequest{Role: account.Limited, Uses: 1, TTL: time.Hour})
	must(t, err)
	_, err = s.signup.Do(ctx, signup.Request{Name: "romeo", Password: password, Token: tokenOf(one)})
	must(t, err)

	list, err := admin.ListInvites(ctx)
	must(t, err)
	// The welcome has made the first admin's link before: there was no admin.
	if len(list) != 3 || list[1].ID != one.ID || list[1].Used != 1 || list[2].ID != two.ID {
		t.Errorf("list: got %+v", list)
	}
	must(t, admin.RevokeInvite(ctx, two.ID))
	_, err = s.signup.Do(ctx, signup.Request{Name: "tybalt", Password: password, Token: tokenOf(two)})
	if !errors.Is(err, invite.ErrRevoked) {
		t.Errorf("revoked: got %v", err)
	}
	for _, id := range []string{"no id", "zzz"} {
		if err := admin.RevokeInvite(ctx, id); explained(err) != "unknown" {
			t.Errorf("revoke %q: got %v, want unknown", id, err)
		}
	}
	if _, err := admin.CreateInvite(ctx, control.InviteRequest{Role: "king", Uses: 1}); explained(err) != control.CodeBadRequest {
		t.Errorf("a role that is none: got %v", err)
	}
}

// While a server runs, nobody else opens its folder; afterwards the commands do.
func TestOpenAdmin(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "romeo", account.User)
	if _, err := OpenAdmin(t.Context(), s.config); !errors.Is(err, db.ErrLocked) {
		t.Errorf("beside the server: got %v, want locked", err)
	}
	s.stop()
	if err := s.admin().SetPassword(t.Context(), "romeo", otherPassword); !errors.Is(err, control.ErrNotRunning) {
		t.Errorf("the socket of a server that ended: got %v", err)
	}
	a, err := OpenAdmin(t.Context(), s.config)
	must(t, err)
	must(t, a.SetPassword(t.Context(), "romeo", otherPassword))
	must(t, a.AddUser(t.Context(), control.NewUser{Name: "juliet", Password: password, Role: account.User}))
	must(t, a.DeleteUser(t.Context(), "juliet"))
	must(t, a.Close())

	s = startOn(t, s.config)
	s.refused(t, "romeo", password, sasl.NotAuthorized)
	s.login(t, "romeo", otherPassword, "orchard")
}

// What is wrong with the configuration or the machine is said, and nothing stays open.
func TestRunFails(t *testing.T) {
	t.Parallel()
	s := start(t)
	taken := s.config
	taken.Data = folder(t)
	taken.Listen.Clients = s.plain.Addr().String()
	err := Run(t.Context(), taken, testOptions(t))
	if err == nil || !strings.Contains(err.Error(), "listen.clients") {
		t.Errorf("a port that is taken: got %v", err)
	}
	taken.Listen.Clients = ""
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Run(ctx, taken, testOptions(t)); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped before it ran, on the folder of the one that failed: got %v", err)
	}
	if err := Run(t.Context(), s.config, testOptions(t)); !errors.Is(err, db.ErrLocked) {
		t.Errorf("a second server on the folder: got %v, want locked", err)
	}
}
