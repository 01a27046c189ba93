// SPDX-License-Identifier: Apache-2.0

package load

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// measurePresence is what a log-in costs with contacts who are present, and what it costs to tell them something
// (RFC 6121 §4).
func measurePresence(t *testing.T, r *report, z size, kinds []*kind) {
	for _, k := range kinds {
		if err := presences(t, r, z, k); err != nil && !failed(t, k, err) {
			t.Fatal(err)
		}
	}
}

func presences(t *testing.T, r *report, z size, k *kind) error {
	s := k.start(t)
	defer s.stop(t)
	c, err := befriend(t.Context(), s, k.accounts[0], k.accounts[1:1+z.friends])
	if err != nil {
		return err
	}
	defer c.leave()
	for i := range 2 { // the first is to warm up
		visits := []int{max(1, z.visits/10), z.visits}[i]
		cpu, err := c.visits(t.Context(), visits)
		if err != nil {
			return err
		}
		if i == 1 {
			r.add(friendsLogin, k, ms(cpu))
		}
	}
	cpu, err := c.changes(t.Context(), z.changes)
	if err != nil {
		return err
	}
	r.add(presenceCPU, k, ms(cpu))
	return nil
}

// A circle is somebody and his contacts, who are present and look only at what he says.
type circle struct {
	server  *server
	account *account
	friends []*client
	ending  sync.WaitGroup
	heard   chan string // the id of each presence that a friend got from him, and its type
}

// befriend makes an account and others contacts of each other, as people do it, and leaves the others present.
func befriend(ctx context.Context, s *server, a *account, others []*account) (*circle, error) {
	c := &circle{server: s, account: a, friends: make([]*client, len(others)), heard: make(chan string, 4096)}
	him, err := join(ctx, s, directTLS, false, a)
	if err != nil {
		return nil, err
	}
	known := make(chan string, 2*len(others)) // bare addresses of who got a "subscribed"
	answer := func(x *client, also string) func(xmlstream.Node) {
		self := x.jid.Bare().String()
		return func(n xmlstream.Node) {
			if !n.Is(xmlstream.NSClient, "presence") {
				return
			}
			from, err := jid.Parse(n.Attr("from"))
			if err != nil || from.Bare() == x.jid.Bare() {
				return
			}
			switch n.Attr("type") {
			case "subscribe":
				_ = x.put(stanza.New(stanza.Presence, "subscribed", "", jid.JID{}, from.Bare())) // known would wait for it
				if also != "" {
					_ = x.put(stanza.New(stanza.Presence, also, "", jid.JID{}, from.Bare())) // the same
				}
			case "subscribed":
				known <- self
			case "", "unavailable":
				if x != him {
					c.heard <- n.Attr("type") + n.Attr("id")
				}
			}
		}
	}
	c.ending.Go(func() { _ = him.run(answer(him, "")) }) // who waits says if it is gone
	if err := him.interest(); err != nil {
		return nil, err
	}
	for i, o := range others {
		if c.friends[i], err = join(ctx, s, directTLS, false, o); err != nil {
			return nil, err
		}
		f := c.friends[i]
		c.ending.Go(func() { _ = f.run(answer(f, "subscribe")) }) // the same
		if err := f.interest(); err != nil {
			return nil, err
		}
	}
	for _, f := range c.friends {
		if err := him.put(stanza.New(stanza.Presence, "subscribe", "", jid.JID{}, f.jid.Bare())); err != nil {
			return nil, err
		}
	}
	for range 2 * len(others) {
		select {
		case <-known:
		case <-time.After(patience):
			return nil, errors.New("not everybody became a contact")
		}
	}
	if err := him.leave(); err != nil {
		return nil, err
	}
	return c, c.hear("unavailable", len(others))
}

// interest asks for the contact list: some servers tell of subscriptions only those who did (RFC 6121 §2.1.6).
func (c *client) interest() error {
	return c.put(stanza.New(stanza.IQ, "get", "list", jid.JID{}, jid.JID{}, xmlstream.Elem("jabber:iq:roster", "query")))
}

// hear waits until friends have got n presences that say what.
func (c *circle) hear(what string, n int) error {
	patient := time.NewTimer(patience)
	defer patient.Stop()
	for n > 0 {
		select {
		case got := <-c.heard:
			if got == what {
				n--
			}
		case <-patient.C:
			return fmt.Errorf("%d friends did not hear %q", n, what)
		}
	}
	return nil
}

// visits has him log in n times and see everybody, and returns the server's processor time for each; that he leaves
// again does not count.
func (c *circle) visits(ctx context.Context, n int) (sum time.Duration, err error) {
	for range n {
		before, err := c.server.cpu()
		if err != nil {
			return 0, err
		}
		x, err := c.come(ctx, "here")
		if err != nil {
			return 0, err
		}
		if err := c.hear("here", len(c.friends)); err != nil {
			return 0, err
		}
		after, err := c.server.cpu()
		if err != nil {
			return 0, err
		}
		sum += after - before
		if err := errors.Join(x.leave(), c.hear("unavailable", len(c.friends))); err != nil {
			return 0, err
		}
	}
	return sum / time.Duration(n), nil
}

// come logs him in, and reads until he has seen all friends.
func (c *circle) come(ctx context.Context, id string) (*client, error) {
	x, err := dial(ctx, c.server, directTLS)
	if err != nil {
		return nil, err
	}
	if err := errors.Join(x.login(c.account), x.WriteStanzas([]*stanza.Stanza{stanza.New(stanza.Presence, "", id, jid.JID{}, jid.JID{})})); err != nil {
		x.Cut()
		return nil, err
	}
	seen := map[string]bool{}
	for len(seen) < len(c.friends) {
		el, err := x.Read()
		if err != nil {
			x.Cut()
			return nil, fmt.Errorf("%d of %d contacts were seen: %w", len(seen), len(c.friends), err)
		}
		n := el.Root()
		from, err := jid.Parse(n.Attr("from"))
		if err == nil && n.Is(xmlstream.NSClient, "presence") && n.Attr("type") == "" && from.Local() != c.account.name {
			seen[from.Local()] = true
		}
	}
	return x, nil
}

// changes has him say n times that he is away or back, and returns the server's processor time for each friend and
// change.
func (c *circle) changes(ctx context.Context, n int) (time.Duration, error) {
	x, err := c.come(ctx, "changes")
	if err != nil {
		return 0, err
	}
	defer x.Cut()
	if err := c.hear("changes", len(c.friends)); err != nil {
		return 0, err
	}
	before, err := c.server.cpu()
	if err != nil {
		return 0, err
	}
	for i := range n {
		id := "change" + strconv.Itoa(i)
		if err := x.WriteStanzas([]*stanza.Stanza{stanza.New(stanza.Presence, "", id, jid.JID{}, jid.JID{},
			[]xmlstream.Raw{`<show>away</show><status>Parting is such sweet sorrow</status>`, ""}[i%2])}); err != nil {
			return 0, err
		}
		if err := c.hear(id, len(c.friends)); err != nil {
			return 0, err
		}
	}
	after, err := c.server.cpu()
	return (after - before) / time.Duration(n*len(c.friends)), err
}

// leave ends the friends' streams.
func (c *circle) leave() {
	for _, f := range c.friends {
		f.Cut()
	}
	c.ending.Wait()
}
