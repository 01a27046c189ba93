// SPDX-License-Identifier: Apache-2.0

package register

import (
	"testing"
	"time"
)

func TestAttempts(t *testing.T) {
	t.Parallel()
	var a attempts
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for range maxAttempts {
		if a.spent(asker{1, false}, now) {
			t.Fatal("spent too early")
		}
		a.note(asker{1, false}, now)
		now = now.Add(time.Minute)
	}
	if !a.spent(asker{1, false}, now) || a.spent(asker{2, false}, now) || a.spent(asker{1, true}, now) {
		t.Error("each account has its own")
	}
	now = now.Add(window - maxAttempts*time.Minute - time.Second)
	if !a.spent(asker{1, false}, now) {
		t.Error("forgotten too early")
	}
	now = now.Add(time.Second) // the first is an hour ago
	if a.spent(asker{1, false}, now) {
		t.Error("not forgotten")
	}
	a.note(asker{1, false}, now)
	if !a.spent(asker{1, false}, now) {
		t.Error("one more is not counted")
	}
	for id := range int64(maxKept) {
		a.note(asker{id + 10, false}, now)
	}
	now = now.Add(window)
	a.note(asker{1, false}, now)
	if len(a.late) != 1 {
		t.Errorf("%d accounts are kept", len(a.late))
	}
}
