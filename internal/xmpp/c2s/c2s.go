// SPDX-License-Identifier: Apache-2.0

// Package c2s lets clients in: listeners for TCP with STARTTLS and for direct TLS (XEP-0368 v1.1.0), the WebSocket
// endpoint (RFC 7395), registration (register.go), authentication with SASL (RFC 6120 §6) and SASL2 (XEP-0388 v1.0.4)
// with tokens (XEP-0484 v0.2.0), binding (RFC 6120 §7, XEP-0386 v1.1.0), and then the life of the session, which may go
// on over another connection (XEP-0198 v1.6.3), and whose client says whether somebody looks at it (XEP-0352 v1.0.0).
//
// conn.go tells the story of one connection, sleep.go that of a session between two; features.go lists what is offered
// in which state. Each connection has one goroutine at a time, which reads. What it reads goes into the router; what is
// for its device is written by the session.
package c2s

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Accounts is what c2s asks of the accounts; *account.Service implements it.
type Accounts interface {
	// Mechanisms returns for which hash functions SCRAM is offered, and for which there are upgrades.
	Mechanisms(ctx context.Context) (offered, upgrades []sasl.Hash, err error)
	// Credentials returns made-up ones together with account.ErrUnknown for names that do not exist.
	Credentials(ctx context.Context, name, mechanism string) (sasl.Credentials, account.Account, error)
	Lookup(ctx context.Context, name string) (account.Account, error)
	// CheckPassword returns account.ErrPassword for names that do not exist, after the same time.
	CheckPassword(ctx context.Context, name, password string) (account.Account, error)
	// Knows says whether a client has logged in to the account of name before.
	Knows(ctx context.Context, name, client string) (bool, error)
	// Candidates are the tokens and codes that would let name in, and Use takes the one that did.
	Candidates(ctx context.Context, name, client, mechanism string) ([]account.Candidate, error)
	Use(tx *db.Tx, c account.Candidate, u account.Use) (account.Account, *account.Token, error)
	NewToken(tx *db.Tx, id int64, c account.Client, mechanism string) (account.Token, error)
	// StillOpens says whether the account may still log in with the password it had.
	StillOpens(tx db.Querier, id, password int64) error
	// Upgrade returns nil where the account needs none, and AddKeys stores what came of it.
	Upgrade(ctx context.Context, name string, h sasl.Hash) (*account.Upgrade, error)
	AddKeys(tx *db.Tx, id, password int64, u account.Upgrade, salted []byte) error
	// Visited notes who has logged in, and does not wait for anything.
	Visited(a account.Account, v account.Visit)
}

// Options are the parts that a Server is made of.
type Options struct {
	Domain   jid.JID
	Log      *slog.Logger
	DB       *db.DB
	Router   *router.Router
	Accounts Accounts
	Sleepers Sleepers
	TLS      *tls.Config // for STARTTLS and direct TLS

	// ClientCAs sign the certificates by which clients may log in; nil: nobody can. TLS asks clients for one then.
	ClientCAs *x509.CertPool

	// Plain offers PLAIN, by which clients send the password itself.
	Plain bool

	// Registrar makes accounts; nil: clients cannot register. MayRegister may be nil: as often as they like.
	Registrar   Registrar
	MayRegister RegisterPolicy

	// Weigh says what may wait for a client at which nobody looks; nil: clients cannot say so.
	Weigh session.Weigher

	Features xmlstream.Raw    // more stream features for who has logged in, such as capabilities
	Key      [32]byte         // makes stable resources
	Limits   xmlstream.Limits // of stanzas after authentication; zero: xmlstream.AfterAuth
	Now      func() time.Time // nil: time.Now
}

// A Server takes connections of clients. It is safe for concurrent use.
type Server struct {
	Options
	throttle   *throttle
	handshakes handshakes
	shakes     stream.Shakes
	strangers  strangers
	count      Counters
	life       context.Context // ends with Shutdown; for what nobody needs to wait for then
	die        context.CancelFunc

	berths berths // of sessions that may be resumed

	mu       sync.Mutex
	conns    map[*conn]struct{}
	stopping bool
	running  sync.WaitGroup // one for each connection
}

