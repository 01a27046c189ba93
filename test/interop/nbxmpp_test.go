// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"os/exec"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// testNbxmpp runs the plays of the folder nbxmpp.
func testNbxmpp(t *testing.T, binary kith.Binary) {
	look := exec.CommandContext(t.Context(), python, "-c", "import nbxmpp.client, nbxmpp.websocket")
	if err := look.Run(); err != nil {
		kith.Missing(t, "python3-nbxmpp")
	}
	s := binary.Start(t)
	for name, accounts := range map[string][]string{
		"login":    {"ann", "ben"},
		"register": {"ann"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, s, "nbxmpp/"+name, accounts, nil)
		})
	}
	t.Run("resume", func(t *testing.T) {
		t.Parallel()
		testResume(t, binary, "nbxmpp/resume")
	})
}
