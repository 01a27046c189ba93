// SPDX-License-Identifier: Apache-2.0

package session

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

var key = KeyOf("an id")

func noKick(*Kick) {}

// sleeps is bubble with a session that may be resumed.
func sleeps(t *testing.T, f func(t *testing.T, s *Session, out *fakeStream)) {
	t.Helper()
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.EnableResumption("", key)
		f(t, s, out)
	})
}

// What was not acknowledged comes again on the next stream, in order and before anything new, and counters go on
// (XEP-0198 §5), again and again, over 2^32 as well.
func TestDetachAndAttach(t *testing.T) {
	sleeps(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.sent, s.asked = 1<<32-3, 1<<32-3
		s.in.read, s.in.run = 1<<32-1, 1<<32-1
		fates := make([]*fate, 8)
		for i := range fates {
			fates[i] = new(fate)
		}
		for i := range 4 {
			s.Send(message(fmt.Sprint(i)), fates[i])
		}
		check(t, "written", out.take(), []string{"0", "1", "2", "3", "r"})
		s.Accept(1).Safe()
		if !s.Detach(noKick) {
			t.Fatal("it does not sleep")
		}
		if s.Accept(1) != nil {
			t.Error("it reads while it sleeps")
		}
		s.SendRaw(`<x xmlns="urn:example"/>`) // for the old stream
		s.Send(message("4"), fates[4])
		check(t, "written asleep", out.take(), []string(nil))
		check(t, "h", s.H(), uint32(0))

		next := newFake()
		check(t, "h 2", s.Attach(next, 2, noKick), error(&AckError{H: 2, Sent: 1}))
		check(t, "h 2^32-4", s.Attach(next, 1<<32-4, noKick), error(&AckError{H: 1<<32 - 4, Sent: 1}))
		check(t, "h 2^32-1", s.Attach(next, 1<<32-1, noKick), nil)
		check(t, "twice", s.Attach(next, 0, noKick) == ErrEnded, true)
		check(t, "before the start", next.take(), []string(nil))
		s.Send(message("5"), fates[5])
		s.Start()
		check(t, "written", next.take(), []string{"2", "3", "4", "5", "r"})
		for i, want := range []string{"taken 1, lost 0", "taken 1, lost 0", "taken 0, lost 0"} {
			check(t, fmt.Sprint("fate ", i), fates[i].String(), want)
		}
		s.Accept(1).Safe()
		check(t, "h goes on", s.H(), uint32(1))
		check(t, "h 1", s.Acknowledged(1), nil) // 2^32-3, and four: all but the last two
		check(t, "fate", fates[3].String(), "taken 1, lost 0")
		check(t, "fate", fates[4].String(), "taken 0, lost 0")

		for range 3 { // nothing is lost, and nothing is counted twice
			if !s.Detach(noKick) {
				t.Fatal("it does not sleep again")
			}
			next = newFake()
			check(t, "again", s.Attach(next, 1, noKick), nil)
			s.Start()
			check(t, "written again", next.take(), []string{"4", "5", "r"})
		}
		check(t, "h 3", s.Acknowledged(3), nil)
		check(t, "the last", fates[5].String(), "taken 1, lost 0")
		check(t, "lost", len(s.End()), 0)
	})
}

// Messages that come again say when they were sent, others and errors are as they were, and nothing says it twice.
func TestLate(t *testing.T) {
	sleeps(t, func(t *testing.T, s *Session, out *fakeStream) {
		at := time.Now()
		s.Send(message("1"), nil)
		s.Send(stanza.New(stanza.Presence, "", "2", full, full), nil)
		s.Send(stanza.New(stanza.Message, "error", "3", full, full), nil)
		synctest.Wait()
		time.Sleep(time.Minute)
		for range 2 {
			s.Detach(noKick)
			if err := s.Attach(newFake(), 0, noKick); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Minute)
		}
		s.Detach(noKick)
		v, _ := s.Save()
		for i, want := range []int{1, 0, 0} {
			n := strings.Count(string(v.Items[i].Stanza.Raw()), delay.NS)
			check(t, fmt.Sprint("notes in ", i), n, want)
		}
		if d, _ := delay.Of(v.Items[0].Stanza); !d.Time.Equal(at.UTC()) || d.From != full.DomainJID() {
			t.Errorf("got %v, want %v", d, at)
		}
	})
}

