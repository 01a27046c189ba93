// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// event is what followers of a node are told (XEP-0060 §7.1.2, §7.2.2.1, §8.2.5.3, §8.4.2, §8.5.2).
func event(c item.Change) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsEvent, "event")
	node := c.Node.Name
	switch c.Kind {
	case item.Published:
		b.Start(nsEvent, "items").Attr("node", node)
		for _, it := range c.Items {
			if c.Node.Config.Persist || c.Node.Config.Payloads { // else there is nothing to be said of it
				writeItem(&b, it, c.Node.Config.Payloads)
			}
		}
		b.End()
	case item.Retracted:
		b.Start(nsEvent, "items").Attr("node", node)
		for _, it := range c.Items {
			b.Start(nsEvent, "retract").Attr("id", it.ID).End()
		}
		b.End()
	case item.Purged:
		b.Start(nsEvent, "purge").Attr("node", node).End()
	case item.Deleted:
		b.Start(nsEvent, "delete").Attr("node", node)
		if c.To != "" {
			b.Start(nsEvent, "redirect").Attr("uri", c.To).End()
		}
		b.End()
	case item.Configured:
		b.Start(nsEvent, "configuration").Attr("node", node)
		if c.Node.Config.Payloads {
			b.Raw(form.Result(formConfig, fields(c.Node.Config)...))
		}
		b.End()
	}
	return b.End().Build()
}

// tells reports whether anybody is told of a change.
func tells(c item.Change) bool {
	switch c.Kind {
	case item.Published:
		return c.Node.Config.Deliver
	case item.Retracted, item.Purged, item.Deleted, item.Configured:
		return c.Notify && c.Node.Config.Deliver
	}
	return false
}

// Changed tells who follows a node what happened to it. It is for item.Service.OnChange.
func (p *Pep) Changed(c item.Change) {
	if !tells(c) {
		return
	}
	p.r.Do(c.Owner.JID, func(ctx context.Context) {
		if err := p.tell(ctx, c); err != nil {
			p.log.ErrorContext(ctx, "tell of a publication", "err", err)
		}
	})
}

// tell tells everybody, in the turn of the owner. The message is made once.
func (p *Pep) tell(ctx context.Context, c item.Change) error {
	from := c.Owner.JID // XEP-0163 §4.3.1
	m := stanza.New(stanza.Message, "headline", stanza.NewID(), from, jid.JID{}, event(c))
	named, err := p.named(ctx, c.Owner, c.Node)
	if err != nil {
		return err
	}
	barred, err := p.barred(ctx, c.Owner)
	if err != nil {
		return err
	}
	p.give(ctx, from, m, c.Node.Name, named[from], nil) // whatever the access model (XEP-0060 §9.1.1)
	delete(named, from)

	implied, err := p.implied(ctx, c.Owner, c.Node)
	if err != nil {
		return err
	}
	for _, who := range implied {
		switch {
		case who.Domain() == p.r.Domain.Domain():
			p.r.Route(m.With(following(c.Node.Name, named[who], barred[who])).Addressed(from, who))
		case !slices.Contains(named[who], who):
			for _, full := range p.remote.follow(from, who, c.Node.Name) {
				if !slices.Contains(named[who], full) && !slices.Contains(barred[who], full) {
					p.r.Route(m.Addressed(from, full))
				}
			}
		}
	}
	for bare, list := range named { // XEP-0163 §4.3.2: to the address that was subscribed
		for _, who := range list {
			if bare.Domain() != p.r.Domain.Domain() || !slices.Contains(implied, bare) {
				p.r.Route(m.Addressed(from, who))
			}
		}
	}
	return nil
}

// named are the addresses that have subscribed to a node and may see it, by their bare ones.
func (p *Pep) named(ctx context.Context, o item.Owner, n item.Node) (map[jid.JID][]jid.JID, error) {
	list := map[jid.JID][]jid.JID{}
	for _, who := range n.Subscriptions {
		bare := who.Bare()
		ok, err := p.reaches(ctx, o, who, n)
		if err != nil {
			return nil, err
		}
		if ok {
			list[bare] = append(list[bare], who)
		}
	}
	return list, nil
}

// barred are devices of people who are not blocked themselves, by their bare addresses (XEP-0191 §6).
func (p *Pep) barred(ctx context.Context, o item.Owner) (list map[jid.JID][]jid.JID, err error) {
	if p.blocks == nil {
		return nil, nil
	}
	blocked, err := p.blocks.Of(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	for a := range blocked.All() {
		if a.IsFull() {
			if list == nil {
				list = map[jid.JID][]jid.JID{}
			}
			list[a.Bare()] = append(list[a.Bare()], a)
		}
	}
	return list, nil
}

// reaches reports whether what is published at n may be sent to an address.
func (p *Pep) reaches(ctx context.Context, o item.Owner, to jid.JID, n item.Node) (bool, error) {
	who := to.Bare()
	if who == o.JID {
		return true, nil
	}
	if p.blocks != nil { // XEP-0163 §4.3.3
		blocked, err := p.blocks.Of(ctx, o.ID)
		if err != nil || blocked.Covers(to) {
			return false, err
		}
	}
	i, err := p.contacts.Get(ctx, o.ID, who)
	return err == nil && may(o.JID, who, i, n) == nil, err
}

// implied are the contacts that are subscribed to a node because they get the owner's presence and may see it (XEP-0060
// §9.1.2).
func (p *Pep) implied(ctx context.Context, o item.Owner, n item.Node) (list []jid.JID, err error) {
	if n.Config.Access == item.Whitelist && len(n.Affiliations) == 0 { // what is private, and written often
		return nil, nil
	}
	subscribers, err := p.contacts.Subscribers(ctx, o.ID)
	if err != nil {
		return nil, err
	}
	for _, who := range subscribers {
		ok, err := p.reaches(ctx, o, who, n)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, who)
		}
	}
	return list, nil
}

// sendLast sends the last item of a node to an address, if there is one (XEP-0163 §4.3.4).
func (p *Pep) sendLast(ctx context.Context, o item.Owner, n item.Node, to jid.JID) {
	it, ok, err := p.items.Last(ctx, o.ID, n)
	switch {
	case err != nil:
		p.log.ErrorContext(ctx, "read last item", "err", err)
	case ok:
		e := event(item.Change{Kind: item.Published, Node: n, Items: []item.Item{it}})
		p.r.Route(stanza.New(stanza.Message, "headline", stanza.NewID(), o.JID, to, e, delay.New(o.JID, it.At, "")))
	}
}
