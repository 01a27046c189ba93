// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// A watcher writes down what it hears.
type watcher struct {
	mu    sync.Mutex
	heard []string
}

func (w *watcher) Silent(fates []Fate) { w.note(fmt.Sprint("silent ", len(fates))) }
func (w *watcher) Heard()              { w.note("heard") }

func (w *watcher) note(s string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, s)
}

// take returns what was heard since the last call.
func (w *watcher) take() []string {
	synctest.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	h := w.heard
	w.heard = nil
	return h
}

// Who does not acknowledge what it was asked for is silent after half a minute, until it says something.
func TestSilent(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		var w watcher
		s.Watch(&w)
		s.Enable("")
		var f fate
		s.Send(message("1"), &f)
		s.Send(presence("2", "romeo"), nil)
		out.take()
		time.Sleep(overdue - time.Millisecond)
		check(t, "in time", w.take(), []string(nil))
		s.Send(message("3"), &f)
		time.Sleep(time.Millisecond)
		check(t, "overdue", w.take(), []string{"silent 2"})
		s.Send(message("4"), &f)
		time.Sleep(time.Hour)
		check(t, "said once", w.take(), []string(nil))
		if err := s.Acknowledged(2); err != nil {
			t.Fatal(err)
		}
		check(t, "it answers", w.take(), []string{"heard"})
		out.take()
		time.Sleep(overdue)
		check(t, "asked again, and silent again", w.take(), []string{"silent 2"})
		s.Accept(10)
		check(t, "it speaks", w.take(), []string{"heard"})
		if err := s.Acknowledged(4); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		check(t, "nothing is asked for", w.take(), []string(nil))
	})
}

// One that acknowledges late, but always in time, is never silent, however long it goes on.
func TestNeverSilent(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		var w watcher
		s.Watch(&w)
		s.Enable("")
		for i := range 20 {
			s.Send(message("x"), nil)
			out.take()
			time.Sleep(overdue - time.Second)
			if err := s.Acknowledged(uint32(i + 1)); err != nil {
				t.Fatal(err)
			}
		}
		check(t, "heard of it", w.take(), []string(nil))
	})
}

// A session that sleeps is not silent: it is known to have no connection.
func TestSilentAsleep(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		var w watcher
		s.Watch(&w)
		s.EnableResumption("", KeyOf("x"))
		s.Send(message("1"), nil)
		out.take()
		if !s.Detach(noKick) {
			t.Fatal("it does not sleep")
		}
		time.Sleep(time.Hour)
		check(t, "asleep", w.take(), []string(nil))
	})
}

// What had not been acknowledged when the connection went is told at once: nobody will acknowledge it soon.
func TestSilentWhenDetached(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		var w watcher
		s.Watch(&w)
		s.EnableResumption("", KeyOf("x"))
		var f fate
		s.Send(message("1"), &f)
		s.Send(message("2"), &f)
		out.take()
		if err := s.Acknowledged(1); err != nil {
			t.Fatal(err)
		}
		if !s.Detach(noKick) {
			t.Fatal("it does not sleep")
		}
		check(t, "detached", w.take(), []string{"silent 1"})
		s.Send(message("3"), &f)
		time.Sleep(time.Hour)
		check(t, "asleep", w.take(), []string(nil))
	})
}

// Who speaks without acknowledging is watched on.
func TestSilentOnceMore(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		var w watcher
		s.Watch(&w)
		s.Enable("")
		s.Send(message("1"), &fate{})
		out.take()
		time.Sleep(overdue)
		check(t, "overdue", w.take(), []string{"silent 1"})
		s.Accept(10)
		check(t, "it speaks", w.take(), []string{"heard"})
		s.Send(message("2"), &fate{})
		time.Sleep(overdue)
		check(t, "and is silent again", w.take(), []string{"silent 2"})
	})
}

// Who is heard while it is said that he is silent is not silent in the end.
func TestHeardMeanwhile(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		w := &interrupted{s: s}
		s.Watch(w)
		s.Enable("")
		s.Send(message("1"), nil)
		out.take()
		time.Sleep(overdue)
		check(t, "the last word", w.take(), []string{"heard", "silent 0", "heard"})
	})
}

// interrupted is a watcher whose client speaks before it has written down that it is silent.
type interrupted struct {
	watcher
	s *Session
}

func (w *interrupted) Silent(fates []Fate) {
	w.s.Accept(10)
	w.watcher.Silent(fates)
}
