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

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

var full = jid.MustParse("juliet@kith.example/balcony")

// A fakeStream writes down what it is given.
type fakeStream struct {
	mu     sync.Mutex
	wrote  []string // ids of stanzas, names of other elements with their h
	writes int
	cut    bool
	gate   chan struct{} // where it is not nil, each write waits for a value, or for the cut
	down   chan struct{} // closed by Cut
	fail   bool
}

func newFake() *fakeStream { return &fakeStream{down: make(chan struct{})} }

func (f *fakeStream) Write(raw xmlstream.Raw) error { return f.WriteStanzas(nil, raw) }

func (f *fakeStream) WriteStanzas(list []*stanza.Stanza, extra ...xmlstream.Raw) error {
	if f.gate != nil {
		select {
		case <-f.gate:
		case <-f.down:
		}
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.writes++
	if f.cut || f.fail {
		return errors.New("broken pipe")
	}
	for _, st := range list {
		f.wrote = append(f.wrote, st.ID)
	}
	for _, raw := range extra {
		f.wrote = append(f.wrote, name(raw))
	}
	return nil
}

// name is the element's name and, of an answer, its h.
func name(raw xmlstream.Raw) string {
	el, err := xmlstream.Parse(string(raw), xmlstream.AfterAuth)
	if err != nil {
		return err.Error()
	}
	return strings.TrimSuffix(el.Root().Name().Local+" "+el.Root().Attr("h"), " ")
}

func (f *fakeStream) SetWriteDeadline(time.Time) error { return nil }

func (f *fakeStream) Cut() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.cut {
		f.cut = true
		close(f.down)
	}
}

// take returns what was written since the last call.
func (f *fakeStream) take() []string {
	synctest.Wait()
	f.mu.Lock()
	defer f.mu.Unlock()
	w := f.wrote
	f.wrote = nil
	return w
}

// A fate counts what it is told.
type fate struct{ taken, lost atomic.Int32 }

func (f *fate) Taken() { f.taken.Add(1) }
func (f *fate) Lost()  { f.lost.Add(1) }

func (f *fate) String() string {
	return fmt.Sprintf("taken %d, lost %d", f.taken.Load(), f.lost.Load())
}

func message(id string) *stanza.Stanza {
	return stanza.New(stanza.Message, "chat", id, full, full, xmlstream.TextElem("", "body", "Hark"))
}

// bubble runs f with a session that has been started.
func bubble(t *testing.T, f func(t *testing.T, s *Session, out *fakeStream)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newFake()
		s := New("1", full, "", out, ClientCredit(), func(*Kick) {})
		s.Start()
		f(t, s, out)
		s.End()
	})
}

func check(t *testing.T, what string, got, want any) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", what, diff)
	}
}

// Without stream management a stanza is taken when it was written, and lost when that failed.
func TestSend(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		var one, two fate
		s.Send(message("1"), &one)
		s.SendRaw(`<x xmlns="urn:example"/>`)
		s.Send(message("2"), nil)
		check(t, "written", out.take(), []string{"1", "x", "2"})
		check(t, "fate", one.String(), "taken 1, lost 0")

		out.mu.Lock()
		out.fail = true
		out.mu.Unlock()
		s.Send(message("3"), &two)
		synctest.Wait()
		if !out.cut {
			t.Error("a stream that cannot be written is not cut")
		}
		check(t, "fate before the end", two.String(), "taken 0, lost 0")
		lost := s.End()
		if len(lost) != 1 || lost[0] != &two {
			t.Errorf("lost: got %v", lost)
		}
		var late fate
		s.Send(message("4"), &late)
		check(t, "fate of what is sent to an ended session", late.String(), "taken 0, lost 1")
		check(t, "a second end", len(s.End()), 0)
	})
}

