// SPDX-License-Identifier: Apache-2.0

// Package invites lets people make invitations in their app, by the two commands of XEP-0401 v0.6.0. Whoever may bring in
// others makes links that make the one who opens them a contact, and give an account to who has none. Admins make links
// for an account, under a name of their choice if they like.
package invites

import (
	"context"
	"errors"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// The commands (XEP-0401 §3), with their names for people.
const (
	InviteNode = "urn:xmpp:invite#invite"
	InviteName = "Invite a friend"
	CreateNode = "urn:xmpp:invite#create-account"
	CreateName = "Invite somebody to have an account"
)

const formType = "urn:xmpp:invite#invitation"

// The fields of the form for an account (XEP-0401 §5.4).
const (
	fieldName    = "username"
	fieldContact = "roster-subscription"
)

// A Service makes invitations; *signup.Act implements it.
type Service interface {
	// Invite makes an invitation. It returns a *account.NameError, account.ErrTaken or invite.ErrTooMany.
	Invite(ctx context.Context, r invite.Request) (invite.Invite, invite.Token, error)
}

// Invites makes the commands' answers.
type Invites struct {
	service Service
	domain  string
	landing func(invite.Token) string // the address of the page that explains the invitation
}

// New returns the commands' other half; landing makes the address of an invitation's page.
func New(s Service, domain string, landing func(invite.Token) string) *Invites {
	return &Invites{s, domain, landing}
}

// MayInvite reports whether an account may make contacts of newcomers.
func MayInvite(a account.Account) bool { return a.Role != account.Limited }

// MayCreate reports whether an account may invite people for an account under a name.
func MayCreate(a account.Account) bool { return a.Role == account.Admin }

// Invite makes an invitation by who asks (XEP-0401 §5.1). It returns what the result holds.
func (i *Invites) Invite(ctx context.Context, q *router.Request, _ form.Values) (xmlstream.Raw, error) {
	inv, token, err := i.make(ctx, q, invite.Request{Kind: invite.Contact})
	if err != nil {
		return "", err
	}
	return i.result(inv, token, inv.URI(i.domain, token)), nil
}

// Form is what Create asks.
func Form() xmlstream.Raw {
	return form.New("", CreateName, "Without a name, the one who is invited chooses it.",
		form.Field{Var: fieldName, Label: "Name"},
		form.Field{Var: fieldContact, Label: "Make us contacts", Type: form.Boolean})
}

// Create makes an invitation for an account (XEP-0401 §5.4).
func (i *Invites) Create(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error) {
	r := invite.Request{Kind: invite.Account, Name: v[fieldName]}
	if v.True(fieldContact) {
		r.Kind = invite.Contact
	}
	inv, token, err := i.make(ctx, q, r)
	if err != nil {
		return "", err
	}
	return i.result(inv, token, inv.SignUpURI(i.domain, token)), nil
}

// make makes the invitation of a request, of who asks.
func (i *Invites) make(ctx context.Context, q *router.Request, r invite.Request) (invite.Invite, invite.Token, error) {
	r.Inviter, r.InviterName, r.Role = q.Owner.ID, q.Owner.Name, string(account.User)
	inv, token, err := i.service.Invite(ctx, r)
	if errors.Is(err, invite.ErrTooMany) {
		return inv, token, stanza.ResourceConstraint.WithText("There are too many open invitations.")
	}
	if se := signup.Refusal(err); se != nil {
		err = se
	}
	return inv, token, err
}

// result is the answer of both commands (XEP-0401 §12.1).
func (i *Invites) result(inv invite.Invite, token invite.Token, uri string) xmlstream.Raw {
	return form.Result(formType,
		form.Field{Var: "uri", Value: uri},
		form.Field{Var: "landing-url", Value: i.landing(token)},
		form.Field{Var: "expire", Value: inv.Expires.UTC().Format(time.RFC3339)}, // XEP-0082 §3.2
	)
}
