// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	domain   = "chaos.example"
	password = "when the wind is southerly"

	lifetime = 60 * time.Second // of a life that somebody waits for, at most
	stopTime = 15 * time.Second // of a stop in good order, at most: the server gives itself ten seconds
)

// build makes the binary with its fault points and returns its path.
func build(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kith")
	args, cgo := []string{"build", "-tags", "faults", "-o", path}, "CGO_ENABLED=0"
	if os.Getenv("KITH_CHAOS_RACE") != "" {
		args, cgo = append(args, "-race"), "CGO_ENABLED=1"
	}
	c := exec.CommandContext(t.Context(), "go", append(args, "github.com/kith-im/kith/cmd/kith")...)
	c.Env = append(os.Environ(), cgo)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return path
}

// faultPoints reads the names of the fault points where they are declared: db.FaultPoints itself exists in such a
// build only.
func faultPoints(t *testing.T) []string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), filepath.Join("..", "..", "internal", "db", "fault.go"), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var points []string
	ast.Inspect(f, func(n ast.Node) bool {
		if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if name, err := strconv.Unquote(lit.Value); err == nil {
				points = append(points, name)
			}
		}
		return true
	})
	if len(points) == 0 {
		t.Fatal("found no fault points in internal/db/fault.go")
	}
	return points
}

// A server is one life of the process.
type server struct {
	plan  plan
	cmd   *exec.Cmd
	log   bytes.Buffer  // its standard error; read after done
	ready chan struct{} // closed when it can be reached
	done  chan struct{} // closed when it is gone

	address string // for TLS, after ready
}

// environment is that of a server or a command on the folder dir: ours, without what else configures kith.
func environment(dir string, more ...string) []string {
	var env []string
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KITH_") {
			env = append(env, v)
		}
	}
	env = append(env, "KITH_DATA="+dir, "KITH_DOMAIN="+domain, "KITH_WEB_URL=http://localhost",
		"KITH_LISTEN_WEB=127.0.0.1:0", "KITH_LISTEN_CLIENTS=127.0.0.1:0", "KITH_LISTEN_CLIENTS_TLS=127.0.0.1:0",
		"KITH_ACCOUNTS_ITERATIONS=4096")
	return append(env, more...)
}

// launch begins a life on the folder dir, which ends with the test at the latest. more is for its environment.
func launch(t *testing.T, binary, dir string, p plan, more ...string) *server {
	t.Helper()
	s := &server{plan: p, ready: make(chan struct{}), done: make(chan struct{})}
	s.cmd = exec.CommandContext(t.Context(), binary, "serve")
	s.cmd.Dir = dir
	s.cmd.Env = environment(dir, more...)
	if p.fault != "" {
		s.cmd.Env = append(s.cmd.Env, "KITH_FAULT="+p.fault)
	}
	s.cmd.Stderr = &s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(s.done)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			if f := strings.Fields(lines.Text()); len(f) == 4 && f[3] == "(TLS)" {
				s.address = f[2]
				close(s.ready)
			}
		}
		_ = s.cmd.Wait() // ProcessState says it all
	}()
	t.Cleanup(func() { <-s.done })
	return s
}

// kill ends the process as a power cut would, but for what its files have not been told to keep.
func (s *server) kill() { _ = s.cmd.Process.Kill() } // it may be gone already

// stop asks the process to end in good order.
func (s *server) stop() error { return s.cmd.Process.Signal(syscall.SIGTERM) }

// gone reports whether the process has ended.
func (s *server) gone() bool {
	select {
	case <-s.done:
		return true
	default:
		return false
	}
}

// wait waits for the process's end, and kills it when that takes too long.
func (s *server) wait(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-s.done:
		return nil
	case <-t.C:
		s.kill()
		<-s.done
		return fmt.Errorf("the server was still there after %v (to be killed %v)", d, s.plan)
	}
}

// killed reports how it ended where that was not by SIGKILL.
func (s *server) killed() error {
	ws, ok := s.cmd.ProcessState.Sys().(syscall.WaitStatus)
	if !ok || !ws.Signaled() || ws.Signal() != syscall.SIGKILL {
		return fmt.Errorf("the server was not killed: %v\n%s", s.cmd.ProcessState, s.tail())
	}
	return nil
}

// errors are the lines of its log that say that something is wrong.
func (s *server) errors() []string {
	var list []string
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "panic") || strings.Contains(line, "DATA RACE") {
			list = append(list, strings.TrimSpace(line))
		}
	}
	return list
}

func (s *server) tail() string {
	b := s.log.Bytes()
	return string(b[max(0, len(b)-4000):])
}

// addUser makes an account while no server runs.
func (w *world) addUser(name string) {
	w.t.Helper()
	c := exec.CommandContext(w.t.Context(), w.binary, "user", "add", name)
	c.Dir = w.dir
	c.Env = environment(w.dir)
	c.Stdin = strings.NewReader(password + "\n")
	if out, err := c.CombinedOutput(); err != nil {
		w.t.Fatalf("kith user add %s: %v\n%s", name, err, out)
	}
}
