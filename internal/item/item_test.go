// SPDX-License-Identifier: Apache-2.0

package item

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

var juliet = Owner{ID: 1, JID: jid.MustParse("juliet@kith.example")}

// each runs f on each engine, with an account of Juliet's.
func each(t *testing.T, f func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES (1, 'juliet', 'user', FALSE, 0)`)
			return err
		})
		f(t, d)
	}, account.Schema(), Schema())
}

func write(t *testing.T, d *db.DB, f func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// try returns the error of one act.
func try(t *testing.T, d *db.DB, f func(tx *db.Tx) error) error {
	t.Helper()
	return d.Write(t.Context(), f)
}

// publish publishes an item whose payload says which it is.
func publish(s *Service, node, id, what string, c Config) func(*db.Tx) error {
	return func(tx *db.Tx) error {
		_, err := s.Publish(tx, juliet, node, Item{ID: id, Payload: xmlstream.TextElem("urn:x", "x", what)}, c)
		return err
	}
}

func ids(list []Item) (out []string) {
	for _, it := range list {
		out = append(out, it.ID)
	}
	return out
}

func TestPublish(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2030, 1, 1, 0, 0, 0, 123456789, time.UTC)
		s := New(d, Options{Now: func() time.Time { return now }})
		var changes []Change
		s.OnChange(func(c Change) { changes = append(changes, c) })
		c := Default()
		c.MaxItems = 2

		var made string
		write(t, d, func(tx *db.Tx) (err error) {
			made, err = s.Publish(tx, juliet, "n", Item{Payload: "<x xmlns='urn:x'/>", Publisher: jid.MustParse("juliet@kith.example/balcony")}, c)
			return err
		})
		if made == "" {
			t.Error("no id")
		}
		it, err := s.Item(t.Context(), 1, "n", made)
		if want := (Item{made, "<x xmlns='urn:x'/>", jid.MustParse("juliet@kith.example/balcony"), now.Truncate(time.Microsecond)}); err != nil || it != want {
			t.Errorf("got %v, %v, want %v", it, err, want)
		}
		for _, id := range []string{"a", "b", "a"} { // a comes again and is the last
			write(t, d, publish(s, "n", id, id, Default())) // the node keeps its own Config
		}
		list, more, err := s.Items(t.Context(), 1, "n", "", 10, 1<<20)
		if got := ids(list); !slices.Equal(got, []string{"b", "a"}) || more || err != nil {
			t.Error(got, more, err)
		}
		n, err := s.Node(t.Context(), 1, "n")
		if last, ok, lastErr := s.Last(t.Context(), 1, n); err != nil || n.Items != 2 || n.Config.MaxItems != 2 || !ok || last.ID != "a" || lastErr != nil {
			t.Error(n, err, last, ok, lastErr)
		}
		if len(changes) != 4 || changes[3].Kind != Published || changes[3].Items[0].ID != "a" || changes[3].Owner != juliet {
			t.Error(changes)
		}
		// An act that fails changes nothing and tells nothing.
		fails := errors.New("no")
		if err := try(t, d, func(tx *db.Tx) error {
			return errors.Join(publish(s, "n", "c", "c", c)(tx), fails)
		}); !errors.Is(err, fails) || len(changes) != 4 {
			t.Error(err, len(changes))
		}
		if _, err := s.Item(t.Context(), 1, "n", "c"); !errors.Is(err, ErrNoItem) {
			t.Error(err)
		}
	})
}

func TestItemsByPage(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d, Options{})
		c := Default()
		c.MaxItems = Max
		for i := range 10 {
			write(t, d, publish(s, "n", fmt.Sprint(i), strings.Repeat("x", 100), c))
		}
		for _, x := range []struct {
			before       string
			limit, bytes int
			want         string
			more         bool
		}{
			{"", 3, 1 << 20, "7 8 9", true},
			{"7", 100, 1 << 20, "0 1 2 3 4 5 6", false},
			{"3", 3, 1 << 20, "0 1 2", false},
			{"", 100, 250, "8 9", true},
			{"", 100, 1, "9", true}, // one at least
			{"0", 5, 1 << 20, "", false},
		} {
			list, more, err := s.Items(t.Context(), 1, "n", x.before, x.limit, x.bytes)
			if got := strings.Join(ids(list), " "); got != x.want || more != x.more || err != nil {
				t.Errorf("before %q, %d items, %d bytes: got %s, %t, %v", x.before, x.limit, x.bytes, got, more, err)
			}
		}
		if _, _, err := s.Items(t.Context(), 1, "n", "none", 5, 1000); !errors.Is(err, ErrNoItem) {
			t.Error(err)
		}
		for _, x := range []struct {
			after string
			limit int
			want  string
			more  bool
		}{{"", 3, "0 1 2", true}, {"2", 3, "3 4 5", true}, {"6", 3, "7 8 9", false}, {"9", 3, "", false}} {
			list, more, err := s.ItemsAfter(t.Context(), 1, "n", x.after, x.limit, 1<<20)
			if got := strings.Join(ids(list), " "); got != x.want || more != x.more || err != nil {
				t.Errorf("after %q, %d items: got %s, %t, %v", x.after, x.limit, got, more, err)
			}
		}
		if got, err := s.IDs(t.Context(), 1, "n"); strings.Join(got, "") != "0123456789" || err != nil {
			t.Error(got, err)
		}
	})
}

func TestLimits(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d, Options{Nodes: 3, Items: 4, Payload: 200, Quota: 420})
		c := Default()
		c.MaxItems = Max
		for i := range 6 {
			write(t, d, publish(s, "n", fmt.Sprint(i), "", c))
		}
		if n, err := s.Node(t.Context(), 1, "n"); n.Items != 4 || err != nil {
			t.Error(n.Items, err)
		}
		long := strings.Repeat("x", 160)
		tooMany := c
		tooMany.MaxItems = 5
		oddAccess, oddSend := c, c
		oddAccess.Access, oddSend.SendLast = "authorize", "often"
		for _, x := range []struct {
			name string
			f    func(*db.Tx) error
			want error
		}{
			{"payload", publish(s, "n", "a", strings.Repeat("x", 300), c), ErrPayload},
			{"id", publish(s, "n", strings.Repeat("x", 1024), "", c), ErrName},
			{"no name", publish(s, "", "a", "", c), ErrName},
			{"long name", publish(s, strings.Repeat("x", 1024), "a", "", c), ErrName},
			{"config", publish(s, "m", "a", "", tooMany), ErrConfig},
			{"access", publish(s, "m", "a", "", oddAccess), ErrConfig},
			{"last", publish(s, "m", "a", "", oddSend), ErrConfig},
			{"room", publish(s, "m", "a", long, c), nil},
			{"more room", publish(s, "m", "b", long, c), ErrQuota},
			{"instead", publish(s, "m", "a", long, c), nil},
			{"third node", publish(s, "o", "a", "", c), nil},
			{"fourth node", publish(s, "p", "a", "", c), ErrNodes},
			{"again", func(tx *db.Tx) error { return s.Create(tx, juliet, "n", c) }, ErrExists},
			{"no node", func(tx *db.Tx) error { return s.Retract(tx, juliet, "q", false, "a") }, ErrNoNode},
			{"no item", func(tx *db.Tx) error { return s.Retract(tx, juliet, "n", false, "q") }, ErrNoItem},
			{"purge", func(tx *db.Tx) error { return s.Purge(tx, juliet, "q") }, ErrNoNode},
			{"delete", func(tx *db.Tx) error { return s.Delete(tx, juliet, "q", "") }, ErrNoNode},
			{"configure", func(tx *db.Tx) error { return s.Configure(tx, juliet, "q", c) }, ErrNoNode},
			{"unsubscribe", func(tx *db.Tx) error { return s.Unsubscribe(tx, juliet, "n", juliet.JID) }, ErrNotSubscribed},
		} {
			if err := try(t, d, x.f); !errors.Is(err, x.want) {
				t.Errorf("%s: got %v, want %v", x.name, err, x.want)
			}
		}
		if _, err := s.Node(t.Context(), 1, "p"); !errors.Is(err, ErrNoNode) {
			t.Error(err)
		}
	})
}

func TestNodes(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d, Options{})
		var changes []Change
		s.OnChange(func(c Change) { changes = append(changes, c) })
		c := Default()
		c.MaxItems, c.NotifyRetract = 5, false
		for _, id := range []string{"a", "b", "c"} {
			write(t, d, publish(s, "n", id, id, c))
		}
		romeo := jid.MustParse("romeo@kith.example")
		write(t, d, func(tx *db.Tx) error {
			return s.Affiliate(tx, juliet, "n", map[jid.JID]Affiliation{romeo: Member, jid.MustParse("tybalt@kith.example/x"): Outcast})
		})
		write(t, d, func(tx *db.Tx) error { return s.Affiliate(tx, juliet, "n", map[jid.JID]Affiliation{romeo: ""}) })
		for range 2 { // the second time it is there
			write(t, d, func(tx *db.Tx) error { return s.Subscribe(tx, juliet, "n", romeo) })
		}
		n, err := s.Node(t.Context(), 1, "n")
		if err != nil || len(n.Affiliations) != 1 || n.Affiliations[jid.MustParse("tybalt@kith.example")] != Outcast ||
			!slices.Equal(n.Subscriptions, []jid.JID{romeo}) {
			t.Error(n, err)
		}
		write(t, d, func(tx *db.Tx) error { return s.Unsubscribe(tx, juliet, "n", romeo) })

		c.MaxItems = 2
		write(t, d, func(tx *db.Tx) error { return s.Configure(tx, juliet, "n", c) })
		write(t, d, func(tx *db.Tx) error { return s.Retract(tx, juliet, "n", true, "c") })
		n, _ = s.Node(t.Context(), 1, "n")
		if last, ok, err := s.Last(t.Context(), 1, n); !ok || last.ID != "b" || n.Items != 1 || len(n.Subscriptions) != 0 || err != nil {
			t.Error(last, ok, n, err)
		}
		write(t, d, func(tx *db.Tx) error { return s.Purge(tx, juliet, "n") })
		n, _ = s.Node(t.Context(), 1, "n")
		if _, ok, err := s.Last(t.Context(), 1, n); ok || n.Items != 0 || err != nil {
			t.Error(ok, n, err)
		}
		c.Persist = false
		write(t, d, func(tx *db.Tx) error { return s.Configure(tx, juliet, "n", c) })
		write(t, d, publish(s, "n", "d", "told only", c))
		if _, err := s.Item(t.Context(), 1, "n", "d"); !errors.Is(err, ErrNoItem) {
			t.Error(err)
		}
		write(t, d, func(tx *db.Tx) error { return s.Delete(tx, juliet, "n", "xmpp:x") })
		var kinds []Kind
		for _, c := range changes {
			kinds = append(kinds, c.Kind)
		}
		want := []Kind{Published, Published, Published, Affiliated, Affiliated, Configured, Retracted, Purged, Configured, Published, Deleted}
		if !slices.Equal(kinds, want) || !changes[6].Notify || changes[7].Notify || changes[10].To != "xmpp:x" {
			t.Error(kinds, changes[6], changes[7], changes[10])
		}
		// What is large is not held in memory, and is there all the same.
		write(t, d, publish(s, "big", "a", strings.Repeat("x", maxLast), c))
		n, err = s.Node(t.Context(), 1, "big")
		if err != nil || n.last != nil {
			t.Error(n, err)
		}
		write(t, d, publish(s, "m", "a", "x", Default()))
		for _, n := range []int{1, 0} {
			write(t, d, func(tx *db.Tx) error {
				if got, err := s.Clear(tx, 1); got != n || err != nil {
					t.Error(got, err)
				}
				return nil
			})
		}
	})
}

// TestModel publishes, retracts, purges, configures and deletes at random, and holds the service to the simplest thing
// that could be said of it: lists.
func TestModel(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		dice := rand.New(rand.NewPCG(1, 2))
		s := New(d, Options{Items: 6})
		type node struct {
			max   int
			items []string // id=payload
		}
		model := map[string]*node{}
		find := func(n *node, id string) int {
			return slices.IndexFunc(n.items, func(s string) bool { return strings.HasPrefix(s, id+"=") })
		}
		trim := func(n *node) { n.items = n.items[max(0, len(n.items)-n.max):] }
		for step := range 600 {
			name, id := string(rune('A'+dice.IntN(3))), string(rune('a'+dice.IntN(8)))
			n := model[name]
			c := Default()
			c.MaxItems = 1 + dice.IntN(6)
			var err, want error
			switch x := dice.IntN(20); {
			case x < 11:
				payload := fmt.Sprint(step)
				err = try(t, d, publish(s, name, id, payload, c))
				if n == nil {
					n = &node{max: c.MaxItems}
					model[name] = n
				}
				if i := find(n, id); i >= 0 {
					n.items = slices.Delete(n.items, i, i+1)
				}
				n.items = append(n.items, id+"="+payload)
				trim(n)
			case x < 16:
				err = try(t, d, func(tx *db.Tx) error { return s.Retract(tx, juliet, name, false, id) })
				switch {
				case n == nil:
					want = ErrNoNode
				case find(n, id) < 0:
					want = ErrNoItem
				default:
					i := find(n, id)
					n.items = slices.Delete(n.items, i, i+1)
				}
			case x < 18:
				err = try(t, d, func(tx *db.Tx) error { return s.Configure(tx, juliet, name, c) })
				if n == nil {
					want = ErrNoNode
				} else {
					n.max = c.MaxItems
					trim(n)
				}
			case x < 19:
				err = try(t, d, func(tx *db.Tx) error { return s.Purge(tx, juliet, name) })
				if n == nil {
					want = ErrNoNode
				} else {
					n.items = nil
				}
			default:
				err = try(t, d, func(tx *db.Tx) error { return s.Delete(tx, juliet, name, "") })
				if n == nil {
					want = ErrNoNode
				}
				delete(model, name)
			}
			if !errors.Is(err, want) {
				t.Fatalf("step %d: got %v, want %v", step, err, want)
			}
			if dice.IntN(10) == 0 {
				s = New(d, s.o) // with nothing in memory
			}
			for name, n := range model {
				compare(t, s, name, n.items)
			}
			if list, err := s.Nodes(t.Context(), 1); len(list) != len(model) || err != nil {
				t.Fatalf("step %d: %d nodes, want %d: %v", step, len(list), len(model), err)
			}
		}
	})
}

// compare holds a node to what it should have, in memory and in the store.
func compare(t *testing.T, s *Service, name string, want []string) {
	t.Helper()
	say := func(it Item) string {
		n, err := xmlstream.ParseRaw(it.Payload)
		if err != nil {
			t.Fatal(err)
		}
		for x := range n.Children() {
			return it.ID + "=" + x.Text()
		}
		return it.ID
	}
	list, more, err := s.Items(t.Context(), 1, name, "", 100, 1<<20)
	var got []string
	size := 0
	for _, it := range list {
		got = append(got, say(it))
		size += it.size()
	}
	if !slices.Equal(got, want) || more || err != nil {
		t.Fatalf("%s has %v (%t, %v), want %v", name, got, more, err, want)
	}
	n, err := s.Node(t.Context(), 1, name)
	if err != nil || n.Items != len(want) || n.bytes != int64(size) {
		t.Fatalf("%s counts %d items and %d bytes, want %d and %d: %v", name, n.Items, n.bytes, len(want), size, err)
	}
	last, ok, err := s.Last(t.Context(), 1, n)
	if err != nil || ok != (len(want) > 0) || ok && say(last) != want[len(want)-1] {
		t.Fatalf("%s ends with %v, %v, want %v", name, last, err, want)
	}
}

// The cache is never older than the store, and keeps within its bound.
func TestCache(t *testing.T) {
	t.Parallel()
	c := newCache()
	_, turn, ok := c.get(1)
	if ok {
		t.Error("there is something")
	}
	c.change(1, Node{Name: "b"}, false) // committed after the read below began
	c.put(1, turn, nil)
	if _, _, ok := c.get(1); ok {
		t.Error("what is old was kept")
	}
	_, turn, _ = c.get(1)
	c.put(1, turn, []Node{{Name: "b"}})
	c.change(1, Node{Name: "a"}, false)
	c.change(1, Node{Name: "c"}, false)
	c.change(1, Node{Name: "b"}, true)
	c.change(1, Node{Name: "x"}, true)
	nodes, _, _ := c.get(1)
	if len(nodes) != 2 || nodes[0].Name != "a" || nodes[1].Name != "c" {
		t.Error(nodes)
	}
	large := strings.Repeat("x", maxLast-10)
	for i := range int64(maxCached/maxLast + 100) {
		_, turn, _ := c.get(i)
		c.put(i, turn, []Node{{Name: "n", last: &Item{Payload: xmlstream.Raw(large)}}})
	}
	if c.size > maxCached || len(c.owners) < maxCached/maxLast/2 {
		t.Error(c.size, len(c.owners))
	}
	for i := range c.owners {
		c.forget(i)
	}
	if c.size != 0 {
		t.Error(c.size)
	}
}

// What nodes need besides their items is bounded, too, by all nodes of an account together; and nobody takes all the room that
// there is for followers.
func TestBoundsOfNodes(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s, o := New(d, Options{}), juliet
		full := func(what string, want error, f func(tx *db.Tx, node string, i int) error) {
			t.Helper()
			for i := range 1000 {
				node := fmt.Sprintf("%s %d", what, i)
				err := try(t, d, func(tx *db.Tx) error {
					if err := s.Create(tx, o, node, Default()); err != nil {
						return err
					}
					return f(tx, node, i)
				})
				switch {
				case err == nil:
				case errors.Is(err, want) && i > 3:
					return
				default:
					t.Fatalf("%s, at %d: %v", what, i, err)
				}
			}
			t.Errorf("%s: there is no end", what)
		}
		long := strings.Repeat("x", 1000)
		full("subscriptions", ErrPeople, func(tx *db.Tx, node string, i int) error {
			some := map[jid.JID]bool{}
			for k := range 100 {
				some[jid.MustParse(fmt.Sprintf("p%d@kith.example/%s", k, long))] = true
			}
			return s.SetSubscriptions(tx, o, node, some)
		})
		// There is room for what the owner has to say.
		full("affiliations", ErrQuota, func(tx *db.Tx, node string, i int) error {
			some := map[jid.JID]Affiliation{}
			for k := range 100 {
				some[jid.MustParse(fmt.Sprintf("%s%d@kith.example", long, k))] = Member
			}
			return s.Affiliate(tx, o, node, some)
		})
		if err := try(t, d, func(tx *db.Tx) error {
			c := Default()
			for range 64 {
				c.Groups = append(c.Groups, long)
			}
			for i := range 16 {
				if err := s.Configure(tx, o, fmt.Sprintf("subscriptions %d", i%5), c); err != nil {
					return err
				}
				if err := s.Create(tx, o, fmt.Sprintf("g %d", i), c); err != nil {
					return err
				}
			}
			return nil
		}); !errors.Is(err, ErrQuota) {
			t.Errorf("configurations: %v", err)
		}

		write(t, d, func(tx *db.Tx) error { // all else is gone
			_, err := tx.Exec(`DELETE FROM item_node`)
			return err
		})
		if err := try(t, d, func(tx *db.Tx) error {
			if err := s.Create(tx, o, "n", Default()); err != nil {
				return err
			}
			for i := range 20 {
				if err := s.Subscribe(tx, o, "n", jid.MustParse(fmt.Sprintf("spam@kith.example/%d", i))); err != nil {
					return err
				}
			}
			if err := s.Subscribe(tx, o, "n", jid.MustParse("spam@kith.example/20")); !errors.Is(err, ErrPeople) {
				t.Errorf("one person, at 20: %v", err)
			}
			return s.Subscribe(tx, o, "n", jid.MustParse("romeo@kith.example"))
		}); err != nil {
			t.Error(err)
		}
	})
}

// Many change at once as each would alone, and in one go.
func TestSetSubscriptions(t *testing.T) {
	each(t, func(t *testing.T, d *db.DB) {
		s := New(d, Options{})
		who := func(i int) jid.JID { return jid.MustParse(fmt.Sprintf("p%d@kith.example", i)) }
		set := func(changed map[jid.JID]bool) error {
			return try(t, d, func(tx *db.Tx) error { return s.SetSubscriptions(tx, juliet, "n", changed) })
		}
		check := func(want ...jid.JID) {
			t.Helper()
			n, err := s.Node(t.Context(), juliet.ID, "n")
			compare := func(a, b jid.JID) int { return strings.Compare(a.String(), b.String()) }
			if got := slices.SortedFunc(slices.Values(n.Subscriptions), compare); err != nil || !slices.Equal(got, want) {
				t.Errorf("got %v, %v, want %v", got, err, want)
			}
		}
		if err := set(map[jid.JID]bool{who(1): true}); !errors.Is(err, ErrNoNode) {
			t.Error(err)
		}
		write(t, d, func(tx *db.Tx) error { return s.Create(tx, juliet, "n", Default()) })
		if err := set(map[jid.JID]bool{who(1): true, who(2): true, who(3): false}); err != nil {
			t.Error(err)
		}
		check(who(1), who(2))
		if err := set(map[jid.JID]bool{who(1): false, who(2): true, who(3): true}); err != nil {
			t.Error(err)
		}
		check(who(2), who(3))
		many, devices := map[jid.JID]bool{}, map[jid.JID]bool{}
		for i := range maxPeople - 2 {
			many[who(10+i)] = true
		}
		for i := range maxOfOne + 1 {
			devices[jid.MustParse(fmt.Sprintf("p0@kith.example/%d", i))] = true
		}
		if err := set(devices); !errors.Is(err, ErrPeople) {
			t.Error(err)
		}
		if err := set(many); err != nil {
			t.Error(err)
		}
		if err := set(map[jid.JID]bool{who(5): true}); !errors.Is(err, ErrPeople) {
			t.Error(err)
		}
		if err := set(map[jid.JID]bool{who(5): true, who(2): false}); err != nil {
			t.Error(err)
		}
		for i := range maxPeople - 2 {
			many[who(10+i)] = false
		}
		if err := set(many); err != nil {
			t.Error(err)
		}
		check(who(3), who(5))
	})
}
