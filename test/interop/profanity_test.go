// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/test/kith"
)

const (
	screenTime = 15 * time.Second       // until something is on the screen, at most
	screenTick = 100 * time.Millisecond // between two looks at it
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
	p := openTerminal(t, tmux, program)
	p.shows("Profanity. Type /help")
	p.types("/register newcomer " + kith.Domain + " port " + portOf(s.Clients) + " tls trust")
	p.shows("Enter password")
	p.types(password)
	p.shows("Confirm password")
	p.types(password)
	p.shows("Server error: Accounts here are by invitation. Please ask somebody who has one to invite you.")
	p.types("/quit")

	p = openTerminal(t, tmux, program)
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
	p := openTerminal(t, tmux, program)

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

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// A terminal is a program in one.
type terminal struct {
	t      *testing.T
	tmux   string
	socket string
	log    string // what profanity has written to its log
}

// openTerminal starts profanity in a terminal of its own, with a home of its own.
func openTerminal(t *testing.T, tmux, program string) *terminal {
	t.Helper()
	// A socket's path may have about a hundred bytes, which that of t.TempDir can exceed.
	dir, err := os.MkdirTemp("", "kith")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	config := filepath.Join(dir, "config", "profanity")
	if err := os.MkdirAll(config, 0o700); err != nil {
		t.Fatal(err)
	}
	// Nothing is asked, and nothing but the text of others comes and goes.
	rc := "[ui]\nsplash=false\nmouse=false\n[omemo]\npolicy=manual\n"
	if err := os.WriteFile(filepath.Join(config, "profrc"), []byte(rc), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &terminal{t: t, tmux: tmux, socket: filepath.Join(dir, "tmux"), log: filepath.Join(dir, "log")}
	c := p.command("-u", "-f", os.DevNull, "new-session", "-d", "-x", "140", "-y", "45", program, "-l", "DEBUG", "-f", p.log)
	c.Env = append(os.Environ(), "HOME="+dir, "XDG_CONFIG_HOME="+filepath.Join(dir, "config"),
		"XDG_DATA_HOME="+filepath.Join(dir, "data"), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TERM=screen-256color", "TMUX=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("start profanity: %v\n%s", err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(p.log) // the failure is known; this helps to understand it
			t.Logf("the screen:\n%s\nprofanity's log:\n%s", p.screen(), log[max(0, len(log)-6000):])
		}
		_ = exec.Command(tmux, "-S", p.socket, "kill-server").Run() // it is gone if profanity has ended
	})
	return p
}

func (p *terminal) command(args ...string) *exec.Cmd {
	return exec.CommandContext(p.t.Context(), p.tmux, append([]string{"-S", p.socket}, args...)...)
}

// types types a line.
func (p *terminal) types(line string) {
	p.t.Helper()
	for _, keys := range [][]string{{"-l", line}, {"Enter"}} {
		if out, err := p.command(append([]string{"send-keys"}, keys...)...).CombinedOutput(); err != nil {
			p.t.Fatalf("type %q: %v\n%s", line, err, out)
		}
	}
}

// screen is what is to be seen.
func (p *terminal) screen() string {
	out, _ := exec.Command(p.tmux, "-S", p.socket, "capture-pane", "-p").Output() // "" when the terminal is gone
	return string(out)
}

// shows waits until all texts are on the screen.
func (p *terminal) shows(texts ...string) {
	p.t.Helper()
	late := time.NewTimer(screenTime)
	defer late.Stop()
	tick := time.NewTicker(screenTick)
	defer tick.Stop()
	for {
		screen, all := p.screen(), true
		for _, text := range texts {
			all = all && strings.Contains(screen, text)
		}
		if all {
			return
		}
		select {
		case <-tick.C: // the screen cannot be waited for otherwise
		case <-late.C:
			p.t.Fatalf("the screen does not show %q", texts)
		case <-p.t.Context().Done():
			p.t.FailNow()
		}
	}
}
