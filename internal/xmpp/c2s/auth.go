// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// mechanisms with a password, strongest first. What is offered does not depend on the name (XEP-0388 §2.1).
func mechanisms() []string { return []string{sasl.SCRAMSHA256, sasl.SCRAMSHA1} }

// An exchange is one SASL exchange as the stream carries it; profile is the namespace of its elements, which
// SASL (RFC 6120 §6) and SASL2 (XEP-0388 §2) have in common but for how it begins and ends.
type exchange struct {
	c         *conn
	profile   string
	mechanism string
	server    sasl.Server
	account   account.Account // of the name that the client claims; proved when the exchange is done
	password  []byte          // the stored key of its password for SCRAM-SHA-256, as it was before the proof
}

// note remembers the password that name has now. It is called before what the proof is held against is read, so that
// a change between the two makes it the older one, and is noticed.
func (x *exchange) note(ctx context.Context, name string) {
	c, _, _ := x.c.srv.Accounts.Credentials(ctx, name, sasl.SCRAMSHA256) // where this fails, what follows does too
	x.password = c.StoredKey
}

// stillOpen refuses a client whose account was locked or deleted since it proved who it is, or has another password.
// It is asked when the session is in the directory: from then on, whoever changes the account finds and ends it.
func (c *conn) stillOpen(ctx context.Context) error {
	now, a, err := c.srv.Accounts.Credentials(ctx, c.account.Name, sasl.SCRAMSHA256)
	switch {
	case errors.Is(err, account.ErrUnknown), errors.Is(err, account.ErrDisabled):
	case err != nil:
		return err
	case a.ID == c.account.ID && bytes.Equal(now.StoredKey, c.password):
		return nil
	}
	return &stream.Error{Condition: "not-authorized"}
}

// scram returns the server's side for a mechanism with a password; nil where it is none that is offered.
func (x *exchange) scram() sasl.Server {
	h, ok := sasl.HashOf(x.mechanism)
	if !ok {
		return nil
	}
	return sasl.NewSCRAM(sasl.SCRAM{Hash: h, Authorize: x.c.mayActAs, Lookup: func(ctx context.Context, name string) (sasl.Credentials, error) {
		x.note(ctx, name)
		creds, a, err := x.c.srv.Accounts.Credentials(ctx, name, x.mechanism)
		switch {
		case errors.Is(err, account.ErrUnknown):
			return creds, &sasl.Error{Condition: sasl.NotAuthorized}
		case errors.Is(err, account.ErrDisabled):
			return creds, &sasl.Error{Condition: sasl.AccountDisabled}
		}
		x.account = a
		return creds, err
	}})
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
		if err := x.c.stream.Write(dataElem(x.profile, "challenge", reply)); err != nil {
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
		return decode(n.Text())
	case n.Is(x.profile, "abort"): // RFC 6120 §6.4.4
		return nil, &sasl.Error{Condition: sasl.Aborted}
	}
	// XEP-0388 §2.4 wants nothing else on the stream, and so does RFC 6120 §4.9.3.12.
	return nil, &stream.Error{Condition: "not-authorized", Text: "authentication is in progress"}
}

// decode reads base64 (RFC 6120 §6.4.2: "=" is a message of no bytes).
func decode(s string) ([]byte, error) {
	s = strings.TrimSpace(s)
	if s == "" || s == "=" {
		return []byte{}, nil
	}
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return nil, &sasl.Error{Condition: sasl.IncorrectEncoding}
	}
	return b, nil
}

func encode(b []byte) string {
	if len(b) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(b)
}

func dataElem(space, local string, data []byte) xmlstream.Raw {
	return xmlstream.TextElem(space, local, encode(data))
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
	if se.Condition != sasl.Aborted && se.Condition != sasl.InvalidMechanism {
		c.failures++
		if c.srv.throttle.failed(c.srv.life, c.stream.RemoteAddr(), x.localpart()) {
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

// authenticate is SASL as RFC 6120 §6.4 has it.
func authenticate(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	n := el.Root()
	x := &exchange{c: c, profile: nsSASL, mechanism: n.Attr("mechanism")}
	if x.server = x.scram(); x.server == nil {
		return false, x.failed(&sasl.Error{Condition: sasl.InvalidMechanism}) // RFC 6120 §6.5.7
	}
	var initial []byte
	if text := n.Text(); text != "" { // else the client waits for an empty challenge
		if initial, err = decode(text); err != nil {
			return false, x.failed(err)
		}
	}
	if err := c.srv.throttle.wait(c.srv.life, c.stream.RemoteAddr()); err != nil {
		return false, err
	}
	additional, err := x.run(ctx, initial)
	if err != nil {
		return false, x.failed(err)
	}
	if err := c.stream.Write(dataElem(nsSASL, "success", additional)); err != nil {
		return false, err
	}
	c.loggedIn(x)
	c.stream.Restart() // RFC 6120 §6.4.6
	return true, nil
}

// loggedIn notes who the client is.
func (c *conn) loggedIn(x *exchange) {
	c.account, c.password = x.account, x.password
	_, password := sasl.HashOf(x.mechanism)
	c.logIn = session.LogIn{At: c.srv.Now(), Password: password}
	c.state |= authenticated
	c.stream.SetLimits(c.srv.Limits)
	c.srv.throttle.succeeded(c.stream.RemoteAddr(), x.account.Name)
	c.srv.count.Logins.Of(x.mechanism, "success").Inc()
}

func offerSASL(c *conn, b *xmlstream.Builder) {
	b.Start(nsSASL, "mechanisms")
	for _, m := range mechanisms() {
		b.Start(nsSASL, "mechanism").Text(m).End()
	}
	b.End()
}
