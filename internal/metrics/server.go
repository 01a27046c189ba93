// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

const (
	headerTimeout = 5 * time.Second
	profileTime   = 5 * time.Minute // that a profile may take at most
	idleTimeout   = 2 * time.Minute
	stopTimeout   = time.Second
	maxHeader     = 8 << 10 // bytes
)

// Handler answers /metrics, and /debug/pprof/ with what go tool pprof reads. It answers nobody who is not on this
// machine, or who calls us by a name that is not of the loopback: a page in a browser whose own name was made to
// point at us carries that name in Host.
func (r *Registry) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(r.prometheus, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	mux.HandleFunc("GET /debug/pprof/symbol", pprof.Symbol)
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		peer, err := netip.ParseAddrPort(q.RemoteAddr)
		switch {
		case err != nil || !peer.Addr().Unmap().IsLoopback():
			http.Error(w, "for this machine only", http.StatusForbidden)
		case !loopbackName(q.Host):
			http.Error(w, "this is not the host you are looking for", http.StatusMisdirectedRequest)
		default:
			mux.ServeHTTP(w, q)
		}
	})
}

// loopbackName reports whether a Host header names the loopback.
func loopbackName(host string) bool {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if strings.EqualFold(host, "localhost") {
		return true
	}
	a, err := netip.ParseAddr(host)
	return err == nil && a.Unmap().IsLoopback()
}

// Serve answers on l until ctx ends, closes it, and returns when its goroutines are gone.
func (r *Registry) Serve(ctx context.Context, l net.Listener, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           r.Handler(),
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       headerTimeout, // there are no bodies
		WriteTimeout:      profileTime,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		BaseContext:       func(net.Listener) context.Context { return ctx }, // a profile ends with it
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }() // ends with Shutdown or Close; waited for below
	var err error
	select {
	case err = <-failed:
		return fmt.Errorf("metrics: serve %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	stop, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	if srv.Shutdown(stop) != nil {
		_ = srv.Close() // a profile in progress; there is nobody to tell
	}
	if err = <-failed; errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
