// SPDX-License-Identifier: Apache-2.0

// Package caps finds out what devices can do (XEP-0115 v1.6.0): it looks at what they announce in their presence, and asks
// the first that announces something unknown. What it learns is in package capability; which device has it, is here.
//
// The first of several devices that announce the same is asked, on behalf of the account that it is there for; when it
// does not answer, or its answer does not fit, the next one is (XEP-0115 §5.4). Other features look at Of, in the turn of
// the device's account, and hear by OnLearnt of what is known later than the presence.
package caps

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsInfo = "http://jabber.org/protocol/disco#info"

const (
	patience   = 20 * time.Second // for one answer
	maxWaiting = 1000             // for one answer; who comes then has to announce again
	maxAsking  = 10_000           // keys that are asked for at a time
)

// Known keeps what was learnt; *capability.Service implements it.
type Known interface {
	Get(ctx context.Context, k capability.Key) (*capability.Set, error)
	Learn(k capability.Key, set *capability.Set)
}

// Caps is the feature.
type Caps struct {
	r      *router.Router
	log    *slog.Logger
	known  Known
	device router.Slot[announced]
	learnt []func(context.Context, *router.Device)

	learns atomic.Int64 // how often something was learnt

	mu     sync.Mutex // guards asking
	asking map[capability.Key][]waiter
}

// announced is what a device announces.
type announced struct {
	in  *stanza.Stanza // the presence that was looked at
	key capability.Key
	set *capability.Set // nil until it is known
	at  int64           // learns, when it was looked for last
}

// A waiter waits for the answer to a key: the address who announces it for the account.
type waiter struct {
	account, who jid.JID
	node         string
	then         func(context.Context, *capability.Set)
}

// Install hangs caps into r. It comes before presence, which shall know what a device can do when it tells others of it.
func Install(r *router.Router, log *slog.Logger, known Known) *Caps {
	c := &Caps{r: r, log: log, known: known, device: router.NewSlot[announced](r), asking: map[capability.Key][]waiter{}}
	r.OnPresence(router.Outbound, router.Deliver, c.announces)
	return c
}

// OnLearnt has f called, in the turn of the device's account, when it turns out what a device can do that is available
// already. It is called before the first device is bound.
func (c *Caps) OnLearnt(f func(context.Context, *router.Device)) { c.learnt = append(c.learnt, f) }

// Of returns what the device can do; nil while that is not known, or it is not available. It is called in the turn of the
// device's account.
func (c *Caps) Of(ctx context.Context, d *router.Device) *capability.Set {
	a := d.Available()
	if a == nil {
		return nil
	}
	s := c.device.Of(d)
	if s.in == nil { // it slept while the server was started anew
		c.look(ctx, d, s, a.Stanza)
	}
	// It may have given no answer when it was asked, and another has since.
	if n := c.learns.Load(); s.set == nil && s.at != n && s.key.Checkable() {
		s.at = n
		set, err := c.known.Get(ctx, s.key)
		if err != nil {
			c.log.ErrorContext(ctx, "look up capabilities", "err", err)
		}
		s.set = set
	}
	return s.set
}

// announces looks at what a device sends to all.
func (c *Caps) announces(ctx context.Context, t *router.Trip) error {
	if st := t.Stanza; st.To.IsZero() && st.Type == "" {
		c.look(ctx, t.Device, c.device.Of(t.Device), st)
	}
	return nil
}

// look finds out what the device can do that announces it in st.
func (c *Caps) look(ctx context.Context, d *router.Device, s *announced, st *stanza.Stanza) {
	k, node := capability.Of(st)
	if s.in != nil && s.key == k {
		s.in = st
		return // known, or asked for
	}
	*s = announced{in: st, key: k, at: c.learns.Load()}
	s.set = c.Find(ctx, d.JID.Bare(), d.JID, k, node, func(ctx context.Context, set *capability.Set) {
		s := c.device.Of(d)
		if s.key != k || d.Available() == nil {
			return // it announces something else now
		}
		s.set = set
		for _, f := range c.learnt {
			f(ctx, d)
		}
	})
}

// Find returns what the key means that who announces, a full address. Where that is not known it returns nil, has who
// asked at node for the account, a bare address whose turn this is, and calls then in that turn when there is an answer.
func (c *Caps) Find(ctx context.Context, account, who jid.JID, k capability.Key, node string,
	then func(context.Context, *capability.Set)) *capability.Set {
	w := waiter{account, who, node, then}
	switch {
	case k == capability.Key{}:
		return nil
	case !k.Checkable(): // XEP-0115 §5.4 step 2: for this one only
		c.send(k, w)
		return nil
	}
	set, err := c.known.Get(ctx, k)
	switch {
	case err != nil:
		c.log.ErrorContext(ctx, "look up capabilities", "err", err)
		return nil
	case set != nil:
		return set
	}
	if c.enter(k, w) {
		c.send(k, w)
	}
	return nil
}

// enter has w wait for the answer to a key. It reports whether w is the first, and is to be asked.
func (c *Caps) enter(k capability.Key, w waiter) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting := c.asking[k]
	if len(waiting) >= maxWaiting || len(waiting) == 0 && len(c.asking) >= maxAsking {
		return false
	}
	c.asking[k] = append(waiting, w)
	return len(waiting) == 0
}

// send asks who announces the key.
func (c *Caps) send(k capability.Key, w waiter) {
	var b xmlstream.Builder
	query := b.Start(nsInfo, "query").Attr("node", w.node).End().Build() // XEP-0115 §6.2
	c.r.Ask(stanza.New(stanza.IQ, stanza.TypeGet, "", w.account, w.who, query), patience,
		func(ctx context.Context, answer *stanza.Stanza, err error) { c.answered(ctx, k, w, answer, err) })
}

// answered takes an answer, in the turn of w's account.
func (c *Caps) answered(ctx context.Context, k capability.Key, w waiter, answer *stanza.Stanza, err error) {
	var set *capability.Set
	valid := false
	if err == nil && answer.Type == stanza.TypeResult {
		if query, ok := answer.Child(nsInfo, "query"); ok {
			set, valid = capability.Read(k, query)
		}
	}
	if !k.Checkable() {
		if set != nil {
			w.then(ctx, set)
		}
		return
	}
	if valid {
		c.known.Learn(k, set)
		c.learns.Add(1)
	}
	c.mu.Lock()
	waiting := c.asking[k]
	rest := waiting[min(1, len(waiting)):] // w was the first
	if valid || len(rest) == 0 {
		delete(c.asking, k)
	} else {
		c.asking[k] = rest
	}
	c.mu.Unlock()
	if set != nil {
		w.then(ctx, set) // also where it does not fit: it counts for this one
	}
	switch {
	case valid:
		for _, w := range rest {
			c.r.Do(w.account, func(ctx context.Context) { w.then(ctx, set) })
		}
	case len(rest) > 0: // XEP-0115 §5.4 step 3.9
		c.send(k, rest[0])
	}
}
