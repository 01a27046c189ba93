// SPDX-License-Identifier: Apache-2.0

// Package pep is publish-subscribe on one's own account (XEP-0163 v1.2.2): the part of XEP-0060 v1.30.0 that serves it. What
// is published is in package item; here is what clients say of it and hear of it.
//
// The owner of an account makes, fills, configures and removes its nodes (publish.go, owner.go). Whoever may, by the node's
// access model (access.go), reads and subscribes (retrieve.go, subscribe.go). What changes, whoever changed it, is told to
// the owner's devices, to contacts who get the owner's presence, and to who has subscribed (notify.go); a device that comes,
// or says later what it wants, gets the last items (last.go).
//
// Devices say what they want by features that end with +notify (XEP-0060 §9.2), which package caps knows. For devices of
// contacts on this server they are known in the turn of the contact's account only: so the owner's turn sends one stanza
// to each contact, not to be seen by anybody, and the contact's turn gives it to the devices that want it (follow.go).
// Devices of contacts elsewhere are kept with the account that they are there for (remote.go).
package pep

import (
	"context"
	"log/slog"

	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns       = "http://jabber.org/protocol/pubsub"
	nsOwner  = ns + "#owner"
	nsEvent  = ns + "#event"
	nsErrors = ns + "#errors"
)

// Contacts knows who may see an account; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
	Subscribers(ctx context.Context, owner int64) ([]jid.JID, error)
	Subscriptions(ctx context.Context, owner int64) ([]jid.JID, error)
}

// Caps knows what devices can do; *caps.Caps implements it.
type Caps interface {
	Of(ctx context.Context, d *router.Device) *capability.Set
	OnLearnt(f func(context.Context, *router.Device))
	Find(ctx context.Context, account, who jid.JID, k capability.Key, node string, then func(context.Context, *capability.Set)) *capability.Set
}

// Blocks knows whom an account wants to have nothing to do with; *blocklist.Service implements it.
type Blocks interface {
	Of(ctx context.Context, owner int64) (blocklist.Set, error)
}

// Options are what the feature works with.
type Options struct {
	DB       *db.DB
	Log      *slog.Logger
	Items    *item.Service
	Contacts Contacts
	Caps     Caps
	Known    Known  // what was learnt of all devices
	Blocks   Blocks // nil: nobody is blocked

	// Configs are what nodes of these names are like where their owner says nothing else; others are as item.Default.
	Configs map[string]item.Config
}

// Known knows what hashes mean; *capability.Service implements it.
type Known interface {
	Get(ctx context.Context, k capability.Key) (*capability.Set, error)
}

// Pep is the feature.
type Pep struct {
	r        *router.Router
	db       *db.DB
	log      *slog.Logger
	items    *item.Service
	contacts Contacts
	caps     Caps
	known    Known
	blocks   Blocks
	configs  map[string]item.Config
	told     router.Slot[told]
	remote   remote
}

// Install hangs pep into r.
func Install(r *router.Router, o Options) *Pep {
	p := &Pep{r: r, db: o.DB, log: o.Log, items: o.Items, contacts: o.Contacts, caps: o.Caps, known: o.Known, blocks: o.Blocks,
		configs: o.Configs,
		told:    router.NewSavedSlot[told](r, "pep")}
	p.advertise()
	r.HandleIQ(router.Self, "set", ns, "pubsub", p.set)
	r.HandleIQ(router.Account, "set", ns, "pubsub", p.set)
	r.HandleQuery(router.Self, "get", ns, "pubsub", p.get)
	r.HandleQuery(router.Account, "get", ns, "pubsub", p.get)
	r.HandleIQ(router.Self, "set", nsOwner, "pubsub", p.ownerSet)
	r.HandleIQ(router.Account, "set", nsOwner, "pubsub", p.foreign)
	r.HandleIQ(router.Self, "get", nsOwner, "pubsub", p.ownerGet)
	r.HandleIQ(router.Account, "get", nsOwner, "pubsub", p.foreign)
	r.OnMessage(router.Outbound, router.Amend, p.forged)
	r.OnMessage(router.Inbound, router.Amend, p.follow)
	r.OnPresence(router.Outbound, router.After, p.presence)
	r.OnPresence(router.Inbound, router.After, p.seen)
	o.Caps.OnLearnt(p.learnt)
	return p
}

