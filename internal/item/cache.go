// SPDX-License-Identifier: Apache-2.0

package item

import (
	"slices"
	"strings"
	"sync"
)

// Bounds of the cache, in bytes.
const (
	maxCached = 32 << 20 // of all accounts together, as cost counts
	maxLast   = 8 << 10  // of a last item that is kept with its node: metadata, not pictures
)

// cache keeps the nodes of accounts by their owner, with their last items where these are small. When it is full, any
// account makes room: a miss costs two queries.
type cache struct {
	mu     sync.RWMutex // guards what follows
	owners map[int64]cached
	size   int
	turns  [256]uint64 // of each 256th owner, counts changes: what was read before one must not be put in after it
}

// cached are the nodes of one account, by name. They are not changed.
type cached struct {
	nodes []Node
	cost  int
}

func newCache() cache { return cache{owners: map[int64]cached{}} }

// find looks for a node in a list by name: where it is, or would be.
func find(list []Node, name string) (int, bool) {
	return slices.BinarySearchFunc(list, name, func(n Node, name string) int { return strings.Compare(n.Name, name) })
}

// get returns the nodes of owner, whether they are here, and the turn for put.
func (c *cache) get(owner int64) (nodes []Node, turn uint64, ok bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	l, ok := c.owners[owner]
	return l.nodes, c.turns[uint8(owner)], ok
}

// put keeps what was read after get gave turn. It forgets the large items among nodes, which are nobody else's yet.
func (c *cache) put(owner int64, turn uint64, nodes []Node) {
	for i := range nodes {
		nodes[i].slim()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if turn == c.turns[uint8(owner)] {
		c.set(owner, nodes)
	}
}

// change corrects one node after a commit, if its account is here.
func (c *cache) change(owner int64, n Node, gone bool) {
	n.slim()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turns[uint8(owner)]++
	l, ok := c.owners[owner]
	if !ok {
		return
	}
	i, there := find(l.nodes, n.Name)
	nodes := slices.Clone(l.nodes)
	switch {
	case there && gone:
		nodes = slices.Delete(nodes, i, i+1)
	case there:
		nodes[i] = n
	case !gone:
		nodes = slices.Insert(nodes, i, n)
	}
	c.set(owner, nodes)
}

// set replaces what is kept of owner. mu is held.
func (c *cache) set(owner int64, nodes []Node) {
	c.drop(owner)
	l := cached{nodes, cost(nodes)}
	for other := range c.owners {
		if c.size+l.cost <= maxCached {
			break
		}
		c.drop(other)
	}
	c.owners[owner] = l
	c.size += l.cost
}

func (c *cache) forget(owner int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.turns[uint8(owner)]++
	c.drop(owner)
}

// drop removes what is kept of owner. mu is held.
func (c *cache) drop(owner int64) {
	if l, ok := c.owners[owner]; ok {
		c.size -= l.cost
		delete(c.owners, owner)
	}
}

// slim forgets a last item that is too large to be kept in memory.
func (n *Node) slim() {
	if n.last != nil && n.last.size() > maxLast {
		n.last = nil
	}
}

// cost is about what nodes need in memory, in bytes.
func cost(nodes []Node) int {
	const account, node, person = 100, 400, 100
	sum := account
	for _, n := range nodes {
		sum += node + person*(len(n.Affiliations)+len(n.Subscriptions)) + len(n.Config.Title) + len(n.Config.Description)
		if n.last != nil {
			sum += n.last.size()
		}
	}
	return sum
}
