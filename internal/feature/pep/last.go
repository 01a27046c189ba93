// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// told is which nodes a device wanted when it was last sent last items: it gets them once for as long as it is available
// (XEP-0163 §4.3.3).
type told struct {
	Own      []string // of its own account
	Contacts []string // of contacts
}

// Probe returns what is to go with the questions how contacts are, which are sent for a device that has just become
// available: what it announces, so that contacts' nodes answer, too. It is "" where nothing is known of the device, or it
// wants nothing. It runs in the turn of the device's account.
func (p *Pep) Probe(ctx context.Context, d *router.Device) xmlstream.Raw {
	wants := p.caps.Of(ctx, d).Nodes()
	if len(wants) == 0 {
		return ""
	}
	st := d.Available().Stanza
	if set, err := p.announced(ctx, st); err != nil || set == nil {
		return "" // what it answered counts for itself only: catchUp says what it wants
	}
	c, _ := st.Child(capability.NS, "c")
	p.told.Of(d).Contacts = wants
	return c.Raw()
}

// announced is what a presence stanza announces, if that is known of whoever announces it.
func (p *Pep) announced(ctx context.Context, st *stanza.Stanza) (*capability.Set, error) {
	k, _ := capability.Of(st)
	if !k.Checkable() {
		return nil, nil
	}
	return p.known.Get(ctx, k)
}

// presence sees what a device tells everybody.
func (p *Pep) presence(ctx context.Context, t *router.Trip) error {
	switch st := t.Stanza; {
	case !st.To.IsZero():
	case st.Type == "unavailable":
		*p.told.Of(t.Device) = told{}
	case st.Type == "":
		return p.catchUp(ctx, t.Device, item.Owner{ID: t.Owner.ID, JID: t.Account})
	}
	return nil
}

// learnt is for devices of which it is known late what they want.
func (p *Pep) learnt(ctx context.Context, d *router.Device) {
	a, err := p.r.Accounts.Lookup(ctx, d.JID.Local())
	if err == nil {
		err = p.catchUp(ctx, d, item.Owner{ID: a.ID, JID: d.JID.Bare()})
	}
	if err != nil {
		p.log.ErrorContext(ctx, "send last items", "err", err)
	}
}

// catchUp sends a device the last items of what it wants and was not told yet, of its own account and of contacts'.
func (p *Pep) catchUp(ctx context.Context, d *router.Device, o item.Owner) error {
	set := p.caps.Of(ctx, d)
	if set == nil {
		return nil // it is asked
	}
	wants, had := set.Nodes(), p.told.Of(d)
	own, contacts := fresh(wants, had.Own), fresh(wants, had.Contacts)
	had.Own, had.Contacts = wants, wants
	if len(own) > 0 {
		nodes, err := p.items.Nodes(ctx, o.ID)
		if err != nil {
			return err
		}
		for _, n := range nodes {
			if sendsLast(n) && slices.Contains(own, n.Name) {
				p.sendLast(ctx, o, n, d.JID)
			}
		}
	}
	if len(contacts) == 0 {
		return nil
	}
	subscriptions, err := p.contacts.Subscriptions(ctx, o.ID)
	if err != nil {
		return err
	}
	st := stanza.New(stanza.Message, "headline", "", d.JID, jid.JID{}, wantsNodes(contacts))
	for _, c := range subscriptions {
		if c.Domain() == p.r.Domain.Domain() { // other servers see its presence, and know what to do
			p.r.Route(st.Addressed(d.JID, c))
		}
	}
	return nil
}

// fresh returns what is in wants and not in had; both are sorted.
func fresh(wants, had []string) (list []string) {
	for _, w := range wants {
		if _, ok := slices.BinarySearch(had, w); !ok {
			list = append(list, w)
		}
	}
	return list
}

// wantsNodes asks the turn of another account for the last items of nodes.
func wantsNodes(nodes []string) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsOwn, "wants")
	for _, n := range nodes {
		b.Start(nsOwn, "node").Text(n).End()
	}
	return b.End().Build()
}

// sendsLast reports whether devices that come get the node's last item.
func sendsLast(n item.Node) bool {
	return n.Items > 0 && n.Config.SendLast == item.OnSubAndPresence && n.Config.Deliver
}

// serve sends a contact's device the last items of those nodes of the account that it wants and may see.
func (p *Pep) serve(ctx context.Context, t *router.Trip, wants []string) error {
	o := item.Owner{ID: t.Owner.ID, JID: t.Account}
	nodes, err := p.items.Nodes(ctx, o.ID)
	if err != nil {
		return err
	}
	for _, n := range nodes {
		if !sendsLast(n) || !slices.Contains(wants, n.Name) {
			continue
		}
		ok, err := p.follows(ctx, o, t.Stanza.From, n)
		if err != nil {
			return err
		}
		if ok {
			p.sendLast(ctx, o, n, t.Stanza.From)
		}
	}
	return nil
}

// follows reports whether a device's owner is subscribed to a node without having asked for it: they get the presence of the
// node's owner, and may see the node (XEP-0060 §9.1.2).
func (p *Pep) follows(ctx context.Context, o item.Owner, device jid.JID, n item.Node) (bool, error) {
	subscribers, err := p.contacts.Subscribers(ctx, o.ID)
	if err != nil || !slices.Contains(subscribers, device.Bare()) {
		return false, err
	}
	return p.reaches(ctx, o, device, n)
}

// seen sees what others tell the account.
func (p *Pep) seen(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	switch {
	case st.From.Domain() != p.r.Domain.Domain():
		return p.seenRemote(ctx, t)
	case st.Type == "probe" && st.From.IsFull(): // see Probe
		return p.probed(ctx, t)
	case st.Type == "subscribed": // XEP-0163 §4.3.4: new subscribers
		return p.subscribedTo(ctx, t)
	}
	return nil
}

// probed serves a device of a contact here that has just become available. It costs nothing where there is no node.
func (p *Pep) probed(ctx context.Context, t *router.Trip) error {
	nodes, err := p.items.Nodes(ctx, t.Owner.ID)
	if err != nil || len(nodes) == 0 {
		return err
	}
	set, err := p.announced(ctx, t.Stanza)
	if err != nil {
		return err
	}
	return p.serve(ctx, t, set.Nodes())
}

// subscribedTo asks for the last items of a contact whose presence the account gets from now on.
func (p *Pep) subscribedTo(ctx context.Context, t *router.Trip) error {
	from := t.Stanza.From.Bare()
	if i, err := p.contacts.Get(ctx, t.Owner.ID, from); err != nil || !i.State.Has(contact.To) {
		return err
	}
	for _, d := range p.r.Devices(t.Account) {
		if wants := p.caps.Of(ctx, d).Nodes(); len(wants) > 0 {
			p.r.Route(stanza.New(stanza.Message, "headline", "", d.JID, from, wantsNodes(wants)))
		}
	}
	return nil
}
