// SPDX-License-Identifier: Apache-2.0

// Package bosh lets clients in that can have neither a TCP connection nor a WebSocket: it carries their streams in
// requests of HTTP (XEP-0124 v1.11.2) as XEP-0206 v1.4 wants XMPP in them.
//
// A Gateway stands in front of the server of clients. A session of BOSH is a connection to that one, in which the
// gateway speaks the TCP form of XMPP: it writes the stream header that a client of BOSH never sends, then what the
// bodies of the requests carry, in their order; and it takes apart what the server writes, so that features, stanzas
// and stream errors travel in the bodies of the answers. The server sees a client like any other.
//
// Three files make a session. request.go and response.go know the <body/> of each direction; session.go knows which
// request may be answered when, with what, and what becomes of those that break the rules; conn.go is the end of the
// connection that the server holds.
//
// A session has no goroutine and no queue of its own. What happens, happens on the goroutines of its requests, on the
// server's when it reads or writes, or on a timer. A write of the server returns when an answer has carried it to a
// request that was there, so that what a client never fetched counts as not delivered, and a client that fetches
// slowly is one that reads slowly. In the other direction, requests are not answered while the server is behind with
// what they carried. A client that stays away for too long is a connection that was lost.
//
// Left out, since they are optional and hardly anybody uses them: key sequences (XEP-0124 §15; all requests come by https),
// several streams in a session (§16), reports of missing responses (§9.2) and compressed requests (§7.2).
package bosh

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	maxStrangers = 5000             // sessions that have not logged in; the server counts those of one address
	answerTime   = 30 * time.Second // for an answer to get through, after the longest wait
)

// Options say what a Gateway stands before.
type Options struct {
	Domain jid.JID // that is served
	// Accept takes the connection of a new session, as c2s.Server does. It does not block, and always closes the
	// connection in the end.
	Accept func(net.Conn, stream.Options)
	// Policy judges a request: where the client is, whether nobody on the way can read along, and whether the page
	// that asks may. It is the one of the WebSocket.
	Policy func(r *http.Request) (remote netip.Addr, secure, origin bool)
	Limits xmlstream.Limits // of one stanza of a client that has logged in
	Log    *slog.Logger
}

// A Gateway is the handler of the endpoint. It is safe for concurrent use.
type Gateway struct {
	o      Options
	limits xmlstream.Limits // of a request's body
	conns  sync.WaitGroup   // one for each connection that the server has not closed

	mu        sync.Mutex // guards what follows; sessions take it while they hold their own
	stopping  bool
	sessions  map[string]*session // by sid
	strangers int                 // how many have not logged in
}

// New returns a gateway. Its sessions end with Run.
func New(o Options) *Gateway {
	l := o.Limits
	// A body carries one stanza of full size and some more.
	l.Bytes, l.Depth, l.Nodes = l.Bytes+64<<10, l.Depth+1, 2*l.Nodes
	return &Gateway{o: o, limits: l, sessions: map[string]*session{}}
}

// MaxBody is how many bytes of a request's body the gateway wants to read.
func (g *Gateway) MaxBody() int64 { return int64(g.limits.Bytes) }

// Run waits for ctx. Then there are no new sessions, and those end whose clients have no request waiting: they could
// not be told of anything. It returns when the server has closed the connections of all.
func (g *Gateway) Run(ctx context.Context) error {
	<-ctx.Done()
	g.mu.Lock()
	g.stopping = true
	list := make([]*session, 0, len(g.sessions))
	for _, s := range g.sessions {
		list = append(list, s)
	}
	g.mu.Unlock()
	for _, s := range list {
		s.stop()
	}
	g.conns.Wait()
	return nil
}

