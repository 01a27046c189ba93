// SPDX-License-Identifier: Apache-2.0

package mam

import (
	"context"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// strip takes out what only we may say: ids of the account at hand, which the sender made up (XEP-0359 §3), and
// times at which we are said to have kept the message (XEP-0203 §5).
func (m *mam) strip(_ context.Context, t *router.Trip) error {
	forgedID := stanzaid.Forged(t.Account)
	ours := t.Side == router.Outbound
	t.Stanza = t.Stanza.Without(func(n xmlstream.Node) bool {
		return forgedID(n) || ours && n.Is(delay.NS, "delay") &&
			(n.Attr("from") == m.domain.String() || n.Attr("from") == t.Account.String())
	})
	return nil
}

// record keeps the message for the account at hand.
func (m *mam) record(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	how := keep(st)
	if how == archived {
		wanted, err := m.wanted(ctx, t)
		if err != nil {
			return err
		}
		if !wanted {
			how = passing
		}
	}
	if how == no {
		return nil
	}
	e := archive.Entry{
		Owner:   t.Owner.ID,
		Peer:    t.Peer(),
		Sent:    t.Side == router.Outbound || t.Self,
		Waiting: t.Waits,
		Passing: how == passing,
		Raw:     st.Raw(), // without an id, which is the row's
	}
	back, err := m.store.Retracted(ctx, e.Owner, e.Peer, e.Sent, st)
	if err != nil {
		return err
	}
	kept := how == archived || t.Waits
	if !kept && back == nil {
		return nil
	}
	t.Write(func(tx *db.Tx) (err error) {
		if kept {
			if t.ArchiveID, err = m.store.Append(tx, e); err != nil {
				return err
			}
		}
		if back != nil { // XEP-0424 §4; also where it is not kept itself: its author wants the other gone
			if err := m.store.Retract(tx, back, t.ArchiveID); err != nil {
				return err
			}
		}
		// XEP-0359 §3: the recipient's devices see it, and nobody else (XEP-0313 §3.5).
		if t.Side == router.Inbound && how == archived {
			t.Stanza = st.With(stanzaid.New(t.Account, t.ArchiveID.String()))
		}
		return nil
	})
	return nil
}
