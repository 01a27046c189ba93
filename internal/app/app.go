// SPDX-License-Identifier: Apache-2.0

// Package app puts the server together and runs it. It is the only package that knows all others.
//
// Read features.go first: it lists what the server can do. Run is the life of a server from top to bottom; services.go
// opens what is kept, admin.go is what the commands of the program do to it.
package app

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/certfile"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/control"
	"github.com/kith-im/kith/internal/feature/csi"
	"github.com/kith-im/kith/internal/feature/unifiedpush"
	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/portal"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/terminal"
	"github.com/kith-im/kith/internal/xmpp/bosh"
	"github.com/kith-im/kith/internal/xmpp/c2s"
	"github.com/kith-im/kith/internal/xmpp/component"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/web"
)

// A stop waits so long for connections to end, and then for what is under way: ten seconds at most.
const (
	closeTime = 6 * time.Second
	stopTime  = 4 * time.Second
)

// From one address clients may make so many requests to register; who makes an account makes two.
const (
	registerEvery = 3 * time.Second
	registerBurst = 20
)

// Options are what Run is given besides the configuration.
type Options struct {
	Log      *slog.Logger
	Out      io.Writer // where a person reads that the server runs, and where
	Terminal bool      // Out is a terminal: the first admin's link may be shown
	Version  string    // of the program
}

// Run runs a server until ctx ends, and then stops it in good order. It returns when everything it started is gone.
func Run(ctx context.Context, c config.Config, o Options) error {
	srv, err := prepare(ctx, c, o)
	if err != nil {
		return err
	}
	defer func() {
		if err := srv.close(); err != nil {
			o.Log.Error("close the database", "err", err)
		}
	}()
	return srv.run(ctx)
}

