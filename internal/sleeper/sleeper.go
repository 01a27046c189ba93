// SPDX-License-Identifier: Apache-2.0

// Package sleeper keeps what lets a client resume its session (XEP-0198 v1.6.3 §5) when the server has been away.
//
// There are two things. While a session goes on, its count says how many of its client's stanzas are certain: the row
// is written in the acts that record its messages, so that it is right whenever the server dies, and a client whose
// session died hears it and sends the rest again. It stays for a week after the session's end. And a stop in good order
// writes down the whole session, as bytes of which this package knows nothing; the next start takes them out again.
//
// A session is named by a hash of the id that its client has. What concerns an account goes with the account's row.
// A Service may be used by many goroutines.
package sleeper

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/kith-im/kith/internal/db"
)

// kept is how long a count stays after the end of its session.
const kept = 7 * 24 * time.Hour

//go:embed schema/*.sql
var schema embed.FS

// Schema returns the tables. They refer to account(id), so the schema of the accounts comes first.
func Schema() db.Schema { return db.Schema{Name: "sleeper", FS: schema} }

// A Key names a session.
type Key = [16]byte

// A Session is one that was written down.
type Session struct {
	Key     Key
	Account int64
	State   []byte
}

// Options are what a Service is made of besides the database.
type Options struct {
	Log *slog.Logger     // nil: slog.Default
	Now func() time.Time // nil: time.Now
}

// Service is the service.
type Service struct {
	db  *db.DB
	log *slog.Logger
	now func() time.Time
}

// New returns the service in d.
func New(d *db.DB, o Options) *Service {
	s := &Service{db: d, log: o.Log, now: o.Now}
	if s.log == nil {
		s.log = slog.Default()
	}
	if s.now == nil {
		s.now = time.Now
	}
	return s
}

// SaveCount notes that h stanzas of a session are certain. A session of an account that is gone has no count.
func (s *Service) SaveCount(tx *db.Tx, k Key, account int64, h uint32) error {
	// Nearly always the row is there: this is cheaper than ON CONFLICT, and asks nothing of the account's row.
	n, err := exec(tx, "UPDATE sleeper_count SET h = $1 WHERE session = $2", int64(h), k[:])
	if n == 0 && err == nil {
		_, err = exec(tx, `
			INSERT INTO sleeper_count (session, account, h, ended) SELECT $1, id, $2, 0 FROM account WHERE id = $3`,
			k[:], int64(h), account)
	}
	if err != nil {
		return fmt.Errorf("count of a session of %d: %w", account, err)
	}
	return nil
}

// EndCount notes the last count of a session that has ended.
func (s *Service) EndCount(tx *db.Tx, k Key, account int64, h uint32) error {
	err := s.SaveCount(tx, k, account, h)
	if err == nil {
		_, err = exec(tx, "UPDATE sleeper_count SET ended = $1 WHERE session = $2", s.now().Unix(), k[:])
	}
	return err
}

func exec(tx *db.Tx, q string, args ...any) (int64, error) {
	r, err := tx.Exec(q, args...)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// Count returns the count of a session; false where that is not known, or the session was of another account.
func (s *Service) Count(ctx context.Context, k Key, account int64) (h uint32, ok bool, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		return tx.QueryRow("SELECT h FROM sleeper_count WHERE session = $1 AND account = $2", k[:], account).Scan(&h)
	})
	switch {
	case errors.Is(err, db.ErrNoRows):
		return 0, false, nil
	case err != nil:
		return 0, false, fmt.Errorf("read count of a session of %d: %w", account, err)
	}
	return h, true, nil
}

// Put writes a session down, with its count.
func (s *Service) Put(tx *db.Tx, v Session, h uint32) error {
	if err := s.SaveCount(tx, v.Key, v.Account, h); err != nil {
		return err
	}
	const q = `
		INSERT INTO sleeper (session, account, state) SELECT $1, id, $2 FROM account WHERE id = $3
		ON CONFLICT (session) DO UPDATE SET state = excluded.state`
	if _, err := tx.Exec(q, v.Key[:], v.State, v.Account); err != nil {
		return fmt.Errorf("write down a session of %d: %w", v.Account, err)
	}
	return nil
}

// Take returns the sessions that were written down, which are then no more. All other sessions have ended by now: the
// server was away. It is called once, at the start.
func (s *Service) Take(ctx context.Context) (list []Session, err error) {
	err = s.db.Write(ctx, func(tx *db.Tx) error {
		list = nil
		const end = `UPDATE sleeper_count SET ended = $1 WHERE ended = 0 AND session NOT IN (SELECT session FROM sleeper)`
		if _, err := tx.Exec(end, s.now().Unix()); err != nil {
			return err
		}
		if list, err = sessions(tx); err != nil {
			return err
		}
		_, err = tx.Exec("DELETE FROM sleeper")
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("read sessions that sleep: %w", err)
	}
	return list, nil
}

func sessions(tx *db.Tx) (list []Session, err error) {
	rows, err := tx.Query("SELECT session, account, state FROM sleeper")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var v Session
		var key []byte
		if err := rows.Scan(&key, &v.Account, &v.State); err != nil {
			return nil, err
		}
		if len(key) != len(v.Key) {
			continue // none of ours
		}
		v.Key = Key(key)
		list = append(list, v)
	}
	return list, rows.Err()
}

// Run removes counts that nobody needs any more, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		if err := s.purge(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "old counts of sessions stay", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (s *Service) purge(ctx context.Context) error {
	before := s.now().Add(-kept).Unix()
	return s.db.Batched(ctx, func(tx *db.Tx) (int, error) {
		const q = `
			DELETE FROM sleeper_count WHERE session IN (
				SELECT session FROM sleeper_count WHERE ended <> 0 AND ended < $1 LIMIT $2)`
		n, err := exec(tx, q, before, db.BatchRows)
		return int(n), err
	})
}
