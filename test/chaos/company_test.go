// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// accountsOfCompany are names, by number.
var accountsOfCompany = [...]string{"ivy", "jon", "kim", "leo"}

// habits are those of all devices.
func habits() []habit {
	return []habit{
		{account: 0, bind2: true}, {account: 0, goes: true}, {account: 0, bind2: true, away: true},
		{account: 1, bind2: true, dozes: true}, {account: 1, goes: true, dozes: true}, {account: 1, bind2: true, away: true},
		{account: 2, dozes: true}, {account: 2, bind2: true, goes: true},
		{account: 3, bind2: true, goes: true}, {account: 3, away: true},
	}
}

// A company is a world of people who have several devices each, and want every message on all of them.
type company struct {
	*world
	members []*member
	kills   int // of the server; changes only while nobody is connected

	bookMu sync.Mutex // guards all below; who has it takes no other mutex but the ledger's
	posts  map[letter]*post
	count  []int           // by member
	ids    map[seen]string // that of each message for each account
	last   []jid.JID       // by member: where it was
}

// A post is a message that was sent.
type post struct {
	letter
	from  jid.JID
	to    int // account
	acked bool
}

// seen is a message as an account has it.
type seen struct {
	account int
	letter  letter
}

// filed is a message in an archive.
type filed struct {
	id     string
	letter letter
	sent   bool
}

func newCompany(t *testing.T, binary string, random *rand.Rand) *company {
	c := &company{world: newWorld(t, binary, random, accountsOfCompany[:]...), posts: map[letter]*post{}, ids: map[seen]string{}}
	for i, h := range habits() {
		c.members = append(c.members, &member{habit: h, c: c, index: i, shelf: newShelf()})
	}
	c.count, c.last = make([]int, len(c.members)), make([]jid.JID, len(c.members))
	return c
}

// next is the next message of m, whose mu is held. It counts as sent.
func (c *company) next(m *member, kind byte, to int) *post {
	c.bookMu.Lock()
	defer c.bookMu.Unlock()
	c.count[m.index]++
	p := &post{letter: letter{kind, m.index, c.count[m.index]}, from: m.jid, to: to}
	c.posts[p.letter], c.last[m.index] = p, m.jid
	return p
}

// where is the address from which a member has sent last.
func (c *company) where(m *member) jid.JID {
	c.bookMu.Lock()
	defer c.bookMu.Unlock()
	return c.last[m.index]
}

func (c *company) acknowledged(p *post) {
	c.bookMu.Lock()
	defer c.bookMu.Unlock()
	p.acked = true
}

// check returns which message n is, that has come to a device of an account in any way: it must be as it was sent, and have
// the one id that it has for this account.
func (c *company) check(n xmlstream.Node, account int, id string) (letter, error) {
	x, err := parseLetter(n.Attr("id"))
	if err != nil {
		return x, err
	}
	c.bookMu.Lock()
	defer c.bookMu.Unlock()
	p := c.posts[x]
	body, _ := n.Child(xmlstream.NSClient, "body")
	switch {
	case p == nil || n.Attr("from") != p.from.String():
		return x, errors.New("nobody has sent it")
	case body.IsZero() || body.Text() != x.text():
		return x, errors.New("another body")
	case p.to != account && c.members[x.from].account != account:
		return x, errors.New("it is for somebody else")
	case id == "":
		return x, errors.New("without an id")
	}
	s := seen{account, x}
	if c.ids[s] == "" {
		c.ids[s] = id
	}
	if c.ids[s] != id {
		return x, fmt.Errorf("it has the id %s, and had %s", id, c.ids[s])
	}
	return x, nil
}

// chat is a life in which all send messages but who is away, until the server is killed. Then the disk is looked at.
func (c *company) chat(p plan) {
	c.t.Helper()
	var all []func(context.Context, *server) error
	for _, m := range c.members {
		random := rand.New(rand.NewPCG(c.random.Uint64(), 0))
		if !m.away {
			all = append(all, func(ctx context.Context, s *server) error { return m.live(ctx, s, random) })
		}
	}
	c.life(p, all)
}

// life is one that ends with a kill.
func (c *company) life(p plan, all []func(context.Context, *server) error) {
	c.t.Helper()
	s := c.until(p, all)
	c.kills++
	c.report(s)
	c.inspect(false)
}

