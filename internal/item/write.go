// SPDX-License-Identifier: Apache-2.0

package item

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Create makes a node. It returns ErrExists, ErrNodes, ErrName, ErrConfig or ErrQuota.
func (s *Service) Create(tx *db.Tx, owner Owner, node string, c Config) error {
	n, err := s.create(tx, owner, node, c)
	if err != nil {
		return err
	}
	s.tell(tx, Change{Owner: owner, Kind: Created, Node: n})
	return nil
}

func (s *Service) create(tx *db.Tx, owner Owner, node string, c Config) (Node, error) {
	if node == "" || len(node) > maxName {
		return Node{}, ErrName
	}
	if err := s.check(c); err != nil {
		return Node{}, err
	}
	var have int
	if err := tx.QueryRow(`SELECT count(*) FROM item_node WHERE owner = $1`, owner.ID).Scan(&have); err != nil {
		return Node{}, fmt.Errorf("count nodes: %w", err)
	}
	n := Node{Name: node, Config: c, Created: s.o.Now().UTC().Truncate(time.Microsecond)}
	text, err := json.Marshal(c)
	if err != nil {
		return Node{}, fmt.Errorf("create node: %w", err)
	}
	const q = `
		INSERT INTO item_node (owner, node, config, affiliations, subscriptions, created_at, items, bytes, last)
		VALUES ($1, $2, $3, '{}', '[]', $4, 0, 0, 0) ON CONFLICT (owner, node) DO NOTHING`
	r, err := tx.Exec(q, owner.ID, node, string(text), n.Created.UnixMicro())
	if err != nil {
		return Node{}, fmt.Errorf("create node: %w", err)
	}
	switch made, err := r.RowsAffected(); {
	case err != nil:
		return Node{}, fmt.Errorf("create node: %w", err)
	case made == 0:
		return Node{}, ErrExists
	case have >= s.o.Nodes:
		return Node{}, ErrNodes
	}
	return n, s.fits(tx, owner, about, ErrQuota)
}

// What the nodes of an account may need besides their items: all of it is read and held together.
const (
	about     = `config || affiliations` // by the owner
	followers = `subscriptions`          // by others, who do not take the owner's room
	maxAbout  = 1 << 20                  // bytes of each
)

// fits returns full where the nodes of an account need more than they may.
func (s *Service) fits(tx *db.Tx, owner Owner, what string, full error) error {
	var sum int64
	if err := tx.QueryRow(`SELECT coalesce(sum(octet_length(`+what+`)), 0) FROM item_node WHERE owner = $1`, owner.ID).Scan(&sum); err != nil {
		return fmt.Errorf("sum up nodes: %w", err)
	}
	if sum > maxAbout {
		return full
	}
	return nil
}

// Publish publishes an item and returns its id. Where there is no such node it is made with c (XEP-0060 §7.1.4); a node
// that is there stays as it is, whatever c says. It returns ErrPayload, ErrQuota, ErrName, and what Create does.
func (s *Service) Publish(tx *db.Tx, owner Owner, node string, it Item, c Config) (id string, err error) {
	if it.ID == "" {
		it.ID = stanza.NewID() // XEP-0060 §7.1.2
	}
	switch {
	case len(it.ID) > maxName:
		return "", ErrName
	case it.size() > s.o.Payload:
		return "", ErrPayload
	}
	n, err := s.Lookup(tx, owner.ID, node)
	if errors.Is(err, ErrNoNode) {
		n, err = s.create(tx, owner, node, c)
	}
	if err != nil {
		return "", err
	}
	it.At = s.o.Now().UTC().Truncate(time.Microsecond)
	n.place = max(n.place+1, it.At.UnixMicro())
	n.last = nil
	if n.Config.Persist {
		if err := s.keep(tx, owner, &n, it); err != nil {
			return "", err
		}
	}
	if err := s.count(tx, owner, n); err != nil {
		return "", err
	}
	s.tell(tx, Change{Owner: owner, Kind: Published, Node: n, Items: []Item{it}})
	return it.ID, nil
}

