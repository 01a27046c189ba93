// SPDX-License-Identifier: Apache-2.0

// Package vcard answers for what people say of themselves in the older form (XEP-0054 v1.3.0), and keeps it in the newer one
// (XEP-0292 v0.12.0), so that clients of both kinds see and change the same.
//
// The truth is the node of the newer form. What is stored in the older one is translated (property.go) and published there,
// with all that the node had and the older form has no words for. What cannot be translated, so that it would come back as
// it was, is kept beside. Pictures are the business of others (Avatars).
//
// XEP-0054 §5 has vCards readable by everybody. Here they are read by who may see the node, which by default are those who
// get the person's presence, and the picture by who may see that: one setting counts for clients of both kinds, addresses
// and birthdays are not for strangers unless their owner says so, and nobody learns by asking whether there is an account.
package vcard

import (
	"context"
	"errors"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/private"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Node is where the newer form is published (XEP-0292 §4.1).
const Node = "urn:xmpp:vcard4"

const (
	ns  = "vcard-temp"
	ns4 = "urn:ietf:params:xml:ns:vcard-4.0"
)

// Contacts knows who may know of an account; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
}

// Beside keeps what cannot be translated; *private.Service implements it.
type Beside interface {
	Get(ctx context.Context, owner int64, name xmlstream.Name) (xmlstream.Raw, error)
	Set(tx *db.Tx, owner int64, name xmlstream.Name, raw xmlstream.Raw) error
}

// Avatars are the pictures of vCards; *avatar.Avatar implements it.
type Avatars interface {
	Photo(ctx context.Context, o item.Owner, who jid.JID) (xmlstream.Raw, error)
	Set(ctx context.Context, o item.Owner, photo xmlstream.Node) (act func(*db.Tx) error, kept bool, err error)
}

// Options are what the feature works with.
type Options struct {
	DB       *db.DB
	Items    *item.Service
	Beside   Beside
	Contacts Contacts
	Avatars  Avatars
	// May reports whether who, a bare address, may see what is in a node; *pep.Pep has it.
	May func(ctx context.Context, o item.Owner, who jid.JID, n item.Node) (bool, error)
}

type feature struct{ Options }

// Install hangs vCards into r.
func Install(r *router.Router, o Options) {
	f := &feature{o}
	r.Advertise(router.Self, ns, ns4) // XEP-0054 §4, XEP-0292 §7
	r.Advertise(router.Server, ns)
	r.HandleQuery(router.Self, "get", ns, "vCard", f.get)
	r.HandleQuery(router.Account, "get", ns, "vCard", f.get)
	r.HandleIQ(router.Self, "set", ns, "vCard", f.set)
	r.HandleIQ(router.Account, "set", ns, "vCard", f.foreign)
}

// beside is the name of what is kept beside the node. Clients cannot get at it as private XML: that namespace is reserved
// (XEP-0049 §2.3).
func beside() xmlstream.Name { return xmlstream.Name{Space: ns, Local: "vCard"} }

// card is what is known of a person but for the picture.
type card struct {
	node   item.Node
	id     string         // of the last item in it
	newer  xmlstream.Node // the payload of that, or zero
	beside xmlstream.Node // or zero
}

// read reads a person's card.
func (f *feature) read(ctx context.Context, owner int64) (c card, err error) {
	c.node, err = f.Items.Node(ctx, owner, Node)
	switch {
	case errors.Is(err, item.ErrNoNode):
		c.node.Config = item.Default()
	case err != nil:
		return c, err
	default:
		last, _, err := f.Items.Last(ctx, owner, c.node)
		if err != nil {
			return c, err
		}
		c.id, c.newer = last.ID, element(last.Payload, ns4, "vcard")
	}
	raw, err := f.Beside.Get(ctx, owner, beside())
	c.beside = element(raw, ns, "vCard")
	return c, err
}

