// SPDX-License-Identifier: Apache-2.0

package item

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Node returns a node of owner, or ErrNoNode.
func (s *Service) Node(ctx context.Context, owner int64, node string) (Node, error) {
	list, err := s.Nodes(ctx, owner)
	if err != nil {
		return Node{}, err
	}
	if i, ok := find(list, node); ok {
		return list[i], nil
	}
	return Node{}, ErrNoNode
}

// Nodes returns the nodes of owner, in the order of their names.
func (s *Service) Nodes(ctx context.Context, owner int64) ([]Node, error) {
	list, turn, ok := s.cache.get(owner)
	if ok {
		return list, nil
	}
	if err := s.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		list, err = readNodes(tx, owner)
		return err
	}); err != nil {
		return nil, fmt.Errorf("read nodes: %w", err)
	}
	s.cache.put(owner, turn, list)
	return list, nil
}

// Last returns the last item of a node of owner; false where it keeps none.
func (s *Service) Last(ctx context.Context, owner int64, n Node) (it Item, ok bool, err error) {
	switch {
	case n.last != nil:
		return *n.last, true, nil
	case n.Items == 0:
		return Item{}, false, nil
	}
	var last *Item
	err = s.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		last, err = readLast(tx, owner, n.Name, math.MaxInt)
		return err
	})
	if err != nil || last == nil {
		return Item{}, false, err
	}
	return *last, true, nil
}

// Item returns an item, or ErrNoItem.
func (s *Service) Item(ctx context.Context, owner int64, node, id string) (it Item, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		it, err = readItem(tx, owner, node, id)
		return err
	})
	return it, err
}

func readItem(tx db.Querier, owner int64, node, id string) (Item, error) {
	const q = `SELECT ` + columns + ` FROM item WHERE owner = $1 AND node = $2 AND id = $3`
	it, err := scan(tx.QueryRow(q, owner, node, id))
	switch {
	case errors.Is(err, db.ErrNoRows):
		return Item{}, ErrNoItem
	case err != nil:
		return Item{}, fmt.Errorf("read item: %w", err)
	}
	return it, nil
}

// Items returns what was published last in a node: at most limit items and about bytes of them, but one at least, in the
// order in which they were published. before is the id of the oldest item that is known already, "" to begin with the
// newest; where there is no such item it returns ErrNoItem. more says that there are older ones.
func (s *Service) Items(ctx context.Context, owner int64, node, before string, limit, bytes int) (list []Item, more bool, err error) {
	const q = `SELECT ` + columns + ` FROM item WHERE owner = $1 AND node = $2 AND place < $3 ORDER BY place DESC LIMIT $4` // item_place
	list, more, err = s.page(ctx, q, 1<<63-1, owner, node, before, limit, bytes)
	slices.Reverse(list)
	return list, more, err
}

// ItemsAfter is Items in the other direction: what was published first, or first after the item of that id. more says that
// there are newer ones.
func (s *Service) ItemsAfter(ctx context.Context, owner int64, node, after string, limit, bytes int) (list []Item, more bool, err error) {
	const q = `SELECT ` + columns + ` FROM item WHERE owner = $1 AND node = $2 AND place > $3 ORDER BY place LIMIT $4` // item_place
	return s.page(ctx, q, 0, owner, node, after, limit, bytes)
}

// page reads what q says from the place of the item from on, or from start.
func (s *Service) page(ctx context.Context, q string, start int64, owner int64, node, from string, limit, bytes int) (list []Item, more bool, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		place := start
		if from != "" {
			err := tx.QueryRow(`SELECT place FROM item WHERE owner = $1 AND node = $2 AND id = $3`, owner, node, from).Scan(&place)
			if errors.Is(err, db.ErrNoRows) {
				return ErrNoItem
			}
			if err != nil {
				return fmt.Errorf("read items: %w", err)
			}
		}
		rows, err := tx.Query(q, owner, node, place, limit+1)
		if err != nil {
			return fmt.Errorf("read items: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			it, err := scan(rows)
			if err != nil {
				return fmt.Errorf("read items: %w", err)
			}
			bytes -= it.size()
			if more = len(list) == limit || len(list) > 0 && bytes < 0; more {
				break
			}
			list = append(list, it)
		}
		return rows.Err()
	})
	return list, more, err
}