// A session sleeps only if that can be of use.
func TestMayNotSleep(t *testing.T) {
	t.Parallel()
	for name, prepare := range map[string]func(s *Session){
		"it cannot be resumed":        func(s *Session) { s.Enable(""); s.Start() },
		"nothing is acknowledged":     func(s *Session) { s.Start() },
		"its client is not bound yet": func(s *Session) { s.EnableResumption("", key) },
		"it was kicked":               func(s *Session) { s.EnableResumption("", key); s.Start(); s.Kick(&Kick{}) },
		"another took its place":      func(s *Session) { s.EnableResumption("", key); s.Start(); s.Abandon() },
		"it has ended":                func(s *Session) { s.EnableResumption("", key); s.Start(); s.End() },
		"it sleeps":                   func(s *Session) { s.EnableResumption("", key); s.Start(); s.Detach(noKick) },
		"it holds too many": func(s *Session) {
			s.EnableResumption("", key)
			s.Start()
			for range maxRest + 1 {
				s.Send(message("x"), nil)
			}
		},
		"it holds too much": func(s *Session) {
			s.EnableResumption("", key)
			s.Start()
			body := xmlstream.TextElem("", "body", strings.Repeat("x", 100_000))
			for range maxRestBytes/100_000 + 1 {
				s.Send(stanza.New(stanza.Message, "chat", "1", full, full, body), nil)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New("1", full, "", newFake(), ClientCredit(), noKick)
				prepare(s)
				synctest.Wait()
				if s.Detach(noKick) {
					t.Error("it sleeps")
				}
				s.End()
			})
		})
	}
}

// A session that holds too much while it sleeps is ended, once, and nothing of it is lost silently.
func TestHoldsTooMuch(t *testing.T) {
	sleeps(t, func(t *testing.T, s *Session, _ *fakeStream) {
		var kicks atomic.Int32
		for i := range 10 {
			s.Send(message(fmt.Sprint(i)), nil)
		}
		synctest.Wait() // not acknowledged: they count
		s.Detach(func(*Kick) { kicks.Add(1) })
		for range maxRest - 10 {
			s.Send(message("x"), new(fate))
		}
		synctest.Wait()
		check(t, "kicks", kicks.Load(), int32(0))
		for range 3 {
			s.Send(message("x"), new(fate))
		}
		synctest.Wait()
		check(t, "kicks", kicks.Load(), int32(1))
		check(t, "it is not resumed", s.Attach(newFake(), 0, noKick) == ErrEnded, true)
		check(t, "lost", len(s.End()), maxRest-10+3)
	})
}

// A write that hangs does not hold up who takes the session away, and what it carried comes again.
func TestDetachFromStuckStream(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newFake()
		out.gate = make(chan struct{})
		s := New("1", full, "", out, ClientCredit(), noKick)
		s.EnableResumption("", key)
		s.Start()
		s.Send(message("1"), nil)
		s.SendRaw(`<x xmlns="urn:example"/>`)
		s.Send(message("2"), nil)
		synctest.Wait()
		begin := time.Now()
		if !s.Detach(noKick) {
			t.Fatal("it does not sleep")
		}
		if d := time.Since(begin); d > detachTime || !out.cut {
			t.Errorf("after %v, cut: %v", d, out.cut)
		}
		next := newFake()
		check(t, "attached", s.Attach(next, 0, noKick), nil)
		s.Start()
		check(t, "written", next.take(), []string{"1", "2", "r"})
		s.End()
	})
}

// What is saved is restored: counters, what was written and what was not, with its times.
func TestSaveAndRestore(t *testing.T) {
	sleeps(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.sent, s.asked = 1<<32-1, 1<<32-1
		var fates [3]fate
		for i := range 2 {
			s.Send(message(fmt.Sprint(i)), &fates[i])
		}
		synctest.Wait()
		for range 3 {
			s.Accept(1).Safe()
		}
		s.Accept(1) // not safe: its client will send it again
		if _, ok := s.Save(); ok {
			t.Error("it is awake, and saved")
		}
		s.Detach(noKick)
		s.Send(message("2"), &fates[2])
		v, ok := s.Save()
		if !ok || v.Unacked != 2 || v.Read != 3 || v.Written != 1 || v.Key != key || v.JID != full {
			t.Fatalf("saved: %v, %+v", ok, v)
		}
		if got := v.Fates(); len(got) != 3 || got[2] != &fates[2] {
			t.Errorf("fates: %v", got)
		}
		check(t, "lost", len(s.End()), 0)
		check(t, "not resumed", s.Attach(newFake(), 0, noKick) == ErrEnded, true)
		var late fate
		s.Send(message("3"), &late)
		check(t, "fate of what is sent to it", late.String(), "taken 0, lost 1")

		r := Restore(v, ClientCredit(), noKick)
		next := newFake()
		check(t, "h 2", r.Attach(next, 2, noKick), error(&AckError{H: 2, Sent: 1}))
		check(t, "h 0", r.Attach(next, 0, noKick), nil)
		r.Start()
		check(t, "written", next.take(), []string{"1", "2", "r"})
		check(t, "h", r.H(), uint32(3))
		r.Accept(1).Safe()
		check(t, "h", r.H(), uint32(4))
		for i, want := range []string{"taken 1, lost 0", "taken 0, lost 0", "taken 0, lost 0"} {
			check(t, fmt.Sprint("fate ", i), fates[i].String(), want)
		}
		check(t, "lost", len(r.End()), 2)
	})
}

