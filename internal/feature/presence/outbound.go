// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"
	"errors"
	"slices"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// checkOut judges what a device sends.
func (p *Presence) checkOut(_ context.Context, t *router.Trip) error {
	st := t.Stanza
	switch {
	case st.Type == probe && st.To.IsZero():
		return router.ErrDropped // RFC 6121 §4.3: not for clients to send, and no reason for an error
	case manages(st.Type):
		if st.To.IsZero() {
			return stanza.BadRequest
		}
		t.Stanza = st.Addressed(t.Account, st.To.Bare()) // RFC 6121 §3.1.2
	case st.Type == "":
		if _, ok := priority(st); !ok {
			return stanza.BadRequest
		}
	case st.Type == stanza.TypeError && st.To.IsZero():
		return router.ErrDropped
	}
	return nil
}

// storeOut moves the subscription that the stanza is about (RFC 6121 §A.2).
func (p *Presence) storeOut(_ context.Context, t *router.Trip) error {
	st := t.Stanza
	if !manages(st.Type) {
		return nil
	}
	t.Write(func(tx *db.Tx) error {
		v, err := p.contacts.Outbound(tx, owner(t), st.To, contact.Type(st.Type))
		t.Found = v
		return storeError(err)
	})
	return nil
}

// deliverOut sends on what a device sends.
func (p *Presence) deliverOut(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	switch {
	case manages(st.Type):
		p.subscription(t)
	case !st.To.IsZero():
		p.direct(ctx, t)
	case st.Type == unavailable:
		if t.Device.Available() != nil {
			t.Device.Send(st.Addressed(st.From, st.From)) // RFC 6121 §4.5.2: the device itself, too
		}
		return p.leave(ctx, t.Device, st, t.Owner.ID)
	case st.Type == "":
		return p.arrive(ctx, t)
	}
	return nil
}

// subscription sends on a stanza about a subscription, and what follows from it.
func (p *Presence) subscription(t *router.Trip) {
	st, v := t.Stanza, t.Found.(contact.Verdict)
	if st.Type == string(contact.Unsubscribed) && v.Before.State.Has(contact.From) {
		p.hide(t.Account, st.To) // RFC 6121 §3.2.2: while the other is still subscribed
	}
	if v.Route {
		t.Route(st)
	}
	if st.Type == string(contact.Subscribed) && v.After.State.Has(contact.From) && !v.Before.State.Has(contact.From) {
		p.show(t.Account, st.To) // RFC 6121 §3.1.5
	}
}

// direct sends presence to one address (RFC 6121 §4.6).
func (p *Presence) direct(ctx context.Context, t *router.Trip) {
	st := t.Stanza
	to := p.directed.Of(t.Device)
	switch st.Type {
	case unavailable:
		delete(*to, st.To)
	case "":
		i, err := p.contacts.Get(ctx, t.Owner.ID, st.To)
		if err == nil && i.State.Has(contact.From) && t.Device.Available() != nil {
			break // hears of it anyway (RFC 6121 §4.6.3)
		}
		if *to == nil {
			*to = map[jid.JID]struct{}{}
		}
		if _, known := (*to)[st.To]; !known && len(*to) >= maxDirected {
			t.Device.Send(st.Bounce(stanza.ResourceConstraint))
			return
		}
		(*to)[st.To] = struct{}{}
	}
	t.Route(st)
}

// arrive makes a device available, or changes how it is (RFC 6121 §4.2.2, §4.4.2). All that it says is for others to see, and
// for those who come later, such as since when nobody has touched it (XEP-0319 §2.1).
func (p *Presence) arrive(ctx context.Context, t *router.Trip) error {
	st, d := t.Stanza, t.Device
	before := d.Available()
	n, _ := priority(st)
	d.SetAvailable(&router.Available{Stanza: st, Priority: n})
	subscribers, err := p.subscribers(ctx, t.Owner.ID)
	if err != nil {
		return err
	}
	for _, c := range subscribers {
		t.Route(st.Addressed(d.JID, c))
	}
	p.toOwn(t.Account, st)
	if before == nil {
		if err := p.learn(ctx, t); err != nil {
			return err
		}
	}
	if n >= 0 && (before == nil || before.Priority < 0) {
		t.DeliverWaiting()
	}
	return nil
}

