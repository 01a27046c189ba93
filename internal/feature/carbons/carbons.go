// SPDX-License-Identifier: Apache-2.0

// Package carbons gives each of a person's devices both sides of every conversation (XEP-0280 v1.0.1).
//
// A device asks for copies, in a request or when it binds. From then on it gets one of each eligible message that the
// person's other devices send, and of each that comes to one of them only: the router knows which devices have the message
// itself, or will fetch it with what waits, and these get no copy. So nothing comes to a device twice. eligible has the
// rules of XEP-0280 §6.1, all of them, and to the letter: we say so (XEP-0280 §6.2).
//
// A copy of what was sent carries the id that the sender's archive gave it (XEP-0359 §3), as a copy of what was received
// carries the recipient's. A message from somebody to themselves was sent by them.
package carbons

import (
	"context"
	"hash/fnv"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/stanzaid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsCarbons = "urn:xmpp:carbons:2"
	nsRules   = "urn:xmpp:carbons:rules:0"
	nsForward = "urn:xmpp:forward:0"
)

// maxSent is how many of the messages that a device has sent are remembered, for errors that come back.
const maxSent = 32

// state is what is kept with each device, and written down where it sleeps over a restart.
type state struct {
	Enabled bool     `json:",omitempty"` // it wants copies
	Sent    []uint64 `json:",omitempty"` // the newest messages of it that were copied, by sum; the oldest first
}

type carbons struct{ slot router.Slot[state] }

// Install hangs carbons into r.
func Install(r *router.Router) {
	c := &carbons{router.NewSavedSlot[state](r, "carbons")}
	for _, to := range []router.Target{router.Server, router.Self} {
		r.Advertise(to, nsCarbons, nsRules)
	}
	for local, on := range map[string]bool{"enable": true, "disable": false} {
		r.HandleIQ(router.Self, "set", nsCarbons, local, c.set(on))
	}
	// Who is not a device of the account is not told that there is one, as not-allowed would (XEP-0280 §4.1, §5.1).
	r.OnBind(c.bound, nsCarbons)
	r.OnMessage(router.Outbound, router.Copy, c.sent)
	r.OnMessage(router.Inbound, router.Copy, c.received)
}

// set answers <enable/> and <disable/>; to ask twice is no error (XEP-0280 §10.1). What was sent before the answer is not
// copied, and what comes after it is.
func (c *carbons) set(on bool) router.IQFunc {
	return func(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
		q.After(func(context.Context) { c.slot.Of(q.Device).Enabled = on })
		return "", nil
	}
}

// bound turns copies on for a client that asks for it as it binds (XEP-0386 §3.2.1): that cannot fail, and has no answer.
func (c *carbons) bound(_ context.Context, d *router.Device, bind xmlstream.Node) xmlstream.Raw {
	if _, ok := bind.Child(nsCarbons, "enable"); ok {
		c.slot.Of(d).Enabled = true
	}
	return ""
}

// sent copies what a device has sent to the account's others (XEP-0280 §8).
func (c *carbons) sent(_ context.Context, t *router.Trip) error {
	m := t.Stanza
	if !c.wanted(t) || !eligible(m, router.Outbound) {
		return nil
	}
	if t.ArchiveID != 0 && !t.Self {
		m = m.With(stanzaid.New(t.Account, t.ArchiveID.String()))
	}
	c.copy(t, "sent", m)
	if m.ID != "" && t.Device != nil {
		s := c.slot.Of(t.Device)
		if len(s.Sent) == maxSent {
			s.Sent = s.Sent[:copy(s.Sent, s.Sent[1:])]
		}
		s.Sent = append(s.Sent, sum(m.ID, m.To))
	}
	return nil
}

// received copies what came to one device to the account's others (XEP-0280 §7).
func (c *carbons) received(ctx context.Context, t *router.Trip) error {
	m := t.Stanza
	switch {
	case t.Self:
		return c.sent(ctx, t)
	case !c.wanted(t):
		return nil
	case m.Type == stanza.TypeError && !c.answers(t), m.Type != stanza.TypeError && !eligible(m, router.Inbound):
		return nil
	}
	c.copy(t, "received", m)
	return nil
}

// answers reports whether an error is the answer to a message that was copied (XEP-0280 §6.1): it comes to the device that
// has sent that.
func (c *carbons) answers(t *router.Trip) bool {
	for d := range t.Gets() {
		if s := c.slot.Peek(d); s != nil && t.Stanza.ID != "" && slices.Contains(s.Sent, sum(t.Stanza.ID, t.Stanza.From)) {
			return true
		}
	}
	return false
}

// sum stands for the id of a message and whom it is for.
func sum(id string, to jid.JID) uint64 {
	h := fnv.New64a()
	h.Write([]byte(id))
	h.Write([]byte{0})
	h.Write([]byte(to.Bare().String()))
	return h.Sum64()
}

// wanted reports whether any device would get a copy.
func (c *carbons) wanted(t *router.Trip) bool {
	for d := range t.Others() {
		if c.enabled(d) {
			return true
		}
	}
	return false
}

func (c *carbons) enabled(d *router.Device) bool {
	s := c.slot.Peek(d)
	return s != nil && s.Enabled
}

// copy gives a copy to each other device that wants them. It is made once: all share its bytes.
func (c *carbons) copy(t *router.Trip, direction string, m *stanza.Stanza) {
	var b xmlstream.Builder
	b.Start(nsCarbons, direction).Start(nsForward, "forwarded").Raw(m.Raw()).End().End()
	// XEP-0280 §7, §8: of the same type, from the bare address, to the full one.
	made := stanza.New(stanza.Message, m.Type, "", t.Account, jid.JID{}, b.Build())
	for d := range t.Others() {
		if c.enabled(d) {
			t.Copy(d, made.Addressed(t.Account, d.JID))
		}
	}
}
