// SPDX-License-Identifier: Apache-2.0

// Package chaos kills the server while people chat, starts it again on what it left behind, and then looks for
// messages: what was acknowledged to its sender is on disk for both sides, once and in order, and reaches the other.
//
// It runs the real binary, built with the fault points of internal/db, on a folder of its own, and talks to it over
// TLS on loopback. A round goes like this:
//
//   - chat: all but one log in and send numbered messages to all others, as fast as acknowledgements (XEP-0198 §4)
//     let them, until the process dies by SIGKILL: at the Nth pass of a fault point, or when a random number
//     of things has happened. One client has no stream management, one comes and goes, one account has two devices, and
//     one stays away.
//   - what is on the disk is looked at, in a copy. Then, now and then, the process is killed again while it recovers.
//   - settle: all log in, get what waited and a last message, and acknowledge it; SIGTERM ends the server in good
//     order. What is on the disk is looked at again. In the next round nobody may get anything a second time.
//
// No message is sent twice by its client, so what is not acknowledged may be there or not, but never twice. Copies on
// the wire are allowed after a kill, with the same <stanza-id/> (XEP-0359 §3). The exception are two clients that may
// resume (memory_test.go): after a kill they hear how far their sessions had come (XEP-0198 §5), and send again what is
// beyond that. What was counted must be there, and who sends nothing but messages sends none of them in vain.
//
// People with several devices (company_test.go) have rounds of their own, with copies, with sessions that are resumed, with
// devices at which nobody looks, and with some that are away. What each device has is held against the archive: it has all
// of it, each message under the one id that all copies of it carry, live ones in the archive's order and once, but for those
// that are sent again late. Devices ask for what is behind the newest that they have, and so also find what they miss.
//
// Sessions that outlive their connections (XEP-0198 §5) have tests of their own (resume_test.go): many phones chat while
// the server is stopped in good order and started again, and while their connections are cut, stalled and taken over.
// There every stanza comes exactly once and in order, and nobody is seen to leave or to come.
//
// The short form takes seconds; KITH_SOAK=1 asks for the long one. The log names the seed, and KITH_CHAOS_SEED
// repeats the choices that were made with it; what happens between two processes is not the same twice all the same.
// With KITH_CHAOS_RACE=1 the server is built with the race detector.
package chaos

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// A plan says how the server is killed in one of its lives.
type plan struct {
	fault string // "point:N" for KITH_FAULT; "" for none
	after int64  // how many things happen before it is killed from outside, see world.step; 0: it is not
}

func (p plan) String() string {
	switch {
	case p.fault != "":
		return p.fault
	case p.after != 0:
		return fmt.Sprintf("after %d steps", p.after)
	}
	return "not at all"
}

// A round is how the server dies while people chat, and then while it recovers from that.
type round struct {
	chat    plan
	recover []plan
}

// seed is that of all choices.
func seed(t *testing.T) uint64 {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if s := os.Getenv("KITH_CHAOS_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("KITH_CHAOS_SEED: %v", err)
		}
		seed = n
	}
	t.Logf("KITH_CHAOS_SEED=%d", seed)
	return seed
}

// soak reports whether the long form is wanted.
func soak() bool { return os.Getenv("KITH_SOAK") != "" }

func TestKilled(t *testing.T) {
	binary := build(t)
	points := faultPoints(t)
	seed := seed(t)
	random := rand.New(rand.NewPCG(seed, 0))
	worlds := short(random, points)
	if soak() {
		worlds = long(random, points)
	}
	for i, rounds := range worlds {
		random := rand.New(rand.NewPCG(seed, uint64(i)+1))
		t.Run(strconv.Itoa(i+1), func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, binary, random, append(accounts(), herald)...)
			for n, r := range rounds {
				begun := time.Now()
				w.round(r)
				t.Logf("round %d, killed %v, then %v: %s, %.1fs", n+1, r.chat, r.recover, w.ledger.sum(),
					time.Since(begun).Seconds())
				if t.Failed() {
					return
				}
			}
			w.settle(plan{}) // nothing comes again
			w.inspect(true)
		})
	}
	for i, plans := range devicePlans(random, points) {
		random := rand.New(rand.NewPCG(seed, uint64(i)+1000))
		t.Run(fmt.Sprintf("devices/%d", i+1), func(t *testing.T) {
			t.Parallel()
			several(t, binary, random, plans)
		})
	}
	t.Run("absence", func(t *testing.T) {
		t.Parallel()
		missed, kills := 300, 1
		if soak() {
			missed, kills = 5000, 10
		}
		absence(t, binary, rand.New(rand.NewPCG(seed, 2000)), missed, kills)
	})
}

// short has each fault point once, and three random kills.
func short(random *rand.Rand, points []string) [][]round {
	var faults []round
	for _, p := range points {
		faults = append(faults, round{chat: atPoint(p, 1+random.IntN(40))})
	}
	others := []round{
		{chat: atRandom(random, 500)},
		{chat: atRandom(random, 4000), recover: []plan{atRandom(random, 1000)}},
		{chat: plan{after: 20_000}},
	}
	return [][]round{faults, others}
}

// long has each fault point at several passes, while people chat and while the server recovers, and 50 random kills.
func long(random *rand.Rand, points []string) [][]round {
	var worlds [][]round
	for _, p := range points {
		var rounds []round
		for _, n := range []int{1, 2, 3, 7, 40, 300} {
			r := round{chat: atPoint(p, n)}
			if p != checkpoint { // recovery does not write enough for it
				r.recover = []plan{atPoint(p, 1+random.IntN(12))}
			}
			rounds = append(rounds, r)
		}
		worlds = append(worlds, rounds)
	}
	for range 5 {
		var rounds []round
		for range 10 {
			r := round{chat: atRandom(random, []int64{200, 2000, 10_000, 40_000}[random.IntN(4)])}
			for range random.IntN(3) {
				r.recover = append(r.recover, atRandom(random, 1000))
			}
			rounds = append(rounds, r)
		}
		worlds = append(worlds, rounds)
	}
	return worlds
}

// devicePlans are those for people with several devices: in the short form each fault point once and three random kills,
// in the long one each at several passes and 60 random ones.
func devicePlans(random *rand.Rand, points []string) [][]plan {
	passes, kills := []int{1 + random.IntN(30)}, 3
	if soak() {
		passes, kills = []int{1, 3, 30, 200, 1000}, 60
	}
	var faults, others []plan
	for _, p := range points {
		for _, n := range passes {
			faults = append(faults, atPoint(p, n))
		}
	}
	for range kills {
		others = append(others, atRandom(random, []int64{300, 3000, 12_000}[random.IntN(3)]))
	}
	return [][]plan{faults, others}
}

// checkpoint is the one fault point that is passed once in a thousand pages, and not with each act.
const checkpoint = "checkpoint"

func atPoint(point string, n int) plan {
	if point == checkpoint {
		n = 1 + n/40
	}
	return plan{fault: fmt.Sprintf("%s:%d", point, n)}
}

func atRandom(random *rand.Rand, most int64) plan { return plan{after: 1 + random.Int64N(most)} }
