// SPDX-License-Identifier: Apache-2.0

package session

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// weighed says how long a stanza may wait by its type.
func weighed(st *stanza.Stanza) Weight {
	switch {
	case st.Kind == stanza.Presence:
		return Latest
	case st.Type == "headline":
		return Later
	case st.Type == "":
		return Soon
	}
	return Now
}

// news is a stanza of that kind and type, from somebody.
func news(k stanza.Kind, typ, id, from string) *stanza.Stanza {
	return stanza.New(k, typ, id, jid.MustParse(from+"@kith.example/x"), full)
}

func presence(id, from string) *stanza.Stanza { return news(stanza.Presence, "", id, from) }

// idle runs f with a managed session at whose client nobody looks.
func idle(t *testing.T, f func(t *testing.T, s *Session, out *fakeStream)) {
	t.Helper()
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Weigh(weighed)
		s.Enable("")
		s.SetIdle(true)
		f(t, s, out)
	})
}

// What can wait is held until something cannot, and goes out before it, in order; of what somebody is only the newest.
func TestHeld(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Send(presence("romeo 1", "romeo"), nil)
		s.Send(news(stanza.Message, "headline", "event 1", "romeo"), nil)
		s.Send(presence("nurse", "nurse"), nil)
		s.Send(news(stanza.Message, "headline", "event 2", "romeo"), nil)
		s.Send(presence("romeo 2", "romeo"), nil)
		time.Sleep(time.Hour)
		check(t, "held", out.take(), []string(nil))
		s.Send(message("hark"), nil)
		check(t, "what cannot wait, and before it what could", out.take(),
			[]string{"event 1", "nurse", "event 2", "romeo 2", "hark", "r"})
		s.Send(presence("romeo 3", "romeo"), nil)
		check(t, "while the radio is on", out.take(), []string{"romeo 3"})
		time.Sleep(linger)
		s.Send(presence("romeo 4", "romeo"), nil)
		check(t, "held again", out.take(), []string(nil))
	})
}

// When somebody looks, all is written, before anything that comes then (XEP-0352 §5.1).
func TestActive(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Send(presence("romeo", "romeo"), nil)
		s.SetIdle(true) // says nothing new
		check(t, "held", out.take(), []string(nil))
		s.SetIdle(false)
		s.SendRaw(`<pong xmlns="x"/>`)
		check(t, "active", out.take(), []string{"romeo", "pong", "r"})
		if err := s.Acknowledged(1); err != nil {
			t.Fatal(err)
		}
		s.Send(presence("nurse", "nurse"), nil)
		check(t, "as ever", out.take(), []string{"nurse", "r"})
	})
}

// Some things may wait for seconds only.
func TestSoon(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		for range 2 {
			s.Send(presence("romeo", "romeo"), nil)
			s.Send(news(stanza.Message, "", "soon", "romeo"), nil)
			time.Sleep(soon - time.Millisecond)
			check(t, "not yet", out.take(), []string(nil))
			time.Sleep(time.Millisecond)
			check(t, "soon", out.take(), []string{"romeo", "soon"})
			time.Sleep(time.Minute)
		}
	})
}

// A client that sends something has its radio on.
func TestHeldUntilHeard(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Send(presence("romeo", "romeo"), nil)
		s.Accept(10)
		check(t, "with what the client sends", out.take(), []string{"romeo"})
	})
}

// What is held has a bound: one more, and all are written.
func TestHeldBound(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		for i := range maxHeld {
			s.Send(presence(fmt.Sprint(i), fmt.Sprint("n", i)), nil)
		}
		check(t, "held", len(out.take()), 0)
		s.Send(presence("one more", "romeo"), nil)
		check(t, "written, and acknowledged some time", len(out.take()), maxHeld+1+1)
	})
}

// An idle client is asked to acknowledge what was urgent, and else seldom.
func TestAskIdle(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Send(presence("romeo", "romeo"), nil)
		s.Accept(10)
		check(t, "nothing urgent", out.take(), []string{"romeo"})
		s.Send(stanza.New(stanza.IQ, "result", "answer", full, full), nil)
		check(t, "an answer", out.take(), []string{"answer"})
		s.Send(message("hark"), nil)
		check(t, "urgent", out.take(), []string{"hark", "r"})
		if err := s.Acknowledged(3); err != nil {
			t.Fatal(err)
		}
		check(t, "nothing new", out.take(), []string(nil))
	})
}