// get answers with the vCard of an account, one's own or another's (XEP-0054 §3.1, §3.3), whether its owner is there or not.
func (f *feature) get(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	o, who := item.Owner{ID: q.Owner.ID, JID: q.Account}, q.From.Bare()
	c, err := f.read(ctx, o.ID)
	if err != nil {
		return "", err
	}
	photo, err := f.Avatars.Photo(ctx, o, who)
	if err != nil {
		return "", err
	}
	may, err := f.May(ctx, o, who, c.node)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "vCard")
	empty := photo == ""
	put := func(raw xmlstream.Raw) {
		b.Raw(raw)
		empty = false
	}
	if may {
		for p := range kids(c.newer) {
			for _, raw := range older(p) {
				put(raw)
			}
		}
		for p := range kids(c.beside) {
			if photo == "" || !p.Is(ns, "PHOTO") {
				put(p.Raw())
			}
		}
	}
	b.Raw(photo)
	switch {
	case empty && who == q.Account: // XEP-0054 §3.1
		return "", stanza.ItemNotFound
	case empty: // as where there is no such account (XEP-0054 §3.3)
		return "", stanza.ServiceUnavailable
	}
	return b.End().Build(), nil
}

// set stores one's own vCard instead of what was there (XEP-0054 §3.2).
func (f *feature) set(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	o := item.Owner{ID: q.Owner.ID, JID: q.Account}
	c, err := f.read(ctx, o.ID)
	if err != nil {
		return "", err
	}
	photo, _ := q.Payload.Child(ns, "PHOTO")
	show, kept, err := f.Avatars.Set(ctx, o, photo)
	if err != nil {
		return "", err
	}
	newer, rest := merge(c.newer, q.Payload, kept)
	return "", public(f.DB.Write(ctx, func(tx *db.Tx) error {
		if show != nil {
			if err := show(tx); err != nil {
				return err
			}
		}
		if newer != "" && (c.newer.IsZero() || newer != c.newer.Raw()) || newer == "" && !c.newer.IsZero() {
			it := item.Item{ID: c.id, Payload: newer}
			if it.ID == "" {
				it.ID = "current"
			}
			if newer == "" {
				it.Payload = xmlstream.Elem(ns4, "vcard")
			}
			if _, err := f.Items.Publish(tx, o, Node, it, item.Default()); err != nil {
				return err
			}
		}
		return f.Beside.Set(tx, o.ID, beside(), rest)
	}))
}

// merge returns what is published of a vCard, was being what was published until now, and what is kept beside; "" where
// there is nothing. photo says that the picture is kept elsewhere.
func merge(was, vcard xmlstream.Node, photo bool) (newer, rest xmlstream.Raw) {
	var left []xmlstream.Node
	for n := range vcard.Children() {
		if photo && n.Is(ns, "PHOTO") {
			photo = false // one of them
			continue
		}
		left = append(left, n)
	}
	var up, down xmlstream.Builder
	up.Start(ns4, "vcard")
	down.Start(ns, "vCard")
	published, besides := false, false
	for p := range kids(was) { // stays where the older form says the same, or has no words for it
		if ok, without := said(p, left); ok {
			left = without
			up.Raw(p.Raw())
			published = true
		}
	}
	for _, n := range left {
		if raw, ok := translated(n); ok {
			up.Raw(raw)
			published = true
		} else {
			down.Raw(n.Raw())
			besides = true
		}
	}
	newer, rest = up.End().Build(), down.End().Build()
	if !published {
		newer = ""
	}
	if !besides {
		rest = ""
	}
	return newer, rest
}

// foreign refuses whoever wants to change another's vCard (XEP-0054 §3.2). Who is not to know that there is such an account
// hears what they would hear if there was none.
func (f *feature) foreign(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	i, err := f.Contacts.Get(ctx, q.Owner.ID, q.From.Bare())
	switch {
	case err != nil:
		return "", err
	case i.Listed || i.State.Has(contact.From):
		return "", stanza.Forbidden
	}
	return "", stanza.ServiceUnavailable
}

// public is what an error of a store means on the wire.
func public(err error) error {
	switch {
	case errors.Is(err, private.ErrSize), errors.Is(err, item.ErrPayload):
		return stanza.PolicyViolation.WithText("This vCard is too large.")
	case errors.Is(err, private.ErrQuota), errors.Is(err, item.ErrQuota), errors.Is(err, item.ErrNodes):
		return stanza.ResourceConstraint.WithText("There is no room left for what is yours.")
	}
	return err
}
