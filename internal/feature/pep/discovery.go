// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsInfo = "http://jabber.org/protocol/disco#info"

// Describe returns what a node is (XEP-0060 §5.3, §5.4), as it stands in the answer of service discovery.
func (p *Pep) Describe(ctx context.Context, q *router.Request, node string) (xmlstream.Raw, error) {
	n, err := p.node(ctx, q.Account, q.Owner.ID, q.From.Bare(), node)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(nsInfo, "identity").Attr("category", "pubsub").Attr("type", "leaf").End()
	b.Start(nsInfo, "feature").Attr("var", ns).End()
	return b.Build() + metadata(q.Account.String(), n), nil
}

// Visible lists the nodes whose items who asks may see (XEP-0163 §6.2).
func (p *Pep) Visible(ctx context.Context, q *router.Request) ([]item.Node, error) {
	return p.visible(ctx, q.Account, q.Owner.ID, q.From.Bare())
}

// Contents lists the ids of a node's items (XEP-0060 §5.5).
func (p *Pep) Contents(ctx context.Context, q *router.Request, node string) ([]string, error) {
	n, err := p.node(ctx, q.Account, q.Owner.ID, q.From.Bare(), node)
	if err != nil || n.Items == 0 {
		return nil, err
	}
	return p.items.IDs(ctx, q.Owner.ID, node)
}