// settle is a life in which everybody comes, catches up and gets a last message from everybody. It ends in good order.
func (c *company) settle() {
	c.t.Helper()
	ctx, cancel, s := c.begin(plan{})
	defer cancel()
	if err := c.gather(ctx, s); err != nil {
		c.ledger.wrong("%v", err)
		s.kill()
		<-s.done
	} else {
		c.stop(s)
	}
	for _, m := range c.members {
		m.leave(false)
	}
	c.report(s)
	c.inspect(true)
}

// each calls f for all members at once.
func (c *company) each(f func(m *member) error) error {
	errs := make([]error, len(c.members))
	var all sync.WaitGroup
	for i, m := range c.members {
		all.Go(func() { errs[i] = f(m) })
	}
	all.Wait()
	return errors.Join(errs...)
}

func (c *company) gather(ctx context.Context, s *server) error {
	random := make([]*rand.Rand, len(c.members))
	for i := range random {
		random[i] = rand.New(rand.NewPCG(c.random.Uint64(), 0))
	}
	if err := c.each(func(m *member) error { return m.come(ctx, s, random[m.index]) }); err != nil {
		return err
	}
	if err := c.each(func(m *member) error { return m.sync(ctx) }); err != nil {
		return err
	}
	lasts := make([][]letter, len(c.members)) // what each sends
	err := c.each(func(m *member) error {
		for to, name := range accountsOfCompany {
			x, err := m.post(ctx, toBare, to, address(name))
			if err != nil {
				return err
			}
			lasts[m.index] = append(lasts[m.index], x)
		}
		return m.sync(ctx)
	})
	if err != nil {
		return err
	}
	return c.each(func(m *member) error {
		for _, list := range lasts {
			for to, x := range list {
				if x.from == m.index || to != m.account && c.members[x.from].account != m.account {
					continue
				}
				if err := m.await(ctx, func() bool { return m.came[x] }); err != nil {
					return fmt.Errorf("%s waits for %v: %w", m.resource(), x, err)
				}
			}
		}
		return m.sync(ctx)
	})
}

// inspect looks at what the server has left behind. settled says that all was delivered and that it stopped in good order.
func (c *company) inspect(settled bool) {
	c.t.Helper()
	archives := make([][]filed, len(accountsOfCompany))
	counts := map[seen][2]int{} // in archives: received, sent
	onWay, waiting := map[letter]int{}, 0
	err := c.look(func(d *db.DB, owners map[int64]string) error {
		a := archive.New(d, time.Now)
		for owner, name := range owners {
			account := slices.Index(accountsOfCompany[:], name)
			err := eachEntry(c.t.Context(), a, owner, func(e archive.Entry) {
				el, err := parseStored(e.Raw)
				if err != nil {
					c.ledger.wrong("in the archive of %s: %v", name, err)
					return
				}
				x, err := c.check(el.Root(), account, e.ID.String())
				if err != nil {
					c.ledger.wrong("in the archive of %s: %v: %s", name, err, e.Raw)
					return
				}
				archives[account] = append(archives[account], filed{e.ID.String(), x, e.Sent})
				n := counts[seen{account, x}]
				if n[0]++; e.Sent {
					n[0], n[1] = n[0]-1, n[1]+1
				}
				counts[seen{account, x}] = n
				if e.Waiting {
					waiting++
				}
			})
			if err != nil {
				return err
			}
		}
		return a.Transits(c.t.Context(), func(tr archive.Transit) error {
			el, err := parseStored(tr.Raw)
			if err != nil {
				return err
			}
			x, err := parseLetter(el.Root().Attr("id"))
			onWay[x]++
			return err
		})
	})
	if err != nil {
		c.t.Fatal(err)
	}
	if settled && (waiting > 0 || len(onWay) > 0) {
		c.ledger.wrong("%d messages wait, and %v are still on their way", waiting, onWay)
	}
	for x, p := range c.posts {
		from := c.members[x.from].account
		sent, received := counts[seen{from, x}][1], counts[seen{p.to, x}][0]+onWay[x]
		switch {
		case from == p.to && (received > 0 || sent > 1), from != p.to && sent != received, sent > 1:
			c.ledger.wrong("%v: its sender has it %d times, and its recipient %d", x, sent, received)
		case p.acked && sent == 0:
			c.ledger.wrong("%v was acknowledged, and is lost", x)
		}
	}
	for s, id := range c.ids {
		if counts[s] == [2]int{} {
			c.ledger.wrong("%v was seen by %s with the id %s, and is not in the archive", s.letter, accountsOfCompany[s.account], id)
		}
	}
	for _, m := range c.members {
		m.compare(archives[m.account], settled)
	}
	c.report(c.server)
}

