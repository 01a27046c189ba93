// SPDX-License-Identifier: Apache-2.0

// Package register lets people change their password in their app (XEP-0077 v2.4 §3.3), and leave (XEP-0077 §3.2). How
// they came is the business of c2s: at that time they have not logged in.
//
// A device that lies open, or was stolen, can do neither by itself. Who asks must have logged in with the password a moment
// ago, or give it now: the error that refuses has a form for it (XEP-0077 §3.2, §3.3).
package register

import (
	"context"
	"errors"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns         = "jabber:iq:register"
	typeChange = "jabber:iq:register:changepassword"
	typeCancel = "jabber:iq:register:cancel"
)

// recent is for how long a log-in with the password is proof enough.
const recent = 5 * time.Minute

// Accounts keeps the passwords; *account.Service implements it.
type Accounts interface {
	Password(name, password string) (account.Password, error)
	CheckPassword(ctx context.Context, name, password string) (account.Account, error)
	SetPassword(tx *db.Tx, id int64, p account.Password) error
}

// Options are what register works with.
type Options struct {
	DB       *db.DB
	Accounts Accounts
	// Remove removes an account, ends its sessions and tells its contacts. It is called in the account's turn, and returns
	// account.ErrLastAdmin for the last admin.
	Remove func(context.Context, account.Account) error
	Now    func() time.Time // nil means time.Now
}

type register struct {
	Options
	attempts attempts
}

// Install hangs register into r.
func Install(r *router.Router, o Options) {
	if o.Now == nil {
		o.Now = time.Now
	}
	x := &register{Options: o}
	for _, to := range []router.Target{router.Server, router.Self} {
		r.Advertise(to, ns)
		r.HandleIQ(to, "get", ns, "query", x.registered)
		r.HandleIQ(to, "set", ns, "query", x.set)
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

// set does what is asked for, with elements or with a form, which counts where both are there (XEP-0077 §6).
func (x *register) set(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	if form.In(q.Payload) {
		v := form.Read(q.Payload)
		switch v.Type() {
		case typeChange:
			return "", x.change(ctx, q, request{v["username"], v["password"], v["old_password"]})
		case typeCancel:
			return "", x.remove(ctx, q, request{name: v["username"], proof: v["password"]})
		}
		return "", stanza.BadRequest
	}
	if _, ok := q.Payload.Child(ns, "remove"); ok {
		for n := range q.Payload.Children() {
			if !n.Is(ns, "remove") { // XEP-0077 §3.2
				return "", stanza.BadRequest
			}
		}
		return "", x.remove(ctx, q, request{name: q.Owner.Name})
	}
	name, okName := q.Payload.Child(ns, "username")
	password, okPassword := q.Payload.Child(ns, "password")
	if !okName || !okPassword {
		return "", stanza.BadRequest
	}
	return "", x.change(ctx, q, request{name: name.Text(), password: password.Text()})
}

// A request is what somebody wants changed.
type request struct {
	name     string // of the account, or its address
	password string // the new one
	proof    string // the present password; "" where it was not given
}

// change changes the password (XEP-0077 §3.3). The account's other sessions end by it, and so do its tokens.
func (x *register) change(ctx context.Context, q *router.Request, r request) error {
	switch {
	case r.name == "" || r.password == "":
		return stanza.BadRequest
	case !own(q, r.name):
		return stanza.NotAllowed
	}
	by := x.who(q)
	if x.attempts.spent(by, x.Now()) {
		return tooOften
	}
	if err := x.prove(ctx, q, by, r.proof); err != nil {
		if errors.Is(err, errProof) {
			return wantsOldPassword
		}
		return err
	}
	p, err := x.Accounts.Password(q.Owner.Name, r.password)
	if err != nil {
		if se := signup.Refusal(err); se != nil {
			return se
		}
		return err
	}
	x.attempts.note(by, x.Now())
	q.Device.Spare()
	err = x.DB.Write(ctx, func(tx *db.Tx) error { return x.Accounts.SetPassword(tx, q.Owner.ID, p) })
	if err != nil {
		q.Device.Spared() // it has changed nothing
	}
	return err
}

// remove removes the account (XEP-0077 §3.2). The answer is on its way before the stream ends.
func (x *register) remove(ctx context.Context, q *router.Request, r request) error {
	if !own(q, r.name) {
		return stanza.NotAllowed
	}
	by := x.who(q)
	if x.attempts.spent(by, x.Now()) {
		return tooOften
	}
	if err := x.prove(ctx, q, by, r.proof); err != nil {
		if errors.Is(err, errProof) {
			return wantsPassword
		}
		return err
	}
	err := x.Remove(ctx, q.Owner)
	if errors.Is(err, account.ErrLastAdmin) {
		return stanza.NotAllowed.WithText("You are the last admin. Make somebody else an admin first.")
	}
	return err
}

// own reports whether name, or an address, is that of who asks.
func own(q *router.Request, name string) bool {
	return name == q.Owner.Name || name == q.Account.String()
}

// errProof says that it is not sure that the owner asks.
var errProof = errors.New("register: not proved")

// who says for whom an attempt is counted.
func (x *register) who(q *router.Request) asker {
	return asker{q.Owner.ID, q.Device.LogIn.ByPassword(x.Now(), recent)}
}

// prove returns nil where the owner of the account asks, and not only a device of theirs.
func (x *register) prove(ctx context.Context, q *router.Request, by asker, password string) error {
	switch {
	case password != "":
	case by.fresh:
		return nil
	default:
		return errProof
	}
	_, err := x.Accounts.CheckPassword(ctx, q.Owner.Name, password)
	if errors.Is(err, account.ErrPassword) || errors.Is(err, account.ErrDisabled) {
		x.attempts.note(by, x.Now())
		return errProof
	}
	return err
}

var tooOften = stanza.ResourceConstraint.WithText("That was tried often. Please log in with your password again, or wait an hour.")

// What refuses who has not proved to be the owner, and asks for the proof.
var (
	wantsOldPassword = stanza.NotAuthorized.WithType(stanza.Modify). // XEP-0077 §3.3
				WithText("Please give the password that you have now, or log in with it again.").
				WithPayload(within(form.New(typeChange, "New password", "Please give the password that you have now, too.",
			form.Field{Var: "username", Label: "Name", Required: true},
			form.Field{Var: "old_password", Label: "Password now", Type: form.TextPrivate, Required: true},
			form.Field{Var: "password", Label: "New password", Type: form.TextPrivate, Required: true})))
	wantsPassword = stanza.NotAllowed. // XEP-0077 §3.2
			WithText("Please give your password, or log in with it again.").
			WithPayload(within(form.New(typeCancel, "Remove your account", "Please give your password. The account cannot be brought back.",
			form.Field{Var: "username", Label: "Name", Required: true},
			form.Field{Var: "password", Label: "Password", Type: form.TextPrivate, Required: true})))
)

func within(f xmlstream.Raw) xmlstream.Raw {
	var b xmlstream.Builder
	return b.Start(ns, "query").Raw(f).End().Build()
}
