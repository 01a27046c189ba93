// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"io/fs"
	"net/http"
	"path"
	"strconv"
	"strings"
	"sync"
)

const (
	forever = "public, max-age=31536000, immutable" // the name changes with the content
	anHour  = "public, max-age=3600"
	askUs   = "no-cache" // kept, but asked for each time: so a new version is seen at once

	compressFrom = 1024 // bytes; smaller files gain nothing
)

// An app is the built web app, read once and kept in memory with its compressed forms: a few hundred kilobytes.
type app struct {
	files map[string]*file // by path, "/index.html"
}

type file struct {
	body  []byte
	gz    func() []byte // nil where there is none
	br    []byte        // the same
	kind  string        // media type
	tag   string        // ETag
	cache string        // Cache-Control
}

// loadApp reads the files of dist. What has a compressed form beside it (NAME.gz, NAME.br) is served with it; text
// without one is compressed when it is asked for. Names that begin with a dot are left out.
func loadApp(dist fs.FS) (*app, error) {
	a := &app{files: map[string]*file{}}
	if dist == nil {
		return a, nil
	}
	raw := map[string][]byte{}
	err := fs.WalkDir(dist, ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(path.Base(name), ".") {
			return err
		}
		raw["/"+name], err = fs.ReadFile(dist, name)
		return err
	})
	if err != nil {
		return nil, err
	}
	for name, body := range raw {
		if of, _, ok := compressedName(name); ok && raw[of] != nil {
			continue
		}
		a.files[name] = newFile(name, body, raw[name+".gz"], raw[name+".br"])
	}
	return a, nil
}

// compressedName splits "x.js.gz" into "x.js" and "gz".
func compressedName(name string) (of, encoding string, ok bool) {
	ext := path.Ext(name)
	return strings.TrimSuffix(name, ext), strings.TrimPrefix(ext, "."), ext == ".gz" || ext == ".br"
}

func newFile(name string, body, gz, br []byte) *file {
	sum := sha256.Sum256(body)
	f := &file{body: body, br: br, tag: `W/"` + base64.RawURLEncoding.EncodeToString(sum[:12]) + `"`, cache: anHour}
	var text bool
	f.kind, text = mediaType(name)
	switch {
	case strings.HasPrefix(name, "/assets/"):
		f.cache = forever
	case name == "/index.html", name == "/sw.js", strings.HasSuffix(name, ".webmanifest"):
		f.cache = askUs
	}
	switch {
	case gz != nil:
		f.gz = func() []byte { return gz }
	case text && len(body) >= compressFrom:
		f.gz = sync.OnceValue(func() []byte { return compress(body) }) // when somebody asks: a start is quick
	}
	return f
}

func compress(body []byte) []byte {
	var b bytes.Buffer
	z, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		panic(err) // the level is ours
	}
	_, _ = z.Write(body) // into memory: cannot fail
	_ = z.Close()
	return b.Bytes()
}

// mediaType returns the media type by the file's name, and whether compressing it helps. The table is ours: the
// machine's may be wrong, and a script of the wrong type does not run.
func mediaType(name string) (kind string, text bool) {
	switch path.Ext(name) {
	case ".html":
		return "text/html; charset=utf-8", true
	case ".js", ".mjs":
		return "text/javascript; charset=utf-8", true
	case ".css":
		return "text/css; charset=utf-8", true
	case ".svg":
		return "image/svg+xml", true
	case ".json", ".map":
		return "application/json", true
	case ".webmanifest":
		return "application/manifest+json", true
	case ".txt":
		return "text/plain; charset=utf-8", true
	case ".wasm":
		return "application/wasm", true
	case ".ico":
		return "image/x-icon", true
	case ".png":
		return "image/png", false
	case ".webp":
		return "image/webp", false
	case ".jpg", ".jpeg":
		return "image/jpeg", false
	case ".woff2":
		return "font/woff2", false
	case ".mp3":
		return "audio/mpeg", false
	case ".ogg", ".opus":
		return "audio/ogg", false
	default:
		return "application/octet-stream", false
	}
}

// appRoutes are the addresses of the web app's screens: a name alone, or with a slash all below it.
var appRoutes = []string{"/", "/new", "/share", "/settings", "/settings/", "/c/", "/contact/", "/call/"}

// isScreen reports whether the web app draws this path.
func isScreen(p string) bool {
	for _, route := range appRoutes {
		if p == route || route != "/" && strings.HasSuffix(route, "/") && strings.HasPrefix(p, route) {
			return true
		}
	}
	return false
}

// serveApp answers everything that nobody else does: the web app's files and screens.
func (s *Server) serveApp(w http.ResponseWriter, r *http.Request) error {
	f, ok := s.app.files[r.URL.Path]
	if !ok && isScreen(r.URL.Path) {
		if f, ok = s.app.files["/index.html"]; !ok {
			return &Error{Status: http.StatusServiceUnavailable, Code: CodeNoApp}
		}
	}
	if !ok {
		return &Error{Status: http.StatusNotFound, Code: CodeNotFound}
	}
	if err := onlyRead(w, r); err != nil {
		return err
	}
	f.serve(w, r)
	return nil
}

// serve writes the file in the best form that the client can read.
func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.kind)
	h.Set("Cache-Control", f.cache)
	h.Set("ETag", f.tag)
	if strings.HasPrefix(f.kind, "text/html") || strings.HasPrefix(f.kind, "text/javascript") { // pages and workers
		h.Set("Content-Security-Policy", appPolicy(r))
	}
	body, encoding := f.body, ""
	if f.gz != nil || f.br != nil {
		h.Add("Vary", "Accept-Encoding")
		accept := r.Header.Get("Accept-Encoding")
		switch {
		case f.br != nil && quality(accept, "br") > 0:
			body, encoding = f.br, "br"
		case f.gz != nil && quality(accept, "gzip") > 0:
			body, encoding = f.gz(), "gzip"
		}
	}
	if strings.Contains(r.Header.Get("If-None-Match"), f.tag) {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	if encoding != "" {
		h.Set("Content-Encoding", encoding)
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // the peer is gone; nothing to tell
	}
}
