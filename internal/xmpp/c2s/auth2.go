// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// offerSASL2 offers SASL2 with what it can do in the same step. FAST is offered although the client may not have
// said who it is (XEP-0484 §4.1 wants a from): the offer is the same for everybody.
func offerSASL2(c *conn, b *xmlstream.Builder) {
	b.Start(nsSASL2, "authentication")
	c.offered.offerMechanisms(b, nsSASL2)
	b.Start(nsSASL2, "inline")
	b.Start(nsBind2, "bind").Start(nsBind2, "inline") // XEP-0386 §3.1
	inline := append([]string{session.NSManagement}, c.srv.Router.Inlines()...)
	if c.srv.Weigh != nil {
		inline = append(inline, nsCSI)
	}
	for _, name := range inline {
		b.Start(nsBind2, "feature").Attr("var", name).End()
	}
	b.End().End()
	b.Start(session.NSManagement, "sm").End() // XEP-0198 §9.2
	b.Start(nsFast, "fast")                   // XEP-0484 §3.1
	for _, m := range c.offered.tokens {
		b.Start(nsFast, "mechanism").Text(m).End()
	}
	b.End().End()
	c.offered.offerUpgrades(b)
	b.End()
}

// A login is a SASL2 request (XEP-0388 §2.3), with what it asks for besides.
type login struct {
	exchange
	initial []byte
	fast    xmlstream.Node // XEP-0484 §3.4; zero: it did not say that it uses a token
	count   int64          // of fast; 0: it did not count
	request string         // mechanism for which a token is wanted; "" for none
	bind    xmlstream.Node // XEP-0386 §3.2; zero: no binding
	resume  xmlstream.Node // XEP-0198 §9.2; zero: no session of before
	wanted  []sasl.Hash    // upgrades that were offered and asked for

	tokens []account.Candidate
	token  *account.Token // what the client gets
}

// authenticate2 is SASL2. It does not restart the stream (XEP-0388 §2.6.1).
func authenticate2(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	if err := c.begins(); err != nil {
		return false, err
	}
	n := el.Root()
	l := &login{exchange: exchange{c: c, profile: nsSASL2, mechanism: n.Attr("mechanism")}}
	if err := l.read(n); err != nil {
		return false, l.failed(err)
	}
	ht := l.chooseToken()
	if ht == nil && l.fast.IsZero() {
		l.server = l.choose()
	}
	if l.server == nil {
		return false, l.failed(&sasl.Error{Condition: sasl.InvalidMechanism}) // XEP-0388 §2.3
	}
	if err := c.srv.throttle.wait(c.srv.life, c.stream.RemoteAddr()); err != nil {
		return false, err
	}
	additional, err := l.run(ctx, l.initial)
	l.hold(ctx, err)
	if err == nil {
		additional, err = l.finish(ctx, ht, additional)
	}
	if err != nil {
		return false, l.failed(err)
	}
	c.loggedIn(&l.exchange)
	before, resumed, err := l.resumeInline(ctx, additional)
	if err != nil || resumed {
		return false, err
	}
	boundTo, inline, err := l.bindInline(ctx)
	if err != nil {
		return false, err
	}
	if err := c.stream.Write(l.success(additional, boundTo, before+inline)); err != nil {
		return false, err
	}
	if err := c.stream.WriteFeatures(c.offer()); err != nil {
		return false, err
	}
	if c.session != nil {
		c.begin()
	}
	return false, nil
}

// finish does what comes between a right proof and success: the client must be the one of the stream's header, may have
// tasks, and then is admitted. It returns the additional data that the client has not been told yet.
func (l *login) finish(ctx context.Context, ht *sasl.HT, additional []byte) ([]byte, error) {
	if l.c.header.From != "" { // XEP-0388 §2.3
		if !l.c.mayActAs(l.server.Username(), l.bareFrom()) {
			return nil, &sasl.Error{Condition: sasl.InvalidAuthzID}
		}
	}
	tasks, err := l.upgrades(ctx)
	if err != nil {
		return nil, err
	}
	if additional, err = l.perform(ctx, tasks, additional); err != nil {
		return nil, err
	}
	return additional, l.admit(ctx, ht)
}

// read takes the request apart.
func (l *login) read(n xmlstream.Node) (err error) {
	if r, ok := n.Child(nsSASL2, "initial-response"); ok {
		if l.initial, err = decode(nsSASL2, r.Text()); err != nil {
			return err
		}
	}
	if ua, ok := n.Child(nsSASL2, "user-agent"); ok {
		l.client = readAgent(ua)
	}
	if len(l.client.ID) > 256 {
		return &sasl.Error{Condition: sasl.MalformedRequest, Text: "the user-agent's id is too long"}
	}
	l.fast, _ = n.Child(nsFast, "fast")
	if !l.fast.IsZero() && l.fast.HasAttr("count") {
		if l.count, err = strconv.ParseInt(l.fast.Attr("count"), 10, 32); err != nil || l.count < 0 { // XEP-0484 §3.4
			return &sasl.Error{Condition: sasl.MalformedRequest, Text: "the count is no number"}
		}
	}
	l.bind, _ = n.Child(nsBind2, "bind")
	l.resume, _ = n.Child(session.NSManagement, "resume")
	l.readUpgrades(n)
	if r, ok := n.Child(nsFast, "request-token"); ok {
		l.request = r.Attr("mechanism")
		if !slices.Contains(l.c.offered.tokens, l.request) { // XEP-0484 §3.2
			return &sasl.Error{Condition: sasl.MalformedRequest, Text: "no tokens for that mechanism"}
		}
		if l.client.ID == "" { // XEP-0484 §4.1
			return &sasl.Error{Condition: sasl.MalformedRequest, Text: "a token is for a user-agent with an id"}
		}
	}
	return nil
}

