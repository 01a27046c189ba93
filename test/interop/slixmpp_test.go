// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/test/kith"
)

// python is that of the system: the one that slixmpp is installed for.
const python = "/usr/bin/python3"

// playTime is how long a play may take.
const playTime = 60 * time.Second

func testSlixmpp(t *testing.T, binary kith.Binary) {
	if err := exec.CommandContext(t.Context(), python, "-c", "import slixmpp").Run(); err != nil {
		kith.Missing(t, "python3-slixmpp")
	}
	s := binary.Start(t)
	for name, accounts := range map[string][]string{
		"login":    {"ann"},
		"contacts": {"ann", "ben", "cat", "dan"},
		"presence": {"ann", "ben", "cat"},
		"messages": {"ann", "ben"},
		"services": {"ann"},
		"register": {"ann", "ben"},
		"profile":  {"ann", "ben"},
		"upload":   {"ann"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			play(t, s, "slixmpp/"+name, accounts, nil)
		})
	}
	t.Run("web", func(t *testing.T) {
		t.Parallel()
		testSlixmppWithWeb(t, s)
	})
	t.Run("resume", func(t *testing.T) {
		t.Parallel()
		testResume(t, binary, "slixmpp/resume")
	})
	t.Run("external", func(t *testing.T) {
		t.Parallel()
		testExternal(t, binary)
	})
	t.Run("component", func(t *testing.T) {
		t.Parallel()
		testComponent(t, binary, "component", "echo", "ann")
	})
	t.Run("push", func(t *testing.T) {
		t.Parallel()
		testComponent(t, binary, "push", "push", "ann", "ben")
	})
}

// testSlixmppWithWeb is the web user's half of slixmpp/web.py.
func testSlixmppWithWeb(t *testing.T, s *kith.Server) {
	const name, ann = "web-web", "web-ann@" + kith.Domain
	makeAccounts(t, s, "web", []string{"ann", "web"})
	u := mustOpenWeb(t, s, name, "")
	cues := make(chan string, 2)
	done := make(chan struct{})
	go func() { // ends with the play, which is waited for below
		defer close(done)
		play(t, s, "slixmpp/web", nil, func(cue string) string {
			cues <- cue
			return ""
		})
	}()
	defer func() { <-done }()

	u.befriends(t, ann, nil)
	hello := u.await(t, `<message from="{ann}" type="chat"><body>Hello, browser</body><request xmlns="urn:xmpp:receipts"/></message>`)
	u.MustSend(t, `<message to="{ann}" type="chat"><received xmlns="urn:xmpp:receipts" id="`+hello.Attr("id")+`"/></message>`+
		`<message to="{ann}" type="chat"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>`)
	u.writes(t, ann, "Hello, slixmpp ✓")

	await(t, cues, done, "leave")
	u.leaves(t)
	await(t, cues, done, "return")
	u = mustOpenWeb(t, s, name, u.token)
	for i := range 3 {
		u.await(t, `<message type="chat"><body>for later `+strconv.Itoa(i)+`</body><delay xmlns="urn:xmpp:delay" stamp="…"/></message>`)
	}
	u.writes(t, ann, "for later, too")
	if err := u.Sync(t.Context()); err != nil {
		t.Error(err)
	}
}

// await waits for a cue of the play.
func await(t *testing.T, cues <-chan string, done <-chan struct{}, want string) {
	t.Helper()
	select {
	case got := <-cues:
		if got != want {
			t.Fatalf("got cue %q, want %q", got, want)
		}
	case <-done:
		t.Fatalf("the play ended before the cue %q", want)
	}
}

// makeAccounts makes accounts for a play: with its name and "-" before theirs, since plays run beside each other.
func makeAccounts(t *testing.T, s *kith.Server, play string, accounts []string) {
	t.Helper()
	for _, a := range accounts {
		s.AddUser(t, play+"-"+a, password)
	}
}

// play makes accounts, runs a play in Python and reports each of its checks. At a cue it calls on, and tells the play
// what that returns. The file is without its extension; the play is called as that is.
func play(t *testing.T, s *kith.Server, file string, accounts []string, on func(cue string) string) {
	t.Helper()
	name := filepath.Base(file)
	makeAccounts(t, s, name, accounts)
	ctx, cancel := context.WithTimeout(t.Context(), playTime)
	defer cancel()
	c := exec.CommandContext(ctx, python, file+".py", settings(t, s, name))
	c.Env = append(c.Environ(), "PYTHONDONTWRITEBYTECODE=1", "PYTHONPATH=python")
	answers, err := c.StdinPipe()
	if err != nil {
		t.Error(err)
		return
	}
	follow(t, c, func(cue string) {
		_, _ = fmt.Fprintln(answers, on(cue)) // not every play wants to know
	})
}

// follow runs a play, which prints a line of JSON for each check and each cue, and reports its checks.
func follow(t *testing.T, c *exec.Cmd, on func(cue string)) {
	t.Helper()
	var problems bytes.Buffer
	c.Stderr = &problems
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Errorf("start the play: %v", err)
		return
	}
	checks, failed := 0, false
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var line struct {
			Check, Why, Cue string
			OK              bool
		}
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Errorf("the play said %q", lines.Text())
			continue
		}
		switch {
		case line.Cue != "":
			on(line.Cue)
		case line.OK:
			checks++
			t.Logf("ok: %s", line.Check)
		default:
			failed = true
			t.Errorf("failed: %s\n%s", line.Check, line.Why)
		}
	}
	if err := c.Wait(); err != nil || checks == 0 {
		t.Errorf("the play ended after %d checks: %v", checks, err)
		failed = true
	}
	if failed {
		t.Logf("the play's errors:\n%s", strings.TrimSpace(problems.String()))
	}
}

// settings tells a play where the server is, see slixmpp/peer.py and xmppjs/login.mjs.
func settings(t *testing.T, s *kith.Server, play string) string {
	t.Helper()
	b, err := json.Marshal(map[string]any{
		"host": kith.Domain, "clients": port(t, s.Clients), "clients_tls": port(t, s.ClientsTLS),
		"web": s.Web, "ca": s.Certificate(), "password": password, "prefix": play + "-",
	})
	if err != nil {
		t.Error(err)
	}
	return string(b)
}

func port(t *testing.T, address string) int {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Error(err)
	}
	n, err := strconv.Atoi(p)
	if err != nil {
		t.Error(err)
	}
	return n
}