// prepare makes a server that listens, and does not yet answer. Its services are closed by who called; where it returns
// an error, everything is.
func prepare(ctx context.Context, c config.Config, o Options) (srv *server, err error) {
	o.Log = calm(o.Log, time.Now)
	s, err := openServices(ctx, c, o.Log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	if srv, err = assemble(c, s, o); err != nil {
		return nil, err
	}
	if err = srv.listen(c); err != nil {
		return nil, err
	}
	if err = s.archive.Recover(ctx); err != nil {
		srv.closeListeners()
		return nil, err
	}
	// From here on a stop is one in good order: sessions that sleep are taken out of the store, and have to go back there.
	ctx = context.WithoutCancel(ctx)
	// What was on its way goes on before anybody can add to it, and finds the sessions that sleep.
	if err = srv.clients.Restore(ctx); err == nil {
		err = srv.router.Start(ctx)
	}
	if err == nil {
		err = srv.welcome(ctx, c, o)
	}
	if err != nil {
		srv.closeListeners()
		return nil, errors.Join(err, srv.rest(ctx))
	}
	return srv, nil
}

// A server is all parts of a running server.
type server struct {
	*services
	log     *slog.Logger
	router  *router.Router
	clients *c2s.Server
	beside  *component.Server
	bosh    *bosh.Gateway
	http    *httpd.Server
	control *control.Server
	traffic *traffic
	metrics *metrics.Registry

	dispatcher *push.Dispatcher
	endpoints  *unifiedpush.UnifiedPush

	web, plain, direct, inner, numbers net.Listener // nil: not wanted
}

// assemble makes the parts and lets them know each other. It starts nothing.
func assemble(c config.Config, s *services, o Options) (*server, error) {
	log := o.Log
	srv := &server{services: s, log: log}
	srv.router = router.New(router.Options{
		Domain: s.domain, Log: log.With("pkg", "router"), DB: s.db, Store: s.archive, Accounts: s.accounts,
		Counts:      s.sleepers,
		MaxSessions: c.Limits.Sessions,
	})
	srv.traffic = &traffic{}
	srv.traffic.install(srv.router)
	srv.dispatcher = push.NewDispatcher(s.push)
	if err := srv.installPush(c, o); err != nil {
		return nil, err
	}
	features := install(srv.router, s, c, o, landing(c), srv.remove)
	s.accounts.OnChange(srv.accountChanged)

	cert, err := certificate(c, log)
	if err != nil {
		return nil, err
	}
	clientCAs, err := authorities(c.TLS.ClientAuthorities)
	if err != nil {
		return nil, err
	}
	limits := xmlstream.AfterAuth
	limits.Bytes = c.Limits.Stanza
	if srv.beside, err = components(srv.router, c, o, limits); err != nil {
		return nil, err
	}
	srv.clients = c2s.New(c2s.Options{
		Domain: s.domain, Log: log.With("pkg", "c2s"), DB: s.db, Router: srv.router, Accounts: s.accounts, Sleepers: s.sleepers,
		Registrar: s.signup, MayRegister: httpd.NewLimiter(registerEvery, registerBurst, time.Now).AllowFrom,
		TLS: cert.TLSConfig(), ClientCAs: clientCAs, Plain: c.Accounts.Plain, Features: features,
		Key: s.keys.Derive("resource"), Limits: limits, Weigh: csi.Weigh,
	})
	srv.bosh = bosh.New(bosh.Options{
		Domain: s.domain, Log: log.With("pkg", "bosh"), Accept: srv.clients.Accept, Policy: srv.webSocketPolicy(c.Web.URL),
		Limits: limits,
	})
	if srv.http, err = srv.newHTTP(c, o.Version); err != nil {
		return nil, err
	}
	if srv.control, err = control.Listen(c.Socket(), log.With("pkg", "control")); err != nil {
		return nil, err
	}
	srv.metrics = srv.measure(o.Version)
	srv.control.HandleAdmin(&admin{services: s, landing: landing(c), running: srv, close: func() error { return nil }})
	return srv, nil
}

// newHTTP puts the pages, the web app, the WebSocket and BOSH behind one door.
func (s *server) newHTTP(c config.Config, version string) (*httpd.Server, error) {
	pages, err := portal.New(portal.Options{
		URL: c.Web.URL, Domain: c.Domain, Accounts: s.accounts, Invitations: invitations{s.invites, s.signup}, SignUp: signUp{s.services},
		Limit: func(every time.Duration, burst int) func(*http.Request) bool {
			return httpd.NewLimiter(every, burst, time.Now).Allow
		},
		Log: s.log.With("pkg", "portal"),
	})
	if err != nil {
		return nil, err
	}
	return httpd.New(httpd.Options{
		URL: c.Web.URL, Proxies: c.Web.Proxies(), Domain: c.Domain, Version: version, App: web.Dist(),
		Checks: []httpd.Check{{Name: "database", Check: s.db.Healthy}},
		Mounts: []httpd.Mount{
			{Pattern: "/invite/", Handler: pages},
			{Pattern: "/assets-portal/", Handler: pages},
			{Pattern: httpd.WebSocketPath, Handler: s.clients.WebSocket(s.webSocketPolicy(c.Web.URL))},
			s.filesMount(c),
			{Pattern: httpd.BOSHPath, Handler: s.bosh, MaxBody: s.bosh.MaxBody()},
			{Pattern: unifiedpush.Path, Handler: s.endpoints},
		},
		Page: pages.Problem,
		Log:  s.log.With("pkg", "httpd"),
	})
}

// webSocketPolicy lets in who comes from our own pages or from no page at all (RFC 6455 §10.2).
func (s *server) webSocketPolicy(url string) c2s.WebSocketPolicy {
	return func(r *http.Request) (remote netip.Addr, secure, origin bool) {
		o := r.Header.Get("Origin")
		return httpd.Address(r), httpd.Secure(r), o == "" || strings.EqualFold(o, url)
	}
}

// listen opens the listeners, so that a port that is taken is known before anything else happens.
func (s *server) listen(c config.Config) (err error) {
	defer func() {
		if err != nil {
			s.closeListeners()
		}
	}()
	for _, l := range []struct {
		to      *net.Listener
		address string
		what    string
	}{
		{&s.web, c.Listen.Web, "listen.web"},
		{&s.plain, c.Listen.Clients, "listen.clients"},
		{&s.direct, c.Listen.ClientsTLS, "listen.clients_tls"},
		{&s.inner, inner(c), "listen.components"},
		{&s.numbers, c.Listen.Metrics, "listen.metrics"},
	} {
		if l.address == "" {
			continue
		}
		if *l.to, err = net.Listen("tcp", l.address); err != nil {
			return fmt.Errorf("%s: %w", l.what, err)
		}
	}
	return nil
}

func (s *server) closeListeners() {
	for _, l := range []net.Listener{s.web, s.plain, s.direct, s.inner, s.numbers} {
		if l != nil {
			l.Close() // it has accepted nobody
		}
	}
	s.control.Close()
}

// run starts everything that runs for long, waits for ctx or for a part that fails, and stops it all.
func (s *server) run(ctx context.Context) error {
	var wg sync.WaitGroup // everything that is started here
	failed := make(chan error, 16)
	start := func(ctx context.Context, name string, run func(context.Context) error) {
		wg.Go(func() {
			if err := run(ctx); err != nil {
				failed <- fmt.Errorf("%s: %w", name, err)
			}
		})
	}
	background, stopBackground := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBackground()
	listening, stopListening := context.WithCancel(context.WithoutCancel(ctx))
	defer stopListening()

	start(background, "router", s.router.Run)
	start(background, "accounts", s.accounts.Run)
	start(background, "invitations", s.invites.Run)
	start(background, "sleeping sessions", s.sleepers.Run)
	start(background, "health of pushes", s.push.Run)
	start(background, "pushes", s.dispatcher.Run)
	start(background, "files", s.files.Run)
	start(background, "removed accounts", s.removal.Run)
	start(background, "archive", func(ctx context.Context) error { return s.archive.Run(ctx, s.upkeep) })
	start(background, "memory", keepMemory)
	start(listening, "control", s.control.Run)
	if s.numbers != nil { // until the end: a stop that takes long is worth a look
		start(background, "metrics", func(ctx context.Context) error {
			return s.metrics.Serve(ctx, s.numbers, s.log.With("pkg", "metrics"))
		})
	}
	if s.plain != nil {
		start(listening, "clients", func(ctx context.Context) error { return s.clients.Serve(ctx, s.plain, false) })
	}
	if s.direct != nil {
		start(listening, "clients over TLS", func(ctx context.Context) error { return s.clients.Serve(ctx, s.direct, true) })
	}
	if s.inner != nil {
		start(listening, "components", func(ctx context.Context) error { return s.beside.Serve(ctx, s.inner) })
	}
	if s.web != nil {
		start(listening, "BOSH", s.bosh.Run)
		start(listening, "web", func(ctx context.Context) error { return s.http.Run(ctx, s.web) })
	}

	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
		s.log.Error("a part failed; stopping", "err", err)
	}

	s.log.Info("stopping")
	stopListening()
	err = errors.Join(err, s.rest(context.WithoutCancel(ctx)))
	stopBackground()
	wg.Wait()
	s.log.Info("stopped")
	return err
}

