// SPDX-License-Identifier: Apache-2.0

package session

import (
	"testing"
	"time"
)

func TestByPassword(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)
	for _, test := range []struct {
		name string
		in   LogIn
		want bool
	}{
		{"just now", LogIn{At: now, Password: true}, true},
		{"nearly too long ago", LogIn{At: now.Add(time.Second - 5*time.Minute), Password: true}, true},
		{"too long ago", LogIn{At: now.Add(-5 * time.Minute), Password: true}, false},
		{"a moment ahead, by the clock of another node", LogIn{At: now.Add(time.Second), Password: true}, true},
		{"in the future, since the clock was set back over a restart", LogIn{At: now.Add(time.Hour), Password: true}, false},
		{"by a token", LogIn{At: now}, false},
		{"nobody knows", LogIn{}, false},
	} {
		if got := test.in.ByPassword(now, 5*time.Minute); got != test.want {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
}
