// SPDX-License-Identifier: Apache-2.0

// Package portal is what people see in a browser before they have the app: the page of an invitation and the sign-up.
// It works without JavaScript; a small script makes the form nicer.
//
// An invitation's page is the landing page of XEP-0401 v0.6.0 §5.2 and XEP-0379 v0.3.3 §3.3:
//
//	GET  /invite/TOKEN            who invites you, and what this is; Link header with the xmpp: address
//	GET  /invite/TOKEN/qr.svg     the page's own address, for the camera of a phone
//	GET  /invite/TOKEN/register   choose a name and a password
//	POST /invite/TOKEN/register   the account, and on into the app
//	GET  /invite/TOKEN/name?q=…   whether a name is free, as JSON for the script
//
// Only the POST uses the invitation up: chat apps fetch every link for a preview. It makes the account, its contacts
// and the use of the invitation in one write, and then sends the browser to the app at
// /#login=ADDRESS&code=CODE&arrival=MARK. The code is good once, for a minute; being in the fragment it is in no log and
// in no Referer. The mark stands in a cookie as well, so that the code is good in this browser only. A form that is sent
// twice ends in the same place: the second one finds its own name and password.
//
// The pages' words are in words/, one file per language; the pages choose by Accept-Language.
//
// A Portal is mounted at /invite/ and at /assets-portal/. It expects what package httpd promises: Host is one of our
// names, URL.Scheme is that of the browser, the body has a limit. Its methods may be called concurrently.
package portal

import (
	"crypto/rand"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"golang.org/x/text/language"

	"github.com/kith-im/kith/internal/invite"
)

//go:embed assets
var assetFiles embed.FS

//go:embed pages
var pageFiles embed.FS

// Options say for whom a Portal speaks, and what it may ask.
type Options struct {
	URL    string // where people find us: scheme, host and port, no path; links and the QR code begin with it
	Domain string // the XMPP domain
	Name   string // the server's name as people see it; "" means Domain

	Accounts    Accounts
	Invitations Invitations
	SignUp      SignUp

	// Limit makes a limit per address of a client: burst requests at once, then one every so often. The function that it
	// returns counts one and reports whether it is within. nil means no limits.
	Limit func(every time.Duration, burst int) func(*http.Request) bool

	Log *slog.Logger     // nil means slog.Default
	Now func() time.Time // nil means time.Now
}

const (
	signUpEvery = 6 * time.Second // per address: forms
	signUpBurst = 10
	checkEvery  = time.Second // per address: names asked about while typing
	checkBurst  = 60
)

// A Portal answers requests for the pages.
type Portal struct {
	o          Options
	log        *slog.Logger
	routes     *http.ServeMux
	words      []*dictionary
	matcher    language.Matcher
	pages      map[string]*template.Template
	assets     map[string]asset  // by path
	assetPaths map[string]string // by name
	formKey    [32]byte          // signs the forms' tokens; new at each start
	mayAsk     func(*http.Request) bool
	maySignUp  func(*http.Request) bool
}

// New makes a portal; it starts nothing. An error means that what is built into the program is broken.
func New(o Options) (*Portal, error) {
	p := &Portal{o: o, log: o.Log, matcher: language.NewMatcher(languages)}
	if p.log == nil {
		p.log = slog.Default()
	}
	if p.o.Now == nil {
		p.o.Now = time.Now
	}
	if p.o.Name == "" {
		p.o.Name = o.Domain
	}
	p.o.URL = strings.TrimSuffix(o.URL, "/")
	if o.Limit == nil {
		p.o.Limit = func(time.Duration, int) func(*http.Request) bool {
			return func(*http.Request) bool { return true }
		}
	}
	p.mayAsk, p.maySignUp = p.o.Limit(checkEvery, checkBurst), p.o.Limit(signUpEvery, signUpBurst)
	rand.Read(p.formKey[:])
	var err error
	if p.words, err = loadWords(); err != nil {
		return nil, err
	}
	if err := p.loadAssets(); err != nil {
		return nil, err
	}
	if err := p.loadPages(); err != nil {
		return nil, err
	}
	p.route()
	return p, nil
}

func (p *Portal) route() {
	p.routes = http.NewServeMux()
	p.routes.HandleFunc("GET /invite/{token}", p.landing)
	p.routes.HandleFunc("GET /invite/{token}/{$}", func(w http.ResponseWriter, r *http.Request) {
		p.private(w, r)
		http.Redirect(w, r, here(invite.Token(r.PathValue("token"))), http.StatusPermanentRedirect)
	})
	p.routes.HandleFunc("GET /invite/{token}/qr.svg", p.qr)
	p.routes.HandleFunc("GET /invite/{token}/register", p.form)
	p.routes.HandleFunc("POST /invite/{token}/register", p.register)
	p.routes.HandleFunc("GET /invite/{token}/name", p.name)
	p.routes.HandleFunc("GET /assets-portal/{name}", p.asset)
	p.routes.HandleFunc("GET /", func(w http.ResponseWriter, r *http.Request) { p.Problem(w, r, http.StatusNotFound, "not-found") })
	p.routes.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Allow", "GET, HEAD")
		p.Problem(w, r, http.StatusMethodNotAllowed, "method")
	})
}

// ServeHTTP answers one request.
func (p *Portal) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.routes.ServeHTTP(w, r) }

// An asset is a file that the pages use; its path has a part of its hash, so it can be kept for ever.
type asset struct {
	kind string // media type
	body []byte
}

func (p *Portal) loadAssets() error {
	p.assets, p.assetPaths = map[string]asset{}, map[string]string{}
	kinds := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	entries, err := assetFiles.ReadDir("assets")
	if err != nil {
		return fmt.Errorf("portal: %w", err)
	}
	for _, e := range entries {
		body, err := assetFiles.ReadFile(path.Join("assets", e.Name()))
		if err != nil {
			return fmt.Errorf("portal: %w", err)
		}
		sum := sha256.Sum256(body)
		ext := path.Ext(e.Name())
		at := "/assets-portal/" + strings.TrimSuffix(e.Name(), ext) + "-" + hex.EncodeToString(sum[:5]) + ext
		p.assets[at], p.assetPaths[e.Name()] = asset{kinds[ext], body}, at
	}
	return nil
}

func (p *Portal) asset(w http.ResponseWriter, r *http.Request) {
	a, ok := p.assets[r.URL.Path]
	if !ok {
		p.Problem(w, r, http.StatusNotFound, "not-found")
		return
	}
	h := w.Header()
	h.Set("Content-Type", a.kind)
	h.Set("Cache-Control", "public, max-age=31536000, immutable")
	_, _ = w.Write(a.body) // the peer is gone; nothing to tell
}

// here is the path of an invitation.
func here(token invite.Token) string { return "/invite/" + url.PathEscape(string(token)) }
