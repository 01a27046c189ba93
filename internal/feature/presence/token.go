// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"
	"errors"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsPreauth = "urn:xmpp:pars:0"

// Invitations knows who was invited; *signup.Act implements it.
type Invitations interface {
	// Accept uses up the invitation of a token, if it is one of the inviter to be a contact and by may use it, and reports
	// whether that was so. Otherwise nothing has changed.
	Accept(tx *db.Tx, inviter account.Account, by invite.By, t invite.Token) (bool, error)
}

// Accept has requests that come with the token of an invitation be granted without asking the one who made it, and
// answered with a request of theirs (XEP-0379 v0.3.3 §3.5). Without this call such tokens are ignored. It is called
// before the router starts.
func (p *Presence) Accept(i Invitations) { p.invitations = i }

// A verdict is what has come of a stanza about a subscription.
type verdict struct {
	contact.Verdict
	ask bool // the owner asks back
}

// tokenOf takes the token out of a request: it is between who asks and the server of who is asked, and no device sees
// it. A token that is none is ignored (XEP-0379 §4.1).
func tokenOf(st *stanza.Stanza) (invite.Token, *stanza.Stanza) {
	n, ok := st.Child(nsPreauth, "preauth")
	if !ok || st.Type != string(contact.Subscribe) {
		return "", st
	}
	token := invite.Token(n.Attr("token"))
	return token, st.Without(func(n xmlstream.Node) bool { return n.Is(nsPreauth, "preauth") })
}

// redeemer is by whom an invitation would be used that came from that address; ok is false where it could not be.
func (p *Presence) redeemer(ctx context.Context, from jid.JID) (by invite.By, ok bool, err error) {
	if from.DomainJID() != p.r.Domain {
		return invite.By{Name: from.String()}, true, nil
	}
	a, err := p.r.Accounts.Lookup(ctx, from.Local())
	if errors.Is(err, account.ErrUnknown) {
		return invite.By{}, false, nil
	}
	return invite.By{ID: a.ID, Name: a.Name}, err == nil, err
}

// accept turns v, which is of a request, into what a good token makes of it: the request is granted, and the owner
// asks the same. A token that would change nothing is kept.
func (p *Presence) accept(tx *db.Tx, t *router.Trip, v contact.Verdict, by invite.By, token invite.Token) (verdict, error) {
	grant, ask := v.After.State.Has(contact.PendingIn), v.After.State&(contact.To|contact.PendingOut) == 0
	out := verdict{Verdict: v}
	if !grant && !ask {
		return out, nil
	}
	ok, err := p.invitations.Accept(tx, t.Owner, by, token)
	if err != nil || !ok {
		return out, err
	}
	if grant {
		w, err := p.contacts.Outbound(tx, owner(t), v.After.Address, contact.Subscribed)
		if err != nil {
			return out, err
		}
		out.Deliver, out.Reply, out.After = false, contact.Subscribed, w.After
	}
	if ask {
		w, err := p.contacts.Outbound(tx, owner(t), v.After.Address, contact.Subscribe)
		if err != nil {
			return out, err
		}
		out.ask, out.After = w.Route, w.After
	}
	return out, nil
}
