// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
)

// An admin is a control.Admin that writes down what it is asked and fails if told to.
type admin struct {
	asked  []string
	fail   error
	closed bool
}

func (a *admin) note(format string, args ...any) error {
	a.asked = append(a.asked, fmt.Sprintf(format, args...))
	return a.fail
}

func (a *admin) AddUser(_ context.Context, u control.NewUser) error {
	return a.note("add %s %q %s", u.Name, u.Password, u.Role)
}

func (a *admin) ListUsers(_ context.Context, after string, limit int) ([]control.User, error) {
	if after != "" {
		return nil, a.note("list after %s", after)
	}
	list := make([]control.User, limit) // a full page: there may be more
	for i := range list {
		list[i] = control.User{Name: fmt.Sprintf("user%03d", i), Role: account.User, Created: time.Date(2026, 11, 1, 12, 0, 0, 0, time.Local)}
	}
	list[1].Disabled = true
	return list, a.note("list")
}

func (a *admin) SetPassword(_ context.Context, name, password string) error {
	return a.note("password %s %q", name, password)
}

func (a *admin) SetDisabled(_ context.Context, name string, disabled bool) error {
	return a.note("disabled %s %t", name, disabled)
}

func (a *admin) DeleteUser(_ context.Context, name string) error { return a.note("delete %s", name) }

func (a *admin) CreateInvite(_ context.Context, r control.InviteRequest) (control.Invite, error) {
	i := control.Invite{ID: "7", URL: "http://localhost:8080/invite/abc", Role: r.Role, Uses: r.Uses, Expires: time.Date(2026, 12, 1, 12, 0, 0, 0, time.Local)}
	return i, a.note("invite %s %d %s %q", r.Role, r.Uses, r.TTL, r.Note)
}

func (a *admin) ListInvites(context.Context) ([]control.Invite, error) {
	until := time.Date(2026, 12, 1, 12, 0, 0, 0, time.Local)
	return []control.Invite{
		{ID: "7", URL: "http://localhost:8080/invite/abc", Role: account.User, Uses: 3, Used: 1, Expires: until, Note: "choir\x1b[2J"},
		{ID: "8", URL: "http://localhost:8080/invite/def", Role: account.User, Uses: 1, Expires: until, Inviter: "juliet"},
	}, a.note("invites")
}

func (a *admin) RevokeInvite(_ context.Context, id string) error { return a.note("revoke %s", id) }

func (a *admin) ListReports(_ context.Context, before string, limit int) ([]control.Report, error) {
	return []control.Report{{
		ID: "9", At: time.Date(2026, 11, 2, 12, 0, 0, 0, time.Local), Reporter: "juliet", Reported: "tybalt@verona.example",
		Reason: "spam", Words: "He never\x1b stops.\nNever.", Origin: true, ThirdParty: true, Messages: []string{"<message>buy\nthis</message>"},
	}, {ID: "8", Reporter: "romeo", Reported: "verona.example", Reason: "abuse"}}, a.note("reports %q %d", before, limit)
}

func (a *admin) RemoveReport(_ context.Context, id string) error {
	return a.note("remove report %s", id)
}

func (a *admin) Close() error { a.closed = true; return nil }

// result is what one command line led to.
type result struct {
	code        int
	out, errors string
}

