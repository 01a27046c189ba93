// SPDX-License-Identifier: Apache-2.0

// Package register lets people change their password in their app (XEP-0077 v2.4 §3.3).
package register

import (
	"context"
	"errors"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "jabber:iq:register"

// Accounts keeps the passwords; *account.Service implements it.
type Accounts interface {
	Password(name, password string) (account.Password, error)
	SetPassword(tx *db.Tx, id int64, p account.Password) error
}

type register struct {
	db       *db.DB
	accounts Accounts
}

// Install hangs register into r.
func Install(r *router.Router, d *db.DB, a Accounts) {
	x := &register{d, a}
	for _, to := range []router.Target{router.Server, router.Self} {
		r.Advertise(to, ns)
		r.HandleIQ(to, "get", ns, "query", x.registered)
		// A query, though it writes: the work of hashing a password would hold up its account's turn.
		r.HandleQuery(to, "set", ns, "query", x.change)
	}
}

// registered says as whom the device is registered (XEP-0077 §3.1).
func (x *register) registered(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	var b xmlstream.Builder
	b.Start(ns, "query").Start(ns, "registered").End()
	b.Start(ns, "username").Text(q.Owner.Name).End()
	b.Start(ns, "password").End()
	return b.End().Build(), nil
}

// change changes the password. The account's other sessions end by it, and so do its tokens.
func (x *register) change(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	if _, ok := q.Payload.Child(ns, "remove"); ok {
		return "", stanza.NotAllowed.WithText("Accounts cannot be removed here.")
	}
	name, okName := q.Payload.Child(ns, "username")
	password, okPassword := q.Payload.Child(ns, "password")
	if !okName || !okPassword || password.Text() == "" { // XEP-0077 §3.3
		return "", stanza.BadRequest
	}
	if name.Text() != q.Owner.Name {
		return "", stanza.NotAllowed
	}
	p, err := x.accounts.Password(q.Owner.Name, password.Text())
	if bad, ok := errors.AsType[*account.PasswordError](err); ok {
		return "", stanza.NotAcceptable.WithText(bad.Error())
	}
	if err != nil {
		return "", err
	}
	q.Device.Spare()
	err = x.db.Write(ctx, func(tx *db.Tx) error { return x.accounts.SetPassword(tx, q.Owner.ID, p) })
	if err != nil {
		q.Device.Spared() // it has changed nothing
	}
	return "", err
}
