// SPDX-License-Identifier: Apache-2.0

// Package version tells which software the server is (XEP-0092 v1.1). The operating system is nobody's business
// (XEP-0092 §4).
package version

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "jabber:iq:version"

// Install hangs version into r.
func Install(r *router.Router, name, version string) {
	var b xmlstream.Builder
	b.Start(ns, "query").Start(ns, "name").Text(name).End().Start(ns, "version").Text(version).End().End()
	answer := b.Build()
	r.Advertise(router.Server, ns)
	r.HandleIQ(router.Server, "get", ns, "query", func(context.Context, *router.Request) (xmlstream.Raw, error) {
		return answer, nil
	})
}
