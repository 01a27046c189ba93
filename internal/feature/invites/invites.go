// SPDX-License-Identifier: Apache-2.0

// Package invites lets people make invitations in their app (XEP-0401 v0.6.0 §5.1): a command whose result is a link
// that makes whoever signs up on it a contact of theirs.
package invites

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// The command (XEP-0401 §5.1).
const (
	Node = "urn:xmpp:invite#invite"
	Name = "Invite a friend"
)

const formType = "urn:xmpp:invite#invitation"

// A Service makes invitations; *invite.Service implements it.
type Service interface {
	Create(tx *db.Tx, r invite.Request) (invite.Invite, invite.Token, error)
}

// Invites makes the command's answers.
type Invites struct {
	db      *db.DB
	service Service
	domain  string
	landing func(invite.Token) string // the address of the page that explains the invitation
}

// New returns the command's other half; landing makes the address of an invitation's page.
func New(d *db.DB, s Service, domain string, landing func(invite.Token) string) *Invites {
	return &Invites{d, s, domain, landing}
}

// Run makes an invitation by who asks.
func (i *Invites) Run(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Owner.Role == account.Limited {
		return "", stanza.Forbidden
	}
	var inv invite.Invite
	var token invite.Token
	err := i.db.Write(ctx, func(tx *db.Tx) (err error) {
		inv, token, err = i.service.Create(tx, invite.Request{
			Kind: invite.Contact, Inviter: q.Owner.ID, InviterName: q.Owner.Name, Role: string(account.User),
		})
		return err
	})
	switch {
	case errors.Is(err, invite.ErrTooMany):
		return "", stanza.ResourceConstraint.WithText("There are too many open invitations.")
	case err != nil:
		return "", err
	}
	// XEP-0401 §5.1: ibr=y only where apps can register with the invitation, which they cannot yet.
	uri := strings.TrimSuffix(inv.URI(i.domain, token), ";ibr=y")
	return form.Result(formType,
		form.Field{Var: "uri", Value: uri},
		form.Field{Var: "landing-url", Value: i.landing(token)},
		form.Field{Var: "expire", Value: inv.Expires.UTC().Format(time.RFC3339)}, // XEP-0082 §3.2
	), nil
}
