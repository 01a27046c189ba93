// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// maxCached bounds each half of the cache, in accounts and in names that nobody has.
const maxCached = 10_000

// entry is what the cache knows of an account. It is not changed once it is in the cache.
type entry struct {
	account     Account
	credentials [sasl.SHA512 + 1]sasl.Credentials // by sasl.Hash; a map takes 500 bytes more
}

// cache keeps accounts by name. When it is full, any of them makes room: a miss costs one query.
type cache struct {
	mu      sync.RWMutex // guards what follows
	known   map[string]*entry
	unknown map[string]struct{}
	turn    uint64 // counts changes: what was read before one must not be put in after it
}

// get returns the entry of name, and whether the cache has an answer; a nil entry means that nobody has the name.
func (c *cache) get(name string) (*entry, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if e, ok := c.known[name]; ok {
		return e, true
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
func (c *cache) put(turn uint64, name string, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turn {
		return
	}
	if c.known == nil {
		c.known, c.unknown = map[string]*entry{}, map[string]struct{}{}
	}
	name = strings.Clone(name) // it may be part of a whole stanza
	if e != nil {
		makeRoom(c.known)
		c.known[name] = e
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

// find returns what is known of name, from memory or from the store; ErrUnknown if nobody has it.
func (s *Service) find(ctx context.Context, name string) (*entry, error) {
	// Keys are normal names only, so a hit needs no normalising.
	if e, ok := s.cache.get(name); ok {
		return known(e)
	}
	name, err := s.normal(name)
	if err != nil {
		return nil, err
	}
	if e, ok := s.cache.get(name); ok {
		return known(e)
	}
	turn := s.cache.now()
	e := &entry{}
	err = s.db.Read(ctx, func(tx *db.ReadTx) error { return e.read(tx, name) })
	if errors.Is(err, ErrUnknown) {
		e, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.cache.put(turn, name, e)
	return known(e)
}

func known(e *entry) (*entry, error) {
	if e == nil {
		return nil, ErrUnknown
	}
	return e, nil
}

// read fills e from the store.
func (e *entry) read(tx *db.ReadTx, name string) (err error) {
	e.account, err = scan(tx.QueryRow(`SELECT `+columns+` FROM account WHERE name = $1`, name))
	if err != nil {
		return err
	}
	const q = `SELECT hash, salt, iterations, stored_key, server_key FROM account_credential WHERE account = $1`
	rows, err := tx.Query(q, e.account.ID)
	if err != nil {
		return fmt.Errorf("read credentials: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var hash string
		var c sasl.Credentials
		if err := rows.Scan(&hash, &c.Salt, &c.Iterations, &c.StoredKey, &c.ServerKey); err != nil {
			return fmt.Errorf("read credentials: %w", err)
		}
		for _, h := range sasl.Hashes() {
			if h.String() == hash {
				e.credentials[h] = c
			}
		}
	}
	return rows.Err()
}