// New returns a server and registers what it answers with the router.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Limits == (xmlstream.Limits{}) {
		o.Limits = xmlstream.AfterAuth
	}
	s := &Server{Options: o, throttle: newThrottle(o.Now), handshakes: handshakes{base: o.TLS, clients: o.ClientCAs}, conns: map[*conn]struct{}{}}
	s.shakes = stream.NewShakes(2 * runtime.GOMAXPROCS(0))
	s.berths = berths{srv: s, by: map[session.Key]*berth{}}
	s.life, s.die = context.WithCancel(context.Background())
	for _, to := range []router.Target{router.Server, router.Self} {
		// What RFC 3921 §3 had clients do after binding, and some still do.
		o.Router.HandleIQ(to, "set", nsSession, "session", func(context.Context, *router.Request) (xmlstream.Raw, error) {
			return "", nil
		})
	}
	return s
}

// Serve accepts connections from l until ctx ends, then closes l. direct says that they begin with TLS.
func (s *Server) Serve(ctx context.Context, l net.Listener, direct bool) error {
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
			s.Log.Warn("accept", "err", err)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		transport := "starttls"
		if direct {
			transport = "tls"
		}
		s.start(transport, addressOf(nc), func() (*stream.Stream, *shown) {
			st := stream.NewTCP(nc, stream.Options{From: s.Domain.String(), Shakes: s.shakes})
			if !direct {
				return st, &shown{}
			}
			defer context.AfterFunc(s.life, st.Cut)()
			cfg, shown := s.handshakes.begin(true)
			if st.StartTLS(cfg) != nil {
				return nil, nil
			}
			return st, shown
		}, func() { nc.Close() })
	}
}

// A WebSocketPolicy judges a request for the WebSocket endpoint: where the client is, whether nobody on the
// way can read along, and whether the page that asks may (RFC 6455 §10.2).
type WebSocketPolicy func(r *http.Request) (remote netip.Addr, secure, origin bool)

// WebSocket returns the handler of the WebSocket endpoint (RFC 7395).
func (s *Server) WebSocket(policy WebSocketPolicy) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		remote, secure, origin := policy(r)
		if !secure {
			http.Error(w, "this needs https", http.StatusForbidden)
			return
		}
		nc, br, err := stream.Upgrade(w, r, func(*http.Request) bool { return origin })
		if err != nil {
			return // answered
		}
		s.start("websocket", remote, func() (*stream.Stream, *shown) {
			return stream.NewWebSocket(nc, br, stream.Options{From: s.Domain.String(), Secure: true, Remote: remote}), &shown{}
		}, func() { nc.Close() })
	})
}

// start runs a connection from remote on its own goroutine; Shutdown waits for it.
func (s *Server) start(transport string, remote netip.Addr, open func() (*stream.Stream, *shown), refuse func()) {
	leave, ok := s.strangers.enter(remote, func() {
		s.count.Refused.Of("total").Inc()
		refuse()
	})
	if !ok {
		s.count.Refused.Of("address").Inc()
		refuse()
		return
	}
	s.mu.Lock()
	if s.stopping {
		s.mu.Unlock()
		leave()
		refuse()
		return
	}
	s.running.Add(1)
	s.mu.Unlock()
	s.count.Connections.Of(transport).Inc()
	s.count.Open.Inc()
	go func() {
		st, shown := open()
		if st == nil {
			s.count.Refused.Of("handshake").Inc()
			s.count.Open.Dec()
			leave()
			s.running.Done()
			return
		}
		c := newConn(s, st, shown, leave)
		s.mu.Lock()
		s.conns[c] = struct{}{}
		stopping := s.stopping
		s.mu.Unlock()
		if stopping {
			c.interrupt()
		}
		c.serve()
	}()
}

// gone is called once for each connection that start ran.
func (s *Server) gone(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
	c.leave()
	s.count.Open.Dec()
	s.running.Done()
}

// Shutdown ends all connections: what was read is acknowledged first, and what is queued is written. Sessions that may be
// resumed sleep from then on; the other streams are ended. It returns when all are gone, or cuts them when ctx ends.
func (s *Server) Shutdown(ctx context.Context) error {
	s.die()
	s.mu.Lock()
	s.stopping = true
	for c := range s.conns {
		c.interrupt()
	}
	s.mu.Unlock()
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
	return fmt.Errorf("c2s: %d connections did not end in time: %w", n, ctx.Err())
}
