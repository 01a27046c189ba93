// SPDX-License-Identifier: Apache-2.0

package metrics

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
)

// lines are those of ours that /metrics shows.
func lines(t *testing.T, r *Registry) map[string]bool {
	t.Helper()
	q := httptest.NewRequest(http.MethodGet, "http://localhost/metrics", nil)
	q.RemoteAddr = "127.0.0.1:4711"
	w := httptest.NewRecorder()
	r.Handler().ServeHTTP(w, q)
	if w.Code != http.StatusOK {
		t.Fatalf("GET /metrics: %d\n%s", w.Code, w.Body)
	}
	m := map[string]bool{}
	for l := range strings.Lines(w.Body.String()) {
		m[strings.TrimSpace(l)] = true
	}
	return m
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	r := NewRegistry("1.2.3")
	var c Counter
	var g Gauge
	var v Vec
	h := NewHistogram(1, 10)
	r.Counter("kith_test_things_total", "Things.", &c)
	r.Gauge("kith_test_here", "Here.", func() float64 { return float64(g.Value()) })
	r.Gauges("kith_test_by_state", "By state.", "state", func(give func(float64, string)) { give(1, "awake"); give(2, "asleep") })
	r.Vec("kith_test_requests_total", "Requests.", &v, "route", "class")
	r.Histogram("kith_test_size", "Sizes.", h)

	c.Inc()
	c.Add(2)
	g.Inc()
	g.Inc()
	g.Dec()
	v.Of("/", "2xx").Inc()
	v.Of("/", "5xx").Add(3)
	for _, x := range []float64{0.5, 1, 2, 30} {
		h.Observe(x)
	}
	got := lines(t, r)
	for _, want := range []string{
		`kith_build_info{version="1.2.3"} 1`,
		`kith_test_things_total 3`,
		`kith_test_here 1`,
		`kith_test_by_state{state="asleep"} 2`,
		`kith_test_requests_total{class="2xx",route="/"} 1`,
		`kith_test_requests_total{class="5xx",route="/"} 3`,
		`kith_test_size_bucket{le="1"} 2`,
		`kith_test_size_bucket{le="10"} 3`,
		`kith_test_size_bucket{le="+Inf"} 4`,
		`kith_test_size_sum 33.5`,
		`# TYPE kith_test_size histogram`,
	} {
		if !got[want] {
			t.Errorf("/metrics lacks the line %s", want)
		}
	}
	if table := r.Table(); !strings.Contains(table, "| `kith_test_requests_total` | counter | `route`, `class` | Requests. |\n") {
		t.Errorf("the table:\n%s", table)
	}
}

// What strangers choose cannot become more counters than there is room for.
func TestVecIsBounded(t *testing.T) {
	t.Parallel()
	var v Vec
	for i := range 3 * maxLabels {
		v.Of("mechanism", fmt.Sprint(i)).Inc()
	}
	n := 0
	v.each(func([]string, uint64) { n++ })
	if n != maxLabels+1 {
		t.Errorf("%d counters, want %d", n, maxLabels+1)
	}
	if got := v.Of(Other, Other).Value(); got != 2*maxLabels {
		t.Errorf("%d are others, want %d", got, 2*maxLabels)
	}
}

// Counters may be counted while they are read.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	r := NewRegistry("1")
	var c Counter
	var v Vec
	h := NewHistogram(1)
	r.Counter("kith_test_things_total", "Things.", &c)
	r.Vec("kith_test_vec_total", "Vec.", &v, "n")
	r.Histogram("kith_test_size", "Sizes.", h)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 1000 {
				c.Inc()
				v.Of(fmt.Sprint(i % 2)).Inc()
				h.Observe(0.5)
			}
		})
	}
	wg.Go(func() {
		for range 10 {
			lines(t, r)
		}
	})
	wg.Wait()
	got := lines(t, r)
	for _, want := range []string{"kith_test_things_total 8000", `kith_test_vec_total{n="1"} 4000`, "kith_test_size_sum 4000"} {
		if !got[want] {
			t.Errorf("/metrics lacks the line %s", want)
		}
	}
}

// Only this machine may ask, and only by a name of the loopback.
func TestWhoMayAsk(t *testing.T) {
	t.Parallel()
	h := NewRegistry("1").Handler()
	for _, c := range []struct {
		name, host, peer, path string
		status                 int
	}{
		{"by name", "localhost:9100", "127.0.0.1:1", "/metrics", 200},
		{"by address", "127.0.0.1:9100", "127.0.0.1:1", "/metrics", 200},
		{"by address of IPv6", "[::1]:9100", "[::1]:1", "/metrics", 200},
		{"without a port", "localhost", "127.0.0.1:1", "/metrics", 200},
		{"IPv4 in IPv6", "localhost", "[::ffff:127.0.0.1]:1", "/metrics", 200},
		{"profiles", "localhost", "127.0.0.1:1", "/debug/pprof/goroutine?debug=1", 200},
		{"from elsewhere", "localhost", "192.0.2.1:1", "/metrics", 403},
		{"from nowhere", "localhost", "", "/metrics", 403},
		{"rebound", "evil.example:9100", "127.0.0.1:1", "/metrics", 421},
		{"rebound, profiles", "evil.example", "127.0.0.1:1", "/debug/pprof/", 421},
		{"looks like the loopback", "127.0.0.1.evil.example", "127.0.0.1:1", "/metrics", 421},
		{"no host", "", "127.0.0.1:1", "/metrics", 421},
		{"nothing there", "localhost", "127.0.0.1:1", "/", 404},
	} {
		q := httptest.NewRequest(http.MethodGet, c.path, nil)
		q.Host, q.RemoteAddr = c.host, c.peer
		w := httptest.NewRecorder()
		h.ServeHTTP(w, q)
		if w.Code != c.status {
			t.Errorf("%s: %d, want %d", c.name, w.Code, c.status)
		}
	}
}

// Serve ends with its context, also while a profile is being taken.
func TestServe(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewRegistry("1").Serve(ctx, l, slog.New(slog.DiscardHandler)) }() // waited for below
	resp, err := http.Get("http://" + l.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(b), "go_goroutines") {
		t.Errorf("GET /metrics: %v\n%s", err, b)
	}
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /debug/pprof/trace?seconds=100 HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Read(make([]byte, 1)); err != nil { // it has begun
		t.Fatal(err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Serve: %v", err)
	}
}

func BenchmarkCounter(b *testing.B) {
	var c Counter
	b.ReportAllocs()
	for b.Loop() {
		c.Inc()
	}
}

func BenchmarkVec(b *testing.B) {
	var v Vec
	b.ReportAllocs()
	for b.Loop() {
		v.Of("SCRAM-SHA-256", "success").Inc()
	}
}
