// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// testSendxmpp runs go-sendxmpp as a script would. As Debian has it, it knows no mechanism that we offer, and says so:
// that it comes so far is what can be tested.
func testSendxmpp(t *testing.T, binary kith.Binary) {
	program := kith.Need(t, "go-sendxmpp")
	s := binary.Start(t)
	s.AddUser(t, "gus", password)
	for _, test := range []struct {
		name, address string
		flags         []string
	}{
		{"STARTTLS", s.Clients, nil},
		{"direct TLS", s.ClientsTLS, []string{"--tls"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c := exec.CommandContext(t.Context(), program, append(test.flags, "--username=gus@"+kith.Domain, "--password="+password,
				"--jserver="+kith.Domain+":"+portOf(test.address), "gus@"+kith.Domain)...)
			c.Env = append(c.Environ(), "SSL_CERT_FILE="+s.Certificate(), "HOME="+t.TempDir())
			c.Stdin = strings.NewReader("a note\n")
			out, err := c.CombinedOutput()
			if want := "PLAIN authentication is not an option: [SCRAM-SHA-512-PLUS "; err == nil || !strings.Contains(string(out), want) {
				t.Errorf("got %v\n%s\nwant %s…", err, out, want)
			}
		})
	}
}
