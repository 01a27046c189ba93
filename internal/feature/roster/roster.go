// SPDX-License-Identifier: Apache-2.0

// Package roster is the contact list on the wire (RFC 6121 §2): reading it, changing it, and pushing changes to the
// devices that asked for it, whoever made them. Versions are those of RFC 6121 §2.6 (once XEP-0237).
package roster

import (
	"context"
	"errors"
	"log/slog"
	"strconv"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "jabber:iq:roster"

// StreamFeatures tells clients what the contact list can do (RFC 6121 §2.6.1, §3.4.1).
const StreamFeatures = xmlstream.Raw(`<ver xmlns="urn:xmpp:features:rosterver"/><sub xmlns="urn:xmpp:features:pre-approval"/>`)

// Contacts keeps the lists; *contact.Service implements it.
type Contacts interface {
	List(ctx context.Context, owner int64) ([]contact.Item, int64, error)
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
	Changes(ctx context.Context, owner, since int64) (list []contact.Change, version int64, full bool, err error)
	Set(tx *db.Tx, owner contact.Owner, item contact.Item) error
	Remove(tx *db.Tx, owner contact.Owner, address jid.JID) (contact.Item, error)
}

// Presence tells a contact that was removed what that means (RFC 6121 §2.5.2).
type Presence interface {
	Removed(owner jid.JID, was contact.Item)
}

// Roster pushes changes of contact lists.
type Roster struct {
	r        *router.Router
	db       *db.DB
	log      *slog.Logger
	contacts Contacts
	presence Presence
	known    router.Slot[known]
}

// known is what a device knows of the list.
type known struct {
	Asked   bool  // for the list: it is interested (RFC 6121 §2.2)
	Version int64 // what it was told last: pushes come in order, and each once (RFC 6121 §2.6.3)
	behind  bool  // it is about to be told what is new since the version that it came with,
	since   int64 // which is this
}

// Install hangs the contact list into r.
func Install(r *router.Router, d *db.DB, log *slog.Logger, c Contacts, p Presence) *Roster {
	x := &Roster{r, d, log, c, p, router.NewSavedSlot[known](r, "roster")}
	r.Advertise(router.Server, ns)
	r.HandleIQ(router.Self, "get", ns, "query", x.get)
	r.HandleIQ(router.Self, "set", ns, "query", x.set)
	r.HandleIQ(router.Account, "get", ns, "query", x.foreign)
	r.HandleIQ(router.Account, "set", ns, "query", x.foreign)
	return x
}

// foreign answers who asks for somebody else's list (RFC 6121 §2.1.5): it is forbidden to those who see the owner, and
// all others hear what they would hear if there were no such account.
func (x *Roster) foreign(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	i, err := x.contacts.Get(ctx, q.Owner.ID, q.From.Bare())
	switch {
	case err != nil:
		return "", err
	case i.State.Has(contact.From):
		return "", stanza.Forbidden
	}
	return "", stanza.ServiceUnavailable
}

// get answers with the list, or with nothing and pushes of what is new since the version that the client has
// (RFC 6121 §2.6.2).
func (x *Roster) get(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	k := x.known.Of(q.Device)
	k.Asked = true
	if q.Payload.HasAttr("ver") {
		since, err := strconv.ParseInt(q.Payload.Attr("ver"), 10, 64)
		if err != nil {
			since = -1 // empty, or not one of ours: the whole list, and its version
		}
		changes, version, full, err := x.contacts.Changes(ctx, q.Owner.ID, since)
		if err != nil {
			return "", err
		}
		if !full {
			k.Version = version
			if len(changes) > 0 {
				k.behind, k.since = true, since
				owner := contact.Owner{ID: q.Owner.ID, JID: q.Account}
				x.r.Do(q.Account, func(ctx context.Context) { x.catchUp(ctx, q.Device, owner) }) // after the answer
			}
			return "", nil
		}
	}
	items, version, err := x.contacts.List(ctx, q.Owner.ID)
	if err != nil {
		return "", err
	}
	k.Version = version
	var b xmlstream.Builder
	b.Start(ns, "query")
	b.Attr("ver", strconv.FormatInt(version, 10)) // RFC 6121 §2.6.3: asked for or not
	for _, i := range items {
		item(&b, i)
	}
	return b.End().Build(), nil
}

// item writes an item as clients see it (RFC 6121 §2.1.2).
func item(b *xmlstream.Builder, i contact.Item) {
	b.Start(ns, "item").Attr("jid", i.Address.String())
	if i.Name != "" {
		b.Attr("name", i.Name)
	}
	b.Attr("subscription", i.Subscription())
	if i.Ask() {
		b.Attr("ask", "subscribe")
	}
	if i.Approved {
		b.Attr("approved", "true")
	}
	for _, g := range i.Groups {
		b.Start(ns, "group").Text(g).End()
	}
	b.End()
}

// set adds, changes or removes one contact (RFC 6121 §2.3, §2.4, §2.5).
func (x *Roster) set(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	wanted, remove, err := read(q.Payload)
	if err != nil {
		return "", err
	}
	owner := contact.Owner{ID: q.Owner.ID, JID: q.Account}
	var was contact.Item
	err = x.db.Write(ctx, func(tx *db.Tx) (err error) {
		if remove {
			was, err = x.contacts.Remove(tx, owner, wanted.Address)
			return err
		}
		return x.contacts.Set(tx, owner, wanted)
	})
	switch {
	case errors.Is(err, contact.ErrUnknown): // RFC 6121 §2.5.3
		return "", stanza.ItemNotFound
	case errors.Is(err, contact.ErrLimit): // RFC 6121 §2.3.3
		return "", stanza.NotAcceptable
	case errors.Is(err, contact.ErrDuplicate):
		return "", stanza.BadRequest
	case errors.Is(err, contact.ErrSelf):
		return "", stanza.NotAllowed
	case errors.Is(err, contact.ErrTooMany):
		return "", stanza.ResourceConstraint
	case err != nil:
		return "", err
	}
	if remove {
		q.After(func(context.Context) { x.presence.Removed(q.Account, was) })
	}
	return "", nil
}

// read reads the one item of a roster set (RFC 6121 §2.1.5).
func read(query xmlstream.Node) (i contact.Item, remove bool, err error) {
	var el xmlstream.Node
	for n := range query.Children() {
		if !el.IsZero() || !n.Is(ns, "item") {
			return i, false, stanza.BadRequest
		}
		el = n
	}
	if el.IsZero() || !el.HasAttr("jid") {
		return i, false, stanza.BadRequest
	}
	address, err := jid.Parse(el.Attr("jid"))
	if err != nil {
		return i, false, stanza.JIDMalformed
	}
	i.Address, i.Name = address.Bare(), el.Attr("name")
	for g := range el.Children() {
		if g.Is(ns, "group") {
			i.Groups = append(i.Groups, g.Text())
		}
	}
	// RFC 6121 §2.1.2.5: a client's subscription counts for nothing but removal.
	return i, el.Attr("subscription") == "remove", nil
}

// catchUp pushes what changed after the version that the device came with, also what did so after it was answered
// (RFC 6121 §2.6.3).
func (x *Roster) catchUp(ctx context.Context, d *router.Device, owner contact.Owner) {
	k := x.known.Of(d)
	if !k.behind {
		return // it has asked twice
	}
	k.behind = false
	changes, version, full, err := x.contacts.Changes(ctx, owner.ID, k.since)
	if err != nil || full {
		x.log.ErrorContext(ctx, "push what is new", "full", full, "err", err) // it asks again when it comes again
		return
	}
	k.Version = version
	for _, c := range changes {
		c.Owner = owner
		x.push(ctx, c, d)
	}
}

// Interested reports whether the device has asked for the list (RFC 6121 §2.2). It is called in the turn of its account.
func (x *Roster) Interested(d *router.Device) bool { return x.known.Of(d).Asked }

// Changed pushes a change to the owner's devices. It is for contact.Service.OnChange.
func (x *Roster) Changed(c contact.Change) {
	x.r.Do(c.Owner.JID, func(ctx context.Context) {
		for _, d := range x.r.Devices(c.Owner.JID) {
			if k := x.known.Of(d); k.Asked && !k.behind && c.Version > k.Version {
				k.Version = c.Version
				x.push(ctx, c, d)
			}
		}
	})
}

// push sends a change to a device (RFC 6121 §2.1.6): the item as it is now where it only said which.
func (x *Roster) push(ctx context.Context, c contact.Change, d *router.Device) {
	if !c.Removed && !c.Item.Listed {
		i, err := x.contacts.Get(ctx, c.Owner.ID, c.Item.Address)
		if err != nil || !i.Listed {
			if err != nil {
				x.log.ErrorContext(ctx, "push contact", "err", err)
			}
			return // removed since: another push says so
		}
		c.Item = i
	}
	var b xmlstream.Builder
	b.Start(ns, "query").Attr("ver", strconv.FormatInt(c.Version, 10))
	if c.Removed {
		b.Start(ns, "item").Attr("jid", c.Item.Address.String()).Attr("subscription", "remove").End()
	} else {
		item(&b, c.Item)
	}
	d.Send(stanza.New(stanza.IQ, stanza.TypeSet, stanza.NewID(), jid.JID{}, d.JID, b.End().Build()))
}
