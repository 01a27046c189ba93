// SPDX-License-Identifier: Apache-2.0

// Package mam keeps messages in the archives of those who sent and received them, and lets their owners read them again
// (XEP-0313 v1.1.3). Each has its id (XEP-0359 v0.7.0). What no device could take is marked as waiting in the act that
// records it (XEP-0160 v1.0.1).
//
// What is kept is decided in keep.go, by what the message is (XEP-0334 v1.0.0), and in prefs.go, by what the owner wants
// (XEP-0441 v0.2.0); record.go takes forged ids and times out of what passes, and gives the record to the trip. The router
// sees to it that the message goes on, and that what waits is delivered. A message that its author takes back leaves a
// tombstone (XEP-0424 v0.4.2).
//
// Who reads (query.go) asks by a form (form.go) and in pages (XEP-0059 v1.0), also for words (XEP-0431 v0.2.0). The results
// go straight into the queue of the device that asked, as forwarded messages (XEP-0297 v1.0): no feature sees them, and
// what the device does not take is lost, as it can ask again.
package mam

import (
	"context"
	"log/slog"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/forward"
	"github.com/kith-im/kith/internal/xmpp/payload/rsm"
	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Namespaces.
const (
	ns         = "urn:xmpp:mam:2"
	nsFulltext = "urn:xmpp:fulltext:0"
	nsRetract  = "urn:xmpp:message-retract:1"
)

// Store is where records go; *archive.Archive implements it.
type Store interface {
	Append(tx *db.Tx, e archive.Entry) (archive.ID, error)
	Find(ctx context.Context, q archive.Query) (archive.Result, error)
	Ends(ctx context.Context, owner int64) (begin, end archive.ID, err error)
	Policy(ctx context.Context, owner int64) (archive.Policy, error)
	SetPolicy(tx *db.Tx, owner int64, p archive.Policy) error
	Retracted(ctx context.Context, owner int64, peer jid.JID, sent bool, st *stanza.Stanza) (*archive.Retraction, error)
	Retract(tx *db.Tx, r *archive.Retraction, id archive.ID) error
}

// Contacts tells who is on somebody's list; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
}

type mam struct {
	db       *db.DB
	log      *slog.Logger
	accounts router.Accounts
	store    Store
	contacts Contacts
	domain   jid.JID
}

// Install hangs the archives into r.
func Install(r *router.Router, store Store, contacts Contacts) {
	m := &mam{r.DB, r.Log, r.Accounts, store, contacts, r.Domain}
	r.Advertise(router.Server, "msgoffline") // XEP-0160 §4
	r.Advertise(router.Self,
		stanzaid.NS,        // XEP-0359 §5
		ns, ns+"#extended", // XEP-0313 §7
		ns+"#groupchat-field",             // XEP-0313 §7: it is understood, and there are none
		rsm.NS,                            // XEP-0059 §4
		nsFulltext,                        // XEP-0431 §2.1
		forward.NS,                        // XEP-0297 §4
		nsRetract, nsRetract+"#tombstone") // XEP-0424 §2, §4
	r.OnMessage(router.Outbound, router.Amend, m.strip)
	r.OnMessage(router.Inbound, router.Amend, m.strip)
	r.OnMessage(router.Outbound, router.Record, m.record)
	r.OnMessage(router.Inbound, router.Record, m.record)
	// XEP-0313 §8.1: only the owner. Others get service-unavailable, as from an account that does not exist.
	r.HandleIQ(router.Self, "get", ns, "query", m.form)
	r.HandleQuery(router.Self, "set", ns, "query", m.query)
	r.HandleQuery(router.Self, "get", ns, "metadata", m.metadata)
	r.OnBind(m.bound)
	r.HandleIQ(router.Self, "get", ns, "prefs", m.prefs)
	r.HandleIQ(router.Self, "set", ns, "prefs", m.setPrefs)
}
