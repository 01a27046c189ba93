// SPDX-License-Identifier: Apache-2.0

// Package entitytime tells the server's time (XEP-0202 v2.0).
package entitytime

import (
	"context"
	"time"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "urn:xmpp:time"

// Install hangs entitytime into r.
func Install(r *router.Router, now func() time.Time) {
	r.Advertise(router.Server, ns)
	r.HandleIQ(router.Server, "get", ns, "time", func(context.Context, *router.Request) (xmlstream.Raw, error) {
		var b xmlstream.Builder
		b.Start(ns, "time")
		b.Start(ns, "tzo").Text("Z").End()
		b.Start(ns, "utc").Text(now().UTC().Format("2006-01-02T15:04:05Z")).End() // XEP-0082 §3.2
		return b.End().Build(), nil
	})
}
