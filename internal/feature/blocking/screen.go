// SPDX-License-Identifier: Apache-2.0

package blocking

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// blocked is what the owner hears who writes to somebody in the list (XEP-0191 §3.3).
var blocked = stanza.NotAcceptable.WithType(stanza.Cancel).WithApp(xmlstream.Elem(nsErrors, "blocked"))

// screenOut keeps the owner from sending to whom they have blocked (XEP-0191 §3.3). Answers are dropped, since an answer
// has no answer (RFC 6120 §8.3.1).
func (b *Blocking) screenOut(ctx context.Context, t *router.Trip) error {
	if yes, err := b.covered(ctx, t, t.Stanza.To); !yes {
		return err
	}
	return blocked
}

// screenIn keeps out what those send who are in the owner's list (XEP-0191 §3.3): presence without a word, messages and
// requests with an error as if the owner was away.
func (b *Blocking) screenIn(ctx context.Context, t *router.Trip) error {
	switch yes, err := b.covered(ctx, t, t.Stanza.From); {
	case !yes:
		return err
	case t.Stanza.Kind == stanza.Presence:
		return router.ErrDropped
	}
	return stanza.ServiceUnavailable // answers and errors are dropped by the router
}

// relook keeps a message that was let in from the devices where its sender has been blocked since. Where that cannot be
// told, it was let in.
func (b *Blocking) relook(ctx context.Context, t *router.Trip) error {
	yes, err := b.covered(ctx, t, t.Stanza.From)
	if err != nil {
		b.Log.ErrorContext(ctx, "look at a message once more", "err", err)
	}
	if yes {
		return stanza.ServiceUnavailable
	}
	return nil
}

// covered reports whether the list of the trip's account blocks the other side. Neither one's own devices are blocked
// (XEP-0191 §5), nor the server that the account is on: who blocks its domain blocks the others on it.
func (b *Blocking) covered(ctx context.Context, t *router.Trip, peer jid.JID) (bool, error) {
	if peer.IsZero() || peer == b.r.Domain || peer.Bare() == t.Account {
		return false, nil
	}
	return b.List.Blocked(ctx, t.Owner.ID, peer)
}
