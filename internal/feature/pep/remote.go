// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"context"
	"sync"

	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
)

// Bounds of what is known of devices elsewhere. One that is not known gets no notifications until its presence comes again.
const (
	maxRemote      = 200_000 // of all accounts
	maxRemoteOfOne = 5000
)

// remote is which devices of contacts on other servers are there for which account, and what they want. An entry is used in
// the turn of its account.
type remote struct {
	mu      sync.Mutex // guards what follows
	devices map[jid.JID]map[jid.JID]*capability.Set
	size    int
}

// set notes what a device wants. It returns what it wanted before, and whether it was there.
func (r *remote) set(account, who jid.JID, s *capability.Set) (before *capability.Set, there bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.devices[account]
	if before, there = of[who]; there {
		of[who] = s
		return before, true
	}
	if r.size >= maxRemote || len(of) >= maxRemoteOfOne {
		return nil, false
	}
	if of == nil {
		of = map[jid.JID]*capability.Set{}
		if r.devices == nil {
			r.devices = map[jid.JID]map[jid.JID]*capability.Set{}
		}
		r.devices[account] = of
	}
	of[who] = s
	r.size++
	return nil, false
}

// forget notes that a device is gone, or all of a bare address.
func (r *remote) forget(account, who jid.JID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.devices[account]
	for d := range of {
		if d == who || d.Bare() == who {
			delete(of, d)
			r.size--
		}
	}
	if len(of) == 0 {
		delete(r.devices, account)
	}
}

// follow lists the devices of who, a bare address, that want a node of the account.
func (r *remote) follow(account, who jid.JID, node string) (list []jid.JID) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for d, s := range r.devices[account] {
		if d.Bare() == who && s.Wants(node) {
			list = append(list, d)
		}
	}
	return list
}

// seenRemote keeps what devices elsewhere announce, and sends them last items (XEP-0163 §4.3.3).
func (p *Pep) seenRemote(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	switch {
	case st.Type == "unavailable":
		p.remote.forget(t.Account, st.From)
		return nil
	case st.Type != "" || !st.From.IsFull():
		return nil
	}
	k, node := capability.Of(st)
	if k == (capability.Key{}) {
		p.remote.forget(t.Account, st.From)
		return nil
	}
	set := p.caps.Find(ctx, t.Account, st.From, k, node, func(ctx context.Context, set *capability.Set) {
		if err := p.serveRemote(ctx, t, set); err != nil {
			p.log.ErrorContext(ctx, "send last items", "err", err)
		}
	})
	if set == nil {
		return nil
	}
	return p.serveRemote(ctx, t, set)
}

// serveRemote sends the device whose presence the trip is what it wants and was not sent yet.
func (p *Pep) serveRemote(ctx context.Context, t *router.Trip, set *capability.Set) error {
	before, _ := p.remote.set(t.Account, t.Stanza.From, set)
	wants := fresh(set.Nodes(), before.Nodes())
	if len(wants) == 0 {
		return nil
	}
	return p.serve(ctx, t, wants)
}
