// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// A fake is a sender that notes what it is given, and answers as it is told.
type fake struct {
	mu     sync.Mutex
	begin  time.Time
	got    []string
	answer func(r Registration, n Notice) error // nil: success
	slow   time.Duration
	busy   map[int64]bool
	t      *testing.T
}

func (f *fake) Send(_ context.Context, r Registration, n Notice, done func(error)) {
	f.mu.Lock()
	if f.busy[r.ID] {
		f.t.Error("two notices at once for one registration")
	}
	f.busy[r.ID] = true
	f.got = append(f.got, fmt.Sprintf("%s:%s%s@%v", r.Client, n.Kind, strings.TrimPrefix(n.Chat.String()+n.Call, ""), time.Since(f.begin)))
	answer, slow := f.answer, f.slow
	f.mu.Unlock()
	go func() { // ends with the bubble
		time.Sleep(slow)
		var err error
		if answer != nil {
			err = answer(r, n)
		}
		f.mu.Lock()
		f.busy[r.ID] = false
		f.mu.Unlock()
		done(err)
	}()
}

func (f *fake) take() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := strings.Join(f.got, " ")
	f.got = nil
	return s
}

// A stage is a dispatcher that runs in a bubble, with two registrations and a fake.
type stage struct {
	*Dispatcher
	svc  *Service
	fake *fake
	a, b Registration
	db   *db.DB
}

