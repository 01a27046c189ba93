// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A page is what every page shows; the pages' own types embed it.
type page struct {
	*dictionary
	Title   string
	Summary string // for the preview that chat apps make of a link; "" for none
	Site    string // the server's name
	Script  bool   // whether the page has one

	paths map[string]string
}

// Asset returns the path of a file that the page uses.
func (b page) Asset(name string) string { return b.paths[name] }

func (p *Portal) page(d *dictionary, title string) page {
	return page{dictionary: d, Title: title, Site: p.o.Name, paths: p.assetPaths}
}

func (p *Portal) loadPages() error {
	p.pages = map[string]*template.Template{}
	for _, name := range []string{"landing", "register", "ready", "problem"} {
		t, err := template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html")
		if err != nil {
			return fmt.Errorf("portal: %w", err)
		}
		p.pages[name] = t.Lookup(name + ".html")
	}
	return nil
}

// show writes a page. Nothing of it is kept by anybody: it is about one person's invitation.
func (p *Portal) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := p.pages[name].Execute(&b, data); err != nil {
		p.log.ErrorContext(r.Context(), "draw page", "page", name, "err", err)
		http.Error(w, "internal server error", http.StatusInternalServerError)
		return
	}
	p.private(w, r)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write(b.Bytes()) // the peer is gone; nothing to tell
}

// private sets the headers of everything below /invite/.
func (p *Portal) private(w http.ResponseWriter, r *http.Request) {
	at := p.o.URL
	if r.URL.Scheme != "" && r.Host != "" { // reached by another of our names, or by another port
		at = r.URL.Scheme + "://" + r.Host
	}
	h := w.Header()
	h.Set("Content-Security-Policy", strings.Join([]string{
		"default-src 'none'",
		"style-src " + at + "/assets-portal/",
		"script-src " + at + "/assets-portal/",
		"img-src " + at + "/assets-portal/ " + at + "/invite/",
		"connect-src " + at + "/invite/",
		"form-action 'self'",
		"base-uri 'none'",
		"frame-ancestors 'none'",
	}, "; "))
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Robots-Tag", "noindex")
	h.Add("Vary", "Accept-Language")
}

type problemPage struct {
	page
	Heading, Text  string
	Next, NextText string // where to go from here; "" for nowhere
	Strong         bool   // that is what most people want
}

// Problem draws the page for what went wrong: a status, and one of the codes of package httpd. It is that package's
// Options.Page.
func (p *Portal) Problem(w http.ResponseWriter, r *http.Request, status int, code string) {
	d := p.speak(r)
	key := "http." + code
	if _, ok := d.words[key+".title"]; !ok {
		key = "http.internal"
	}
	data := problemPage{Heading: d.T(key + ".title"), Text: d.T(key+".text", "url", p.o.URL), Next: "/", NextText: d.T("problem.home")}
	switch code {
	case "wrong-host":
		data.Next = p.o.URL + "/"
	case "insecure":
		data.Next = p.o.URL + r.URL.EscapedPath()
	case "no-app", "proxy", "internal", "too-fast":
		data.Next = "" // the start page would say the same
	}
	p.problem(w, r, status, d, data)
}

func (p *Portal) problem(w http.ResponseWriter, r *http.Request, status int, d *dictionary, data problemPage) {
	data.page = p.page(d, data.Heading)
	p.show(w, r, status, "problem", data)
}

// broken ends a request that failed through our fault.
func (p *Portal) broken(w http.ResponseWriter, r *http.Request, err error) {
	p.log.ErrorContext(r.Context(), "request failed", "route", r.Pattern, "err", err)
	p.Problem(w, r, http.StatusInternalServerError, "internal")
}

// letter returns the first letter of a name, as a capital, for the picture.
func letter(name string) string {
	c, n := utf8.DecodeRuneInString(name)
	if n == 0 {
		return ""
	}
	return string(unicode.ToUpper(c))
}
