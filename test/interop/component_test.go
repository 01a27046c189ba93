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

// componentSecret is that of slixmpp/component.py.
const componentSecret = "neither a borrower nor a lender be"

// testComponent runs slixmpp/component.py on a server of its own, which knows of a component.
func testComponent(t *testing.T, binary kith.Binary) {
	l, err := net.Listen("tcp", "127.0.0.1:0") // a port that is free a moment later
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "kith.toml")
	text := "[[components]]\ndomain = \"echo." + kith.Domain + "\"\nsecret = \"" + componentSecret + "\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := binary.Start(t, "KITH_CONFIG="+file, "KITH_LISTEN_COMPONENTS=127.0.0.1:"+port)
	play(t, s, "slixmpp/component", []string{"ann"}, func(cue string) string {
		if cue == "port" {
			return port
		}
		return componentSecret
	})
}
