// SPDX-License-Identifier: Apache-2.0

package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/blob"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/keyfile"
)

const base = "https://kith.example/upload/"

// A world is files of two people, and the clock of both.
type world struct {
	*Service
	t       testing.TB
	dir     string
	store   *db.DB
	blobs   *faulty
	keys    keyfile.Keys
	clock   atomic.Int64 // µs
	handler http.Handler
}

// romeo and juliet are ids of accounts.
const (
	romeo  = 1
	juliet = 2
)

func newWorld(t testing.TB, change ...func(*Options)) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	w.clock.Store(time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).UnixMicro())
	w.store = dbtest.Open(t, filepath.Join(w.dir, "kith.db"), account.Schema(), Schema())
	t.Cleanup(func() { w.store.Close() })
	for id, name := range map[int]string{romeo: "romeo", juliet: "juliet"} {
		w.write(func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES ($1, $2, 'user', FALSE, 0)`, id, name)
			return err
		})
	}
	var err error
	if w.keys, err = keyfile.Load(filepath.Join(w.dir, "secret.key")); err != nil {
		t.Fatal(err)
	}
	w.open(change...)
	return w
}

// open begins anew, as after a start of the server.
func (w *world) open(change ...func(*Options)) {
	w.t.Helper()
	b, err := blob.Open(filepath.Join(w.dir, "files"))
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { b.Close() })
	w.blobs = &faulty{Store: b}
	o := Options{URL: base, Keys: w.keys, MaxSize: 1000, PerDay: 3000, PerPerson: 5000, Retention: 30 * day, Now: w.now,
		Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	w.Service = New(w.store, w.blobs, o)
	w.handler = w.Handler("/upload/")
}

func (w *world) now() time.Time        { return time.UnixMicro(w.clock.Load()).UTC() }
func (w *world) later(d time.Duration) { w.clock.Add(d.Microseconds()) }

func (w *world) write(f func(*db.Tx) error) {
	w.t.Helper()
	if err := w.store.Write(context.Background(), f); err != nil {
		w.t.Fatal(err)
	}
}

// faulty fails when it is told to.
type faulty struct {
	*blob.Store
	mu  sync.Mutex
	err error
}

func (f *faulty) Put(id blob.ID, size int64, r io.Reader) error {
	f.mu.Lock()
	err := f.err
	f.mu.Unlock()
	if err != nil {
		return err
	}
	return f.Store.Put(id, size, r)
}

func (w *world) slot(owner int64, q Request) Slot {
	w.t.Helper()
	s, err := w.Slot(context.Background(), owner, q)
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// request is one to the handler; header are names and values.
func (w *world) request(method, address, body string, header ...string) *httptest.ResponseRecorder {
	w.t.Helper()
	r := httptest.NewRequest(method, address, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
		if header[i] == "Content-Length" {
			r.ContentLength, _ = strconv.ParseInt(header[i+1], 10, 64)
		}
	}
	rec := httptest.NewRecorder()
	w.handler.ServeHTTP(rec, r)
	return rec
}

// bring brings a file, and returns its address.
func (w *world) bring(owner int64, name, kind, text string) string {
	w.t.Helper()
	s := w.slot(owner, Request{Name: name, Size: int64(len(text)), Type: kind})
	if rec := w.request("PUT", s.Put, text, "Authorization", s.Authorization); rec.Code != http.StatusCreated {
		w.t.Fatalf("PUT: %d", rec.Code)
	}
	return s.Get
}

func (w *world) status(address string) int {
	w.t.Helper()
	return w.request("GET", address, "").Code
}

// contents counts what is on the disk.
func (w *world) contents() (n int) {
	w.t.Helper()
	if err := w.blobs.All(func(blob.ID) error { n++; return nil }); err != nil {
		w.t.Fatal(err)
	}
	return n
}

func TestSlotRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, c := range []struct {
		name string
		q    Request
		want error
	}{
		{"right", Request{Name: "très cool.jpg", Size: 1000, Type: "image/jpeg"}, nil},
		{"no type", Request{Name: "x", Size: 1}, nil},
		{"type with parameters", Request{Name: "x", Size: 1, Type: "text/plain; charset=utf-8"}, nil},
		{"no name", Request{Size: 1}, ErrName},
		{"spaces", Request{Name: "  ", Size: 1}, ErrName},
		{"a folder", Request{Name: "..", Size: 1}, ErrName},
		{"another folder", Request{Name: "a/b", Size: 1}, ErrName},
		{"another system's folder", Request{Name: `a\b`, Size: 1}, ErrName},
		{"a line's end", Request{Name: "a\nb", Size: 1}, ErrName},
		{"written backwards", Request{Name: "a\u202egpj.exe", Size: 1}, ErrName},
		{"too long a name", Request{Name: strings.Repeat("x", 256), Size: 1}, ErrName},
		{"half a character", Request{Name: "a\xff", Size: 1}, ErrName},
		{"nothing", Request{Name: "x", Size: 0}, ErrSize},
		{"less than nothing", Request{Name: "x", Size: -1}, ErrSize},
		{"no media type", Request{Name: "x", Size: 1, Type: "jpeg"}, ErrType},
		{"a header more", Request{Name: "x", Size: 1, Type: "image/jpeg\r\nX: y"}, ErrType},
		{"too large", Request{Name: "x", Size: 1001}, ErrTooLarge},
	} {
		_, err := w.Slot(t.Context(), romeo, c.q)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	if n := w.Counters().Slots.Of("given").Value(); n != 3 {
		t.Errorf("%d were given", n)
	}
}

func TestQuotas(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bring(romeo, "a", "", strings.Repeat("x", 1000))
	first := w.now()
	w.later(time.Hour)
	w.slot(romeo, Request{Name: "b", Size: 1000}) // not used: it holds its room for a while
	w.later(time.Minute)
	w.bring(romeo, "c", "", strings.Repeat("x", 1000))

	_, err := w.Slot(t.Context(), romeo, Request{Name: "d", Size: 1})
	quota, ok := errors.AsType[*QuotaError](err)
	if !ok || !quota.Retry.Equal(first.Add(day)) {
		t.Errorf("got %v, %+v", err, quota)
	}
	w.slot(juliet, Request{Name: "d", Size: 1000}) // everybody has their own
	w.later(lifetime)
	w.bring(romeo, "e", "", strings.Repeat("x", 1000)) // in place of what was not used

	// When it says, there is room again, and not before.
	w.clock.Store(quota.Retry.UnixMicro() - 1)
	if _, err := w.Slot(t.Context(), romeo, Request{Name: "f", Size: 1}); err == nil {
		t.Error("too early")
	}
	w.clock.Store(quota.Retry.UnixMicro())
	w.bring(romeo, "f", "", strings.Repeat("x", 1000))
	w.later(day)
	w.bring(romeo, "g", "", strings.Repeat("x", 1000))

	// And in all.
	if _, err := w.Slot(t.Context(), romeo, Request{Name: "h", Size: 1}); !errors.Is(err, ErrFull) {
		t.Errorf("more than there is room for: %v", err)
	}
	w.later(30 * day)
	if err := w.removeDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.slot(romeo, Request{Name: "h", Size: 1000})
}

func TestSlotsWithinADay(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(func(tx *db.Tx) error {
		for i := range dayOfSlots {
			_, err := tx.Exec(`INSERT INTO upload (id, owner, name, type, size, created_at, expires_at) VALUES ($1, $2, '', '', 1, $3, 0)`,
				fmt.Sprint(i), romeo, w.now().Add(-time.Duration(i)*time.Second).UnixMicro())
			if err != nil {
				return err
			}
		}
		return nil
	})
	_, err := w.Slot(t.Context(), romeo, Request{Name: "x", Size: 1})
	if _, ok := errors.AsType[*QuotaError](err); !ok {
		t.Errorf("got %v", err)
	}
}

// TestPut is the table of what bringing a file is answered with.
func TestPut(t *testing.T) {
	t.Parallel()
	const text = "hello"
	for _, c := range []struct {
		name   string
		before func(w *world, s *Slot)
		body   string
		header []string // in place of the right one
		want   int
	}{
		{"right", nil, text, nil, 201},
		{"with its type", nil, text, []string{"Content-Type", "Text/Plain; charset=utf-8"}, 201},
		{"lower-case scheme", func(w *world, s *Slot) { s.Authorization = strings.Replace(s.Authorization, "Bearer", "bearer", 1) }, text, nil, 201},
		{"without a token", func(w *world, s *Slot) { s.Authorization = "" }, text, nil, 401},
		{"another token", func(w *world, s *Slot) { s.Authorization = "Bearer 1.AAAA" }, text, nil, 403},
		{"no token", func(w *world, s *Slot) { s.Authorization = "Bearer " }, text, nil, 403},
		{"the token of another slot", func(w *world, s *Slot) {
			s.Authorization = w.slot(romeo, Request{Name: "x.txt", Size: 5}).Authorization
		}, text, nil, 403},
		{"a longer life", func(w *world, s *Slot) {
			_, rest, _ := strings.Cut(s.Authorization, ".")
			s.Authorization = "Bearer " + strconv.FormatInt(w.now().Add(time.Hour).Unix(), 10) + "." + rest
		}, text, nil, 403},
		{"too late", func(w *world, s *Slot) { w.later(lifetime) }, text, nil, 403},
		{"another name", func(w *world, s *Slot) { s.Put = strings.Replace(s.Put, "x.txt", "y.txt", 1) }, text, nil, 404},
		{"no slot", func(w *world, s *Slot) { s.Put = base + "x" }, text, nil, 404},
		{"a slot of nobody", func(w *world, s *Slot) {
			w.write(func(tx *db.Tx) error { _, err := w.Clear(tx, romeo); return err })
		}, text, nil, 404},
		{"twice", func(w *world, s *Slot) { w.request("PUT", s.Put, text, "Authorization", s.Authorization) }, text, nil, 409},
		{"gone", func(w *world, s *Slot) {
			w.write(func(tx *db.Tx) error { _, err := tx.Exec("UPDATE upload SET gone_at = 1"); return err })
		}, text, nil, 410},
		{"no length", nil, text, []string{"Content-Length", "-1"}, 411},
		{"longer than asked for", nil, text + "!", nil, 413},
		{"shorter than asked for", nil, text[1:], nil, 413},
		{"shorter than said", nil, text[1:], []string{"Content-Length", "5"}, 413},
		{"another type", nil, text, []string{"Content-Type", "image/png"}, 415},
		{"a broken disk", func(w *world, s *Slot) { w.blobs.err = errors.New("broken") }, text, nil, 500},
		{"a full disk", func(w *world, s *Slot) { w.blobs.err = fmt.Errorf("write: %w", blob.ErrFull) }, text, nil, 507},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			s := w.slot(romeo, Request{Name: "x.txt", Size: 5, Type: "text/plain"})
			if c.before != nil {
				c.before(w, &s)
			}
			header := c.header
			if s.Authorization != "" {
				header = append(header, "Authorization", s.Authorization)
			}
			rec := w.request("PUT", s.Put, c.body, header...)
			if rec.Code != c.want {
				t.Errorf("got %d, want %d", rec.Code, c.want)
			}
			if rec.Code == 401 && rec.Header().Get("WWW-Authenticate") != "Bearer" {
				t.Error("without what would help")
			}
			want := 0
			if c.want == 201 || c.want == 409 {
				want = 1
			}
			if n := w.contents(); n != want {
				t.Errorf("%d contents are on the disk", n)
			}
		})
	}
}

// TestGet is the table of what asking for a file is answered with.
func TestGet(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const text = "0123456789"
	at := w.bring(romeo, "très cool.png", "image/png", text)
	first := w.request("GET", at, "")
	tag, modified := first.Header().Get("ETag"), first.Header().Get("Last-Modified")
	for _, c := range []struct {
		name, method, at string
		header           []string
		want             int
		body             string
	}{
		{"whole", "GET", at, nil, 200, text},
		{"head", "HEAD", at, nil, 200, ""},
		{"a range", "GET", at, []string{"Range", "bytes=2-4"}, 206, "234"},
		{"to the end", "GET", at, []string{"Range", "bytes=7-"}, 206, "789"},
		{"the last ones", "GET", at, []string{"Range", "bytes=-2"}, 206, "89"},
		{"beyond the end", "GET", at, []string{"Range", "bytes=20-"}, 416, ""},
		{"of what it was", "GET", at, []string{"Range", "bytes=7-", "If-Range", tag}, 206, "789"},
		{"of what it never was", "GET", at, []string{"Range", "bytes=7-", "If-Range", `"x"`}, 200, text},
		{"known by its tag", "GET", at, []string{"If-None-Match", tag}, 304, ""},
		{"known by its time", "GET", at, []string{"If-Modified-Since", modified}, 304, ""},
		{"known by another tag", "GET", at, []string{"If-None-Match", `"x"`}, 200, text},
		{"another name", "GET", strings.Replace(at, "png", "exe", 1), nil, 404, ""},
		{"unknown", "GET", base + string(blob.NewID()) + "/x", nil, 404, ""},
		{"no file", "GET", base, nil, 404, ""},
		{"not brought yet", "GET", w.slot(romeo, Request{Name: "x", Size: 1}).Get, nil, 404, ""},
		{"as a picture", "GET", at, []string{"Sec-Fetch-Dest", "image"}, 200, text},
		{"by a program", "GET", at, []string{"Sec-Fetch-Dest", "empty"}, 200, text},
		{"as a script", "GET", at, []string{"Sec-Fetch-Dest", "script"}, 403, ""},
		{"as a style", "GET", at, []string{"Sec-Fetch-Dest", "style"}, 403, ""},
		{"as a worker", "GET", at, []string{"Sec-Fetch-Dest", "worker"}, 403, ""},
		{"as a service worker", "GET", at, []string{"Sec-Fetch-Dest", "serviceworker"}, 403, ""},
		{"in a frame", "GET", at, []string{"Sec-Fetch-Dest", "iframe"}, 403, ""},
		{"embedded", "GET", at, []string{"Sec-Fetch-Dest", "embed"}, 403, ""},
		{"as an object", "GET", at, []string{"Sec-Fetch-Dest", "object"}, 403, ""},
		{"removed by others", "DELETE", at, nil, 405, ""},
		{"asked by a page", "OPTIONS", at, []string{"Origin", "https://elsewhere.example"}, 204, ""},
	} {
		rec := w.request(c.method, c.at, "", c.header...)
		if rec.Code != c.want || c.body != "" && rec.Body.String() != c.body || c.method == "HEAD" && rec.Body.Len() > 0 {
			t.Errorf("%s: %d %q, want %d %q", c.name, rec.Code, rec.Body, c.want, c.body)
		}
		if rec.Header().Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: not for all pages", c.name)
		}
		if rec.Header().Get("Set-Cookie") != "" {
			t.Errorf("%s: a cookie", c.name)
		}
	}
}

// TestHeaders: what a browser may do with a file.
func TestHeaders(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.PerDay, o.PerPerson = 1<<20, 1<<20 })
	for _, c := range []struct{ declared, kind, disposition string }{
		{"image/png", "image/png", "inline"},
		{"Image/JPEG; q=1", "image/jpeg", "inline"},
		{"audio/ogg; codecs=opus", "audio/ogg", "inline"},
		{"video/mp4", "video/mp4", "inline"},
		{"image/svg+xml", "application/octet-stream", "attachment"},
		{"text/html", "application/octet-stream", "attachment"},
		{"text/plain", "application/octet-stream", "attachment"},
		{"text/javascript", "application/octet-stream", "attachment"},
		{"text/css", "application/octet-stream", "attachment"},
		{"application/xhtml+xml", "application/octet-stream", "attachment"},
		{"application/pdf", "application/octet-stream", "attachment"},
		{"application/wasm", "application/octet-stream", "attachment"},
		{"", "application/octet-stream", "attachment"},
	} {
		h := w.request("GET", w.bring(romeo, `très "cool".x`, c.declared, "x"), "").Header()
		for name, want := range map[string]string{
			"Content-Type": c.kind,
			"Content-Disposition": c.disposition + `; filename="tr_s _cool_.x"; filename*=UTF-8''` +
				"tr%C3%A8s%20%22cool%22.x",
			"Content-Security-Policy":      "sandbox; default-src 'none'; frame-ancestors 'none'",
			"Cross-Origin-Resource-Policy": "cross-origin",
			"Cache-Control":                "public, max-age=31536000, immutable",
			"Accept-Ranges":                "bytes",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%q: %s is %q, want %q", c.declared, name, got, want)
			}
		}
	}
}

// TestEphemeral: XEP-0363 §5.3.
func TestEphemeral(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.slot(romeo, Request{Name: "x", Size: 1, Until: w.now().Add(time.Hour)})
	w.request("PUT", s.Put, "x", "Authorization", s.Authorization)
	w.later(time.Hour - time.Second)
	if rec := w.request("GET", s.Get, ""); rec.Code != 200 || rec.Header().Get("Cache-Control") != "public, max-age=1, immutable" {
		t.Errorf("before its time: %d, %q", rec.Code, rec.Header())
	}
	w.later(time.Second)
	if got := w.status(s.Get); got != 410 {
		t.Errorf("at its time: %d", got)
	}
	if err := w.removeDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.contents(); n != 0 {
		t.Errorf("%d contents are on the disk", n)
	}
}

func TestRetention(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	old := w.bring(romeo, "old", "", "x")
	unused := w.slot(romeo, Request{Name: "unused", Size: 1}).Get
	w.later(29 * day)
	young := w.bring(romeo, "young", "", "x")
	due := func() {
		t.Helper()
		if err := w.removeDue(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	due()
	if w.status(old) != 200 || w.status(unused) != 410 || w.contents() != 2 {
		t.Errorf("after 29 days: %d, %d, %d contents", w.status(old), w.status(unused), w.contents())
	}
	w.later(day)
	due()
	if w.status(old) != 410 || w.status(young) != 200 || w.contents() != 1 {
		t.Errorf("after 30 days: %d, %d, %d contents", w.status(old), w.status(young), w.contents())
	}
	w.later(keepGone)
	due()
	if w.status(old) != 404 || w.status(young) != 410 {
		t.Errorf("after 60 days: %d, %d", w.status(old), w.status(young))
	}

	for1 := newWorld(t, func(o *Options) { o.Retention = 0 })
	at := for1.bring(romeo, "x", "", "x")
	for1.later(1000 * day)
	if err := for1.removeDue(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := for1.status(at); got != 200 {
		t.Errorf("kept for ever: %d", got)
	}
}

// TestClear: with its account a file is gone.
func TestClear(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.PerDay, o.PerPerson = 1<<20, 1<<20 })
	var list []string
	for i := range 5 {
		list = append(list, w.bring(romeo, fmt.Sprint(i), "", "x"))
	}
	stays := w.bring(juliet, "x", "", "x")
	err := w.store.Batched(t.Context(), func(tx *db.Tx) (int, error) { return w.Clear(tx, romeo) })
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range list {
		if got := w.status(at); got != 404 {
			t.Errorf("got %d", got)
		}
	}
	if err := w.removeWaste(t.Context()); err != nil {
		t.Fatal(err)
	}
	if w.status(stays) != 200 || w.contents() != 1 {
		t.Errorf("the other's file: %d, %d contents", w.status(stays), w.contents())
	}
	if n := w.Counters().Removed.Value(); n != 5 {
		t.Errorf("%d were removed", n)
	}
}

// TestRestart: a slot is good after a restart, and what nobody knows of is removed.
func TestRestart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.slot(romeo, Request{Name: "x", Size: 1})
	half := w.slot(romeo, Request{Name: "y", Size: 1})
	// A crash between the content and the note, and a content that a power cut brought back.
	id, _, _ := parsePath(strings.TrimPrefix(half.Put, base))
	for _, id := range []blob.ID{id, blob.NewID()} {
		if err := w.blobs.Put(id, 1, strings.NewReader("?")); err != nil {
			t.Fatal(err)
		}
	}
	w.open()
	if err := w.removeOrphans(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := w.contents(); n != 1 {
		t.Errorf("%d contents are on the disk", n)
	}
	for _, s := range []Slot{s, half} {
		if rec := w.request("PUT", s.Put, "x", "Authorization", s.Authorization); rec.Code != 201 {
			t.Errorf("PUT after a restart: %d", rec.Code)
		}
		if rec := w.request("GET", s.Get, ""); rec.Body.String() != "x" {
			t.Errorf("GET: %d %q", rec.Code, rec.Body)
		}
	}
}

// TestRun: the waste of an account that goes is taken away at once, and what is due in an hour.
func TestRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.bring(romeo, "x", "", "x")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	w.write(func(tx *db.Tx) error { _, err := w.Clear(tx, romeo); return err })
	for w.Counters().Removed.Value() == 0 { // the test's deadline ends it
		runtime.Gosched()
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if n := w.contents(); n != 0 {
		t.Errorf("%d contents are on the disk", n)
	}
}

// TestTwoAtOnce: of two who bring the same file at the same time one does.
func TestTwoAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	s := w.slot(romeo, Request{Name: "x", Size: 2})
	pr, pw := io.Pipe()
	first := make(chan int, 1)
	go func() {
		r := httptest.NewRequest("PUT", s.Put, pr)
		r.ContentLength = 2
		r.Header.Set("Authorization", s.Authorization)
		rec := httptest.NewRecorder()
		w.handler.ServeHTTP(rec, r)
		first <- rec.Code
	}()
	if _, err := pw.Write([]byte("a")); err != nil { // now it reads
		t.Fatal(err)
	}
	if rec := w.request("PUT", s.Put, "bb", "Authorization", s.Authorization); rec.Code != 409 {
		t.Errorf("the second: %d", rec.Code)
	}
	_, _ = pw.Write([]byte("a"))
	pw.Close()
	if got := <-first; got != 201 {
		t.Errorf("the first: %d", got)
	}
	if rec := w.request("GET", s.Get, ""); rec.Body.String() != "aa" {
		t.Errorf("it is %q", rec.Body)
	}
}

// TestSlowlyBrought holds that what is still being brought when its slot has ended takes room: who brings many files slowly
// has no more of it than others.
func TestSlowlyBrought(t *testing.T) {
	t.Parallel()
	w := newWorld(t, func(o *Options) { o.PerPerson = 3000 })
	var ends []*io.PipeWriter
	brought := make(chan int, 3)
	for range 3 {
		s := w.slot(romeo, Request{Name: "x", Size: 1000})
		pr, pw := io.Pipe()
		ends = append(ends, pw)
		go func() {
			r := httptest.NewRequest("PUT", s.Put, pr)
			r.ContentLength = 1000
			r.Header.Set("Authorization", s.Authorization)
			rec := httptest.NewRecorder()
			w.handler.ServeHTTP(rec, r)
			brought <- rec.Code
		}()
		if _, err := pw.Write([]byte("a")); err != nil { // now it reads
			t.Fatal(err)
		}
	}
	w.later(lifetime + time.Second)
	if _, err := w.Slot(t.Context(), romeo, Request{Name: "y", Size: 1}); !errors.Is(err, ErrFull) {
		t.Errorf("while three are on their way: %v", err)
	}
	w.PerPerson = 10_000
	_, err := w.Slot(t.Context(), romeo, Request{Name: "y", Size: 1})
	if _, ok := errors.AsType[*QuotaError](err); !ok {
		t.Errorf("while three are on their way: %v", err)
	}
	w.slot(juliet, Request{Name: "y", Size: 1000})
	for _, pw := range ends { // they are given up, and hold nothing
		pw.CloseWithError(io.ErrUnexpectedEOF)
		if got := <-brought; got != http.StatusBadRequest {
			t.Errorf("one that broke off: %d", got)
		}
	}
	w.slot(romeo, Request{Name: "y", Size: 1000})
}

// TestLarge: 100 MiB, over a connection, with hardly any memory; and with 100-continue, and broken off.
func TestLarge(t *testing.T) {
	const size = 100 << 20
	w := newWorld(t, func(o *Options) { o.MaxSize, o.PerDay, o.PerPerson = size, 10*size, 10*size })
	server := httptest.NewServer(w.handler)
	defer server.Close()
	at := func(address string) string { return server.URL + strings.TrimPrefix(address, "https://kith.example") }

	s := w.slot(romeo, Request{Name: "x.mp4", Size: size, Type: "video/mp4"})
	runtime.GC()
	var before, now runtime.MemStats
	runtime.ReadMemStats(&before)
	var most uint64
	peak := func() {
		runtime.ReadMemStats(&now)
		most = max(most, now.HeapAlloc)
	}
	body := &zeros{left: size, each: func() { peak() }}
	r, err := http.NewRequestWithContext(t.Context(), "PUT", at(s.Put), body)
	if err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	r.Header.Set("Authorization", s.Authorization)
	r.Header.Set("Expect", "100-continue")
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}}
	defer client.CloseIdleConnections()
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != 201 {
		t.Fatalf("PUT: %d", res.StatusCode)
	}
	if res, err = client.Get(at(s.Get)); err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	n := 0
	buf := make([]byte, 1<<16)
	for err = nil; err == nil; {
		var k int
		k, err = res.Body.Read(buf)
		if n%(1<<22) < k {
			peak()
		}
		n += k
	}
	if n != size || err != io.EOF {
		t.Errorf("GET: %d bytes, %v", n, err)
	}
	if grown := int64(most) - int64(before.HeapAlloc); grown > 2<<20 {
		t.Errorf("the heap grew by %d bytes", grown)
	}

	// A peer that goes away in the middle leaves nothing.
	s = w.slot(romeo, Request{Name: "y", Size: size})
	ctx, cancel := context.WithCancel(t.Context())
	if r, err = http.NewRequestWithContext(ctx, "PUT", at(s.Put), &zeros{left: size, each: func() { cancel() }}); err != nil {
		t.Fatal(err)
	}
	r.ContentLength = size
	r.Header.Set("Authorization", s.Authorization)
	if res, err := client.Do(r); err == nil {
		res.Body.Close()
		t.Fatalf("PUT: %d", res.StatusCode)
	}
	server.Close() // waits for the handlers
	if n := w.contents(); n != 1 {
		t.Errorf("%d contents are on the disk", n)
	}
	if left, err := filepath.Glob(filepath.Join(w.dir, "files", "unfinished", "*")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

// zeros is a long body.
type zeros struct {
	left, since int
	each        func() // called for each MiB
}

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(len(p), z.left)
	clear(p[:n])
	z.left -= n
	if z.since += n; z.since >= 1<<20 {
		z.since = 0
		z.each()
	}
	return n, nil
}

// FuzzName: what may be a file's name comes back from its address, which is ASCII and a part of a path.
func FuzzName(f *testing.F) {
	for _, s := range []string{"très cool.jpg", "a b", "100%", "?#&+", "..x", "", "a/b", "%2f", "日本.png"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		if !validName(name) {
			return
		}
		id := blob.NewID()
		at := base + string(id) + "/" + escape(name)
		for _, c := range []byte(at) {
			if c <= ' ' || c > '~' {
				t.Fatalf("%q is not ASCII", at)
			}
		}
		u, err := url.Parse(at)
		if err != nil || u.RawQuery != "" || u.Fragment != "" || path.Clean(u.Path) != u.Path {
			t.Fatalf("%q: %v, %+v", at, err, u)
		}
		gotID, gotName, ok := parsePath(strings.TrimPrefix(u.Path, "/upload/"))
		if !ok || gotID != id || gotName != name {
			t.Errorf("%q comes back as %q", name, gotName)
		}
	})
}

// FuzzPath: no path leads anywhere but to a file.
func FuzzPath(f *testing.F) {
	f.Add("0123456789abcdef0123456789abcdef/x")
	f.Add("../../etc/passwd")
	f.Fuzz(func(t *testing.T, p string) {
		id, name, ok := parsePath(p)
		if ok && (string(id)+"/"+name != p || !validName(name)) {
			t.Errorf("%q is %q, %q", p, id, name)
		}
	})
}

// FuzzRange: a range, whatever it says, is answered with a part of the file, or not at all.
func FuzzRange(f *testing.F) {
	w := newWorld(f)
	const text = "0123456789"
	at := w.bring(romeo, "x", "", text)
	for _, s := range []string{"bytes=0-", "bytes=-1", "bytes=5-2", "bytes=0-0,2-3", "bytes=a", "lines=1-2", "bytes=9223372036854775807-"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		w.t = t // one after the other
		rec := w.request("GET", at, "", "Range", header)
		switch rec.Code {
		case 200:
			if rec.Body.String() != text {
				t.Errorf("%q: %q", header, rec.Body)
			}
		case 206:
			if !strings.HasPrefix(rec.Header().Get("Content-Type"), "multipart/") && !strings.Contains(text, rec.Body.String()) {
				t.Errorf("%q: %q", header, rec.Body)
			}
		case 416:
		default:
			t.Errorf("%q: %d", header, rec.Code)
		}
	})
}

// FuzzToken: no token but the one that was given is good.
func FuzzToken(f *testing.F) {
	w := newWorld(f)
	id := blob.NewID()
	right := w.sign(id, w.now().Add(lifetime))
	f.Add(right)
	f.Add("")
	f.Add(".")
	f.Add(right + "=")
	f.Fuzz(func(t *testing.T, token string) {
		if w.signed(id, token, w.now()) != (token == right) {
			t.Errorf("%q", token)
		}
	})
}
