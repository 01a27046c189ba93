// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"errors"
	"slices"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// may returns why who, a bare address, may not see what is in a node of the account; nil where they may (XEP-0060 §6.1.3,
// §6.5.9). i is what they are to the account.
func may(account, who jid.JID, i contact.Item, n item.Node) error {
	if who == account {
		return nil
	}
	switch n.Affiliations[who] {
	case item.Outcast: // XEP-0060 §6.1.3.8, §6.5.9.10
		return stanza.Forbidden
	case item.Member:
		return nil
	}
	sees := i.State.Has(contact.From)
	switch n.Config.Access {
	case item.Open:
		return nil
	case item.Presence: // XEP-0060 §6.1.3.2, §6.5.9.6
		if sees {
			return nil
		}
		return stanza.NotAuthorized.WithApp(condition("presence-subscription-required"))
	case item.Roster: // XEP-0060 §6.1.3.3, §6.5.9.7
		if sees && slices.ContainsFunc(i.Groups, func(g string) bool { return slices.Contains(n.Config.Groups, g) }) {
			return nil
		}
		return stanza.NotAuthorized.WithApp(condition("not-in-roster-group"))
	}
	return stanza.NotAllowed.WithApp(condition("closed-node")) // XEP-0060 §6.1.3.4, §6.5.9.8
}

// acquainted reports whether somebody may know that there is an account: they see its presence, or are in its list.
func acquainted(i contact.Item) bool { return i.State.Has(contact.From) || i.Listed }

// node returns a node of the account if who, a bare address, may see what is in it. To those who are not to know that there
// is such an account, it and all its nodes are as if they were not there.
func (p *Pep) node(ctx context.Context, account jid.JID, id int64, who jid.JID, name string) (item.Node, error) {
	var i contact.Item
	if who != account {
		var err error
		if i, err = p.contacts.Get(ctx, id, who); err != nil {
			return item.Node{}, err
		}
	}
	n, err := p.items.Node(ctx, id, name)
	if err == nil {
		err = may(account, who, i, n)
	}
	if err == nil {
		return n, nil
	}
	_, refused := errors.AsType[*stanza.Error](err)
	if (refused || errors.Is(err, item.ErrNoNode)) && who != account && !acquainted(i) && n.Affiliations[who] == "" {
		return item.Node{}, stanza.ServiceUnavailable
	}
	return item.Node{}, public(err)
}

// welcome lets those ask who know that there is such an account, or may: all others hear what they would hear if there was
// none, however wrong their question is.
func (p *Pep) welcome(ctx context.Context, q *router.Request) error {
	who := q.From.Bare()
	if who == q.Account {
		return nil
	}
	i, err := p.contacts.Get(ctx, q.Owner.ID, who)
	if err != nil || acquainted(i) {
		return err
	}
	all, err := p.items.Nodes(ctx, q.Owner.ID)
	if err != nil {
		return err
	}
	for _, n := range all {
		if n.Affiliations[who] != "" || may(q.Account, who, i, n) == nil {
			return nil
		}
	}
	return stanza.ServiceUnavailable
}

// visible returns the nodes of the account whose items who, a bare address, may see.
func (p *Pep) visible(ctx context.Context, account jid.JID, id int64, who jid.JID) (list []item.Node, err error) {
	all, err := p.items.Nodes(ctx, id)
	if err != nil || who == account {
		return all, err
	}
	i, err := p.contacts.Get(ctx, id, who)
	if err != nil {
		return nil, err
	}
	for _, n := range all {
		if may(account, who, i, n) == nil {
			list = append(list, n)
		}
	}
	return list, nil
}

// May reports whether who, a bare address, may see what is in a node: for features that show it in another form.
func (p *Pep) May(ctx context.Context, o item.Owner, who jid.JID, n item.Node) (bool, error) {
	if who == o.JID {
		return true, nil
	}
	i, err := p.contacts.Get(ctx, o.ID, who)
	return err == nil && may(o.JID, who, i, n) == nil, err
}