func (c *company) sum() string {
	c.bookMu.Lock()
	defer c.bookMu.Unlock()
	acked := 0
	for _, p := range c.posts {
		if p.acked {
			acked++
		}
	}
	return fmt.Sprintf("%d kills, %d sent, %d acknowledged", c.kills, len(c.posts), acked)
}

// several has people with several devices chat, and the server killed as plans say; now and then everybody comes together.
func several(t *testing.T, binary string, random *rand.Rand, plans []plan) {
	c := newCompany(t, binary, random)
	for i, p := range plans {
		begun := time.Now()
		c.chat(p)
		if i%4 == 3 || i == len(plans)-1 {
			c.settle()
		}
		t.Logf("killed %v: %s, %.1fs", p, c.sum(), time.Since(begun).Seconds())
	}
	c.settle() // those who slept while the server stopped go on
	for _, m := range c.members {
		t.Logf("%s of %s has %s", m.resource(), accountsOfCompany[m.account], m.shelf.sum())
	}
}

// absence has devices miss n messages, and then catch up with them page by page while people chat, and while the server is
// killed a number of times. One of them has no other of its account's that took them: they wait for it.
func absence(t *testing.T, binary string, random *rand.Rand, n, kills int) {
	c := newCompany(t, binary, random)
	there, absent := []*member{c.members[0], c.members[3], c.members[8]}, []*member{c.members[2], c.members[6], c.members[7], c.members[9]}
	begun := time.Now()
	c.miss(there, n)
	t.Logf("%s, %.1fs", c.sum(), time.Since(begun).Seconds())
	for range kills {
		var all []func(context.Context, *server) error
		for _, m := range there {
			random := rand.New(rand.NewPCG(c.random.Uint64(), 0))
			all = append(all, func(ctx context.Context, s *server) error { return m.live(ctx, s, random) })
		}
		for _, m := range absent {
			random := rand.New(rand.NewPCG(c.random.Uint64(), 0))
			all = append(all, func(ctx context.Context, s *server) error {
				defer m.leave(false)
				if err := m.come(ctx, s, random); err != nil {
					return err
				}
				return m.await(ctx, func() bool { return false })
			})
		}
		begun, p := time.Now(), plan{after: 200 + random.Int64N(int64(2*n))}
		c.life(p, all)
		t.Logf("killed %v: %s, %.1fs", p, c.sum(), time.Since(begun).Seconds())
		for _, m := range absent {
			t.Logf("%s of %s, caught up %t, has %s", m.resource(), accountsOfCompany[m.account], m.caught, m.shelf.sum())
		}
	}
	c.settle()
	for _, m := range absent {
		t.Logf("%s of %s has %s", m.resource(), accountsOfCompany[m.account], m.shelf.sum())
	}
}

// miss is a life in which each of those who are there sends n messages to the accounts of the others.
func (c *company) miss(there []*member, n int) {
	c.t.Helper()
	ctx, cancel, s := c.begin(plan{})
	defer cancel()
	err := c.each(func(m *member) error {
		if !slices.Contains(there, m) {
			return nil
		}
		random := rand.New(rand.NewPCG(uint64(m.index), 0))
		if err := m.come(ctx, s, random); err != nil {
			return err
		}
		for i := range n {
			to := []int{0, 2, 3}[i%3]
			if _, err := m.post(ctx, toBare, to, address(accountsOfCompany[to])); err != nil {
				return err
			}
		}
		return m.sync(ctx)
	})
	if err != nil {
		c.ledger.wrong("%v", err)
	}
	c.stop(s)
	for _, m := range c.members {
		m.leave(false)
	}
	c.report(s)
	c.inspect(false)
}
