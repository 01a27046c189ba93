// SPDX-License-Identifier: Apache-2.0

package httpd_test

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/tls"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/httpd"
)

var longScript = []byte("export const x = 1;\n" + strings.Repeat("// more of it\n", 200))

// options are those of a server on the open internet behind one proxy.
func options() httpd.Options {
	return httpd.Options{
		URL:     "https://kith.example",
		Names:   []string{"chat.kith.example", "::1"},
		Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("fd00::/8")},
		Domain:  "kith.example",
		Name:    "Our kith",
		Version: "1.2.3",
		App: fstest.MapFS{
			".keep":                {Data: nil},
			"index.html":           {Data: []byte("<!doctype html><title>Kith</title>")},
			"sw.js":                {Data: []byte("self.x = 1")},
			"manifest.webmanifest": {Data: []byte("{}")},
			"icon.png":             {Data: []byte("png")},
			"assets/app-1a2b.js":   {Data: longScript},
			"assets/b-1.js":        {Data: []byte("plain")},
			"assets/b-1.js.gz":     {Data: []byte("zipped")},
			"assets/b-1.js.br":     {Data: []byte("brotli")},
		},
		Mounts: []httpd.Mount{
			{Pattern: "/echo", Handler: http.HandlerFunc(echo)},
			{Pattern: "/panic", Handler: http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("on purpose") })},
			{Pattern: "/read", Handler: http.HandlerFunc(read)},
		},
		Log: slog.New(slog.DiscardHandler),
	}
}

// echo says what a mounted handler finds in its request.
func echo(w http.ResponseWriter, r *http.Request) {
	_ = json.NewEncoder(w).Encode(map[string]any{
		"client": httpd.Address(r).String(), "scheme": r.URL.Scheme, "secure": httpd.Secure(r),
	})
}

func read(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			w.WriteHeader(http.StatusRequestEntityTooLarge)
		}
	}
}

func server(t *testing.T, change func(*httpd.Options)) *httpd.Server {
	t.Helper()
	o := options()
	if change != nil {
		change(&o)
	}
	s, err := httpd.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// ask sends a request as a browser over TLS would; change may say otherwise.
func ask(s http.Handler, method, target string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.Host = "kith.example"
	r.RemoteAddr = "192.0.2.7:4711"
	r.TLS = &tls.ConnectionState{}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	s.ServeHTTP(w, r)
	return w
}

func TestEveryAnswerHasTheHeaders(t *testing.T) {
	t.Parallel()
	s := server(t, nil)
	for _, target := range []string{"/", "/healthz", "/app.json", "/.well-known/host-meta", "/echo", "/none", "/assets/app-1a2b.js"} {
		h := ask(s, "GET", target, nil).Header()
		for name, want := range map[string]string{
			"X-Content-Type-Options":     "nosniff",
			"Referrer-Policy":            "no-referrer",
			"Cross-Origin-Opener-Policy": "same-origin",
			"Strict-Transport-Security":  "max-age=31536000",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", target, name, got, want)
			}
		}
		policy := h.Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "frame-ancestors 'none'", "base-uri 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the policy %q lacks %s", target, policy, want)
			}
		}
		if strings.Contains(policy, "unsafe") {
			t.Errorf("%s: the policy %q allows something unsafe", target, policy)
		}
		if h.Get("Permissions-Policy") == "" {
			t.Errorf("%s: no Permissions-Policy", target)
		}
	}
}

func TestTheAppsPolicyNamesItsPaths(t *testing.T) {
	t.Parallel()
	s := server(t, nil)
	policy := ask(s, "GET", "/c/romeo@kith.example", func(r *http.Request) { r.Host = "kith.example:8443" }).Header().Get("Content-Security-Policy")
	for _, want := range []string{
		"script-src https://kith.example:8443/assets/;",
		"style-src https://kith.example:8443/assets/;",
		"connect-src 'self' wss://kith.example:8443/xmpp-websocket;",
		"worker-src https://kith.example:8443/sw.js ",
		"manifest-src https://kith.example:8443/manifest.webmanifest;",
	} {
		if !strings.Contains(policy, want) {
			t.Errorf("policy %q lacks %q", policy, want)
		}
	}
}

