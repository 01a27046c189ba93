// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// testResume runs a play of sessions that are resumed, on a server of its own, which is started anew when the play says so.
func testResume(t *testing.T, binary kith.Binary, file string) {
	s := binary.Start(t)
	play(t, s, file, []string{"ann", "ben"}, func(cue string) string {
		if cue != "restart" {
			t.Errorf("unknown cue %q", cue)
		}
		s.Restart(t)
		return "done"
	})
}
