// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
)

// A deed is what a phone does to its connection, or has done to it, before it resumes its session.
type deed int

const (
	breakOff  deed = iota // the link is cut at once
	breakUp               // when some more bytes have gone to the server, often in the middle of something
	breakDown             // when some have come from it
	hangUp                // nothing passes any more, and the server learns too late that the phone has another connection
	hangDown
	takeOver // the old connection is as good as the new one
	twice    // two connections ask for the session at once
	forget   // the phone is started anew, and has lost what it has not said to have
	stale    // it says that it has less than it said before, and more than there is; both are refused
	deeds

	rest deed = iota // it has no connection until order.until
	fuss             // it resumes again and again until then
)

func (d deed) String() string {
	return [...]string{"cut", "cut on the way up", "cut on the way down", "stalled on the way up", "stalled on the way down",
		"took over", "came twice", "forgot", "was stale", "", "rested", "fussed"}[d]
}

// An order is one deed of a phone.
type order struct {
	deed
	until <-chan struct{} // of rest and fuss; of others the end of patience: what has not happened until then happens
	done  func()          // called when the session is resumed
}

// present says that the phone is available.
func (p *phone) present(ctx context.Context) error {
	p.mu.Lock()
	p.put(stanza.New(stanza.Presence, "", "", jid.JID{}, jid.JID{}))
	p.mu.Unlock()
	return p.sync(ctx)
}

// live keeps the phone connected until ctx ends, and does what it is ordered.
func (p *phone) live(ctx context.Context, w *wire) {
	for w != nil {
		select {
		case <-ctx.Done():
			w.link.cut(cut)
			return
		case <-w.ended:
			p.drop()
			w.link.cut(cut)
			w = p.resume(ctx, false)
		case o := <-p.orders:
			w = p.obey(ctx, w, o)
			o.done()
		}
	}
}

// resume connects until the session goes on. Where rough is set, the first connection may break while it asks.
func (p *phone) resume(ctx context.Context, rough bool) *wire {
	h := p.drop()
	for ctx.Err() == nil {
		era := p.hall.era.Load()
		var prepare func(*link)
		if rough {
			rough = false
			d, n := direction(p.random.IntN(2)), p.random.IntN(6000)
			prepare = func(l *link) { l.arm(d, n, fault(p.random.IntN(2))) }
		}
		w, err := p.come(ctx, h, p.random.IntN(2) == 0, prepare)
		if err == nil {
			p.choose(w)
			p.hall.tally.resumed()
			return w
		}
		if ctx.Err() == nil && !p.excused(err, era, prepare != nil) {
			p.hall.wrong("%v: %v", p.jid, err)
			return nil
		}
		pause(ctx)
	}
	return nil
}

