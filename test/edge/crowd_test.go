// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// testIdle opens many connections that then say nothing, from as many addresses. The server holds them all, at a
// price in memory that is bounded, and lets people in meanwhile.
func (w *world) testIdle(t *testing.T, before int) {
	n := 2000
	if long() {
		n = 10_000
	}
	a := w.attack(t, order{Kind: "idle", N: n})
	report := a.next(t)
	if report.Opened != n {
		t.Errorf("%d of %d connections were opened: %s", report.Opened, n, report.Problem)
	}
	if long() {
		time.Sleep(10 * time.Second) // they hold on
	} else {
		time.Sleep(time.Second)
	}
	during := w.Memory(t)
	t.Logf("%d connections: %d KiB each", n, (during-before)/n)
	if (during-before)/n > 40 {
		t.Errorf("a connection that does nothing costs %d KiB", (during-before)/n)
	}
	open, _ := strconv.ParseFloat(w.number(t, "kith_c2s_connections"), 64)
	if int(open) < n {
		t.Errorf("the server holds %v connections, want %d", open, n)
	}
	w.comeAndGo(t)
	a.finish(t)
	if report = a.next(t); report.Opened != n {
		t.Errorf("%d of %d connections were still open", report.Opened, n)
	}
	a.wait(t)
}

// testOneAddress has one address open more than it may.
func (w *world) testOneAddress(t *testing.T) {
	const n, most = 300, 200
	var list []net.Conn
	for range n {
		list = append(list, w.webSocket(t, "192.0.2.77"))
	}
	for _, c := range list[most:] {
		(&peer{c}).rest(t, closing)
	}
	if alive := open(list); alive != most {
		t.Errorf("one address has %d connections that are not logged in, want %d", alive, most)
	}
	w.comeAndGo(t)
}

// testGuesses has strangers from many addresses try passwords, a thousand a second.
func (w *world) testGuesses(t *testing.T) {
	d := 3 * time.Second
	if long() {
		d = time.Minute
	}
	before := w.cpu(t)
	a := w.attack(t, order{Kind: "guess", N: 1000, Seconds: int(d / time.Second)})
	time.Sleep(d / 2)
	w.comeAndGo(t)
	r := a.next(t)
	each := (w.cpu(t) - before) / time.Duration(max(1, r.Opened))
	t.Logf("%d guesses in %v: %d wrong, %d late, %d cut; %v of the server's processor time each", r.Opened, d, r.Wrong, r.Late, r.Cut, each)
	if r.Wrong < r.Opened/2 || r.Other > 0 {
		t.Errorf("of %d guesses %d were answered and %d odd: %s", r.Opened, r.Wrong, r.Other, r.Problem)
	}
	if long() && r.Opened < 900*r.Seconds {
		t.Errorf("the attacker made %d guesses in %d s only", r.Opened, r.Seconds)
	}
	a.wait(t)
}

// cpu is the processor time that the server has used.
func (w *world) cpu(t *testing.T) time.Duration {
	t.Helper()
	seconds, err := strconv.ParseFloat(w.number(t, "process_cpu_seconds_total"), 64)
	if err != nil {
		t.Fatal(err)
	}
	return time.Duration(seconds * float64(time.Second))
}

// comeAndGo has somebody log in and leave, as people do.
func (w *world) comeAndGo(t *testing.T) {
	t.Helper()
	begin := time.Now()
	c := login(t, w.Server, "juliet") // a second device of hers
	if err := c.Stream.Close(nil); err != nil {
		t.Error(err)
	}
	took := time.Since(begin)
	t.Logf("a log-in took %v", took)
	if took > closing {
		t.Errorf("a log-in took %v", took)
	}
}

// An order is what an attacker is told.
type order struct {
	Kind              string // "idle", "guess"
	N                 int    // connections, or guesses a second
	Seconds           int    // for guesses
	Clients, TLS, Web string // addresses of the server
}

// A report is what an attacker tells.
type report struct {
	Opened    int // connections, or guesses made
	Wrong     int // guesses that were answered with not-authorized
	Late, Cut int // those that were made to wait for it, and those that were refused without an answer
	Other     int
	Seconds   int
	Problem   string // the first
}

// An attacker is a process that attacks.
type attacker struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	out *bufio.Reader
}

const orderVariable = "KITH_EDGE_ORDER"

// attack starts this test's binary once more, as an attacker.
func (w *world) attack(t *testing.T, o order) *attacker {
	t.Helper()
	o.Clients, o.TLS, o.Web = w.Clients, w.ClientsTLS, w.web()
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	args := []string{os.Args[0], "-test.run=^TestAttacker$"}
	if nice, err := exec.LookPath("nice"); err == nil {
		args = append([]string{nice, "-n", "19"}, args...)
	}
	a := &attacker{cmd: exec.CommandContext(t.Context(), args[0], args[1:]...)}
	a.cmd.Env = append(os.Environ(), orderVariable+"="+string(b))
	a.cmd.Stderr = t.Output()
	out, err := a.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if a.in, err = a.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	a.out = bufio.NewReader(out)
	if err := a.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return a
}

// next waits for the next report.
func (a *attacker) next(t *testing.T) report {
	t.Helper()
	line, err := a.out.ReadBytes('\n')
	if err != nil {
		t.Fatalf("the attacker has gone: %v", err)
	}
	var r report
	if err := json.Unmarshal(line, &r); err != nil {
		t.Fatalf("the attacker said %q", line)
	}
	return r
}

// finish tells the attacker to come to its end.
func (a *attacker) finish(t *testing.T) {
	t.Helper()
	if err := a.in.Close(); err != nil {
		t.Error(err)
	}
}

func (a *attacker) wait(t *testing.T) {
	t.Helper()
	_, _ = io.Copy(io.Discard, a.out)
	if err := a.cmd.Wait(); err != nil {
		t.Errorf("the attacker: %v", err)
	}
}

// TestAttacker is the attacker.
func TestAttacker(t *testing.T) {
	text := os.Getenv(orderVariable)
	if text == "" {
		t.Skip("there is nobody to attack")
	}
	var o order
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatal(err)
	}
	tell := func(r report) {
		b, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Println(string(b))
	}
	switch o.Kind {
	case "idle":
		list, r := o.open()
		tell(r)
		_, _ = io.Copy(io.Discard, os.Stdin) // until we are told
		tell(report{Opened: open(list)})
	case "guess":
		tell(o.guess())
	}
}