// run runs a command line on the data folder dir, without a terminal and with typed on its standard input.
func run(t *testing.T, dir string, a *admin, typed string, args ...string) result {
	t.Helper()
	in := filepath.Join(t.TempDir(), "in")
	if err := os.WriteFile(in, []byte(typed), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(in)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var out, errs strings.Builder
	p := &program{
		in: f, out: &out, errors: &errs, version: "1.2.3",
		environ: []string{"KITH_DATA=" + dir},
		serve:   func(context.Context, config.Config) error { return a.note("serve") },
		open:    func(context.Context, config.Config) (control.Admin, error) { return a, nil },
	}
	code := p.run(t.Context(), args)
	return result{code, out.String(), errs.String()}
}

func TestCommands(t *testing.T) {
	t.Parallel()
	const good = "o romeo, romeo"
	tests := []struct {
		name  string
		args  string
		typed string
		asked string // what reached the Admin
		want  result // out and errors: a part of them
	}{
		{"make a user", "user add juliet", good + "\n", `add juliet "o romeo, romeo" user`, result{exitOK, "", "Made juliet@localhost."}},
		{"by address, as admin", "user add juliet@LOCALHOST --admin", good, `add juliet "o romeo, romeo" admin`, result{exitOK, "", ""}},
		{"with a role", "user add juliet --role=limited", good, `add juliet "o romeo, romeo" limited`, result{exitOK, "", ""}},
		{"two roles", "user add juliet --role=user --admin", good, "", result{exitUsage, "", "can't be used together"}},
		{"a role that is none", "user add juliet --role=boss", good, "", result{exitUsage, "", "--role must be admin, user or limited"}},
		{"on another server", "user add juliet@verona.example", good, "", result{exitUsage, "", "no address of this server, which is localhost"}},
		{"without a password", "user add juliet", "", "", result{exitFailed, "", "no password"}},
		{"an empty password goes on to be refused", "user passwd juliet", "\n", `password juliet ""`, result{exitOK, "", ""}},
		{"all users, page by page", "user list", "", "list; list after user499", result{exitOK, "user499  user  2026-11-01 12:00", ""}},
		{"a disabled user shows as such", "user list", "", "list; list after user499", result{exitOK, "user001  user  2026-11-01 12:00  disabled", ""}},
		{"disable", "user disable juliet", "", "disabled juliet true", result{exitOK, "", "Disabled juliet@localhost."}},
		{"enable", "user enable juliet", "", "disabled juliet false", result{exitOK, "", "Enabled juliet@localhost."}},
		{"delete without a yes", "user delete juliet", "", "", result{exitUsage, "", "--yes"}},
		{"delete with one", "user delete juliet --yes", "", "delete juliet", result{exitOK, "", "Deleted juliet@localhost."}},
		{"invite", "invite create", "", `invite user 1 168h0m0s ""`, result{exitOK, "http://localhost:8080/invite/abc\n", "one account with the role user, until 2026-12-01 12:00"}},
		{"invite many, for some time", "invite create --uses 3 --expires-after 36h --note choir --admin", "", `invite admin 3 36h0m0s "choir"`, result{exitOK, "", "3 accounts with the role admin"}},
		{"days and weeks", "invite create --expires-after 2w", "", `invite user 1 336h0m0s ""`, result{exitOK, "", ""}},
		{"no time at all", "invite create --expires-after 0d", "", "", result{exitUsage, "", "no time such as"}},
		{"a time that is none", "invite create --expires-after soon", "", "", result{exitUsage, "", "no time such as"}},
		{"no uses", "invite create --uses 0", "", "", result{exitUsage, "", "1 or more"}},
		{"as a picture", "invite create --qr", "", `invite user 1 168h0m0s ""`, result{exitOK, "█▀▀▀▀▀█", ""}},
		{"invitations that stand", "invite list", "", "invites", result{exitOK, "7   user  1 of 3  2026-12-01 12:00  the server  http://localhost:8080/invite/abc  choir·[2J\n8   user  0 of 1", ""}},
		{"revoke", "invite revoke 7", "", "revoke 7", result{exitOK, "", "useless"}},
		{"reports", "report list", "", `reports "" 20`, result{exitOK, "9  2026-11-02 12:00  juliet reports tybalt@verona.example: spam\n" +
			"    He never· stops.\n    Never.\n    > <message>buy·this</message>\n    It may be told to the other's server and others.\n\n8  ", ""}},
		{"older reports", "report list --before 9 --limit 5", "", `reports "9" 5`, result{exitOK, "romeo reports verona.example: abuse\n\n", ""}},
		{"no reports at all", "report list --limit 0", "", "", result{exitUsage, "", "1 to 1000"}},
		{"a report is dealt with", "report remove 9", "", "remove report 9", result{exitOK, "", "removed"}},
		{"serve", "serve", "", "serve", result{exitOK, "", ""}},
		{"the example", "config", "", "", result{exitOK, `#domain = "localhost"`, ""}},
		{"the version", "version", "", "", result{exitOK, "kith 1.2.3 (go", ""}},
		{"help", "--help", "", "", result{exitOK, "invite create", ""}},
		{"nothing", "", "", "", result{exitUsage, "", "kith --help"}},
		{"a misspelt command", "usr list", "", "", result{exitUsage, "", `did you mean "user"?`}},
		{"a file that is not there", "--config /nowhere/kith.toml serve", "", "", result{exitFailed, "", "/nowhere/kith.toml"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			a := &admin{}
			got := run(t, t.TempDir(), a, tt.typed, strings.Fields(tt.args)...)
			if got.code != tt.want.code {
				t.Errorf("exit code %d, want %d", got.code, tt.want.code)
			}
			if !strings.Contains(got.out, tt.want.out) {
				t.Errorf("output %q, want %q in it", got.out, tt.want.out)
			}
			if !strings.Contains(got.errors, tt.want.errors) {
				t.Errorf("errors %q, want %q in it", got.errors, tt.want.errors)
			}
			if asked := strings.Join(a.asked, "; "); asked != tt.asked {
				t.Errorf("asked %q, want %q", asked, tt.asked)
			}
			if len(a.asked) > 0 && a.asked[0] != "serve" && !a.closed {
				t.Error("the data folder was left open")
			}
		})
	}
}

// While a server runs, a command asks it and leaves the data folder alone.
func TestCommandsAskTheServerThatRuns(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, folder := &admin{}, &admin{}
	s, err := control.Listen(config.Config{Data: dir}.Socket(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.HandleAdmin(server)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }() // received below
	got := run(t, dir, folder, "", "user", "disable", "juliet")
	server.fail = account.ErrLastAdmin
	failed := run(t, dir, folder, "", "user", "disable", "romeo")
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got.code != exitOK || failed.code != exitFailed || failed.errors != "kith: That is the last admin; make another one first\n" {
		t.Errorf("results %+v, %+v", got, failed)
	}
	if asked := strings.Join(server.asked, "; "); asked != "disabled juliet true; disabled romeo true" || len(folder.asked) > 0 {
		t.Errorf("the server was asked %q, the folder %q", asked, folder.asked)
	}
}

// Both ways to reach a server word its errors the same.
func TestErrorsOfTheFolder(t *testing.T) {
	t.Parallel()
	got := run(t, t.TempDir(), &admin{fail: fmt.Errorf("disable user: %w", account.ErrLastAdmin)}, "", "user", "disable", "romeo")
	if got.code != exitFailed || got.errors != "kith: That is the last admin; make another one first\n" {
		t.Errorf("result %+v", got)
	}
	got = run(t, t.TempDir(), &admin{fail: errors.New("disk full")}, "", "user", "list")
	if got.code != exitFailed || got.errors != "kith: disk full\n" {
		t.Errorf("result %+v", got)
	}
}

// Only commands that make something make a data folder.
func TestWrongPlace(t *testing.T) {
	t.Parallel()
	none := filepath.Join(t.TempDir(), "none")
	a := &admin{}
	got := run(t, none, a, "", "user", "list")
	if got.code != exitFailed || !strings.Contains(got.errors, "is this the right place?") || len(a.asked) > 0 {
		t.Errorf("result %+v, asked %q", got, a.asked)
	}
	if got := run(t, none, a, "", "invite", "create", "--admin"); got.code != exitOK {
		t.Errorf("result %+v", got)
	}
}