// advertise tells what there is (XEP-0060 §10, XEP-0163 §6.1).
func (p *Pep) advertise() {
	p.r.Advertise(router.Self, ns, nsOwner)
	for _, f := range []string{
		"access-open", "access-presence", "access-roster", "access-whitelist", "auto-create", "auto-subscribe",
		"config-node", "config-node-max", "create-and-configure", "create-nodes", "delete-items", "delete-nodes",
		"filtered-notifications", "instant-nodes", "item-ids", "last-published", "manage-subscriptions",
		"member-affiliation", "meta-data", "modify-affiliations", "multi-items", "outcast-affiliation",
		"persistent-items", "presence-notifications", "presence-subscribe", "publish", "publish-options", "pubsub-on-a-jid",
		"purge-nodes", "retract-items", "retrieve-affiliations", "retrieve-default", "retrieve-items",
		"retrieve-subscriptions", "rsm", "subscribe",
	} {
		p.r.Advertise(router.Self, ns+"#"+f)
	}
	p.r.Advertise(router.Server, ns+"#publish-options") // XEP-0222 §5 and XEP-0223 §5 look there
}

// set does what a client wants done in the namespace of subscribers and publishers.
func (p *Pep) set(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if err := p.welcome(ctx, q); err != nil {
		return "", err
	}
	act, option, err := only(q.Payload, ns)
	if err != nil {
		return "", err
	}
	switch act.Name().Local {
	case "subscribe":
		return p.subscribe(ctx, q, act, option)
	case "unsubscribe":
		return p.unsubscribe(ctx, q, act)
	case "options":
		return "", p.options(ctx, q, act)
	case "publish", "retract", "create":
		if !own(q) {
			return p.foreign(ctx, q)
		}
	default:
		return "", stanza.BadRequest
	}
	switch act.Name().Local {
	case "publish":
		return p.publish(ctx, q, act, option)
	case "retract":
		return "", p.retract(ctx, q, act)
	}
	return p.create(ctx, q, act, option)
}

// get answers what a client asks in that namespace. It runs beside the turn.
func (p *Pep) get(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if err := p.welcome(ctx, q); err != nil {
		return "", err
	}
	act, option, err := only(q.Payload, ns)
	if err != nil {
		return "", err
	}
	switch act.Name().Local {
	case "items":
		return p.retrieve(ctx, q, act, option)
	case "subscriptions":
		return p.subscriptions(ctx, q, act)
	case "affiliations":
		return p.affiliations(ctx, q, act)
	case "options":
		return "", p.options(ctx, q, act)
	case "default": // XEP-0060 §6.4.3.1
		return "", unsupported("subscription-options")
	}
	return "", stanza.BadRequest
}

// only returns what is wanted and, where there is one, the element that goes with it. There is one wish in a request.
func only(pubsub xmlstream.Node, space string) (act, option xmlstream.Node, err error) {
	for n := range pubsub.Children() {
		switch {
		case act.IsZero() && n.Name().Space == space:
			act = n
		case !act.IsZero() && option.IsZero():
			option = n
		default:
			return xmlstream.Node{}, xmlstream.Node{}, stanza.BadRequest
		}
	}
	if act.IsZero() {
		return xmlstream.Node{}, xmlstream.Node{}, stanza.BadRequest
	}
	return act, option, nil
}

// own reports whether the owner asks.
func own(q *router.Request) bool { return q.From.Bare() == q.Account }

func owner(q *router.Request) item.Owner { return item.Owner{ID: q.Owner.ID, JID: q.Account} }

// foreign answers who wants what only the owner may (XEP-0060 §8.1.1): it is forbidden to those who know that there is such
// an account, and all others hear what they would hear if there was none.
func (p *Pep) foreign(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	i, err := p.contacts.Get(ctx, q.Owner.ID, q.From.Bare())
	switch {
	case err != nil:
		return "", err
	case acquainted(i):
		return "", stanza.Forbidden
	}
	return "", stanza.ServiceUnavailable
}

// write runs one act, and says what went wrong as clients understand it.
func (p *Pep) write(ctx context.Context, f func(*db.Tx) error) error {
	return public(p.db.Write(ctx, f))
}

// config is what a node of that name is like before anybody says otherwise (XEP-0060 §7.1.4).
func (p *Pep) config(node string) item.Config {
	if c, ok := p.configs[node]; ok {
		return c
	}
	return item.Default()
}
