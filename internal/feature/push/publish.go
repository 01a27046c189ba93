// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsPubsub    = "http://jabber.org/protocol/pubsub"
	summaryType = "urn:xmpp:push:summary"

	answerTime = 30 * time.Second // for a service to answer
)

// publisher sends by XEP-0357 §7.
type publisher struct {
	r      *router.Router
	notice string
}

// Send publishes n to the service of r, from the account's bare address.
func (p *publisher) Send(_ context.Context, r push.Registration, n push.Notice, done func(error)) {
	to, err := jid.Parse(r.Service)
	if err != nil {
		done(err) // it was one when it was registered
		return
	}
	p.r.Ask(stanza.New(stanza.IQ, stanza.TypeSet, "", n.Account, to, p.publish(r, n)), answerTime,
		func(_ context.Context, answer *stanza.Stanza, err error) { done(failure(answer, err)) })
}

// failure says what an answer means (XEP-0357 §7.1). A service that is away comes back; one that refuses is asked some times
// more.
func failure(answer *stanza.Stanza, err error) error {
	switch {
	case err != nil: // router.ErrNoAnswer
		return &push.Failure{Reason: "remote-server-timeout", Type: stanza.Wait, Later: true}
	case answer.Type == stanza.TypeError:
		e := stanza.ParseError(answer)
		away := e.Condition == stanza.RemoteServerNotFound.Condition
		return &push.Failure{Reason: e.Condition, Type: e.Type, Refused: e.Type != stanza.Wait, Later: e.Type == stanza.Wait || away}
	}
	return nil
}

// publish is the request: a summary that names nobody and quotes nothing (XEP-0357 §9).
func (p *publisher) publish(r push.Registration, n push.Notice) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(nsPubsub, "pubsub").Start(nsPubsub, "publish")
	if r.Node != "" {
		b.Attr("node", r.Node)
	}
	b.Start(nsPubsub, "item").Start(ns, "notification")
	b.Start(nsData, "x").Attr("type", "submit")
	field(&b, "FORM_TYPE", summaryType)
	for _, f := range p.summary(n) {
		field(&b, f[0], f[1])
	}
	b.End().End().End().End()
	if r.Detail != "" {
		b.Start(nsPubsub, "publish-options").Raw(xmlstream.Raw(r.Detail)).End()
	}
	return b.End().Build()
}

// summary is what a notice says (XEP-0357 §11.3.1). That there is a text for the last message is how services tell what is
// urgent, so it is there, and always the same.
func (p *publisher) summary(n push.Notice) (fields [][2]string) {
	switch n.Kind {
	case push.Wake:
		return nil
	case push.Request:
		fields = append(fields, [2]string{"pending-subscription-count", "1"})
	default:
		fields = append(fields, [2]string{"message-count", strconv.Itoa(max(n.Unread, 1))})
	}
	if p.notice != "" {
		fields = append(fields, [2]string{"last-message-body", p.notice})
	}
	return fields
}

func field(b *xmlstream.Builder, name, value string) {
	b.Start(nsData, "field").Attr("var", name).Start(nsData, "value").Text(value).End().End()
}
