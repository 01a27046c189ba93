// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/db"
)

// Upkeep says how archives are kept.
type Upkeep struct {
	For  time.Duration // how long entries are kept; 0: for ever
	Log  *slog.Logger  // nil: nothing is logged
	Keep func(ctx context.Context, owner int64) (bool, error)
	// Keep reports whether a device may still come for what waits for owner: then nothing that waits is removed, however
	// old it is. nil: nothing is held back.
}

// expireEvery is how often Run looks for what is too old.
const expireEvery = time.Hour

// Run removes what is older than is kept, and indexes the words of those who search, until ctx ends. Both are done in
// many small acts, and the acts of others run between them.
func (a *Archive) Run(ctx context.Context, u Upkeep) error {
	if u.Log == nil {
		u.Log = slog.New(slog.DiscardHandler)
	}
	t := time.NewTicker(expireEvery)
	defer t.Stop()
	expire := func() {
		if u.For == 0 {
			return
		}
		if err := a.Expire(ctx, a.now().Add(-u.For), u.Keep); err != nil && ctx.Err() == nil {
			u.Log.ErrorContext(ctx, "old messages stay", "err", err)
		}
	}
	expire()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			expire()
		case w := <-a.wanted:
			if err := a.index(ctx, w); err != nil && ctx.Err() == nil {
				u.Log.ErrorContext(ctx, "messages are not indexed", "err", err)
			}
		}
	}
}

// Expire removes all entries from before that time but those that Keep of Upkeep holds, and those that are still on their
// way. What it holds keeps what came after it in the same archive: there are no holes (XEP-0313 §3.2).
func (a *Archive) Expire(ctx context.Context, before time.Time, keep func(context.Context, int64) (bool, error)) error {
	old, err := a.withOld(ctx, before)
	if err != nil {
		return fmt.Errorf("look for old entries: %w", err)
	}
	for _, owner := range old {
		held := false
		if keep != nil {
			if held, err = keep(ctx, owner); err != nil {
				return fmt.Errorf("who still comes for what waits: %w", err)
			}
		}
		remove := func(tx *db.Tx) (int, error) { return a.removeOld(tx, owner, ID(before.UnixMicro()), held) }
		err := a.db.Batched(ctx, remove)
		if err == nil {
			err = a.removePeers(ctx, owner)
		}
		if err != nil {
			return fmt.Errorf("remove old entries of %d: %w", owner, err)
		}
	}
	return nil
}

// oldest finds the owners whose oldest entry is too old.
const oldest = `
	SELECT o.id FROM account o
	WHERE (SELECT r.id FROM archive r WHERE r.owner = o.id ORDER BY r.id LIMIT 1) < $1` // archive_owner

func (a *Archive) withOld(ctx context.Context, before time.Time) (list []int64, err error) {
	err = a.db.Read(ctx, func(tx *db.ReadTx) error {
		rows, err := tx.Query(oldest, before.UnixMicro())
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owner int64
			if err := rows.Scan(&owner); err != nil {
				return err
			}
			list = append(list, owner)
		}
		return rows.Err()
	})
	return list, err
}

const (
	firstTransit = `SELECT id FROM archive_transit WHERE owner = $1 ORDER BY id LIMIT 1`
	firstWaiting = `SELECT id FROM archive WHERE owner = $1 AND waiting ORDER BY id LIMIT 1` // archive_waiting

	removeBefore = `
		DELETE FROM archive WHERE seq IN (
			SELECT seq FROM archive WHERE owner = $1 AND id < $2 ORDER BY id LIMIT $3)` // archive_owner
	// unused finds peers, and removeUnused one of them, with whom there is nothing: after $2 that was not looked at.
	unused = `
		SELECT p.id, p.address FROM archive_peer p WHERE p.owner = $1
		AND p.id NOT IN (SELECT ABS(peer) FROM archive WHERE owner = $1)` // archive_owner has all of it
	removeUnused = `
		DELETE FROM archive_peer WHERE owner = $1 AND id = $2
		AND NOT EXISTS (SELECT 1 FROM archive WHERE owner = $1 AND id > $3 AND ABS(peer) = $2)` // archive_owner
)

// removeOld removes the oldest entries of owner before an id, as many as one act may, and returns how many.
func (a *Archive) removeOld(tx *db.Tx, owner int64, before ID, held bool) (int, error) {
	edges := []string{firstTransit}
	if held {
		edges = append(edges, firstWaiting)
	}
	for _, q := range edges {
		edge := before
		if err := none(tx.QueryRow(q, owner).Scan(&edge)); err != nil {
			return 0, err
		}
		before = min(before, edge)
	}
	r, err := tx.Exec(removeBefore, owner, int64(before), db.BatchRows)
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// removePeers removes the peers with whom owner has nothing any more. Who they are is found out before the acts, so that
// no writer waits for that.
func (a *Archive) removePeers(ctx context.Context, owner int64) error {
	type found struct {
		id int64
		peer
	}
	var list []found
	var seen int64 // the last entry that was looked at
	err := a.db.Read(ctx, func(tx *db.ReadTx) error {
		const newest = `SELECT id FROM archive WHERE owner = $1 ORDER BY id DESC LIMIT 1` // archive_owner
		if err := none(tx.QueryRow(newest, owner).Scan(&seen)); err != nil {
			return err
		}
		rows, err := tx.Query(unused, owner)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			p := found{peer: peer{owner: owner}}
			if err := rows.Scan(&p.id, &p.address); err != nil {
				return err
			}
			list = append(list, p)
		}
		return rows.Err()
	})
	for some := range slices.Chunk(list, db.BatchRows) {
		if err != nil {
			break
		}
		err = a.db.Write(ctx, func(tx *db.Tx) error {
			for _, p := range some {
				if _, err := tx.Exec(removeUnused, owner, p.id, seen); err != nil {
					return err
				}
				a.forget(p.peer)
			}
			return nil
		})
	}
	return err
}
