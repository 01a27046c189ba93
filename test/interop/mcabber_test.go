// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// testMcabber runs mcabber, which knows no mechanism but PLAIN that we could offer, where the admin has turned that on.
func testMcabber(t *testing.T, binary kith.Binary) {
	program, tmux := kith.Need(t, "mcabber"), kith.Need(t, "tmux")
	s := binary.Start(t, "KITH_ACCOUNTS_PLAIN=true")
	for _, road := range []struct{ name, user, settings string }{
		{"STARTTLS", "max", "set tls = 1\nset port = " + portOf(s.Clients)},
		{"direct TLS", "mia", "set ssl = 1\nset tls = 0\nset port = " + portOf(s.ClientsTLS)},
	} {
		web := "wim-" + road.user
		s.AddUser(t, road.user, password)
		s.AddUser(t, web, password)
		t.Run(road.name, func(t *testing.T) {
			t.Parallel()
			p := openMcabber(t, tmux, program, road.user, password, road.settings)
			p.shows("Certificate is not trusted!") // which nobody has told it to trust
			p.types("/quit")

			trusting := road.settings + "\nset ssl_ca = " + s.Certificate()
			p = openMcabber(t, tmux, program, road.user, "not the password", trusting)
			p.shows("Authentication failed")
			p.types("/quit")

			u := mustOpenWeb(t, s, web, "")
			p = openMcabber(t, tmux, program, road.user, password, trusting)
			p.shows("Connection established")
			p.types("/say_to " + web + "@" + kith.Domain + " Grüße from mcabber & <co>")
			n := u.await(t, `<message from="{mcabber}" type="chat"><body>Grüße from mcabber &amp; &lt;co&gt;</body></message>`)
			if !strings.HasPrefix(n.Attr("from"), road.user+"@"+kith.Domain+"/") {
				t.Errorf("the message is from %s", n.Attr("from"))
			}
			u.writes(t, u.Captures["mcabber"], "Hello, mcabber")
			p.shows("#{?} " + web)
			p.press("Enter") // which shows the window
			p.shows("Hello, mcabber")
			p.types("/quit")
		})
	}
}

// openMcabber starts mcabber in a terminal of its own.
func openMcabber(t *testing.T, tmux, program, user, password, settings string) *terminal {
	t.Helper()
	home := shortDir(t)
	rc, log := filepath.Join(home, "mcabberrc"), filepath.Join(home, "log")
	text := fmt.Sprintf("set jid = %s@%s\nset password = %q\nset server = localhost\n"+
		"set tracelog_level = 2\nset tracelog_file = %s\n%s\n", user, kith.Domain, password, log, settings)
	if err := os.WriteFile(rc, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return openTerminal(t, tmux, home, log, program, "-f", rc)
}
