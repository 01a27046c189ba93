// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/sleeper"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/session"
)

// Sleepers keeps what lets clients resume when the server has been away; *sleeper.Service implements it.
type Sleepers interface {
	// Count is how many stanzas of a session of that account are certain; false where nobody knows.
	Count(ctx context.Context, k sleeper.Key, account int64) (h uint32, ok bool, err error)
	EndCount(tx *db.Tx, k sleeper.Key, account int64, h uint32) error
	Put(tx *db.Tx, v sleeper.Session, h uint32) error
	Take(ctx context.Context) ([]sleeper.Session, error)
}

// A berth is a session that may be resumed (XEP-0198 §5), on a connection or asleep between two. Who may end it, or give
// it a connection, is decided by berths.mu: the connection it has, or whoever comes first while it has none.
type berth struct {
	of      *berths
	key     session.Key
	session *session.Session
	binding *router.Binding
	account int64
	wish    time.Duration // how long its client wants it to sleep at most; 0: it did not say (XEP-0198 §3)
	log     *slog.Logger

	// Under berths.mu.
	conn  *conn         // that it is on, or is about to be; nil: it sleeps
	since time.Time     // when it fell asleep
	until time.Time     // when it is asked whether it is to sleep on, if it sleeps until then
	timer *time.Timer   // for that; nil while it has a connection
	freed chan struct{} // closed when conn lets go of it, or it is gone; nil where nobody waits
	over  bool          // it is ending
}

// berths are all sessions that may be resumed.
type berths struct {
	srv *Server

	mu      sync.Mutex
	by      map[session.Key]*berth
	stopped bool           // none ends by itself any more
	ending  sync.WaitGroup // of sleepers; begins under mu
}

// add enters a session that c has.
func (s *berths) add(c *conn, k session.Key, wish time.Duration) *berth {
	b := &berth{of: s, key: k, session: c.session, binding: c.binding, account: c.account.ID, wish: wish, log: c.log, conn: c}
	s.mu.Lock()
	s.by[k] = b
	s.mu.Unlock()
	return b
}

// rest lets the session sleep, now that c has detached from it or could not resume it.
func (b *berth) rest() {
	b.binding.Sleeps()
	s := b.of
	s.mu.Lock()
	b.conn = nil
	if !s.stopped {
		b.timer = time.AfterFunc(b.until.Sub(s.srv.Now()), b.expire)
	}
	b.free()
	s.mu.Unlock()
	if b.session.Kicked() { // meanwhile
		b.kick(nil)
	}
}

// free tells who waits for the berth. mu is held.
func (b *berth) free() {
	if b.freed != nil {
		close(b.freed)
		b.freed = nil
	}
}

// expire asks how long a session may sleep that has slept for some time.
func (b *berth) expire() {
	b.of.mu.Lock()
	over := b.sleptOut()
	b.of.mu.Unlock()
	if over {
		b.binding.Patience(b.decide)
	}
}

// sleptOut reports whether the session sleeps, and its time is over; timers and answers may be those of before. berths.mu
// is held.
func (b *berth) sleptOut() bool {
	return b.conn == nil && !b.over && !b.of.stopped && !b.until.After(b.of.srv.Now())
}

// decide lets the session sleep on, and be asked for again, or ends it. It is called in the account's turn.
func (b *berth) decide(patience time.Duration) {
	s := b.of
	s.mu.Lock()
	if !b.sleptOut() {
		s.mu.Unlock()
		return
	}
	now := s.srv.Now()
	left := b.mostOf(patience) - now.Sub(b.since)
	if left <= 0 {
		b.over = true
		s.ending.Add(1)
		s.mu.Unlock()
		go func() { // stop waits for it
			defer s.ending.Done()
			b.end()
		}()
		return
	}
	left = min(left, router.DefaultPatience)
	b.until = now.Add(left)
	b.timer = time.AfterFunc(left, b.expire)
	s.mu.Unlock()
	b.binding.Dozes()
}

// mostOf is how long the session may sleep where the server has that much patience.
func (b *berth) mostOf(patience time.Duration) time.Duration {
	if b.wish > 0 {
		return min(patience, b.wish)
	}
	return patience
}

// kick ends the session if it sleeps; else its connection finds out.
func (b *berth) kick(*session.Kick) {
	s := b.of
	s.mu.Lock()
	if b.conn != nil || b.over || s.stopped {
		s.mu.Unlock()
		return
	}
	b.over = true
	s.ending.Add(1)
	s.mu.Unlock()
	defer s.ending.Done()
	b.end()
}

// leave ends the session of a connection.
func (b *berth) leave() {
	b.of.mu.Lock()
	b.over = true
	b.of.mu.Unlock()
	b.end()
}

// end ends the session, over being set. Its client may ask how far it had come for some time.
func (b *berth) end() {
	b.binding.Leave(b.session.End())
	b.log.Info("session ended")
	s := b.of
	err := s.srv.DB.Write(context.Background(), func(tx *db.Tx) error {
		return s.srv.Sleepers.EndCount(tx, sleeper.Key(b.key), b.account, b.session.H())
	})
	if err != nil {
		b.log.Warn("count of a session that has ended", "err", err)
	}
	s.mu.Lock()
	if b.timer != nil {
		b.timer.Stop()
	}
	if s.by[b.key] == b {
		delete(s.by, b.key)
	}
	b.free()
	s.mu.Unlock()
}

// claim gives the session with that key to c, which resumes it, or lets go by rest or leave. A connection that has it
// hands it over first, and ends. It returns nil where the account has no such session; late says that it has, and that
// the connection does not let go of it until done is closed.
func (s *berths) claim(c *conn, k session.Key, done <-chan struct{}) (b *berth, late bool) {
	for {
		s.mu.Lock()
		b := s.by[k]
		if b == nil || b.account != c.account.ID {
			s.mu.Unlock()
			return nil, false
		}
		if b.conn == nil && !b.over {
			b.conn = c
			if b.timer != nil {
				b.timer.Stop()
				b.timer = nil
			}
			s.mu.Unlock()
			return b, false
		}
		old := b.conn
		if b.freed == nil {
			b.freed = make(chan struct{})
		}
		freed := b.freed
		s.mu.Unlock()
		if old != nil {
			old.yield()
		}
		select {
		case <-freed:
		case <-done:
			return nil, true
		}
	}
}

// sleep lets the connection's session sleep, and reports whether it may.
func (c *conn) sleep() bool {
	b := c.berth
	if b == nil || !c.session.Detach(b.kick) {
		return false
	}
	b.of.mu.Lock()
	b.since = c.srv.Now()
	b.until = b.since.Add(b.mostOf(router.DefaultPatience))
	b.of.mu.Unlock()
	c.log.Info("session sleeps")
	b.rest()
	return true
}

// stop keeps sessions from ending by themselves, and returns those that sleep.
func (s *berths) stop() (list []*berth) {
	s.mu.Lock()
	s.stopped = true
	for _, b := range s.by {
		if b.timer != nil {
			b.timer.Stop()
		}
		if b.conn == nil && !b.over {
			list = append(list, b)
		}
	}
	s.mu.Unlock()
	s.ending.Wait()
	return list
}
