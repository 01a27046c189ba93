// SPDX-License-Identifier: Apache-2.0

// Package blocking lets people hear nothing from whom they do not want to hear (XEP-0191 v1.3).
//
// The list is in internal/blocklist. A stanza of any kind is held against it twice: against the sender's in the sender's
// turn, against the recipient's in the recipient's, before anything else sees it (screen.go). So what a blocked person
// sends is neither kept nor copied nor told to a phone. A message that was let in and is still on its way when the block
// comes is looked at once more before it reaches a device.
//
// A change is told to the devices that have asked for the list, and to presence, whoever made it: those who are blocked
// see the account leave, and those who are not any more see it as it is.
//
// A block may say why (XEP-0377): Reports keeps that, in the act that blocks.
package blocking

import (
	"context"
	"errors"
	"log/slog"

	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns       = "urn:xmpp:blocking"
	nsErrors = "urn:xmpp:blocking:errors"
)

// maxReports are kept of one request: each may have copies of messages. Whom the others name is blocked all the same.
const maxReports = 20

// Presence shows and hides an account; the feature of that name implements it. Both run in the account's turn.
type Presence interface {
	// Hide tells those who see the account's devices, and are in the set, that they are gone.
	Hide(ctx context.Context, owner blocklist.Owner, from blocklist.Set) error
	// Show tells those in the set who may see the account how its devices are, and asks how they are.
	Show(ctx context.Context, owner blocklist.Owner, to blocklist.Set) error
}

// Reports keeps why somebody was blocked.
type Reports interface {
	// Read reads what an item of a block says of the address that it blocks, on behalf of who asks. It returns nil where
	// that is nothing, or nothing that can be kept: who is reported is blocked all the same (XEP-0377 §6). What it returns
	// is called in the act that blocks.
	Read(ctx context.Context, q *router.Request, address jid.JID, item xmlstream.Node) func(*db.Tx) error
}

// Options are what blocking needs.
type Options struct {
	DB       *db.DB
	Log      *slog.Logger
	List     *blocklist.Service
	Presence Presence
	Reports  Reports
}

// Blocking is the feature. Presence may be set after Install, since presence comes later.
type Blocking struct {
	Options
	r     *router.Router
	asked router.Slot[follower]
}

// follower is whether a device has asked for the list: it is told what changes (XEP-0191 §3.3).
type follower struct{ Asked bool }

// Install hangs blocking into r. It comes before all features that look at what others send.
func Install(r *router.Router, o Options) *Blocking {
	b := &Blocking{o, r, router.NewSavedSlot[follower](r, "blocking")}
	r.Advertise(router.Server, ns) // XEP-0191 §3.1
	r.HandleIQ(router.Self, "get", ns, "blocklist", b.list)
	r.HandleIQ(router.Self, "set", ns, "block", b.block)
	r.HandleIQ(router.Self, "set", ns, "unblock", b.unblock)
	r.OnScreen(router.Outbound, b.screenOut)
	r.OnScreen(router.Inbound, b.screenIn)
	r.OnRelook(b.relook)
	return b
}

// list answers with all that is blocked (XEP-0191 §3.2).
func (b *Blocking) list(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	list, err := b.List.List(ctx, q.Owner.ID)
	if err != nil {
		return "", err
	}
	b.asked.Of(q.Device).Asked = true
	return element("blocklist", list), nil
}

// element is a list of addresses as clients see it.
func element(name string, list []jid.JID) xmlstream.Raw {
	var x xmlstream.Builder
	x.Start(ns, name)
	for _, a := range list {
		x.Start(ns, "item").Attr("jid", a.String()).End()
	}
	return x.End().Build()
}

