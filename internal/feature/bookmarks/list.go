// SPDX-License-Identifier: Apache-2.0

package bookmarks

import (
	"context"
	"errors"
	"slices"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// current is the id of the one item of List (XEP-0048 §3.1).
const current = "current"

// Changed keeps the two nodes equal. It is for item.Service.OnChange.
func (b *Bookmarks) Changed(c item.Change) {
	switch c.Node.Name {
	case Node:
		switch c.Kind {
		case item.Published, item.Retracted, item.Purged, item.Deleted:
			b.republish(c.Owner)
		}
	case List:
		switch c.Kind {
		case item.Published:
			if it := c.Items[0]; !it.Publisher.IsZero() {
				b.r.Do(c.Owner.JID, func(ctx context.Context) { b.absorb(ctx, c.Owner, it) })
			}
		case item.Retracted, item.Purged, item.Deleted:
			// A client that has moved on may tidy up so. That somebody wants to lose all bookmarks is less likely.
			b.republish(c.Owner)
		}
	}
}

// republish has the list published anew, once for all that has changed until then.
func (b *Bookmarks) republish(owner item.Owner) {
	b.mu.Lock()
	_, waits := b.due[owner.JID]
	b.due[owner.JID] = struct{}{}
	b.mu.Unlock()
	if waits {
		return
	}
	b.r.Do(owner.JID, func(ctx context.Context) {
		b.mu.Lock()
		delete(b.due, owner.JID)
		b.mu.Unlock()
		if err := b.publish(ctx, owner); err != nil {
			b.Log.ErrorContext(ctx, "publish the list of bookmarks", "err", err)
		}
	})
}

// publish publishes the list at its node, where that says something else (XEP-0402 §5.3.1). It is not published where more
// than the owner can see it: somebody may have opened that node before there was anything in it.
func (b *Bookmarks) publish(ctx context.Context, owner item.Owner) error {
	raw, err := b.Get(ctx, owner)
	if err != nil {
		return err
	}
	n, err := b.Items.Node(ctx, owner.ID, List)
	switch {
	case errors.Is(err, item.ErrNoNode):
		if raw == "" {
			return nil
		}
	case err != nil:
		return err
	case n.Config.Access != item.Whitelist:
		return nil
	default:
		last, _, err := b.Items.Last(ctx, owner.ID, n)
		if err != nil || slices.Equal(contents(last.Payload), contents(raw)) {
			return err
		}
	}
	if raw == "" {
		raw = xmlstream.Elem(List, "storage")
	}
	return b.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := b.Items.Publish(tx, owner, List, item.Item{ID: current, Payload: raw}, ListConfig())
		if !errors.Is(err, item.ErrPayload) {
			return err
		}
		err = b.Items.Retract(tx, owner, List, true, current) // better none than an old one
		if errors.Is(err, item.ErrNoItem) || errors.Is(err, item.ErrNoNode) {
			return nil
		}
		return err
	})
}

// absorb takes a list that a client has published. What cannot be taken is shown to the client by a list without it.
func (b *Bookmarks) absorb(ctx context.Context, owner item.Owner, list item.Item) {
	err := b.take(ctx, owner, list)
	if err != nil {
		b.Log.WarnContext(ctx, "take a list of bookmarks", "err", err)
		b.republish(owner)
	}
}

func (b *Bookmarks) take(ctx context.Context, owner item.Owner, list item.Item) error {
	storage, ok := element(list.Payload, List, "storage")
	if !ok {
		b.republish(owner)
		return nil
	}
	d, err := b.difference(ctx, owner, storage, list.At)
	if err != nil {
		return err
	}
	return b.DB.Write(ctx, func(tx *db.Tx) error { return b.make(tx, owner, d) })
}

// contents are what a list says, in one form and order.
func contents(list xmlstream.Raw) (out []string) {
	for n := range inside(list) {
		if id := room(n.Attr("jid")); id != "" && n.Is(List, "conference") {
			var w xmlstream.Builder
			readOld(n).old(&w, id)
			out = append(out, string(w.Build()))
		} else {
			out = append(out, string(n.Raw()))
		}
	}
	slices.Sort(out)
	return out
}
