// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/sleeper"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/session"
)

// A written is a session as the store has it, from one start of the server to the next. Fields may be added, and are zero
// in what an older version has written.
type written struct {
	ID      string // for the log
	JID     jid.JID
	Client  string `json:",omitempty"`
	LogIn   session.LogIn
	Read    uint32
	Written uint32
	Unacked int           `json:",omitempty"` // of Device.Held, at the head
	Wish    time.Duration `json:",omitempty"` // how long its client wants it to sleep at most
	Since   time.Time     // when it fell asleep
	Until   time.Time     // when it is asked whether it is to sleep on
	Device  router.Saved
}

// WriteDown writes down the sessions that sleep, so that Restore lets their clients resume them after a restart. It comes
// after Shutdown, when the router has nothing left to do; what is sent to these sessions from then on waits for them.
func (s *Server) WriteDown(ctx context.Context) error {
	var all sync.WaitGroup
	var mu sync.Mutex
	var failed error
	n := 0
	for _, b := range s.berths.stop() {
		if !b.session.Settle(ctx.Done()) {
			continue // what it will have come to is not known: its count is written with its messages
		}
		v, ok := b.session.Save()
		if !ok {
			continue
		}
		all.Add(1)
		n++
		b.binding.Save(v, func(tx *db.Tx, d router.Saved) error { return b.put(tx, v, d) }, func(err error) {
			defer all.Done()
			if err == nil {
				return
			}
			if errors.Is(err, router.ErrElsewhere) {
				b.binding.Leave(v.Fates())
				return
			}
			mu.Lock()
			failed = errors.Join(failed, fmt.Errorf("write down a session: %w", err))
			mu.Unlock()
		})
	}
	done := make(chan struct{})
	go func() { // ends with the last act
		all.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
		return fmt.Errorf("write down sessions: %w", ctx.Err())
	}
	if n > 0 {
		s.Log.Info("sessions may be resumed after the restart", "sessions", n)
	}
	return failed
}

// put is the act that writes down a session.
func (b *berth) put(tx *db.Tx, v session.Saved, d router.Saved) error {
	w := written{ID: v.ID, JID: v.JID, Client: v.Client, LogIn: v.LogIn, Read: v.Read, Written: v.Written,
		Unacked: v.Unacked, Wish: b.wish, Since: b.since, Until: b.until, Device: d}
	state, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return b.of.srv.Sleepers.Put(tx, sleeper.Session{Key: sleeper.Key(b.key), Account: b.account, State: state}, v.Read)
}

// Restore lets the sessions that were written down sleep on, where their clients can resume them. It comes before the
// router is started, and so before any client: nobody has seen them leave, and nobody sees them come.
func (s *Server) Restore(ctx context.Context) error {
	list, err := s.Sleepers.Take(ctx)
	if err != nil {
		return err
	}
	type sleeping struct {
		sleeper.Session
		written
	}
	var all []sleeping
	for _, x := range list {
		y := sleeping{Session: x}
		if err := json.Unmarshal(x.State, &y.written); err != nil {
			s.forget(ctx, x, 0, fmt.Errorf("read: %w", err))
			continue
		}
		all = append(all, y)
	}
	slices.SortFunc(all, func(a, b sleeping) int { // as they were bound
		return cmp.Or(a.LogIn.At.Compare(b.LogIn.At), cmp.Compare(a.ID, b.ID))
	})
	var berths []*berth
	var lost []sleeping
	for _, x := range all {
		b, err := s.restore(ctx, x.Session, x.written)
		if err != nil {
			s.forget(ctx, x.Session, x.Read, err)
			lost = append(lost, x)
			continue
		}
		berths = append(berths, b)
	}
	for _, x := range lost {
		s.Router.Lost(x.JID, x.Device)
	}
	s.Router.Restored()
	for _, b := range berths {
		b.rest() // it may end now: all who are to see it leave are there
	}
	if len(all) > 0 {
		s.Log.Info("sessions may be resumed", "sessions", len(all))
	}
	return nil
}

// forget notes that a session could not be restored: its messages wait, as for any that is lost.
func (s *Server) forget(ctx context.Context, x sleeper.Session, h uint32, why error) {
	s.Log.Warn("a session is not restored", "account", x.Account, "err", why)
	if h == 0 {
		return // as it was written with its messages
	}
	err := s.DB.Write(ctx, func(tx *db.Tx) error { return s.Sleepers.EndCount(tx, x.Key, x.Account, h) })
	if err != nil {
		s.Log.Warn("count of a session that has ended", "err", err)
	}
}

// restore is Restore for one session. It does not end before rest was called.
func (s *Server) restore(ctx context.Context, x sleeper.Session, w written) (*berth, error) {
	v := session.Saved{ID: w.ID, JID: w.JID, Client: w.Client, LogIn: w.LogIn, Key: session.Key(x.Key),
		Read: w.Read, Written: w.Written, Unacked: w.Unacked, Weigh: s.Weigh}
	now := s.Now()
	b := &berth{of: &s.berths, key: v.Key, account: x.Account, wish: w.Wish, since: w.Since, until: w.Until,
		log: s.Log.With("session", w.ID), conn: new(conn)}
	if b.since.IsZero() || b.since.After(now) { // an older version wrote it, or the clock was set back
		b.since = now
	}
	b.until = now.Add(min(w.Until.Sub(now), b.mostOf(router.DefaultPatience)))
	var err error
	if b.session, b.binding, err = s.Router.Restore(ctx, v, w.Device, b.kick); err != nil {
		return nil, err
	}
	s.berths.mu.Lock()
	s.berths.by[v.Key] = b
	s.berths.mu.Unlock()
	return b, nil
}
