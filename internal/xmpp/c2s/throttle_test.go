// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"
)

// What one failure more has to wait for, after what came before.
func TestThrottle(t *testing.T) {
	t.Parallel()
	const here, there, six, sameSix, otherSix = "192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::ffff", "2001:db8:0:1::1"
	type step struct {
		from, name string
		times      int           // failures in a row
		after      time.Duration // time that passes before
		success    bool          // instead
	}
	tests := []struct {
		name   string
		before []step
		last   step
		want   time.Duration
	}{
		{"the first", nil, step{from: here, name: "juliet"}, 0},
		{"the third", []step{{from: here, name: "juliet", times: 2}}, step{from: here, name: "juliet"}, 0},
		{"the fourth", []step{{from: here, name: "juliet", times: 3}}, step{from: here, name: "juliet"}, firstDelay},
		{"the fifth", []step{{from: here, name: "juliet", times: 4}}, step{from: here, name: "juliet"}, 2 * firstDelay},
		{"it has an end", []step{{from: here, name: "juliet", times: 40}}, step{from: here, name: "juliet"}, maxDelay},
		{"another account", []step{{from: here, name: "juliet", times: 4}}, step{from: here, name: "romeo"}, 0},
		{"many accounts from one address", []step{{from: here, times: 14}}, step{from: here, name: "romeo"}, 0},
		{"more accounts from one address", []step{{from: here, times: 15}}, step{from: here, name: "romeo"}, firstDelay},
		{"another address", []step{{from: here, name: "juliet", times: 40}}, step{from: there, name: "juliet"}, 0},
		{"another address of the same subscriber", []step{{from: six, name: "juliet", times: 3}}, step{from: sameSix, name: "juliet"}, firstDelay},
		{"another subscriber", []step{{from: six, name: "juliet", times: 40}}, step{from: otherSix, name: "juliet"}, 0},
		{"a success", []step{{from: here, name: "juliet", times: 5}, {from: here, name: "juliet", success: true}}, step{from: here, name: "juliet"}, 0},
		{"somebody else's success", []step{{from: here, name: "juliet", times: 3}, {from: here, name: "romeo", success: true}}, step{from: here, name: "juliet"}, firstDelay},
		{"nearly a quarter of an hour", []step{{from: here, name: "juliet", times: 3}}, step{from: here, name: "juliet", after: forgetAfter - time.Second}, firstDelay},
		{"a quarter of an hour", []step{{from: here, name: "juliet", times: 3}}, step{from: here, name: "juliet", after: forgetAfter}, 0},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				th := newThrottle(time.Now)
				gone, cancel := context.WithCancel(t.Context())
				cancel() // nobody waits for the answers before
				for _, s := range test.before {
					if s.success {
						th.succeeded(netip.MustParseAddr(s.from), s.name)
					}
					for i := range s.times {
						name := s.name
						if name == "" {
							name = fmt.Sprint("account", i)
						}
						th.failed(gone, failure{from: netip.MustParseAddr(s.from), name: name})
					}
				}
				time.Sleep(test.last.after)
				before := time.Now()
				th.failed(t.Context(), failure{from: netip.MustParseAddr(test.last.from), name: test.last.name})
				if got := time.Since(before); got != test.want {
					t.Errorf("it waits %v, want %v", got, test.want)
				}
			})
		})
	}
}

// An address that has failed very often waits before it is heard, whatever it says.
func TestThrottleWait(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		th := newThrottle(time.Now)
		a, b := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		for range 16 * (freeFailures + 1) {
			th.failed(gone, failure{from: a})
		}
		wait := func(a netip.Addr) time.Duration {
			before := time.Now()
			if err := th.wait(t.Context(), a); err != nil {
				t.Error(err)
			}
			return time.Since(before)
		}
		if got := wait(a); got != firstDelay {
			t.Errorf("it waits %v, want %v", got, firstDelay)
		}
		if got := wait(b); got != 0 {
			t.Errorf("another waits %v", got)
		}
		if err := th.wait(gone, a); err == nil {
			t.Error("no error where the context has ended")
		}
		time.Sleep(forgetAfter)
		if got := wait(a); got != 0 {
			t.Errorf("after a quarter of an hour it waits %v", got)
		}
	})
}

// However many addresses fail, what is remembered has an end.
func TestThrottleForgets(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	th := newThrottle(func() time.Time { return now })
	address := func(i int) netip.Addr { return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}) }
	for i := range 3 * maxEntries {
		th.failed(t.Context(), failure{from: address(i)})
		if len(th.seen) > maxEntries {
			t.Fatalf("%d entries", len(th.seen))
		}
	}
	// When room is made, what is old goes first.
	now = now.Add(forgetAfter)
	for i, before := 3*maxEntries, 0; len(th.seen) >= before; i++ {
		before = len(th.seen)
		th.failed(t.Context(), failure{from: address(i)})
	}
	for k, f := range th.seen {
		if f.last != now {
			t.Fatalf("%v stays", k)
		}
	}
}
