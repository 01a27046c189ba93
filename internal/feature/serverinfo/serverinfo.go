// SPDX-License-Identifier: Apache-2.0

// Package serverinfo publishes which domain this is, what software it runs, and with whom it federates (XEP-0485 v1.0.0):
// for those who draw the map of the network. It is there only where the admin wants it.
//
// The document has it in a node of publish-subscribe (XEP-0060), and so there is one, with one item, under the domain
// itself. It can be read; there is nothing to be subscribed to, since what it says does not change while the server runs.
package serverinfo

import (
	"context"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns             = "urn:xmpp:serverinfo:0"
	nsPubSub       = "http://jabber.org/protocol/pubsub"
	nsPubSubErrors = "http://jabber.org/protocol/pubsub#errors"
	node           = "serverinfo" // XEP-0485 §5
	item           = "current"
)

// Info is the feature.
type Info struct {
	domain string
	answer xmlstream.Raw
}

// Install hangs serverinfo into r; software and version are what the server runs.
func Install(r *router.Router, software, version string) *Info {
	var b xmlstream.Builder
	b.Start(nsPubSub, "pubsub").Start(nsPubSub, "items").Attr("node", node)
	b.Start(nsPubSub, "item").Attr("id", item)
	b.Start(ns, "serverinfo")
	b.Start(ns, "domain").Attr("name", r.Domain.Domain()).Start(ns, "federation").End().End() // XEP-0485 §4: with nobody yet
	b.Start("jabber:iq:version", "query")
	b.Start("jabber:iq:version", "name").Text(software).End().Start("jabber:iq:version", "version").Text(version).End().End()
	b.End().End().End().End()
	i := &Info{r.Domain.Domain(), b.Build()}
	r.Advertise(router.Server, ns) // XEP-0485 §3
	r.HandleIQ(router.Server, "get", nsPubSub, "pubsub", i.read)
	return i
}

// Field says where the node is (XEP-0485 §3); it belongs into the form that contactinfo makes.
func (i *Info) Field() form.Field {
	return form.Field{Var: "serverinfo-pubsub-node", Values: []string{"xmpp:" + i.domain + "?;node=" + node}}
}

// Node is where the item is.
func (i *Info) Node() string { return node }

// Items calls f with nothing: an item is no place of its own.
func (i *Info) Items(account.Account, func(node, name string)) {}

// Describe tells that the node is a leaf (XEP-0485 §3).
func (i *Info) Describe(_ account.Account, at string) (id struct{ Category, Type, Name string }, features []string, known bool, err error) {
	id.Category, id.Type = "pubsub", "leaf"
	return id, []string{nsPubSub}, at == node, nil
}

// read answers who wants the item (XEP-0060 §6.5).
func (i *Info) read(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	items, ok := q.Payload.Child(nsPubSub, "items")
	if !ok {
		var b xmlstream.Builder
		b.Start(nsPubSubErrors, "unsupported").Attr("feature", "subscribe")
		return "", stanza.FeatureNotImplemented.WithApp(b.End().Build())
	}
	if items.Attr("node") != node {
		return "", stanza.ItemNotFound // XEP-0060 §6.5.9
	}
	wanted := true
	for x := range items.Children() {
		if x.Is(nsPubSub, "item") {
			if wanted = x.Attr("id") == item; wanted {
				break
			}
		}
	}
	if !wanted {
		return "", stanza.ItemNotFound
	}
	return i.answer, nil
}
