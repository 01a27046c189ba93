// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// A hall is a data folder, and phones that chat by way of it, over several lives of the server, which has the same
// addresses each time. Each account has two phones, and the accounts next to it as contacts.
type hall struct {
	t         *testing.T
	binary    string
	dir       string
	random    *rand.Rand // of the test's goroutine alone
	env       []string
	addresses [ways]string
	links     *links
	phones    []*phone
	tally     *tally
	server    *server // of this life; the test's goroutine alone

	readers sync.WaitGroup // of all wires
	tokens  chan struct{}  // one for each letter that may be sent
	given   int            // of tokens; the test's goroutine alone
	settled atomic.Bool    // everybody has seen everybody come
	era     atomic.Int64   // odd while the server stops and starts

	mu       sync.Mutex
	problems []string
	stop     context.CancelFunc // of the phones; problems end them
}

const perAccount = 2

func accountName(account int) string { return fmt.Sprintf("guest%03d", account) }

// contacts are the accounts next to one.
func (h *hall) contacts(account int) (list []int) {
	n := len(h.phones) / perAccount
	for _, d := range []int{-3, -2, -1, 1, 2, 3} {
		list = append(list, (account+d+n)%n)
	}
	return list
}

// of returns the phones of an account.
func (h *hall) of(account int) []int { return []int{perAccount * account, perAccount*account + 1} }

// newHall makes the folder, with accounts and their contacts.
func newHall(t *testing.T, binary string, random *rand.Rand, phones int) *hall {
	t.Helper()
	h := &hall{t: t, binary: binary, dir: t.TempDir(), random: random, tally: newTally(phones), tokens: make(chan struct{}, 1<<20)}
	var err error
	if h.links, err = newLinks(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.links.listener.Close() })
	host := freeHost(random)
	for i, name := range []string{"KITH_LISTEN_CLIENTS_TLS", "KITH_LISTEN_CLIENTS", "KITH_LISTEN_WEB"} { // by way
		h.addresses[i] = freeAddress(t, host)
		h.env = append(h.env, name+"="+h.addresses[i])
	}
	for i := range phones {
		h.phones = append(h.phones, &phone{hall: h, index: i, account: i / perAccount, resource: fmt.Sprintf("p%d", i),
			way: way(i+i/int(ways)) % ways, random: rand.New(rand.NewPCG(random.Uint64(), 0)), orders: make(chan order),
			pings: map[int]bool{}, answered: map[letter]bool{}})
	}
	if err := h.furnish(t.Context()); err != nil {
		t.Fatal(err)
	}
	return h
}

// freeHost is an address of this machine that nobody else uses, where it has so many: the ports of connections to the
// usual one are taken from those that a server might want back.
func freeHost(random *rand.Rand) string {
	host := fmt.Sprintf("127.%d.%d.%d", 1+random.IntN(250), 1+random.IntN(250), 1+random.IntN(250))
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "127.0.0.1"
	}
	_ = l.Close() // it has accepted nobody
	return host
}

