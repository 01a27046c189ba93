// SPDX-License-Identifier: Apache-2.0

// Package admin lets admins look after accounts from their app, by commands of XEP-0133 v1.3.1: those that have to do with
// accounts and who is there (accounts.go, users.go), and an announcement to all who are (announce.go). What has no
// place on this server, such as passwords and lists of contacts that somebody else reads, is not among them.
//
// The package knows what the commands do; that they are commands (XEP-0050) is the business of another room. Each one that
// changes something leaves a line in the log, with the ids of who did it and to whom.
package admin

import (
	"context"
	"errors"
	"log/slog"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/seen"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// ns begins the names of all commands, and is the type of their forms (XEP-0133 §8.2).
const (
	ns         = "http://jabber.org/protocol/admin"
	nsCommands = "http://jabber.org/protocol/commands"
)

// maxAccounts bounds those that one form may name.
const maxAccounts = 100

// Accounts is what can be done to accounts; names are localparts. The errors are those of the services.
type Accounts interface {
	Add(ctx context.Context, name, password string) error
	Delete(ctx context.Context, name string) error
	SetDisabled(ctx context.Context, name string, disabled bool) error
	SetPassword(ctx context.Context, name, password string) error
	Lookup(ctx context.Context, name string) (account.Account, error)
	List(ctx context.Context, after string, limit int) ([]account.Account, error)
	// Count returns how many accounts there are, and how many of them are disabled.
	Count(ctx context.Context) (all, disabled int, err error)
	// Contacts returns how many somebody has.
	Contacts(ctx context.Context, id int64) (int, error)
}

// Seen knows who left when; *seen.Service implements it.
type Seen interface {
	Last(ctx context.Context, account int64) (seen.Last, error)
}

// Options are what the commands need.
type Options struct {
	Router   *router.Router
	Log      *slog.Logger
	Accounts Accounts
	Seen     Seen
}

// A Command is one that an admin may run.
type Command struct {
	Node string
	Name string        // for people
	Form xmlstream.Raw // to be filled in first; "": there is none
	// Run does it, and returns what the result holds. Its errors are as of a router.IQFunc.
	Run func(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error)
}

// May reports whether an account may run the commands (XEP-0133 §6).
func May(a account.Account) bool { return a.Role == account.Admin }

type admin struct{ Options }

// Commands returns them all.
func Commands(o Options) []Command {
	a := &admin{o}
	return append(append(a.accounts(), a.users()...), a.announce())
}

// ask is a form for a command.
func ask(title, instructions string, fields ...form.Field) xmlstream.Raw {
	return form.New(ns, title, instructions, fields...)
}

// badPayload is the answer to a form that lacks something, or has what cannot be (XEP-0050 §4.4).
func badPayload(reason string) error {
	return stanza.BadRequest.WithApp(xmlstream.Elem(nsCommands, "bad-payload")).WithText(reason)
}

// one reads the address of a form that has one.
func (a *admin) one(v form.Values) (jid.JID, error) {
	return a.address(v["accountjid"])
}

// several reads the addresses of a form that has some.
func (a *admin) several(q *router.Request) ([]jid.JID, error) {
	texts := form.Lists(q.Payload)["accountjids"]
	if len(texts) == 0 || len(texts) > maxAccounts {
		return nil, badPayload("Please name one account at least, and not more than 100.")
	}
	var list []jid.JID
	for _, text := range texts {
		j, err := a.address(text)
		if err != nil {
			return nil, err
		}
		list = append(list, j)
	}
	return list, nil
}

// address reads the address of an account of this server.
func (a *admin) address(text string) (jid.JID, error) {
	j, err := jid.Parse(text)
	if err != nil || !j.HasLocal() || j.Domain() != a.Router.Domain.Domain() {
		return jid.JID{}, badPayload("Please give addresses of this server, such as juliet@" + a.Router.Domain.String() + ".")
	}
	return j, nil
}

// refusal is what an error of the services means for who asked (XEP-0133 §5).
func refusal(err error) error {
	switch {
	case errors.Is(err, account.ErrUnknown):
		return stanza.ItemNotFound.WithText("There is no such account.")
	case errors.Is(err, account.ErrLastAdmin):
		return stanza.NotAllowed.WithText("Nobody would be left to administer the server.")
	}
	if bad, ok := errors.AsType[*account.PasswordError](err); ok {
		return stanza.NotAcceptable.WithText(bad.Error())
	}
	if se := signup.Refusal(err); se != nil {
		return se
	}
	return err
}

// note writes what was done, by whom and to whom.
func (a *admin) note(ctx context.Context, q *router.Request, what string, to account.Account) {
	a.Log.InfoContext(ctx, "command of an admin", "command", what, "by", q.Owner.ID, "account", to.ID)
}