// block blocks whom the items name (XEP-0191 §3.3), and keeps what they report (XEP-0377 §6).
func (b *Blocking) block(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	var list []jid.JID
	var reports []func(*db.Tx) error
	for a, item := range items(q.Payload) {
		if a.IsZero() {
			return "", malformed(item)
		}
		if len(reports) < maxReports {
			if keep := b.Reports.Read(ctx, q, a, item); keep != nil {
				reports = append(reports, keep)
			}
		}
		list = append(list, a)
	}
	if len(list) == 0 {
		return "", stanza.BadRequest // XEP-0191 §3.3
	}
	err := b.DB.Write(ctx, func(tx *db.Tx) error {
		for _, keep := range reports {
			if err := keep(tx); err != nil {
				return err
			}
		}
		return b.List.Add(tx, owner(q), unique(list)...)
	})
	return "", refusal(err)
}

// unblock takes those whom the items name out of the list, or all where there is no item (XEP-0191 §3.4, §3.5).
func (b *Blocking) unblock(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	var list []jid.JID
	for a, item := range items(q.Payload) {
		if a.IsZero() {
			return "", malformed(item)
		}
		list = append(list, a)
	}
	return "", refusal(b.DB.Write(ctx, func(tx *db.Tx) error {
		if len(list) == 0 {
			return b.List.RemoveAll(tx, owner(q))
		}
		return b.List.Remove(tx, owner(q), unique(list)...)
	}))
}

func owner(q *router.Request) blocklist.Owner { return blocklist.Owner{ID: q.Owner.ID, JID: q.Account} }

// items yields the items of a request with their addresses; the zero one where it is none.
func items(n xmlstream.Node) func(yield func(jid.JID, xmlstream.Node) bool) {
	return func(yield func(jid.JID, xmlstream.Node) bool) {
		for item := range n.Children() {
			if !item.Is(ns, "item") {
				continue
			}
			a, err := jid.Parse(item.Attr("jid"))
			if err != nil {
				a = jid.JID{}
			}
			if !yield(a, item) {
				return
			}
		}
	}
}

// malformed is what is wrong with an item that names nobody.
func malformed(item xmlstream.Node) error {
	if !item.HasAttr("jid") {
		return stanza.BadRequest
	}
	return stanza.JIDMalformed
}

// unique returns the list with each address once, in its order.
func unique(list []jid.JID) (once []jid.JID) {
	seen := map[jid.JID]bool{}
	for _, a := range list {
		if !seen[a] {
			seen[a], once = true, append(once, a)
		}
	}
	return once
}

// refusal is what an error of the list means for who asked.
func refusal(err error) error {
	switch {
	case errors.Is(err, blocklist.ErrSelf): // XEP-0191 §5: a device is never kept from another of the same account
		return stanza.NotAllowed
	case errors.Is(err, blocklist.ErrTooMany):
		return stanza.ResourceConstraint.WithText("There are too many in the list.")
	}
	return err
}

// Changed tells devices and contacts of a change. It is for blocklist.Service.OnChange.
func (b *Blocking) Changed(c blocklist.Change) {
	b.r.Do(c.Owner.JID, func(ctx context.Context) {
		b.push(c)
		var err error
		if len(c.Blocked) > 0 {
			err = b.Presence.Hide(ctx, c.Owner, blocklist.SetOf(c.Blocked...))
		}
		if len(c.Unblocked) > 0 && err == nil {
			err = b.Presence.Show(ctx, c.Owner, blocklist.SetOf(c.Unblocked...))
		}
		if err != nil {
			b.Log.ErrorContext(ctx, "tell who was blocked", "err", err)
		}
	})
}

// push tells the devices that follow the list (XEP-0191 §3.3, §3.4, §3.5).
func (b *Blocking) push(c blocklist.Change) {
	var payload xmlstream.Raw
	switch {
	case len(c.Blocked) > 0:
		payload = element("block", c.Blocked)
	case c.All:
		payload = element("unblock", nil)
	default:
		payload = element("unblock", c.Unblocked)
	}
	for _, d := range b.r.Devices(c.Owner.JID) {
		if b.asked.Of(d).Asked {
			d.Send(stanza.New(stanza.IQ, stanza.TypeSet, stanza.NewID(), jid.JID{}, d.JID, payload))
		}
	}
}
