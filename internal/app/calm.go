// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Strangers can bring about lines of the log, such as failed log-ins, as fast as they can connect. Of each message,
// which is a constant, so many lines pass at once and so many a second; the next one that passes says how many were left
// out.
const (
	calmBurst    = 200
	calmRate     = 10
	calmMessages = 1000 // that are told apart; all others are one
)

// calm returns a logger that leaves out what is said too often. At the level debug nothing is left out: who sets that
// looks for something.
func calm(log *slog.Logger, now func() time.Time) *slog.Logger {
	if log.Enabled(context.Background(), slog.LevelDebug) {
		return log
	}
	return slog.New(&calmHandler{log.Handler(), &calmState{now: now, said: map[calmKey]*calmMessage{}}})
}

type calmHandler struct {
	slog.Handler
	state *calmState // of all that come from one logger
}

type calmState struct {
	now func() time.Time

	mu   sync.Mutex // guards said and what is in it
	said map[calmKey]*calmMessage
}

type calmKey struct {
	level   slog.Level
	message string
}

type calmMessage struct {
	bucket  *rate.Limiter
	leftOut int
}

// Handle implements slog.Handler.
func (h *calmHandler) Handle(ctx context.Context, r slog.Record) error {
	leftOut, pass := h.state.pass(calmKey{r.Level, r.Message})
	if !pass {
		return nil
	}
	if leftOut > 0 {
		r = r.Clone()
		r.AddAttrs(slog.Int("left_out", leftOut))
	}
	return h.Handler.Handle(ctx, r)
}

// pass reports whether a line passes, and how many like it have not since the last that did.
func (s *calmState) pass(k calmKey) (leftOut int, _ bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.said[k]
	if m == nil && len(s.said) >= calmMessages {
		k = calmKey{}
		m = s.said[k]
	}
	if m == nil {
		m = &calmMessage{bucket: rate.NewLimiter(calmRate, calmBurst)}
		s.said[k] = m
	}
	if !m.bucket.AllowN(s.now(), 1) {
		m.leftOut++
		return 0, false
	}
	leftOut, m.leftOut = m.leftOut, 0
	return leftOut, true
}

// WithAttrs implements slog.Handler.
func (h *calmHandler) WithAttrs(a []slog.Attr) slog.Handler {
	return &calmHandler{h.Handler.WithAttrs(a), h.state}
}

// WithGroup implements slog.Handler.
func (h *calmHandler) WithGroup(name string) slog.Handler {
	return &calmHandler{h.Handler.WithGroup(name), h.state}
}
