// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

// testSendxmpp runs go-sendxmpp as a script would. As Debian has it, it knows no mechanism that we offer by default, and
// says so. Where the admin has turned PLAIN on, it gets in.
func testSendxmpp(t *testing.T, binary kith.Binary) {
	program := kith.Need(t, "go-sendxmpp")
	off, on := binary.Start(t), binary.Start(t, "KITH_ACCOUNTS_PLAIN=true")
	for _, s := range []*kith.Server{off, on} {
		s.AddUser(t, "gus", password)
		s.AddUser(t, "wim", password)
	}
	u := mustOpenWeb(t, on, "wim", "")
	for _, road := range []struct {
		name    string
		address func(s *kith.Server) string
		flags   []string
	}{
		{"STARTTLS", func(s *kith.Server) string { return s.Clients }, nil},
		{"direct TLS", func(s *kith.Server) string { return s.ClientsTLS }, []string{"--tls"}},
	} {
		t.Run(road.name, func(t *testing.T) { // one after the other: they share the web user
			send := func(s *kith.Server, password, body string) (string, error) {
				t.Helper()
				c := exec.CommandContext(t.Context(), program, append(road.flags, "--username=gus@"+kith.Domain, "--password="+password,
					"--jserver="+kith.Domain+":"+portOf(road.address(s)), "wim@"+kith.Domain)...)
				c.Env = append(c.Environ(), "SSL_CERT_FILE="+s.Certificate(), "HOME="+t.TempDir())
				c.Stdin = strings.NewReader(body + "\n")
				out, err := c.CombinedOutput()
				return string(out), err
			}
			out, err := send(off, password, "a note")
			if want := "PLAIN authentication is not an option: [SCRAM-SHA-512-PLUS "; err == nil || !strings.Contains(out, want) {
				t.Errorf("by default: got %v\n%s\nwant %s…", err, out, want)
			}
			out, err = send(on, "not the password", "a note")
			if want := "not-authorized"; err == nil || !strings.Contains(out, want) {
				t.Errorf("a wrong password: got %v\n%s\nwant %s", err, out, want)
			}
			body := "Grüße over " + road.name + " & <co>"
			if out, err := send(on, password, body); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			n := u.await(t, `<message type="chat"><body>…</body></message>`)
			if b, _ := n.Child("jabber:client", "body"); strings.TrimSpace(b.Text()) != body || !strings.HasPrefix(n.Attr("from"), "gus@"+kith.Domain+"/") {
				t.Errorf("it came as %s", n.Raw())
			}
		})
	}
}