func dispatching(t *testing.T, f func(*stage)) {
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		d := dbtest.Open(t, path, account.Schema(), Schema())
		defer d.Close()
		s := &stage{svc: New(d, Options{}), db: d, fake: &fake{begin: time.Now(), busy: map[int64]bool{}, t: t}}
		s.Dispatcher = NewDispatcher(s.svc)
		s.Handle(Web, s.fake)
		err := d.Write(context.Background(), func(tx *db.Tx) (err error) {
			_, err = tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES (1, 'juliet', 'user', FALSE, 1)`)
			if err == nil {
				s.a, err = s.svc.Enable(tx, Registration{Owner: 1, Client: "a", Kind: Web, Service: "https://push.example/a"})
			}
			if err == nil {
				s.b, err = s.svc.Enable(tx, Registration{Owner: 1, Client: "b", Kind: Web, Service: "https://push.example/b"})
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan struct{})
		go func() { // ends below
			defer close(done)
			s.Run(ctx)
		}()
		f(s)
		synctest.Wait()
		cancel()
		<-done
		time.Sleep(24 * time.Hour) // for the fake to end
	})
}

func message(chat string) Notice {
	return Notice{Kind: Message, Chat: jid.MustParse(chat), At: time.Now(), Count: 1}
}

func (s *stage) want(t *testing.T, want string) {
	t.Helper()
	synctest.Wait()
	if got := s.fake.take(); got != want {
		t.Errorf("sent %q, want %q", got, want)
	}
}

// One after the other for each registration, and of a chat only the last of what waits.
func TestLine(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		s.fake.slow = time.Second
		for range 3 {
			s.Send(s.a, message("x@kith.example"))
		}
		s.Send(s.a, message("y@kith.example"))
		s.Send(s.b, message("x@kith.example"))
		synctest.Wait()
		for range 3 {
			s.Send(s.a, message("x@kith.example"))
		}
		time.Sleep(10 * time.Second)
		s.want(t, "a:messagex@kith.example@0s b:messagex@kith.example@0s a:messagey@kith.example@1s a:messagex@kith.example@2s")
	})
}

func TestWithdraw(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		s.fake.slow = time.Second
		s.Send(s.a, message("x@kith.example"))
		synctest.Wait()
		s.Send(s.a, message("y@kith.example"))
		s.Send(s.a, message("z@kith.example"))
		s.Withdraw(s.a.ID, message("y@kith.example").Key())
		s.Withdraw(s.b.ID, message("y@kith.example").Key())
		time.Sleep(10 * time.Second)
		s.want(t, "a:messagex@kith.example@0s a:messagez@kith.example@1s")
	})
}

// A call does not wait behind messages, and not for a service that was not there a moment ago.
func TestCallsFirst(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		s.fake.slow = time.Second
		s.Send(s.a, message("x@kith.example"))
		synctest.Wait()
		s.Send(s.a, message("y@kith.example"))
		s.Send(s.a, Notice{Kind: Call, Call: "c", At: time.Now()})
		time.Sleep(10 * time.Second)
		s.want(t, "a:messagex@kith.example@0s a:callc@1s a:messagey@kith.example@2s")

		s.fake.answer = func(r Registration, n Notice) error { return &Failure{Reason: "unreachable", Later: true} }
		s.Send(s.b, message("x@kith.example"))
		time.Sleep(2 * time.Second)
		s.Send(s.b, Notice{Kind: Call, Call: "c", At: time.Now()})
		time.Sleep(2 * time.Second)
		s.want(t, "b:messagex@kith.example@10s b:callc@12s")

		s.fake.answer = func(r Registration, n Notice) error {
			return &Failure{Reason: "busy", Later: true, After: time.Minute}
		}
		s.Send(s.a, message("x@kith.example"))
		time.Sleep(2 * time.Second)
		s.Send(s.a, Notice{Kind: Call, Call: "d", At: time.Now()}) // the service has said that it does not want to hear
		time.Sleep(2 * time.Second)
		s.want(t, "a:messagex@kith.example@14s")
	})
}

// What cannot be sent is tried again, after longer and longer, until it is worth nothing any more.
func TestBackOff(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		s.fake.answer = func(Registration, Notice) error { return &Failure{Reason: "busy", Later: true} }
		s.Send(s.a, message("x@kith.example"))
		time.Sleep(3 * time.Minute)
		s.want(t, "a:messagex@kith.example@0s a:messagex@kith.example@10s a:messagex@kith.example@30s "+
			"a:messagex@kith.example@1m10s a:messagex@kith.example@2m30s")
		s.Send(s.a, message("x@kith.example")) // takes the place of the first
		s.Send(s.a, message("y@kith.example"))
		time.Sleep(time.Minute)
		s.want(t, "")
		time.Sleep(5 * 24 * time.Hour)
		got := s.fake.take()
		if n := strings.Count(got, "messagex"); n < 30 || n > 80 {
			t.Errorf("one message was tried %d times in three days", n)
		}
		if r, _ := s.svc.Get(1, s.a.ID); r.Failures < 60 || r.Error != "busy" {
			t.Errorf("its health is %+v", r)
		}
		s.fake.answer = nil
		time.Sleep(24 * time.Hour)
		s.want(t, "") // it was worth nothing any more
		s.mu.Lock()
		if len(s.lines) > 0 {
			t.Errorf("%d lines are kept for nothing", len(s.lines))
		}
		s.mu.Unlock()

		begin := time.Since(s.fake.begin)
		tries := 0
		s.fake.answer = func(Registration, Notice) error {
			if tries++; tries < 3 {
				return &Failure{Reason: "busy", Later: true, After: 7 * time.Second}
			}
			return nil
		}
		s.Send(s.a, message("x@kith.example"))
		time.Sleep(time.Hour)
		s.want(t, fmt.Sprintf("a:messagex@kith.example@%v a:messagex@kith.example@%v a:messagex@kith.example@%v",
			begin, begin+7*time.Second, begin+14*time.Second))
	})
}

// What is refused is not tried again; what is gone ends.
func TestRefused(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		s.fake.answer = func(r Registration, n Notice) error {
			if r.Client == "b" {
				return &Failure{Reason: "gone", Status: 410, Gone: true}
			}
			return &Failure{Reason: "refused", Status: 400, Refused: true}
		}
		s.Send(s.a, message("x@kith.example"))
		s.Send(s.b, message("x@kith.example"))
		time.Sleep(time.Hour)
		s.want(t, "a:messagex@kith.example@0s b:messagex@kith.example@0s")
		if _, ok := s.svc.Get(1, s.b.ID); ok {
			t.Error("what is gone is there")
		}
		s.Send(s.b, message("x@kith.example"))
		time.Sleep(time.Hour)
		s.want(t, "")
		s.mu.Lock()
		defer s.mu.Unlock()
		if len(s.lines) > 0 {
			t.Errorf("%d lines are kept for nothing", len(s.lines))
		}
	})
}

// A flood costs wake-ups, and no memory.
func TestFlood(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		s.fake.slow = time.Hour
		s.Send(s.a, message("x@kith.example"))
		synctest.Wait()
		for i := range 500 {
			s.Send(s.a, message(fmt.Sprintf("x%d@kith.example", i)))
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		if n := len(s.lines[s.a.ID].pending); n != maxPending {
			t.Errorf("%d notices wait", n)
		}
	})
}

func TestNow(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		if err := s.Now(context.Background(), s.a, Notice{Kind: Test, At: time.Now()}); err != nil {
			t.Error(err)
		}
		if r, _ := s.svc.Get(1, s.a.ID); r.Sent.IsZero() {
			t.Error("a test does not count")
		}
		s.fake.slow = time.Hour
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := s.Now(ctx, s.a, Notice{Kind: Test, At: time.Now()}); err != context.DeadlineExceeded {
			t.Errorf("without an answer: %v", err)
		}
		time.Sleep(2 * time.Hour)
	})
}

func TestAfter(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		var mu sync.Mutex
		var got []string
		begin := time.Now()
		for _, d := range []time.Duration{3 * time.Second, time.Second, 2 * time.Hour, 0, 2 * time.Second} {
			s.After(d, func() {
				mu.Lock()
				got = append(got, fmt.Sprint(time.Since(begin)))
				mu.Unlock()
			})
		}
		time.Sleep(3 * time.Hour)
		mu.Lock()
		defer mu.Unlock()
		if s := strings.Join(got, " "); s != "0s 1s 2s 3s 2h0m0s" {
			t.Errorf("called at %s", s)
		}
	})
}

// A stuck is a sender whose services of one account take their time, and those of others none.
type stuck struct {
	slow int64 // the account

	mu    sync.Mutex
	begun map[int64]int // how many were sent for each account
}

func (x *stuck) Send(_ context.Context, r Registration, _ Notice, done func(error)) {
	x.mu.Lock()
	x.begun[r.Owner]++
	x.mu.Unlock()
	if r.Owner == x.slow {
		time.Sleep(time.Minute)
	}
	done(nil)
}

// Services that take their time keep nobody waiting but their own account.
func TestSlowServices(t *testing.T) {
	t.Parallel()
	dispatching(t, func(s *stage) {
		x := &stuck{slow: 1, begun: map[int64]int{}}
		s.Handle(Web, x)
		var list []Registration
		err := s.db.Write(context.Background(), func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES (2, 'romeo', 'user', FALSE, 1)`)
			for i := 0; err == nil && i < Web.most(); i++ {
				var r Registration
				r, err = s.svc.Enable(tx, Registration{Owner: 1, Client: fmt.Sprint(i), Kind: Web, Service: fmt.Sprint("https://slow.example/", i)})
				list = append(list, r)
			}
			if err == nil {
				var r Registration
				r, err = s.svc.Enable(tx, Registration{Owner: 2, Client: "a", Kind: Web, Service: "https://push.example/r"})
				list = append(list, r)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range list {
			s.Send(r, message("x@kith.example"))
		}
		synctest.Wait()
		x.mu.Lock()
		if x.begun[2] != 1 || x.begun[1] != perOwner {
			t.Errorf("begun: %v", x.begun)
		}
		x.mu.Unlock()
		time.Sleep(5 * time.Minute)
		x.mu.Lock()
		if x.begun[1] != Web.most() {
			t.Errorf("begun in the end: %v", x.begun)
		}
		x.mu.Unlock()
	})
}