// readAgent reads what a client tells of itself (XEP-0388 §2.3).
func readAgent(n xmlstream.Node) account.Client {
	a := account.Client{ID: n.Attr("id")}
	if s, ok := n.Child(nsSASL2, "software"); ok {
		a.Software = s.Text()
	}
	if d, ok := n.Child(nsSASL2, "device"); ok {
		a.Device = d.Text()
	}
	return a
}

// chooseToken sets the server's side for a token's mechanism, and returns it; nil where it is none that was offered. It
// comes with <fast/>, and no other mechanism does (XEP-0484 §3.4).
func (l *login) chooseToken() *sasl.HT {
	if l.fast.IsZero() || !slices.Contains(l.c.offered.tokens, l.mechanism) {
		return nil
	}
	binding, _ := sasl.HTBinding(l.mechanism, l.c.offered.Channel) // it was offered, so there is one
	ht := sasl.NewHT(func(ctx context.Context, name string) ([][]byte, error) {
		var err error
		if l.tokens, err = l.c.srv.Accounts.Candidates(ctx, name, l.client.ID, l.mechanism); err != nil {
			return nil, err
		}
		secrets := make([][]byte, len(l.tokens))
		for i, t := range l.tokens {
			secrets[i] = t.Secret
		}
		return secrets, nil
	}, binding)
	l.server = ht
	return ht
}

// admit is what the store has to do with a log-in whose proof was right: a token is used up, given or renewed. It is
// committed before the client hears of success.
func (l *login) admit(ctx context.Context, ht *sasl.HT) error {
	s := l.c.srv
	if ht == nil && l.request == "" {
		return nil
	}
	err := s.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if ht == nil {
			if err := s.Accounts.StillOpens(tx, l.account.ID, l.account.Password); err != nil {
				return err
			}
			var t account.Token
			t, err = s.Accounts.NewToken(tx, l.account.ID, l.client, l.request)
			l.token = &t
			return err
		}
		use := account.Use{Client: l.client, Request: l.request, Count: l.count, Last: truth(l.fast.Attr("invalidate"))}
		l.account, l.token, err = s.Accounts.Use(tx, l.tokens[ht.Matched()], use)
		return err
	})
	return admission(err)
}

// bareFrom is the address that the client gave in the stream header, without a resource.
func (l *login) bareFrom() string {
	from, err := jid.Parse(l.c.header.From)
	if err != nil {
		return ""
	}
	return from.Bare().String()
}

// truth reads an xs:boolean.
func truth(s string) bool { return s == "true" || s == "1" }

// bindInline binds where the client asked for it (XEP-0386 §3.2), and returns its full address and what goes into
// <success/>.
func (l *login) bindInline(ctx context.Context) (jid.JID, xmlstream.Raw, error) {
	c := l.c
	own, err := jid.New(c.account.Name, c.srv.Domain.Domain(), "")
	if err != nil {
		return jid.JID{}, "", err
	}
	if l.bind.IsZero() {
		return own, "", nil
	}
	tag := ""
	if t, ok := l.bind.Child(nsBind2, "tag"); ok {
		tag = t.Text()
	}
	full := c.srv.resourceFor(own, l.client.ID, tag)
	if err := c.bind(ctx, full, l.bind.Raw()); err != nil {
		if _, tooMany := errors.AsType[*stanza.Error](err); !tooMany {
			return jid.JID{}, "", err
		}
		// XEP-0386 knows no failure here: the account has too many devices.
		return jid.JID{}, "", &stream.Error{Condition: "policy-violation", Text: "too many devices are connected"}
	}
	var b xmlstream.Builder
	b.Start(nsBind2, "bound")
	if n, ok := l.bind.Child(session.NSManagement, "enable"); ok { // XEP-0198 §9.1
		answer, _ := c.enable(n, true) // which is the first
		b.Raw(answer)
	}
	b.Raw(c.binding.Answer())
	if _, ok := l.bind.Child(nsCSI, "inactive"); ok && c.srv.Weigh != nil {
		c.session.SetIdle(true)
		c.binding.SetIdle(true)
	}
	return full, b.End().Build(), nil
}

// success is the answer to a log-in that succeeded (XEP-0388 §2.6.1).
func (l *login) success(additional []byte, who jid.JID, inline xmlstream.Raw) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsSASL2, "success")
	if additional != nil {
		b.Start(nsSASL2, "additional-data").Text(encode(nsSASL2, additional)).End()
	}
	b.Start(nsSASL2, "authorization-identifier").Text(who.String()).End()
	b.Raw(inline)
	if l.token != nil { // XEP-0484 §3.3
		b.Start(nsFast, "token").Attr("token", l.token.Secret)
		b.Attr("expiry", l.token.Expires.UTC().Format(time.RFC3339)).End() // XEP-0082 §3.2
	}
	return b.End().Build()
}
