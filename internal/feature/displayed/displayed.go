// SPDX-License-Identifier: Apache-2.0

// Package displayed helps a person's devices to know what was read on another one of them (XEP-0490 v1.0.1).
//
// How far each chat was read are items of a node of the account, which clients publish and follow as any other. Where a
// client tells who wrote, too, it may put the item into that message: it is taken out before anybody else sees the message,
// and published.
package displayed

import (
	"context"
	"errors"
	"strings"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Node is where it is published how far chats were read, and the namespace of that.
const Node = "urn:xmpp:mds:displayed:0"

// NodeConfig is what Node is like if nobody says otherwise (XEP-0490 §4.2, §5.2): one item for each chat, for nobody else.
func NodeConfig() item.Config {
	c := item.Default()
	c.Access, c.MaxItems, c.SendLast = item.Whitelist, item.Max, item.Never
	return c
}

type feature struct{ items *item.Service }

// Install hangs the feature into r. It comes before all that records or copies messages.
func Install(r *router.Router, items *item.Service) {
	f := &feature{items}
	r.Advertise(router.Self, "urn:xmpp:mds:server-assist:0") // XEP-0490 §4.5.2
	r.OnMessage(router.Outbound, router.Amend, f.amend)
}

func is(n xmlstream.Node) bool { return n.Is(Node, "displayed") }

// amend takes what was read out of a message, and publishes it in the act in which the message is recorded (XEP-0490
// §4.5.3, §5.2). What is in it, and whom the message is for, is the client's business. What would be left empty goes its
// way, as the document has it (XEP-0490 §10.2).
func (f *feature) amend(_ context.Context, t *router.Trip) error {
	st := t.Stanza
	displayed, ok := st.Child(Node, "displayed")
	if !ok {
		return nil
	}
	t.Stanza = st.Without(is)
	if st.Type == stanza.TypeError {
		return nil
	}
	it := item.Item{ID: st.To.String(), Payload: xmlstream.Raw(strings.Clone(string(displayed.Raw()))), Publisher: st.From}
	owner := item.Owner{ID: t.Owner.ID, JID: t.Account}
	t.Write(func(tx *db.Tx) error {
		_, err := f.items.Publish(tx, owner, Node, it, NodeConfig())
		return public(err)
	})
	return nil
}

// public is what an error of the service means on the wire.
func public(err error) error {
	switch {
	case errors.Is(err, item.ErrPayload), errors.Is(err, item.ErrName):
		return stanza.PolicyViolation.WithText("What was displayed is too large to be kept.")
	case errors.Is(err, item.ErrQuota), errors.Is(err, item.ErrNodes):
		return stanza.ResourceConstraint.WithText("There is no room left for what you publish.")
	}
	return err
}
