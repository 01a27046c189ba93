// SPDX-License-Identifier: Apache-2.0

// Package mam records messages in the archives of those who sent and received them (XEP-0313 v1.1.3 §3), and gives
// each its id (XEP-0359 v0.7.0). What no device could take is marked as waiting in the same act (XEP-0160 v1.0.1).
//
// It decides what is kept (keep), takes forged ids and times out of what passes, and gives the record to the trip;
// the router sees to it that the message goes on, and that what waits is delivered.
package mam

import (
	"context"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/hints"
	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Store is where records go; *archive.Archive implements it.
type Store interface {
	NextID(tx *db.Tx, owner int64) (archive.ID, error)
	Append(tx *db.Tx, e archive.Entry) (archive.ID, error)
}

type recorder struct {
	store  Store
	domain jid.JID
}

// Install hangs recording into r.
func Install(r *router.Router, store Store) {
	m := &recorder{store, r.Domain}
	r.Advertise(router.Self, "urn:xmpp:sid:0") // XEP-0359 §5
	r.Advertise(router.Server, "msgoffline")   // XEP-0160 §4
	r.OnMessage(router.Outbound, router.Amend, m.strip)
	r.OnMessage(router.Inbound, router.Amend, m.strip)
	r.OnMessage(router.Outbound, router.Record, m.record)
	r.OnMessage(router.Inbound, router.Record, m.record)
}

// strip takes out what only we may say: ids of the account at hand, which the sender made up (XEP-0359 §3), and
// times at which we are said to have kept the message (XEP-0203 §5).
func (m *recorder) strip(_ context.Context, t *router.Trip) error {
	forgedID := stanzaid.Forged(t.Account)
	ours := t.Side == router.Outbound
	t.Stanza = t.Stanza.Without(func(n xmlstream.Node) bool {
		return forgedID(n) || ours && n.Is("urn:xmpp:delay", "delay") &&
			(n.Attr("from") == m.domain.String() || n.Attr("from") == t.Account.String())
	})
	return nil
}

// record keeps the message for the account at hand.
func (m *recorder) record(_ context.Context, t *router.Trip) error {
	if !keep(t.Stanza) {
		return nil
	}
	st := t.Stanza
	e := archive.Entry{
		Owner:   t.Owner.ID,
		Peer:    t.Peer(),
		Sent:    t.Side == router.Outbound || t.Self,
		Waiting: t.Waits,
		Raw:     st.Raw(), // without an id, which is the row's
	}
	t.Write(func(tx *db.Tx) (err error) {
		if t.ArchiveID, err = m.store.Append(tx, e); err != nil {
			return err
		}
		if t.Side == router.Inbound { // XEP-0359 §3: the recipient's devices see it, and nobody else
			t.Stanza = st.With(stanzaid.New(t.Account, t.ArchiveID.String()))
		}
		return nil
	})
	return nil
}

// keep decides what is recorded: whatever a person would miss, and no more (XEP-0313 §6.1.1 leaves it to us).
func keep(m *stanza.Stanza) bool {
	switch m.Type {
	case "error", "headline", "groupchat":
		return false
	}
	switch {
	case hints.NoStore(m): // XEP-0334 §4.2
		return false
	case hints.Store(m): // XEP-0334 §4.4
		return true
	}
	for n := range m.Children() {
		name := n.Name()
		switch name.Space {
		case xmlstream.NSClient:
			if name.Local == "body" || name.Local == "subject" {
				return true
			}
		case "urn:xmpp:receipts": // XEP-0184: what was delivered, not that it is asked for
			if name.Local == "received" {
				return true
			}
		case "urn:xmpp:chat-markers:0": // XEP-0333
			if name.Local != "markable" {
				return true
			}
		case "urn:xmpp:eme:0", "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", // XEP-0380, XEP-0384
			"jabber:x:conference", "http://jabber.org/protocol/muc#user", // XEP-0249, XEP-0045 §7.8.2
			"urn:xmpp:jingle-message:0",  // XEP-0353
			"urn:xmpp:reactions:0",       // XEP-0444
			"urn:xmpp:message-retract:1": // XEP-0424
			return true
		}
	}
	return false
}
