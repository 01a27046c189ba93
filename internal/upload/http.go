// SPDX-License-Identifier: Apache-2.0

package upload

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/blob"
)

const (
	patience   = 30 * time.Second // for the next piece of what is brought, or for room to send one
	slowest    = 16 << 10         // bytes within a second, on average, that who brings a file has to manage
	allowances = time.Minute      // more than that, for who begins slowly
)

// longest is how long bringing so many bytes may take.
func longest(size int64) time.Duration { return allowances + time.Duration(size/slowest)*time.Second }

// Handler takes and shows files below prefix, the path of Options.URL: prefix, an ID, "/", the file's name. It is given
// bodies as long as they are.
func (s *Service) Handler(prefix string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		allowAll(w)
		switch r.Method {
		case http.MethodOptions:
			preflight(w)
			return
		case http.MethodGet, http.MethodHead, http.MethodPut:
		default:
			w.Header().Set("Allow", methods)
			say(w, http.StatusMethodNotAllowed)
			return
		}
		id, name, ok := parsePath(strings.TrimPrefix(r.URL.Path, prefix))
		if !ok {
			say(w, http.StatusNotFound)
			return
		}
		if r.Method == http.MethodPut {
			s.put(w, r, id, name)
		} else {
			s.get(w, r, id, name)
		}
	})
}

// parsePath splits what stands behind the prefix.
func parsePath(path string) (blob.ID, string, bool) {
	first, name, _ := strings.Cut(path, "/")
	id, ok := blob.ParseID(first)
	return id, name, ok && validName(name)
}

// escape writes a name as a part of a path, in ASCII (XEP-0363 §4, RFC 3986 §2.1).
func escape(name string) string { return url.PathEscape(name) }

const methods = "OPTIONS, HEAD, GET, PUT"

// allowAll lets pages of all sites bring and show files (XEP-0363 §8): an address is a secret, and there are no cookies.
func allowAll(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Accept-Ranges, Content-Range, ETag")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
}

// preflight answers a page that asks whether it may.
func preflight(w http.ResponseWriter) {
	h := w.Header()
	h.Set("Access-Control-Allow-Methods", methods)
	h.Set("Access-Control-Allow-Headers", "Authorization, Content-Type, Range, If-Range, If-None-Match, If-Modified-Since")
	h.Set("Access-Control-Max-Age", "86400") // seconds
	w.WriteHeader(http.StatusNoContent)
}

// say answers with a status alone.
func say(w http.ResponseWriter, status int) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = io.WriteString(w, strings.ToLower(http.StatusText(status))+"\n") // the peer is gone; nothing to tell
}

// put takes a file (XEP-0363 §7).
func (s *Service) put(w http.ResponseWriter, r *http.Request, id blob.ID, name string) {
	_, token, ok := strings.Cut(r.Header.Get("Authorization"), " ")
	switch {
	case !ok:
		w.Header().Set("WWW-Authenticate", "Bearer")
		say(w, http.StatusUnauthorized)
		return
	case !s.signed(id, token, s.Now()):
		say(w, http.StatusForbidden)
		return
	}
	f, err := s.file(r.Context(), id)
	if status := s.mayPut(r, f, name, err); status != 0 {
		say(w, status)
		return
	}
	body := &incoming{r: r.Body, control: http.NewResponseController(w), end: time.Now().Add(longest(f.Size))}
	err = s.receive(r.Context(), f, body)
	_ = body.control.SetWriteDeadline(time.Now().Add(patience)) // a test's recorder has none
	switch {
	case err == nil:
		w.WriteHeader(http.StatusCreated)
	case errors.Is(err, errBusy):
		say(w, http.StatusConflict)
	case errors.Is(err, errUnknown):
		say(w, http.StatusNotFound)
	case errors.Is(err, errGone):
		say(w, http.StatusGone)
	case errors.Is(err, blob.ErrFull):
		s.Log.ErrorContext(r.Context(), "there is no room for a file", "err", err)
		say(w, http.StatusInsufficientStorage)
	case errors.Is(err, blob.ErrSize):
		say(w, http.StatusRequestEntityTooLarge)
	case body.failed != nil:
		say(w, http.StatusBadRequest) // who hears it has not gone away
	default:
		s.Log.ErrorContext(r.Context(), "keep a file", "err", err)
		say(w, http.StatusInternalServerError)
	}
}

// mayPut returns the status with which a request is refused before anything of the file is read; 0: it is not.
func (s *Service) mayPut(r *http.Request, f file, name string, err error) int {
	switch {
	case errors.Is(err, errUnknown) || err == nil && f.Name != name:
		return http.StatusNotFound
	case err != nil:
		s.Log.ErrorContext(r.Context(), "look for a slot", "err", err)
		return http.StatusInternalServerError
	case f.gone:
		return http.StatusGone
	case f.done:
		return http.StatusConflict
	case r.ContentLength < 0:
		return http.StatusLengthRequired
	case r.ContentLength != f.Size: // XEP-0363 §7
		return http.StatusRequestEntityTooLarge
	case f.Type != "" && r.Header.Get("Content-Type") != "" && !sameType(f.Type, r.Header.Get("Content-Type")): // XEP-0363 §7
		return http.StatusUnsupportedMediaType
	}
	return 0
}

// incoming is a body that comes as slowly as it may.
type incoming struct {
	r       io.Reader
	control *http.ResponseController
	end     time.Time // by the clock of connections
	failed  error     // of reading; not the end
}