func TestHost(t *testing.T) {
	t.Parallel()
	s := server(t, func(o *httpd.Options) { o.Domain = "domain.example" })
	for _, c := range []struct {
		name, host string
		want       int
	}{
		{"ours", "kith.example", 200},
		{"in capitals", "Kith.Example", 200},
		{"with port", "kith.example:8443", 200},
		{"with a final dot", "kith.example.", 200},
		{"a further name", "chat.kith.example", 200},
		{"the domain", "domain.example", 200},
		{"an address that is ours", "[::1]:8080", 200},
		{"another's", "evil.example", 421},
		{"one below ours", "x.kith.example", 421},
		{"ours in front", "kith.example.evil.example", 421},
		{"none", "", 400},
		{"with a user", "me@kith.example", 400},
		{"port is no number", "kith.example:http", 400},
		{"with a space", "kith example", 400},
	} {
		if got := ask(s, "GET", "/app.json", func(r *http.Request) { r.Host = c.host }).Code; got != c.want {
			t.Errorf("%s: Host %q gives %d, want %d", c.name, c.host, got, c.want)
		}
		if got := ask(s, "GET", "/healthz", func(r *http.Request) { r.Host = c.host }).Code; got != 200 {
			t.Errorf("%s: /healthz gives %d", c.name, got)
		}
	}
}

