// SPDX-License-Identifier: Apache-2.0

package register

import (
	"sync"
	"time"
)

// An account's password may be guessed at, or changed, so often in that time.
const (
	maxAttempts = 5
	window      = time.Hour
	maxKept     = 1000 // accounts; beyond, those without a late attempt are forgotten
)

// An asker is whom attempts are counted for. Who has just shown to know the password is counted apart, so that somebody
// who guesses at it on a device that was left open cannot keep the owner from changing it.
type asker struct {
	account int64
	fresh   bool // it logged in with the password a moment ago
}

// attempts counts by asker. It is safe for concurrent use, and ready as its zero value.
type attempts struct {
	mu   sync.Mutex
	late map[asker][]time.Time // not older than window when they were noted
}

// spent reports whether one has had all that one may.
func (a *attempts) spent(by asker, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(since(a.late[by], now)) >= maxAttempts
}

// note counts one more.
func (a *attempts) note(by asker, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.late) >= maxKept {
		for by, list := range a.late {
			if len(since(list, now)) == 0 {
				delete(a.late, by)
			}
		}
	}
	if a.late == nil {
		a.late = map[asker][]time.Time{}
	}
	a.late[by] = append(since(a.late[by], now), now)
}

// since returns those of a list that are still within the window.
func since(list []time.Time, now time.Time) []time.Time {
	for len(list) > 0 && now.Sub(list[0]) >= window {
		list = list[1:]
	}
	return list
}
