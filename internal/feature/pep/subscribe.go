// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func subscribed(n item.Node, who jid.JID) bool { return slices.Contains(n.Subscriptions, who) }

// subscriber reads node and address of a request of theirs (XEP-0060 §6.1.3.1).
func subscriber(q *router.Request, el xmlstream.Node, stranger error) (node string, who jid.JID, err error) {
	if node = el.Attr("node"); node == "" {
		return "", jid.JID{}, errNodeRequired
	}
	if who, err = jid.Parse(el.Attr("jid")); err != nil {
		return "", jid.JID{}, errInvalidJID
	}
	if who.Bare() != q.From.Bare() {
		return "", jid.JID{}, stranger
	}
	return node, who, nil
}

// subscribe has somebody told what happens to a node, whatever their devices announce (XEP-0060 §6.1).
func (p *Pep) subscribe(ctx context.Context, q *router.Request, el, option xmlstream.Node) (xmlstream.Raw, error) {
	node, who, err := subscriber(q, el, errInvalidJID)
	switch {
	case err != nil:
		return "", err
	case !option.IsZero(): // XEP-0060 §6.3.7
		return "", unsupported("subscription-options")
	}
	n, err := p.node(ctx, q.Account, q.Owner.ID, who.Bare(), node)
	if err != nil {
		return "", err
	}
	if err := p.write(ctx, func(tx *db.Tx) error { return p.items.Subscribe(tx, owner(q), node, who) }); err != nil {
		return "", err
	}
	if n.Config.SendLast != item.Never { // XEP-0060 §6.1.7
		q.After(func(ctx context.Context) { p.sendLast(ctx, owner(q), n, who) })
	}
	var b xmlstream.Builder
	b.Start(ns, "pubsub")
	writeSubscription(&b, node, who, "subscribed")
	return b.End().Build(), nil
}

func writeSubscription(b *xmlstream.Builder, node string, who jid.JID, state string) {
	b.Start("", "subscription").Attr("node", node).Attr("jid", who.String()).Attr("subscription", state).End()
}

// unsubscribe ends that (XEP-0060 §6.2). There are no subscription identifiers, and one that is given counts for nothing
// (§6.2.3.5).
func (p *Pep) unsubscribe(ctx context.Context, q *router.Request, el xmlstream.Node) (xmlstream.Raw, error) {
	node, who, err := subscriber(q, el, stanza.Forbidden) // XEP-0060 §6.2.3.3
	if err != nil {
		return "", err
	}
	if _, err := p.node(ctx, q.Account, q.Owner.ID, who.Bare(), node); err != nil {
		return "", err
	}
	if err := p.write(ctx, func(tx *db.Tx) error { return p.items.Unsubscribe(tx, owner(q), node, who) }); err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "pubsub")
	writeSubscription(&b, node, who, "none")
	return b.End().Build(), nil
}

// options says that there are none (XEP-0060 §6.3.4.6).
func (p *Pep) options(ctx context.Context, q *router.Request, el xmlstream.Node) error {
	if _, err := p.node(ctx, q.Account, q.Owner.ID, q.From.Bare(), el.Attr("node")); err != nil {
		return err
	}
	return unsupported("subscription-options")
}

// subscriptions lists those of who asks (XEP-0060 §5.6).
func (p *Pep) subscriptions(ctx context.Context, q *router.Request, el xmlstream.Node) (xmlstream.Raw, error) {
	nodes, err := p.asked(ctx, q, el)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "pubsub").Start(ns, "subscriptions")
	for _, n := range nodes {
		for _, who := range n.Subscriptions {
			if who.Bare() == q.From.Bare() {
				writeSubscription(&b, n.Name, who, "subscribed")
			}
		}
	}
	return b.End().End().Build(), nil
}

// affiliations lists those of who asks (XEP-0060 §5.7).
func (p *Pep) affiliations(ctx context.Context, q *router.Request, el xmlstream.Node) (xmlstream.Raw, error) {
	nodes, err := p.asked(ctx, q, el)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "pubsub").Start(ns, "affiliations")
	for _, n := range nodes {
		a := n.Affiliations[q.From.Bare()]
		if own(q) {
			a = "owner"
		}
		if a != "" {
			b.Start(ns, "affiliation").Attr("node", n.Name).Attr("affiliation", string(a)).End()
		}
	}
	return b.End().End().Build(), nil
}

// asked returns the node that the request names, or all that who asks may see.
func (p *Pep) asked(ctx context.Context, q *router.Request, el xmlstream.Node) ([]item.Node, error) {
	if name := el.Attr("node"); name != "" {
		n, err := p.node(ctx, q.Account, q.Owner.ID, q.From.Bare(), name)
		return []item.Node{n}, err
	}
	list, err := p.visible(ctx, q.Account, q.Owner.ID, q.From.Bare())
	if err != nil || len(list) > 0 || own(q) {
		return list, err
	}
	i, err := p.contacts.Get(ctx, q.Owner.ID, q.From.Bare())
	if err == nil && !acquainted(i) {
		err = stanza.ServiceUnavailable
	}
	return nil, err
}

// subscriptionChanged tells somebody that the owner has changed their subscription (XEP-0060 §12.14).
func subscriptionChanged(account, who jid.JID, node string, on bool) *stanza.Stanza {
	state := "none"
	if on {
		state = "subscribed"
	}
	var b xmlstream.Builder
	b.Start(nsEvent, "event")
	writeSubscription(&b, node, who, state)
	return stanza.New(stanza.Message, "headline", stanza.NewID(), account, who, b.End().Build())
}

// ContactChanged ends the subscriptions of a contact to nodes that they may no longer see (XEP-0163 §7.1). It is for
// contact.Service.OnChange.
func (p *Pep) ContactChanged(c contact.Change) {
	p.r.Do(c.Owner.JID, func(ctx context.Context) {
		if err := p.recalculate(ctx, c); err != nil {
			p.log.ErrorContext(ctx, "end subscriptions", "err", err)
		}
	})
}

func (p *Pep) recalculate(ctx context.Context, c contact.Change) error {
	nodes, err := p.items.Nodes(ctx, c.Owner.ID)
	if err != nil {
		return err
	}
	o := item.Owner{ID: c.Owner.ID, JID: c.Owner.JID}
	for _, n := range nodes {
		for _, who := range n.Subscriptions {
			if who.Bare() != c.Item.Address {
				continue
			}
			i, err := p.contacts.Get(ctx, o.ID, who.Bare())
			if err != nil {
				return err
			}
			if may(o.JID, who.Bare(), i, n) == nil {
				continue
			}
			if err := p.db.Write(ctx, func(tx *db.Tx) error { return p.items.Unsubscribe(tx, o, n.Name, who) }); err != nil {
				return err
			}
			p.r.Route(subscriptionChanged(o.JID, who, n.Name, false))
		}
	}
	return nil
}
