// SPDX-License-Identifier: Apache-2.0

// Package load measures what the server costs: processor time for a log-in and for a message, memory for a session
// that is idle, the time to its first answer. Prosody is measured in the same run where it is installed, and in the long
// form ejabberd too.
//
// Servers are processes of their own, as they are released, and their processor time and memory is what /proc says of
// them: what the clients cost (client_test.go) does not count. Processor time for an operation hardly depends on what
// else the machine does; rates, latencies and times to start do.
//
// "go test ./test/load" is the short form, which holds our server to budgets that are several times what it needs.
// With KITH_SOAK=1 it measures longer and several times, and prints the table of doc/performance.md; -only and
// -repeat take parts of that, and -profile tells where our server spends it.
//
// What is measured is XMPP as in RFC 6120, XEP-0388 v1.0.4, XEP-0386 v1.1.0, XEP-0484 v0.2.0 and XEP-0198 v1.6.3.
package load

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	only   = flag.String("only", "", "parts to measure, with commas between: start, idle, login, presence, flood, pace, history; all if empty")
	repeat = flag.Int("repeat", 0, "how often each is measured; 0 is 1 in the short form and 3 in the long one")
)

// A size says how much is measured.
type size struct {
	repeat   int
	starts   int           // of a process, for the time that takes
	rest     time.Duration // before memory is looked at
	idle     int           // sessions
	settle   time.Duration // until their memory is looked at again; 0: not at all
	logins   int           // of each kind
	pairs    int           // of clients that write to each other
	messages int           // as fast as possible
	rate     float64       // messages a second, when not as fast as possible
	paced    int           // messages at that rate
	friends  int           // who are present
	visits   int           // to them
	changes  int           // of presence
	missed   int           // messages for somebody who is away
	archive  int           // messages in an archive
	pages    int           // of 50, that are turned
	others   bool          // Prosody with SQLite, and ejabberd, as well
}

func sizes() size {
	z := size{repeat: 1, starts: 1, rest: 300 * time.Millisecond, idle: 300, logins: 60, pairs: 10, messages: 2000, rate: 500, paced: 400,
		friends: 10, visits: 10, changes: 20, missed: 200, archive: 1000, pages: 15}
	if os.Getenv("KITH_SOAK") != "" {
		z = size{repeat: 3, starts: 5, rest: 2 * time.Second, idle: 3000, settle: time.Minute, logins: 1000, pairs: 50, messages: 20_000,
			rate: 500, paced: 5000, friends: 50, visits: 200, changes: 200, missed: 2000, archive: 20_000, pages: 390, others: true}
	}
	if *repeat > 0 {
		z.repeat = *repeat
	}
	return z
}

func TestLoad(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("processor time and memory of other processes are read as Linux gives them")
	}
	z := sizes()
	binary := build(t)
	n := max(z.idle, 2*z.pairs)
	kinds := []*kind{newKith(t, binary, n)}
	if p := newProsody(t, files, n); p != nil {
		kinds = append(kinds, p)
	} else if os.Getenv("CI") == "true" {
		t.Error("Prosody is not installed")
	}
	var durable *kind                  // Prosody with a store that waits for the disk
	keepers := slices.Clone(kinds[:1]) // who keeps archives so
	if z.others {
		if durable = newProsody(t, sqlite, 2*z.pairs); durable == nil {
			t.Log("lua-dbi-sqlite3 is not installed: Prosody with SQLite is not measured")
		} else {
			keepers = append(keepers, durable)
		}
		if e := newEjabberd(t, true, 2*z.pairs); e != nil {
			keepers = append(keepers, e)
		} else {
			t.Log("erlang-p1-sqlite3 is not installed: ejabberd with SQLite is not measured")
		}
		if e := newEjabberd(t, false, n); e != nil {
			kinds = append(kinds, e)
		} else {
			t.Log("ejabberd is not installed: it is not measured")
		}
	}
	r := &report{kinds: kinds, values: map[value][]float64{}}
	defer func() { t.Logf("\n%s", r) }() // what was measured before something failed, too
	for range z.repeat {
		for _, part := range []struct {
			name string
			run  func(*testing.T, *report, size, []*kind)
		}{
			{"start", measureStart}, {"idle", measureIdle}, {"login", measureLogins}, {"presence", measurePresence},
			{"flood", func(t *testing.T, r *report, z size, kinds []*kind) { measureFlood(t, r, z, kinds, durable) }},
			{"pace", measurePace},
			{"history", func(t *testing.T, r *report, z size, _ []*kind) { measureHistory(t, r, z, keepers) }},
		} {
			if *only == "" || slices.Contains(strings.Split(*only, ","), part.name) {
				begin := time.Now()
				part.run(t, r, z, kinds)
				t.Logf("%s took %v", part.name, time.Since(begin).Round(time.Millisecond))
			}
		}
	}
	r.check(t)
}

// measureStart is the time from the start of a process to its first answer, and its memory then.
func measureStart(t *testing.T, r *report, z size, kinds []*kind) {
	for _, k := range kinds {
		for range z.starts {
			s := k.start(t)
			r.add(startTook, k, ms(s.took))
			s.stop(t)
		}
		s := k.start(t)
		kib, err := warmUp(t.Context(), s, directTLS, z.rest)
		if err != nil {
			t.Fatal(err)
		}
		r.add(baseMemory, k, float64(kib)/1024)
		s.stop(t)
	}
}

