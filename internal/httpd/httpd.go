// SPDX-License-Identifier: Apache-2.0

// Package httpd is the HTTP server of the product: one door for the web app, the portal's pages, the WebSocket and
// the BOSH of the clients, and the well-known paths (host-meta: XEP-0156 v1.4.0, RFC 6415).
//
// A request passes, in this order:
//
//	origin   who asks and how (proxies that we know may say so)      request.go
//	headers  what every answer carries                                headers.go
//	names    is it our host, is it safe, is it too fast               request.go, limit.go
//	routes   /healthz, well-known, /app.json, mounts, the web app     wellknown.go, static.go
//
// How many connections there may be is in conns.go. What goes wrong on the way is an *Error, drawn as a page, as JSON or as a line of text, whatever the client
// prefers (errors.go).
//
// A mounted handler finds in its request: RemoteAddr with the address of the client (not of the proxy), URL.Scheme
// "https" or "http" as the client's browser has it, and a Host that is one of ours. The body is cut off after
// MaxBody bytes, or what its mount says. Every answer starts with a policy that allows nothing
// (Content-Security-Policy); a handler that shows a page sets its own. Paths may hold secrets (an invitation's token), so
// no path is ever logged.
package httpd

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"
)

// WebSocketPath is where clients open their WebSocket (RFC 7395); host-meta and the app's policy name it.
const WebSocketPath = "/xmpp-websocket"

// BOSHPath is where clients send their requests that cannot have a WebSocket (XEP-0124); host-meta names it.
const BOSHPath = "/http-bind"

// healthPath is where whoever watches us asks.
const healthPath = "/healthz"

// MaxBody is how many bytes of a request's body a mounted handler can read unless its Mount says otherwise; after them,
// Read fails with *http.MaxBytesError.
const MaxBody = 64 << 10

const (
	headerTimeout = 10 * time.Second // for the request's header
	bodyTimeout   = 30 * time.Second // for header and body
	answerTimeout = 60 * time.Second // for the answer; a WebSocket has left by then and is not bound by it
	idleTimeout   = 2 * time.Minute  // between two requests
	stopTimeout   = 5 * time.Second  // for requests in flight, when the server stops
	maxHeader     = 32 << 10         // bytes

	// Per address, for everything together: far above what people and their devices need, even many behind one address.
	requestsEvery = 10 * time.Millisecond
	requestsBurst = 500
)

// Options say what a Server serves.
type Options struct {
	URL     string         // where people find us: scheme, host and port, no path; "https://kith.example", "http://localhost:8080"
	Names   []string       // further host names that are ours, in ASCII, without port; the host of URL is one anyway, and Domain
	Proxies []netip.Prefix // peers whose X-Forwarded-For and X-Forwarded-Proto count; nil means none
	Domain  string         // the XMPP domain, for /app.json
	Name    string         // the server's name as people see it, for /app.json; "" means Domain
	Version string         // for /app.json
	App     fs.FS          // the built web app, with index.html; nil or empty shows a page that says so
	Checks  []Check        // what /healthz asks
	Mounts  []Mount        // handlers of others

	// Page draws the page for a status and a reason (one of the Code constants); it writes status and body. nil means
	// that clients who would like a page get a line of text.
	Page func(w http.ResponseWriter, r *http.Request, status int, code string)

	Log *slog.Logger     // nil means slog.Default
	Now func() time.Time // nil means time.Now
}

// A Mount puts a handler at a pattern of http.ServeMux, for example "/invite/".
type Mount struct {
	Pattern string
	Handler http.Handler
	MaxBody int64 // bytes of a request's body that the handler can read; 0 means MaxBody
}

// A Server answers HTTP requests. It may be used as a handler by itself (tests do), or be run on listeners.
type Server struct {
	o      Options
	url    *url.URL
	names  map[string]bool
	limit  *Limiter
	conns  *conns
	count  Counters
	routes *http.ServeMux
	app    *app
	log    *slog.Logger
}

// New makes a server; it starts nothing. It returns an error if Options.URL or a name is not usable, or if the web
// app cannot be read. Two mounts with one pattern panic.
func New(o Options) (*Server, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("httpd: %q is not the address of a web server", o.URL)
	}
	s := &Server{
		o:      o,
		url:    &url.URL{Scheme: u.Scheme, Host: strings.ToLower(u.Host)},
		names:  map[string]bool{},
		routes: http.NewServeMux(),
		log:    o.Log,
	}
	if s.log == nil {
		s.log = slog.Default()
	}
	if o.Name == "" {
		s.o.Name = o.Domain
	}
	s.limit = NewLimiter(requestsEvery, requestsBurst, o.Now)
	s.conns = newConns(func(a netip.Addr) bool { return a.IsLoopback() || s.isProxy(a) }, &s.count)
	for _, name := range append([]string{s.url.Hostname()}, o.Names...) {
		if !asciiName(name) {
			return nil, fmt.Errorf("httpd: the name %q is not in its ASCII form (xn--…)", name)
		}
		s.names[strings.ToLower(name)] = true
	}
	if asciiName(o.Domain) { // host-meta is asked of it, wherever the app may be (XEP-0156 §2)
		s.names[strings.ToLower(o.Domain)] = true
	}
	if s.app, err = loadApp(o.App); err != nil {
		return nil, fmt.Errorf("httpd: read the web app: %w", err)
	}
	s.route()
	return s, nil
}

