// SPDX-License-Identifier: Apache-2.0

// Package clients lets people see which apps have access to their account, and take it away (XEP-0494 v0.1.0).
//
// A client is an app on a device: it goes by the id that it told (XEP-0388 §2.3), or by its resource where it told none.
// What is known of it is kept with the account (internal/account); whether it is connected, awake or asleep, the router
// knows. One that logs in by a token only is out when the token and its sessions end. One that has shown the password
// could come back at any time: only another password keeps it out, and it is said so.
package clients

import (
	"context"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns = "urn:xmpp:cam:0"
	// nsMore is of what we tell beyond the document: from which network a client came last, and which one it is that asks.
	nsMore = "https://kith.im/protocol/clients"
)

// closing is how long a log-in may take that had begun before its client was signed out.
const closing = time.Minute

// Accounts knows which clients an account has; *account.Service implements it.
type Accounts interface {
	Clients(ctx context.Context, id int64) ([]account.Seen, error)
	ClientRef(id int64, k account.ClientKey) string
	ForgetClient(tx *db.Tx, id int64, k account.ClientKey) error
}

// A SignedOut is a client whose access ends.
type SignedOut struct {
	Owner account.Account
	Key   account.ClientKey
}

// Options are what clients needs.
type Options struct {
	DB       *db.DB
	Accounts Accounts
	Now      func() time.Time
	// Forget removes what others keep for a client, such as its registrations for push, in the act that signs it out. nil:
	// nothing is.
	Forget func(tx *db.Tx, c SignedOut) error
}

// feature is what Install hangs in.
type feature struct {
	Options
	r *router.Router

	mu   sync.Mutex         // guards outs
	outs map[name]time.Time // who was signed out in the last minute; see bound
}

// A name is that of a client among all.
type name struct {
	account jid.JID // bare
	key     account.ClientKey
}

// Install hangs clients into r.
func Install(r *router.Router, o Options) {
	f := &feature{Options: o, r: r, outs: map[name]time.Time{}}
	r.Advertise(router.Self, ns)
	r.HandleIQ(router.Self, "get", ns, "list", f.list)
	r.HandleIQ(router.Self, "set", ns, "revoke", f.revoke)
	r.OnSession(router.Bound, f.bound)
}

// A client is one as it is shown.
type client struct {
	account.Seen
	connected bool
}

// keyOf is the name of a device's client.
func keyOf(d *router.Device) account.ClientKey { return account.KeyOf(d.Client, d.JID.Resource()) }

// known returns the clients of who asks: those that are kept in mind and can log in still, and those that are there now,
// connected or asleep. The others have no access any more.
func (f *feature) known(ctx context.Context, q *router.Request) ([]client, error) {
	seen, err := f.Accounts.Clients(ctx, q.Owner.ID)
	if err != nil {
		return nil, err
	}
	list := make([]client, len(seen))
	for i, s := range seen {
		list[i] = client{Seen: s}
	}
	for _, d := range f.r.Devices(q.Account) {
		i := slices.IndexFunc(list, func(c client) bool { return c.Key == keyOf(d) })
		if i < 0 {
			i = len(list)
			list = append(list, client{Seen: account.Seen{Key: keyOf(d), Ref: f.Accounts.ClientRef(q.Owner.ID, keyOf(d)),
				FirstSeen: d.LogIn.At, LastSeen: d.LogIn.At}})
		}
		c := &list[i]
		c.connected = true
		c.Password = c.Password || d.LogIn.Password
		if d.LogIn.At.After(c.LastSeen) {
			c.LastSeen = d.LogIn.At
		}
	}
	list = slices.DeleteFunc(list, func(c client) bool { return !c.connected && !c.Password && !c.Token })
	slices.SortStableFunc(list, func(a, b client) int { return b.LastSeen.Compare(a.LastSeen) })
	return list, nil
}

// list answers with the clients (XEP-0494 §3.1).
func (f *feature) list(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil { // XEP-0494 §5
		return "", stanza.Forbidden
	}
	list, err := f.known(ctx, q)
	if err != nil {
		return "", err
	}
	var b xmlstream.Builder
	b.Start(ns, "clients")
	for _, c := range list {
		c.write(&b, keyOf(q.Device) == c.Key)
	}
	return b.End().Build(), nil
}

// write writes it; here says that it is who asks.
func (c client) write(b *xmlstream.Builder, here bool) {
	b.Start(ns, "client").Attr("connected", strconv.FormatBool(c.connected)).Attr("id", c.Ref)
	b.Attr("type", "session") // the only kind of access there is
	moment(b, "first-seen", c.FirstSeen)
	moment(b, "last-seen", c.LastSeen)
	b.Start(ns, "auth")
	status := "normal" // the account's password cannot be changed without knowing it
	if c.Password {
		status = "unrestricted"
		b.Start(ns, "password").End()
	}
	if c.Token {
		b.Start(ns, "fast").End()
	}
	b.End()
	b.Start(ns, "permission").Attr("status", status).End()
	b.Start(ns, "user-agent")
	if c.Software != "" {
		b.Start(ns, "software").Text(c.Software).End()
	}
	if c.Device != "" {
		b.Start(ns, "device").Text(c.Device).End()
	}
	b.End()
	if c.Address != "" {
		b.Start(nsMore, "network").Text(c.Address).End()
	}
	if here { // nobody can tell by the id, which hides what the client is called
		b.Start(nsMore, "here").End()
	}
	b.End()
}

// moment writes an instant, where it is known (XEP-0082 §3.2).
func moment(b *xmlstream.Builder, local string, t time.Time) {
	if !t.IsZero() {
		b.Start(ns, local).Text(t.UTC().Format(time.RFC3339)).End()
	}
}

// passwordReset is the answer where only another password keeps a client out (XEP-0494 §3.2).
var passwordReset = stanza.ServiceUnavailable.WithApp(xmlstream.Elem(ns, "password-reset-required"))

// revoke ends a client's access (XEP-0494 §3.2): its tokens, what others keep for it, and its sessions.
func (f *feature) revoke(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	ref := q.Payload.Attr("id")
	if ref == "" {
		return "", stanza.BadRequest
	}
	list, err := f.known(ctx, q)
	if err != nil {
		return "", err
	}
	i := slices.IndexFunc(list, func(c client) bool { return c.Ref == ref })
	switch {
	case i < 0:
		return "", stanza.ItemNotFound
	case list[i].Password:
		return "", passwordReset
	}
	key := list[i].Key
	f.note(name{q.Account, key})
	err = f.DB.Write(ctx, func(tx *db.Tx) error {
		if err := f.Accounts.ForgetClient(tx, q.Owner.ID, key); err != nil || f.Forget == nil {
			return err
		}
		return f.Forget(tx, SignedOut{q.Owner, key})
	})
	if err != nil {
		return "", err
	}
	// Behind the answer, which may be for the very client.
	q.After(func(context.Context) {
		f.r.Do(q.Account, func(context.Context) {
			for _, d := range f.r.Devices(q.Account) {
				if keyOf(d) == key {
					d.Kick("not-authorized", "signed out")
				}
			}
		})
	})
	return "", nil
}

// note remembers for a while who was signed out.
func (f *feature) note(n name) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.Now()
	for other, at := range f.outs {
		if now.Sub(at) > closing {
			delete(f.outs, other)
		}
	}
	f.outs[n] = now
}

// bound ends the session of a client whose token was taken while it logged in with it.
func (f *feature) bound(_ context.Context, d *router.Device) {
	n := name{d.JID.Bare(), keyOf(d)}
	f.mu.Lock()
	at, out := f.outs[n]
	f.mu.Unlock()
	if out && !d.LogIn.Password && f.Now().Sub(at) <= closing {
		d.Kick("not-authorized", "signed out")
	}
}
