// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// nsOwn is the namespace of what one turn tells another. It never leaves the server.
const nsOwn = "https://kith.im/protocol/pep"

// following marks a notification that is for the devices of a contact that want it. named are addresses of the contact that
// have subscribed themselves, and barred those that are to hear nothing.
func following(node string, named, barred []jid.JID) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsOwn, "following").Attr("node", node)
	for _, who := range named {
		b.Start(nsOwn, "named").Text(who.String()).End()
	}
	for _, who := range barred {
		b.Start(nsOwn, "barred").Text(who.String()).End()
	}
	return b.End().Build()
}

// ours reports whether n is what one turn tells another.
func ours(n xmlstream.Node) bool { return n.Name().Space == nsOwn }

// forged takes out of what a device sends what only turns may say.
func (p *Pep) forged(_ context.Context, t *router.Trip) error {
	if t.Stanza.Type == "headline" {
		t.Stanza = t.Stanza.Without(ours)
	}
	return nil
}

// follow takes what another turn tells this one.
func (p *Pep) follow(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	if st.Type != "headline" || st.From.Domain() != p.r.Domain.Domain() {
		return nil
	}
	if n, ok := st.Child(nsOwn, "following"); ok {
		var named, barred []jid.JID
		for x := range n.Children() {
			switch who, err := jid.Parse(x.Text()); {
			case err != nil:
			case x.Is(nsOwn, "barred"):
				barred = append(barred, who)
			default:
				named = append(named, who)
			}
		}
		p.give(ctx, t.Account, st.Without(ours), n.Attr("node"), named, barred)
		return router.ErrDropped
	}
	if n, ok := st.Child(nsOwn, "wants"); ok {
		var nodes []string
		for x := range n.Children() {
			nodes = append(nodes, x.Text())
		}
		if err := p.serve(ctx, t, nodes); err != nil {
			return err
		}
		return router.ErrDropped
	}
	return nil
}

// give gives a notification to the account's devices that want it (XEP-0060 §9.2), and to those that have subscribed
// themselves, but not to those that are barred; no device gets it twice. It runs in the account's turn.
func (p *Pep) give(ctx context.Context, account jid.JID, m *stanza.Stanza, node string, named, barred []jid.JID) {
	for _, d := range p.r.Devices(account) {
		a := d.Available()
		switch {
		case slices.Contains(barred, d.JID):
		case slices.Contains(named, d.JID), // XEP-0163 §4.3.2
			a != nil && a.Priority >= 0 && slices.Contains(named, account),
			a != nil && p.caps.Of(ctx, d).Wants(node):
			d.Send(m.Addressed(m.From, d.JID))
		}
	}
}
