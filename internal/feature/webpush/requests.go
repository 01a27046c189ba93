// SPDX-License-Identifier: Apache-2.0

package webpush

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/time/rate"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/webpush"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const maxMuted = 200

// clientOf is the name of a device's client among the registrations.
func clientOf(d *router.Device) string { return string(account.KeyOf(d.Client, d.JID.Resource())) }

// list tells the server's key, and which devices are woken.
func (x *room) list(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	var b xmlstream.Builder
	b.Start(ns, "registrations").Attr("vapid", x.Sender.Key())
	for _, r := range x.Registrations.Of(q.Owner.ID) {
		b.Start(ns, "registration").Attr("id", strconv.FormatInt(r.ID, 10)).Attr("kind", string(r.Kind))
		if r.Client == clientOf(q.Device) {
			b.Attr("this", "true")
		}
		b.Attr("client", x.ClientRef(r.Owner, account.ClientKey(r.Client))).Attr("service", hostOf(r))
		instant(&b, "since", r.Since)
		instant(&b, "sent", r.Sent)
		instant(&b, "failed", r.Failed)
		if r.Failures > 0 {
			b.Attr("failures", strconv.Itoa(r.Failures)).Attr("error", r.Error)
		}
		b.End()
	}
	return b.End().Build(), nil
}

// instant writes a time (XEP-0082 §3.2), unless it is none.
func instant(b *xmlstream.Builder, name string, t time.Time) {
	if !t.IsZero() {
		b.Attr(name, t.UTC().Format("2006-01-02T15:04:05Z"))
	}
}

// enable registers the asking client's browser.
func (x *room) enable(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	r, err := x.registration(q.Payload)
	if err != nil {
		return "", err
	}
	r.Owner, r.Client = q.Owner.ID, clientOf(q.Device)
	err = x.DB.Write(ctx, func(tx *db.Tx) (err error) {
		r, err = x.Registrations.Enable(tx, r)
		return err
	})
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	return b.Start(ns, "registered").Attr("id", strconv.FormatInt(r.ID, 10)).End().Build(), nil
}

// registration reads what is to be enabled.
func (x *room) registration(n xmlstream.Node) (r push.Registration, err error) {
	r.Kind = push.Web
	w, ok := n.Child(ns, "webpush")
	if !ok {
		return r, stanza.BadRequest.WithText("There is no webpush in it.")
	}
	d := detail{P256DH: w.Attr("p256dh"), Auth: w.Attr("auth"), OMEMO: w.Attr("omemo")}
	to, err := webpush.Parse(w.Attr("endpoint"), d.P256DH, d.Auth, x.Insecure)
	switch {
	case errors.Is(err, webpush.ErrInsecure):
		return r, stanza.NotAcceptable.WithText("The endpoint has to be https.")
	case err != nil:
		return r, stanza.BadRequest.WithText(sentence(err))
	case !x.Allows(to.Host):
		return r, stanza.NotAcceptable.WithText("The endpoint is of a private network.")
	}
	if d.OMEMO != "" {
		if _, err := strconv.ParseUint(d.OMEMO, 10, 32); err != nil {
			return r, stanza.BadRequest.WithText("The number of the OMEMO device is none.")
		}
	}
	for c := range n.Children() {
		switch {
		case c.Is(ns, "match"):
			what := wanted(c.Attr("kind"))
			if what == 0 {
				return r, stanza.BadRequest.WithText("There is no such kind.")
			}
			r.Wants |= what
		case c.Is(ns, "mute"):
			j, err := jid.Parse(c.Attr("jid"))
			if err != nil {
				return r, stanza.BadRequest.WithText("The address of a chat is none.")
			}
			r.Muted = append(r.Muted, j.Bare())
		}
	}
	if len(r.Muted) > maxMuted {
		return r, stanza.PolicyViolation.WithText("There may be 200 muted chats.")
	}
	slices.SortFunc(r.Muted, func(a, b jid.JID) int { return strings.Compare(a.String(), b.String()) })
	r.Muted = slices.Compact(r.Muted)
	text, err := json.Marshal(d)
	r.Service, r.Detail = to.Endpoint, string(text)
	return r, err
}

// wanted is what a kind of notice is called on the wire; 0 for others than may be chosen.
func wanted(kind string) push.Wants {
	switch push.NoticeKind(kind) {
	case push.Message:
		return push.WantMessages
	case push.Call:
		return push.WantCalls
	case push.Request:
		return push.WantRequests
	}
	return 0
}

// sentence makes an error of package webpush one for people.
func sentence(err error) string {
	text := strings.TrimPrefix(err.Error(), "webpush: ")
	return strings.ToUpper(text[:1]) + text[1:] + "."
}

// disable ends the asking client's registration, or the one that is named.
func (x *room) disable(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	id, named, client := q.Payload.Attr("id"), q.Payload.HasAttr("id"), clientOf(q.Device)
	var n int
	err := x.DB.Write(ctx, func(tx *db.Tx) (err error) {
		n, err = x.Registrations.Disable(tx, q.Owner.ID, func(r push.Registration) bool {
			if named {
				return strconv.FormatInt(r.ID, 10) == id
			}
			return r.Kind == push.Web && r.Client == client
		})
		return err
	})
	if err == nil && named && n == 0 {
		return "", stanza.ItemNotFound
	}
	return "", err
}

// test tells a device something now, and answers what came of it.
func (x *room) test(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	id, named, client := q.Payload.Attr("id"), q.Payload.HasAttr("id"), clientOf(q.Device)
	list := x.Registrations.Of(q.Owner.ID)
	i := slices.IndexFunc(list, func(r push.Registration) bool {
		if named {
			return strconv.FormatInt(r.ID, 10) == id
		}
		return r.Kind == push.Web && r.Client == client
	})
	switch {
	case i < 0:
		return "", stanza.ItemNotFound
	case !x.mayTest(q.Owner.ID):
		return "", stanza.ResourceConstraint.WithText("That was tried often. Please wait a minute.")
	}
	ctx, cancel := context.WithTimeout(ctx, testTime)
	defer cancel()
	err := x.Dispatcher.Now(ctx, list[i], push.Notice{Kind: push.Test, Account: q.Account, At: x.Now()})
	switch f, failed := errors.AsType[*push.Failure](err); {
	case failed:
		return "", refusal(f)
	case errors.Is(err, context.DeadlineExceeded):
		return "", refusal(&push.Failure{Reason: "unreachable", Later: true})
	}
	return "", err
}

// mayTest counts a test of an account.
func (x *room) mayTest(owner int64) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	l := x.tests[owner]
	if l == nil {
		if len(x.tests) >= maxTests {
			clear(x.tests)
		}
		l = rate.NewLimiter(rate.Every(testEvery), testBurst)
		x.tests[owner] = l
	}
	return l.AllowN(x.Now(), 1)
}

// refusal tells whoever tried why it failed.
func refusal(f *push.Failure) *stanza.Error {
	var b xmlstream.Builder
	b.Start(ns, "failure").Attr("reason", f.Reason)
	if f.Status != 0 {
		b.Attr("status", strconv.Itoa(f.Status))
	}
	typ := f.Type
	switch {
	case typ != "":
	case f.Later:
		typ = stanza.Wait
	default:
		typ = stanza.Cancel
	}
	return stanza.UndefinedCondition.WithType(typ).WithApp(b.End().Build())
}
