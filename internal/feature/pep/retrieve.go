// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"errors"
	"strconv"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/payload/rsm"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxAnswer is about how many bytes of items one answer has.
const maxAnswer = 512 << 10

// A wish is what somebody wants to read.
type wish struct {
	node  string
	ids   []string // these items; none: a page of them
	few   bool     // the last ones, no more than limit (XEP-0060 §6.5.7)
	limit int
	paged bool // they understand pages, and want this one
	page  rsm.Request
}

// readItems reads <items/> and what may stand beside it (XEP-0060 §6.5). set is the whole request.
func (p *Pep) readItems(el, set xmlstream.Node) (w wish, err error) {
	w.node, w.limit = el.Attr("node"), p.items.Limits().Items
	if w.node == "" {
		return w, errNodeRequired
	}
	for n := range el.Children() {
		if n.Is(ns, "item") && n.Attr("id") != "" {
			w.ids = append(w.ids, n.Attr("id"))
		}
	}
	if w.few = el.HasAttr("max_items"); w.few {
		n, err := strconv.Atoi(el.Attr("max_items"))
		if err != nil || n < 0 {
			return w, stanza.BadRequest
		}
		w.limit = min(w.limit, n)
	}
	if w.page, err = rsm.Of(set); err != nil {
		return w, err
	}
	w.paged = w.page != rsm.All()
	if w.page.Max >= 0 {
		w.limit = min(w.limit, w.page.Max)
	}
	if w.page.Index >= 0 { // XEP-0059 §2.6
		return w, stanza.FeatureNotImplemented
	}
	return w, nil
}

// retrieve answers with items (XEP-0060 §6.5).
func (p *Pep) retrieve(ctx context.Context, q *router.Request, el, option xmlstream.Node) (xmlstream.Raw, error) {
	if !option.IsZero() && !option.Is(rsm.NS, "set") {
		return "", stanza.BadRequest
	}
	w, err := p.readItems(el, q.Payload)
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
		page := rsm.Page{Index: -1, Count: n.Items}
		if len(list) > 0 {
			page.First, page.Last = list[0].ID, list[len(list)-1].ID
		}
		page.Write(&b)
	}
	return b.End().Build(), nil
}

// wanted reads the items, in the order in which they were published. What is not there is left out (XEP-0060 §6.5.9.12).
func (p *Pep) wanted(ctx context.Context, id int64, n item.Node, w wish) (list []item.Item, more bool, err error) {
	switch {
	case len(w.ids) == 0 && w.limit == 0:
		return nil, n.Items > 0, nil
	case len(w.ids) == 0 && w.limit == 1 && !w.paged: // often, and hardly ever a query
		it, ok, err := p.items.Last(ctx, id, n)
		if err != nil || !ok {
			return nil, false, err
		}
		return []item.Item{it}, n.Items > 1, nil
	case len(w.ids) == 0 && w.paged && !w.page.Last: // XEP-0059 §2.3
		return p.items.ItemsAfter(ctx, id, n.Name, w.page.After, w.limit, maxAnswer)
	case len(w.ids) == 0:
		return p.items.Items(ctx, id, n.Name, w.page.Before, w.limit, maxAnswer)
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