// keep stores the item as the last one of n, whose counts it corrects.
func (s *Service) keep(tx *db.Tx, owner Owner, n *Node, it Item) error {
	if err := s.drop(tx, owner, n, it.ID); err != nil && !errors.Is(err, ErrNoItem) {
		return err
	}
	const q = `
		INSERT INTO item (owner, node, id, place, publisher, published_at, size, payload)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`
	if _, err := tx.Exec(q, owner.ID, n.Name, it.ID, n.place, it.Publisher.String(), it.At.UnixMicro(), it.size(),
		string(it.Payload)); err != nil {
		return fmt.Errorf("publish item: %w", err)
	}
	n.Items++
	n.bytes += int64(it.size())
	n.last = &it
	if err := s.trim(tx, owner, n); err != nil {
		return err
	}
	var others int64
	const sum = `SELECT coalesce(sum(bytes), 0) FROM item_node WHERE owner = $1 AND node <> $2`
	if err := tx.QueryRow(sum, owner.ID, n.Name).Scan(&others); err != nil {
		return fmt.Errorf("sum up items: %w", err)
	}
	if others+n.bytes > s.o.Quota {
		return ErrQuota
	}
	return nil
}

// drop removes one item from n and its counts.
func (s *Service) drop(tx *db.Tx, owner Owner, n *Node, id string) error {
	var size int64
	const q = `DELETE FROM item WHERE owner = $1 AND node = $2 AND id = $3 RETURNING size`
	err := tx.QueryRow(q, owner.ID, n.Name, id).Scan(&size)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return ErrNoItem
	case err != nil:
		return fmt.Errorf("remove item: %w", err)
	}
	n.Items--
	n.bytes -= size
	return nil
}

