// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"net"

	"github.com/kith-im/kith/internal/xmpp/stream"
)

// Accept takes a connection that something else has made, such as a session of BOSH, and returns at once. It carries the
// TCP form of a stream and belongs to the server from now on, which closes it. o says where its client is and whether
// nobody on the way can read along; the other options are the server's to set.
func (s *Server) Accept(nc net.Conn, o stream.Options) {
	o.From = s.Domain.String()
	s.start("bosh", o.Remote, func() (*stream.Stream, *shown) { return stream.NewTCP(nc, o), &shown{} }, func() { nc.Close() })
}