// route is the table of what is served where.
func (s *Server) route() {
	s.routes.Handle("/.well-known/host-meta", s.answer(s.hostMeta))
	s.routes.Handle("/.well-known/host-meta.json", s.answer(s.hostMetaJSON))
	s.routes.Handle("/app.json", s.answer(s.appInfo))
	for _, m := range s.o.Mounts {
		limit := m.MaxBody
		if limit == 0 {
			limit = MaxBody
		}
		s.routes.Handle(m.Pattern, http.MaxBytesHandler(m.Handler, limit))
	}
	s.routes.Handle("/", s.answer(s.serveApp))
}

// ServeHTTP answers one request. It may be called concurrently.
func (s *Server) ServeHTTP(rw http.ResponseWriter, incoming *http.Request) {
	w := &writer{ResponseWriter: rw}
	r := s.origin(incoming)
	defer s.counted(w, r)
	defer s.rescue(w, r)
	s.baseHeaders(w, r)
	if r.URL.Path == healthPath { // whoever watches us may ask by address, so before the names are looked at
		r.Pattern = healthPath
		s.answer(s.health).ServeHTTP(w, r)
		return
	}
	if err := s.admit(r); err != nil {
		s.fail(w, r, err)
		return
	}
	if to, ok := s.safer(r); ok {
		http.Redirect(w, r, to, http.StatusPermanentRedirect)
		return
	}
	s.routes.ServeHTTP(w, r)
}

// Counters returns what s counts.
func (s *Server) Counters() *Counters { return &s.count }

// counted counts a request that was answered.
func (s *Server) counted(w *writer, r *http.Request) {
	route, status := r.Pattern, w.status
	if route == "" {
		route = "none"
	}
	if status == 0 { // net/http sends it when the handler has returned
		status = http.StatusOK
	}
	class := strconv.Itoa(status/100) + "xx"
	if w.cut {
		class = "cut"
	}
	s.count.Requests.Of(route, class).Inc()
}

// answer makes a handler of one that returns its error.
func (s *Server) answer(f func(http.ResponseWriter, *http.Request) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := f(w, r); err != nil {
			s.fail(w, r, err)
		}
	})
}

// rescue turns a panic of a handler into an answer and a line in the log.
func (s *Server) rescue(w *writer, r *http.Request) {
	p := recover()
	if p == nil {
		return
	}
	if p == http.ErrAbortHandler {
		w.cut = true
		panic(p) // the handler's way to cut the connection
	}
	s.log.Error("a handler panicked", "route", r.Pattern, "panic", p, "stack", string(debug.Stack()))
	if w.used {
		w.cut = true
		panic(http.ErrAbortHandler) // half an answer is out: only the cut can say that it is half
	}
	s.fail(w, r, &Error{Status: http.StatusInternalServerError, Code: CodeInternal})
}

// Run serves on the listeners until ctx ends, then gives requests in flight five seconds. It closes the listeners and
// returns when its goroutines are gone: nil after ctx ended, else why a listener failed. A TLS listener that
// offers "h2" is served HTTP/2. Connections that a handler took over (WebSockets) are the handler's.
func (s *Server) Run(ctx context.Context, listeners ...net.Listener) error {
	srv := &http.Server{
		Handler:           s,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       bodyTimeout,
		WriteTimeout:      answerTimeout,
		IdleTimeout:       idleTimeout,
		ConnState:         s.conns.changed,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelDebug), // what strangers send is no news
	}
	failed := make(chan error, len(listeners))
	var wg sync.WaitGroup // one goroutine per listener; Run waits for them
	for _, l := range listeners {
		wg.Go(func() {
			if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				failed <- fmt.Errorf("httpd: serve %s: %w", l.Addr(), err)
			}
		})
	}
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close() // who has not ended by now is cut; there is nobody to tell
	}
	wg.Wait()
	return err
}

// writer notes whether an answer has begun, and which.
type writer struct {
	http.ResponseWriter
	used   bool
	status int  // 0: none yet
	cut    bool // the connection was cut in the middle of it
}

func (w *writer) WriteHeader(status int) {
	w.used, w.status = true, status
	w.ResponseWriter.WriteHeader(status)
}

func (w *writer) Write(b []byte) (int, error) {
	if !w.used {
		w.used, w.status = true, http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Hijack lets the WebSocket's handler take the connection.
func (w *writer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	w.used, w.status = true, http.StatusSwitchingProtocols
	return http.NewResponseController(w.ResponseWriter).Hijack()
}

// Unwrap is for http.ResponseController.
func (w *writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }
