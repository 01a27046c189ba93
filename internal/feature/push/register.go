// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsData         = "jabber:x:data"
	publishOptions = "http://jabber.org/protocol/pubsub#publish-options"
	maxNode        = 1024    // bytes
	maxOptions     = 4 << 10 // bytes of the form
)

// enable registers a service for the asking client (XEP-0357 §5). We let any service in: an app names its own.
func (p *Push) enable(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	service, err := p.service(q)
	if err != nil {
		return "", err
	}
	node := q.Payload.Attr("node")
	if len(node) > maxNode {
		return "", stanza.NotAcceptable.WithText("The node's name is too long.")
	}
	options, err := optionsOf(q.Payload)
	if err != nil {
		return "", err
	}
	r := push.Registration{Owner: q.Owner.ID, Client: clientOf(q.Device), Kind: push.App,
		Service: service.String(), Node: node, Detail: string(options)}
	err = p.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := p.Registrations.Enable(tx, r)
		return err
	})
	return "", p.storeError(ctx, err)
}

// disable ends a service's registrations (XEP-0357 §6): that of one node, or all of them.
func (p *Push) disable(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	service, err := p.service(q)
	if err != nil {
		return "", err
	}
	node, one := q.Payload.Attr("node"), q.Payload.HasAttr("node")
	err = p.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := p.Registrations.Disable(tx, q.Owner.ID, func(r push.Registration) bool {
			return r.Kind == push.App && r.Service == service.String() && (!one || r.Node == node)
		})
		return err
	})
	return "", p.storeError(ctx, err)
}

// service reads the address of the service that a request is about: any but one's own.
func (p *Push) service(q *router.Request) (jid.JID, error) {
	if !q.Payload.HasAttr("jid") {
		return jid.JID{}, stanza.BadRequest.WithText("A service has to be named.")
	}
	j, err := jid.Parse(q.Payload.Attr("jid"))
	if err != nil {
		return jid.JID{}, stanza.JIDMalformed
	}
	if j.Bare() == q.Account {
		return jid.JID{}, stanza.BadRequest.WithText("An account is no push service.")
	}
	return j, nil
}

// storeError is what a client hears where the store failed: it may try again.
func (p *Push) storeError(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
	p.Log.ErrorContext(ctx, "change push registrations", "err", err)
	return stanza.InternalServerError.WithType(stanza.Wait)
}

// optionsOf returns the form with what each publish shall have with it; "" where there is none.
func optionsOf(n xmlstream.Node) (xmlstream.Raw, error) {
	x, ok := n.Child(nsData, "x")
	if !ok {
		return "", nil
	}
	for f := range x.Children() {
		if !f.Is(nsData, "field") || f.Attr("var") != "FORM_TYPE" {
			continue
		}
		if v, ok := f.Child(nsData, "value"); !ok || v.Text() != publishOptions {
			break
		}
		raw := x.Raw()
		if len(raw) > maxOptions {
			return "", stanza.NotAcceptable.WithText("The form is too long.")
		}
		return raw, nil
	}
	return "", stanza.BadRequest.WithText("The form is not one of options for publishing.")
}

// removedRemotely ends the registration of a service that says that the account may not publish there any more
// (XEP-0357 §8).
func (p *Push) removedRemotely(owner int64, st *stanza.Stanza, regs []push.Registration) {
	n, ok := st.Child(nsPubsub, "pubsub")
	if !ok {
		return
	}
	for a := range n.Children() {
		to, err := jid.Parse(a.Attr("jid"))
		if !a.Is(nsPubsub, "affiliation") || a.Attr("affiliation") != "none" || err != nil || to != st.To.Bare() {
			continue
		}
		for _, r := range regs {
			if r.Kind != push.App || r.Service != st.From.String() || r.Node != n.Attr("node") {
				continue
			}
			p.DB.Submit(func(tx *db.Tx) error {
				_, err := p.Registrations.Disable(tx, owner, func(x push.Registration) bool { return x.ID == r.ID })
				return err
			}, func(err error) {
				if err != nil {
					p.Log.Error("end a push registration", "err", err) // its service says so once more, by errors
				}
			})
		}
	}
}