// Nothing is written before Start; and a session may end without it.
func TestStart(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		for _, started := range []bool{true, false} {
			out := newFake()
			s := New("1", full, "", out, ClientCredit(), func(*Kick) {})
			var one fate
			s.Send(message("1"), &one)
			check(t, "before", out.take(), []string(nil))
			want, lost := []string(nil), 1
			if started {
				s.Start()
				want, lost = []string{"1"}, 0
			}
			check(t, "after", out.take(), want)
			s.Drained(nil)
			check(t, "lost", len(s.End()), lost)
		}
	})
}

// With stream management a stanza is taken when it was acknowledged (XEP-0198 §4), and one request is under way at a
// time.
func TestAcknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		if !s.Enable(`<enabled xmlns="urn:xmpp:sm:3"/>`) || s.Enable(`<enabled xmlns="urn:xmpp:sm:3"/>`) || !s.Managed() {
			t.Error("it is enabled once")
		}
		fates := make([]*fate, 5)
		for i := range fates {
			fates[i] = new(fate)
		}
		s.Send(message("0"), fates[0])
		s.Send(message("1"), fates[1])
		check(t, "written", out.take(), []string{"enabled", "0", "1", "r"})
		s.Send(message("2"), fates[2])
		check(t, "while a request is unanswered", out.take(), []string{"2"})
		check(t, "fate", fates[0].String(), "taken 0, lost 0")

		check(t, "h 1", s.Acknowledged(1), nil)
		check(t, "the next request", out.take(), []string{"r"})
		check(t, "fate of the first", fates[0].String(), "taken 1, lost 0")
		check(t, "fate of the second", fates[1].String(), "taken 0, lost 0")
		check(t, "h 1 again", s.Acknowledged(1), nil)
		check(t, "h 3", s.Acknowledged(3), nil)
		check(t, "nothing to ask for", out.take(), []string(nil))

		check(t, "h 4", s.Acknowledged(4), error(&AckError{H: 4, Sent: 3}))
		check(t, "h 2", s.Acknowledged(2), error(&AckError{H: 2, Sent: 3}))

		s.Send(message("3"), fates[3])
		s.Send(message("4"), fates[4])
		synctest.Wait()
		check(t, "h 4", s.Acknowledged(4), nil)
		lost := s.End()
		if len(lost) != 1 || lost[0] != fates[4] {
			t.Errorf("lost: got %v", lost)
		}
		for i, f := range fates[:4] {
			check(t, fmt.Sprint("fate ", i), f.String(), "taken 1, lost 0")
		}
	})
}

// Counters are modulo 2^32 in both directions (XEP-0198 §4).
func TestWrapAround(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Enable("")
		s.sent, s.asked = 1<<32-2, 1<<32-2
		s.in.read, s.in.run = 1<<32-2, 1<<32-2
		var fates [4]fate
		for i := range fates {
			s.Send(message(fmt.Sprint(i)), &fates[i])
		}
		synctest.Wait()
		check(t, "h 0", s.Acknowledged(0), nil)
		check(t, "fates", []string{fates[1].String(), fates[2].String()}, []string{"taken 1, lost 0", "taken 0, lost 0"})
		check(t, "h 3", s.Acknowledged(3), error(&AckError{H: 3, Sent: 2}))
		check(t, "h 2", s.Acknowledged(2), nil)

		var origins []*Origin
		for range 4 {
			origins = append(origins, s.Accept(1))
		}
		for i, want := range map[int]uint32{0: 1<<32 - 1} {
			origins[i].Safe()
			check(t, "h", s.H(), want)
		}
		origins[2].Safe()
		origins[3].Safe()
		check(t, "h with a gap", s.H(), uint32(1<<32-1))
		origins[1].Safe()
		check(t, "h", s.H(), uint32(2))
	})
}

