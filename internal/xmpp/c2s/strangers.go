// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"container/list"
	"net"
	"net/netip"
	"sync"
)

const (
	// maxStrangers is how many connections of one address may be on their way to a bound resource at once. A log-in takes
	// a second at most, so that even a whole office that comes back at the same moment needs less.
	maxStrangers = 200
	// maxStrangersInAll is the same for all addresses together. It bounds what those can take who have many.
	maxStrangersInAll = 12_000
)

// strangers counts the connections that are not bound yet, by the network they come from, so that one address cannot
// take all the memory and processor time that handshakes need. Where there are too many of all addresses, the one that
// has had most time gives way: who means to log in is quick. It is safe for concurrent use.
type strangers struct {
	mu     sync.Mutex
	inside map[netip.Prefix]int
	all    list.List // of func(): each cuts a connection; the oldest first
}

// enter counts one more from a, until leave is called once or more often; ok is false where its address has too many.
// This machine may be a proxy that speaks for everybody, and is not bounded by address. cut ends the connection at once,
// and is called where it has to give way.
func (s *strangers) enter(a netip.Addr, cut func()) (leave func(), ok bool) {
	from := network(a)
	counted := a.IsValid() && !a.IsLoopback()
	s.mu.Lock()
	if counted && s.inside[from] >= maxStrangers {
		s.mu.Unlock()
		return nil, false
	}
	if s.inside == nil {
		s.inside = map[netip.Prefix]int{}
	}
	var oldest func()
	if s.all.Len() >= maxStrangersInAll {
		oldest = s.all.Remove(s.all.Front()).(func())
	}
	place := s.all.PushBack(cut)
	if counted {
		s.inside[from]++
	}
	s.mu.Unlock()
	if oldest != nil {
		oldest() // its goroutine sees to the rest
	}
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.all.Remove(place) // nothing, if it has given way
		if !counted {
			return
		}
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
