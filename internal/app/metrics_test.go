// SPDX-License-Identifier: Apache-2.0

package app

import (
	"flag"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
)

var update = flag.Bool("update", false, "write doc/metrics.md anew")

const metricsPage = "../../doc/metrics.md"

// The page about metrics has the table that measure makes: go test ./internal/app -run TestMetricsPage -update.
func TestMetricsPage(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.FromSlash(metricsPage))
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- begin -->\n", "<!-- end -->"
	before, rest, ok1 := strings.Cut(string(page), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no place for the table", metricsPage)
	}
	want := before + begin + start(t).metrics.Table() + end + after
	if *update {
		if err := os.WriteFile(filepath.FromSlash(metricsPage), []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, string(page)); diff != "" {
		t.Errorf("the table is not what measure says; make it with: go test ./internal/app -run TestMetricsPage -update\n%s", diff)
	}
}

// What happens shows in the numbers.
func TestMetrics(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *config.Config) { c.Listen.Metrics = "127.0.0.1:0" })
	for _, name := range []string{"romeo", "juliet", "nurse"} {
		s.user(t, name, account.User)
	}
	romeo := s.login(t, "romeo", password, "desk")
	juliet := s.available(t, "juliet", password, "balcony")
	romeo.MustSend(t, `<message to="juliet@kith.example" type="chat"><body>hark</body></message>`+
		`<message to="nurse@kith.example" type="chat"><body>where is she</body></message>`)
	if err := juliet.ExpectAll(t.Context(), `<message type="chat"><body>hark</body></message>`); err != nil {
		t.Fatal(err)
	}
	nurse := s.login(t, "nurse", password, "door")
	nurse.MustSend(t, `<presence/>`) // which has her get what waited
	if err := nurse.ExpectAll(t.Context(), `<presence/>`, `<message><body>where is she</body></message>`); err != nil {
		t.Fatal(err)
	}

	s.user(t, "benvolio", account.User)
	benvolio := s.login(t, "benvolio", password, "street")
	resumable(t, benvolio)
	benvolio.Cut()

	got := s.numbersNow(t)
	for end := time.Now().Add(10 * time.Second); !strings.Contains(got, `state="asleep"} 1`) && time.Now().Before(end); {
		got = s.numbersNow(t) // the server has not noticed yet
	}
	for _, want := range []string{
		`kith_build_info{version="1.2.3"} 1`,
		`kith_c2s_connections_total{transport="tls"} 4`,
		`kith_c2s_logins_total{mechanism="SCRAM-SHA-256",outcome="success"} 4`,
		`kith_c2s_connections 3`,
		`kith_router_sessions{state="asleep"} 1`,
		`kith_router_sessions{state="awake"} 3`,
		`kith_router_stanzas_total{direction="outbound",kind="message"} 2`,
		`kith_router_recorded_total 2`,
		`kith_router_delivered_total 1`,
		`kith_router_waiting_total 1`,
		`kith_db_healthy 1`,
	} {
		if !strings.Contains(got, "\n"+want+"\n") {
			t.Errorf("the metrics lack %s", want)
		}
	}
	if t.Failed() {
		for l := range strings.Lines(got) {
			if strings.HasPrefix(l, "kith_") {
				t.Log(strings.TrimSpace(l))
			}
		}
	}
}

// numbersNow reads the metrics.
func (s *testServer) numbersNow(t *testing.T) string {
	t.Helper()
	resp, err := http.Get("http://" + s.numbers.Addr().String() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET /metrics: %s, %v", resp.Status, err)
	}
	return "\n" + string(b)
}
