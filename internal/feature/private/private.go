// SPDX-License-Identifier: Apache-2.0

// Package private keeps XML that clients store for themselves (XEP-0049 v1.2). Nobody else ever sees it.
//
// What is kept has the name of its elements: those of one set that have the same name are kept together, and replace what
// had that name before. Some names stand for things that have a better home by now, such as bookmarks; those are passed on
// to whoever keeps them (Keeper).
package private

import (
	"context"
	"errors"
	"strings"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/private"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "jabber:iq:private"

// Contacts knows who may know of an account; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
}

// A Keeper keeps what has one name elsewhere. It is called in the turn of the owner.
type Keeper interface {
	// Get returns the element, "" where there is none.
	Get(ctx context.Context, owner item.Owner) (xmlstream.Raw, error)
	// Set reads the element, and returns what has to be done to keep it.
	Set(ctx context.Context, owner item.Owner, el xmlstream.Node) (func(*db.Tx) error, error)
}

// Options are what the feature works with.
type Options struct {
	DB       *db.DB
	Store    *private.Service
	Contacts Contacts
	Keepers  map[xmlstream.Name]Keeper // of what is not kept here
}

type feature struct{ Options }

// Install hangs private XML into r.
func Install(r *router.Router, o Options) {
	f := &feature{o}
	r.Advertise(router.Self, ns)
	r.Advertise(router.Server, ns) // where clients look that know of servers only
	r.HandleIQ(router.Self, "get", ns, "query", f.get)
	r.HandleIQ(router.Self, "set", ns, "query", f.set)
	r.HandleIQ(router.Account, "get", ns, "query", f.foreign)
	r.HandleIQ(router.Account, "set", ns, "query", f.foreign)
}

// get returns what is kept under the name of the one element in the query (XEP-0049 §2.3). Where there is nothing that is
// the element as it was sent.
func (f *feature) get(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	var asked xmlstream.Node
	for n := range q.Payload.Children() {
		if !asked.IsZero() {
			return "", stanza.BadRequest.WithText("Ask for one element at a time.") // XEP-0049 §2.3
		}
		asked = n
	}
	if err := keepable(asked); err != nil {
		return "", err
	}
	var raw xmlstream.Raw
	var err error
	if k := f.Keepers[asked.Name()]; k != nil {
		raw, err = k.Get(ctx, item.Owner{ID: q.Owner.ID, JID: q.Account})
	} else {
		raw, err = f.Store.Get(ctx, q.Owner.ID, asked.Name())
	}
	if err != nil {
		return "", public(err)
	}
	if raw == "" {
		raw = asked.Raw()
	}
	var b xmlstream.Builder
	return b.Start(ns, "query").Raw(raw).End().Build(), nil
}

// keepable returns why an element cannot be asked for or kept: there is none, or it has no namespace of its own, or one that
// is reserved (XEP-0049 §2.3). XEP-0049 §3 has <bad-format/> for a get without an element, which is no condition of a stanza
// (RFC 6120 §8.3.3); §2.3 wants <not-acceptable/> in any case.
func keepable(n xmlstream.Node) error {
	switch {
	case n.IsZero(), xmlstream.IsContent(n.Name().Space), n.Name().Space == "", n.Name().Space == ns:
		return stanza.NotAcceptable
	case n.Name().Space == "vcard-temp": // a client that put its card here would wonder why nobody sees it
		return stanza.NotAcceptable
	}
	return nil
}

// set keeps the elements of the query (XEP-0049 §2.3), all or none.
func (f *feature) set(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	var names []xmlstream.Name
	kept, passed := map[xmlstream.Name]xmlstream.Raw{}, map[xmlstream.Name]bool{}
	var acts []func(*db.Tx) error
	for n := range q.Payload.Children() {
		if err := keepable(n); err != nil {
			return "", err
		}
		name := n.Name()
		if k := f.Keepers[name]; k != nil {
			if passed[name] {
				return "", stanza.BadRequest
			}
			passed[name] = true
			act, err := k.Set(ctx, item.Owner{ID: q.Owner.ID, JID: q.Account}, n)
			if err != nil {
				return "", public(err)
			}
			acts = append(acts, act)
			continue
		}
		name = xmlstream.Name{Space: strings.Clone(name.Space), Local: strings.Clone(name.Local)}
		if _, again := kept[name]; !again {
			names = append(names, name)
		}
		kept[name] += n.Raw()
	}
	if len(names) == 0 && len(acts) == 0 {
		return "", keepable(xmlstream.Node{})
	}
	err := f.DB.Write(ctx, func(tx *db.Tx) error {
		for _, act := range acts {
			if err := act(tx); err != nil {
				return err
			}
		}
		for _, name := range names {
			if err := f.Store.Set(tx, q.Owner.ID, name, kept[name]); err != nil {
				return err
			}
		}
		return nil
	})
	return "", public(err)
}

// foreign refuses whoever asks for what is another's (XEP-0049 §2.3, §4). Who is not to know that there is such an account
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
		return stanza.PolicyViolation.WithText("This is too large to be kept.")
	case errors.Is(err, private.ErrQuota), errors.Is(err, item.ErrQuota), errors.Is(err, item.ErrNodes):
		return stanza.ResourceConstraint.WithText("There is no room left for what is yours.")
	}
	return err
}
