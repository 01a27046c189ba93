// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"
)

func from(addr string) *http.Request {
	return &http.Request{RemoteAddr: addr}
}

func TestLimiter(t *testing.T) {
	t.Parallel()
	now := time.Unix(1e9, 0)
	l := NewLimiter(time.Second, 2, func() time.Time { return now })
	step := func(addr string, want bool) {
		t.Helper()
		if got := l.Allow(from(addr)); got != want {
			t.Errorf("%s: %v, want %v", addr, got, want)
		}
	}
	step("192.0.2.1:1", true)
	step("192.0.2.1:2", true)
	step("192.0.2.1:3", false)
	step("192.0.2.2:1", true) // a neighbour
	step("[::ffff:192.0.2.1]:1", false)
	step("[2001:db8::1]:1", true)
	step("[2001:db8::2]:1", true)
	step("[2001:db8::ffff:3]:1", false) // the same household
	step("[2001:db8:0:1::3]:1", true)
	step("@", true) // a peer without an address
	step("@", true)
	step("@", false)
	now = now.Add(time.Second)
	step("192.0.2.1:3", true)
	step("192.0.2.1:3", false)
}

func TestLimiterForgetsTheOldest(t *testing.T) {
	t.Parallel()
	l := NewLimiter(time.Hour, 1, nil)
	at := func(i int) *http.Request {
		return from(netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1).String())
	}
	for i := range limiterSize {
		l.Allow(at(i))
	}
	if l.Allow(at(0)) { // known, and from now on the latest
		t.Error("the first is forgotten too early")
	}
	l.Allow(at(limiterSize))
	if len(l.known) != limiterSize || l.recent.Len() != limiterSize {
		t.Errorf("remembers %d and %d, want %d", len(l.known), l.recent.Len(), limiterSize)
	}
	if l.Allow(at(0)) {
		t.Error("the wrong one was forgotten")
	}
	if !l.Allow(at(1)) {
		t.Error("the oldest is still known")
	}
}

func TestLimiterConcurrently(t *testing.T) {
	t.Parallel()
	l := NewLimiter(time.Hour, 50, nil)
	allowed := make(chan bool, 400)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for j := range 100 {
				allowed <- l.Allow(from("192.0.2.1:1"))
				l.Allow(from(fmt.Sprintf("198.51.100.%d:1", i*50+j%50)))
			}
		})
	}
	wg.Wait()
	close(allowed)
	n := 0
	for ok := range allowed {
		if ok {
			n++
		}
	}
	if n != 50 {
		t.Errorf("%d were let through, want 50", n)
	}
}

func TestTooFastIsSlowedDown(t *testing.T) {
	t.Parallel()
	s, err := New(Options{URL: "http://localhost", Now: func() time.Time { return time.Unix(1e9, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	r := from("192.0.2.1:1")
	r.Method, r.Host, r.URL = "GET", "localhost", &url.URL{Path: "/app.json"}
	for range requestsBurst {
		if err := s.admit(r); err != nil {
			t.Fatal(err)
		}
	}
	if err, ok := s.admit(r).(*Error); !ok || err.Status != http.StatusTooManyRequests {
		t.Errorf("got %v, want 429", err)
	}
}

// What a header says is never followed blindly, and nothing makes the readers fall over.
func FuzzHeaders(f *testing.F) {
	f.Add("198.51.100.1, 10.0.0.1", "kith.example:443", "text/html;q=0.5,*/*")
	f.Add("[::1]:x,", "[::1]", ";q=2,,/*;q=NaN")
	s := &Server{o: Options{Proxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	peer := netip.MustParseAddr("10.1.1.1")
	f.Fuzz(func(t *testing.T, list, host, accept string) {
		if got := s.client(peer, []string{list}); !got.IsValid() || got.Is4In6() || got.Zone() != "" {
			t.Errorf("%q gives the client %v", list, got)
		}
		if name, ok := hostName(host); ok && (name == "" || name != strings.ToLower(name) || strings.ContainsAny(name, "@/ ")) {
			t.Errorf("%q is the host %q", host, name)
		}
		if q := quality(accept, "text/html"); !(q >= 0 && q <= 1) {
			t.Errorf("%q has quality %v", accept, q)
		}
	})
}
