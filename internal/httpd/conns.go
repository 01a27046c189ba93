// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"container/list"
	"net"
	"net/http"
	"net/netip"
	"sync"

	"github.com/kith-im/kith/internal/metrics"
)

const (
	maxConns        = 10_000 // open at once
	maxConnsAddress = 200    // of one address, unless it is a proxy or this machine, who speak for many
)

// Counters are what a Server counts; who shows them reads them.
type Counters struct {
	Requests metrics.Vec // answered; by route (a pattern, "none" where it came to none) and class ("2xx", or "cut")
	Dropped  metrics.Vec // connections that gave way to others; by reason ("address", "total")
}

// conns bounds the connections, so that who opens many and says nothing cannot keep others out: where there are too
// many, the one that has been without a request for longest gives way. Where all are at work the newest does. What was
// taken over by its handler, such as a WebSocket, is the handler's and does not count any more. It is safe for
// concurrent use.
type conns struct {
	total, address int
	exempt         func(netip.Addr) bool // not bounded by address
	counters       *Counters

	mu     sync.Mutex // guards what follows
	open   map[net.Conn]*connection
	idle   list.List // of *connection, that for longest first
	groups map[netip.Prefix]*connGroup
}

// A connGroup is the connections of one address.
type connGroup struct {
	from netip.Prefix
	open int
	idle list.List // as that of all
}

type connection struct {
	net.Conn
	group             *connGroup    // nil: exempt
	inIdle, groupIdle *list.Element // nil while it is at work
}

func newConns(exempt func(netip.Addr) bool, c *Counters) *conns {
	return &conns{
		total: maxConns, address: maxConnsAddress, exempt: exempt, counters: c,
		open: map[net.Conn]*connection{}, groups: map[netip.Prefix]*connGroup{},
	}
}

// changed is for http.Server.ConnState.
func (c *conns) changed(nc net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	x := c.open[nc]
	switch {
	case state == http.StateNew:
		c.enter(nc)
	case x == nil: // it has given way
	case state == http.StateActive:
		c.busy(x)
	case state == http.StateIdle:
		c.rest(x)
	default: // closed or hijacked
		c.leave(x)
	}
}

// enter takes in a connection, for which others may have to go, or closes it. mu is held, here and below.
func (c *conns) enter(nc net.Conn) {
	x := &connection{Conn: nc}
	from := parseAddress(nc.RemoteAddr().String())
	if !c.exempt(from) {
		p := group(from)
		if x.group = c.groups[p]; x.group == nil {
			x.group = &connGroup{from: p}
			c.groups[p] = x.group
		}
		x.group.open++
		if x.group.open > c.address && !c.drop(&x.group.idle, "address") {
			c.refuse(x, "address")
			return
		}
	}
	if len(c.open) >= c.total && !c.drop(&c.idle, "total") {
		c.refuse(x, "total")
		return
	}
	c.open[nc] = x
	c.rest(x)
}

// drop closes the first connection of a list. It reports false where there is none.
func (c *conns) drop(idle *list.List, reason string) bool {
	oldest := idle.Front()
	if oldest == nil {
		return false
	}
	x := oldest.Value.(*connection)
	c.leave(x)
	_ = x.Close() // its goroutine sees to the rest
	c.counters.Dropped.Of(reason).Inc()
	return true
}

func (c *conns) refuse(x *connection, reason string) {
	c.leave(x)
	_ = x.Close() // as for drop
	c.counters.Dropped.Of(reason).Inc()
}

func (c *conns) rest(x *connection) {
	c.busy(x)
	x.inIdle = c.idle.PushBack(x)
	if x.group != nil {
		x.groupIdle = x.group.idle.PushBack(x)
	}
}

func (c *conns) busy(x *connection) {
	if x.inIdle == nil {
		return
	}
	c.idle.Remove(x.inIdle)
	if x.group != nil {
		x.group.idle.Remove(x.groupIdle)
	}
	x.inIdle, x.groupIdle = nil, nil
}

func (c *conns) leave(x *connection) {
	c.busy(x)
	delete(c.open, x.Conn)
	if g := x.group; g != nil {
		if g.open--; g.open == 0 {
			delete(c.groups, g.from)
		}
	}
}
