// SPDX-License-Identifier: Apache-2.0

package contact

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// maxCached bounds the cache, in items of all lists together, some 250 bytes each; an empty list counts as one.
const maxCached = 200_000

// list is one account's list. It is not changed once it is in the cache.
type list struct {
	version       int64
	items         []Item // listed, by address
	hidden        []Item // requests of people who are not listed, by address
	pending       bool   // a request waits, listed or not
	subscribers   []jid.JID
	subscriptions []jid.JID
}

func (l *list) size() int { return 1 + len(l.items) + len(l.hidden) }

// find returns the item of address, and whether there is one.
func (l *list) find(address jid.JID) (Item, bool) {
	for _, items := range [][]Item{l.items, l.hidden} {
		i, ok := slices.BinarySearchFunc(items, address.String(), func(i Item, a string) int {
			return strings.Compare(i.Address.String(), a)
		})
		if ok {
			return items[i], true
		}
	}
	return Item{}, false
}

// cache keeps lists by their owner. When it is full, any of them makes room: a miss costs one query.
type cache struct {
	mu    sync.RWMutex // guards what follows
	lists map[int64]*list
	size  int         // of all lists
	turns [256]uint64 // of each 256th owner, counts changes: what was read before one must not be put in after it
}

func newCache() cache { return cache{lists: map[int64]*list{}} }

// get returns the list of owner, nil if it is not here, and the turn for put.
func (c *cache) get(owner int64) (*list, uint64) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.lists[owner], c.turns[uint8(owner)]
}

// put keeps what was read after get gave turn.
func (c *cache) put(owner int64, turn uint64, l *list) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turns[uint8(owner)] {
		return
	}
	c.drop(owner)
	for other := range c.lists {
		if c.size+l.size() <= maxCached {
			break
		}
		c.drop(other)
	}
	c.lists[owner] = l
	c.size += l.size()
}

func (c *cache) forget(owner int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turns[uint8(owner)]++
	c.drop(owner)
}

func (c *cache) drop(owner int64) {
	if l := c.lists[owner]; l != nil {
		c.size -= l.size()
		delete(c.lists, owner)
	}
}

// load returns the list of owner, from memory or from the store.
func (s *Service) load(ctx context.Context, owner int64) (*list, error) {
	l, turn := s.cache.get(owner)
	if l != nil {
		return l, nil
	}
	l = &list{}
	if err := s.db.Read(ctx, func(tx *db.ReadTx) error { return l.read(tx, owner) }); err != nil {
		return nil, fmt.Errorf("read contacts: %w", err)
	}
	s.cache.put(owner, turn, l)
	return l, nil
}

func byAddress(a, b Item) int { return strings.Compare(a.Address.String(), b.Address.String()) }

func (l *list) read(tx *db.ReadTx, owner int64) (err error) {
	if l.version, _, err = listVersion(tx, owner); err != nil {
		return err
	}
	rows, err := tx.Query(`SELECT `+columns+` FROM contact WHERE owner = $1`, owner)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		i, err := scan(rows)
		if err != nil {
			return err
		}
		l.pending = l.pending || i.State.Has(PendingIn)
		if !i.Listed {
			l.hidden = append(l.hidden, i)
			continue
		}
		l.items = append(l.items, i)
		if i.State.Has(From) {
			l.subscribers = append(l.subscribers, i.Address)
		}
		if i.State.Has(To) {
			l.subscriptions = append(l.subscriptions, i.Address)
		}
	}
	// Not in SQL: an engine may sort text by a language's rules, and the search goes by bytes.
	slices.SortFunc(l.items, byAddress)
	slices.SortFunc(l.hidden, byAddress)
	return rows.Err()
}
