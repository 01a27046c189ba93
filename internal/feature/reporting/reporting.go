// SPDX-License-Identifier: Apache-2.0

// Package reporting reads what people say of those whom they block: that they send spam, or are abusive (XEP-0377
// v0.4.1). It comes within a block, whose room calls Read; it is kept in internal/report, and the admins see it there
// (kith report). Nobody else is told: what the reporter would agree to is kept for the admin who decides.
package reporting

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/blocklist"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/report"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "urn:xmpp:reporting:1"

// The reasons that the document defines (XEP-0377 §4). Others are kept as they are.
const (
	spam  = "urn:xmpp:reporting:spam"
	abuse = "urn:xmpp:reporting:abuse"
)

// Bounds of one report. What is more is cut off.
const (
	maxReason   = 256      // bytes; a report with a longer one is none
	maxWords    = 4096     // bytes of all texts
	maxMessages = 20       // that are named
	maxID       = 1024     // bytes of a message's id; a longer one is left out
	maxCopies   = 64 << 10 // bytes of all copies
)

// Archive has the messages that people name; *archive.Archive implements it.
type Archive interface {
	Get(ctx context.Context, owner int64, id archive.ID) (archive.Entry, error)
}

// Store keeps reports; *report.Service implements it.
type Store interface {
	Add(tx *db.Tx, r report.Report, kind string) error
}

// Reporting is the feature.
type Reporting struct {
	log     *slog.Logger
	archive Archive
	store   Store
}

// Install hangs reporting into r.
func Install(r *router.Router, log *slog.Logger, a Archive, s Store) *Reporting {
	r.Advertise(router.Server, ns) // XEP-0377 §3
	return &Reporting{log, a, s}
}

// Read reads the report in an item of a block, on address, by who asks (XEP-0377 §6). It returns nil where there is none,
// or one without a reason (XEP-0377 §4). Its caller blocks address either way, and has what is returned run in that act.
func (x *Reporting) Read(ctx context.Context, q *router.Request, address jid.JID, item xmlstream.Node) func(*db.Tx) error {
	el, ok := item.Child(ns, "report")
	if !ok {
		return nil
	}
	r := report.Report{Reporter: q.Owner.ID, Reported: address.Clone(), Reason: el.Attr("reason")}
	if r.Reason == "" || len(r.Reason) > maxReason {
		return nil
	}
	var words []string
	size := 0
	for n := range el.Children() {
		switch {
		case n.Is(ns, "text"):
			words = append(words, strings.TrimSpace(n.Text()))
		case n.Is(ns, "report-origin"): // XEP-0377 §5
			r.Origin = true
		case n.Is(ns, "third-party"):
			r.ThirdParty = true
		case n.Is(stanzaid.NS, "stanza-id") && len(r.Messages) < maxMessages:
			m, ok := x.message(ctx, q, address, n)
			if size+len(m.Raw) > maxCopies {
				m.Raw = ""
			}
			if size += len(m.Raw); ok {
				r.Messages = append(r.Messages, m)
			}
		}
	}
	r.Words = cut(strings.Join(words, "\n"), maxWords)
	return func(tx *db.Tx) error { return x.store.Add(tx, r, kind(r.Reason)) }
}

// kind is a reason as it is counted.
func kind(reason string) string {
	switch reason {
	case spam:
		return "spam"
	case abuse:
		return "abuse"
	}
	return "other"
}

// message is a message that a report names, with a copy where the reporter's archive has it from who is reported: nobody
// reports what others have written (XEP-0377 §6).
func (x *Reporting) message(ctx context.Context, q *router.Request, address jid.JID, n xmlstream.Node) (report.Message, bool) {
	m := report.Message{By: n.Attr("by"), ID: n.Attr("id")}
	if m.ID == "" || len(m.ID) > maxID || len(m.By) > maxID {
		return m, false
	}
	if by, err := jid.Parse(m.By); err != nil || by != q.Account {
		return m, true // another archive's: of a room, or of who is reported
	}
	id, err := archive.ParseID(m.ID)
	if err != nil {
		return m, true
	}
	switch e, err := x.archive.Get(ctx, q.Owner.ID, id); {
	case errors.Is(err, archive.ErrUnknown):
	case err != nil:
		x.log.ErrorContext(ctx, "copy a reported message", "err", err) // the report is worth something without it
	case !e.Sent && (e.Peer == address.Bare() || blocklist.SetOf(address).Covers(e.Peer)):
		m.Raw = string(e.Raw)
	}
	return m, true
}

// cut returns no more than n bytes of s, and no half character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
