// SPDX-License-Identifier: Apache-2.0

package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/kith-im/kith/internal/blob"
	"github.com/kith-im/kith/internal/db"
)

const (
	dueEvery = time.Hour
	// keepGone is how long it is known of a file that it was here.
	keepGone = 30 * day
)

// Run removes what nobody knows of at the start, and what is due then and once an hour, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	if err := s.removeOrphans(ctx); err != nil && ctx.Err() == nil {
		s.Log.ErrorContext(ctx, "look for contents that are nobody's", "err", err)
	}
	t := time.NewTicker(dueEvery)
	defer t.Stop()
	for {
		if err := s.removeDue(ctx); err != nil && ctx.Err() == nil {
			s.Log.ErrorContext(ctx, "some files stay longer than they should", "err", err) // until the next time
		}
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				return nil
			case <-t.C:
				waiting = false
			case <-s.waste:
				if err := s.removeWaste(ctx); err != nil && ctx.Err() == nil {
					s.Log.ErrorContext(ctx, "some contents stay longer than they should", "err", err)
				}
			}
		}
	}
}

// Clear removes some of the files of an account, as many as one act of a long job may change, and returns how many those
// were: 0 where none is left. Nobody gets them from then on; Run takes their contents from the disk. It is for accounts
// that are gone.
func (s *Service) Clear(tx *db.Tx, owner int64) (n int, err error) {
	const which = "SELECT id FROM upload WHERE owner = $1 ORDER BY id LIMIT $2" // upload_owner
	const note = "INSERT INTO upload_waste (id) " + which + " ON CONFLICT DO NOTHING"
	if _, err := tx.Exec(note, owner, db.BatchRows); err != nil {
		return 0, fmt.Errorf("clear the files of %d: %w", owner, err)
	}
	r, err := tx.Exec("DELETE FROM upload WHERE id IN ("+which+")", owner, db.BatchRows)
	if err != nil {
		return 0, fmt.Errorf("clear the files of %d: %w", owner, err)
	}
	gone, err := r.RowsAffected()
	if gone > 0 {
		tx.After(s.wasted)
	}
	return int(gone), err
}

// wasted has Run take contents from the disk, soon.
func (s *Service) wasted() {
	select {
	case s.waste <- struct{}{}:
	default: // it is known that there are some
	}
}

// removeDue removes the files that are here too long, the slots that nobody used, and in the end the rows of what has
// been gone for long.
func (s *Service) removeDue(ctx context.Context) error {
	now := s.Now()
	before := func(d time.Duration) int64 { return now.Add(-d).UnixMicro() }
	old := int64(0) // a file is not younger than its slot
	if s.Retention > 0 {
		old = before(s.Retention)
	}
	for _, which := range []struct {
		ids  string // of at most $1 rows, due at $2
		due  int64
		hint string
	}{
		{"gone_at = 0 AND created_at <= $2", old, "upload_created"},
		{"gone_at = 0 AND expires_at > 0 AND expires_at <= $2", now.UnixMicro(), "upload_expires"},
		// Who was at it when the slot ended may still be.
		{"gone_at = 0 AND done_at = 0 AND created_at <= $2", before(lifetime + longest(s.MaxSize)), "upload_open"},
	} {
		if which.due == 0 {
			continue
		}
		if err := s.db.Batched(ctx, func(tx *db.Tx) (int, error) { return s.markGone(tx, which.ids, which.due, now) }); err != nil {
			return fmt.Errorf("remove what is due by %s: %w", which.hint, err)
		}
	}
	err := s.db.Batched(ctx, func(tx *db.Tx) (int, error) {
		// upload_gone
		r, err := tx.Exec("DELETE FROM upload WHERE id IN (SELECT id FROM upload WHERE gone_at > 0 AND gone_at <= $2 LIMIT $1)",
			db.BatchRows, before(keepGone))
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		return int(n), err
	})
	if err != nil {
		return fmt.Errorf("forget what is gone: %w", err)
	}
	return s.removeWaste(ctx)
}

// markGone notes of files that they are gone, and of their contents that they are waste.
func (s *Service) markGone(tx *db.Tx, ids string, due int64, now time.Time) (int, error) {
	which := "SELECT id FROM upload WHERE " + ids + " ORDER BY id LIMIT $1"
	if _, err := tx.Exec("INSERT INTO upload_waste (id) "+which+" ON CONFLICT DO NOTHING", db.BatchRows, due); err != nil {
		return 0, err
	}
	r, err := tx.Exec("UPDATE upload SET gone_at = $3 WHERE id IN ("+which+")", db.BatchRows, due, now.UnixMicro())
	if err != nil {
		return 0, err
	}
	n, err := r.RowsAffected()
	return int(n), err
}

// removeWaste takes contents from the disk that nobody may get any more.
func (s *Service) removeWaste(ctx context.Context) error {
	for {
		var ids []string
		err := s.db.Read(ctx, func(tx *db.ReadTx) error {
			rows, err := tx.Query("SELECT id FROM upload_waste ORDER BY id LIMIT $1", db.BatchRows)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
				var id string
				if err := rows.Scan(&id); err != nil {
					return err
				}
				ids = append(ids, id)
			}
			return rows.Err()
		})
		if err != nil || len(ids) == 0 {
			return err
		}
		for _, id := range ids {
			if err := s.blobs.Delete(blob.ID(id)); err != nil {
				return err
			}
			s.count.Removed.Inc()
		}
		err = s.db.Write(ctx, func(tx *db.Tx) error {
			for _, id := range ids {
				if _, err := tx.Exec("DELETE FROM upload_waste WHERE id = $1", id); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
}

// removeOrphans removes contents that no row knows of, such as those that a power cut brought back.
func (s *Service) removeOrphans(ctx context.Context) error {
	return s.blobs.All(func(id blob.ID) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		f, err := s.file(ctx, id)
		if !errors.Is(err, errUnknown) && (err != nil || !f.gone) {
			return err
		}
		s.count.Removed.Inc()
		return s.blobs.Delete(id)
	})
}
