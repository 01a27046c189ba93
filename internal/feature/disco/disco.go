// SPDX-License-Identifier: Apache-2.0

// Package disco answers what the server, and an account, is and can do (XEP-0030 v2.5.0), with what else the server tells
// of itself (XEP-0128 v1.0.1), and tells the hash of the server's answer in the stream features, so that clients need not
// ask (XEP-0115 v1.6.0 §6.3).
package disco

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsInfo  = "http://jabber.org/protocol/disco#info"
	nsItems = "http://jabber.org/protocol/disco#items"
	nsCaps  = "http://jabber.org/protocol/caps"
)

// node is the address that names this software in the capabilities (XEP-0115 §4).
const node = "https://kith.im"

// Contacts tells who may see an account: somebody whose address may ask what it is and can do (XEP-0030 §8).
type Contacts interface {
	// Sees reports whether viewer gets the presence of the account with that id.
	Sees(ctx context.Context, account int64, viewer string) (bool, error)
}

// Nodes are what accounts publish (XEP-0060 §5); *pep.Pep implements it. To who may not know of an account, none is there.
type Nodes interface {
	// Describe returns what a node is, with its identity, or why who asks does not hear it.
	Describe(ctx context.Context, q *router.Request, node string) (xmlstream.Raw, error)
	// Visible lists the nodes whose items who asks may see.
	Visible(ctx context.Context, q *router.Request) ([]item.Node, error)
	// Contents lists the ids of a node's items, or returns why who asks does not hear it.
	Contents(ctx context.Context, q *router.Request, node string) ([]string, error)
}

// A List is what the server has at one of its nodes.
type List interface {
	Node() string
	// Items calls f with what an account may use.
	Items(of account.Account, f func(node, name string))
}

// A Describer is a List that tells what its nodes are.
type Describer interface {
	// Describe tells what a node is; known is false where it is no node of the list's. The error is for who may not know it.
	Describe(of account.Account, node string) (id Identity, features []string, known bool, err error)
}

// An Identity is what something is (XEP-0030 §3.1).
type Identity = struct{ Category, Type, Name string }

type disco struct {
	r        *router.Router
	name     string
	contacts Contacts
	nodes    Nodes
	forms    []form.Extension
	lists    []List
}

// Install hangs disco into r. name is what the server is called, and forms are what else it tells of itself: of one type
// there is one at most. It comes after every feature that advertises. The capabilities are for the stream features.
func Install(r *router.Router, name string, contacts Contacts, nodes Nodes, forms []form.Extension, lists ...List) (capabilities xmlstream.Raw) {
	d := &disco{r, name, contacts, nodes, forms, lists}
	r.Advertise(router.Server, nsInfo, nsItems, nsCaps)
	r.Advertise(router.Self, nsInfo, nsItems)
	r.HandleIQ(router.Server, "get", nsInfo, "query", d.server)
	r.HandleIQ(router.Self, "get", nsInfo, "query", d.account)
	r.HandleIQ(router.Account, "get", nsInfo, "query", d.account)
	r.HandleIQ(router.Server, "get", nsItems, "query", d.serverItems)
	r.HandleQuery(router.Self, "get", nsItems, "query", d.accountItems)
	r.HandleQuery(router.Account, "get", nsItems, "query", d.accountItems)

	var b xmlstream.Builder
	b.Start(nsCaps, "c").Attr("hash", "sha-1").Attr("node", node).Attr("ver", d.hash())
	return b.End().Build()
}

// server answers for the domain.
func (d *disco) server(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	at := q.Payload.Attr("node")
	if at == "" || at == node+"#"+d.hash() {
		return info(at, d.identities(), d.features(router.Server), d.forms...), nil
	}
	for _, l := range d.lists {
		x, ok := l.(Describer)
		if !ok {
			continue
		}
		if id, features, known, err := x.Describe(q.Owner, at); known {
			return info(at, []Identity{id}, features), err
		}
	}
	return "", stanza.ItemNotFound // XEP-0030 §3.2
}

// identities are those of the server. It says that accounts have personal eventing, too, for clients that look there
// (XEP-0222 §5, XEP-0223 §5).
func (d *disco) identities() []Identity {
	return []Identity{{"pubsub", "pep", ""}, {"server", "im", d.name}} // sorted, for hash
}

// account answers for an account (RFC 6121 §8.5.1 in spirit), or for one of its nodes (XEP-0060 §5.3).
func (d *disco) account(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if at := q.Payload.Attr("node"); at != "" {
		what, err := d.nodes.Describe(ctx, q, at)
		if err != nil {
			return "", err
		}
		var b xmlstream.Builder
		return b.Start(nsInfo, "query").Attr("node", at).Raw(what).End().Build(), nil
	}
	if err := d.visible(ctx, q); err != nil {
		return "", err
	}
	who := []Identity{{"account", "registered", ""}, {"pubsub", "pep", ""}} // XEP-0163 §6.1
	return info("", who, d.features(router.Self)), nil
}

