// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"encoding/base64"
	"errors"
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// An exchange is one SASL exchange as the stream carries it; profile is the namespace of its elements, which
// SASL (RFC 6120 §6) and SASL2 (XEP-0388 §2) have in common but for how it begins and ends.
type exchange struct {
	c         *conn
	profile   string
	mechanism string
	client    account.Client // what it tells of itself; SASL2 only
	server    sasl.Server
	account   account.Account // of the name that the client claims, as it was before the proof; proved when that is done
}

// choose returns the server's side for the mechanism; nil where it was not offered (XEP-0388 §2.3, RFC 6120 §6.5.7).
func (x *exchange) choose() sasl.Server {
	switch {
	case !slices.Contains(x.c.offered.Mechanisms, x.mechanism):
		return nil
	case x.mechanism == sasl.EXTERNAL:
		return x.external()
	case x.mechanism == sasl.PLAIN:
		return x.plain()
	}
	return x.scram()
}

// plain returns the server's side of PLAIN.
func (x *exchange) plain() sasl.Server {
	return sasl.NewPlain(func(ctx context.Context, name, password string) error {
		a, err := x.c.srv.Accounts.CheckPassword(ctx, name, password)
		switch {
		case errors.Is(err, account.ErrPassword):
			return &sasl.Error{Condition: sasl.NotAuthorized}
		case errors.Is(err, account.ErrDisabled):
			return &sasl.Error{Condition: sasl.AccountDisabled}
		}
		x.account = a
		return err
	}, x.c.mayActAs)
}

// scram returns the server's side of SCRAM; nil where the mechanism is another one.
func (x *exchange) scram() sasl.Server {
	h, ok := sasl.HashOf(x.mechanism)
	if !ok {
		return nil
	}
	lookup := func(ctx context.Context, name string) (sasl.Credentials, error) {
		creds, a, err := x.c.srv.Accounts.Credentials(ctx, name, x.mechanism)
		switch {
		case errors.Is(err, account.ErrUnknown):
			return creds, &sasl.Error{Condition: sasl.NotAuthorized}
		case errors.Is(err, account.ErrDisabled):
			return creds, &sasl.Error{Condition: sasl.AccountDisabled}
		}
		x.account = a
		return creds, err
	}
	return sasl.NewSCRAM(sasl.SCRAM{
		Hash: h, Plus: sasl.IsPlus(x.mechanism), Offer: x.c.offered.Offer, Lookup: lookup, Authorize: x.c.mayActAs,
	})
}

// stillOpen refuses a client whose account was locked or deleted since it proved who it is, or has another password.
// It is asked when the session is in the directory: from then on, whoever changes the account finds and ends it.
func (c *conn) stillOpen(ctx context.Context) error {
	now, err := c.srv.Accounts.Lookup(ctx, c.account.Name)
	switch {
	case errors.Is(err, account.ErrUnknown):
	case err != nil:
		return err
	case now.ID == c.account.ID && now.Password == c.account.Password && !now.Disabled:
		return nil
	}
	return &stream.Error{Condition: "not-authorized"}
}

// mayActAs allows the authorization identity that is the account's own address (RFC 6120 §6.3.8).
func (c *conn) mayActAs(name, authzid string) bool {
	id, err := jid.Parse(authzid)
	if err != nil {
		return false
	}
	own, err := jid.New(name, c.srv.Domain.Domain(), "")
	return err == nil && id == own
}

// run feeds the client's messages to the mechanism until it is done, and returns what goes with success. The
// first message is in initial; nil where the client sent none.
func (x *exchange) run(ctx context.Context, initial []byte) (additional []byte, err error) {
	message := initial
	for {
		reply, done, err := x.server.Next(ctx, message)
		if err != nil {
			return nil, err
		}
		if done {
			return reply, nil
		}
		challenge := xmlstream.TextElem(x.profile, "challenge", encode(x.profile, reply))
		if err := x.c.stream.Write(challenge); err != nil {
			return nil, err
		}
		if message, err = x.response(); err != nil {
			return nil, err
		}
	}
}

