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

// remote is which devices of contacts on other servers are there for which account, and what they want.
type remote struct {
	mu      sync.Mutex // guards what follows
	devices map[jid.JID]map[jid.JID]announced
	size    int
}

// announced is what one of them announces.
type announced struct {
	key capability.Key
	set *capability.Set // nil until it is known
}

// enter notes what a device announces. It reports false where that is nothing new.
func (r *remote) enter(account, who jid.JID, k capability.Key) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.devices[account]
	before, there := of[who]
	switch {
	case there && before.key == k:
		return false
	case there:
		of[who] = announced{k, before.set} // what it wanted counts until it is known what it wants now
		return true
	case r.size >= maxRemote || len(of) >= maxRemoteOfOne:
		return false
	case of == nil:
		of = map[jid.JID]announced{}
		if r.devices == nil {
			r.devices = map[jid.JID]map[jid.JID]announced{}
		}
		r.devices[account] = of
	}
	of[who] = announced{key: k}
	r.size++
	return true
}

// learn notes what the device wants that announces k, and returns what it wanted before. It reports false where it is gone,
// or announces something else by now.
func (r *remote) learn(account, who jid.JID, k capability.Key, set *capability.Set) (before *capability.Set, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	d, there := r.devices[account][who]
	if !there || d.key != k {
		return nil, false
	}
	r.devices[account][who] = announced{k, set}
	return d.set, true
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
	for d, a := range r.devices[account] {
		if d.Bare() == who && a.set.Wants(node) {
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
	if !p.remote.enter(t.Account, st.From, k) {
		return nil // known, or asked for
	}
	set := p.caps.Find(ctx, t.Account, st.From, k, node, func(ctx context.Context, set *capability.Set) {
		if err := p.serveRemote(ctx, t, k, set); err != nil {
			p.log.ErrorContext(ctx, "send last items", "err", err)
		}
	})
	if set == nil {
		return nil
	}
	return p.serveRemote(ctx, t, k, set)
}

// serveRemote sends the device whose presence the trip is what it wants and was not sent yet.
func (p *Pep) serveRemote(ctx context.Context, t *router.Trip, k capability.Key, set *capability.Set) error {
	before, ok := p.remote.learn(t.Account, t.Stanza.From, k, set)
	if !ok {
		return nil
	}
	return p.serve(ctx, t, fresh(set.Nodes(), before.Nodes()))
}