func (b *incoming) Read(p []byte) (int, error) {
	until := time.Now().Add(patience)
	if until.After(b.end) {
		until = b.end
	}
	_ = b.control.SetReadDeadline(until) // a test's recorder has none
	n, err := b.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		b.failed = err
	}
	return n, err
}

// sign returns the token that lets a file be brought to a slot until then.
func (s *Service) sign(id blob.ID, until time.Time) string {
	at := strconv.FormatInt(until.Unix(), 10)
	return at + "." + base64.RawURLEncoding.EncodeToString(s.mac(id, at))
}

// signed reports whether token is one that sign gave for id, and is still good.
func (s *Service) signed(id blob.ID, token string, now time.Time) bool {
	at, sum, _ := strings.Cut(token, ".")
	given, err := base64.RawURLEncoding.Strict().DecodeString(sum)
	if err != nil || !hmac.Equal(given, s.mac(id, at)) {
		return false
	}
	until, err := strconv.ParseInt(at, 10, 64)
	return err == nil && now.Before(time.Unix(until, 0))
}

func (s *Service) mac(id blob.ID, at string) []byte {
	m := hmac.New(sha256.New, s.key[:])
	m.Write([]byte(string(id) + " " + at))
	return m.Sum(nil)
}

// get shows a file to everybody who has its address (XEP-0363 §2), but to nothing in a browser that would run it.
func (s *Service) get(w http.ResponseWriter, r *http.Request, id blob.ID, name string) {
	if !shows(r.Header.Get("Sec-Fetch-Dest")) {
		say(w, http.StatusForbidden)
		return
	}
	f, err := s.file(r.Context(), id)
	switch {
	case errors.Is(err, errUnknown), err == nil && (f.Name != name || !f.done && !f.gone):
		say(w, http.StatusNotFound)
		return
	case err != nil:
		s.Log.ErrorContext(r.Context(), "look for a file", "err", err)
		say(w, http.StatusInternalServerError)
		return
	case f.gone:
		say(w, http.StatusGone)
		return
	}
	c, err := s.blobs.Open(id)
	if err != nil {
		s.Log.ErrorContext(r.Context(), "open a file", "err", err)
		say(w, http.StatusInternalServerError)
		return
	}
	defer c.Close()
	h := w.Header()
	kind, inline := shown(f.Type)
	h.Set("Content-Type", kind)
	h.Set("Content-Disposition", disposition(f.Name, inline))
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'; frame-ancestors 'none'") // XEP-0363 §9.1
	h.Set("ETag", `"`+string(id)+`"`)                                                       // what is at an address never changes
	h.Set("Cache-Control", s.caching(f))
	http.ServeContent(&outgoing{ResponseWriter: w, control: http.NewResponseController(w)}, r, "", c.ModTime(), c)
}

// caching says how long others may keep a file: it never changes, but it may have to be gone.
func (s *Service) caching(f file) string {
	seconds := int64(365 * day / time.Second)
	if !f.Until.IsZero() {
		seconds = min(seconds, max(int64(f.Until.Sub(s.Now())/time.Second), 0))
	}
	return "public, max-age=" + strconv.FormatInt(seconds, 10) + ", immutable"
}

// outgoing is an answer that is taken as slowly as it may.
type outgoing struct {
	http.ResponseWriter
	control *http.ResponseController
}

func (o *outgoing) Write(p []byte) (int, error) {
	_ = o.control.SetWriteDeadline(time.Now().Add(patience)) // a test's recorder has none
	return o.ResponseWriter.Write(p)
}

// shows reports whether a browser that wants a thing for dest may have it: to show or to keep, not to run or to frame.
func shows(dest string) bool {
	switch dest {
	case "", "empty", "document", "image", "audio", "video":
		return true
	}
	return false
}

// shown returns the media type under which a file is shown, and whether browsers may show it at all. What is not known to
// be harmless is for saving only.
func shown(declared string) (kind string, inline bool) {
	kind, _, err := mime.ParseMediaType(declared)
	if err != nil {
		return "application/octet-stream", false
	}
	switch kind {
	case "image/png", "image/jpeg", "image/gif", "image/webp", "image/avif", "image/heic", "image/heif", "image/jxl", "image/bmp",
		"audio/mpeg", "audio/mp4", "audio/aac", "audio/ogg", "audio/opus", "audio/webm", "audio/wav", "audio/x-wav", "audio/flac",
		"audio/x-m4a", "audio/amr", "audio/3gpp",
		"video/mp4", "video/webm", "video/ogg", "video/quicktime", "video/3gpp", "video/x-matroska":
		return kind, true
	}
	return "application/octet-stream", false
}

// disposition says under which name a file is saved (RFC 6266 §4).
func disposition(name string, inline bool) string {
	kind := "attachment"
	if inline {
		kind = "inline"
	}
	plain := strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' || c == '"' || c == '%' {
			return '_'
		}
		return c
	}, name)
	return kind + `; filename="` + plain + `"; filename*=UTF-8''` + strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// validType reports whether s is a media type, perhaps with parameters.
func validType(s string) bool {
	kind, _, err := mime.ParseMediaType(s)
	return err == nil && len(s) <= maxType && strings.Contains(kind, "/")
}

// sameType reports whether two media types are the same but for their parameters.
func sameType(a, b string) bool {
	x, _, _ := mime.ParseMediaType(a)
	y, _, err := mime.ParseMediaType(b)
	return err == nil && x == y
}
