// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/report"
)

// admin does what the commands ask for, on the services; it is control.Admin of the running server and of a data
// folder that no server runs on.
type admin struct {
	*services
	landing func(invite.Token) string
	running *server // nil: no server runs on the data folder
	close   func() error
}

// OpenAdmin opens the data folder for commands while no server runs on it. It returns db.ErrLocked where one does.
func OpenAdmin(ctx context.Context, c config.Config) (control.Admin, error) {
	s, err := openServices(ctx, c, quiet())
	if err != nil {
		return nil, err
	}
	s.accounts.OnChange(func(a account.Account, what account.Change) {
		if what == account.PasswordChanged { // a server does it where it ends the sessions
			s.push.ForgetOthers(a.ID)
		}
	})
	return &admin{services: s, landing: landing(c), close: s.close}, nil
}

func (a *admin) AddUser(ctx context.Context, u control.NewUser) error {
	role, err := account.ParseRole(string(u.Role))
	if err != nil {
		return err
	}
	_, err = a.signup.Do(ctx, signup.Request{Name: u.Name, Password: u.Password, Role: role})
	return err
}

func (a *admin) ListUsers(ctx context.Context, after string, limit int) ([]control.User, error) {
	list, err := a.accounts.List(ctx, after, limit)
	if err != nil {
		return nil, err
	}
	users := make([]control.User, len(list))
	for i, x := range list {
		users[i] = control.User{Name: x.Name, Role: x.Role, Disabled: x.Disabled, Created: x.CreatedAt}
	}
	return users, nil
}

func (a *admin) SetPassword(ctx context.Context, name, password string) error {
	who, err := a.accounts.Lookup(ctx, name)
	if err != nil {
		return err
	}
	p, err := a.accounts.Password(who.Name, password)
	if err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *db.Tx) error { return a.accounts.SetPassword(tx, who.ID, p) })
}

func (a *admin) SetDisabled(ctx context.Context, name string, disabled bool) error {
	who, err := a.accounts.Lookup(ctx, name)
	if err != nil {
		return err
	}
	return a.db.Write(ctx, func(tx *db.Tx) error { return a.accounts.SetDisabled(tx, who.ID, disabled) })
}

func (a *admin) DeleteUser(ctx context.Context, name string) error {
	who, err := a.accounts.Lookup(ctx, name)
	if err != nil {
		return err
	}
	if a.running != nil {
		return a.running.remove(ctx, who)
	}
	if _, err := a.removal.Do(ctx, who.ID); err != nil {
		return err
	}
	return a.removal.Finish(ctx)
}

func (a *admin) CreateInvite(ctx context.Context, r control.InviteRequest) (control.Invite, error) {
	role, err := account.ParseRole(string(r.Role))
	if err != nil {
		return control.Invite{}, err
	}
	var inv invite.Invite
	err = a.db.Write(ctx, func(tx *db.Tx) (err error) {
		if role == account.Admin {
			has, err := a.accounts.HasAdmin(tx)
			if err != nil {
				return err
			}
			if !has { // the link of the start: it dies when the first admin is there, and after a day
				inv, _, err = a.invites.FirstAdmin(tx)
				return err
			}
		}
		inv, _, err = a.invites.Create(tx, invite.Request{Role: string(role), Uses: r.Uses, TTL: r.TTL, Note: r.Note})
		return err
	})
	return a.invite(inv), err
}

// maxListed bounds the invitations that one list shows.
const maxListed = 1000

func (a *admin) ListInvites(ctx context.Context) ([]control.Invite, error) {
	list, err := a.invites.List(ctx, invite.Filter{Limit: maxListed})
	if err != nil {
		return nil, err
	}
	slices.Reverse(list) // oldest first
	invites := make([]control.Invite, len(list))
	for i, x := range list {
		invites[i] = a.invite(x)
	}
	return invites, nil
}

func (a *admin) invite(i invite.Invite) control.Invite {
	return control.Invite{
		ID: strconv.FormatInt(i.ID, 36), URL: a.landing(a.invites.Token(i.ID)), Role: account.Role(i.Role),
		Inviter: i.InviterName, Note: i.Note, Uses: i.MaxUses, Used: i.Uses, Created: i.Created, Expires: i.Expires,
	}
}

func (a *admin) RevokeInvite(ctx context.Context, id string) error {
	n, err := strconv.ParseInt(id, 36, 64)
	if err != nil {
		return invite.ErrUnknown
	}
	return a.db.Write(ctx, func(tx *db.Tx) error { return a.invites.Revoke(tx, n) })
}

func (a *admin) ListReports(ctx context.Context, before string, limit int) ([]control.Report, error) {
	var id int64
	if before != "" {
		var err error
		if id, err = strconv.ParseInt(before, 36, 64); err != nil {
			return nil, report.ErrUnknown
		}
	}
	list, err := a.reports.List(ctx, id, limit)
	if err != nil {
		return nil, err
	}
	reports := make([]control.Report, len(list))
	for i, x := range list {
		reports[i] = control.Report{
			ID: strconv.FormatInt(x.ID, 36), At: x.At, Reporter: x.Name, Reported: x.Reported.String(),
			Reason: strings.TrimPrefix(x.Reason, "urn:xmpp:reporting:"), Words: x.Words, Origin: x.Origin, ThirdParty: x.ThirdParty,
		}
		for _, m := range x.Messages {
			if m.Raw != "" {
				reports[i].Messages = append(reports[i].Messages, m.Raw)
			}
		}
	}
	return reports, nil
}

func (a *admin) RemoveReport(ctx context.Context, id string) error {
	n, err := strconv.ParseInt(id, 36, 64)
	if err != nil {
		return report.ErrUnknown
	}
	return a.db.Write(ctx, func(tx *db.Tx) error { return a.reports.Remove(tx, n) })
}

func (a *admin) Close() error { return a.close() }
