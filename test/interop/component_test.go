// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// componentSecret opens the door for a component.
const componentSecret = "neither a borrower nor a lender be"

// testComponent runs a play of slixmpp on a server of its own that knows of a component behind that part of its domain.
// The play asks for its port and its secret.
func testComponent(t *testing.T, binary kith.Binary, name, domain string, accounts ...string) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free a moment later
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kith.toml")
	text := "[[components]]\ndomain = \"" + domain + "." + kith.Domain + "\"\nsecret = \"" + componentSecret + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := binary.Start(t, "KITH_CONFIG="+file, "KITH_LISTEN_COMPONENTS=127.0.0.1:"+port)
	play(t, s, "slixmpp/"+name, accounts, func(cue string) string {
		if cue == "port" {
			return port
		}
		return componentSecret
	})
}
