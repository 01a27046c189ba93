// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"net/http"
	"strings"
)

// noPolicy allows nothing: no script, no picture, no form, no frame. Handlers that show a page set a wider one.
const noPolicy = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// permissions switches off what no page of ours uses.
const permissions = "accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), " +
	"magnetometer=(), microphone=(), midi=(), payment=(), usb=()"

// year, in seconds: how long browsers shall ask by https only.
const strictTransport = "max-age=31536000"

// baseHeaders sets what every answer carries, errors included.
func (s *Server) baseHeaders(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", noPolicy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Permissions-Policy", permissions)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	if s.url.Scheme == "https" && r.URL.Scheme == "https" {
		h.Set("Strict-Transport-Security", strictTransport)
	}
}

// appPolicy is the web app's Content-Security-Policy: scripts and styles from /assets/ only, and nothing inline. It
// names paths, not 'self', so that no other thing this host serves can become a script.
func appPolicy(r *http.Request) string {
	at := r.URL.Scheme + "://" + r.Host // the host is one of ours by now
	socket := "ws" + strings.TrimPrefix(at, "http") + WebSocketPath
	return strings.Join([]string{
		"default-src 'none'",
		"script-src " + at + "/assets/",
		"style-src " + at + "/assets/",
		"font-src " + at + "/assets/",
		"img-src 'self' blob: data: https:", // what people send may lie on their own server
		"media-src 'self' blob: https:",
		"connect-src 'self' " + socket, // the service worker fetches the page itself, too
		"worker-src " + at + "/sw.js " + at + "/assets/",
		"manifest-src " + at + "/manifest.webmanifest",
		"base-uri 'none'",
		"form-action 'none'",
		"frame-ancestors 'none'",
	}, "; ")
}