// pause is what a client waits before it tries again.
func pause(ctx context.Context) {
	t := time.NewTimer(5 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

// excused reports whether a connection may have ended with err: because it was made to, or because the server stopped.
// A refusal is never excused.
func (p *phone) excused(err error, era int64, made bool) bool {
	if _, no := errors.AsType[*refusal](err); no {
		return false
	}
	told := strings.Contains(err.Error(), "got <") || strings.Contains(err.Error(), "came <") // while it logs in
	if _, ended := errors.AsType[*stream.PeerError](err); ended {
		told = true
	}
	if era%2 == 1 || p.hall.era.Load() != era {
		return !told || said(err, "system-shutdown")
	}
	return made && !told
}

// obey does what is ordered and returns the next connection.
func (p *phone) obey(ctx context.Context, w *wire, o order) *wire {
	again := func(rough bool) *wire {
		<-w.ended
		p.drop()
		w.link.cut(cut)
		return p.resume(ctx, rough)
	}
	switch o.deed {
	case breakOff:
		w.link.cut(fault(p.random.IntN(2)))
		return again(p.random.IntN(3) == 0)
	case breakUp, breakDown:
		w.link.arm(direction(o.deed-breakUp), p.random.IntN(3000), fault(p.random.IntN(2)))
		select {
		case <-w.ended:
		case <-o.until:
			w.link.cut(cut)
		case <-ctx.Done():
			w.link.cut(cut)
		}
		return again(p.random.IntN(3) == 0)
	case hangUp, hangDown:
		w.link.arm(direction(o.deed-hangUp), p.random.IntN(3000), stall)
		select {
		case <-w.ended:
		case <-w.link.stalled:
		case <-o.until:
		case <-ctx.Done():
		}
		return p.replace(ctx, w)
	case takeOver:
		return p.replace(ctx, w)
	case twice:
		return p.comeTwice(ctx, w)
	case forget:
		p.forget()
		w.link.cut(fault(p.random.IntN(2)))
		return again(false)
	case stale:
		p.comeStale(ctx, w)
		return again(false)
	case rest:
		p.drop()
		w.link.cut(fault(p.random.IntN(2)))
		select {
		case <-o.until:
		case <-ctx.Done():
		}
		return again(false)
	case fuss:
		for w != nil {
			select {
			case <-o.until:
				return w
			case <-ctx.Done():
				return w
			default:
			}
			p.drop()
			w.link.cut(fault(p.random.IntN(2)))
			w = again(p.random.IntN(3) == 0)
		}
		return nil
	}
	panic("no such deed")
}

// replace resumes while the server still takes the old connection for alive, which then goes on, too late.
func (p *phone) replace(ctx context.Context, old *wire) *wire {
	p.drop()
	w := p.resume(ctx, false)
	if p.random.IntN(2) == 0 || w == nil {
		old.link.cut(fault(p.random.IntN(2)))
	}
	old.link.release()
	late := time.NewTimer(lifetime)
	defer late.Stop()
	select {
	case <-old.ended:
	case <-ctx.Done():
	case <-late.C:
		p.hall.wrong("%v: a connection whose session was resumed by another one stays open", p.jid)
	}
	old.link.cut(cut)
	return w
}

// comeTwice has two connections ask for the session, which both think is theirs; one of them keeps it.
func (p *phone) comeTwice(ctx context.Context, old *wire) *wire {
	h, era := p.drop(), p.hall.era.Load()
	if p.random.IntN(2) == 0 {
		old.link.cut(cut)
	}
	type result struct {
		*wire
		error
	}
	results := make(chan result, 2)
	for range 2 {
		inline := p.random.IntN(2) == 0
		go func() { // ends with come
			w, err := p.come(ctx, h, inline, nil)
			results <- result{w, err}
		}()
	}
	var both []*wire
	for range 2 {
		r := <-results
		_, no := errors.AsType[*refusal](r.error)
		switch {
		case r.error == nil:
			both = append(both, r.wire)
		case no || ctx.Err() == nil && !brokenOff(r.error) && !said(r.error, "conflict") && !p.excused(r.error, era, true):
			p.hall.wrong("%v: one of two: %v", p.jid, r.error)
		}
	}
	old.link.cut(cut)
	<-old.ended
	w := (*wire)(nil)
	switch len(both) {
	case 0:
		return p.resume(ctx, false)
	case 1:
		w = both[0]
	case 2:
		late := time.NewTimer(lifetime)
		defer late.Stop()
		w = both[0]
		select {
		case <-both[0].ended:
			w = both[1]
		case <-both[1].ended:
		case <-ctx.Done():
		case <-late.C:
			p.hall.wrong("%v: two connections have the same session", p.jid)
		}
		for _, other := range both {
			if other != w {
				other.link.cut(cut)
			}
		}
	}
	p.choose(w)
	p.hall.tally.resumed()
	return w
}

// comeStale asks for the session with counts that cannot be.
func (p *phone) comeStale(ctx context.Context, old *wire) {
	h := p.drop()
	old.link.cut(cut)
	era := p.hall.era.Load()
	w, err := p.come(ctx, h, p.random.IntN(2) == 0, nil) // now the server knows that it has as much
	if err != nil {
		if ctx.Err() == nil && !p.excused(err, era, false) {
			p.hall.wrong("%v: %v", p.jid, err)
		}
		return
	}
	w.link.cut(cut)
	<-w.ended
	for _, h := range []uint32{h - 1, h + 100_000} {
		era := p.hall.era.Load()
		w, err := p.come(ctx, h, p.random.IntN(2) == 0, nil)
		_, no := errors.AsType[*refusal](err)
		switch {
		case err == nil:
			p.hall.wrong("%v: resumed with %d, which cannot be", p.jid, h)
			w.link.cut(cut)
		case !no && ctx.Err() == nil && !p.excused(err, era, false):
			p.hall.wrong("%v: %v", p.jid, err)
		}
	}
}

// Sessions outlive their connections, and the server: nothing is lost or comes twice, nothing overtakes, and nobody is
// seen to leave or to come.
func TestResumed(t *testing.T) {
	binary := build(t)
	t.Run("restarts", func(t *testing.T) {
		t.Parallel()
		restarts(t, binary)
	})
	t.Run("cuts", func(t *testing.T) {
		t.Parallel()
		cuts(t, binary)
	})
}

// restarts has the server stop in good order and start again, while people chat.
func restarts(t *testing.T, binary string) {
	phones, letters, restarts := 40, 400, 3
	if soak() {
		phones, letters, restarts = 200, 6000, 8
	}
	h, leave := open(t, binary, phones, 1)
	defer leave()
	for i := range restarts {
		begun := time.Now()
		h.check(h.bounded(func(ctx context.Context) error { return h.over(ctx, i, letters) }))
		t.Logf("restart %d: %s, %.1fs", i+1, h.tally.sum(), time.Since(begun).Seconds())
	}
	h.close(leave)
}

// over is one restart, or two in a row, with some phones that have no connection and some that are just coming back.
func (h *hall) over(ctx context.Context, n, letters int) error {
	if err := h.give(ctx, letters); err != nil {
		return err
	}
	first, last := make(chan struct{}), make(chan struct{})
	done := make(chan struct{}, len(h.phones))
	fussy := 0
	chosen := h.random.Perm(len(h.phones))[:len(h.phones)*2/5]
	for _, i := range chosen {
		o := order{deed: rest, until: last, done: func() { done <- struct{}{} }}
		switch h.random.IntN(3) {
		case 0:
			o.deed = fuss
			fussy++
		case 1:
			o.until = first
		}
		h.command(ctx, h.phones[i], o)
	}
	if err := h.back(ctx, fussy); err != nil {
		return err
	}
	h.add(letters) // who has a connection sends them while the server stops
	switch n % 3 {
	case 0: // the second stop comes when some are back
		h.restart()
		close(first)
		if err := h.back(ctx, len(h.phones)/4); err != nil {
			return err
		}
		h.restart()
	case 1: // those who rest come back while it stops
		close(first)
		h.restart()
	case 2: // the second stop comes before anybody is back
		h.restart()
		h.restart()
		close(first)
	}
	close(last)
	for range chosen {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return h.quiet(ctx)
}

// command gives a phone an order, when it has no other.
func (h *hall) command(ctx context.Context, p *phone, o order) {
	select {
	case p.orders <- o:
	case <-ctx.Done():
	}
}

// cuts has connections break at any moment, in any way, and in the middle of anything, while people chat.
func cuts(t *testing.T, binary string) {
	phones, letters, rounds := 40, 600, 10
	if soak() {
		phones, letters, rounds = 200, 2000, 100
	}
	h, leave := open(t, binary, phones, 2)
	defer leave()
	did := [deeds]int{}
	begun := time.Now()
	for range rounds {
		h.check(h.bounded(func(ctx context.Context) error { return h.cuts(ctx, letters, &did) }))
	}
	h.check(h.bounded(h.quiet))
	t.Logf("%d rounds: %s, %.1fs", rounds, h.tally.sum(), time.Since(begun).Seconds())
	for d, n := range did {
		t.Logf("%4d %v", n, deed(d))
	}
	h.close(leave)
}

// cuts is one round: a third of the phones have something happen to them while all chat.
func (h *hall) cuts(ctx context.Context, letters int, did *[deeds]int) error {
	until := make(chan struct{})
	done := make(chan struct{}, len(h.phones))
	chosen := h.random.Perm(len(h.phones))[:len(h.phones)/3]
	for _, i := range chosen {
		d := deed(h.random.IntN(int(deeds)))
		did[d]++
		if err := h.give(ctx, letters/len(chosen)); err != nil {
			return err
		}
		h.command(ctx, h.phones[i], order{deed: d, until: until, done: func() { done <- struct{}{} }})
	}
	close(until)
	for range chosen {
		select {
		case <-done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// open makes a hall, and fills it.
func open(t *testing.T, binary string, phones int, stream uint64) (*hall, func()) {
	t.Helper()
	s := seed(t)
	h := newHall(t, binary, rand.New(rand.NewPCG(s, stream)), phones)
	begun := time.Now()
	h.begin()
	leave := h.fill(t.Context())
	t.Logf("%d sessions after %.1fs", phones, time.Since(begun).Seconds())
	return h, leave
}

// close ends the server and has a look at what it has left behind.
func (h *hall) close(leave func()) {
	h.t.Helper()
	h.check(nil)
	h.era.Add(1)
	h.end()
	leave()
	h.check(nil)
	h.inspect()
}

// bounded calls f with a context that ends when it takes too long, or something is wrong.
func (h *hall) bounded(f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(h.t.Context(), lifetime)
	defer cancel()
	h.mu.Lock()
	stop := h.stop
	h.stop = func() { stop(); cancel() }
	h.mu.Unlock()
	defer func() {
		h.mu.Lock()
		h.stop = stop
		h.mu.Unlock()
	}()
	if err := f(ctx); err != nil {
		return fmt.Errorf("%w; %s", err, h.tally.sum())
	}
	return nil
}