func TestOrigin(t *testing.T) {
	t.Parallel()
	type seen struct {
		Client, Scheme string
		Secure         bool
	}
	plain := func(peer string, headers ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.TLS, r.RemoteAddr = nil, peer
			for i := 0; i < len(headers); i += 2 {
				r.Header.Add(headers[i], headers[i+1])
			}
		}
	}
	s := server(t, func(o *httpd.Options) { o.URL = "http://kith.example" }) // so that nothing is sent to https
	for _, c := range []struct {
		name   string
		change func(*http.Request)
		want   seen
	}{
		{"TLS is ours", nil, seen{"192.0.2.7", "https", true}},
		{"plain", plain("192.0.2.7:1"), seen{"192.0.2.7", "http", false}},
		{"a stranger says it forwards", plain("192.0.2.7:1", "X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https"),
			seen{"192.0.2.7", "http", false}},
		{"our proxy", plain("10.0.0.1:1", "X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https"),
			seen{"198.51.100.1", "https", true}},
		{"our proxy, by http", plain("10.0.0.1:1", "X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "http"),
			seen{"198.51.100.1", "http", false}},
		{"two proxies of ours", plain("10.0.0.1:1", "X-Forwarded-For", "198.51.100.1, 10.0.0.2", "X-Forwarded-Proto", "https, https"),
			seen{"198.51.100.1", "https", true}},
		{"the client made up a part", plain("10.0.0.1:1", "X-Forwarded-For", "203.0.113.9, 198.51.100.1"),
			seen{"198.51.100.1", "http", false}},
		{"the client made up https", plain("10.0.0.1:1", "X-Forwarded-For", "198.51.100.1", "X-Forwarded-Proto", "https", "X-Forwarded-Proto", "http"),
			seen{"198.51.100.1", "http", false}},
		{"two header lines", plain("10.0.0.1:1", "X-Forwarded-For", "203.0.113.9", "X-Forwarded-For", "198.51.100.1"),
			seen{"198.51.100.1", "http", false}},
		{"nonsense in the list", plain("10.0.0.1:1", "X-Forwarded-For", "unknown, 10.0.0.3"), seen{"10.0.0.3", "http", false}},
		{"with ports", plain("[fd00::1]:1", "X-Forwarded-For", "[2001:db8::5]:99"), seen{"2001:db8::5", "http", false}},
		{"IPv4 in IPv6", plain("[::ffff:10.0.0.1]:1", "X-Forwarded-For", "::ffff:198.51.100.1"), seen{"198.51.100.1", "http", false}},
		{"this machine", plain("127.0.0.1:1"), seen{"127.0.0.1", "http", true}},
		{"this machine for somebody else", plain("127.0.0.1:1", "X-Forwarded-For", "198.51.100.1"), seen{"127.0.0.1", "http", false}},
		{"the same with another header", plain("[::1]:1", "Forwarded", "for=198.51.100.1"), seen{"::1", "http", false}},
		{"somebody claims to be this machine", plain("10.0.0.1:1", "X-Forwarded-For", "127.0.0.1"), seen{"127.0.0.1", "http", false}},
	} {
		var got seen
		if err := json.Unmarshal(ask(s, "GET", "/echo", c.change).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(got, c.want); diff != "" {
			t.Errorf("%s (-got +want):\n%s", c.name, diff)
		}
	}
}

func TestPlainHTTPOfASecureServer(t *testing.T) {
	t.Parallel()
	s := server(t, nil)
	plain := func(r *http.Request) { r.TLS = nil }
	w := ask(s, "GET", "/c/a%2Fb?x=1", plain)
	if got, want := w.Header().Get("Location"), "https://kith.example/c/a%2Fb?x=1"; w.Code != 308 || got != want {
		t.Errorf("got %d to %q, want 308 to %q", w.Code, got, want)
	}
	if w.Header().Get("Strict-Transport-Security") != "" {
		t.Error("Strict-Transport-Security on http")
	}
	if w := ask(s, "POST", "/echo", plain); w.Code != 403 {
		t.Errorf("a form sent in the clear: %d, want 403", w.Code)
	}
	w = ask(s, "GET", "/", func(r *http.Request) { r.TLS = nil; r.Header.Set("X-Forwarded-Proto", "https") })
	if w.Code != 502 {
		t.Errorf("an unknown proxy: %d, want 502 and no circle", w.Code)
	}
	if w := ask(s, "GET", "/app.json", func(r *http.Request) { r.TLS = nil; r.RemoteAddr = "127.0.0.1:1" }); w.Code != 200 {
		t.Errorf("this machine: %d", w.Code)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	var broken error
	s := server(t, func(o *httpd.Options) {
		o.Checks = []httpd.Check{
			{Name: "store", Check: func() error { return broken }},
			{Name: "clients", Check: func() error { return nil }},
		}
	})
	if w := ask(s, "GET", "/healthz", nil); w.Code != 200 || w.Body.String() != "ok\nstore: ok\nclients: ok\n" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
	broken = errors.New("/secret/path: disk full")
	w := ask(s, "GET", "/healthz", func(r *http.Request) { r.Header.Set("Accept", "application/json") })
	if want := `{"checks":{"clients":"ok","store":"failing"},"status":"failing"}` + "\n"; w.Code != 503 || w.Body.String() != want {
		t.Errorf("got %d %s, want 503 %s", w.Code, w.Body, want)
	}
	if w := ask(s, "POST", "/healthz", nil); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
		t.Errorf("POST: %d, Allow %q", w.Code, w.Header().Get("Allow"))
	}
}

func TestHostMeta(t *testing.T) {
	t.Parallel()
	type link struct {
		Rel  string `xml:"rel,attr" json:"rel"`
		Href string `xml:"href,attr" json:"href"`
	}
	const socket, bosh = "urn:xmpp:alt-connections:websocket", "urn:xmpp:alt-connections:xbosh"
	for _, c := range []struct {
		url  string
		want []link
	}{
		{"https://kith.example", []link{{socket, "wss://kith.example/xmpp-websocket"}, {bosh, "https://kith.example/http-bind"}}},
		{"http://kith.example:8080", []link{{socket, "ws://kith.example:8080/xmpp-websocket"}, {bosh, "http://kith.example:8080/http-bind"}}},
	} {
		s := server(t, func(o *httpd.Options) { o.URL = c.url })
		w := ask(s, "GET", "/.well-known/host-meta", nil)
		var xrd struct {
			XMLName xml.Name `xml:"http://docs.oasis-open.org/ns/xri/xrd-1.0 XRD"`
			Link    []link
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &xrd); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(c.want, xrd.Link); diff != "" {
			t.Errorf("links (- want, + got):\n%s", diff)
		}
		if got := w.Header().Get("Content-Type"); got != "application/xrd+xml" {
			t.Errorf("Content-Type %q", got)
		}
		if got := w.Header().Get("Access-Control-Allow-Origin"); got != "*" {
			t.Errorf("Access-Control-Allow-Origin %q", got)
		}
		links, err := json.Marshal(c.want)
		if err != nil {
			t.Fatal(err)
		}
		want := `{"links":` + string(links) + "}\n"
		if w := ask(s, "GET", "/.well-known/host-meta.json", nil); w.Body.String() != want ||
			w.Header().Get("Content-Type") != "application/json" || w.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("json: %s, want %s", w.Body, want)
		}
		if w := ask(s, "GET", "/.well-known/host-meta", func(r *http.Request) { r.Header.Set("Accept", "application/json") }); w.Body.String() != want {
			t.Errorf("by Accept: %s, want %s", w.Body, want)
		}
	}
	s := server(t, nil)
	if w := ask(s, "OPTIONS", "/.well-known/host-meta.json", nil); w.Code != 204 || w.Header().Get("Access-Control-Allow-Methods") != "GET, HEAD" {
		t.Errorf("preflight: %d %v", w.Code, w.Header())
	}
	if w := ask(s, "DELETE", "/.well-known/host-meta", nil); w.Code != 405 {
		t.Errorf("DELETE: %d", w.Code)
	}
}

