// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"encoding/xml"
	"net/http"
	"strings"
)

// The link relations of endpoints (XEP-0156 §2.1).
const (
	relWebSocket = "urn:xmpp:alt-connections:websocket"
	relBOSH      = "urn:xmpp:alt-connections:xbosh"
)

// A Check is one thing that must work for the server to be healthy.
type Check struct {
	Name  string       // a word, shown to whoever asks
	Check func() error // nil means it works; must not block, may be called concurrently. The error is logged, not shown
}

// health answers /healthz: 200 where all checks pass, else 503, with the name of each and how it is.
func (s *Server) health(w http.ResponseWriter, r *http.Request) error {
	if !s.limit.Allow(r) {
		return &Error{Status: http.StatusTooManyRequests, Code: CodeTooFast}
	}
	if err := onlyRead(w, r); err != nil {
		return err
	}
	status, word := http.StatusOK, "ok"
	checks := map[string]string{}
	var lines strings.Builder
	for _, c := range s.o.Checks {
		state := "ok"
		if err := c.Check(); err != nil {
			s.log.WarnContext(r.Context(), "not healthy", "check", c.Name, "err", err)
			state, status, word = "failing", http.StatusServiceUnavailable, "failing"
		}
		checks[c.Name] = state
		lines.WriteString(c.Name + ": " + state + "\n")
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	if prefer(r.Header.Get("Accept"), "text/plain", "application/json") == "application/json" {
		writeJSON(w, status, map[string]any{"status": word, "checks": checks})
		return nil
	}
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(word + "\n" + lines.String())) // the peer is gone; nothing to tell
	return nil
}

// appInfo answers /app.json: what the web app must know before it can log anybody in.
func (s *Server) appInfo(w http.ResponseWriter, r *http.Request) error {
	if err := onlyRead(w, r); err != nil {
		return err
	}
	w.Header().Set("Cache-Control", "no-cache")
	writeJSON(w, http.StatusOK, struct {
		Domain  string `json:"domain"`
		Name    string `json:"name"`
		Version string `json:"version"`
	}{s.o.Domain, s.o.Name, s.o.Version})
	return nil
}

type link struct {
	Rel  string `xml:"rel,attr" json:"rel"`
	Href string `xml:"href,attr" json:"href"`
}

// links are what host-meta tells. XEP-0156 §2.2 allows wss: and https: only; a server whose own address is http: is
// somebody's machine at home, and says ws: and http: because there is nothing else.
func (s *Server) links() []link {
	scheme := "wss"
	if s.url.Scheme == "http" {
		scheme = "ws"
	}
	return []link{
		{Rel: relWebSocket, Href: scheme + "://" + s.url.Host + WebSocketPath},
		{Rel: relBOSH, Href: s.url.Scheme + "://" + s.url.Host + BOSHPath},
	}
}

// hostMeta answers /.well-known/host-meta: as XRD, or as JSON for clients that prefer that (RFC 6415 §3).
func (s *Server) hostMeta(w http.ResponseWriter, r *http.Request) error {
	w.Header().Add("Vary", "Accept")
	if prefer(r.Header.Get("Accept"), "application/xrd+xml", "application/json") == "application/json" {
		return s.hostMetaJSON(w, r)
	}
	if done, err := forAll(w, r); done || err != nil {
		return err
	}
	body, err := xml.MarshalIndent(struct {
		XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
		Links   []link   `xml:"Link"`
	}{Links: s.links()}, "", "  ")
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "application/xrd+xml") // RFC 6415 §2
	_, _ = w.Write([]byte(xml.Header + string(body) + "\n"))
	return nil
}

// hostMetaJSON answers /.well-known/host-meta.json (RFC 6415 §6.2).
func (s *Server) hostMetaJSON(w http.ResponseWriter, r *http.Request) error {
	if done, err := forAll(w, r); done || err != nil {
		return err
	}
	writeJSON(w, http.StatusOK, struct {
		Links []link `json:"links"`
	}{s.links()})
	return nil
}

// forAll lets scripts of any site read the answer (XEP-0156 §3), and answers those who ask beforehand whether they may.
func forAll(w http.ResponseWriter, r *http.Request) (done bool, err error) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	if r.Method == http.MethodOptions {
		h.Set("Access-Control-Allow-Methods", "GET, HEAD")
		h.Set("Access-Control-Allow-Headers", "Accept, Content-Type")
		h.Set("Access-Control-Max-Age", "86400") // seconds
		w.WriteHeader(http.StatusNoContent)
		return true, nil
	}
	h.Set("Cache-Control", "public, max-age=3600")
	return false, onlyRead(w, r)
}

// onlyRead refuses all methods but GET and HEAD.
func onlyRead(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return nil
	}
	w.Header().Set("Allow", "GET, HEAD")
	return &Error{Status: http.StatusMethodNotAllowed, Code: CodeMethod}
}
