// SPDX-License-Identifier: Apache-2.0

package blocklist

import "sync"

// maxCached bounds the cache, in addresses of all lists together, some 150 bytes each; every list counts as one more.
const maxCached = 200_000

// cache keeps lists by their owner. When it is full, any of them makes room: a miss costs one query.
type cache struct {
	mu    sync.RWMutex // guards what follows
	lists map[int64]Set
	size  int         // of all lists
	turns [256]uint64 // of each 256th owner, counts changes: what was read before one must not be put in after it
}

func newCache() cache { return cache{lists: map[int64]Set{}} }

// get returns the list of owner, false if it is not here, and the turn for put.
func (c *cache) get(owner int64) (Set, uint64, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	s, ok := c.lists[owner]
	return s, c.turns[uint8(owner)], ok
}

// put keeps what was read after get gave turn.
func (c *cache) put(owner int64, turn uint64, s Set) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn != c.turns[uint8(owner)] {
		return
	}
	c.drop(owner)
	for other := range c.lists {
		if c.size+1+s.Len() <= maxCached {
			break
		}
		c.drop(other)
	}
	c.lists[owner] = s
	c.size += 1 + s.Len()
}

func (c *cache) forget(owner int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turns[uint8(owner)]++
	c.drop(owner)
}

func (c *cache) drop(owner int64) {
	if s, ok := c.lists[owner]; ok {
		c.size -= 1 + s.Len()
		delete(c.lists, owner)
	}
}