// accountItems lists what an account publishes, as far as who asks may see it (XEP-0060 §5.2, §5.5). Its devices are nobody's
// business.
func (d *disco) accountItems(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	var b xmlstream.Builder
	b.Start(nsItems, "query")
	if at := q.Payload.Attr("node"); at != "" {
		ids, err := d.nodes.Contents(ctx, q, at)
		if err != nil {
			return "", err
		}
		b.Attr("node", at)
		for _, id := range ids {
			b.Start(nsItems, "item").Attr("jid", q.Account.String()).Attr("name", id).End()
		}
		return b.End().Build(), nil
	}
	list, err := d.nodes.Visible(ctx, q)
	if err != nil {
		return "", err
	}
	if len(list) == 0 { // somebody who may see nothing
		if err := d.visible(ctx, q); err != nil {
			return "", err
		}
	}
	for _, n := range list {
		b.Start(nsItems, "item").Attr("jid", q.Account.String()).Attr("node", n.Name)
		if n.Config.Title != "" {
			b.Attr("name", n.Config.Title)
		}
		b.End()
	}
	return b.End().Build(), nil
}

// services lists what is beside the server: the components, for example (XEP-0114).
func (d *disco) services(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Payload.Attr("node") != "" {
		return "", stanza.ItemNotFound
	}
	var b xmlstream.Builder
	b.Start(nsItems, "query")
	for _, domain := range d.r.Domains() {
		b.Start(nsItems, "item").Attr("jid", domain.String()).End()
	}
	return b.End().Build(), nil
}

// serverItems lists what the server has at the node that is asked for.
func (d *disco) serverItems(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	at := q.Payload.Attr("node")
	for _, l := range d.lists {
		if at == "" || l.Node() != at {
			continue
		}
		var b xmlstream.Builder
		b.Start(nsItems, "query").Attr("node", at)
		l.Items(q.Owner, func(node, name string) {
			b.Start(nsItems, "item").Attr("jid", d.r.Domain.String()).Attr("node", node).Attr("name", name).End()
		})
		return b.End().Build(), nil
	}
	return d.services(ctx, q)
}

// visible lets only those ask of an account who get its presence (XEP-0030 §8): others see what they would see
// where there is none.
func (d *disco) visible(ctx context.Context, q *router.Request) error {
	if q.From.Bare() == q.Account {
		return nil
	}
	ok, err := d.contacts.Sees(ctx, q.Owner.ID, q.From.Bare().String())
	if err == nil && !ok {
		err = stanza.ServiceUnavailable
	}
	return err
}

// info is what something is and can do.
func info(at string, who []Identity, features []string, forms ...form.Extension) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsInfo, "query")
	if at != "" {
		b.Attr("node", at)
	}
	for _, id := range who {
		b.Start(nsInfo, "identity").Attr("category", id.Category).Attr("type", id.Type)
		if id.Name != "" {
			b.Attr("name", id.Name)
		}
		b.End()
	}
	for _, f := range features {
		b.Start(nsInfo, "feature").Attr("var", f).End()
	}
	for _, f := range forms { // XEP-0128 §2
		b.Raw(form.Result(f.Type, f.Fields...))
	}
	return b.End().Build()
}

// features are sorted and without doubles.
func (d *disco) features(to router.Target) []string {
	return slices.Compact(slices.Sorted(slices.Values(d.r.Features(to))))
}

// hash is the verification string of what the server answers (XEP-0115 §5.1).
func (d *disco) hash() string {
	var s strings.Builder
	for _, id := range d.identities() {
		s.WriteString(id.Category + "/" + id.Type + "//" + id.Name + "<")
	}
	for _, f := range d.features(router.Server) {
		s.WriteString(f + "<")
	}
	// The forms by their types, the fields by their names, the values by themselves.
	for _, f := range slices.SortedFunc(slices.Values(d.forms), func(a, b form.Extension) int { return strings.Compare(a.Type, b.Type) }) {
		s.WriteString(f.Type + "<")
		for _, x := range slices.SortedFunc(slices.Values(f.Fields), func(a, b form.Field) int { return strings.Compare(a.Var, b.Var) }) {
			values := x.Values
			if values == nil {
				values = []string{x.Value}
			}
			s.WriteString(x.Var + "<")
			for _, v := range slices.Sorted(slices.Values(values)) {
				s.WriteString(v + "<")
			}
		}
	}
	sum := sha1.Sum([]byte(s.String()))
	return base64.StdEncoding.EncodeToString(sum[:])
}
