// SPDX-License-Identifier: Apache-2.0

// Package component lets in programs beside the server that have a domain of their own, such as gateways and bots
// (XEP-0114 v1.6, its "accept" method).
//
// A component connects to a listener that is for the machine itself, names its domain, and proves by a hash that it knows
// the secret which the configuration has for it (conn.go). From then on it sends from any address of its domain and gets
// what is for them. A host (host.go) stands for the domain in the router, connected or not: for half a minute after the
// start, and after its component has left, what is for it waits for it to come back.
package component

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxConns is how many connections there may be at once besides those of the components: more than restarts need.
const maxConns = 50

// A Component is one that may connect.
type Component struct {
	Domain jid.JID // other than the server's
	Secret string  // so long that nobody tries them all
}

// Options are the parts that a Server is made of.
type Options struct {
	Router     *router.Router
	Components []Component      // each with a domain of its own
	Limits     xmlstream.Limits // of stanzas; zero: xmlstream.AfterAuth
	Log        *slog.Logger
	Now        func() time.Time // nil: time.Now
}

// Counters are what a Server counts; who shows them reads them.
type Counters struct {
	Connected    metrics.Gauge // components
	Connections  metrics.Vec   // by outcome ("accepted", "refused": too many, or the condition of the error)
	Stanzas      metrics.Vec   // by direction ("in", "out")
	StreamErrors metrics.Vec   // that ended streams of components from our side; by condition
}

// A Server takes connections of components. It is safe for concurrent use.
type Server struct {
	Options
	hosts map[string]*host // by domain; not changed after New
	count Counters

	mu       sync.Mutex // guards the two below
	conns    map[*conn]struct{}
	stopping bool
	running  sync.WaitGroup // one for each connection
}

// New returns a server whose components' domains are reachable in the router, which is still being filled. Two components
// with one domain panic, and so does one with the server's.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Limits == (xmlstream.Limits{}) {
		o.Limits = xmlstream.AfterAuth
	}
	s := &Server{Options: o, hosts: map[string]*host{}, conns: map[*conn]struct{}{}}
	for _, c := range o.Components {
		h := &host{srv: s, domain: c.Domain, secret: c.Secret, until: o.Now().Add(graceTime)}
		s.hosts[c.Domain.Domain()] = h
		o.Router.HandleDomain(c.Domain, h)
	}
	return s
}

// Counters returns what s counts.
func (s *Server) Counters() *Counters { return &s.count }

// Serve accepts connections from l until ctx ends, then closes l.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	stop := context.AfterFunc(ctx, func() { l.Close() }) // Accept tells
	defer stop()
	for {
		nc, err := l.Accept()
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		case err != nil: // such as too many open files
			s.Log.WarnContext(ctx, "accept", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		s.start(nc)
	}
}

// start serves a connection on a goroutine of its own; Shutdown waits for it.
func (s *Server) start(nc net.Conn) {
	s.mu.Lock()
	if s.stopping || len(s.conns) >= maxConns+len(s.hosts) {
		s.mu.Unlock()
		s.count.Connections.Of("refused").Inc()
		nc.Close() // it has said nothing yet
		return
	}
	c := newConn(s, stream.NewTCP(nc, stream.Options{From: s.Router.Domain.String(), NS: xmlstream.NSComponent}))
	s.conns[c] = struct{}{}
	s.running.Add(1)
	s.mu.Unlock()
	go func() {
		defer s.running.Done()
		c.serve(context.Background())
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// Shutdown ends all connections: what was read finds its way first, and what is queued is written. Who waits for a
// component hears that it is gone. It returns when all are gone, or cuts them when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.stopping = true
	for c := range s.conns {
		c.interrupt()
	}
	s.mu.Unlock()
	for _, h := range s.hosts {
		h.shut()
	}
	done := make(chan struct{})
	go func() { // ends with the last connection
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
	}
	s.mu.Lock()
	n := len(s.conns)
	for c := range s.conns {
		c.stream.Cut()
	}
	s.mu.Unlock()
	<-done
	return fmt.Errorf("component: %d connections did not end in time: %w", n, ctx.Err())
}
