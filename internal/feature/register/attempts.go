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

// attempts counts by account. It is safe for concurrent use, and ready as its zero value.
type attempts struct {
	mu   sync.Mutex
	late map[int64][]time.Time // not older than window when they were noted
}

// spent reports whether the account has had all that it may.
func (a *attempts) spent(id int64, now time.Time) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return len(since(a.late[id], now)) >= maxAttempts
}

// note counts one more.
func (a *attempts) note(id int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.late) >= maxKept {
		for id, list := range a.late {
			if len(since(list, now)) == 0 {
				delete(a.late, id)
			}
		}
	}
	if a.late == nil {
		a.late = map[int64][]time.Time{}
	}
	a.late[id] = append(since(a.late[id], now), now)
}

// since returns those of a list that are still within the window.
func since(list []time.Time, now time.Time) []time.Time {
	for len(list) > 0 && now.Sub(list[0]) >= window {
		list = list[1:]
	}
	return list
}
