// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// forwarded are the headers by which proxies speak of the client. Their presence alone says that there is a proxy.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Real-Ip"}

// origin returns the request with the client's address in RemoteAddr and the client's scheme in URL.Scheme.
func (s *Server) origin(incoming *http.Request) *http.Request {
	u := *incoming.URL
	u.Scheme = "http"
	if incoming.TLS != nil {
		u.Scheme = "https"
	}
	r := incoming.WithContext(incoming.Context()) // a copy: a handler does not change the request it was given
	r.URL = &u
	peer := Address(incoming)
	if !s.isProxy(peer) {
		return r
	}
	if client := s.client(peer, r.Header.Values("X-Forwarded-For")); client != peer {
		r.RemoteAddr = netip.AddrPortFrom(client, 0).String()
	}
	if saysHTTPS(r.Header.Values("X-Forwarded-Proto")) {
		u.Scheme = "https"
	}
	return r
}

// client reads the list from its end, where our own proxies wrote, up to the first address that is none of them.
// What stands before it, anybody may have made up.
func (s *Server) client(peer netip.Addr, lists []string) netip.Addr {
	list := strings.Split(strings.Join(lists, ","), ",")
	client := peer
	for i := len(list) - 1; i >= 0 && s.isProxy(client); i-- {
		next := parseAddress(list[i])
		if !next.IsValid() {
			break
		}
		client = next
	}
	return client
}

// saysHTTPS reports whether every proxy on the way was asked by https.
func saysHTTPS(values []string) bool {
	for _, v := range strings.Split(strings.Join(values, ","), ",") {
		if !strings.EqualFold(strings.TrimSpace(v), "https") {
			return false
		}
	}
	return true
}

func (s *Server) isProxy(a netip.Addr) bool {
	for _, p := range s.o.Proxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// Address returns the address of who sent r: for a request that a Server gave to a mounted handler, the client's. It
// is the zero Addr where the transport has none.
func Address(r *http.Request) netip.Addr { return parseAddress(r.RemoteAddr) }

// parseAddress reads an address with or without port; IPv4 in IPv6 becomes IPv4, a zone is dropped.
func parseAddress(s string) netip.Addr {
	s = strings.TrimSpace(s)
	if ap, err := netip.ParseAddrPort(s); err == nil {
		return ap.Addr().Unmap().WithZone("")
	}
	a, err := netip.ParseAddr(strings.Trim(s, "[]"))
	if err != nil {
		return netip.Addr{}
	}
	return a.Unmap().WithZone("")
}

// Secure reports whether nobody on the way to the client can read or change what is sent: TLS is ours, or a proxy that
// we know says https, or the peer is on this machine and no proxy speaks for it. r is a request that a Server gave
// to a mounted handler.
func Secure(r *http.Request) bool {
	return r.URL.Scheme == "https" || Address(r).IsLoopback() && !hasForwarded(r)
}

func hasForwarded(r *http.Request) bool {
	for _, name := range forwarded {
		if len(r.Header.Values(name)) > 0 { // an empty one too: some proxies add theirs behind what a client sent
			return true
		}
	}
	return false
}

// admit refuses what is not for us, not safe, or too much.
func (s *Server) admit(r *http.Request) error {
	host, ok := hostName(r.Host)
	switch {
	case !ok:
		return &Error{Status: http.StatusBadRequest, Code: CodeBadRequest}
	case !s.names[host]:
		return &Error{Status: http.StatusMisdirectedRequest, Code: CodeWrongHost}
	case !s.limit.Allow(r):
		return &Error{Status: http.StatusTooManyRequests, Code: CodeTooFast}
	case s.url.Scheme != "https" || Secure(r):
		return nil
	case hasForwarded(r):
		// A proxy that is not in Options.Proxies. To redirect would send the browser in circles.
		s.log.Warn("a request came through a proxy that is not configured", "peer", r.RemoteAddr)
		return &Error{Status: http.StatusBadGateway, Code: CodeProxy}
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		return &Error{Status: http.StatusForbidden, Code: CodeInsecure} // it went over the wire in the clear already
	}
	return nil
}

// safer returns the https address of what was asked for by http, and whether to go there.
func (s *Server) safer(r *http.Request) (string, bool) {
	if s.url.Scheme != "https" || Secure(r) {
		return "", false
	}
	to := url.URL{Scheme: "https", Host: s.url.Host, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	return to.String(), true
}

// hostName returns the name in a Host header, in lower case and without port and final dot, and whether the header
// is well-formed.
func hostName(host string) (string, bool) {
	name := host
	if h, port, err := net.SplitHostPort(host); err == nil {
		if strings.Trim(port, "0123456789") != "" {
			return "", false
		}
		name = h
	} else if strings.HasPrefix(host, "[") && strings.HasSuffix(host, "]") {
		name = host[1 : len(host)-1]
	}
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	return name, asciiName(name)
}

// asciiName reports whether s can be a host name or an address: letters, digits, and ".-:_" only.
func asciiName(s string) bool {
	for _, c := range []byte(s) {
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		case c == '.', c == '-', c == ':', c == '_':
		default:
			return false
		}
	}
	return s != ""
}