func TestAppInfo(t *testing.T) {
	t.Parallel()
	w := ask(server(t, nil), "GET", "/app.json", nil)
	if got, want := w.Body.String(), `{"domain":"kith.example","name":"Our kith","version":"1.2.3"}`+"\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := w.Header().Get("Cache-Control"); got != "no-cache" {
		t.Errorf("Cache-Control %q", got)
	}
	w = ask(server(t, func(o *httpd.Options) { o.Name = "" }), "GET", "/app.json", nil)
	if !strings.Contains(w.Body.String(), `"name":"kith.example"`) {
		t.Errorf("without a name: %s", w.Body)
	}
}

func TestWebApp(t *testing.T) {
	t.Parallel()
	s := server(t, nil)
	index, hour, ever := "<!doctype html><title>Kith</title>", "public, max-age=3600", "public, max-age=31536000, immutable"
	for _, c := range []struct {
		path   string
		status int
		body   string
		kind   string
		cache  string
	}{
		{"/", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/index.html", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/c/romeo@kith.example", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/c/romeo@kith.example/m/12", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/new", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/settings", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/settings/account", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/contact/juliet@kith.example", 200, index, "text/html; charset=utf-8", "no-cache"},
		{"/sw.js", 200, "self.x = 1", "text/javascript; charset=utf-8", "no-cache"},
		{"/manifest.webmanifest", 200, "{}", "application/manifest+json", "no-cache"},
		{"/icon.png", 200, "png", "image/png", hour},
		{"/assets/app-1a2b.js", 200, string(longScript), "text/javascript; charset=utf-8", ever},
		{"/assets/app-old.js", 404, "not found (not-found)\n", "text/plain; charset=utf-8", "no-store"},
		{"/assets/b-1.js.gz", 404, "not found (not-found)\n", "text/plain; charset=utf-8", "no-store"},
		{"/newer", 404, "not found (not-found)\n", "text/plain; charset=utf-8", "no-store"},
		{"/.keep", 404, "not found (not-found)\n", "text/plain; charset=utf-8", "no-store"},
		{"/c", 404, "not found (not-found)\n", "text/plain; charset=utf-8", "no-store"},
		{"/.git/config", 404, "not found (not-found)\n", "text/plain; charset=utf-8", "no-store"},
	} {
		w := ask(s, "GET", c.path, nil)
		h := w.Header()
		if w.Code != c.status || w.Body.String() != c.body || h.Get("Content-Type") != c.kind || h.Get("Cache-Control") != c.cache {
			t.Errorf("%s: %d %q %q %.40q", c.path, w.Code, h.Get("Content-Type"), h.Get("Cache-Control"), w.Body)
		}
		if w := ask(s, "HEAD", c.path, nil); w.Code != c.status {
			t.Errorf("HEAD %s: %d", c.path, w.Code)
		}
	}
	if w := ask(s, "POST", "/", nil); w.Code != 405 {
		t.Errorf("POST: %d, want 405", w.Code)
	}
}

func TestCompressionAndCache(t *testing.T) {
	t.Parallel()
	s := server(t, nil)
	get := func(path, accept, match string) *httptest.ResponseRecorder {
		return ask(s, "GET", path, func(r *http.Request) {
			r.Header.Set("Accept-Encoding", accept)
			r.Header.Set("If-None-Match", match)
		})
	}
	for _, c := range []struct{ accept, encoding, body string }{
		{"gzip, deflate, br", "br", "brotli"},
		{"gzip", "gzip", "zipped"},
		{"br;q=0, gzip;q=0.5", "gzip", "zipped"},
		{"", "", "plain"},
		{"identity, gzip;q=0", "", "plain"},
	} {
		w := get("/assets/b-1.js", c.accept, "")
		if got := w.Header().Get("Content-Encoding"); got != c.encoding || w.Body.String() != c.body || w.Header().Get("Vary") != "Accept-Encoding" {
			t.Errorf("%q: %q %q", c.accept, got, w.Body)
		}
	}
	w := get("/assets/app-1a2b.js", "gzip", "")
	z, err := gzip.NewReader(bytes.NewReader(w.Body.Bytes()))
	if err != nil {
		t.Fatal("compressed here:", err)
	}
	if body, err := io.ReadAll(z); err != nil || !bytes.Equal(body, longScript) {
		t.Errorf("unpacked: %d bytes, %v", len(body), err)
	}
	if w := get("/assets/app-1a2b.js", "gzip", w.Header().Get("ETag")); w.Code != 304 || w.Body.Len() != 0 {
		t.Errorf("known content: %d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestWithoutTheApp(t *testing.T) {
	t.Parallel()
	s := server(t, func(o *httpd.Options) {
		o.App = fstest.MapFS{".keep": {}}
		o.Page = func(w http.ResponseWriter, _ *http.Request, status int, code string) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "<p>"+code)
		}
	})
	w := ask(s, "GET", "/", func(r *http.Request) { r.Header.Set("Accept", "text/html,*/*;q=0.8") })
	if w.Code != 503 || w.Body.String() != "<p>no-app" {
		t.Errorf("got %d %q", w.Code, w.Body)
	}
}

func TestErrorsByAccept(t *testing.T) {
	t.Parallel()
	s := server(t, func(o *httpd.Options) {
		o.Page = func(w http.ResponseWriter, _ *http.Request, status int, code string) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, "page "+code)
		}
	})
	for accept, want := range map[string]string{
		"":                                  "not found (not-found)\n",
		"*/*":                               "not found (not-found)\n",
		"text/html,application/xml;q=0.9":   "page not-found",
		"application/json":                  `{"error":"not-found","status":404}` + "\n",
		"application/json, text/*;q=0.5":    `{"error":"not-found","status":404}` + "\n",
		"text/html;q=0.2,application/*":     `{"error":"not-found","status":404}` + "\n",
		"text/html;q=no,application/json":   `{"error":"not-found","status":404}` + "\n",
		"image/png":                         "not found (not-found)\n",
		"text/html;level=1;q=0.9,*/*;q=0.1": "page not-found",
	} {
		w := ask(s, "GET", "/none", func(r *http.Request) { r.Header.Set("Accept", accept) })
		if got := w.Body.String(); w.Code != 404 || got != want {
			t.Errorf("Accept %q: %d %q, want %q", accept, w.Code, got, want)
		}
	}
	if w := ask(s, "GET", "/panic", nil); w.Code != 500 || w.Body.String() != "internal server error (internal)\n" {
		t.Errorf("a panic: %d %q", w.Code, w.Body)
	}
}

