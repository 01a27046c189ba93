// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"errors"
	"net/netip"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Registration before the log-in: XEP-0077 v2.4 by invitation, with the token of XEP-0445 v0.2.0.
//
// An app that knows tokens sends the invitation's first, and then a name and a password. Any other app that can fill in
// a form does without: it is given one with a field for the invitation.
const (
	nsRegister        = "jabber:iq:register"
	nsRegisterFeature = "http://jabber.org/features/iq-register"
	nsTokenFeature    = "urn:xmpp:ibr-token:0"
	nsInviteFeature   = "urn:xmpp:invite" // COMPAT(Conversations, Siskin): what they look for instead of the one above
	nsPreauth         = "urn:xmpp:pars:0"
)

const (
	// registrationTime is how long a client has for it, from when its user was given something to fill in.
	registrationTime = 10 * time.Minute
	// maxRefused is how many requests may be refused on one stream, and maxRequests how many there may be at all.
	maxRefused  = 10
	maxRequests = 50
)

// byInvitation is what people are told who come without an invitation.
const byInvitation = "Accounts here are by invitation. Please ask somebody who has one to invite you."

// A Registrar makes accounts on invitations; *signup.Act implements it.
type Registrar interface {
	// Look returns the invitation of a token, or an error that signup.Refusal explains.
	Look(ctx context.Context, t invite.Token) (invite.Invite, error)
	Do(ctx context.Context, r signup.Request) (signup.Result, error)
}

// registration is how far a stream has come with it.
type registration struct {
	invite invite.Invite // of token
	token  invite.Token  // found good; "": none was
	since  time.Time     // then
	asked  bool          // the fields were given out
	done   bool          // there is an account

	requests, refused int
}

func offerRegistration(c *conn, b *xmlstream.Builder) {
	if c.srv.Registrar == nil {
		return
	}
	b.Start(nsRegisterFeature, "register").End()
	b.Start(nsTokenFeature, "register").End() // XEP-0445 §3
	b.Start(nsInviteFeature, "register").End()
}

// register answers the requests that may come before the log-in.
func register(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	st, err := stanza.Parse(el)
	payload, ok := st.First()
	switch {
	case c.srv.Registrar == nil, !ok, st.Type != stanza.TypeGet && st.Type != stanza.TypeSet,
		!st.To.IsZero() && st.To != c.srv.Domain,
		!payload.Is(nsPreauth, "preauth") && !payload.Is(nsRegister, "query"):
		return false, &stream.Error{Condition: "not-authorized"} // RFC 6120 §4.9.3.12
	}
	if c.registration == nil {
		c.registration = &registration{}
	}
	if c.registration.requests++; c.registration.requests > maxRequests {
		return false, &stream.Error{Condition: "policy-violation", Text: "too many requests"}
	}
	var answer xmlstream.Raw
	if err == nil {
		answer, err = c.register(ctx, st, payload)
	}
	st = st.Addressed(jid.JID{}, c.srv.Domain) // nobody can be answered who has no address yet
	if err == nil {
		return false, c.writeStanza(st.Result(answer))
	}
	return false, c.refuseRegistration(st, err)
}

// refuseRegistration answers a request that failed with err. A stream has a few tries only.
func (c *conn) refuseRegistration(st *stanza.Stanza, err error) error {
	se, ok := errors.AsType[*stanza.Error](err)
	if !ok {
		if se = signup.Refusal(err); se == nil {
			c.log.Error("registration", "err", err)
			se = stanza.InternalServerError
		}
	}
	c.log.Info("registration refused", "condition", se.Condition)
	if err := c.writeStanza(st.Bounce(se)); err != nil {
		return err
	}
	if c.registration.refused++; c.registration.refused >= maxRefused { // XEP-0077 §3.1.1
		return &stream.Error{Condition: "policy-violation", Text: "too many failed attempts"}
	}
	return nil
}

// register does what is asked for, and returns the payload of the answer.
func (c *conn) register(ctx context.Context, st *stanza.Stanza, payload xmlstream.Node) (xmlstream.Raw, error) {
	if c.registration.done { // XEP-0077 §3.1.1: a second identity
		return "", stanza.NotAcceptable.WithText("You have an account now. Please log in.")
	}
	if payload.Is(nsPreauth, "preauth") {
		if st.Type != stanza.TypeSet {
			return "", stanza.BadRequest
		}
		return "", c.takeToken(ctx, payload.Attr("token"))
	}
	if st.Type == stanza.TypeGet {
		if !c.registration.asked {
			c.registration.asked = true
			c.patience(registrationTime)
		}
		return c.registration.fields(c.srv.Domain.String()), nil
	}
	return "", c.makeAccount(ctx, payload)
}

