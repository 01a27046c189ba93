// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// storeIn moves the subscription that the stanza is about (RFC 6121 §A.3).
func (p *Presence) storeIn(_ context.Context, t *router.Trip) error {
	st := t.Stanza
	if !manages(st.Type) {
		return nil
	}
	// RFC 6121 §3.1.3: as if to the bare address; what is kept says so too.
	st = st.Addressed(st.From.Bare(), t.Account)
	t.Stanza = st
	t.Write(func(tx *db.Tx) error {
		v, err := p.contacts.Inbound(tx, owner(t), st.From, contact.Type(st.Type), string(st.Raw()))
		t.Found = v
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
		for _, d := range p.r.Devices(t.Account) {
			if d.JID == st.To { // RFC 6121 §8.5.3.1
				d.Send(st)
			}
		}
	case st.Type == stanza.TypeError: // RFC 6121 §8.5.2: nobody in particular can make use of it
	default: // RFC 6121 §4.2.3, §4.5.3
		p.toDevices(t)
	}
	return nil
}

// asked gives a stanza about a subscription to the devices, and answers it for the owner where the owner has agreed
// before, or must not be asked.
func (p *Presence) asked(t *router.Trip) {
	st, v := t.Stanza, t.Found.(contact.Verdict)
	if v.Deliver {
		p.toDevices(t)
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
}

// toDevices gives the trip's stanza to every available device (RFC 6121 §8.5.2.1.2).
func (p *Presence) toDevices(t *router.Trip) {
	for _, d := range p.r.Devices(t.Account) {
		if d.Available() != nil {
			d.Send(t.Stanza)
		}
	}
}

// probed answers who asks how the account's devices are (RFC 6121 §4.3.2).
func (p *Presence) probed(ctx context.Context, t *router.Trip) error {
	from := t.Stanza.From
	if from.Bare() == t.Account {
		return nil // one's own devices hear of each other anyway
	}
	i, err := p.contacts.Get(ctx, t.Owner.ID, from.Bare())
	if err != nil {
		return err
	}
	if !i.State.Has(contact.From) {
		t.Route(stanza.New(stanza.Presence, string(contact.Unsubscribed), t.Stanza.ID, t.Account, from.Bare())) // RFC 6121 §4.3.2.1
		return nil
	}
	if !p.show(t.Account, from) {
		t.Route(stanza.New(stanza.Presence, unavailable, t.Stanza.ID, t.Account, from))
	}
	return nil
}
