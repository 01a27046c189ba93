// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxRebinds is how often a client may try again to bind (RFC 6120 §7.7.3 wants 5 to 10).
const maxRebinds = 5

// bind is resource binding by IQ (RFC 6120 §7).
func bind(ctx context.Context, c *conn, el *xmlstream.Element) (restart bool, err error) {
	st, err := stanza.Parse(el)
	if err != nil {
		return false, &stream.Error{Condition: "not-authorized"}
	}
	request, ok := st.Child(nsBind, "bind")
	if !ok || st.Type != "set" { // RFC 6120 §7.3.1: nothing else before it
		return false, &stream.Error{Condition: "not-authorized"}
	}
	own, err := jid.New(c.account.Name, c.srv.Domain.Domain(), "")
	if err != nil {
		return false, err
	}
	full, chosen := c.srv.resourceFor(own, "", ""), false
	if r, ok := request.Child(nsBind, "resource"); ok && r.Text() != "" {
		// What cannot be a resource is replaced by one of ours (RFC 6120 §7.7.2.1).
		if wanted, err := own.WithResource(r.Text()); err == nil {
			full, chosen = wanted, true
		}
	}
	if err := c.bind(ctx, full, ""); err != nil {
		se, ok := errors.AsType[*stanza.Error](err)
		if !ok {
			return false, err
		}
		if err := c.writeStanza(st.Bounce(se)); err != nil { // RFC 6120 §7.6.2.1
			return false, err
		}
		if c.unbound++; c.unbound > maxRebinds { // RFC 6120 §7.7.3
			return false, &stream.Error{Condition: "policy-violation", Text: "too many attempts to bind"}
		}
		return false, nil
	}
	if c.client == "" && chosen { // a resource of our making is no more than this session
		c.visited(account.KeyOf("", full.Resource()), account.Client{})
	}
	var b xmlstream.Builder
	b.Start(nsBind, "bind").Start(nsBind, "jid").Text(full.String()).End().End()
	if err := c.writeStanza(st.Result(b.Build())); err != nil {
		return false, err
	}
	c.begin()
	return false, nil
}

func (c *conn) writeStanza(st *stanza.Stanza) error {
	return c.stream.WriteStanzas([]*stanza.Stanza{st})
}

// bind makes the session and enters it into the directory, where the account is still open to the client. request is what
// the client asked for besides (router.OnBind). The session does not write before begin.
func (c *conn) bind(ctx context.Context, full jid.JID, request xmlstream.Raw) error {
	if err := c.stillOpen(ctx); err != nil { // else it would take the place of another session of the client
		return err
	}
	var s *session.Session
	s = session.New(c.id, full, c.client, c.stream, session.ClientCredit(), func(k *session.Kick) { c.kicker(s)(k) })
	s.LogIn = c.logIn
	s.Weigh(c.srv.Weigh)
	b, err := c.srv.Router.Bind(ctx, s, request)
	if err != nil {
		return err // the stream goes on
	}
	c.session, c.binding = s, b
	c.state |= bound
	c.leave()
	c.log.Info("session began", "mechanism", c.proof, "bound", sasl.Binds(c.proof))
	return c.stillOpen(ctx) // it may have been locked meanwhile
}

// begin starts the session, now that its client knows that it is bound, or resumed.
func (c *conn) begin() {
	_ = c.stream.SetReadDeadline(time.Time{}) // a connection that fails here ends anyhow
	_ = c.stream.SetWriteDeadline(time.Time{})
	c.stream.Gather(false) // from now on the session writes
	if c.interrupted.Load() || c.yielding.Load() {
		c.stopReading()
	}
	c.session.Start()
}

// resourceFor makes a resource that tells nothing of the client but its tag (XEP-0386 §3.2.1): always the same for a
// client with an id, else a random one.
func (s *Server) resourceFor(own jid.JID, client, tag string) jid.JID {
	id := stanza.NewID()
	if client != "" {
		m := hmac.New(sha256.New, s.Key[:])
		m.Write([]byte(own.String() + "\x00" + client + "\x00" + tag))
		id = strings.ToLower(base32.StdEncoding.EncodeToString(m.Sum(nil)[:10]))
	}
	if tag != "" && len(tag) <= 64 {
		if full, err := own.WithResource(tag + "/" + id); err == nil {
			return full
		}
	}
	full, err := own.WithResource(id)
	if err != nil {
		panic("c2s: a resource of our own making is none: " + err.Error())
	}
	return full
}

// indicate takes what the client says of whether somebody looks at it (XEP-0352 §4.2).
func (c *conn) indicate(n xmlstream.Node) error {
	local := n.Name().Local
	if c.srv.Weigh == nil || local != "active" && local != "inactive" {
		return &stream.Error{Condition: "unsupported-stanza-type"}
	}
	c.session.SetIdle(local == "inactive")
	c.binding.SetIdle(local == "inactive")
	return nil
}

// manage takes an element of stream management on a bound stream (XEP-0198).
func (c *conn) manage(n xmlstream.Node) error {
	s := c.session
	switch n.Name().Local {
	case "enable":
		if _, ok := c.enable(n, false); !ok { // XEP-0198 §3
			return &stream.Error{Condition: "policy-violation", Text: "stream management is on already"}
		}
	case "r":
		if s.Managed() {
			s.Requested()
		}
	case "a":
		h, err := strconv.ParseUint(n.Attr("h"), 10, 32)
		if err != nil {
			return &stream.Error{Condition: "bad-format", Text: "h is no number"}
		}
		if !s.Managed() {
			return nil
		}
		if bad, ok := errors.AsType[*session.AckError](s.Acknowledged(uint32(h))); ok {
			return ackError(bad)
		}
	case "resume":
		s.SendRaw(managementFailed("unexpected-request")) // XEP-0198 §5: not on a bound stream
	default:
		return &stream.Error{Condition: "unsupported-stanza-type"}
	}
	return nil
}
