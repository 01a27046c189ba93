// SPDX-License-Identifier: Apache-2.0

// Package ping answers pings to the server and to accounts (XEP-0199 v2.0.1).
package ping

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "urn:xmpp:ping"

// Install hangs ping into r.
func Install(r *router.Router) {
	for _, to := range []router.Target{router.Server, router.Self} {
		r.Advertise(to, ns)                     // XEP-0199 §5
		r.HandleIQ(to, "get", ns, "ping", pong) // XEP-0199 §4.2
	}
}

func pong(context.Context, *router.Request) (xmlstream.Raw, error) { return "", nil }
