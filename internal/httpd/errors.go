// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// The reasons that an Error gives: for programs, and for Options.Page to choose its words by.
const (
	CodeBadRequest = "bad-request" // the request makes no sense
	CodeNotFound   = "not-found"
	CodeMethod     = "method"     // the path is there, but not for this method
	CodeWrongHost  = "wrong-host" // another server's name in Host
	CodeInsecure   = "insecure"   // sent in the clear what must not be
	CodeProxy      = "proxy"      // a proxy stands before us that we were not told of
	CodeTooFast    = "too-fast"   // too many requests from one address
	CodeNoApp      = "no-app"     // this program was built without the web app
	CodeInternal   = "internal"   // our fault; the log has it
)

// An Error is an answer for the other side and may be shown. Any other error is ours: logged, and shown as CodeInternal.
type Error struct {
	Status int    // of HTTP, 400 to 599
	Code   string // one of the Code constants
}

// Error returns the reason in plain English.
func (e *Error) Error() string {
	return strings.ToLower(http.StatusText(e.Status)) + " (" + e.Code + ")"
}

// fail ends a request with err.
func (s *Server) fail(w http.ResponseWriter, r *http.Request, err error) {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		s.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
		e = &Error{Status: http.StatusInternalServerError, Code: CodeInternal}
	}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Add("Vary", "Accept")
	if e.Status == http.StatusTooManyRequests {
		h.Set("Retry-After", "10") // seconds
	}
	switch prefer(r.Header.Get("Accept"), "text/plain", "text/html", "application/json") {
	case "application/json":
		writeJSON(w, e.Status, map[string]any{"error": e.Code, "status": e.Status})
	case "text/html":
		if s.o.Page != nil {
			s.o.Page(w, r, e.Status, e.Code)
			return
		}
		fallthrough
	default:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(e.Status)
		_, _ = w.Write([]byte(e.Error() + "\n")) // the peer is gone; nothing to tell
	}
}

// writeJSON writes v, which must be encodable.
func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // our own types
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n')) // the peer is gone; nothing to tell
}

// prefer returns the type of offers that an Accept header likes best; of equals, the first. Where there is no
// header, or nothing fits, it is the first.
func prefer(accept string, offers ...string) string {
	best, bestQ := offers[0], 0.0
	for _, offer := range offers {
		if q := quality(accept, offer); q > bestQ {
			best, bestQ = offer, q
		}
	}
	return best
}

// quality returns how much an Accept or Accept-Encoding header likes offer, 0 to 1. The most exact range counts.
func quality(header, offer string) float64 {
	kind, _, _ := strings.Cut(offer, "/")
	q, exact := 0.0, 0
	for part := range strings.SplitSeq(header, ",") {
		name, params, _ := strings.Cut(part, ";")
		match := 0
		switch name = strings.ToLower(strings.TrimSpace(name)); name {
		case offer:
			match = 3
		case kind + "/*":
			match = 2
		case "*/*", "*":
			match = 1
		}
		if match > exact {
			q, exact = weight(params), match
		}
	}
	return q
}

// weight reads the q of a range's parameters; 1 without.
func weight(params string) float64 {
	for p := range strings.SplitSeq(params, ";") {
		if v, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(p)), "q="); ok {
			q, err := strconv.ParseFloat(v, 64)
			if err != nil || !(q >= 0 && q <= 1) {
				return 0
			}
			return q
		}
	}
	return 1
}
