// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"crypto/rand"
	"errors"
	"strconv"
	"time"

	"github.com/kith-im/kith/internal/sleeper"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// enable turns on stream management as <enable/> asks for it (XEP-0198 §3), and returns the answer. It returns false
// where it is on already. inline says that the answer is not sent by the session (XEP-0198 §9.1).
func (c *conn) enable(n xmlstream.Node, inline bool) (xmlstream.Raw, bool) {
	if c.session.Managed() {
		return "", false
	}
	answer := xmlstream.Elem(session.NSManagement, "enabled")
	var k session.Key
	if truth(n.Attr("resume")) { // XEP-0198 §5
		rest, wish := c.binding.Rest(), time.Duration(0)
		if s, err := strconv.ParseUint(n.Attr("max"), 10, 32); err == nil && s > 0 {
			wish = time.Duration(s) * time.Second
			rest = min(rest, wish)
		}
		id := rand.Text() // 130 bits, and nobody keeps them
		k = session.KeyOf(id)
		c.berth = c.srv.berths.add(c, k, wish)
		var b xmlstream.Builder
		b.Start(session.NSManagement, "enabled").Attr("id", id).Attr("resume", "true")
		answer = b.Attr("max", strconv.Itoa(int(rest/time.Second))).End().Build()
	}
	sent := answer
	if inline {
		sent = ""
	}
	c.session.EnableResumption(sent, k) // fails only where the session is ending
	return answer, true
}

// resume is a request to go on with a session that lost its connection (XEP-0198 §5). The answer says whether it does;
// what the client has not got follows when the session begins. An error ends the stream.
func (c *conn) resume(ctx context.Context, n xmlstream.Node) (answer xmlstream.Raw, resumed bool, err error) {
	h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
	previd := n.Attr("previd")
	if err != nil || previd == "" {
		return managementFailed("bad-request"), false, nil
	}
	k := session.KeyOf(previd)
	patience, cancel := context.WithTimeout(c.srv.life, settleTime)
	defer cancel()
	b, late := c.srv.berths.claim(c, k, patience.Done())
	switch {
	case late && c.srv.life.Err() != nil: // it is there after the restart
		return "", false, &stream.Error{Condition: "system-shutdown"} // RFC 6120 §4.9.3.20
	case late:
		return managementFailed("item-not-found"), false, nil // how far it came is not known yet
	case b == nil:
		return c.forgotten(ctx, k)
	case !b.session.Settle(patience.Done()): // what was read must be safe before it is counted
		b.rest()
		if c.srv.life.Err() != nil {
			return "", false, &stream.Error{Condition: "system-shutdown"}
		}
		return managementFailed("item-not-found"), false, nil
	}
	s := b.session
	err = s.Attach(c.stream, uint32(h), c.kicker(s))
	if bad, ok := errors.AsType[*session.AckError](err); ok {
		b.rest()
		return "", false, ackError(bad)
	}
	if err != nil { // it was kicked
		b.leave()
		return c.forgotten(ctx, k)
	}
	c.session, c.binding, c.berth = s, b.binding, b
	c.id, c.client, c.log = s.ID, s.Client, b.log
	c.state |= bound
	c.leave()
	b.binding.Wakes()
	c.log.Info("session resumed", "mechanism", c.proof, "bound", sasl.Binds(c.proof))
	if err := c.stillOpen(ctx); err != nil {
		return "", false, err
	}
	var x xmlstream.Builder
	x.Start(session.NSManagement, "resumed").Attr("h", strconv.FormatUint(uint64(s.H()), 10)).Attr("previd", previd)
	return x.End().Build(), true, nil
}

// forgotten is the answer for a session that is no more, with how far it had come where that is known (XEP-0198 §5).
func (c *conn) forgotten(ctx context.Context, k session.Key) (xmlstream.Raw, bool, error) {
	h, ok, err := c.srv.Sleepers.Count(ctx, sleeper.Key(k), c.account.ID)
	if err != nil {
		c.log.Error("look for the count of a session", "err", err)
	}
	if !ok {
		return managementFailed("item-not-found"), false, nil
	}
	return managementFailed("item-not-found", "h", strconv.FormatUint(uint64(h), 10)), false, nil
}

// resumeStream is <resume/> on a stream that is not bound.
func resumeStream(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	answer, resumed, err := c.resume(ctx, el.Root())
	if err != nil {
		return false, err
	}
	if err := c.stream.Write(answer); err != nil {
		return false, err
	}
	if resumed {
		c.begin()
	}
	return false, nil
}

// resumeInline resumes where the client asked for it, before anything else (XEP-0198 §9.2), and then answers: the stream
// goes on at once, without features. Where it cannot be, it returns what goes into <success/> for that (XEP-0198 §9.2.1).
func (l *login) resumeInline(ctx context.Context, additional []byte) (failed xmlstream.Raw, resumed bool, err error) {
	if l.resume.IsZero() {
		return "", false, nil
	}
	answer, resumed, err := l.c.resume(ctx, l.resume)
	if err != nil || !resumed {
		return answer, false, err
	}
	if err := l.c.stream.Write(l.success(additional, l.c.session.JID, answer)); err != nil {
		return "", false, err
	}
	l.c.begin()
	return "", true, nil
}

// ackError is the end of a stream whose client says to have got more than it was sent (XEP-0198 §6).
func ackError(e *session.AckError) *stream.Error {
	var b xmlstream.Builder
	b.Start(session.NSManagement, "handled-count-too-high")
	b.Attr("h", strconv.FormatUint(uint64(e.H), 10)).Attr("send-count", strconv.FormatUint(uint64(e.Sent), 10))
	return &stream.Error{Condition: "undefined-condition", Text: "more was acknowledged than sent", App: b.End().Build()}
}

// managementFailed answers a request for stream management that cannot be (XEP-0198 §6), with attributes: names and
// values.
func managementFailed(condition string, attributes ...string) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(session.NSManagement, "failed")
	for i := 0; i+1 < len(attributes); i += 2 {
		b.Attr(attributes[i], attributes[i+1])
	}
	b.Start("urn:ietf:params:xml:ns:xmpp-stanzas", condition).End()
	return b.End().Build()
}
