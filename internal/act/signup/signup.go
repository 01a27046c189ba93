// SPDX-License-Identifier: Apache-2.0

// Package signup brings people in: the account, the use of the invitation, and the contacts of both sides, in one
// write, all or nothing.
//
// An invitation counts as long as who made it could still make one like it: not when its inviter is gone, locked or made
// Limited, and one that makes an admin not when its inviter is no admin any more. A name that an open invitation keeps
// is given to who comes by that invitation only (XEP-0401 v0.6.0 §6.2).
//
// Everything that creates an account calls Do: the sign-up page, registration in an app, the command line. What the
// services have to tell (roster pushes, a new account) they tell by themselves after the commit.
package signup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// Act is what a sign-up changes. It may be used by many goroutines.
type Act struct {
	DB       *db.DB
	Accounts *account.Service
	Invites  *invite.Service
	Contacts *contact.Service
	Domain   string // of all accounts
}

// A Request says who wants an account.
type Request struct {
	Name     string
	Password string
	Token    invite.Token // "" where an admin makes the account without an invitation
	Since    time.Time    // when Look found the invitation good: it may have expired meanwhile; zero: now
	Role     account.Role // where Token is "", else the invitation says it
	Code     bool         // make a one-time code, by which a browser logs in at once
}

// A Result is what came of it.
type Result struct {
	Account account.Account
	Inviter account.Account // the zero account where no person invited
	Code    string          // "" where none was asked
}

// Do makes an account. It returns the errors of package account for name and password (*account.NameError,
// account.ErrTaken, *account.PasswordError), and those of package invite for the invitation; then nothing has changed,
// and the invitation can be used again.
func (a *Act) Do(ctx context.Context, r Request) (Result, error) {
	// What can be refused is refused before the costly part; the act looks again.
	role := r.Role
	if r.Token != "" {
		inv, err := a.look(ctx, r.Token, r.Since)
		if err != nil {
			return Result{}, err
		}
		role = account.Role(inv.Role)
	}
	name, err := a.Accounts.CheckName(r.Name, role)
	if err != nil {
		return Result{}, err
	}
	password, err := a.Accounts.Password(name, r.Password)
	if err != nil {
		return Result{}, err
	}
	var res Result
	err = a.DB.Write(ctx, func(tx *db.Tx) error {
		res = Result{}
		return a.do(tx, r, role, password, &res)
	})
	if err != nil {
		return Result{}, fmt.Errorf("sign up: %w", err)
	}
	return res, nil
}

func (a *Act) do(tx *db.Tx, r Request, role account.Role, password account.Password, res *Result) (err error) {
	var inv invite.Invite
	if r.Token != "" {
		if inv, res.Inviter, err = a.check(tx, r.Token, r.Since); err != nil {
			return err
		}
		role = account.Role(inv.Role)
	}
	if err := a.unkept(tx, r.Name, inv.ID); err != nil {
		return err
	}
	if res.Account, err = a.Accounts.Create(tx, r.Name, password, role); err != nil {
		return err
	}
	if r.Token != "" {
		by := invite.By{ID: res.Account.ID, Name: res.Account.Name, Since: r.Since}
		if _, err := a.Invites.Redeem(tx, r.Token, by); err != nil {
			return err
		}
	}
	if inv.Kind == invite.Contact {
		if err := a.befriend(tx, res.Account, res.Inviter); err != nil {
			return err
		}
	}
	if role == account.Admin {
		if err := a.Invites.EndFirstAdmin(tx); err != nil {
			return err
		}
	}
	if r.Code {
		res.Code, err = a.Accounts.NewCode(tx, res.Account.ID)
	}
	return err
}

// Look returns the invitation of a token by which somebody can sign up now. It returns the errors of package invite,
// with the invitation where there is one.
func (a *Act) Look(ctx context.Context, t invite.Token) (invite.Invite, error) {
	return a.look(ctx, t, time.Time{})
}

