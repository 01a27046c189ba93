// SPDX-License-Identifier: Apache-2.0

// Package presence tells contacts who is there (RFC 6121 §4), and lets people agree to be told (RFC 6121 §3).
//
// Outbound it does what a device wants of its account, Inbound what others want of it; the files are named so. Every
// function runs in the turn of the account concerned.
package presence

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/seen"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxDirected bounds the addresses that one device has sent its presence to (RFC 6121 §4.6).
const maxDirected = 1000

const (
	unavailable = "unavailable"
	probe       = "probe"
)

// Contacts knows who may see whom; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
	Subscribers(ctx context.Context, owner int64) ([]jid.JID, error)
	Subscriptions(ctx context.Context, owner int64) ([]jid.JID, error)
	Pending(ctx context.Context, owner int64) ([]contact.Request, error)
	Outbound(tx *db.Tx, owner contact.Owner, peer jid.JID, t contact.Type) (contact.Verdict, error)
	Inbound(tx *db.Tx, owner contact.Owner, peer jid.JID, t contact.Type, raw string) (contact.Verdict, error)
}

// Seen remembers when somebody was there last; *seen.Service implements it.
type Seen interface {
	Left(account int64, status string)
	Last(ctx context.Context, account int64) (seen.Last, error)
}

// Presence is the feature.
type Presence struct {
	r          *router.Router
	log        *slog.Logger
	contacts   Contacts
	seen       Seen
	interested func(*router.Device) bool
	directed   router.Slot[map[jid.JID]struct{}] // to whom the device has sent its presence by name

	introduce   func(context.Context, *router.Device) xmlstream.Raw // may be nil
	invitations Invitations                                         // nil: tokens are ignored
	blocks      Blocks                                              // nil: nobody is blocked
}

// Introduce has f say what goes with the questions how contacts on this server are, for the device that asks. It is called
// before the first device is bound; f is called in turns.
func (p *Presence) Introduce(f func(context.Context, *router.Device) xmlstream.Raw) { p.introduce = f }

// Install hangs presence into r. interested tells whether a device has asked for the contact list (RFC 6121 §2.2); it is
// called in turns only.
func Install(r *router.Router, log *slog.Logger, c Contacts, s Seen, interested func(*router.Device) bool) *Presence {
	p := &Presence{r: r, log: log, contacts: c, seen: s, interested: interested, directed: router.NewSavedSlot[map[jid.JID]struct{}](r, "directed")}
	r.OnScreen(router.Inbound, p.screen)
	r.OnPresence(router.Outbound, router.Check, p.checkOut)
	r.OnPresence(router.Outbound, router.Store, p.storeOut)
	r.OnPresence(router.Outbound, router.Deliver, p.deliverOut)
	r.OnPresence(router.Inbound, router.Store, p.storeIn)
	r.OnPresence(router.Inbound, router.Deliver, p.deliverIn)
	r.OnSession(router.Ended, p.ended)
	r.OnSession(router.Dozes, p.dozed)
	r.OnSession(router.Woke, p.dozed)
	return p
}

// manages reports whether a presence type is about subscriptions.
func manages(typ string) bool {
	switch contact.Type(typ) {
	case contact.Subscribe, contact.Subscribed, contact.Unsubscribe, contact.Unsubscribed:
		return true
	}
	return false
}

func owner(t *router.Trip) contact.Owner { return contact.Owner{ID: t.Owner.ID, JID: t.Account} }

// storeError is what the store's refusal means for who sent the stanza.
func storeError(err error) error {
	switch {
	case errors.Is(err, contact.ErrTooMany):
		return stanza.ResourceConstraint
	case errors.Is(err, contact.ErrSelf):
		return router.ErrDropped
	}
	return err
}

// priority reads <priority/> (RFC 6121 §4.7.2.3).
func priority(st *stanza.Stanza) (int, bool) {
	n, ok := st.Child(xmlstream.NSClient, "priority")
	if !ok {
		return 0, true
	}
	v, err := strconv.ParseInt(strings.TrimSpace(n.Text()), 10, 8)
	return int(v), err == nil
}

// made is a presence stanza of the server's making.
func made(typ string, from, to jid.JID) *stanza.Stanza {
	return stanza.New(stanza.Presence, typ, stanza.NewID(), from, to)
}

// gone is a device's unavailable presence.
func gone(d *router.Device) *stanza.Stanza {
	return stanza.New(stanza.Presence, unavailable, "", d.JID, jid.JID{})
}

// toOwn sends the presence of a device to the account's available devices, itself included (RFC 6121 §4.2.2, §4.5.2).
func (p *Presence) toOwn(account jid.JID, st *stanza.Stanza) {
	for _, d := range p.r.Devices(account) {
		if d.Available() != nil {
			d.Send(st.Addressed(st.From, d.JID))
		}
	}
}

// Removed tells a contact that was taken out of the list what that means (RFC 6121 §2.5.2). It runs in the owner's turn.
func (p *Presence) Removed(account jid.JID, was contact.Item) {
	if was.State&(contact.To|contact.PendingOut) != 0 {
		p.r.Route(made(string(contact.Unsubscribe), account, was.Address))
	}
	if was.State.Has(contact.From) { // RFC 6121 §3.2.2: while the other is still subscribed
		p.hide(account, was.Address)
	}
	if was.State&(contact.From|contact.PendingIn) != 0 {
		p.r.Route(made(string(contact.Unsubscribed), account, was.Address))
	}
}

// hide tells somebody that the account's devices are gone (RFC 6121 §3.2.2, §3.3.3), and forgets what was sent to them
// by name: the end of a subscription takes precedence (RFC 6121 §4.6.1). from is bare.
func (p *Presence) hide(account, from jid.JID) {
	for _, d := range p.r.Devices(account) {
		told := d.Available() != nil
		if told {
			p.r.Route(gone(d).Addressed(d.JID, from))
		}
		directed := *p.directed.Of(d)
		for a := range directed {
			if a.Bare() != from {
				continue
			}
			if a != from || !told {
				p.r.Route(gone(d).Addressed(d.JID, a))
			}
			delete(directed, a)
		}
	}
}

// show tells somebody what the account's devices are (RFC 6121 §3.1.5, §4.3.2).
func (p *Presence) show(account, to jid.JID) (any bool) {
	for _, d := range p.r.Devices(account) {
		if st := shown(d); st != nil {
			p.r.Route(st.Addressed(d.JID, to))
			any = true
		}
	}
	return any
}