// h is the end of the unbroken run of safe stanzas, however they come; requests are answered at once, and once more
// when all is safe.
func TestRequested(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		before := s.Accept(1) // does not count
		s.Enable("")
		var o [4]*Origin
		for i := range o {
			o[i] = s.Accept(1)
		}
		before.Safe()
		o[1].Safe()
		s.Requested()
		check(t, "a gap", out.take(), []string(nil))
		time.Sleep(catchUp)
		check(t, "a gap that stays", out.take(), []string{"a 0"})
		o[0].Safe()
		check(t, "two of four", out.take(), []string(nil))
		s.Requested()
		check(t, "asked again", out.take(), []string{"a 2"})
		o[3].Safe()
		o[2].Safe()
		check(t, "by itself", out.take(), []string{"a 4"})
		s.Requested()
		check(t, "asked again", out.take(), []string{"a 4"})
		s.Accept(1).Safe()
		check(t, "nobody asked", out.take(), []string(nil))

		// What becomes safe within a moment is answered once.
		late := s.Accept(1)
		s.Requested()
		time.Sleep(catchUp / 2)
		late.Safe()
		check(t, "at once", out.take(), []string{"a 6"})
		time.Sleep(catchUp)
		check(t, "and not again", out.take(), []string(nil))

		s.Accept(1)
		s.LastCount()
		check(t, "the last count", out.take(), []string{"a 6"})
	})
}

// Answers never go back, however requests and what they wait for meet (XEP-0198 §4).
func TestAnswersGrow(t *testing.T) {
	t.Parallel()
	out := newFake()
	s := New("1", full, "", out, ClientCredit(), noKick)
	s.Start()
	s.Enable("")
	const n = 3000 // no more than a queue holds
	var all sync.WaitGroup
	for range n {
		o := s.Accept(10)
		all.Go(func() {
			o.Safe()
			o.Through()
		})
		s.Requested()
	}
	all.Wait()
	s.Drained(nil)
	last := 0
	for _, a := range out.wrote {
		var h int
		if _, err := fmt.Sscanf(a, "a %d", &h); err != nil || h < last {
			t.Fatalf("after %d came %q", last, a)
		}
		last = h
	}
	check(t, "the last answer", last, n)
}

// Whatever order stanzas become safe in, h is right at each moment.
func TestWindow(t *testing.T) {
	t.Parallel()
	for seed := range uint64(20) {
		r := rand.New(rand.NewPCG(seed, 1))
		w := window{safe: make([]uint64, 2)} // 128 numbers
		start := uint32(1<<32 - r.Uint64N(300))
		w.read, w.run = start, start
		open := map[uint32]bool{}
		for range 2000 {
			if !w.full() && r.IntN(2) == 0 {
				w.read++
				open[w.read] = true
			}
			for n := range open { // in no order
				if r.IntN(3) == 0 {
					delete(open, n)
					w.mark(n)
				}
				break
			}
			want := start
			for want != w.read && !open[want+1] {
				want++
			}
			if w.run != want {
				t.Fatalf("seed %d: h is %d, want %d", seed, w.run, want)
			}
			start = want
		}
	}
}

// A stream without credit is not read, until a stanza is through (not only safe); a single one may be larger than all.
func TestCredit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		credit Credit
		sizes  []int
		blocks bool // the last one waits
	}{
		{"stanzas", Credit{Stanzas: 2, Bytes: 1000}, []int{1, 1, 1}, true},
		{"not yet", Credit{Stanzas: 3, Bytes: 1000}, []int{1, 1, 1}, false},
		{"bytes", Credit{Stanzas: 10, Bytes: 1000}, []int{500, 501}, true},
		{"bytes that fit", Credit{Stanzas: 10, Bytes: 1000}, []int{500, 500}, false},
		{"one that is larger", Credit{Stanzas: 10, Bytes: 1000}, []int{5000}, false},
		{"beside one that is larger", Credit{Stanzas: 10, Bytes: 1000}, []int{5000, 1}, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s := New("1", full, "", newFake(), test.credit, func(*Kick) {})
				var accepted atomic.Int32
				first := s.Accept(test.sizes[0])
				go func() {
					for _, size := range test.sizes[1:] {
						s.Accept(size)
						accepted.Add(1)
					}
				}()
				synctest.Wait()
				want := len(test.sizes) - 1
				if test.blocks {
					want--
				}
				check(t, "accepted", int(accepted.Load()), want)
				first.Safe()
				synctest.Wait()
				check(t, "accepted when the first is safe", int(accepted.Load()), want)
				first.Through()
				synctest.Wait()
				check(t, "accepted when the first is through", int(accepted.Load()), len(test.sizes)-1)
				s.End()
			})
		})
	}
}

