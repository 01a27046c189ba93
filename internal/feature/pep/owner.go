// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// ownerSet does what the owner wants done with a node.
func (p *Pep) ownerSet(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	act, _, err := only(q.Payload, nsOwner)
	if err != nil {
		return "", err
	}
	node := act.Attr("node")
	if node == "" { // XEP-0060 §8.2.3.3
		return "", errNodeRequired
	}
	switch act.Name().Local {
	case "configure":
		return "", p.configure(ctx, q, act, node)
	case "delete":
		return "", p.delete(ctx, q, act, node)
	case "purge":
		return "", p.purge(ctx, q, node)
	case "affiliations":
		return "", p.affiliate(ctx, q, act, node)
	case "subscriptions":
		return "", p.manage(ctx, q, act, node)
	}
	return "", stanza.BadRequest
}

// ownerGet answers what the owner asks of a node.
func (p *Pep) ownerGet(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	act, _, err := only(q.Payload, nsOwner)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(nsOwner, "pubsub")
	if act.Name().Local == "default" { // XEP-0060 §8.3
		return b.Start(nsOwner, "default").Raw(configForm(item.Default())).End().End().Build(), nil
	}
	node := act.Attr("node")
	if node == "" {
		return "", errNodeRequired
	}
	n, err := p.items.Node(ctx, q.Owner.ID, node)
	if err != nil {
		return "", public(err)
	}
	switch act.Name().Local {
	case "configure": // XEP-0060 §8.2.2
		b.Start(nsOwner, "configure").Attr("node", node).Raw(configForm(n.Config)).End()
	case "affiliations": // XEP-0060 §8.9.1
		b.Start(nsOwner, "affiliations").Attr("node", node)
		b.Start(nsOwner, "affiliation").Attr("jid", q.Account.String()).Attr("affiliation", "owner").End()
		for who, a := range n.Affiliations {
			b.Start(nsOwner, "affiliation").Attr("jid", who.String()).Attr("affiliation", string(a)).End()
		}
		b.End()
	case "subscriptions": // XEP-0060 §8.8.1
		b.Start(nsOwner, "subscriptions").Attr("node", node)
		for _, who := range n.Subscriptions {
			b.Start(nsOwner, "subscription").Attr("jid", who.String()).Attr("subscription", "subscribed").End()
		}
		b.End()
	default:
		return "", stanza.BadRequest
	}
	return b.End().Build(), nil
}

// configure changes how a node behaves (XEP-0060 §8.2.4).
func (p *Pep) configure(ctx context.Context, q *router.Request, el xmlstream.Node, node string) error {
	f, cancelled := formIn(el)
	if f == nil || !f.is(formConfig) {
		return stanza.BadRequest
	}
	return p.write(ctx, func(tx *db.Tx) error {
		n, err := p.items.Lookup(tx, q.Owner.ID, node)
		if err != nil || cancelled {
			return err
		}
		c, err := p.apply(n.Config, f, false) // what the form does not name stays (XEP-0004 §3.2)
		if err != nil {
			return err
		}
		return p.items.Configure(tx, owner(q), node, c)
	})
}

// delete removes a node (XEP-0060 §8.4).
func (p *Pep) delete(ctx context.Context, q *router.Request, el xmlstream.Node, node string) error {
	to := ""
	if r, ok := el.Child(nsOwner, "redirect"); ok {
		to = r.Attr("uri")
	}
	return p.write(ctx, func(tx *db.Tx) error { return p.items.Delete(tx, owner(q), node, to) })
}

// purge removes all items of a node (XEP-0060 §8.5).
func (p *Pep) purge(ctx context.Context, q *router.Request, node string) error {
	return p.write(ctx, func(tx *db.Tx) error {
		n, err := p.items.Lookup(tx, q.Owner.ID, node)
		switch {
		case err != nil:
			return err
		case !n.Config.Persist: // XEP-0060 §8.5.3.3
			return unsupported("persistent-items")
		}
		return p.items.Purge(tx, owner(q), node)
	})
}

