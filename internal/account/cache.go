// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/db"
)

// maxCached bounds each half of the cache, in accounts and in names that nobody has.
const maxCached = 10_000

// cache keeps accounts by name, without their keys. When it is full, any of them makes room: a miss costs one query.
type cache struct {
	mu      sync.RWMutex // guards what follows
	known   map[string]*Account
	unknown map[string]struct{}
	turn    uint64 // counts changes: what was read before one must not be put in after it
}

// get returns the account of name, and whether the cache has an answer; nil means that nobody has the name.
func (c *cache) get(name string) (*Account, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if a, ok := c.known[name]; ok {
		return a, true
	}
	_, ok := c.unknown[name]
	return nil, ok
}

func (c *cache) now() uint64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.turn
}

// put keeps what was read when turn was now.
func (c *cache) put(turn uint64, name string, a *Account) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return
	}
	if c.known == nil {
		c.known, c.unknown = map[string]*Account{}, map[string]struct{}{}
	}
	name = strings.Clone(name) // it may be part of a whole stanza
	if a != nil {
		makeRoom(c.known)
		c.known[name] = a
		return
	}
	makeRoom(c.unknown)
	c.unknown[name] = struct{}{}
}

func makeRoom[V any](m map[string]V) {
	for k := range m {
		if len(m) < maxCached {
			return
		}
		delete(m, k)
	}
}

func (c *cache) forget(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turn++
	delete(c.known, name)
	delete(c.unknown, name)
}

// find returns the account of name, from memory or from the store; ErrUnknown if nobody has it.
func (s *Service) find(ctx context.Context, name string) (Account, error) {
	// Keys are normal names only, so a hit needs no normalising.
	if a, ok := s.cache.get(name); ok {
		return known(a)
	}
	name, err := s.normal(name)
	if err != nil {
		return Account{}, err
	}
	if a, ok := s.cache.get(name); ok {
		return known(a)
	}
	turn := s.cache.now()
	var a Account
	err = s.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		a, err = named(tx, name)
		return err
	})
	switch {
	case errors.Is(err, ErrUnknown):
		s.cache.put(turn, name, nil)
	case err == nil:
		s.cache.put(turn, name, &a)
	}
	return a, err
}

func known(a *Account) (Account, error) {
	if a == nil {
		return Account{}, ErrUnknown
	}
	return *a, nil
}

// named returns the account of a normal name as tx sees it; ErrUnknown if there is none.
func named(tx db.Querier, name string) (Account, error) {
	return scan(tx.QueryRow(`SELECT `+columns+` FROM account WHERE name = $1`, name))
}