// measureIdle is the memory of sessions that do nothing.
func measureIdle(t *testing.T, r *report, z size, kinds []*kind) {
	measureCrowds(t, r, z, kinds, directTLS, false, idleTLS, idleTLSLater)
	measureCrowds(t, r, z, kinds, directTLS, true, idleResumable, idleResumableLater)
	measureCrowds(t, r, z, kinds, webSocket, false, idleWebSocket, idleWebSocketLater)
}

// measureCrowds looks twice at what sessions cost; between that, all servers have time to give memory back.
func measureCrowds(t *testing.T, r *report, z size, kinds []*kind, w way, resume bool, now, later figure) {
	var crowds []*crowd
	look := func(d *crowd, f figure) {
		kib, err := d.perEach()
		if err != nil {
			t.Fatal(err)
		}
		r.add(f, d.server.kind, kib)
	}
	for _, k := range kinds {
		d, err := gather(t.Context(), k.start(t), w, resume, z)
		if err != nil {
			t.Fatalf("%v\n%s", err, k.tail())
		}
		defer d.server.stop(t)
		defer d.disperse()
		if err := rest(t.Context(), z.rest); err != nil {
			t.Fatal(err)
		}
		look(d, now)
		d.server.profileHeap()
		crowds = append(crowds, d)
	}
	if z.settle == 0 {
		return
	}
	if err := rest(t.Context(), z.settle); err != nil {
		t.Fatal(err)
	}
	for _, d := range crowds {
		look(d, later)
	}
}

// measureLogins is the processor time of a log-in, and of the end of the session.
func measureLogins(t *testing.T, r *report, z size, kinds []*kind) {
	for _, k := range kinds {
		s := k.start(t)
		for _, l := range []struct {
			figure figure
			visit  visit
			fast   bool // only where the server has it
			x25519 bool // the client offers no post-quantum key exchange
		}{
			{loginStartTLS, classic(startTLS), false, false},
			{loginDirectTLS, classic(directTLS), false, false},
			{loginX25519, classic(directTLS), false, true},
			{loginWebSocket, classic(webSocket), false, false},
			{loginSASL2, modern(webSocket, false), true, false},
			{loginFAST, modern(webSocket, true), true, false},
		} {
			if l.fast && !k.fast {
				continue
			}
			s.tls = clientTLS()
			if l.x25519 {
				s.tls.CurvePreferences = []tls.CurveID{tls.X25519}
			}
			d, err := logins(t.Context(), s, z.logins, l.visit)
			if err != nil {
				t.Fatalf("%s: %v\n%s", k.name, err, k.tail())
			}
			r.add(l.figure, k, ms(d))
		}
		s.stop(t)
	}
}

// measureFlood is what a message costs when there are as many as the server can take. durable may be nil.
func measureFlood(t *testing.T, r *report, z size, kinds []*kind, durable *kind) {
	for _, k := range kinds {
		m, err := converse(t, k, z.pairs, z.messages, (*chat).flood)
		if failed(t, k, err) {
			continue
		}
		r.add(floodCPU, k, ms(m.cpu))
		r.add(floodRate, k, m.rate)
		if durable != nil && k.fast {
			r.add(durableCPU, k, ms(m.cpu))
			r.add(durableRate, k, m.rate)
		}
	}
	if durable != nil {
		m, err := converse(t, durable, z.pairs, z.messages, (*chat).flood)
		if failed(t, durable, err) {
			return
		}
		r.add(durableCPU, durable, ms(m.cpu))
		r.add(durableRate, durable, m.rate)
	}
}

// measurePace is what a message costs, and how long it takes, where there are few enough.
func measurePace(t *testing.T, r *report, z size, kinds []*kind) {
	for _, k := range kinds {
		m, err := converse(t, k, z.pairs, z.paced, func(c *chat, ctx context.Context, n int) (talk, error) {
			return c.pace(ctx, n, z.rate)
		})
		if failed(t, k, err) {
			continue
		}
		r.add(paceCPU, k, ms(m.cpu))
		r.add(paceP50, k, ms(m.p50))
		r.add(paceP99, k, ms(m.p99))
	}
}

// failed reports whether err is one, and says so. Ours fails the test; another server's figure is missing once.
func failed(t *testing.T, k *kind, err error) bool {
	t.Helper()
	switch {
	case err == nil:
		return false
	case k.fast:
		t.Fatalf("%s: %v\n%s", k.name, err, k.tail())
	default:
		t.Logf("%s: %v\n%s", k.name, err, k.tail())
	}
	return true
}

// converse starts a server and has n messages sent by f, after some to warm up.
func converse(t *testing.T, k *kind, pairs, n int, f func(*chat, context.Context, int) (talk, error)) (talk, error) {
	t.Helper()
	s := k.start(t)
	defer s.stop(t)
	c, err := newChat(t.Context(), s, pairs)
	if err != nil {
		return talk{}, err
	}
	if _, err := f(c, t.Context(), n/10); err != nil {
		return talk{}, errors.Join(err, c.leave())
	}
	m, err := f(c, t.Context(), n)
	return m, errors.Join(err, c.leave())
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