// trim removes what n has too much, the oldest first.
func (s *Service) trim(tx *db.Tx, owner Owner, n *Node) error {
	over := n.Items - s.keeps(n.Config)
	if over <= 0 {
		return nil
	}
	const q = `
		DELETE FROM item WHERE owner = $1 AND node = $2 AND place IN
			(SELECT place FROM item WHERE owner = $1 AND node = $2 ORDER BY place LIMIT $3)
		RETURNING size` // item_place
	rows, err := tx.Query(q, owner.ID, n.Name, over)
	if err != nil {
		return fmt.Errorf("remove old items: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var size int64
		if err := rows.Scan(&size); err != nil {
			return fmt.Errorf("remove old items: %w", err)
		}
		n.Items--
		n.bytes -= size
	}
	return rows.Err()
}

// count writes the counts of n down.
func (s *Service) count(tx *db.Tx, owner Owner, n Node) error {
	const q = `UPDATE item_node SET items = $3, bytes = $4, last = $5 WHERE owner = $1 AND node = $2`
	if _, err := tx.Exec(q, owner.ID, n.Name, n.Items, n.bytes, n.place); err != nil {
		return fmt.Errorf("count items: %w", err)
	}
	return nil
}

// Retract removes items (XEP-0060 §7.2). It returns ErrNoNode, or ErrNoItem where one of them is not there. With notify
// whoever follows the node is told, though its Config may not want that.
func (s *Service) Retract(tx *db.Tx, owner Owner, node string, notify bool, ids ...string) error {
	n, err := s.Lookup(tx, owner.ID, node)
	if err != nil {
		return err
	}
	gone := make([]Item, 0, len(ids))
	for _, id := range ids {
		if err := s.drop(tx, owner, &n, id); err != nil {
			return err
		}
		gone = append(gone, Item{ID: id})
	}
	if err := s.count(tx, owner, n); err != nil {
		return err
	}
	if n.last, err = readLast(tx, owner.ID, node, maxLast); err != nil {
		return err
	}
	s.tell(tx, Change{Owner: owner, Kind: Retracted, Node: n, Items: gone, Notify: notify || n.Config.NotifyRetract})
	return nil
}

// Purge removes all items of a node (XEP-0060 §8.5). It returns ErrNoNode.
func (s *Service) Purge(tx *db.Tx, owner Owner, node string) error {
	n, err := s.Lookup(tx, owner.ID, node)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM item WHERE owner = $1 AND node = $2`, owner.ID, node); err != nil {
		return fmt.Errorf("purge node: %w", err)
	}
	n.Items, n.bytes, n.last = 0, 0, nil
	if err := s.count(tx, owner, n); err != nil {
		return err
	}
	s.tell(tx, Change{Owner: owner, Kind: Purged, Node: n, Notify: n.Config.NotifyRetract})
	return nil
}

// Delete removes a node with all it has (XEP-0060 §8.4). to is where its followers find what replaces it, "" for nowhere.
// It returns ErrNoNode.
func (s *Service) Delete(tx *db.Tx, owner Owner, node, to string) error {
	n, err := s.Lookup(tx, owner.ID, node)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(`DELETE FROM item_node WHERE owner = $1 AND node = $2`, owner.ID, node); err != nil {
		return fmt.Errorf("delete node: %w", err)
	}
	s.tell(tx, Change{Owner: owner, Kind: Deleted, Node: n, Notify: n.Config.NotifyDelete, To: to})
	return nil
}

// Configure gives a node another Config (XEP-0060 §8.2). What it no longer keeps goes untold. It returns ErrNoNode,
// ErrConfig or ErrQuota.
func (s *Service) Configure(tx *db.Tx, owner Owner, node string, c Config) error {
	if err := s.check(c); err != nil {
		return err
	}
	n, err := s.Lookup(tx, owner.ID, node)
	if err != nil {
		return err
	}
	n.Config = c
	if err := s.trim(tx, owner, &n); err != nil {
		return err
	}
	if err := s.count(tx, owner, n); err != nil {
		return err
	}
	if err := s.set(tx, owner, node, `UPDATE item_node SET config = $3 WHERE owner = $1 AND node = $2`, c); err != nil {
		return err
	}
	if err := s.fits(tx, owner, about, ErrQuota); err != nil {
		return err
	}
	if n.last, err = readLast(tx, owner.ID, node, maxLast); err != nil {
		return err
	}
	s.tell(tx, Change{Owner: owner, Kind: Configured, Node: n, Notify: c.NotifyConfig})
	return nil
}

// set writes one column of a node, which is JSON.
func (s *Service) set(tx *db.Tx, owner Owner, node, q string, v any) error {
	text, err := json.Marshal(v)
	if err == nil {
		_, err = tx.Exec(q, owner.ID, node, string(text))
	}
	if err != nil {
		return fmt.Errorf("change node: %w", err)
	}
	return nil
}

// Affiliate says what people, by their bare addresses, are to a node; "" takes somebody out (XEP-0060 §8.9.2). It returns
// ErrNoNode, ErrPeople or ErrQuota.
func (s *Service) Affiliate(tx *db.Tx, owner Owner, node string, changed map[jid.JID]Affiliation) error {
	n, err := s.Lookup(tx, owner.ID, node)
	if err != nil {
		return err
	}
	list := maps.Clone(n.Affiliations)
	if list == nil {
		list = map[jid.JID]Affiliation{}
	}
	for who, a := range changed {
		if a == "" {
			delete(list, who.Bare())
		} else {
			list[who.Bare()] = a
		}
	}
	if len(list) > maxPeople {
		return ErrPeople
	}
	n.Affiliations = list
	if err := s.set(tx, owner, node, `UPDATE item_node SET affiliations = $3 WHERE owner = $1 AND node = $2`, list); err != nil {
		return err
	}
	if err := s.fits(tx, owner, about, ErrQuota); err != nil {
		return err
	}
	if n.last, err = readLast(tx, owner.ID, node, maxLast); err != nil {
		return err
	}
	s.tell(tx, Change{Owner: owner, Kind: Affiliated, Node: n})
	return nil
}

// Subscribe has an address, bare or full, told what happens to a node (XEP-0060 §6.1). It may be subscribed already. It
// returns ErrNoNode or ErrPeople.
func (s *Service) Subscribe(tx *db.Tx, owner Owner, node string, who jid.JID) error {
	return s.subscriptions(tx, owner, node, func(list []jid.JID) ([]jid.JID, error) {
		switch {
		case slices.Contains(list, who):
			return list, nil
		case len(list) >= maxPeople, addresses(list, who) >= maxOfOne:
			return nil, ErrPeople
		}
		return append(list, who), nil
	})
}

// addresses counts those of one person.
func addresses(list []jid.JID, who jid.JID) (n int) {
	for _, a := range list {
		if a.Bare() == who.Bare() {
			n++
		}
	}
	return n
}

// Unsubscribe ends that (XEP-0060 §6.2). It returns ErrNoNode or ErrNotSubscribed.
func (s *Service) Unsubscribe(tx *db.Tx, owner Owner, node string, who jid.JID) error {
	return s.subscriptions(tx, owner, node, func(list []jid.JID) ([]jid.JID, error) {
		i := slices.Index(list, who)
		if i < 0 {
			return nil, ErrNotSubscribed
		}
		return slices.Delete(list, i, i+1), nil
	})
}

// SetSubscriptions subscribes those for whom changed is true, and unsubscribes the others, who may not be subscribed. Many cost
// hardly more than one. It returns ErrNoNode or ErrPeople.
func (s *Service) SetSubscriptions(tx *db.Tx, owner Owner, node string, changed map[jid.JID]bool) error {
	return s.subscriptions(tx, owner, node, func(list []jid.JID) ([]jid.JID, error) {
		list = slices.DeleteFunc(list, func(who jid.JID) bool { on, named := changed[who]; return named && !on })
		there, of := map[jid.JID]bool{}, map[jid.JID]int{}
		for _, who := range list {
			there[who] = true
			of[who.Bare()]++
		}
		for who, on := range changed {
			if !on || there[who] {
				continue
			}
			if of[who.Bare()]++; of[who.Bare()] > maxOfOne || len(list) >= maxPeople {
				return nil, ErrPeople
			}
			list = append(list, who)
		}
		return list, nil
	})
}

// subscriptions changes who is subscribed to a node. change may keep its argument.
func (s *Service) subscriptions(tx *db.Tx, owner Owner, node string, change func([]jid.JID) ([]jid.JID, error)) error {
	n, err := s.Lookup(tx, owner.ID, node)
	if err != nil {
		return err
	}
	if n.Subscriptions, err = change(slices.Clone(n.Subscriptions)); err != nil {
		return err
	}
	const q = `UPDATE item_node SET subscriptions = $3 WHERE owner = $1 AND node = $2`
	if err := s.set(tx, owner, node, q, n.Subscriptions); err != nil {
		return err
	}
	if err := s.fits(tx, owner, followers, ErrPeople); err != nil {
		return err
	}
	if n.last, err = readLast(tx, owner.ID, node, maxLast); err != nil {
		return err
	}
	tx.After(func() { s.cache.change(owner.ID, n, false) })
	return nil
}

// tell corrects the cache and calls the hooks, after the commit.
func (s *Service) tell(tx *db.Tx, c Change) {
	tx.After(func() {
		s.cache.change(c.Owner.ID, c.Node, c.Kind == Deleted)
		for _, f := range s.hooks {
			f(c)
		}
	})
}

// Clear removes some of what owner has, as much as one act of a long job may change, and returns how much that was: 0
// where nothing is left. It is for accounts that are gone; the nodes go with the account's row.
func (s *Service) Clear(tx *db.Tx, owner int64) (n int, err error) {
	const q = `
		DELETE FROM item WHERE owner = $1 AND (node, id) IN (SELECT node, id FROM item WHERE owner = $1 LIMIT $2)`
	r, err := tx.Exec(q, owner, db.BatchRows)
	if err != nil {
		return 0, fmt.Errorf("clear items of %d: %w", owner, err)
	}
	tx.After(func() { s.cache.forget(owner) })
	changed, err := r.RowsAffected()
	return int(changed), err
}