// takeToken looks at an invitation, and remembers it for the stream if it is good (XEP-0445 §4).
func (c *conn) takeToken(ctx context.Context, text string) error {
	if text == "" {
		return stanza.BadRequest
	}
	if err := c.mayRegister(); err != nil {
		return err
	}
	token := tokenIn(text)
	inv, err := c.srv.Registrar.Look(ctx, token)
	if err != nil {
		return err
	}
	r := c.registration
	if r.token == "" {
		c.patience(registrationTime)
	}
	r.invite, r.token, r.since = inv, token, c.srv.Now()
	return nil
}

// mayRegister bounds how often one address may try.
func (c *conn) mayRegister() error {
	if may := c.srv.MayRegister; may != nil && !may(c.stream.RemoteAddr()) {
		return stanza.ResourceConstraint.WithText("That was a bit fast. Please wait a minute.")
	}
	return nil
}

// fields is what has to be told for an account (XEP-0077 §3.1, §4).
func (r *registration) fields(domain string) xmlstream.Raw {
	instructions, fields := "Choose a name and a password for your account on "+domain+".", []form.Field{
		{Var: "username", Label: "Name", Required: true, Value: r.invite.Name},
		{Var: "password", Label: "Password", Type: form.TextPrivate, Required: true},
	}
	if r.token == "" {
		instructions = "Accounts here are by invitation. Enter the link of yours, with a name and a password."
		fields = append(fields, form.Field{Var: "token", Label: "Invitation", Required: true})
	}
	var b xmlstream.Builder
	b.Start(nsRegister, "query")
	b.Start(nsRegister, "instructions").Text(instructions).End()
	if r.token != "" { // without, two fields are not enough
		b.Start(nsRegister, "username").Text(r.invite.Name).End()
		b.Start(nsRegister, "password").End()
	}
	b.Raw(form.New(nsRegister, "Your account", instructions, fields...))
	return b.End().Build()
}

// A filledIn is what a client tells for an account.
type filledIn struct{ name, password, token string }

// readRegistration reads the elements of XEP-0077, or the form, which counts where both are there (XEP-0077 §6).
func readRegistration(query xmlstream.Node) filledIn {
	if form.In(query) {
		v := form.Read(query)
		return filledIn{v["username"], v["password"], v["token"]}
	}
	var f filledIn
	if n, ok := query.Child(nsRegister, "username"); ok {
		f.name = n.Text()
	}
	if n, ok := query.Child(nsRegister, "password"); ok {
		f.password = n.Text()
	}
	return f
}

// makeAccount makes the account. When it returns nil, the account is there, and can log in on the same stream.
func (c *conn) makeAccount(ctx context.Context, query xmlstream.Node) error {
	if _, ok := query.Child(nsRegister, "remove"); ok { // XEP-0077 §3.2
		return stanza.UnexpectedRequest.WithType(stanza.Cancel)
	}
	if err := c.mayRegister(); err != nil {
		return err
	}
	r, f := c.registration, readRegistration(query)
	request := signup.Request{Name: strings.TrimSpace(f.name), Password: f.password, Token: r.token, Since: r.since}
	if request.Token == "" {
		request.Token = tokenIn(f.token)
	}
	switch { // XEP-0077 §3.1: everything that was asked for must be there
	case request.Token == "":
		return stanza.NotAcceptable.WithText(byInvitation)
	case request.Name == "":
		return stanza.NotAcceptable.WithText("Please choose a name.")
	case request.Password == "":
		return stanza.NotAcceptable.WithText("Please choose a password.")
	}
	res, err := c.srv.Registrar.Do(ctx, request)
	if err != nil {
		return err
	}
	r.done = true
	c.patience(negotiationTime)
	c.log.Info("signed up", "account", res.Account.ID)
	return nil
}

// tokenIn finds the token in what people copy: it, the address of its page, or the xmpp: address of the invitation.
func tokenIn(text string) invite.Token {
	text = strings.TrimSpace(text)
	if _, after, ok := strings.Cut(text, "preauth="); ok { // XEP-0445 §2
		text, _, _ = strings.Cut(after, ";")
	}
	if _, after, ok := strings.Cut(text, "/invite/"); ok {
		text, _, _ = strings.Cut(after, "/")
	}
	return invite.Token(text)
}

// patience gives the client that long from now until it is logged in.
func (c *conn) patience(d time.Duration) {
	end := c.srv.Now().Add(d)
	_ = c.stream.SetReadDeadline(end) // a connection that fails here ends anyhow
	_ = c.stream.SetWriteDeadline(end)
	if c.interrupted.Load() {
		c.interrupt()
	}
}

// A RegisterPolicy counts one try of a client at that address to register, and reports whether it is within the limit.
type RegisterPolicy func(remote netip.Addr) bool
