// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"net"
	"net/netip"
	"sync"
)

// maxStrangers is how many connections of one address may be on their way to a bound resource at once. A log-in takes a
// second at most, so that even a whole office that comes back at the same moment needs less.
const maxStrangers = 200

// strangers counts the connections that are not bound yet, by the network they come from, so that one address cannot
// take all the memory and processor time that handshakes need. It is safe for concurrent use.
type strangers struct {
	mu     sync.Mutex
	inside map[netip.Prefix]int
}

// enter counts one more from a, until leave is called once or more often; ok is false where there are too many.
// This machine may be a proxy that speaks for everybody, and is not counted.
func (s *strangers) enter(a netip.Addr) (leave func(), ok bool) {
	if a.IsLoopback() || !a.IsValid() {
		return func() {}, true
	}
	from := network(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.inside[from] >= maxStrangers {
		return nil, false
	}
	if s.inside == nil {
		s.inside = map[netip.Prefix]int{}
	}
	s.inside[from]++
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.inside[from]--; s.inside[from] == 0 {
			delete(s.inside, from)
		}
	}), true
}

// addressOf returns the address of a peer, the zero Addr where it has none.
func addressOf(c net.Conn) netip.Addr {
	if a, ok := c.RemoteAddr().(*net.TCPAddr); ok {
		return a.AddrPort().Addr().Unmap()
	}
	return netip.Addr{}
}
