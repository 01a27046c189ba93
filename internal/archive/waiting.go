// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/kith-im/kith/internal/db"
)

// Waiting reads two ranges, so that an owner for whom nothing waits costs two looks into an index: up to what was
// taken only marked entries count (index archive_waiting), beyond it all do (archive_owner). Joined, they are in order.
const (
	marked = "SELECT " + columns + `
		WHERE a.owner = $1 AND a.waiting AND NOT a.sent AND a.id > $2 AND a.id <= $3 ORDER BY a.id LIMIT $4`
	younger = "SELECT " + columns + `
		WHERE a.owner = $1 AND NOT a.sent AND a.id > $2 ORDER BY a.id LIMIT $3`
)

// Waiting returns what owner has received and no device has taken, as far as is known: entries that are marked, and
// all that are younger than the saved Taken. They come in their order, those after the id after, limit at most.
func (a *Archive) Waiting(ctx context.Context, owner int64, after ID, limit int) (list []Entry, err error) {
	err = a.db.Read(ctx, func(tx *db.ReadTx) error {
		taken, err := taken(tx, owner)
		if err != nil {
			return err
		}
		if after < taken {
			list, err = collect(nil, tx, marked, owner, int64(after), int64(taken), limit)
			if err != nil || len(list) >= limit {
				return err
			}
		}
		list, err = collect(list, tx, younger, owner, int64(max(after, taken)), limit-len(list))
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read what waits for %d: %w", owner, err)
	}
	return list, nil
}

// MarkWaiting marks entries of owner as waiting, until Unmark. Ids that are unknown by now are passed over.
func (a *Archive) MarkWaiting(tx *db.Tx, owner int64, ids ...ID) error {
	return mark(tx, "UPDATE archive SET waiting = TRUE WHERE owner = $1 AND id = $2 AND NOT waiting", owner, ids)
}

// Unmark takes the mark from entries of owner: a device has taken them. Those that were only passing are removed. Ids
// without a mark are passed over.
func (a *Archive) Unmark(tx *db.Tx, owner int64, ids ...ID) error {
	if err := mark(tx, "UPDATE archive SET waiting = FALSE WHERE owner = $1 AND id = $2 AND waiting", owner, ids); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM archive WHERE owner = $1 AND peer < 0 AND NOT waiting", owner); err != nil { // archive_passing
		return fmt.Errorf("remove what passed %d: %w", owner, err)
	}
	return nil
}

func mark(tx *db.Tx, q string, owner int64, ids []ID) error {
	for _, id := range ids {
		if _, err := tx.Exec(q, owner, int64(id)); err != nil {
			return fmt.Errorf("mark what waits for %d: %w", owner, err)
		}
	}
	return nil
}

// Taken returns the id up to which the devices of owner have taken all that is not marked as waiting; 0 where none
// was saved yet.
func (a *Archive) Taken(ctx context.Context, owner int64) (id ID, err error) {
	err = a.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		id, err = taken(tx, owner)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("read what %d has taken: %w", owner, err)
	}
	return id, nil
}

func taken(tx db.Querier, owner int64) (id ID, err error) {
	err = tx.QueryRow("SELECT id FROM archive_taken WHERE owner = $1", owner).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return 0, nil
	}
	return id, err
}

// SaveTaken saves what Taken returns. It never moves back: a smaller id than the saved one changes nothing. Of an account
// that is gone nothing is saved.
func (a *Archive) SaveTaken(tx *db.Tx, owner int64, id ID) error {
	const q = `
		INSERT INTO archive_taken (owner, id) SELECT account.id, $2 FROM account WHERE account.id = $1
		ON CONFLICT (owner) DO UPDATE SET id = excluded.id WHERE archive_taken.id < excluded.id`
	if _, err := tx.Exec(q, owner, int64(id)); err != nil {
		return fmt.Errorf("save what %d has taken: %w", owner, err)
	}
	return nil
}
