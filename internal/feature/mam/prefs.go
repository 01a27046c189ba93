// SPDX-License-Identifier: Apache-2.0

package mam

import (
	"context"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxNamed is how many addresses the lists of one account may have together.
const maxNamed = 1000

// wanted reports whether the account wants to have the trip's message archived (XEP-0441 §2.1).
func (m *mam) wanted(ctx context.Context, t *router.Trip) (bool, error) {
	p, err := m.store.Policy(ctx, t.Owner.ID)
	if err != nil {
		return false, err
	}
	peer := t.Stanza.To // XEP-0441 §2.3.2, §2.3.3
	if t.Side == router.Inbound {
		peer = t.Stanza.From
	}
	switch p.Of(peer) {
	case archive.Never:
		return false, nil
	case archive.Roster:
		if t.Self {
			return true, nil // nobody is closer
		}
		i, err := m.contacts.Get(ctx, t.Owner.ID, peer.Bare()) // XEP-0441 §2.3.1
		return i.Listed, err
	}
	return true, nil
}

// prefs tells what the account wants to have archived.
func (m *mam) prefs(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	p, err := m.store.Policy(ctx, q.Owner.ID)
	if err != nil {
		return "", err
	}
	return writePrefs(p), nil
}

func writePrefs(p archive.Policy) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "prefs").Attr("default", string(p.Otherwise))
	for _, l := range []struct {
		name string
		list []jid.JID
	}{{"always", p.Always}, {"never", p.Never}} {
		b.Start(ns, l.name)
		for _, j := range l.list {
			b.Start(ns, "jid").Text(j.String()).End()
		}
		b.End()
	}
	return b.End().Build()
}

// setPrefs changes what the account wants to have archived, and tells it (XEP-0441 §2.1).
func (m *mam) setPrefs(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	p, err := readPrefs(q.Payload)
	if err != nil {
		return "", err
	}
	if err := m.db.Write(ctx, func(tx *db.Tx) error { return m.store.SetPolicy(tx, q.Owner.ID, p) }); err != nil {
		return "", err
	}
	return writePrefs(p), nil
}

func readPrefs(n xmlstream.Node) (p archive.Policy, err error) {
	switch p.Otherwise = archive.Wish(n.Attr("default")); p.Otherwise { // XEP-0441 §2.1.1
	case archive.Always, archive.Never, archive.Roster:
	default:
		return p, stanza.BadRequest.WithText("default is none of always, never and roster")
	}
	if p.Always, err = readList(n, "always"); err != nil { // XEP-0441 §2.1.2
		return p, err
	}
	if p.Never, err = readList(n, "never"); err != nil { // XEP-0441 §2.1.3
		return p, err
	}
	if len(p.Always)+len(p.Never) > maxNamed {
		return p, stanza.PolicyViolation.WithText("the lists are too long")
	}
	return p, nil
}

// readList reads a list of addresses, each once; without one it is empty.
func readList(n xmlstream.Node, name string) (list []jid.JID, err error) {
	el, ok := n.Child(ns, name)
	if !ok {
		return nil, nil
	}
	seen := map[jid.JID]bool{}
	for c := range el.Children() {
		if !c.Is(ns, "jid") {
			continue
		}
		j, err := jid.Parse(c.Text())
		if err != nil {
			return nil, stanza.JIDMalformed
		}
		if !seen[j] {
			seen[j] = true
			list = append(list, j.Clone())
		}
	}
	return list, nil
}