// An old stanza that is not safe stops the reader even if all others are through: the window has an end.
func TestWindowIsFull(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New("1", full, "", newFake(), Credit{Stanzas: 64, Bytes: 1000}, func(*Kick) {})
		s.Enable("")
		old := s.Accept(1)
		var accepted atomic.Int32
		go func() {
			for {
				o := s.Accept(1)
				if o == nil {
					return
				}
				accepted.Add(1)
				o.Safe()
				o.Through()
				if accepted.Load() == 200 {
					return
				}
			}
		}()
		synctest.Wait()
		check(t, "accepted", int(accepted.Load()), 63)
		old.Safe()
		synctest.Wait()
		check(t, "accepted after that", int(accepted.Load()), 200)
		check(t, "h", s.H(), uint32(201))
		old.Through()
		s.End()
		if s.Accept(1) != nil {
			t.Error("an ended session accepts a stanza")
		}
	})
}

// A reader that waits for credit is woken by the end; so is who settles.
func TestEndWakes(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := New("1", full, "", newFake(), Credit{Stanzas: 1, Bytes: 1000}, func(*Kick) {})
		s.Accept(1)
		var wg sync.WaitGroup
		wg.Go(func() {
			if s.Accept(1) != nil {
				t.Error("accepted")
			}
		})
		wg.Go(func() { s.Settle(nil) })
		synctest.Wait()
		s.End()
		wg.Wait()
	})
}

// Settle waits until what was read is through, or until it shall not wait any longer.
func TestSettle(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, _ *fakeStream) {
		s.Settle(nil) // nothing was read
		o := s.Accept(1)
		go func() {
			time.Sleep(time.Second)
			o.Through()
		}()
		before := time.Now()
		s.Settle(nil)
		check(t, "time", time.Since(before), time.Second)

		s.Accept(1)
		done := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(done) })
		before = time.Now()
		s.Settle(done)
		check(t, "time", time.Since(before), time.Minute)
	})
}

// A device that does not read is cut, and all that it did not take is lost, in order.
func TestOverflow(t *testing.T) {
	tests := []struct {
		name   string
		n      int
		size   int
		enable bool
	}{
		{"stanzas", maxQueue + maxBatch + 1, 1, false},
		{"bytes", maxQueueBytes/100_000 + 2, 100_000, false},
		{"bytes of what will be acknowledged", maxQueueBytes/100_000 + 2, 100_000, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				out := newFake()
				out.gate = make(chan struct{}) // nothing comes through
				s := New("1", full, "", out, ClientCredit(), func(*Kick) {})
				if test.enable {
					s.Enable("")
				}
				s.Start()
				fates := make([]fate, test.n)
				body := xmlstream.TextElem("", "body", strings.Repeat("x", test.size))
				for i := range fates {
					s.Send(stanza.New(stanza.Message, "chat", fmt.Sprint(i), full, full, body), &fates[i])
					synctest.Wait()
				}
				if !out.cut {
					t.Error("it is not cut")
				}
				lost := s.End()
				check(t, "lost", len(lost), test.n)
				for i := range lost {
					if lost[i] != &fates[i] {
						t.Fatalf("number %d is not in its place", i)
					}
				}
			})
		})
	}
}

