// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/removal"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// accountChanged ends the sessions of an account that may not go on as it was.
func (s *server) accountChanged(a account.Account, what account.Change) {
	condition := ""
	switch what {
	case account.PasswordChanged: // RFC 6120 §4.9.3.16
		condition = "reset"
	case account.Disabled, account.Deleted:
		condition = "not-authorized"
	default:
		return
	}
	bare, err := s.address(a)
	if err != nil {
		return // it never had a session
	}
	if what == account.Deleted {
		s.push.AccountGone(a.ID)
	}
	s.router.Do(bare, func(context.Context) {
		var spared []string
		for _, d := range s.router.Devices(bare) {
			if what == account.PasswordChanged && d.Spared() {
				spared = append(spared, string(account.KeyOf(d.Client, d.JID.Resource())))
				continue // it is the one that changed it
			}
			d.Kick(condition, "")
		}
		if what == account.PasswordChanged {
			s.push.ForgetOthers(a.ID, spared...)
		}
	})
}

// removeFunc removes an account with all that goes with it.
type removeFunc func(context.Context, account.Account) error

// remove removes an account, and tells whoever saw it. Its sessions end by accountChanged.
func (s *server) remove(ctx context.Context, a account.Account) error {
	farewells, err := s.farewells(ctx, a)
	if err != nil {
		return err
	}
	res, err := s.removal.Do(ctx, a.ID)
	if err == nil {
		s.removed(res, farewells)
	}
	return err
}

// farewells are the unavailable presence of the devices that an account has, for all who see them. They are made
// before the account is removed, since nobody knows afterwards who that was.
func (s *server) farewells(ctx context.Context, a account.Account) ([]*stanza.Stanza, error) {
	bare, err := s.address(a)
	if err != nil {
		return nil, err
	}
	subscribers, err := s.contacts.Subscribers(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	var list []*stanza.Stanza
	for _, d := range s.router.Devices(bare) {
		for _, to := range subscribers {
			if d.Available() != nil {
				list = append(list, stanza.New(stanza.Presence, "unavailable", stanza.NewID(), d.JID, to))
			}
		}
	}
	return list, nil
}

// removed tells the contacts of an account that is gone: first that nobody is there (RFC 6121 §3.2.2), then that they
// need not ask any more.
func (s *server) removed(res removal.Result, farewells []*stanza.Stanza) {
	for _, st := range farewells {
		s.router.Route(st)
	}
	for _, n := range res.Local { // their lists know already
		s.router.Do(n.To, func(context.Context) {
			for _, d := range s.router.Devices(n.To) {
				if d.Available() != nil {
					d.Send(stanza.New(stanza.Presence, string(n.Type), stanza.NewID(), res.JID, n.To))
				}
			}
		})
	}
}
