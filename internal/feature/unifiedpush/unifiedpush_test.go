// SPDX-License-Identifier: Apache-2.0

package unifiedpush_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/feature/unifiedpush"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
)

const (
	app      = "bK3sdmrbtj3bf6XA2S12b8jJUA5TT1dhPEyeoZfVSRM="
	instance = "EtD/1XPLmoIph7W73CZ/uyv6FAnhEAXY1GySHX17vAw="
)

// A stage is a world with a phone that has registered an app.
type stage struct {
	*routertest.World
	phone *routertest.Device
	up    *unifiedpush.UnifiedPush // of the router that the phone is on
	path  string
	slow  atomic.Bool  // the limit per address is reached
	later atomic.Int64 // by how much the room's clock is ahead
}

func play(t *testing.T, f func(s *stage)) {
	routertest.Each(t, func(w *routertest.World) {
		s := &stage{World: w}
		for _, r := range w.Routers {
			s.up = unifiedpush.Install(r, unifiedpush.Options{URL: "https://kith.example", Key: [32]byte{1},
				Limit: func(*http.Request) bool { return !s.slow.Load() },
				Now:   func() time.Time { return time.Now().Add(time.Duration(s.later.Load())) }})
		}
		s.phone = w.Come("juliet/phone", 0)
		s.path = s.register()
		f(s)
	})
}

func (s *stage) register() string {
	s.T.Helper()
	s.phone.Sendf(`<iq type="set" id="r" to="kith.example"><register xmlns="http://gultsch.de/xmpp/drafts/unified-push" application="%s" instance="%s"/></iq>`,
		app, instance)
	s.Settle()
	got := s.phone.Take()
	if len(got) != 1 || got[0].Type != "result" {
		s.T.Fatalf("not registered: %v", got)
	}
	n, _ := got[0].Child("http://gultsch.de/xmpp/drafts/unified-push", "registered")
	until, err := time.Parse(time.RFC3339, n.Attr("expiration"))
	if err != nil || time.Until(until) < 6*24*time.Hour {
		s.T.Errorf("it expires at %q", n.Attr("expiration"))
	}
	path, ok := strings.CutPrefix(n.Attr("endpoint"), "https://kith.example")
	if !ok || !strings.HasPrefix(path, unifiedpush.Path) {
		s.T.Errorf("the endpoint is %q", n.Attr("endpoint"))
	}
	if strings.Contains(path, "juliet") {
		s.T.Error("the endpoint tells whose it is")
	}
	return path
}

// post posts to an endpoint, and has the phone answer: "result", a condition, or "" for nothing.
func (s *stage) post(path, body, answer string) *http.Response {
	s.T.Helper()
	rec := httptest.NewRecorder()
	done := make(chan struct{})
	go func() { // ends with the answer
		defer close(done)
		s.up.ServeHTTP(rec, httptest.NewRequest("POST", path, strings.NewReader(body)))
	}()
	s.Settle()
	for _, st := range s.phone.Take() {
		n, ok := st.Child("http://gultsch.de/xmpp/drafts/unified-push", "push")
		if !ok || st.From.String() != "kith.example" || n.Attr("application") != app || n.Attr("instance") != instance ||
			n.Text() != base64.StdEncoding.EncodeToString([]byte(body)) {
			s.T.Errorf("the phone got %s", st.Raw())
		}
		switch answer {
		case "":
		case "result":
			s.phone.Sendf(`<iq type="result" id="%s" to="kith.example"/>`, st.ID)
		default:
			s.phone.Sendf(`<iq type="error" id="%s" to="kith.example"><error type="cancel"><%s xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`,
				st.ID, answer)
		}
	}
	<-done
	return rec.Result()
}

func (s *stage) want(name string, r *http.Response, status int) {
	s.T.Helper()
	if r.StatusCode != status {
		s.T.Errorf("%s: %d, want %d", name, r.StatusCode, status)
	}
	switch wait := r.Header.Get("Retry-After"); status {
	case 429, 503:
		if wait == "" {
			s.T.Errorf("%s: it does not say until when", name)
		}
	}
}

func TestPush(t *testing.T) {
	play(t, func(s *stage) {
		if len(s.Routers) > 1 {
			return // where packets are lost, the answer may come after the time for it; see TestElsewhere
		}
		r := s.post(s.path, "\x00binary\xff", "result")
		s.want("taken", r, 201)
		if ttl := r.Header.Get("TTL"); ttl != "0" {
			t.Errorf("TTL is %q", ttl)
		}
		s.want("no answer in time", s.post(s.path, "x", ""), 201)
		s.want("4096 bytes", s.post(s.path, strings.Repeat("x", 4096), "result"), 201)
		s.want("too long", s.post(s.path, strings.Repeat("x", 4097), ""), 413)
		s.want("nothing", s.post(s.path, "", ""), 400)
		s.want("another token", s.post(unifiedpush.Path+"abc", "x", ""), 404)
		s.want("one that was changed", s.post(s.path[:len(s.path)-3]+"AAA", "x", ""), 404)
		s.want("too long a token", s.post(unifiedpush.Path+strings.Repeat("A", 10_000), "x", ""), 404)
		s.want("an error that passes", s.post(s.path, "x", "service-unavailable"), 503)

		s.want("the app is gone", s.post(s.path, "x", "item-not-found"), 404)
		s.want("revoked", s.post(s.path, "x", "result"), 410)
		again := s.register()
		s.want("registered again", s.post(again, "x", "result"), 201)
		s.want("no such feature", s.post(again, "x", "feature-not-implemented"), 404)
		s.want("revoked, too", s.post(again, "x", "result"), 410)

		again = s.register()
		for range 59 {
			s.want("many", s.post(again, "x", "result"), 201)
		}
		s.want("the last", s.post(again, "x", "result"), 201)
		s.want("too many", s.post(again, "x", "result"), 429)
		time.Sleep(2 * time.Second)
		s.want("a little later", s.post(again, "x", "result"), 201)

		s.slow.Store(true)
		s.want("too much from one address", s.post(again, "x", "result"), 429)
		s.slow.Store(false)

		s.phone.Leave()
		s.Settle()
		time.Sleep(time.Minute)
		s.want("the phone is gone", s.post(again, "x", ""), 503)
		s.later.Store(int64(8 * 24 * time.Hour))
		s.want("expired", s.post(again, "x", ""), 410)
	})
}

// TestElsewhere holds that a post reaches a phone on another router.
func TestElsewhere(t *testing.T) {
	play(t, func(s *stage) { s.want("taken", s.post(s.path, "x", "result"), 201) })
}

func TestDiscovery(t *testing.T) {
	play(t, func(s *stage) {
		for _, c := range []struct {
			method, path, body string
			status             int
		}{
			{"GET", s.path, `{"unifiedpush":{"version":1}}`, 200},
			{"GET", unifiedpush.Path, `{"unifiedpush":{"version":1}}`, 200},
			{"PUT", s.path, "", 405},
			{"DELETE", s.path, "", 405},
		} {
			rec := httptest.NewRecorder()
			s.up.ServeHTTP(rec, httptest.NewRequest(c.method, c.path, nil))
			if rec.Code != c.status || strings.TrimSpace(rec.Body.String()) != c.body {
				t.Errorf("%s %s: %d %s", c.method, c.path, rec.Code, rec.Body)
			}
		}
	})
}
