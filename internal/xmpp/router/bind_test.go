// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// TestFaultInBind holds that a fault in what a feature does when a device is bound costs the client that feature's answer,
// and nothing else.
func TestFaultInBind(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		for _, r := range w.Routers {
			r.OnBind(func(context.Context, *router.Device, xmlstream.Node) xmlstream.Raw { panic("a fault") })
			r.OnBind(func(context.Context, *router.Device, xmlstream.Node) xmlstream.Raw { return "<x/>" })
			r.OnSession(router.Bound, func(_ context.Context, d *router.Device) {
				if d.JID.Resource() == "phone" {
					panic("another fault")
				}
			})
		}
		w.Account("romeo")
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		full := w.Parse(`<iq type="get" id="1" to="romeo@` + routertest.Domain + `/phone"><x xmlns="urn:x"/></iq>`).To
		s := session.New("1", full, "", &nowhere{}, session.ClientCredit(), func(*session.Kick) {})
		b, err := w.Routers[0].Bind(ctx, s, `<bind xmlns="urn:xmpp:bind:0"/>`)
		if err != nil {
			t.Fatal(err)
		}
		check(t, "the other answers", strings.HasSuffix(string(b.Answer()), "<x/>"), true)
		b.Leave(s.End())
		w.Settle()
	})
}