// learn tells a device that has just become available who else is, and who has asked.
func (p *Presence) learn(ctx context.Context, t *router.Trip) error {
	d := t.Device
	for _, other := range p.r.Devices(t.Account) { // RFC 6121 §4.2.2 from the other's point of view
		if st := shown(other); st != nil && other != d {
			d.Send(st.Addressed(other.JID, d.JID))
		}
	}
	blocked, err := p.blocked(ctx, t.Owner.ID)
	if err != nil {
		return err
	}
	subscriptions, err := p.contacts.Subscriptions(ctx, t.Owner.ID)
	if err != nil {
		return err
	}
	var more xmlstream.Raw
	if p.introduce != nil {
		more = p.introduce(ctx, d)
	}
	for _, c := range subscriptions { // RFC 6121 §4.3.1
		if blocked.Covers(c) {
			continue // XEP-0191 §3.3: nothing is sent there
		}
		if c.DomainJID() == p.r.Domain {
			t.Route(made(probe, d.JID, c).With(more)) // of our own making, and the answer is for this device only
		} else {
			t.Route(made(probe, t.Account, c))
		}
	}
	requests, err := p.contacts.Pending(ctx, t.Owner.ID)
	if err != nil {
		return err
	}
	for _, q := range requests { // RFC 6121 §3.1.3
		if !blocked.Covers(q.From) { // XEP-0191 §3.3
			d.Send(request(q, t.Account))
		}
	}
	return nil
}

// request is a subscription request that was kept, as it came.
func request(q contact.Request, to jid.JID) *stanza.Stanza {
	if el, err := xmlstream.Parse(q.Raw, xmlstream.AfterAuth); err == nil {
		if st, err := stanza.Parse(el); err == nil {
			return st
		}
	}
	return made(string(contact.Subscribe), q.From, to)
}

// leave makes a device unavailable (RFC 6121 §4.5.2).
func (p *Presence) leave(ctx context.Context, d *router.Device, st *stanza.Stanza, account int64) error {
	before := d.Available()
	d.SetAvailable(nil)
	var subscribers []jid.JID
	var err error
	if before != nil {
		p.toOwn(d.JID.Bare(), st)
		p.note(d.JID.Bare(), st, account)
		subscribers, err = p.subscribers(ctx, account)
	}
	for _, c := range subscribers {
		p.r.Route(st.Addressed(d.JID, c))
	}
	directed := p.directed.Of(d)
	for a := range *directed { // RFC 6121 §4.6.3
		if !slices.Contains(subscribers, a) {
			p.r.Route(st.Addressed(d.JID, a))
		}
	}
	*directed = nil
	return err
}

// note notes when the last available device left, and what it said.
func (p *Presence) note(bare jid.JID, st *stanza.Stanza, account int64) {
	for _, d := range p.r.Devices(bare) {
		if d.Available() != nil {
			return
		}
	}
	status, ok := st.Child(xmlstream.NSClient, "status")
	switch {
	case account == 0: // it was removed
	case ok:
		p.seen.Left(account, status.Text())
	default:
		p.seen.Left(account, "")
	}
}

// ended tells everybody that a device is gone without a word (RFC 6121 §4.5.2).
func (p *Presence) ended(ctx context.Context, d *router.Device) {
	a, err := p.r.Accounts.Lookup(ctx, d.JID.Local())
	if err == nil || errors.Is(err, account.ErrUnknown) { // removed: who saw it has been told, and nobody is left in its list
		err = p.leave(ctx, d, gone(d), a.ID)
	}
	if err != nil {
		p.log.ErrorContext(ctx, "device ended", "err", err)
	}
}
