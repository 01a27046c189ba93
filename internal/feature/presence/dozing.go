// SPDX-License-Identifier: Apache-2.0

package presence

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A session may sleep for a day, if its device is woken for messages. It is there, but the person is not: to others it is
// away as soon as it has slept for long (router.Dozes), and what it said when it is awake again.

const away = xmlstream.Raw("<show>away</show>")

// shown is the presence of a device as others see it; nil where it is not available.
func shown(d *router.Device) *stanza.Stanza {
	a := d.Available()
	if a == nil {
		return nil
	}
	if !d.Dozing() || absent(a.Stanza) {
		return a.Stanza
	}
	return a.Stanza.Without(isShow).With(away)
}

// absent reports whether a presence says by itself that the person is not to be expected (RFC 6121 §4.7.2.1).
func absent(st *stanza.Stanza) bool {
	n, ok := st.Child(xmlstream.NSClient, "show")
	return ok && slices.Contains([]string{"away", "xa", "dnd"}, n.Text())
}

func isShow(n xmlstream.Node) bool { return n.Is(xmlstream.NSClient, "show") }

// dozed tells others what a device is now, as far as that has changed: it has slept for long, or is awake again.
func (p *Presence) dozed(ctx context.Context, d *router.Device) {
	st := shown(d)
	if st == nil || absent(d.Available().Stanza) {
		return
	}
	a, err := p.r.Accounts.Lookup(ctx, d.JID.Local())
	if err != nil {
		return // it was removed, and so will the device be
	}
	to, err := p.subscribers(ctx, a.ID)
	if err != nil {
		p.log.ErrorContext(ctx, "device sleeps, or wakes", "err", err)
		return
	}
	for directed := range *p.directed.Of(d) { // RFC 6121 §4.6.3: rooms, too
		if !slices.Contains(to, directed) {
			to = append(slices.Clip(to), directed) // the list is shared
		}
	}
	for _, c := range to {
		p.r.Route(st.Addressed(d.JID, c))
	}
	for _, other := range p.r.Devices(d.JID.Bare()) {
		if other != d && other.Available() != nil {
			other.Send(st.Addressed(d.JID, other.JID))
		}
	}
}
