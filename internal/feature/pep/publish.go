// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"errors"
	"reflect"
	"strings"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A publication is what a client wants to publish.
type publication struct {
	node  string
	item  item.Item
	any   bool // there is an <item/>
	named bool // and it has an id
	space string
}

// readPublish reads <publish/> (XEP-0060 §7.1.1).
func readPublish(el xmlstream.Node) (w publication, err error) {
	w.node = strings.Clone(el.Attr("node"))
	if w.node == "" {
		return w, errNodeRequired
	}
	for n := range el.Children() {
		if !n.Is(ns, "item") {
			continue
		}
		if w.any {
			return w, stanza.BadRequest // no more than one since version 1.13
		}
		w.any = true
		w.item.ID = strings.Clone(n.Attr("id"))
		w.named = w.item.ID != ""
		for payload := range n.Children() {
			if w.item.Payload != "" || xmlstream.IsContent(payload.Name().Space) { // XEP-0060 §7.1.3.6
				return w, errInvalidPayload
			}
			w.item.Payload, w.space = xmlstream.Raw(strings.Clone(string(payload.Raw()))), payload.Name().Space
		}
	}
	return w, nil
}

// fits reports, with an error, where the publication is not of the kind that the node is for (XEP-0060 §7.1.3.6, §7.1.3.7).
func (w publication) fits(c item.Config) error {
	switch {
	case !w.any && c.Persist:
		return errItemRequired
	case w.any && !c.Persist && !c.Payloads:
		return stanza.BadRequest.WithApp(condition("item-forbidden"))
	case w.item.Payload == "" && c.Payloads:
		return errPayloadRequired
	case w.item.Payload != "" && c.Type != "" && c.Type != w.space:
		return errInvalidPayload
	}
	return nil
}

// publish publishes an item (XEP-0060 §7.1).
func (p *Pep) publish(ctx context.Context, q *router.Request, el, option xmlstream.Node) (xmlstream.Raw, error) {
	w, err := readPublish(el)
	if err != nil {
		return "", err
	}
	var options submitted
	if !option.IsZero() {
		if !option.Is(ns, "publish-options") {
			return "", stanza.BadRequest
		}
		if options, _ = formIn(option); options == nil || !options.is(formOptions) { // XEP-0060 §7.1.5
			return "", stanza.BadRequest
		}
	}
	w.item.Publisher = q.From
	var id string
	err = p.write(ctx, func(tx *db.Tx) error {
		c, err := p.meets(tx, q.Owner.ID, w.node, options)
		if err != nil {
			return err
		}
		if err := w.fits(c); err != nil {
			return err
		}
		id, err = p.items.Publish(tx, owner(q), w.node, w.item, c)
		return err
	})
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "pubsub").Start(ns, "publish").Attr("node", w.node)
	if w.any {
		b.Start(ns, "item").Attr("id", id).End() // XEP-0060 §7.1.2
	}
	return b.End().End().Build(), nil
}

// meets returns the Config of a node, or the one that it will have. Options are preconditions (XEP-0060 §7.1.5).
func (p *Pep) meets(tx *db.Tx, owner int64, node string, options submitted) (item.Config, error) {
	n, err := p.items.Lookup(tx, owner, node)
	switch {
	case errors.Is(err, item.ErrNoNode):
		return p.apply(p.config(node), options, true)
	case err != nil:
		return item.Config{}, err
	}
	c, err := p.apply(n.Config, options, true)
	if err != nil || !reflect.DeepEqual(c, n.Config) {
		return item.Config{}, errPrecondition
	}
	return c, nil
}

// retract removes an item (XEP-0060 §7.2).
func (p *Pep) retract(ctx context.Context, q *router.Request, el xmlstream.Node) error {
	node := el.Attr("node")
	if node == "" { // XEP-0060 §7.2.3.3
		return errNodeRequired
	}
	var ids []string
	for n := range el.Children() {
		if n.Is(ns, "item") {
			ids = append(ids, n.Attr("id"))
		}
	}
	if len(ids) != 1 || ids[0] == "" { // XEP-0060 §7.2.3.4
		return errItemRequired
	}
	notify := false
	if el.HasAttr("notify") {
		var ok bool
		if notify, ok = boolean(el.Attr("notify")); !ok {
			return stanza.BadRequest
		}
	}
	return p.write(ctx, func(tx *db.Tx) error {
		n, err := p.items.Lookup(tx, q.Owner.ID, node)
		switch {
		case err != nil:
			return err
		case !n.Config.Persist: // XEP-0060 §7.2.3.5
			return unsupported("persistent-items")
		}
		return p.items.Retract(tx, owner(q), node, notify, ids...)
	})
}

// create makes a node (XEP-0060 §8.1).
func (p *Pep) create(ctx context.Context, q *router.Request, el, option xmlstream.Node) (xmlstream.Raw, error) {
	node, made := el.Attr("node"), false
	if node == "" { // XEP-0060 §8.1.1: an instant node
		node, made = stanza.NewID(), true
	}
	c := p.config(node)
	if !option.IsZero() { // XEP-0060 §8.1.3
		if !option.Is(ns, "configure") || option.HasAttr("node") {
			return "", stanza.BadRequest
		}
		f, _ := formIn(option) // an empty <configure/> asks for the defaults (XEP-0060 §8.1.2)
		if !f.is(formConfig) {
			return "", stanza.BadRequest
		}
		var err error
		if c, err = p.apply(c, f, false); err != nil {
			return "", err
		}
	}
	if err := p.write(ctx, func(tx *db.Tx) error { return p.items.Create(tx, owner(q), node, c) }); err != nil {
		return "", err
	}
	if !made {
		return "", nil
	}
	var b xmlstream.Builder
	return b.Start(ns, "pubsub").Start(ns, "create").Attr("node", node).End().End().Build(), nil
}