func TestBodyIsLimited(t *testing.T) {
	t.Parallel()
	s := server(t, func(o *httpd.Options) {
		o.Mounts = append(o.Mounts, httpd.Mount{Pattern: "/more", Handler: http.HandlerFunc(read), MaxBody: 2 * httpd.MaxBody})
	})
	for _, c := range []struct {
		path       string
		size, want int
	}{
		{"/read", httpd.MaxBody, 200},
		{"/read", httpd.MaxBody + 1, 413},
		{"/more", 2 * httpd.MaxBody, 200},
		{"/more", 2*httpd.MaxBody + 1, 413},
	} {
		w := ask(s, "POST", c.path, func(r *http.Request) { r.Body = io.NopCloser(strings.NewReader(strings.Repeat("x", c.size))) })
		if w.Code != c.want {
			t.Errorf("%s, %d bytes: %d, want %d", c.path, c.size, w.Code, c.want)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*httpd.Options){
		"no address":       func(o *httpd.Options) { o.URL = "" },
		"no scheme":        func(o *httpd.Options) { o.URL = "kith.example" },
		"another scheme":   func(o *httpd.Options) { o.URL = "ftp://kith.example" },
		"a path":           func(o *httpd.Options) { o.URL = "https://kith.example/chat" },
		"a name not ASCII": func(o *httpd.Options) { o.Names = []string{"münchen.example"} },
	} {
		o := options()
		change(&o)
		if _, err := httpd.New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{})
	s := server(t, func(o *httpd.Options) {
		o.URL = "http://localhost"
		o.Mounts = append(o.Mounts, httpd.Mount{Pattern: httpd.WebSocketPath, Handler: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\n\r\nmine now")
			_ = conn.Close()
			close(taken)
		})})
	})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx, l) }() // the test waits for it below
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(conn, "GET /app.json HTTP/1.1\r\nHost: localhost\r\n\r\nGET /xmpp-websocket HTTP/1.1\r\nHost: localhost\r\n\r\n")
	all, err := io.ReadAll(bufio.NewReader(conn))
	if err != nil || !strings.Contains(string(all), `"Our kith"`) || !strings.HasSuffix(string(all), "mine now") {
		t.Errorf("read %q, %v", all, err)
	}
	<-taken
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}

	broken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = broken.Close()
	if err := s.Run(t.Context(), broken); err == nil {
		t.Error("a closed listener: no error")
	}
}

// Each request is counted once, by its route and not by its path.
func TestCounters(t *testing.T) {
	t.Parallel()
	s := server(t, nil)
	for _, path := range []string{"/echo", "/echo", "/somewhere", "/healthz", "/panic"} {
		r := httptest.NewRequest(http.MethodGet, "https://kith.example"+path, nil)
		r.TLS = &tls.ConnectionState{}
		s.ServeHTTP(httptest.NewRecorder(), r)
	}
	r := httptest.NewRequest(http.MethodGet, "https://elsewhere.example/echo", nil)
	s.ServeHTTP(httptest.NewRecorder(), r)
	for _, c := range []struct {
		route, class string
		want         uint64
	}{{"/echo", "2xx", 2}, {"/", "4xx", 1}, {"/healthz", "2xx", 1}, {"/panic", "5xx", 1}, {"none", "4xx", 1}} {
		if got := s.Counters().Requests.Of(c.route, c.class).Value(); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.route, c.class, got, c.want)
		}
	}
}