// freeAddress is one that was free a moment ago: it is to be the same in each life.
func freeAddress(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// furnish makes the accounts, and contacts of those that are next to each other.
func (h *hall) furnish(ctx context.Context) (err error) {
	keys, err := keyfile.Load(filepath.Join(h.dir, "secret.key"))
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, db.Options{Path: filepath.Join(h.dir, "kith.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := d.Migrate(ctx, account.Schema(), contact.Schema()); err != nil {
		return err
	}
	accounts := account.New(d, account.Options{Domain: domain, Keys: keys, Iterations: 4096})
	contacts := contact.New(d, contact.Options{})
	secret, err := accounts.Password(accountName(0), password)
	if err != nil {
		return err
	}
	return d.Write(ctx, func(tx *db.Tx) error {
		var owners []contact.Owner
		for i := range len(h.phones) / perAccount {
			a, err := accounts.Create(tx, accountName(i), secret, account.User)
			if err != nil {
				return err
			}
			owners = append(owners, contact.Owner{ID: a.ID, JID: address(a.Name)})
		}
		for i := range owners {
			for _, c := range h.contacts(i) {
				if err := contacts.MakeMutual(tx, owners[i], owners[c]); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// wrong notes that something is wrong, which ends the test soon.
func (h *hall) wrong(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.problems = append(h.problems, fmt.Sprintf(format, args...))
	if h.stop != nil {
		h.stop()
	}
}

// check fails the test if something is wrong by now, or err is not nil.
func (h *hall) check(err error) {
	h.t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.problems) == 0 && err == nil {
		return
	}
	for i, p := range h.problems {
		if i == 25 {
			h.t.Errorf("and %d more", len(h.problems)-i)
			break
		}
		h.t.Error(p)
	}
	if err != nil && (len(h.problems) == 0 || !errors.Is(err, context.Canceled)) {
		h.t.Error(err)
	}
	if h.server != nil {
		h.server.kill()
		<-h.server.done
		h.t.Logf("the server's last words:\n%s", h.server.tail())
	}
	h.t.FailNow()
}

// begin starts a life of the server.
func (h *hall) begin() {
	h.t.Helper()
	s := launch(h.t, h.binary, h.dir, plan{}, h.env...)
	late := time.NewTimer(lifetime)
	defer late.Stop()
	select {
	case <-s.ready:
	case <-s.done:
		h.t.Fatalf("the server did not start: %v\n%s", s.cmd.ProcessState, s.tail())
	case <-late.C:
		s.kill()
		h.t.Fatal("the server did not begin to listen")
	}
	h.server = s
}

// end ends the life in good order.
func (h *hall) end() {
	h.t.Helper()
	if err := errors.Join(h.server.stop(), h.server.wait(stopTime)); err != nil {
		h.wrong("stop: %v", err)
	} else if !h.server.cmd.ProcessState.Success() {
		h.wrong("after SIGTERM the server ended with %v", h.server.cmd.ProcessState)
	}
	for _, line := range h.server.errors() {
		h.wrong("in the server's log: %s", line)
	}
}

// restart has a life end and the next one begin.
func (h *hall) restart() {
	h.t.Helper()
	h.era.Add(1)
	h.end()
	h.check(nil)
	h.begin()
	h.era.Add(1)
}

// each calls f for all phones at once.
func (h *hall) each(f func(p *phone) error) error {
	errs := make([]error, len(h.phones))
	var all sync.WaitGroup
	for i, p := range h.phones {
		all.Go(func() { errs[i] = f(p) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// fill logs everybody in, lets them see each other, and has them chat, as far as there are tokens, and obey orders.
func (h *hall) fill(ctx context.Context) (leave func()) {
	h.t.Helper()
	ctx, cancel := context.WithCancel(ctx)
	h.mu.Lock()
	h.stop = cancel
	h.mu.Unlock()
	var all sync.WaitGroup
	leave = func() {
		cancel()
		for _, p := range h.phones {
			p.mu.Lock()
			if w := p.wire; w != nil {
				w.link.cut(cut)
			}
			p.mu.Unlock()
		}
		all.Wait()
		h.readers.Wait()
	}
	wires := make([]*wire, len(h.phones))
	err := h.each(func(p *phone) (err error) {
		wires[p.index], err = p.join(ctx)
		return err
	})
	if err == nil {
		err = h.each(func(p *phone) error { return p.present(ctx) })
	}
	for range 3 { // presence, probes and their answers: each needs one way through other accounts' turns
		if err == nil {
			err = h.each(func(p *phone) error { return p.sync(ctx) })
		}
	}
	if err != nil {
		leave()
		h.check(err)
	}
	h.settled.Store(true)
	for _, p := range h.phones {
		all.Go(func() { p.live(ctx, wires[p.index]) })
		random := rand.New(rand.NewPCG(h.random.Uint64(), 0))
		all.Go(func() { _ = p.chat(ctx, random) }) // ends with ctx
	}
	return leave
}

// give lets n more letters be sent, and waits until all but a few of those that were given are.
func (h *hall) give(ctx context.Context, n int) error {
	h.add(n)
	return h.sent(ctx, h.given-4*len(h.phones))
}

// add lets n more letters be sent.
func (h *hall) add(n int) {
	h.given += n
	for range n {
		h.tokens <- struct{}{}
	}
}

// sent waits until n letters were sent since the chat began.
func (h *hall) sent(ctx context.Context, n int) error {
	return h.tally.await(ctx, func() bool { return h.tally.sent >= n })
}

// back waits until n more sessions were resumed.
func (h *hall) back(ctx context.Context, n int) error {
	all := -1
	return h.tally.await(ctx, func() bool {
		if all < 0 {
			all = h.tally.again + n
		}
		return h.tally.again >= all
	})
}

// quiet waits until all that was sent has come, and everybody knows so.
func (h *hall) quiet(ctx context.Context) error {
	err := h.sent(ctx, h.given)
	if err == nil {
		err = h.each(func(p *phone) error { return p.sync(ctx) })
	}
	if err == nil {
		if err = h.tally.all(ctx); err != nil {
			for i, line := range h.tally.missing() {
				if i < 25 {
					err = fmt.Errorf("%w\n%s", err, line)
				}
			}
		}
	}
	if err == nil { // what came last was acknowledged when this is answered
		err = h.each(func(p *phone) error {
			p.mu.Lock()
			if p.wire != nil {
				p.tell()
			}
			p.mu.Unlock()
			return p.sync(ctx)
		})
	}
	return err
}

// inspect looks at what a server that stopped in good order has left behind: each letter once for its sender, and once
// for its recipient, and nothing that waits.
func (h *hall) inspect() {
	h.t.Helper()
	ctx := h.t.Context()
	d, err := db.Open(ctx, db.Options{Path: filepath.Join(h.dir, "kith.db")})
	if err != nil {
		h.t.Fatal(err)
	}
	defer d.Close()
	owners, err := readOwners(ctx, d)
	if err != nil {
		h.t.Fatal(err)
	}
	type copied struct {
		name string
		sent bool
		with jid.JID
	}
	seen := map[copied]int{}
	a := archive.New(d, time.Now)
	err = a.Transits(ctx, func(tr archive.Transit) error { return fmt.Errorf("still on its way: %s", tr.Raw) })
	if err != nil {
		h.t.Error(err)
	}
	for id := range owners {
		err := eachEntry(ctx, a, id, func(e archive.Entry) {
			el, err := parseStored(e.Raw)
			if err != nil {
				h.t.Error(err)
				return
			}
			from, err := jid.Parse(el.Root().Attr("from"))
			if err != nil {
				h.t.Error(err)
			}
			c := copied{el.Root().Attr("id"), e.Sent, from}
			if seen[c]++; seen[c] > 1 {
				h.t.Errorf("%v is in the archive %d times", c, seen[c])
			}
			if e.Waiting {
				h.t.Errorf("%v waits", c)
			}
		})
		if err != nil {
			h.t.Error(err)
		}
	}
	want := 0
	h.tally.mu.Lock()
	letters := map[letter]bool{}
	for _, f := range h.tally.flows {
		for _, x := range f.letters {
			letters[x] = true
		}
	}
	h.tally.mu.Unlock()
	for x := range letters {
		if x.kind != toBare && x.kind != toFull {
			continue
		}
		want += 2
		for _, sent := range []bool{true, false} {
			if c := (copied{x.String(), sent, h.phones[x.from].jid}); seen[c] != 1 {
				h.t.Errorf("%v is in the archive %d times", c, seen[c])
			}
		}
	}
	if len(seen) != want {
		h.t.Errorf("the archives have %d messages, want %d", len(seen), want)
	}
}