// A device that reads and never acknowledges is cut as well.
func TestUnacknowledged(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Enable("")
		for i := range maxUnacked {
			s.Send(message("x"), nil)
			if i%100 == 0 {
				synctest.Wait()
			}
		}
		synctest.Wait()
		if out.cut {
			t.Error("it is cut too early")
		}
		for range 2 { // the second one sees that the first was written
			s.Send(message("x"), nil)
			synctest.Wait()
		}
		s.Send(message("x"), nil)
		if !out.cut {
			t.Error("it is not cut")
		}
	})
}

// Many stanzas go out in few writes, in their order, with elements of other kinds at their places.
func TestBatches(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newFake()
		s := New("1", full, "", out, ClientCredit(), func(*Kick) {})
		var want []string
		for i := range 300 {
			if i == 150 {
				s.SendRaw(`<x xmlns="urn:example"/>`)
				want = append(want, "x")
			}
			s.Send(message(fmt.Sprint(i)), nil)
			want = append(want, fmt.Sprint(i))
		}
		s.Start()
		check(t, "written", out.take(), want)
		if out.writes > 8 {
			t.Errorf("%d writes", out.writes)
		}
		s.End()
	})
}

// Drained waits for the writes, the end, or its caller's patience.
func TestDrained(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		out := newFake()
		out.gate = make(chan struct{})
		s := New("1", full, "", out, ClientCredit(), func(*Kick) {})
		s.Start()
		s.Send(message("1"), nil)
		done := make(chan struct{})
		time.AfterFunc(time.Minute, func() { close(done) })
		before := time.Now()
		s.Drained(done)
		check(t, "time", time.Since(before), time.Minute)
		go func() {
			time.Sleep(time.Second)
			out.gate <- struct{}{}
		}()
		s.Drained(nil)
		check(t, "written", out.take(), []string{"1"})

		s.Send(message("2"), nil)
		time.AfterFunc(time.Second, func() { s.End() })
		s.Drained(nil)
		check(t, "written", out.take(), []string(nil))
	})
}

// Only the first kick counts, and none after the end.
func TestKick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		kicks := make(chan string, 10)
		s := New("1", full, "", newFake(), ClientCredit(), func(k *Kick) { kicks <- k.Condition })
		s.Kick(&Kick{Condition: "conflict"})
		s.Kick(&Kick{Condition: "reset"})
		synctest.Wait()
		check(t, "kicks", []any{len(kicks), <-kicks}, []any{1, "conflict"})
		s.End()
		other := New("2", full, "", newFake(), ClientCredit(), func(k *Kick) { kicks <- k.Condition })
		other.End()
		other.Kick(&Kick{Condition: "conflict"})
		synctest.Wait()
		check(t, "kicks after the end", len(kicks), 0)
	})
}

// Whatever goes on at once, each fate is told once: by the device, or by the end.
func TestFatesOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(30) {
		out := newFake()
		s := New("1", full, "", out, ClientCredit(), func(*Kick) {})
		s.Start()
		const senders, each = 4, 100
		fates := make([]fate, senders*each)
		var lost []Fate
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for j := range each {
					s.Send(message("x"), &fates[i*each+j])
				}
			})
		}
		wg.Go(func() {
			if seed%3 != 0 {
				s.Enable(`<enabled xmlns="urn:xmpp:sm:3"/>`)
			}
			for range 100 {
				s.mu.Lock()
				h := s.sent - uint32(len(s.unacked)/2)
				managed := s.counting
				s.mu.Unlock()
				if managed {
					if err := s.Acknowledged(h); err != nil {
						t.Error(err)
					}
				}
			}
		})
		wg.Go(func() {
			r := rand.New(rand.NewPCG(seed, 2))
			for range r.IntN(1000) {
				runtime.Gosched()
			}
			lost = s.End()
		})
		wg.Wait()
		for _, f := range lost {
			f.Lost()
		}
		for i := range fates {
			if fates[i].taken.Load()+fates[i].lost.Load() != 1 {
				t.Fatalf("seed %d: fate %d is told %s", seed, i, &fates[i])
			}
		}
	}
}
