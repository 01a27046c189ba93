// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"log/slog"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/db"
	adminroom "github.com/kith-im/kith/internal/feature/admin"
	"github.com/kith-im/kith/internal/feature/clients"
	"github.com/kith-im/kith/internal/feature/commands"
	"github.com/kith-im/kith/internal/feature/contactinfo"
	"github.com/kith-im/kith/internal/feature/disco"
	"github.com/kith-im/kith/internal/feature/serverinfo"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
)

// administration returns the commands by which admins look after accounts.
func administration(r *router.Router, s *services, log *slog.Logger, remove removeFunc) (list []commands.Command) {
	for _, c := range adminroom.Commands(adminroom.Options{
		Router: r, Log: log.With("pkg", "admin"), Accounts: adminAccounts{s, remove}, Seen: s.seen,
	}) {
		first := commands.Do(c.Run)
		if c.Form != "" {
			first = commands.Ask(c.Form, first)
		}
		list = append(list, commands.Command{Node: c.Node, Name: c.Name, May: adminroom.May, First: first})
	}
	return list
}

// adminAccounts is what these commands do, as the command line does it.
type adminAccounts struct {
	*services
	remove removeFunc
}

func (a adminAccounts) Add(ctx context.Context, name, password string) error {
	_, err := a.signup.Do(ctx, signup.Request{Name: name, Password: password, Role: account.User})
	return err
}

func (a adminAccounts) Delete(ctx context.Context, name string) error {
	who, err := a.accounts.Lookup(ctx, name)
	if err != nil {
		return err
	}
	return a.remove(ctx, who)
}

func (a adminAccounts) SetDisabled(ctx context.Context, name string, disabled bool) error {
	return (&admin{services: a.services}).SetDisabled(ctx, name, disabled)
}

func (a adminAccounts) SetPassword(ctx context.Context, name, password string) error {
	return (&admin{services: a.services}).SetPassword(ctx, name, password)
}

func (a adminAccounts) Lookup(ctx context.Context, name string) (account.Account, error) {
	return a.accounts.Lookup(ctx, name)
}

func (a adminAccounts) List(ctx context.Context, after string, limit int) ([]account.Account, error) {
	return a.accounts.List(ctx, after, limit)
}

func (a adminAccounts) Count(ctx context.Context) (all, disabled int, err error) {
	return a.accounts.Count(ctx)
}

func (a adminAccounts) Contacts(ctx context.Context, id int64) (int, error) {
	list, _, err := a.contacts.List(ctx, id)
	return len(list), err
}

// signedOut ends what is kept for a client beside its access.
func (s *services) signedOut(tx *db.Tx, c clients.SignedOut) error {
	return s.push.Forget(tx, c.Owner.ID, string(c.Key))
}

// aboutServer is what the server tells of itself beyond its features: where its admins can be reached, and where else
// there is something about it.
func aboutServer(r *router.Router, c config.Config, version string) (about []form.Extension, lists []disco.List) {
	var more []form.Field
	if c.Contact.ServerInfo {
		info := serverinfo.Install(r, "Kith", version)
		more, lists = append(more, info.Field()), append(lists, info)
	}
	x := c.Contact
	if f, ok := contactinfo.Form(contactinfo.Addresses{
		Abuse: x.Abuse, Admin: x.Admin, Feedback: x.Feedback, Sales: x.Sales, Security: x.Security, Status: x.Status, Support: x.Support,
	}, more...); ok {
		about = append(about, f)
	}
	return about, lists
}
