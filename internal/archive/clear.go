// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"fmt"

	"github.com/kith-im/kith/internal/db"
)

// Clear removes some of what owner has, as much as one act of a long job may change, and returns how much that was: 0
// where nothing is left. It is for accounts that are gone; little that is left goes with the account's row.
func (a *Archive) Clear(tx *db.Tx, owner int64) (n int, err error) {
	for _, q := range []string{
		`DELETE FROM archive WHERE seq IN (SELECT seq FROM archive WHERE owner = $1 LIMIT $2)`,                        // archive_owner
		`DELETE FROM archive_peer WHERE owner = $1 AND id IN (SELECT id FROM archive_peer WHERE owner = $1 LIMIT $2)`, // archive_peer_id
	} {
		r, err := tx.Exec(q, owner, db.BatchRows)
		if err != nil {
			return 0, fmt.Errorf("clear archive of %d: %w", owner, err)
		}
		if n, err := r.RowsAffected(); err != nil || n > 0 {
			return int(n), err
		}
	}
	return 0, nil
}