// Certain is the end of the run with what is about to be safe, never more, and saying so twice does no harm.
func TestCertain(t *testing.T) {
	sleeps(t, func(t *testing.T, s *Session, _ *fakeStream) {
		s.in.read, s.in.run = 1<<32-3, 1<<32-3
		var o []*Origin
		for range 8 { // 2^32-2, 2^32-1, 0, 1, 2, 3, 4, 5
			o = append(o, s.Accept(1))
		}
		for _, x := range o {
			if of, _, ok := x.Count(); of != s || !ok {
				t.Error("it does not count")
			}
		}
		check(t, "nothing", s.Certain(nil), uint32(1<<32-3))
		check(t, "a gap", s.Certain([]uint32{1<<32 - 1, 0}), uint32(1<<32-3))
		check(t, "two", s.Certain([]uint32{1<<32 - 2, 1<<32 - 1, 1}), uint32(1<<32-1))
		o[2].Safe()
		check(t, "with one that is safe", s.Certain([]uint32{1<<32 - 2, 1<<32 - 1, 1, 3}), uint32(1))
		check(t, "h", s.H(), uint32(1<<32-3))
		s.Safe(1<<32-2, 1<<32-1, 1)
		check(t, "h", s.H(), uint32(1))
		for _, x := range o[:4] {
			x.Safe()
		}
		check(t, "h", s.H(), uint32(1))
		check(t, "no more than was read", s.Certain([]uint32{2, 3, 4, 5, 6, 7}), uint32(5))
	})
}

// Whatever goes on at once, each fate is told once, each stanza comes to the client in order until it is taken, and the
// counters fit: a client that is cut and resumes many times has all in the end.
func TestResumedOften(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		c := &client{r: rand.New(rand.NewPCG(seed, 3))}
		s := New("1", full, "", c.stream(), ClientCredit(), noKick)
		s.EnableResumption("", key)
		s.Start()
		const n = 500
		fates := make([]fate, n)
		var wg sync.WaitGroup
		wg.Go(func() {
			for i := range n {
				s.Send(message(fmt.Sprint(i)), &fates[i])
				if i%7 == 0 {
					runtime.Gosched()
				}
			}
		})
		for c.has() < n {
			for range c.r.IntN(50) {
				runtime.Gosched()
			}
			h, overtaken := c.cut()
			if c.r.IntN(2) == 0 {
				if err := s.Acknowledged(min(h, overtaken)); err != nil {
					if _, ok := errors.AsType[*AckError](err); !ok {
						t.Fatal(err)
					}
				}
			}
			if !s.Detach(noKick) {
				t.Fatalf("seed %d: it does not sleep", seed)
			}
			h, _ = c.cut()
			if err := s.Attach(c.stream(), h, noKick); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			s.Start()
		}
		wg.Wait()
		c.mu.Lock()
		for i, id := range c.got {
			if id != fmt.Sprint(i) {
				t.Fatalf("seed %d: number %d is %s", seed, i, id)
			}
		}
		c.mu.Unlock()
		for _, f := range s.End() {
			f.Lost()
		}
		for i := range fates {
			if fates[i].taken.Load()+fates[i].lost.Load() != 1 {
				t.Fatalf("seed %d: fate %d is told %s", seed, i, &fates[i])
			}
		}
	}
}

// A client has what came on its streams, the last of which may break in the middle of a write.
type client struct {
	r *rand.Rand

	mu  sync.Mutex
	got []string
	now *clientStream
}

type clientStream struct {
	c   *client
	cut atomic.Bool
}

func (c *client) stream() *clientStream {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = &clientStream{c: c}
	return c.now
}

func (c *client) has() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.got)
}

// cut breaks the client's stream, and returns how many stanzas it has.
func (c *client) cut() (h, before uint32) {
	before = uint32(c.has())
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.cut.Store(true)
	return uint32(len(c.got)), before
}

func (s *clientStream) Write(xmlstream.Raw) error        { return s.WriteStanzas(nil) }
func (s *clientStream) SetWriteDeadline(time.Time) error { return nil }
func (s *clientStream) Cut()                             { s.cut.Store(true) }

func (s *clientStream) WriteStanzas(list []*stanza.Stanza, _ ...xmlstream.Raw) error {
	for _, st := range list {
		s.c.mu.Lock()
		if s.cut.Load() {
			s.c.mu.Unlock()
			return errors.New("broken pipe")
		}
		s.c.got = append(s.c.got, st.ID)
		s.c.mu.Unlock()
		runtime.Gosched()
	}
	return nil
}
