// SPDX-License-Identifier: Apache-2.0

// Package kith builds the program and runs servers of it, for tests that want what people get: one binary, its
// environment and its exit code.
//
// A test builds the binary once (Build) and starts as many servers as it wants (Binary.Start). Each has a data folder
// and ports of its own, so tests run beside each other. A server is stopped when its test ends, in the way an admin
// stops it, and the test fails if it does not go in good order or if its log says that something went wrong.
//
// What needs another program says so with Need: people who do not have it still run the rest.
package kith

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Domain is that of the servers.
const Domain = "localhost"

const (
	startTime = 30 * time.Second // until it can be reached, at most
	stopTime  = 15 * time.Second // of a stop in good order, at most: the server gives itself ten seconds
)

// A Binary is the program's path.
type Binary string

// Build builds the program and returns its path, which is good until t ends. Tags are those of the build.
func Build(t testing.TB, tags ...string) Binary {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kith")
	c := exec.CommandContext(t.Context(), "go", "build", "-tags", strings.Join(tags, ","), "-o", path,
		"github.com/kith-im/kith/cmd/kith")
	c.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	return Binary(path)
}

// A Server is one that runs. Its methods may be called concurrently, and from tests that run beside each other.
type Server struct {
	Dir        string // the data folder
	Web        string // http://localhost and a port, without a slash at the end
	Clients    string // address and port for STARTTLS
	ClientsTLS string // address and port for TLS at once
	Metrics    string // http://…/metrics; "" unless KITH_LISTEN_METRICS was given

	binary Binary
	env    []string
	cmd    *exec.Cmd
	log    log
	done   chan struct{} // closed when the process is gone
}

// Start starts a server, and stops it when t ends. More are variables of its environment, such as
// "KITH_LIMITS_SESSIONS=5".
func (b Binary) Start(t testing.TB, more ...string) *Server {
	t.Helper()
	web := freePort(t)
	dir := t.TempDir()
	s := &Server{Dir: dir, Web: fmt.Sprintf("http://localhost:%d", web), binary: b}
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "KITH_") {
			s.env = append(s.env, v)
		}
	}
	s.env = append(s.env, "KITH_DATA="+dir, "KITH_DOMAIN="+Domain, "KITH_WEB_URL="+s.Web,
		fmt.Sprintf("KITH_LISTEN_WEB=127.0.0.1:%d", web), "KITH_LISTEN_CLIENTS=127.0.0.1:0",
		"KITH_LISTEN_CLIENTS_TLS=127.0.0.1:0", "KITH_ACCOUNTS_ITERATIONS=4096")
	s.env = append(s.env, more...)

	t.Cleanup(func() { s.stop(t) })
	s.run(t)
	return s
}

// Restart stops the server in good order and starts it again, with the same data at the same addresses. What its log
// said before is kept. It must not be called while other methods are.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.end(t)
	s.env = append(s.env, "KITH_LISTEN_CLIENTS="+s.Clients, "KITH_LISTEN_CLIENTS_TLS="+s.ClientsTLS)
	s.run(t)
}

// run starts the process and waits until it can be reached.
func (s *Server) run(t testing.TB) {
	t.Helper()
	cmd := exec.Command(string(s.binary), "serve") // not by context: it is stopped, not killed
	cmd.Dir, cmd.Env, cmd.Stderr = s.Dir, s.env, &s.log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	done, ready := make(chan struct{}), make(chan struct{})
	s.cmd, s.done = cmd, done
	go func() { // ends with the process, which end waits for
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f := strings.Fields(lines.Text())
			switch {
			case len(f) == 2 && f[0] == "metrics":
				s.Metrics = f[1]
			case len(f) == 4 && f[3] == "(STARTTLS)":
				s.Clients = f[2]
			case len(f) == 4 && f[3] == "(TLS)":
				s.ClientsTLS = f[2]
				close(ready)
			}
		}
		_ = cmd.Wait() // ProcessState says it all
	}()
	late := time.NewTimer(startTime)
	defer late.Stop()
	select {
	case <-ready:
	case <-done:
		t.Fatalf("the server did not start: %v\n%s", cmd.ProcessState, s.log.String())
	case <-late.C:
		t.Fatalf("the server cannot be reached after %v\n%s", startTime, s.log.String())
	}
}

// freePort is one that was free a moment ago: the address of the web app has to be known before the start.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// end asks the process to end, and fails the test if it does not end well.
func (s *Server) end(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return // it did not begin
	}
	_ = s.cmd.Process.Signal(syscall.SIGTERM) // it may be gone already, which the exit code tells
	late := time.NewTimer(stopTime)
	defer late.Stop()
	select {
	case <-s.done:
	case <-late.C:
		_ = s.cmd.Process.Kill()
		<-s.done
		t.Errorf("the server was still there %v after SIGTERM", stopTime)
	}
	if state := s.cmd.ProcessState; !state.Success() {
		t.Errorf("the server ended with %v", state)
	}
}

// stop is end, for good, and a look at the log.
func (s *Server) stop(t testing.TB) {
	t.Helper()
	s.end(t)
	for line := range strings.Lines(s.log.String()) {
		if strings.Contains(line, "level=ERROR") || strings.HasPrefix(line, "panic:") {
			t.Errorf("in the server's log: %s", line)
		}
	}
	if t.Failed() {
		t.Logf("the server's log:\n%s", s.log.String())
	}
}

// Memory is what the server has in RAM, in KiB, as Linux tells it.
func (s *Server) Memory(t testing.TB) int {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	_, after, _ := strings.Cut(string(b), "\nVmRSS:")
	line, _, _ := strings.Cut(after, " kB")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatalf("/proc has no VmRSS: %v", err)
	}
	return n
}

// Certificate is the file of the certificate that the server has made for itself.
func (s *Server) Certificate() string { return filepath.Join(s.Dir, "self-signed.crt") }

// Command runs a command of the program on the server, with input on its standard input, and returns its output. The
// test fails if the command does.
func (s *Server) Command(t testing.TB, input string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), string(s.binary), args...)
	c.Dir, c.Env, c.Stdin = s.Dir, s.env, strings.NewReader(input)
	var out, problem bytes.Buffer
	c.Stdout, c.Stderr = &out, &problem
	if err := c.Run(); err != nil {
		t.Fatalf("kith %s: %v\n%s", strings.Join(args, " "), err, problem.String())
	}
	return out.String()
}

// AddUser makes an account.
func (s *Server) AddUser(t testing.TB, name, password string) {
	t.Helper()
	s.Command(t, password+"\n", "user", "add", name)
}

// log is the server's standard error, readable while it is written.
type log struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *log) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// Missing skips the test because a peer is not installed; with CI=true, where all of them are, it fails it.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is not installed here, and CI has everything", what)
	}
	t.Skipf("%s is not installed here", what)
}

// Need returns the path of a program that the test cannot do without.
func Need(t testing.TB, program string) string {
	t.Helper()
	path, err := exec.LookPath(program)
	if err != nil {
		Missing(t, program)
	}
	return path
}
