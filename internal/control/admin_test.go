// SPDX-License-Identifier: Apache-2.0

package control

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/report"
)

// A recorder is an Admin that writes down what it is asked.
type recorder struct{ asked []string }

func (r *recorder) note(format string, args ...any) {
	r.asked = append(r.asked, fmt.Sprintf(format, args...))
}

var (
	someUser   = User{Name: "juliet", Role: account.Admin, Created: time.UnixMicro(1).UTC()}
	someReport = Report{ID: "r1", Reporter: "juliet", Reported: "tybalt@verona.example", Reason: "spam", Messages: []string{"<message/>"}}
	someInvite = Invite{ID: "i1", URL: "http://localhost/invite/x", Role: account.User, Uses: 3, Used: 1, Expires: time.UnixMicro(2).UTC()}
)

func (r *recorder) AddUser(_ context.Context, u NewUser) error {
	r.note("add %s %s %s", u.Name, u.Password, u.Role)
	return nil
}

func (r *recorder) ListUsers(_ context.Context, after string, limit int) ([]User, error) {
	r.note("list %s %d", after, limit)
	return []User{someUser}, nil
}

func (r *recorder) SetPassword(_ context.Context, name, password string) error {
	r.note("password %s %s", name, password)
	return &account.PasswordError{Reason: account.PasswordShort}
}

func (r *recorder) SetDisabled(_ context.Context, name string, disabled bool) error {
	r.note("disabled %s %t", name, disabled)
	return account.ErrLastAdmin
}

func (r *recorder) DeleteUser(_ context.Context, name string) error {
	r.note("delete %s", name)
	return fmt.Errorf("delete: %w", account.ErrUnknown)
}

func (r *recorder) CreateInvite(_ context.Context, q InviteRequest) (Invite, error) {
	r.note("invite %s %d %s %s", q.Role, q.Uses, q.TTL, q.Note)
	return someInvite, nil
}

func (r *recorder) ListInvites(context.Context) ([]Invite, error) {
	r.note("invites")
	return []Invite{someInvite}, nil
}

func (r *recorder) RevokeInvite(_ context.Context, id string) error {
	r.note("revoke %s", id)
	return nil
}

func (r *recorder) ListReports(_ context.Context, before string, limit int) ([]Report, error) {
	r.note("reports %s %d", before, limit)
	return []Report{someReport}, nil
}

func (r *recorder) RemoveReport(_ context.Context, id string) error {
	r.note("remove report %s", id)
	return fmt.Errorf("remove: %w", report.ErrUnknown)
}

func (r *recorder) Close() error { return nil }

// What is asked of a Client reaches the Admin behind the server, and the answers come back.
func TestClientAsksTheAdmin(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	c := Client(start(t, func(s *Server) { s.HandleAdmin(r) }))
	ctx := t.Context()

	code := func(err error) string {
		if e, ok := errors.AsType[*Error](err); ok {
			return e.Code
		}
		return fmt.Sprint(err)
	}
	if got := code(c.AddUser(ctx, NewUser{"juliet", "o romeo, romeo", account.Limited})); got != "<nil>" {
		t.Error(got)
	}
	if users, err := c.ListUsers(ctx, "a", 7); err != nil || cmp.Diff([]User{someUser}, users) != "" {
		t.Error(users, err)
	}
	if got := code(c.SetPassword(ctx, "juliet", "short")); got != "bad-password" {
		t.Error(got)
	}
	if got := code(c.SetDisabled(ctx, "juliet", true)); got != "last-admin" {
		t.Error(got)
	}
	if got := code(c.DeleteUser(ctx, "tybalt")); got != "unknown" {
		t.Error(got)
	}
	if i, err := c.CreateInvite(ctx, InviteRequest{account.User, 3, time.Hour, "for the choir"}); err != nil || cmp.Diff(someInvite, i) != "" {
		t.Error(i, err)
	}
	if list, err := c.ListInvites(ctx); err != nil || cmp.Diff([]Invite{someInvite}, list) != "" {
		t.Error(list, err)
	}
	if got := code(c.RevokeInvite(ctx, "i1")); got != "<nil>" {
		t.Error(got)
	}
	if list, err := c.ListReports(ctx, "r2", 5); err != nil || cmp.Diff([]Report{someReport}, list) != "" {
		t.Error(list, err)
	}
	if got := code(c.RemoveReport(ctx, "r1")); got != "unknown" {
		t.Error(got)
	}
	want := []string{
		"add juliet o romeo, romeo limited", "list a 7", "password juliet short", "disabled juliet true", "delete tybalt",
		"invite user 3 1h0m0s for the choir", "invites", "revoke i1", "reports r2 5", "remove report r1",
	}
	if diff := cmp.Diff(want, r.asked); diff != "" {
		t.Errorf("what was asked (- want, + got):\n%s", diff)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for reason := account.NameEmpty; reason <= account.NameReserved; reason++ {
		if e := Explain(&account.NameError{Reason: reason}); e.Text == "" {
			t.Errorf("no words for the name's problem %d", reason)
		}
	}
	for reason := account.PasswordShort; reason <= account.PasswordCharacters; reason++ {
		if e := Explain(&account.PasswordError{Reason: reason}); e.Text == "" {
			t.Errorf("no words for the password's problem %d", reason)
		}
	}
	if e := Explain(errors.New("disk full")); e.Code != CodeFailed || e.Text != "disk full" {
		t.Errorf("an error of ours: %+v", e)
	}
}
