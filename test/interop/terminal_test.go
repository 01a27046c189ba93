// SPDX-License-Identifier: Apache-2.0

package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	screenTime = 15 * time.Second       // until something is on the screen, at most
	screenTick = 100 * time.Millisecond // between two looks at it
)

func portOf(address string) string { return address[strings.LastIndexByte(address, ':')+1:] }

// shortDir is a folder for t. A socket's path may have about a hundred bytes, which that of t.TempDir can exceed.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "kith")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}

// A terminal is a program in one.
type terminal struct {
	t      *testing.T
	tmux   string
	socket string
	log    string // what the program has written to its log
}

// openTerminal starts a program in a terminal of its own, in the home of nobody else.
func openTerminal(t *testing.T, tmux, home, log string, program ...string) *terminal {
	t.Helper()
	p := &terminal{t: t, tmux: tmux, socket: filepath.Join(home, "tmux"), log: log}
	c := p.command(append([]string{"-u", "-f", os.DevNull, "new-session", "-d", "-x", "140", "-y", "45"}, program...)...)
	c.Env = append(os.Environ(), "HOME="+home, "XDG_CONFIG_HOME="+filepath.Join(home, "config"),
		"XDG_DATA_HOME="+filepath.Join(home, "data"), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "TERM=screen-256color", "TMUX=")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("start %s: %v\n%s", program[0], err, out)
	}
	t.Cleanup(func() {
		if t.Failed() {
			log, _ := os.ReadFile(p.log) // the failure is known; this helps to understand it
			t.Logf("the screen:\n%s\nthe program's log:\n%s", p.screen(), log[max(0, len(log)-6000):])
		}
		_ = exec.Command(tmux, "-S", p.socket, "kill-server").Run() // it is gone if the program has ended
	})
	return p
}

func (p *terminal) command(args ...string) *exec.Cmd {
	return exec.CommandContext(p.t.Context(), p.tmux, append([]string{"-S", p.socket}, args...)...)
}

// types types a line.
func (p *terminal) types(line string) {
	p.t.Helper()
	p.press("-l", line)
	p.press("Enter")
}

// press presses a key, or, behind "-l", those of a text.
func (p *terminal) press(keys ...string) {
	p.t.Helper()
	if out, err := p.command(append([]string{"send-keys"}, keys...)...).CombinedOutput(); err != nil {
		p.t.Fatalf("press %q: %v\n%s", keys, err, out)
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