// response reads the client's next message.
func (x *exchange) response() ([]byte, error) {
	el, err := x.c.stream.Read()
	if err != nil {
		return nil, err
	}
	n := el.Root()
	switch {
	case n.Is(x.profile, "response"):
		return decode(x.profile, n.Text())
	case n.Is(x.profile, "abort"): // RFC 6120 §6.4.4
		return nil, &sasl.Error{Condition: sasl.Aborted}
	case x.profile == nsSASL && n.Is(nsSASL, "auth"):
		return nil, &anotherAuth{el}
	}
	return nil, inProgress() // XEP-0388 §2.4
}

// anotherAuth is the end of an exchange in whose place the client has begun another one (RFC 6120 §6.4.2).
type anotherAuth struct{ el *xmlstream.Element }

func (*anotherAuth) Error() string { return "another log-in has begun" }

// decode reads base64, strictly (RFC 6120 §13.9.1); only what stands around it is let pass. In SASL "=" is a message of no
// bytes (RFC 6120 §6.4.2), which SASL2 writes as nothing (XEP-0388 §2.2).
func decode(profile, s string) ([]byte, error) {
	s = strings.Trim(s, " \t\r\n")
	if s == "" || s == "=" && profile == nsSASL {
		return []byte{}, nil
	}
	if strings.ContainsAny(s, "\r\n") { // which the decoder would pass over
		return nil, &sasl.Error{Condition: sasl.IncorrectEncoding}
	}
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil {
		return nil, &sasl.Error{Condition: sasl.IncorrectEncoding}
	}
	return b, nil
}

