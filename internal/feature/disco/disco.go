// SPDX-License-Identifier: Apache-2.0

// Package disco answers what the server, and an account, is and can do (XEP-0030 v2.5.0), and tells the hash of the
// server's answer in the stream features, so that clients need not ask (XEP-0115 v1.6.0 §6.3).
package disco

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/account"
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

// A List is what the server has at one of its nodes.
type List interface {
	Node() string
	// Items calls f with what an account may use.
	Items(of account.Account, f func(node, name string))
}

type disco struct {
	r        *router.Router
	name     string
	contacts Contacts
	lists    []List
}

// Install hangs disco into r. name is what the server is called. It comes after every feature that advertises.
// The capabilities are for the stream features.
func Install(r *router.Router, name string, contacts Contacts, lists ...List) (capabilities xmlstream.Raw) {
	d := &disco{r, name, contacts, lists}
	r.Advertise(router.Server, nsInfo, nsItems, nsCaps)
	r.Advertise(router.Self, nsInfo, nsItems)
	r.HandleIQ(router.Server, "get", nsInfo, "query", d.server)
	r.HandleIQ(router.Self, "get", nsInfo, "query", d.account)
	r.HandleIQ(router.Account, "get", nsInfo, "query", d.visible(d.account))
	r.HandleIQ(router.Server, "get", nsItems, "query", d.serverItems)
	r.HandleIQ(router.Self, "get", nsItems, "query", d.items)
	r.HandleIQ(router.Account, "get", nsItems, "query", d.visible(d.items))

	var b xmlstream.Builder
	b.Start(nsCaps, "c").Attr("hash", "sha-1").Attr("node", node).Attr("ver", d.hash())
	return b.End().Build()
}

// server answers for the domain.
func (d *disco) server(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	at := q.Payload.Attr("node")
	if at != "" && at != node+"#"+d.hash() { // XEP-0030 §3.2
		return "", stanza.ItemNotFound
	}
	return d.info(at, "server", "im", d.name, router.Server), nil
}

// account answers for an account (RFC 6121 §8.5.1 in spirit; XEP-0163 §6 wants it of accounts).
func (d *disco) account(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Payload.Attr("node") != "" {
		return "", stanza.ItemNotFound
	}
	return d.info("", "account", "registered", "", router.Self), nil
}

// items lists nothing: there are no services beside the server, and an account's devices are nobody's business.
func (d *disco) items(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Payload.Attr("node") != "" {
		return "", stanza.ItemNotFound
	}
	return xmlstream.Elem(nsItems, "query"), nil
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
	return d.items(ctx, q)
}

// visible lets only those ask of an account who get its presence (XEP-0030 §8): others see what they would see
// where there is none.
func (d *disco) visible(f router.IQFunc) router.IQFunc {
	return func(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
		ok, err := d.contacts.Sees(ctx, q.Owner.ID, q.From.Bare().String())
		if err != nil {
			return "", err
		}
		if !ok {
			return "", stanza.ServiceUnavailable
		}
		return f(ctx, q)
	}
}

func (d *disco) info(at, category, typ, name string, to router.Target) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsInfo, "query")
	if at != "" {
		b.Attr("node", at)
	}
	b.Start(nsInfo, "identity").Attr("category", category).Attr("type", typ)
	if name != "" {
		b.Attr("name", name)
	}
	b.End()
	for _, f := range d.features(to) {
		b.Start(nsInfo, "feature").Attr("var", f).End()
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
	s.WriteString("server/im//" + d.name + "<")
	for _, f := range d.features(router.Server) {
		s.WriteString(f + "<")
	}
	sum := sha1.Sum([]byte(s.String()))
	return base64.StdEncoding.EncodeToString(sum[:])
}
