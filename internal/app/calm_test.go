// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"
)

func TestCalm(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	now := time.Unix(0, 0)
	log := calm(slog.New(slog.NewTextHandler(&out, nil)), func() time.Time { return now })
	for i := range 1000 {
		log.With("pkg", "c2s").Info("log-in failed", "n", i) // a logger of one part says what another one has said
	}
	log.Warn("odd")
	if got := strings.Count(out.String(), "log-in failed"); got != calmBurst {
		t.Errorf("%d lines of a flood, want %d", got, calmBurst)
	}
	if !strings.Contains(out.String(), "odd") {
		t.Error("a flood took another message's place")
	}
	out.Reset()
	now = now.Add(time.Second)
	for range 100 {
		log.Info("log-in failed")
	}
	if got := strings.Count(out.String(), "log-in failed"); got != calmRate {
		t.Errorf("%d lines after a second, want %d", got, calmRate)
	}
	if want := fmt.Sprintf("left_out=%d\n", 1000-calmBurst); !strings.Contains(out.String(), want) {
		t.Errorf("nothing says %s:\n%s", want, out.String())
	}
}

// Messages that are no constants, by mistake, do not fill the memory.
func TestCalmIsBounded(t *testing.T) {
	t.Parallel()
	s := &calmState{now: time.Now, said: map[calmKey]*calmMessage{}}
	for i := range 3 * calmMessages {
		s.pass(calmKey{message: fmt.Sprint(i)})
	}
	if len(s.said) > calmMessages+1 {
		t.Errorf("%d messages are told apart", len(s.said))
	}
}

func TestCalmLeavesNothingOutForWhoSearches(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	log := calm(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug})), time.Now)
	for range 1000 {
		log.Info("log-in failed")
	}
	if got := strings.Count(out.String(), "log-in failed"); got != 1000 {
		t.Errorf("%d lines, want all", got)
	}
}
