// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"github.com/kith-im/kith/internal/db"
)

// A message between two accounts whose home is here is recorded for both in one act, where their turns let it: half the
// commits, and no note of a message on its way. What has to be known first, whether the message may come in, and whether
// it will wait, is found out in the recipient's turn, which the sender's borrows for a moment. It never waits for it: a
// turn that has anything to do is not borrowed, and the message takes the long way, as it does to another node.
//
// Nothing is overtaken. In the recipient's turn the message takes its place behind all that had begun, and nothing else
// was due to begin. In the sender's turn nothing is ahead of it that its recipient could get later (turn.ahead).
//
// The act is for both or for none. Where the recipient refuses the message, or its part of the act fails, the sender's
// part goes on alone, the long way: that is where refusals are answered, and failures tried again.

// A joint is the Inbound job of a message that is committed with its Outbound one.
type joint struct {
	turn   *turn // the recipient's
	job    *job
	writes []write
	failed bool // the store's: this part of the act failed
}

// join begins the Inbound half of the trip's message, and sets out.joint, if it may be committed with out.
func (t *turn) join(ctx context.Context, trip *Trip, out *job) {
	to := trip.Stanza.To
	if !t.r.ours(to) || !to.HasLocal() || t.r.Peers.Home(to.Bare()) != "" {
		return
	}
	t.mu.Lock()
	first := t.ahead == 1 // out is
	t.mu.Unlock()
	if !first {
		return
	}
	in := &joint{turn: t.r.turn(to.Bare())}
	if !in.turn.borrow(func() *job {
		in.job = in.turn.messageIn(trip.Stanza, nil, trip.ticket.share())
		return in.job
	}) {
		return
	}
	after := in.job.after
	in.job.after = func(ctx context.Context, err error) {
		if err != nil { // neither has it; or the sender's side goes on alone
			trip.ticket.done()
			return
		}
		after(ctx, nil)
	}
	err := in.turn.guard(func() (err error) {
		in.writes, err = in.job.before(ctx)
		return err
	})
	if err != nil {
		in.turn.revoke()
		trip.ticket.done()
		return
	}
	t.mu.Lock()
	out.joint, out.quiet = in, true
	t.ahead--
	t.mu.Unlock()
}

// borrow begins the job that build makes as the turn's goroutine would, and lets the caller act for that, if t has nothing
// to do. The caller calls revoke or giveBack, soon.
func (t *turn) borrow(build func() *job) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.dead || t.running || !t.jobs.empty() || !t.hasRoom(false) {
		return false
	}
	t.running = true
	t.enqueue(build())
	return true
}

// revoke gives t back as if the job had not begun.
func (t *turn) revoke() {
	t.mu.Lock()
	t.pipe.unpush() // only who acts for the turn has jobs begin
	t.mu.Unlock()
	t.giveBack()
}

// giveBack lets t go on by itself.
func (t *turn) giveBack() {
	t.mu.Lock()
	t.running = false
	t.wake()
	t.retire() // gives the lock back
}

// commitBoth is commit for a job with a joint one. It gives the recipient's turn back.
func (t *turn) commitBoth(j *job, writes []write) {
	in := j.joint
	defer in.turn.giveBack() // not before: acts have the order of the pipe
	t.r.working.add()
	t.r.db.Submit(func(tx *db.Tx) error {
		in.failed = true
		if err := act(tx, in.writes); err != nil {
			return err
		}
		in.failed = false
		return act(tx, writes) // last, for what counts at the end (db.Tx.AtEnd)
	}, func(err error) {
		defer t.r.working.done()
		in.turn.answered(in.job, err)
		if !in.failed {
			t.answered(j, err)
			return
		}
		t.r.log.Error("record message for both", "err", err)
		t.mu.Lock()
		j.joint, j.quiet = nil, false
		t.ahead++
		t.mu.Unlock()
		t.commit(j, writes)
	})
}
