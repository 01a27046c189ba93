// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"

	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Blocks knows whom an account wants to have nothing to do with; *blocklist.Service implements it. Their subscriptions
// stay (XEP-0191 §4), and lie still as long as they are blocked.
type Blocks interface {
	Of(ctx context.Context, owner int64) (blocklist.Set, error)
}

// Respect has presence not reach those who are blocked. It is called before the first device is bound.
func (p *Presence) Respect(b Blocks) { p.blocks = b }

// blocked is whom the account has blocked.
func (p *Presence) blocked(ctx context.Context, account int64) (blocklist.Set, error) {
	if p.blocks == nil || account == 0 {
		return blocklist.Set{}, nil
	}
	return p.blocks.Of(ctx, account)
}

// subscribers are those who get the account's presence and are not blocked (XEP-0191 §3.3).
func (p *Presence) subscribers(ctx context.Context, account int64) ([]jid.JID, error) {
	all, err := p.contacts.Subscribers(ctx, account)
	if err != nil {
		return nil, err
	}
	blocked, err := p.blocked(ctx, account)
	if err != nil || blocked.Len() == 0 {
		return all, err
	}
	var list []jid.JID // all is shared
	for _, c := range all {
		if !blocked.Covers(c) {
			list = append(list, c)
		}
	}
	return list, nil
}

// Hide tells those in the set who see the account's devices that they are gone (XEP-0191 §3.3). It runs in the owner's
// turn, when the set is blocked.
func (p *Presence) Hide(ctx context.Context, owner blocklist.Owner, from blocklist.Set) error {
	subscribers, err := p.contacts.Subscribers(ctx, owner.ID)
	if err != nil {
		return err
	}
	for _, c := range subscribers {
		if from.Covers(c) {
			p.hide(owner.JID, c)
		}
	}
	for _, d := range p.r.Devices(owner.JID) {
		directed := *p.directed.Of(d)
		for a := range directed { // whoever was sent it by name
			if from.Covers(a) {
				p.r.Route(gone(d).Addressed(d.JID, a))
				delete(directed, a)
			}
		}
	}
	for a := range from.All() { // one device of a contact, whose others see the account as before
		if !a.IsFull() || !a.HasLocal() {
			continue
		}
		i, err := p.contacts.Get(ctx, owner.ID, a.Bare())
		if err != nil {
			return err
		}
		if i.State.Has(contact.From) {
			p.goneFor(owner.JID, a)
		}
	}
	return nil
}

// goneFor tells an address that the account's devices are gone.
func (p *Presence) goneFor(account, to jid.JID) {
	for _, d := range p.r.Devices(account) {
		if d.Available() != nil {
			p.r.Route(gone(d).Addressed(d.JID, to))
		}
	}
}

// Show tells those in the set who may see the account how its devices are (XEP-0191 §3.4), and asks how they are
// (RFC 6121 §4.3.1), unless they are blocked by something else. It runs in the owner's turn, when the set is blocked no more.
func (p *Presence) Show(ctx context.Context, owner blocklist.Owner, to blocklist.Set) error {
	subscribers, err := p.subscribers(ctx, owner.ID)
	if err != nil {
		return err
	}
	for _, c := range subscribers {
		if to.Covers(c) {
			p.show(owner.JID, c)
		}
	}
	blocked, err := p.blocked(ctx, owner.ID)
	if err != nil {
		return err
	}
	for a := range to.All() { // one device of a contact
		if !a.IsFull() || !a.HasLocal() || blocked.Covers(a) {
			continue
		}
		i, err := p.contacts.Get(ctx, owner.ID, a.Bare())
		if err != nil {
			return err
		}
		if i.State.Has(contact.From) {
			p.show(owner.JID, a)
		}
	}
	return p.probeAgain(ctx, owner, to, blocked)
}

// probeAgain asks those in the set how they are, for the devices that are there.
func (p *Presence) probeAgain(ctx context.Context, owner blocklist.Owner, to, blocked blocklist.Set) error {
	there := false
	for _, d := range p.r.Devices(owner.JID) {
		there = there || d.Available() != nil
	}
	if !there {
		return nil
	}
	subscriptions, err := p.contacts.Subscriptions(ctx, owner.ID)
	if err != nil {
		return err
	}
	for _, c := range subscriptions {
		if to.Covers(c) && !blocked.Covers(c) {
			p.r.Route(stanza.New(stanza.Presence, probe, stanza.NewID(), owner.JID, c))
		}
	}
	return nil
}
