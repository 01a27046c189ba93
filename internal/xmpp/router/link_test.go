// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
)

// acks is a cluster of which only the acknowledgements count.
type acks struct{ last uint64 }

func (a *acks) Home(jid.JID) router.Node { return "" }

func (a *acks) Send(_ router.Node, p router.Packet) { a.last = p.Ack }

// TestMissingPacket holds that a packet for which very many others wait is taken when it comes.
func TestMissingPacket(t *testing.T) {
	t.Parallel()
	a := &acks{}
	r := router.New(router.Options{Domain: jid.MustParse("kith.example"), Peers: a})
	const n = 10_000
	for seq := uint64(2); seq <= n; seq++ {
		r.Receive("b", router.Packet{Kind: router.PacketSafe, Seq: seq})
	}
	if a.last != 0 {
		t.Fatalf("acknowledged %d", a.last)
	}
	for seq := uint64(1); seq <= n; seq++ { // all again
		r.Receive("b", router.Packet{Kind: router.PacketSafe, Seq: seq})
	}
	if a.last != n {
		t.Errorf("acknowledged %d of %d", a.last, n)
	}
}
