// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// accounts are the commands for single accounts.
func (a *admin) accounts() []Command {
	address := form.Field{Var: "accountjid", Type: form.JIDSingle, Label: "Address", Required: true}
	addresses := form.Field{Var: "accountjids", Type: form.JIDMulti, Label: "Addresses", Required: true}
	password := form.Field{Var: "password", Type: form.TextPrivate, Label: "Password", Required: true}
	return []Command{
		{ns + "#add-user", "Add an account", ask("Add an account", "", address, password,
			form.Field{Var: "password-verify", Type: form.TextPrivate, Label: "Password, once more", Required: true}), a.add},
		{ns + "#delete-user", "Delete accounts", ask("Delete accounts", "They cannot be brought back.", addresses),
			a.each("delete-user", a.remove)},
		{ns + "#disable-user", "Lock accounts", ask("Lock accounts", "", addresses), a.each("disable-user", a.disable)},
		{ns + "#reenable-user", "Unlock accounts", ask("Unlock accounts", "", addresses), a.each("reenable-user", a.enable)},
		{ns + "#end-user-session", "End sessions", ask("End sessions", "Of an account, or of one of its devices.", addresses),
			a.each("end-user-session", a.kick)},
		{ns + "#change-user-password", "Set a password", ask("Set a password", "All devices of the account are signed out.",
			address, password), a.password},
		{ns + "#get-user-lastlogin", "When somebody was there last", ask("When somebody was there last", "", addresses), a.lastLogin},
		{ns + "#user-stats", "About an account", ask("About an account", "", address), a.stats},
	}
}

// add makes an account (XEP-0133 §4.1). Names and mail addresses are not kept, and so not asked for.
func (a *admin) add(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error) {
	j, err := a.one(v)
	switch {
	case err != nil:
		return "", err
	case v["password"] == "" || v["password"] != v["password-verify"]:
		return "", badPayload("The passwords are not the same.")
	}
	if err := a.Accounts.Add(ctx, j.Local(), v["password"]); err != nil {
		return "", refusal(err)
	}
	if made, err := a.Accounts.Lookup(ctx, j.Local()); err == nil {
		a.note(ctx, q, "add-user", made)
	}
	return "", nil
}

// each is a command that does the same to all accounts in its form. All of them are there, or nothing is done to any.
func (a *admin) each(what string, f func(context.Context, *router.Request, account.Account, jid.JID) error) func(
	context.Context, *router.Request, form.Values) (xmlstream.Raw, error) {
	return func(ctx context.Context, q *router.Request, _ form.Values) (xmlstream.Raw, error) {
		list, err := a.several(q)
		if err != nil {
			return "", err
		}
		found := make([]account.Account, len(list))
		for i, j := range list {
			if found[i], err = a.Accounts.Lookup(ctx, j.Local()); err != nil {
				return "", refusal(err)
			}
		}
		for i, j := range list {
			if err := f(ctx, q, found[i], j); err != nil {
				return "", refusal(err)
			}
			a.note(ctx, q, what, found[i])
		}
		return "", nil
	}
}

// notYourself keeps admins from locking themselves out by a slip.
func notYourself(q *router.Request, who account.Account) error {
	if who.ID == q.Owner.ID {
		return stanza.NotAllowed.WithText("This is your own account.")
	}
	return nil
}

// remove deletes an account (XEP-0133 §4.2).
func (a *admin) remove(ctx context.Context, q *router.Request, who account.Account, _ jid.JID) error {
	if err := notYourself(q, who); err != nil {
		return err
	}
	return a.Accounts.Delete(ctx, who.Name)
}

// disable locks an account and ends its sessions (XEP-0133 §4.3).
func (a *admin) disable(ctx context.Context, q *router.Request, who account.Account, _ jid.JID) error {
	if err := notYourself(q, who); err != nil {
		return err
	}
	return a.Accounts.SetDisabled(ctx, who.Name, true)
}

// enable unlocks it again (XEP-0133 §4.4).
func (a *admin) enable(ctx context.Context, _ *router.Request, who account.Account, _ jid.JID) error {
	return a.Accounts.SetDisabled(ctx, who.Name, false)
}

// kick ends the sessions of an account, or the one that is named by its resource (XEP-0133 §4.5). Its owner may come again.
func (a *admin) kick(_ context.Context, _ *router.Request, _ account.Account, j jid.JID) error {
	a.Router.Do(j.Bare(), func(context.Context) {
		for _, d := range a.Router.Devices(j.Bare()) {
			if j.IsBare() || d.JID == j {
				d.Kick("policy-violation", "an admin has ended the session")
			}
		}
	})
	return nil
}

// password sets a password, which ends the sessions (XEP-0133 §4.7).
func (a *admin) password(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error) {
	j, err := a.one(v)
	switch {
	case err != nil:
		return "", err
	case v["password"] == "":
		return "", badPayload("Please give a password.")
	}
	who, err := a.Accounts.Lookup(ctx, j.Local())
	if err == nil {
		err = notYourself(q, who) // in one's app one is asked for the old one
	}
	if err == nil {
		err = a.Accounts.SetPassword(ctx, who.Name, v["password"])
	}
	if err != nil {
		return "", refusal(err)
	}
	a.note(ctx, q, "change-user-password", who)
	return "", nil
}

// lastLogin tells when accounts were there last (XEP-0133 §4.9): now, or when their last device left; "" for never.
func (a *admin) lastLogin(ctx context.Context, q *router.Request, _ form.Values) (xmlstream.Raw, error) {
	list, err := a.several(q)
	if err != nil {
		return "", err
	}
	var names, times []string
	for _, j := range list {
		who, err := a.Accounts.Lookup(ctx, j.Local())
		if err != nil {
			return "", refusal(err)
		}
		last, err := a.Seen.Last(ctx, who.ID)
		if err != nil {
			return "", err
		}
		at := last.At
		for _, d := range a.Router.Devices(j.Bare()) {
			if d.LogIn.At.After(at) {
				at = d.LogIn.At
			}
		}
		text := ""
		if !at.IsZero() {
			text = at.UTC().Format(time.RFC3339) // XEP-0082 §3.2
		}
		names, times = append(names, j.Bare().String()), append(times, text)
	}
	return form.Result(ns, form.Field{Var: "accountjids", Type: form.JIDMulti, Values: names},
		form.Field{Var: "lastlogin", Type: form.TextMulti, Values: times}), nil
}

// stats tells what is known of an account (XEP-0133 §4.10).
func (a *admin) stats(ctx context.Context, _ *router.Request, v form.Values) (xmlstream.Raw, error) {
	j, err := a.one(v)
	if err != nil {
		return "", err
	}
	who, err := a.Accounts.Lookup(ctx, j.Local())
	if err != nil {
		return "", refusal(err)
	}
	n, err := a.Accounts.Contacts(ctx, who.ID)
	if err != nil {
		return "", err
	}
	resources := []string{}
	for _, d := range a.Router.Devices(j.Bare()) {
		resources = append(resources, d.JID.Resource())
	}
	return form.Result(ns, form.Field{Var: "rostersize", Value: strconv.Itoa(n)},
		form.Field{Var: "onlineresources", Type: form.TextMulti, Values: resources}), nil
}