func (a *Act) look(ctx context.Context, t invite.Token, since time.Time) (inv invite.Invite, err error) {
	err = a.DB.Read(ctx, func(tx *db.ReadTx) error {
		inv, _, err = a.check(tx, t, since)
		return err
	})
	return inv, err
}

// check returns the invitation of t and who made it, with an error where it does not count.
func (a *Act) check(tx db.Querier, t invite.Token, since time.Time) (inv invite.Invite, inviter account.Account, err error) {
	inv, err = a.Invites.Check(tx, t)
	if errors.Is(err, invite.ErrExpired) && !since.IsZero() {
		err = inv.Err(since)
	}
	if err != nil {
		return inv, inviter, err
	}
	if inv.FirstAdmin {
		has, err := a.Accounts.HasAdmin(tx)
		if err != nil {
			return inv, inviter, err
		}
		if has {
			return inv, inviter, invite.ErrRevoked
		}
	}
	if inv.Inviter == 0 {
		return inv, inviter, nil
	}
	inviter, err = a.Accounts.Get(tx, inv.Inviter)
	if errors.Is(err, account.ErrUnknown) || err == nil && !mayInvite(inviter, account.Role(inv.Role)) {
		return inv, inviter, invite.ErrRevoked
	}
	return inv, inviter, err
}

// mayInvite reports whether an account may bring in people of a role.
func mayInvite(who account.Account, role account.Role) bool {
	if who.Disabled || who.Role == account.Limited {
		return false
	}
	return role != account.Admin || who.Role == account.Admin
}

// unkept returns account.ErrTaken where a name is kept by another invitation than that of id.
func (a *Act) unkept(tx *db.Tx, name string, id int64) error {
	j, err := jid.New(name, a.Domain, "")
	if err != nil {
		return nil // no account can be called so, and Create says why
	}
	kept, err := a.Invites.KeptBy(tx, j.Local())
	if err == nil && kept != 0 && kept != id {
		err = account.ErrTaken
	}
	return err
}

// Invite makes an invitation, and keeps its name, if it has one, which is put into its normal spelling. It returns the
// errors of package invite, and for the name those of package account. Whether the inviter may make it is for the caller
// to know.
func (a *Act) Invite(ctx context.Context, r invite.Request) (inv invite.Invite, t invite.Token, err error) {
	if r.Name != "" {
		if r.Name, err = a.Accounts.CheckName(r.Name, account.Role(r.Role)); err != nil {
			return inv, t, err
		}
		free, err := a.Accounts.Free(ctx, r.Name)
		if err == nil && !free {
			err = account.ErrTaken
		}
		if err != nil {
			return inv, t, err
		}
	}
	err = a.DB.Write(ctx, func(tx *db.Tx) (err error) {
		inv, t, err = a.Invites.Create(tx, r)
		return err
	})
	return inv, t, err
}

// Accept uses up an invitation by which somebody who has an account, here or elsewhere, asks the inviter to be a contact
// (XEP-0379 v0.3.3 §5.2), and reports whether it may be: else it is not one, or does not count, or is for somebody else,
// and nothing has changed.
func (a *Act) Accept(tx *db.Tx, inviter account.Account, by invite.By, t invite.Token) (bool, error) {
	inv, _, err := a.check(tx, t, by.Since)
	if err == nil && (inv.Kind != invite.Contact || inv.Inviter != inviter.ID) {
		return false, nil
	}
	if err == nil {
		_, err = a.Invites.Redeem(tx, t, by)
	}
	if Refusal(err) != nil {
		return false, nil
	}
	return err == nil, err
}

func (a *Act) befriend(tx *db.Tx, newcomer, inviter account.Account) error {
	x, err := a.owner(newcomer)
	if err != nil {
		return err
	}
	y, err := a.owner(inviter)
	if err != nil {
		return err
	}
	return a.Contacts.MakeMutual(tx, x, y)
}

func (a *Act) owner(who account.Account) (contact.Owner, error) {
	j, err := jid.New(who.Name, a.Domain, "")
	return contact.Owner{ID: who.ID, JID: j}, err
}