// ServeHTTP answers the requests of clients, and of browsers that ask whether their page may (CORS).
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	remote, secure, origin := g.o.Policy(r)
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Origin")
	if page := r.Header.Get("Origin"); page != "" && origin {
		h.Set("Access-Control-Allow-Origin", page)
	}
	switch {
	case !origin:
		http.Error(w, "this origin may not connect", http.StatusForbidden)
	case r.Method == http.MethodOptions:
		h.Set("Access-Control-Allow-Methods", "POST")
		h.Set("Access-Control-Allow-Headers", "Content-Type")
		h.Set("Access-Control-Max-Age", "86400") // seconds
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodGet, r.Method == http.MethodHead:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "XMPP clients reach this server here by BOSH (XEP-0124). There is nothing to see.\n")
	case r.Method != http.MethodPost: // XEP-0124 §5
		h.Set("Allow", "POST, GET, HEAD, OPTIONS")
		http.Error(w, "BOSH uses POST", http.StatusMethodNotAllowed)
	case !secure: // XEP-0124 §19.1: and if there is a session, it goes on
		http.Error(w, "this needs https", http.StatusForbidden)
	default:
		g.post(w, r, remote)
	}
}

// post answers one request of a client.
func (g *Gateway) post(w http.ResponseWriter, r *http.Request, remote netip.Addr) {
	var req *request
	err := errBadRequest
	if e := r.Header.Get("Content-Encoding"); e == "" || strings.EqualFold(e, "identity") { // we accept no other (XEP-0124 §7.2)
		var doc []byte
		if doc, err = io.ReadAll(http.MaxBytesReader(w, r.Body, g.MaxBody())); err == nil {
			req, err = parse(string(doc), g.limits)
		}
	}
	if err != nil { // XEP-0124 §17.2
		write(w, refusal(conditionFor(err), false))
		return
	}
	s, answered := g.session(req, remote)
	if s == nil {
		write(w, answered)
		return
	}
	wt := s.enter(req)
	timeout := time.NewTimer(s.wait)
	defer timeout.Stop()
	rc := http.NewResponseController(w) // without deadlines, there are none to move
	_ = rc.SetReadDeadline(time.Time{}) // it has read all, and watches for the client to leave
	_ = rc.SetWriteDeadline(time.Now().Add(s.wait + answerTime))
	for {
		select {
		case a := <-wt:
			write(w, a)
			return
		case <-timeout.C:
			s.expire(wt)
		case <-r.Context().Done():
			s.leave(wt)
			return
		}
	}
}

// write sends an answer.
func write(w http.ResponseWriter, a answer) {
	h := w.Header()
	h.Set("Content-Type", a.content)
	h.Set("Content-Length", strconv.Itoa(len(a.body))) // XEP-0124 §5: not chunked
	w.WriteHeader(a.status)
	_, _ = io.WriteString(w, a.body) // who does not get it may ask again (XEP-0124 §14.3)
}

// session returns the session that a request belongs to or begins, or the answer where there is none.
func (g *Gateway) session(req *request, remote netip.Addr) (*session, answer) {
	if req.sid == "" {
		return g.create(req, remote)
	}
	g.mu.Lock()
	s := g.sessions[req.sid]
	g.mu.Unlock()
	if s == nil {
		return nil, refusal(itemNotFound, false)
	}
	return s, answer{}
}

// create begins a session (XEP-0124 §7.1).
func (g *Gateway) create(req *request, remote netip.Addr) (*session, answer) {
	o, cond := terms(req, g.o.Domain)
	if cond != "" {
		return nil, refusal(cond, o.legacy)
	}
	s := newSession(g, o, req)
	if cond := g.add(s); cond != "" {
		s.idle.Stop()
		return nil, refusal(cond, o.legacy)
	}
	g.o.Accept(&conn{s}, stream.Options{Secure: true, Remote: remote})
	return s, answer{}
}

// add counts a session in, or says why not.
func (g *Gateway) add(s *session) condition {
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case g.stopping:
		return systemShutdown
	case g.strangers >= maxStrangers:
		return internalServerError
	}
	g.strangers++
	g.sessions[s.sid] = s
	g.conns.Add(1)
	return ""
}

// known counts one session less among those that have not logged in.
func (g *Gateway) known() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.strangers--
}

// forget removes a session whose client has been told that it ended, or will not come back.
func (g *Gateway) forget(s *session) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.sessions, s.sid)
}
