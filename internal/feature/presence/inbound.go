// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// storeIn moves the subscription that the stanza is about (RFC 6121 §A.3).
func (p *Presence) storeIn(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	if !manages(st.Type) {
		return nil
	}
	if st.To.IsFull() && st.Type != string(contact.Subscribe) && p.device(st.To) == nil {
		return router.ErrDropped // RFC 6121 §8.5.3.2.2
	}
	// RFC 6121 §3.1.3: as if to the bare address; what is kept says so too. It is kept as it came, with a nickname
	// (XEP-0172 §4.1), and with where somebody says to have been before (XEP-0283 §4.4).
	token, st := tokenOf(st.Addressed(st.From.Bare(), t.Account))
	t.Stanza = st
	by, invited := invite.By{}, false
	if token != "" && p.invitations != nil {
		var err error
		if by, invited, err = p.redeemer(ctx, st.From); err != nil {
			return err
		}
	}
	t.Write(func(tx *db.Tx) error {
		v, err := p.contacts.Inbound(tx, owner(t), st.From, contact.Type(st.Type), string(st.Raw()))
		found := verdict{Verdict: v}
		if err == nil && invited {
			found, err = p.accept(tx, t, v, by, token)
		}
		t.Found = found
		return storeError(err)
	})
	return nil
}

// deliverIn gives what others send to the account's devices.
func (p *Presence) deliverIn(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	switch {
	case manages(st.Type):
		p.asked(t)
	case st.Type == probe:
		return p.probed(ctx, t)
	case st.To.IsFull():
		if d := p.device(st.To); d != nil { // RFC 6121 §8.5.3.1
			p.forget(d, st)
			d.Send(st)
		}
	case st.Type == stanza.TypeError: // RFC 6121 §8.5.2: nobody in particular can make use of it
	default: // RFC 6121 §4.2.3, §4.5.3
		for _, d := range p.r.Devices(t.Account) {
			p.forget(d, st)
			if d.Available() != nil { // RFC 6121 §8.5.2.1.2
				d.Send(st)
			}
		}
	}
	return nil
}

// asked gives a stanza about a subscription to the devices, and answers it for the owner where the owner has agreed
// before, or must not be asked.
func (p *Presence) asked(t *router.Trip) {
	st, v := t.Stanza, t.Found.(verdict)
	for _, d := range p.r.Devices(t.Account) {
		// RFC 6121 §3.1.3: a request is for who is available; §3.1.6, §3.2.3, §3.3.3: the rest goes with a change of the
		// list, so who follows the list gets it, too.
		if v.Deliver && (d.Available() != nil || st.Type != string(contact.Subscribe) && p.interested(d)) {
			d.Send(st)
		}
	}
	if v.Reply != "" {
		t.Route(made(string(v.Reply), t.Account, st.From))
	}
	switch had, has := v.Before.State.Has(contact.From), v.After.State.Has(contact.From); {
	case has && !had, has && st.Type == string(contact.Subscribe): // RFC 6121 §3.1.5, §3.4.2
		p.show(t.Account, st.From)
	case had && !has: // RFC 6121 §3.3.3
		p.hide(t.Account, st.From)
	}
	if v.ask { // XEP-0379 §3.5
		t.Route(made(string(contact.Subscribe), t.Account, st.From))
	}
}

// device returns the device with that full address, or nil.
func (p *Presence) device(full jid.JID) *router.Device {
	for _, d := range p.r.Devices(full.Bare()) {
		if d.JID == full {
			return d
		}
	}
	return nil
}

// forget takes who says that they are gone from those that the device has sent its presence to (RFC 6121 §4.6.1).
func (p *Presence) forget(d *router.Device, st *stanza.Stanza) {
	if st.Type == unavailable {
		delete(*p.directed.Of(d), st.From)
	}
}

// probed answers who asks how the account's devices are (RFC 6121 §4.3.2).
func (p *Presence) probed(ctx context.Context, t *router.Trip) error {
	from, to := t.Stanza.From, t.Stanza.To
	i, err := p.contacts.Get(ctx, t.Owner.ID, from.Bare())
	switch {
	case err != nil:
		return err
	case !i.State.Has(contact.From) && from.Bare() != t.Account:
		p.probedByStranger(t, i)
		return nil
	case to.IsFull(): // of that device, and that it is there; no more
		if d := p.device(to); d != nil && d.Available() != nil {
			t.Route(stanza.New(stanza.Presence, "", d.Available().Stanza.ID, to, from))
		} else {
			t.Route(stanza.New(stanza.Presence, unavailable, t.Stanza.ID, to, from))
		}
		return nil
	case p.show(t.Account, from):
		return nil
	}
	st := stanza.New(stanza.Presence, unavailable, t.Stanza.ID, t.Account, from) // RFC 6121 §4.3.2.1: the id of the probe
	last, err := p.seen.Last(ctx, t.Owner.ID)
	if err == nil && !last.At.IsZero() {
		st = st.With(delay.New(p.r.Domain, last.At, ""))
	}
	t.Route(st)
	return err
}

// probedByStranger answers who has no subscription: which device has sent them its presence, if any (RFC 6121 §4.6.6).
func (p *Presence) probedByStranger(t *router.Trip, i contact.Item) {
	from, to := t.Stanza.From, t.Stanza.To
	found := false
	for _, d := range p.r.Devices(t.Account) {
		if to.IsFull() && d.JID != to {
			continue
		}
		sent := *p.directed.Of(d)
		_, here := sent[from]
		if !here {
			_, here = sent[from.Bare()]
		}
		if here {
			t.Route(stanza.New(stanza.Presence, "", t.Stanza.ID, d.JID, from))
			found = true
		}
	}
	if found || i.State.Has(contact.PendingIn) {
		return // what waits for the owner's answer is not answered by this
	}
	t.Route(stanza.New(stanza.Presence, string(contact.Unsubscribed), t.Stanza.ID, t.Account, from.Bare()))
}

// screen keeps requests from devices that do not share their presence with who asks (RFC 6121 §8.5.3.1): an answer would
// tell that they are there.
func (p *Presence) screen(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	if st.Kind != stanza.IQ || !st.To.IsFull() || st.Type != stanza.TypeGet && st.Type != stanza.TypeSet {
		return nil
	}
	who := st.From.Bare()
	if who == t.Account || who == p.r.Domain {
		return nil
	}
	if i, err := p.contacts.Get(ctx, t.Owner.ID, who); err != nil || i.State.Has(contact.From) {
		return err
	}
	if d := p.device(st.To); d != nil {
		for a := range *p.directed.Of(d) {
			if a.Bare() == who { // any occupant of a room that it is in
				return nil
			}
		}
	}
	return stanza.ServiceUnavailable
}
