// SPDX-License-Identifier: Apache-2.0

package router

import "github.com/kith-im/kith/internal/xmpp/jid"

// Present calls f with each account that has a device, and whose home is here, in no order. What it lists may be over
// when f sees it: it is for who looks now and then.
func (r *Router) Present(f func(bare jid.JID, devices []*Device)) {
	r.turnsMu.Lock()
	turns := make([]*turn, 0, len(r.turns))
	for _, t := range r.turns {
		turns = append(turns, t)
	}
	r.turnsMu.Unlock()
	for _, t := range turns {
		t.mu.Lock()
		devices := t.devices // replaced, never changed in place
		t.mu.Unlock()
		if len(devices) > 0 && t.addr.HasLocal() {
			f(t.addr, devices)
		}
	}
}