// A session that sleeps keeps the newest of what somebody is, and is active when it wakes (XEP-0352 §5.2).
func TestHeldAsleep(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Weigh(weighed)
		s.EnableResumption("", KeyOf("x"))
		s.SetIdle(true)
		s.Send(presence("romeo 1", "romeo"), nil)
		if !s.Detach(noKick) {
			t.Fatal("it does not sleep")
		}
		for i := range 3 * maxRest {
			s.Send(presence(fmt.Sprint("romeo ", i), "romeo"), nil)
		}
		s.Send(news(stanza.Message, "headline", "event", "romeo"), nil)
		next := newFake()
		if err := s.Attach(next, 0, noKick); err != nil {
			t.Fatal(err)
		}
		s.Start()
		check(t, "what it gets", next.take(), []string{fmt.Sprint("romeo ", 3*maxRest-1), "event", "r"})
		s.Send(presence("nurse", "nurse"), nil)
		check(t, "active", next.take(), []string{"nurse"})
	})
}

// What is replaced needs nobody to take it.
func TestReplacedFate(t *testing.T) {
	idle(t, func(t *testing.T, s *Session, out *fakeStream) {
		var one, two fate
		s.Send(presence("1", "romeo"), &one)
		s.Send(presence("2", "romeo"), &two)
		check(t, "the first", one.String(), "taken 1, lost 0")
		check(t, "the second", two.String(), "taken 0, lost 0")
	})
}

// Whatever is sent while a client changes its mind, all of it comes, in order for each sender, and at the end nothing is
// left.
func TestIdleRace(t *testing.T) {
	t.Parallel()
	for round := range 20 {
		out := newFake()
		s := New("1", full, "", out, ClientCredit(), noKick)
		s.Weigh(weighed)
		s.Start()
		const n = 100
		var all sync.WaitGroup
		for sender := range 3 {
			all.Go(func() {
				for i := range n {
					typ := []string{"headline", "", "chat"}[(i+sender)%3]
					s.Send(stanza.New(stanza.Message, typ, fmt.Sprint(sender, " ", i), full, full), nil)
				}
			})
		}
		all.Go(func() {
			for i := range n {
				s.SetIdle((i+round)%2 == 0)
			}
			s.SetIdle(false)
		})
		all.Wait()
		s.Drained(nil)
		next := [3]int{}
		for _, id := range out.wrote {
			var sender, i int
			fmt.Sscan(id, &sender, &i)
			if i != next[sender] {
				t.Fatalf("of %d came %d, want %d", sender, i, next[sender])
			}
			next[sender]++
		}
		check(t, "all came", next, [3]int{n, n, n})
	}
}

// A session that has nothing to do with any of this has next to nothing for it.
func TestNobodyWeighs(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.SetIdle(true)
		s.Send(presence("romeo", "romeo"), nil)
		check(t, "at once", out.take(), []string{"romeo"})
	})
}

// Who is told that stream management is on hears so at once, although nobody looks at its client.
func TestEnabledWhileIdle(t *testing.T) {
	bubble(t, func(t *testing.T, s *Session, out *fakeStream) {
		s.Weigh(weighed)
		s.SetIdle(true)
		s.Enable("<enabled/>")
		check(t, "the answer", len(out.take()), 1)
	})
}

// What is replaced has its fate told although the session is too full for what replaces it.
func TestReplacedWhenFull(t *testing.T) {
	sleeps(t, func(t *testing.T, s *Session, _ *fakeStream) {
		s.Weigh(weighed)
		if !s.Detach(noKick) {
			t.Fatal("it does not sleep")
		}
		var old, next fate
		s.Send(presence("1", "romeo"), &old)
		s.Send(stanza.New(stanza.Presence, "", "2", jid.MustParse("romeo@kith.example/x"), full,
			xmlstream.TextElem(xmlstream.NSClient, "status", strings.Repeat("x", maxRestBytes))), &next)
		for _, f := range s.End() {
			f.Lost()
		}
		check(t, "the old one", old.String(), "taken 1, lost 0")
		check(t, "the new one", next.String(), "taken 0, lost 1")
	})
}
