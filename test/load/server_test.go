// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	domain     = "load.example"
	password   = "as swift as meditation"
	iterations = 4096 // of PBKDF2: the client's work, not the server's

	startTime = 20 * time.Second // of a server, at most
	stopTime  = 20 * time.Second
)

// A kind is one of the servers that are measured. It has its own folder, with the accounts, which outlives a process.
type kind struct {
	name     string
	dir      string
	accounts []*account
	address  map[way]string
	path     string                                 // of its WebSocket
	command  func(context.Context, *kind) *exec.Cmd // starts it in the foreground
	fast     bool                                   // it has SASL2, Bind 2 and FAST
	database string                                 // a file of SQLite with its archives
	table    table
}

// A server is one process.
type server struct {
	*kind
	tls  *tls.Config // the client's
	cmd  *exec.Cmd
	log  *os.File
	took time.Duration // from its start to its first answer
	done chan struct{} // closed when it is gone
}

// newAccounts makes n names.
func newAccounts(n int) []*account {
	list := make([]*account, n)
	for i := range list {
		list[i] = &account{name: fmt.Sprintf("u%05d", i), client: rand.Text()}
	}
	return list
}

// freePorts returns the addresses of three ports that nobody listens on.
func freePorts(t *testing.T) map[way]string {
	t.Helper()
	m := map[way]string{}
	for _, w := range []way{startTLS, directTLS, webSocket} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		m[w] = l.Addr().String()
	}
	return m
}

// start starts the server and waits for its first answer. The process ends with the test at the latest.
func (k *kind) start(t *testing.T) *server {
	t.Helper()
	s := &server{kind: k, tls: clientTLS(), done: make(chan struct{})}
	var err error
	if s.log, err = os.OpenFile(filepath.Join(k.dir, "log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600); err != nil {
		t.Fatal(err)
	}
	defer s.log.Close()
	s.cmd = k.command(t.Context(), k)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	begin := time.Now()
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() { // ends with the process
		defer close(s.done)
		_ = s.cmd.Wait() // ProcessState says it all
	}()
	t.Cleanup(func() { s.stop(t) })
	for {
		c, err := net.Dial("tcp", s.address[startTLS])
		if err == nil {
			c.Close()
			break
		}
		select {
		case <-s.done:
			t.Fatalf("%s: %v\n%s", k.name, s.cmd.ProcessState, k.tail())
		case <-time.After(time.Millisecond):
		}
		if time.Since(begin) > startTime {
			t.Fatalf("%s does not listen: %v\n%s", k.name, err, k.tail())
		}
	}
	c, err := dial(t.Context(), s, startTLS)
	if err != nil {
		t.Fatalf("%v\n%s", err, k.tail())
	}
	s.took = time.Since(begin)
	c.Cut()
	return s
}

// stop ends the process: ours in good order. Prosody takes its time where sessions could still be resumed, and what it
// has kept is of no use to anybody.
func (s *server) stop(t *testing.T) {
	t.Helper()
	how := syscall.SIGTERM
	if !s.fast {
		how = syscall.SIGKILL
	}
	_ = s.cmd.Process.Signal(how) // it may be gone
	select {
	case <-s.done:
	case <-time.After(stopTime):
		t.Errorf("%s did not stop in %v", s.name, stopTime)
		_ = s.cmd.Process.Kill() // it may be gone
		<-s.done
	}
}

func (k *kind) tail() string {
	b, _ := os.ReadFile(filepath.Join(k.dir, "log")) // without it there is nothing to tell
	return string(b[max(0, len(b)-4000):])
}

// cpu is the processor time that the process has used so far, user and system, of all its threads: what /proc/PID/stat
// has in ticks of 10 ms, to the nanosecond.
func (s *server) cpu() (time.Duration, error) {
	const ofScheduler = 2 // the kind of clock; with the process it makes a number as clock_getcpuclockid(3) does
	var ts unix.Timespec
	if err := unix.ClockGettime(int32(^s.cmd.Process.Pid<<3|ofScheduler), &ts); err != nil {
		return 0, fmt.Errorf("processor time of %s: %w", s.name, err)
	}
	return time.Duration(ts.Nano()), nil
}

// rss is the memory of the process that is in RAM, in KiB.
func (s *server) rss() (int, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, after, ok := strings.Cut(string(b), "\nVmRSS:")
	line, _, _ := strings.Cut(after, " kB")
	n, err := strconv.Atoi(strings.TrimSpace(line))
	if !ok || err != nil {
		return 0, fmt.Errorf("/proc/PID/status has no VmRSS: %w", err)
	}
	return n, nil
}

// clientTLS believes every server: nobody is between.
func clientTLS() *tls.Config { return &tls.Config{ServerName: domain, InsecureSkipVerify: true} }

// certificate writes an ECDSA P-256 certificate and its key into dir, as PEM, and returns their paths. All servers
// that are measured have one like it.
func certificate(t *testing.T, dir string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	form := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: domain}, DNSNames: []string{domain},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, form, form, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	cert, key = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for name, block := range map[string]*pem.Block{
		cert: {Type: "CERTIFICATE", Bytes: der}, key: {Type: "PRIVATE KEY", Bytes: pkcs8},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return cert, key
}
