// SPDX-License-Identifier: Apache-2.0

// Package lastactivity tells when somebody was there last, and for how long the server has been running (XEP-0012 v2.0).
//
// Of an account it tells those who get its presence. Its devices answer for themselves, if at all; the requests reach
// them from the same people only.
package lastactivity

import (
	"context"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/seen"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "jabber:iq:last"

// Contacts knows who may see whom; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
}

// Seen knows who left when; *seen.Service implements it.
type Seen interface {
	Last(ctx context.Context, account int64) (seen.Last, error)
}

type lastActivity struct {
	r        *router.Router
	contacts Contacts
	seen     Seen
	now      func() time.Time
	started  time.Time
}

// Install hangs lastactivity into r. The server counts as started now.
func Install(r *router.Router, c Contacts, s Seen, now func() time.Time) {
	l := &lastActivity{r, c, s, now, now()}
	r.Advertise(router.Server, ns) // XEP-0012 §6
	r.Advertise(router.Self, ns)
	r.HandleIQ(router.Server, "get", ns, "query", l.server)
	r.HandleIQ(router.Self, "get", ns, "query", l.own)
	r.HandleIQ(router.Account, "get", ns, "query", l.account)
	r.OnScreen(router.Inbound, l.screen)
}

// server tells how long it has been running (XEP-0012 §5).
func (l *lastActivity) server(context.Context, *router.Request) (xmlstream.Raw, error) {
	return l.since(l.started, ""), nil
}

// own answers the account itself, which is there: it asks (XEP-0012 §3).
func (l *lastActivity) own(context.Context, *router.Request) (xmlstream.Raw, error) {
	return l.since(l.now(), ""), nil
}

// account tells when its last device left, and what that said (XEP-0012 §3).
func (l *lastActivity) account(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if err := l.allowed(ctx, q.Owner.ID, q.From); err != nil {
		return "", err
	}
	// A device that is connected and has not said that it is available counts as absent: nobody is told of it.
	for _, d := range l.r.Devices(q.Account) {
		if d.Available() != nil {
			return l.since(l.now(), ""), nil
		}
	}
	last, err := l.seen.Last(ctx, q.Owner.ID)
	switch {
	case err != nil:
		return "", err
	case last.At.IsZero():
		return "", stanza.ItemNotFound // it never was there
	}
	return l.since(last.At, last.Status), nil
}

// screen keeps the question from devices of who may not be asked (XEP-0012 §4).
func (l *lastActivity) screen(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	if st.Kind != stanza.IQ || st.Type != "get" || !st.To.IsFull() || st.From.Bare() == t.Account {
		return nil
	}
	if el, _ := st.First(); el.IsZero() || !el.Is(ns, "query") {
		return nil
	}
	return l.allowed(ctx, t.Owner.ID, st.From)
}

// allowed refuses who does not get the account's presence. Whom the owner knows hears that it is forbidden; all others
// hear what they would hear if there was no such account (RFC 6121 §8.1, §8.5.1).
func (l *lastActivity) allowed(ctx context.Context, account int64, who jid.JID) error {
	i, err := l.contacts.Get(ctx, account, who.Bare())
	switch {
	case err != nil:
		return err
	case i.State.Has(contact.From):
		return nil
	case i.Listed:
		return stanza.Forbidden
	}
	return stanza.ServiceUnavailable
}

// since is the answer: whole seconds since t, never less than none.
func (l *lastActivity) since(t time.Time, status string) xmlstream.Raw {
	seconds := max(0, int64(l.now().Sub(t)/time.Second))
	var b xmlstream.Builder
	b.Start(ns, "query").Attr("seconds", strconv.FormatInt(seconds, 10)).Text(status)
	return b.End().Build()
}