// affiliate changes who is what to a node (XEP-0060 §8.9.2). What cannot be comes back as it was; all else is done (§8.9.2.4).
func (p *Pep) affiliate(ctx context.Context, q *router.Request, el xmlstream.Node, node string) error {
	changed := map[jid.JID]item.Affiliation{}
	var bad []jid.JID
	var unknown error
	seen := map[jid.JID]bool{}
	for n := range el.Children() {
		who, err := jid.Parse(n.Attr("jid"))
		who = who.Bare()
		switch {
		case !n.Is(nsOwner, "affiliation"), seen[who]:
			return stanza.BadRequest
		case err != nil:
			return stanza.JIDMalformed
		}
		seen[who] = true
		switch a := n.Attr("affiliation"); {
		case !n.HasAttr("affiliation"), who == q.Account && a == "owner": // XEP-0060 §8.9.2.1: nothing is changed
		case who == q.Account, a == "owner": // XEP-0060 §8.9.2.4: there is one owner
			bad = append(bad, who)
		case a == "none": // XEP-0060 §8.9.3
			changed[who] = ""
		case a == string(item.Member), a == string(item.Outcast):
			changed[who] = item.Affiliation(a)
		case a == "publisher", a == "publish-only": // XEP-0060 §8.9.2.3.2
			bad, unknown = append(bad, who), unsupported(a+"-affiliation")
		default:
			return stanza.BadRequest
		}
	}
	if err := p.write(ctx, func(tx *db.Tx) error { return p.items.Affiliate(tx, owner(q), node, changed) }); err != nil {
		return err
	}
	switch {
	case len(bad) == 0:
		return nil
	case unknown != nil && len(seen) == 1:
		return unknown
	}
	return p.unaffiliated(ctx, q, node, bad)
}

// unaffiliated refuses changes of affiliations, and says what they still are.
func (p *Pep) unaffiliated(ctx context.Context, q *router.Request, node string, bad []jid.JID) error {
	n, err := p.items.Node(ctx, q.Owner.ID, node)
	if err != nil {
		return public(err)
	}
	var b xmlstream.Builder
	b.Start(nsOwner, "pubsub").Start(nsOwner, "affiliations").Attr("node", node)
	for _, who := range bad {
		a := n.Affiliations[who]
		switch {
		case who == q.Account:
			a = "owner"
		case a == "":
			a = "none"
		}
		b.Start(nsOwner, "affiliation").Attr("jid", who.String()).Attr("affiliation", string(a)).End()
	}
	return stanza.NotAcceptable.WithPayload(b.End().End().Build())
}

// manage changes who is subscribed to a node (XEP-0060 §8.8.2). What cannot be comes back as it was; all else is done
// (§8.8.2.4).
func (p *Pep) manage(ctx context.Context, q *router.Request, el xmlstream.Node, node string) error {
	n, err := p.items.Node(ctx, q.Owner.ID, node)
	if err != nil {
		return public(err)
	}
	wanted := map[jid.JID]bool{}
	var bad []jid.JID
	for x := range el.Children() {
		who, err := jid.Parse(x.Attr("jid"))
		if _, twice := wanted[who]; twice || !x.Is(nsOwner, "subscription") {
			return stanza.BadRequest
		}
		if err != nil {
			return stanza.JIDMalformed
		}
		ok := true
		switch s := x.Attr("subscription"); s {
		case "none":
		case "subscribed": // whoever may not see it would never be sent anything
			i, err := p.contacts.Get(ctx, q.Owner.ID, who.Bare())
			if err != nil {
				return err
			}
			ok = may(q.Account, who.Bare(), i, n) == nil
		default: // there is nothing to be approved or configured
			if !x.HasAttr("subscription") {
				continue // XEP-0060 §8.8.2.1
			}
			ok = false
		}
		if !ok {
			bad = append(bad, who)
		} else if on := x.Attr("subscription") == "subscribed"; on != subscribed(n, who) {
			wanted[who] = on
		}
	}
	if err := p.write(ctx, func(tx *db.Tx) error { return p.items.SetSubscriptions(tx, owner(q), node, wanted) }); err != nil {
		return err
	}
	for who, on := range wanted { // XEP-0060 §8.8.4
		p.r.Route(subscriptionChanged(q.Account, who, node, on))
	}
	if len(bad) == 0 {
		return nil
	}
	var b xmlstream.Builder
	b.Start(nsOwner, "pubsub").Start(nsOwner, "subscriptions").Attr("node", node)
	for _, who := range bad {
		state := "none"
		if subscribed(n, who) {
			state = "subscribed"
		}
		b.Start(nsOwner, "subscription").Attr("jid", who.String()).Attr("subscription", state).End()
	}
	return stanza.NotAcceptable.WithPayload(b.End().End().Build())
}
