// SPDX-License-Identifier: Apache-2.0

// Package removal removes an account with everything that hangs on it.
//
// One write closes it: nobody can log in, its name is nobody's, and a tombstone stays, so that nobody else ever gets
// messages meant for its owner. The contacts of the account lose their subscriptions as if it had ended them one by one
// (RFC 6121 §3.2, §3.3): those on this server in the same write, and the Result says what all of them must be told. What
// there may be much of (the archive) is removed afterwards, little by little, so that others who write need not wait;
// Run goes on with it after a start.
package removal

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// Options are what a removal changes.
type Options struct {
	DB       *db.DB
	Accounts *account.Service
	Invites  *invite.Service
	Contacts *contact.Service
	Archive  *archive.Archive
	Clear    []func(tx *db.Tx, owner int64) (n int, err error) // each removes some of what else there may be much of; 0: nothing is left
	Domain   string                                            // of all accounts
	Log      *slog.Logger                                      // nil: nothing is logged
}

// Act removes accounts. It may be used by many goroutines.
type Act struct {
	Options
	more chan struct{} // of length 1: there is something to be cleared away
}

// New returns an Act. It starts nothing.
func New(o Options) *Act {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Act{Options: o, more: make(chan struct{}, 1)}
}

// A Notice is a presence stanza that a contact of the removed account must get.
type Notice struct {
	To   jid.JID      // bare
	Type contact.Type // Unsubscribe or Unsubscribed
}

// A Result says who was removed, and what remains to be told from its address.
type Result struct {
	Account account.Account
	JID     jid.JID  // bare
	Local   []Notice // for the devices of accounts of this server, whose lists have changed already: to be delivered, not processed again
	Remote  []Notice // to be sent to other servers
}

// Do removes the account of id: when it returns nil, the account is closed, and Run, or Finish, clears away what is left
// of it. It returns account.ErrUnknown or account.ErrLastAdmin.
func (a *Act) Do(ctx context.Context, id int64) (Result, error) {
	var res Result
	err := a.DB.Write(ctx, func(tx *db.Tx) error {
		res = Result{}
		return a.do(tx, id, &res)
	})
	if err != nil {
		return Result{}, fmt.Errorf("remove account: %w", err)
	}
	select {
	case a.more <- struct{}{}:
	default: // it is known that there is something
	}
	return res, nil
}

// Run clears away what is left of removed accounts, at once and after each removal, until ctx ends.
func (a *Act) Run(ctx context.Context) error {
	for {
		if err := a.Finish(ctx); err != nil && ctx.Err() == nil {
			a.Log.ErrorContext(ctx, "a part of a removed account stays until the next start", "err", err)
		}
		select {
		case <-a.more:
		case <-ctx.Done():
			return nil
		}
	}
}

// Finish clears away what is left of removed accounts, and returns when nothing is.
func (a *Act) Finish(ctx context.Context) error {
	for {
		id, err := a.Accounts.Deleted(ctx)
		if errors.Is(err, account.ErrUnknown) {
			return nil
		}
		if err != nil {
			return err
		}
		for _, clear := range append([]func(*db.Tx, int64) (int, error){a.Archive.Clear}, a.Clear...) {
			if err := a.DB.Batched(ctx, func(tx *db.Tx) (int, error) { return clear(tx, id) }); err != nil {
				return err
			}
		}
		if err := a.DB.Write(ctx, func(tx *db.Tx) error { return a.Accounts.Erase(tx, id) }); err != nil {
			return err
		}
	}
}

func (a *Act) do(tx *db.Tx, id int64, res *Result) (err error) {
	if res.Account, err = a.Accounts.Get(tx, id); err != nil {
		return err
	}
	if res.JID, err = jid.New(res.Account.Name, a.Domain, ""); err != nil {
		return err
	}
	if err := a.Accounts.Delete(tx, id); err != nil {
		return err
	}
	if err := a.Invites.Forget(tx, id); err != nil {
		return err
	}
	items, err := a.Contacts.Drop(tx, contact.Owner{ID: id, JID: res.JID})
	if err != nil {
		return err
	}
	for _, i := range items {
		if i.Address.Domain() != res.JID.Domain() {
			res.Remote = append(res.Remote, farewell(i)...)
		}
	}
	return a.part(tx, res)
}

// farewell is what ends all that is between the owner of i and the contact (RFC 6121 §2.5.2).
func farewell(i contact.Item) (list []Notice) {
	if i.State&(contact.To|contact.PendingOut) != 0 {
		list = append(list, Notice{i.Address, contact.Unsubscribe})
	}
	if i.State&(contact.From|contact.PendingIn) != 0 {
		list = append(list, Notice{i.Address, contact.Unsubscribed})
	}
	return list
}

// part ends the subscriptions in the lists of accounts of this server. It goes by their lists, not by that of the
// account, so that nothing stays even where the two did not fit.
func (a *Act) part(tx *db.Tx, res *Result) error {
	holders, err := a.Contacts.Holders(tx, res.JID)
	if err != nil {
		return err
	}
	for _, id := range holders {
		holder, err := a.Accounts.Get(tx, id)
		if err != nil {
			return err
		}
		j, err := jid.New(holder.Name, a.Domain, "")
		if err != nil {
			return err
		}
		for _, t := range []contact.Type{contact.Unsubscribe, contact.Unsubscribed} {
			v, err := a.Contacts.Inbound(tx, contact.Owner{ID: id, JID: j}, res.JID, t, "")
			if err != nil {
				return err
			}
			if v.Deliver {
				res.Local = append(res.Local, Notice{j, t})
			}
		}
	}
	return nil
}