// rest ends the streams, and has what is left of them written down, when nobody can connect any more.
func (s *server) rest(ctx context.Context) error {
	closing, done := context.WithTimeout(ctx, closeTime)
	defer done()
	err := s.clients.Shutdown(closing) // what was read becomes safe
	err = errors.Join(err, s.beside.Shutdown(closing))
	patience, done := context.WithTimeout(ctx, stopTime)
	defer done()
	err = errors.Join(err, s.router.Idle(patience)) // and comes to the sessions that sleep now
	err = errors.Join(err, s.clients.WriteDown(patience))
	return errors.Join(err, s.router.Close(patience))
}

// certificate opens the configured certificate, or the server's own.
func certificate(c config.Config, log *slog.Logger) (*certfile.Source, error) {
	log = log.With("pkg", "certfile")
	if c.TLS.Certificate != "" {
		return certfile.Open(c.TLS.Certificate, c.TLS.Key, time.Now, log)
	}
	return certfile.OpenOwn(c.Data, c.Domain, time.Now, log)
}

// landing makes the addresses of invitations' pages.
func landing(c config.Config) func(invite.Token) string {
	return func(t invite.Token) string { return strings.TrimSuffix(c.Web.URL, "/") + "/invite/" + string(t) }
}

// welcome tells the person at the terminal where to go, and how to begin.
func (s *server) welcome(ctx context.Context, c config.Config, o Options) error {
	fmt.Fprintf(o.Out, "Kith %s is running for %s\n", o.Version, c.Domain)
	fmt.Fprintf(o.Out, "  web app     %s\n", c.Web.URL)
	if s.numbers != nil {
		fmt.Fprintf(o.Out, "  metrics     http://%s/metrics\n", s.numbers.Addr())
	}
	if s.plain != nil {
		fmt.Fprintf(o.Out, "  other apps  %s (STARTTLS)\n", s.plain.Addr())
	}
	if s.direct != nil {
		fmt.Fprintf(o.Out, "  other apps  %s (TLS)\n", s.direct.Addr())
	}
	link, err := s.firstAdmin(ctx, landing(c))
	if err != nil || link == "" {
		return err
	}
	if !o.Terminal {
		// A log is read by more people than a terminal.
		s.log.Warn("there is no admin yet; make a link for the first one with: kith invite create --admin")
		return nil
	}
	fmt.Fprintf(o.Out, "\nOpen this link to become the first admin (good for 24 hours):\n\n  %s\n\n", link)
	return terminal.WriteQR(o.Out, link, true)
}

// quiet is the log of commands: what goes wrong they say themselves.
func quiet() *slog.Logger { return slog.New(slog.DiscardHandler) }
