// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stream"
)

// A person is one device of somebody, and how it behaves.
type person struct {
	account  string
	resource string
	managed  bool   // uses stream management
	resumes  bool   // its sessions may be resumed
	asks     bool   // the server something, between messages
	alone    bool   // is the account's only device
	sends    bool   // while people chat
	goes     bool   // comes and goes while people chat
	away     bool   // while people chat
	contact  string // whose presence it asks for; "" for nobody's
}

// people are all devices of all accounts.
func people() []person {
	return []person{
		{account: "ann", resource: "main", managed: true, alone: true, sends: true, contact: "ben"},
		{account: "ben", resource: "main", managed: true, alone: true, sends: true, contact: "ann"},
		{account: "cat", resource: "main", alone: true, sends: true},
		{account: "dan", resource: "main", managed: true, alone: true, sends: true, goes: true},
		{account: "eve", resource: "main", managed: true, alone: true, away: true},
		{account: "fay", resource: "main", managed: true, sends: true},
		{account: "fay", resource: "more"},
		{account: "gus", resource: "main", managed: true, resumes: true, alone: true, sends: true},
		{account: "hal", resource: "main", managed: true, resumes: true, alone: true, sends: true, goes: true, asks: true},
	}
}

// accounts are the names of all who get messages.
func accounts() []string { return []string{"ann", "ben", "cat", "dan", "eve", "fay", "gus", "hal"} }

// herald sends the last message to everybody.
const herald = "zoe"

// A world is a data folder, and the people who chat by way of it, over several lives of the server.
type world struct {
	t      *testing.T
	binary string
	dir    string
	random *rand.Rand // of the test's goroutine alone
	ledger *ledger

	bell                        // its mu guards all below
	memories map[string]*memory // by person; each is its person's alone, and the test's when nobody is there
	server   *server            // of this life
	steps    int64              // in this life
	leaves   int                // in this life: connections that clients have ended
}

func newWorld(t *testing.T, binary string, random *rand.Rand, accounts ...string) *world {
	w := &world{t: t, binary: binary, dir: t.TempDir(), random: random, ledger: newLedger(), memories: map[string]*memory{}}
	for _, a := range accounts {
		w.addUser(a)
	}
	return w
}

// step notes that something has happened: a log-in, a message that was sent, anything that was read. When there were
// as many as the plan says, the server is killed.
func (w *world) step() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.steps++
	if w.steps == w.server.plan.after {
		w.server.kill()
	}
	w.changed()
}

// pass waits until n more steps were made.
func (w *world) pass(ctx context.Context, s *server, n int64) error {
	w.mu.Lock()
	due := w.steps + n
	w.mu.Unlock()
	err := w.awaitOr(ctx, s.done, func() bool { return w.steps >= due })
	if errors.Is(err, errEnded) {
		return errGone
	}
	return err
}

// left notes that a client ends its connection.
func (w *world) left() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaves++
}

// round is one of the test's rounds. It ends with a server that has stopped in good order.
func (w *world) round(r round) {
	w.chat(r.chat)
	w.inspect(false)
	for _, p := range r.recover {
		w.settle(p)
		w.inspect(false)
	}
	w.settle(plan{})
	w.inspect(true)
}

// begin starts a life. The context that it returns ends when that takes too long.
func (w *world) begin(p plan) (context.Context, context.CancelFunc, *server) {
	w.t.Helper()
	s := launch(w.t, w.binary, w.dir, p)
	w.mu.Lock()
	w.server, w.steps, w.leaves = s, 0, 0
	w.mu.Unlock()
	ctx, cancel := context.WithTimeout(w.t.Context(), lifetime)
	select {
	case <-s.ready:
	case <-s.done:
	case <-ctx.Done():
		s.kill()
		w.ledger.wrong("the server did not begin to listen")
		<-s.done
	}
	return ctx, cancel, s
}

// report fails the test if something is wrong by now.
func (w *world) report(s *server) {
	w.t.Helper()
	list := append(w.ledger.report(), s.errors()...)
	for i, p := range list {
		if i == 25 {
			w.t.Errorf("and %d more", len(list)-i)
			break
		}
		w.t.Error(p)
	}
	if w.t.Failed() {
		w.t.Fatalf("in the life that was to be killed %v; the server's last words:\n%s", s.plan, s.tail())
	}
}

// chat is a life in which people send messages until the server is killed.
func (w *world) chat(p plan) {
	var all []func(context.Context, *server) error
	for _, p := range people() {
		random := rand.New(rand.NewPCG(w.random.Uint64(), 0))
		if !p.away {
			all = append(all, func(ctx context.Context, s *server) error { return w.live(ctx, s, p, random) })
		}
	}
	s := w.until(p, all)
	if ended, left := strings.Count(s.log.String(), `msg="session ended"`), w.leaves; ended > left {
		w.ledger.wrong("the server ended %d sessions, and %d have left", ended, left)
	}
	w.report(s)
}

// until is a life in which all live until the server is killed.
func (w *world) until(p plan, live []func(context.Context, *server) error) *server {
	ctx, cancel, s := w.begin(p)
	defer cancel()
	var all sync.WaitGroup
	for _, f := range live {
		if !s.gone() {
			all.Go(func() { w.during(s, f(ctx, s)) })
		}
	}
	err := s.wait(lifetime)
	cancel()
	all.Wait()
	if err == nil {
		err = s.killed()
	}
	if err != nil {
		w.ledger.wrong("%v", err)
	}
	return s
}

