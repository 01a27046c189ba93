// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"

	"github.com/kith-im/kith/internal/db"
)

// Marked returns the entries of owner that are marked as waiting, in their order: those after the id after, limit at
// most.
func (a *Archive) Marked(ctx context.Context, owner int64, after ID, limit int) ([]Entry, error) {
	return a.read(ctx, allMarked, owner, int64(after), limit)
}

const (
	allMarked = "SELECT " + columns + " WHERE a.owner = $1 AND a.waiting AND a.id > $2 ORDER BY a.id LIMIT $3" // archive_waiting

	// CROSS JOIN keeps SQLite from beginning with the archive, which is long, instead of the accounts, which are few.
	unseen = `
		SELECT r.owner, r.id FROM account o LEFT JOIN archive_taken t ON t.owner = o.id CROSS JOIN archive r
		WHERE r.owner = o.id AND r.id > COALESCE(t.id, 0)` // archive_owner
	markUnseen = "UPDATE archive SET waiting = TRUE WHERE NOT sent AND NOT waiting AND (owner, id) IN (" + unseen + ")"
)

// Recover marks as waiting what a crash may have kept from its owner's devices: entries that were received and are
// younger than the saved mark of what was taken. It is called at the start, before anything is recorded. After a stop
// in good order there are none, and finding that out costs one look into an index for each account.
func (a *Archive) Recover(ctx context.Context) error {
	err := a.db.Write(ctx, func(tx *db.Tx) error {
		if _, err := tx.Exec(markUnseen); err != nil {
			return err
		}
		// What is marked needs no younger mark; so that a second crash does not mark more.
		const taken = `
			INSERT INTO archive_taken (owner, id)
			SELECT o.id, (SELECT MAX(r.id) FROM archive r WHERE r.owner = o.id) FROM account o
			WHERE EXISTS (SELECT 1 FROM archive r WHERE r.owner = o.id)
			ON CONFLICT (owner) DO UPDATE SET id = excluded.id WHERE archive_taken.id < excluded.id`
		_, err := tx.Exec(taken)
		return err
	})
	if err != nil {
		return fmt.Errorf("recover archive: %w", err)
	}
	return nil
}