func encode(profile string, b []byte) string {
	if len(b) == 0 && profile == nsSASL {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

// failed ends an exchange that failed with err. Errors that are not the mechanism's end the stream. Failures are
// answered late where there have been many (throttle), and a stream has a few tries only.
func (x *exchange) failed(err error) error {
	se, ok := errors.AsType[*sasl.Error](err)
	if !ok {
		return err
	}
	c := x.c
	if se.Cause != nil {
		c.log.Error("authentication", "err", se)
	}
	mechanism := x.mechanism
	if x.server == nil {
		mechanism = metrics.Other // a stranger's word, and it may be long
	}
	c.srv.count.Logins.Of(mechanism, se.Condition).Inc()
	switch {
	case se.Condition == sasl.Aborted, se.Condition == sasl.InvalidMechanism:
	case se.Cause != nil: // nobody has guessed
		c.failures++
	default:
		again := se.Condition == sasl.NotAuthorized && c.guess.again(x.localpart(), x.mechanism)
		if !again {
			c.failures++
		}
		if c.srv.throttle.failed(c.srv.life, failure{c.stream.RemoteAddr(), x.localpart(), again}) {
			c.srv.count.Throttled.Inc()
		}
		c.log.Info("log-in failed", "condition", se.Condition, "mechanism", mechanism)
	}
	if err := c.stream.Write(saslFailure(x.profile, se.Condition, se.Text)); err != nil {
		return err
	}
	if c.failures >= maxFailures { // RFC 6120 §6.4.5
		return &stream.Error{Condition: "policy-violation", Text: "too many failed attempts"}
	}
	return nil
}

// localpart is the name that the client claims, in its normal spelling: one account is one name to the throttle. It
// is "" where no account can be called so.
func (x *exchange) localpart() string {
	if x.server == nil {
		return ""
	}
	j, err := jid.New(x.server.Username(), x.c.srv.Domain.Domain(), "")
	if err != nil {
		return ""
	}
	return j.Local()
}

// saslFailure is <failure/> of SASL (RFC 6120 §6.5) or SASL2 (XEP-0388 §2.6.2).
func saslFailure(profile, condition, text string) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(profile, "failure").Start(nsSASL, condition).End()
	if text != "" {
		b.Start(profile, "text").Lang("en").Text(text).End()
	}
	return b.End().Build()
}

// begins counts a log-in, and ends the stream where there can be no more.
func (c *conn) begins() error {
	if c.continued { // XEP-0388 §4.8
		return inProgress()
	}
	if c.offered.begun++; c.offered.begun > maxLogins {
		return &stream.Error{Condition: "policy-violation", Text: "too many log-ins were begun"}
	}
	return nil
}

// authenticate is SASL as RFC 6120 §6.4 has it.
func authenticate(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	for {
		restart, err = attempt(ctx, c, el)
		next, ok := errors.AsType[*anotherAuth](err)
		if !ok {
			return restart, err
		}
		el = next.el
	}
}

// attempt is one exchange of SASL.
func attempt(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	if err := c.begins(); err != nil {
		return false, err
	}
	n := el.Root()
	x := &exchange{c: c, profile: nsSASL, mechanism: n.Attr("mechanism")}
	if x.server = x.choose(); x.server == nil {
		return false, x.failed(&sasl.Error{Condition: sasl.InvalidMechanism}) // RFC 6120 §6.5.7
	}
	var initial []byte
	if text := n.Text(); text != "" { // else the client waits for an empty challenge
		if initial, err = decode(nsSASL, text); err != nil {
			return false, x.failed(err)
		}
	}
	if err := c.srv.throttle.wait(c.srv.life, c.stream.RemoteAddr()); err != nil {
		return false, err
	}
	additional, err := x.run(ctx, initial)
	x.hold(ctx, err)
	if err != nil {
		return false, x.failed(err)
	}
	success := xmlstream.Elem(nsSASL, "success")
	if additional != nil { // RFC 6120 §6.4.6
		success = xmlstream.TextElem(nsSASL, "success", encode(nsSASL, additional))
	}
	if err := c.stream.Write(success); err != nil {
		return false, err
	}
	c.loggedIn(x)
	c.stream.Restart() // RFC 6120 §6.4.6
	return true, nil
}

// hold keeps the verdict on a log-in back where somebody guesses at the account from many addresses, unless the client
// has logged in before: from here, or by its own id. Right and wrong are held alike, so that a guesser cannot tell them
// apart by not waiting. Tokens and certificates cannot be guessed, and are not held.
func (x *exchange) hold(ctx context.Context, outcome error) {
	if !sasl.ByPassword(x.mechanism) {
		return
	}
	if e, ok := errors.AsType[*sasl.Error](outcome); outcome != nil && (!ok || e.Condition == sasl.Aborted) {
		return
	}
	t, name := x.c.srv.throttle, x.localpart()
	d := t.siege(x.c.stream.RemoteAddr(), name)
	if d == 0 {
		return
	}
	known, err := x.c.srv.Accounts.Knows(ctx, name, x.client.ID)
	if err != nil {
		x.c.log.Error("look for a client", "err", err)
	}
	if !known {
		sleep(x.c.srv.life, d)
	}
}

// loggedIn notes who the client is.
func (c *conn) loggedIn(x *exchange) {
	c.account, c.client = x.account, x.client.ID
	c.logIn = session.LogIn{At: c.srv.Now(), Password: sasl.ByPassword(x.mechanism)}
	c.proof = strings.Clone(x.mechanism) // it is part of the whole element
	c.offered = nil
	c.state |= authenticated
	c.stream.SetLimits(c.srv.Limits)
	c.srv.throttle.succeeded(c.stream.RemoteAddr(), x.account.Name)
	c.srv.count.Logins.Of(x.mechanism, "success").Inc()
	if x.client.ID != "" { // one without an id is known by its resource, see bind
		c.visited(account.KeyOf(x.client.ID, ""), x.client)
	}
}

// visited notes for the account's owner who has logged in.
func (c *conn) visited(k account.ClientKey, about account.Client) {
	c.srv.Accounts.Visited(c.account, account.Visit{Key: k, Client: about, Address: c.stream.RemoteAddr(),
		Password: c.logIn.Password, At: c.logIn.At})
}

func offerSASL(c *conn, b *xmlstream.Builder) {
	b.Start(nsSASL, "mechanisms")
	c.offered.offerMechanisms(b, nsSASL)
	b.End()
}
