// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// testXMPPjs runs the play of the folder xmppjs. The library is installed with what the web app is built and tested with.
func testXMPPjs(t *testing.T, binary kith.Binary) {
	node := kith.Need(t, "node")
	if _, err := os.Stat("../../web/node_modules/@xmpp/client"); err != nil {
		kith.Missing(t, "xmpp.js (npm ci in web)")
	}
	s := binary.Start(t)
	makeAccounts(t, s, "js", []string{"ann", "ben"})
	ctx, cancel := context.WithTimeout(t.Context(), playTime)
	defer cancel()
	c := exec.CommandContext(ctx, node, "--experimental-websocket", "--no-warnings",
		filepath.Join("xmppjs", "login.mjs"), settings(t, s, "js"))
	c.Env = append(c.Environ(), "NODE_EXTRA_CA_CERTS="+s.Certificate())
	follow(t, c, nil)
}
