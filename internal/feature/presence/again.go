// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Again has the account's devices be as amend says, and tells those who see them, where that is something else than what
// they said last. Whom a device has sent its presence by name is not told (XEP-0398 §5.1). It runs in the account's turn;
// id is that of the account.
func (p *Presence) Again(ctx context.Context, account jid.JID, id int64, amend func(*router.Device, *stanza.Stanza) *stanza.Stanza) error {
	for _, d := range p.r.Devices(account) {
		a := d.Available()
		if a == nil {
			continue
		}
		st := amend(d, a.Stanza)
		if st == a.Stanza {
			continue
		}
		d.SetAvailable(&router.Available{Stanza: st, Priority: a.Priority})
		to, err := p.subscribers(ctx, id)
		if err != nil {
			return err
		}
		st = shown(d)
		for _, c := range to {
			p.r.Route(st.Addressed(d.JID, c))
		}
		p.toOwn(account, st)
	}
	return nil
}
