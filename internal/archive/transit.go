// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Transit is a message that was recorded for its sender, and not yet for the next hop.
type Transit struct {
	Owner int64         // the sender's account
	ID    ID            // of the sender's entry
	Hop   jid.JID       // the bare address of the next account, or the domain of the next server
	Raw   xmlstream.Raw // the sender's entry; its from says whose it is
}

// PutTransit notes that the entry id of owner goes on to hop. It belongs into the act that appends the entry.
func (a *Archive) PutTransit(tx *db.Tx, owner int64, id ID, hop jid.JID) error {
	const q = "INSERT INTO archive_transit (owner, id, hop) VALUES ($1, $2, $3)"
	if _, err := tx.Exec(q, owner, int64(id), hop.Bare().String()); err != nil {
		return fmt.Errorf("put %v of %d in transit: %w", id, owner, err)
	}
	return nil
}

// TakeTransit notes that the next hop has the entry id of owner: in the act that records it there. It reports false
// where that was so before; then the message came a second time and is dropped.
func (a *Archive) TakeTransit(tx *db.Tx, owner int64, id ID) (bool, error) {
	r, err := tx.Exec("DELETE FROM archive_transit WHERE owner = $1 AND id = $2", owner, int64(id))
	if err != nil {
		return false, fmt.Errorf("take %v of %d from transit: %w", id, owner, err)
	}
	n, err := r.RowsAffected()
	return n == 1, err
}

// Transits calls f for each message that is in transit when it is called, in the order in which they were recorded:
// at the start these are what a crash has left. An error of f ends it. f may use the archive.
func (a *Archive) Transits(ctx context.Context, f func(Transit) error) error {
	// First the keys alone, so that what f puts in transit is not met again.
	var list []Transit
	err := a.db.Read(ctx, func(tx *db.ReadTx) error {
		// Once at the start, over few rows: no index for the order.
		rows, err := tx.Query("SELECT owner, id, hop FROM archive_transit ORDER BY id, owner")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var t Transit
			var hop string
			if err := rows.Scan(&t.Owner, &t.ID, &hop); err != nil {
				return err
			}
			if t.Hop, err = jid.Parse(hop); err != nil {
				return err
			}
			list = append(list, t)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read transit: %w", err)
	}
	for _, t := range list {
		e, err := a.Get(ctx, t.Owner, t.ID)
		if errors.Is(err, ErrUnknown) {
			continue // its owner is gone meanwhile, with all that was theirs
		}
		if err != nil {
			return err
		}
		t.Raw = e.Raw
		if err := f(t); err != nil {
			return err
		}
	}
	return nil
}
