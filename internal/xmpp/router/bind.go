// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A BindFunc does what a client asked for in the element by which it bound its device, bind, and returns what the answer
// says of it, "" for nothing.
type BindFunc func(ctx context.Context, d *Device, bind xmlstream.Node) xmlstream.Raw

// OnBind has f called for each device that binds in one step with its log-in (XEP-0386 v1.1.0 §3.2), in the turn of its
// account, after OnSession's Bound and before anything that is sent to it. namespaces are what clients can ask for there,
// as it is announced (XEP-0386 §3.1).
func (r *Router) OnBind(f BindFunc, namespaces ...string) {
	r.binds = append(r.binds, f)
	r.inlines = append(r.inlines, namespaces...)
}

// Inlines lists what clients can ask for when they bind.
func (r *Router) Inlines() []string { return r.inlines }

// inline does what a client asked for with its request to bind, "" where it bound in another way.
func (t *turn) inline(ctx context.Context, d *Device, request xmlstream.Raw) (answer xmlstream.Raw) {
	if request == "" {
		return ""
	}
	parent, err := xmlstream.ParseRaw(request)
	if err != nil {
		t.r.log.ErrorContext(ctx, "read a request to bind", "err", err) // c2s has read it before
		return ""
	}
	for bind := range parent.Children() {
		for _, f := range t.r.binds {
			_ = t.guard(func() error { // it is logged, and the device is bound all the same
				answer += f(ctx, d, bind)
				return nil
			})
		}
	}
	return answer
}
