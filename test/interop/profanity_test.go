// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/test/kith"
)

func testProfanity(t *testing.T, binary kith.Binary) {
	program, tmux := kith.Need(t, "profanity"), kith.Need(t, "tmux")
	s := binary.Start(t)
	s.AddUser(t, "pat", password)
	s.AddUser(t, "wim", password)
	t.Run("chat", func(t *testing.T) {
		t.Parallel()
		testProfanityChat(t, s, tmux, program)
	})
	t.Run("refused", func(t *testing.T) {
		t.Parallel()
		testProfanityRefused(t, s, tmux, program)
	})
}

// testProfanityRefused is what a person sees who may not in. Profanity is started anew for each: it cannot log in by
// STARTTLS when it has registered, or tried to.
func testProfanityRefused(t *testing.T, s *kith.Server, tmux, program string) {
	p := openProfanity(t, tmux, program)
	p.shows("Profanity. Type /help")
	p.types("/register newcomer " + kith.Domain + " port " + portOf(s.Clients) + " tls trust")
	p.shows("Enter password")
	p.types(password)
	p.shows("Confirm password")
	p.types(password)
	p.shows("Server error: Accounts here are by invitation. Please ask somebody who has one to invite you.")
	p.types("/quit")

	p = openProfanity(t, tmux, program)
	p.shows("Profanity. Type /help")
	p.types("/connect pat@" + kith.Domain + " server 127.0.0.1 port " + portOf(s.Clients) + " tls trust")
	p.shows("Enter password")
	p.types("not the password")
	p.shows("Login failed")
	p.types("/quit")
}

// testProfanityChat is a chat with a web user, over STARTTLS and then over direct TLS.
func testProfanityChat(t *testing.T, s *kith.Server, tmux, program string) {
	const pat, web = "pat@" + kith.Domain, "wim@" + kith.Domain
	u := mustOpenWeb(t, s, "wim", "")
	p := openProfanity(t, tmux, program)

	p.shows("Profanity. Type /help")
	p.types("/connect " + pat + " server 127.0.0.1 port " + portOf(s.Clients) + " tls force")
	p.shows("Enter password")
	p.types(password)
	p.shows("TLS certificate verification failed: self-signed certificate", "Common name        : localhost")
	p.types("/tls always")
	p.shows(pat+"/profanity", "logged in successfully, online (priority 0)")

	p.types("/sub request " + web)
	u.befriends(t, pat, func() {
		p.shows("Received authorization request from " + web)
		p.types("/sub allow " + web)
	})
	p.types("/roster")
	p.shows(web + " - both")

	p.types("/msg " + web + " Grüße from a terminal & <co>")
	got := u.await(t, `<message from="{pat}" type="chat"><body>Grüße from a terminal &amp; &lt;co&gt;</body></message>`)
	if !strings.HasPrefix(got.Attr("from"), pat+"/profanity") {
		t.Errorf("the message is from %s", got.Attr("from"))
	}
	u.writes(t, u.Captures["pat"], "Hello, terminal ✓")
	p.shows("Hello, terminal ✓")

	p.types("/disconnect")
	p.shows(pat + " logged out successfully")
	u.await(t, `<presence type="unavailable" from="{pat}"/>`)
	u.writes(t, pat, "written while the terminal was closed")
	if err := u.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	p.types("/connect " + pat + " server 127.0.0.1 port " + portOf(s.ClientsTLS) + " tls legacy")
	p.shows("Enter password")
	p.types(password) // the certificate is known by now
	p.shows("<< chat message: " + web)
	p.types("/msg " + web)
	p.shows("written while the terminal was closed")
	p.types("/msg " + web + " got it")
	u.await(t, `<message type="chat"><body>got it</body></message>`)
	p.types("/quit")
}

// openProfanity starts profanity in a terminal of its own.
func openProfanity(t *testing.T, tmux, program string) *terminal {
	t.Helper()
	home := shortDir(t)
	config := filepath.Join(home, "config", "profanity")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	// Nothing is asked, and nothing but the text of others comes and goes.
	rc := "[ui]\nsplash=false\nmouse=false\n[omemo]\npolicy=manual\n"
	if err := os.WriteFile(filepath.Join(config, "profrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(home, "log")
	return openTerminal(t, tmux, home, log, program, "-l", "DEBUG", "-f", log)
}