// IDs lists the ids of a node's items, in the order in which they were published.
func (s *Service) IDs(ctx context.Context, owner int64, node string) (list []string, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		rows, err := tx.Query(`SELECT id FROM item WHERE owner = $1 AND node = $2 ORDER BY place`, owner, node) // item_place
		if err != nil {
			return fmt.Errorf("list items: %w", err)
		}
		defer rows.Close()
		for rows.Next() {
			var id string
			if err := rows.Scan(&id); err != nil {
				return fmt.Errorf("list items: %w", err)
			}
			list = append(list, id)
		}
		return rows.Err()
	})
	return list, err
}

// Lookup returns a node of owner within an act, or ErrNoNode. Its last item may not be at hand.
func (s *Service) Lookup(tx *db.Tx, owner int64, node string) (Node, error) {
	const q = `SELECT ` + nodeColumns + ` FROM item_node WHERE owner = $1 AND node = $2`
	n, err := scanNode(tx.QueryRow(q, owner, node))
	switch {
	case errors.Is(err, db.ErrNoRows):
		return Node{}, ErrNoNode
	case err != nil:
		return Node{}, fmt.Errorf("read node: %w", err)
	}
	return n, nil
}

func readNodes(tx *db.ReadTx, owner int64) (list []Node, err error) {
	rows, err := tx.Query(`SELECT `+nodeColumns+` FROM item_node WHERE owner = $1`, owner)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		n, err := scanNode(rows)
		if err != nil {
			return nil, err
		}
		list = append(list, n)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	// Not in SQL: an engine may sort text by a language's rules, and the search goes by bytes.
	slices.SortFunc(list, func(a, b Node) int { return strings.Compare(a.Name, b.Name) })
	for i := range list {
		if list[i].Items == 0 {
			continue
		}
		// What is too large to be held is not even read: all of an account's may be much.
		if list[i].last, err = readLast(tx, owner, list[i].Name, maxLast); err != nil {
			return nil, err
		}
	}
	return list, nil
}

// readLast returns the last item of a node, nil where it keeps none, or one of more than most bytes.
func readLast(tx db.Querier, owner int64, node string, most int) (*Item, error) {
	const q = `
		SELECT ` + columns + ` FROM item WHERE owner = $1 AND node = $2 AND size <= $3
		AND place = (SELECT place FROM item WHERE owner = $1 AND node = $2 ORDER BY place DESC LIMIT 1)` // item_place, twice
	it, err := scan(tx.QueryRow(q, owner, node, most))
	switch {
	case errors.Is(err, db.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read last item: %w", err)
	}
	return &it, nil
}

type scanner interface{ Scan(...any) error }

const nodeColumns = `node, config, affiliations, subscriptions, created_at, items, bytes, last`

func scanNode(row scanner) (n Node, err error) {
	var config, affiliations, subscriptions string
	var created int64
	err = row.Scan(&n.Name, &config, &affiliations, &subscriptions, &created, &n.Items, &n.bytes, &n.place)
	if err != nil {
		return Node{}, err
	}
	n.Created = time.UnixMicro(created).UTC()
	if err := json.Unmarshal([]byte(config), &n.Config); err != nil {
		return Node{}, fmt.Errorf("configuration: %w", err)
	}
	if affiliations != "{}" {
		if err := json.Unmarshal([]byte(affiliations), &n.Affiliations); err != nil {
			return Node{}, fmt.Errorf("affiliations: %w", err)
		}
	}
	if subscriptions != "[]" {
		if err := json.Unmarshal([]byte(subscriptions), &n.Subscriptions); err != nil {
			return Node{}, fmt.Errorf("subscriptions: %w", err)
		}
	}
	return n, nil
}

const columns = `id, publisher, published_at, payload`

func scan(row scanner) (it Item, err error) {
	var publisher, payload string
	var at int64
	if err := row.Scan(&it.ID, &publisher, &at, &payload); err != nil {
		return Item{}, err
	}
	it.At, it.Payload = time.UnixMicro(at).UTC(), xmlstream.Raw(payload)
	if publisher != "" {
		if it.Publisher, err = jid.Parse(publisher); err != nil {
			return Item{}, fmt.Errorf("publisher: %w", err)
		}
	}
	return it, nil
}
