// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"errors"
	"strconv"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsRSM = "http://jabber.org/protocol/rsm"

// maxAnswer is about how many bytes of items one answer has.
const maxAnswer = 512 << 10

// A wish is what somebody wants to read.
type wish struct {
	node   string
	ids    []string // these items; none: the last ones
	limit  int
	before string // XEP-0059 §2.3: those that are older
	few    bool   // they want no more than limit
	paged  bool   // they understand pages
}

// readItems reads <items/> and what may stand beside it (XEP-0060 §6.5).
func (p *Pep) readItems(el, option xmlstream.Node) (w wish, err error) {
	w.node, w.limit = el.Attr("node"), p.items.Limits().Items
	if w.node == "" {
		return w, errNodeRequired
	}
	for n := range el.Children() {
		if n.Is(ns, "item") && n.Attr("id") != "" {
			w.ids = append(w.ids, n.Attr("id"))
		}
	}
	limit := func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < 0 {
			return stanza.BadRequest
		}
		w.limit = min(w.limit, n)
		return nil
	}
	if w.few = el.HasAttr("max_items"); w.few { // XEP-0060 §6.5.7
		if err := limit(el.Attr("max_items")); err != nil {
			return w, err
		}
	}
	if option.IsZero() {
		return w, nil
	}
	if !option.Is(nsRSM, "set") {
		return w, stanza.BadRequest
	}
	w.paged = true
	for n := range option.Children() {
		switch n.Name().Local {
		case "max":
			if err := limit(n.Text()); err != nil {
				return w, err
			}
		case "before":
			w.before = n.Text()
		default: // XEP-0060 §6.5.7: the most recent ones; pages go back from there
			return w, stanza.FeatureNotImplemented
		}
	}
	return w, nil
}

// retrieve answers with items (XEP-0060 §6.5).
func (p *Pep) retrieve(ctx context.Context, q *router.Request, el, option xmlstream.Node) (xmlstream.Raw, error) {
	w, err := p.readItems(el, option)
	if err != nil {
		return "", err
	}
	n, err := p.node(ctx, q.Account, q.Owner.ID, q.From.Bare(), w.node)
	switch {
	case err != nil:
		return "", err
	case !n.Config.Persist: // XEP-0060 §6.5.9.4
		return "", unsupported("persistent-items")
	}
	list, more, err := p.wanted(ctx, q.Owner.ID, n, w)
	if err != nil {
		return "", public(err)
	}
	var b xmlstream.Builder
	b.Start(ns, "pubsub").Start(ns, "items").Attr("node", w.node)
	for _, it := range list {
		writeItem(&b, it, true)
	}
	b.End()
	if (more && !w.few || w.paged) && len(w.ids) == 0 { // XEP-0060 §6.5.4
		b.Start(nsRSM, "set")
		if len(list) > 0 {
			b.Start("", "first").Text(list[0].ID).End()
			b.Start("", "last").Text(list[len(list)-1].ID).End()
		}
		b.Start("", "count").Text(strconv.Itoa(n.Items)).End().End()
	}
	return b.End().Build(), nil
}

// wanted reads the items, in the order in which they were published. What is not there is left out (XEP-0060 §6.5.9.12).
func (p *Pep) wanted(ctx context.Context, id int64, n item.Node, w wish) (list []item.Item, more bool, err error) {
	switch {
	case len(w.ids) == 0 && w.limit == 0:
		return nil, n.Items > 0, nil
	case len(w.ids) == 0 && w.limit == 1 && w.before == "": // often, and hardly ever a query
		it, ok, err := p.items.Last(ctx, id, n)
		if err != nil || !ok {
			return nil, false, err
		}
		return []item.Item{it}, n.Items > 1, nil
	case len(w.ids) == 0:
		return p.items.Items(ctx, id, n.Name, w.before, w.limit, maxAnswer)
	}
	room := maxAnswer
	for _, name := range w.ids {
		it, err := p.items.Item(ctx, id, n.Name, name)
		if errors.Is(err, item.ErrNoItem) {
			continue
		}
		if err != nil {
			return nil, false, err
		}
		if room -= len(it.Payload); room < 0 && len(list) > 0 {
			break
		}
		list = append(list, it)
	}
	return list, false, nil
}

// writeItem writes an item in the namespace around it.
func writeItem(b *xmlstream.Builder, it item.Item, payload bool) {
	b.Start("", "item").Attr("id", it.ID)
	if payload {
		b.Raw(it.Payload)
	}
	b.End()
}
