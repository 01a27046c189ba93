// SPDX-License-Identifier: Apache-2.0

// Package bookmarks lets old and new clients of one person see the same bookmarks of rooms.
//
// They are the items of a node of the account (XEP-0402 v1.2.0), one for each room. Older clients know one list of all of
// them (XEP-0048 v1.2), kept as private XML (XEP-0049) or as the one item of another node. What they read is made from the
// items, and what they write changes only those items that are different now (XEP-0402 §5.3); what they do not know of an
// item stays as it was, and so does what is not a room's in their list.
//
// All of it happens in the turn of the account. What clients publish at either node is seen after the commit (Changed): the
// list is published anew where an item has changed, and items where the list has. What the server published itself has no
// publisher, which is how it does not answer itself.
package bookmarks

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// The nodes, which are also the namespaces of what is in them.
const (
	Node = "urn:xmpp:bookmarks:1" // an item for each room
	List = "storage:bookmarks"    // all of them in one item
)

// maxBytes bounds the items that are read for one list.
const maxBytes = 4 << 20

// NodeConfig is what Node is like if nobody says otherwise (XEP-0402 §3.3): they are nobody else's business.
func NodeConfig() item.Config {
	c := item.Default()
	c.Access, c.MaxItems, c.SendLast = item.Whitelist, item.Max, item.Never
	return c
}

// ListConfig is the same for List (XEP-0048 §3.1).
func ListConfig() item.Config {
	c := item.Default()
	c.Access = item.Whitelist
	return c
}

// Name is that of the list where it is kept as private XML.
func Name() xmlstream.Name { return xmlstream.Name{Space: List, Local: "storage"} }

// Beside keeps what is in lists and is no room's; *private.Service implements it.
type Beside interface {
	Get(ctx context.Context, owner int64, name xmlstream.Name) (xmlstream.Raw, error)
	Set(tx *db.Tx, owner int64, name xmlstream.Name, raw xmlstream.Raw) error
}

// Options are what the feature works with.
type Options struct {
	DB     *db.DB
	Log    *slog.Logger
	Items  *item.Service
	Beside Beside
}

// Bookmarks is the feature. It is also what the list is kept with where that is private XML.
type Bookmarks struct {
	Options
	r *router.Router

	mu  sync.Mutex // guards due
	due map[jid.JID]struct{}
}

// Install hangs bookmarks into r.
func Install(r *router.Router, o Options) *Bookmarks {
	r.Advertise(router.Self, Node+"#compat", Node+"#compat-pep") // XEP-0402 §6
	return &Bookmarks{Options: o, r: r, due: map[jid.JID]struct{}{}}
}

// Get returns the list as old clients know it (XEP-0402 §5.3.1), "" where there is nothing in it. It is for the turn of the
// owner, as Set is.
func (b *Bookmarks) Get(ctx context.Context, owner item.Owner) (xmlstream.Raw, error) {
	items, err := b.items(ctx, owner)
	if err != nil {
		return "", err
	}
	beside, err := b.Beside.Get(ctx, owner.ID, Name())
	if err != nil {
		return "", err
	}
	var w xmlstream.Builder
	w.Start(List, "storage")
	any := beside != ""
	for _, it := range items {
		if m, ok := readItem(it.Payload); ok {
			m.old(&w, it.ID)
			any = true
		}
	}
	for n := range inside(beside) {
		w.Raw(n.Raw())
	}
	if raw := w.End().Build(); any {
		return raw, nil
	}
	return "", nil
}

// Set takes a list from an old client (XEP-0402 §5.3.2).
func (b *Bookmarks) Set(ctx context.Context, owner item.Owner, list xmlstream.Node) (func(*db.Tx) error, error) {
	d, err := b.difference(ctx, owner, list, time.Time{})
	if err != nil {
		return nil, err
	}
	return func(tx *db.Tx) error { return b.make(tx, owner, d) }, nil
}

// items returns the items of Node. There are not more of them than lists may have.
func (b *Bookmarks) items(ctx context.Context, owner item.Owner) ([]item.Item, error) {
	list, more, err := b.Items.Items(ctx, owner.ID, Node, "", b.Items.Limits().Items, maxBytes)
	if more {
		return nil, stanza.ResourceConstraint.WithText("There are too many bookmarks for one list.")
	}
	return list, err
}

// A difference is what has to be done for the items to be as a list says.
type difference struct {
	publish []item.Item
	retract []string
	beside  xmlstream.Raw // all that is in the list and no room's
}

// difference compares a list with the items; what was published after the list stays as it is, if that has a time.
func (b *Bookmarks) difference(ctx context.Context, owner item.Owner, list xmlstream.Node, at time.Time) (d difference, err error) {
	items, err := b.items(ctx, owner)
	if err != nil {
		return d, err
	}
	have := map[string]item.Item{}
	for _, it := range items {
		have[room(it.ID)] = it
	}
	seen := map[string]bool{}
	var beside xmlstream.Builder
	beside.Start(List, "storage")
	any := false
	for n := range list.Children() {
		id := room(n.Attr("jid"))
		if !n.Is(List, "conference") || id == "" {
			beside.Raw(n.Raw())
			any = true
			continue
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		it, there := have[id]
		if there && later(it, at) {
			continue
		}
		if !there {
			it.ID = id
		}
		was, _ := readItem(it.Payload)
		if is := was.updated(readOld(n)); !there || is.item() != was.item() {
			d.publish = append(d.publish, item.Item{ID: it.ID, Payload: is.item()})
		}
	}
	for _, it := range items {
		if _, ours := readItem(it.Payload); ours && !seen[room(it.ID)] && !later(it, at) {
			d.retract = append(d.retract, it.ID)
		}
	}
	if len(seen) > b.Items.Limits().Items {
		return d, stanza.ResourceConstraint.WithText("These are too many bookmarks.")
	}
	if raw := beside.End().Build(); any {
		d.beside = raw
	}
	return d, nil
}

// later reports whether an item was published after the time, if that is one.
func later(it item.Item, at time.Time) bool { return !at.IsZero() && it.At.After(at) }

// room is the address of a room in its one form, as items are called; "" where it is none.
func room(address string) string {
	j, err := jid.Parse(address)
	if err != nil {
		return ""
	}
	return j.String()
}

// make does what a difference wants. Devices are told of what has changed, and of nothing else (XEP-0402 §5.3.2).
func (b *Bookmarks) make(tx *db.Tx, owner item.Owner, d difference) error {
	for _, id := range d.retract { // first: there is a bound to how many there are
		err := b.Items.Retract(tx, owner, Node, true, id)
		if err != nil && !errors.Is(err, item.ErrNoItem) && !errors.Is(err, item.ErrNoNode) {
			return err
		}
	}
	for _, it := range d.publish {
		if _, err := b.Items.Publish(tx, owner, Node, it, NodeConfig()); err != nil {
			return err
		}
	}
	if err := b.Beside.Set(tx, owner.ID, Name(), d.beside); err != nil {
		return err
	}
	tx.After(func() { b.republish(owner) })
	return nil
}
