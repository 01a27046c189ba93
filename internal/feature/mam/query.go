// SPDX-License-Identifier: Apache-2.0

package mam

import (
	"context"
	"errors"
	"slices"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/payload/forward"
	"github.com/kith-im/kith/internal/xmpp/payload/rsm"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Pages (XEP-0313 §4.3.1 lets us limit them). They are smaller where messages are long: a page must fit into the queue of
// the device that asks for it.
const (
	usualPage = 50        // entries, where the client does not say
	maxPage   = 100       // entries, whatever it says
	pageBytes = 256 << 10 // of messages; but one at least
)

// query answers a query with a page of messages, and then with its result (XEP-0313 §4).
func (m *mam) query(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	ask, err := m.asked(q)
	if err != nil {
		return "", err
	}
	found, err := m.store.Find(ctx, ask)
	if errors.Is(err, archive.ErrUnknown) { // XEP-0313 §4.1.3, §4.3.2
		return "", stanza.ItemNotFound
	}
	if err != nil {
		return "", err
	}
	page := rsm.Page{Index: found.Index, Count: found.Count}
	if n := len(found.Entries); n > 0 {
		page.First, page.Last = found.Entries[0].ID.String(), found.Entries[n-1].ID.String()
	}
	if _, flip := q.Payload.Child(ns, "flip-page"); flip { // XEP-0313 §4.3.4
		slices.Reverse(found.Entries)
	}
	var b xmlstream.Builder
	queryID, hasID := q.Payload.Attr("queryid"), q.Payload.HasAttr("queryid")
	for _, e := range found.Entries {
		b.Start(ns, "result")
		if hasID { // XEP-0313 §4.2
			b.Attr("queryid", queryID)
		}
		b.Attr("id", e.ID.String())
		forward.Write(&b, func(b *xmlstream.Builder) { delay.Write(b, e.ID.Time()) }, e.Raw)
		q.Device.Send(stanza.New(stanza.Message, "", "", q.Account, q.Device.JID, b.End().Build()))
	}
	b.Start(ns, "fin")
	if found.Complete { // XEP-0313 §4.3.2
		b.Attr("complete", "true")
	}
	page.Write(&b)
	return b.End().Build(), nil
}

// asked reads what a query asks for.
func (m *mam) asked(q *router.Request) (archive.Query, error) {
	if q.Payload.Attr("node") != "" { // XEP-0313 §6.1.3: only messages are kept
		return archive.Query{}, stanza.ItemNotFound
	}
	page, err := rsm.Of(q.Payload)
	if err != nil {
		return archive.Query{}, err
	}
	ask := archive.All(q.Owner.ID, usualPage)
	if page.Max >= 0 {
		ask.Max = min(page.Max, maxPage)
	}
	ask.Bytes = pageBytes
	ask.Last, ask.Index = page.Last, page.Index
	// XEP-0313 §4.3.2: what is not one of our ids is none that is in the archive.
	if ask.After, err = parseID(page.After); err == nil {
		ask.Before, err = parseID(page.Before)
	}
	if err == nil {
		err = readForm(q.Payload, &ask)
	}
	return ask, err
}

// parseID reads an id that a client names; "" is none.
func parseID(s string) (archive.ID, error) {
	if s == "" {
		return 0, nil
	}
	id, err := archive.ParseID(s)
	if err != nil {
		return 0, stanza.ItemNotFound
	}
	return id, nil
}

// metadata tells where the archive begins and ends (XEP-0313 §5).
func (m *mam) metadata(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	return m.ends(ctx, q.Owner.ID)
}

// bound tells it to who binds a device, as it is at that moment (XEP-0386 §3.2): what comes later comes to the device.
func (m *mam) bound(ctx context.Context, d *router.Device, _ xmlstream.Node) xmlstream.Raw {
	owner, err := m.accounts.Lookup(ctx, d.JID.Local())
	if err == nil {
		var raw xmlstream.Raw
		if raw, err = m.ends(ctx, owner.ID); err == nil {
			return raw
		}
	}
	m.log.ErrorContext(ctx, "ends of an archive", "err", err) // the client can ask
	return ""
}

func (m *mam) ends(ctx context.Context, owner int64) (xmlstream.Raw, error) {
	begin, end, err := m.store.Ends(ctx, owner)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "metadata")
	if begin != 0 {
		b.Start(ns, "start").Attr("id", begin.String()).Attr("timestamp", delay.Stamp(begin.Time())).End()
		b.Start(ns, "end").Attr("id", end.String()).Attr("timestamp", delay.Stamp(end.Time())).End()
	}
	return b.End().Build(), nil
}