// during notes an error, unless it is because the server was killed.
func (w *world) during(s *server, err error) {
	switch {
	case err == nil:
	case !brokenOff(err):
		w.ledger.wrong("%v", err)
	case s.wait(stopTime) != nil || s.killed() != nil:
		w.ledger.wrong("%v", err)
	}
}

// brokenOff reports whether err is what becomes of a connection when nobody is there any more.
func brokenOff(err error) bool {
	for _, e := range []error{
		io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, syscall.ECONNRESET, syscall.ECONNREFUSED, syscall.EPIPE,
		context.Canceled, stream.ErrClosed, errGone,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// live is what a person does while people chat, until the server is gone.
func (w *world) live(ctx context.Context, s *server, p person, random *rand.Rand) error {
	for {
		d, err := w.connect(ctx, s, p)
		if err != nil {
			return err
		}
		stays := -1
		if p.goes {
			stays = 20 + random.IntN(150)
		}
		if err := d.chat(ctx, random, stays); err != nil {
			d.leave(false)
			return err
		}
		w.left()
		d.leave(!p.resumes && random.IntN(3) != 0)
		if err := w.pass(ctx, s, 50+random.Int64N(500)); err != nil {
			return err
		}
	}
}

// chat sends n messages to random people, or, if n is negative or the device does not send, goes on until the
// connection ends.
func (d *device) chat(ctx context.Context, random *rand.Rand, n int) error {
	if err := d.present(ctx); err != nil {
		return err
	}
	if !d.sends {
		return d.await(ctx, func() bool { return false })
	}
	for i := 0; i != n; i++ {
		to := accounts()[random.IntN(len(accounts()))]
		if to == d.account {
			continue
		}
		a := address(to)
		if random.IntN(8) == 0 {
			a = jid.MustParse(a.String() + "/main") // it may be there or not
		}
		if err := d.send(ctx, a); err != nil {
			return err
		}
		d.w.step()
	}
	return nil
}

// settle is a life in which everybody logs in and gets what waited. It ends in good order, unless p says otherwise;
// where p has not come true by then, by SIGKILL all the same.
func (w *world) settle(p plan) {
	ctx, cancel, s := w.begin(p)
	defer cancel()
	var there []*device
	if !s.gone() {
		var err error
		there, err = w.gather(ctx, s)
		if w.during(s, err); err != nil {
			s.kill() // so that they end
		}
	}
	if p == (plan{}) {
		w.dismiss(s, there)
	} else {
		s.kill()
		<-s.done
	}
	for _, d := range there {
		<-d.ended
	}
	w.report(s)
	if p == (plan{}) {
		w.ledger.settle()
	}
}

// gather has everybody log in, get what waited and a last message behind that, and acknowledge it. It returns who is
// connected, also with an error.
func (w *world) gather(ctx context.Context, s *server) (there []*device, err error) {
	var mu sync.Mutex // guards there and err
	each := func(f func(i int) error, n int) {
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				if e := f(i); e != nil {
					mu.Lock()
					defer mu.Unlock()
					err = errors.Join(err, e)
				}
			})
		}
		all.Wait()
	}
	everybody := append(people(), person{account: herald, resource: "main", managed: true, alone: true})
	each(func(i int) error {
		d, err := w.connect(ctx, s, everybody[i])
		if err != nil {
			return err
		}
		mu.Lock()
		there = append(there, d)
		mu.Unlock()
		return d.present(ctx)
	}, len(everybody))
	if err != nil {
		return there, err
	}
	last := map[string]key{}
	for _, d := range there {
		if d.account == herald {
			for _, a := range accounts() {
				last[a] = key{herald, a, w.ledger.last(herald, a) + 1}
				err = errors.Join(err, d.send(ctx, address(a)))
			}
		}
	}
	if err != nil {
		return there, err
	}
	each(func(i int) error {
		d := there[i]
		if d.account != herald {
			if err := d.await(ctx, func() bool { return d.got[last[d.account]] }); err != nil {
				return fmt.Errorf("waiting for the last message: %w", err)
			}
		}
		return d.sync(ctx)
	}, len(there))
	return there, err
}

// stop ends the server in good order, and reports whether it has ended by itself.
func (w *world) stop(s *server) bool {
	if err := s.stop(); err != nil {
		w.ledger.wrong("stop: %v", err)
	}
	if err := s.wait(stopTime); err != nil {
		w.ledger.wrong("%v", err)
		return false
	}
	if code := s.cmd.ProcessState.ExitCode(); code != 0 {
		w.ledger.wrong("after SIGTERM the server ended with %v", s.cmd.ProcessState)
	}
	return true
}

// dismiss ends the server in good order, with devices connected.
func (w *world) dismiss(s *server, there []*device) {
	if !w.stop(s) {
		return
	}
	for _, d := range there {
		<-d.ended
		if d.resumes {
			if !errors.Is(d.why, io.ErrUnexpectedEOF) {
				w.ledger.wrong("the stream of %s, which may be resumed, ended with %v when the server stopped", d.account, d.why)
			}
			continue
		}
		if e, ok := errors.AsType[*stream.PeerError](d.why); !ok || e.Condition != "system-shutdown" { // RFC 6120 §4.9.3.20
			w.ledger.wrong("%s was told %v when the server stopped", d.account, d.why)
		}
	}
}
