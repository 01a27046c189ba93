// SPDX-License-Identifier: Apache-2.0

// Package seen remembers when somebody was there last: the moment when the last available device of an account left, and
// what it said. Contacts are told when they ask (XEP-0012 §3) and when they come (RFC 6121 §4.3.2).
//
// Nothing is written while somebody is there. A crash leaves the time before. The row goes with the account's.
package seen

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
)

const (
	maxStatus = 1023    // bytes of a status; the rest is cut off
	maxCached = 100_000 // accounts, some 100 bytes each
)

// A Last is when an account was there last.
type Last struct {
	At     time.Time // UTC, to the microsecond; zero where the account never was there, or is there for the first time
	Status string    // what the last device said when it left; "" for nothing
}

// Options say how this is kept.
type Options struct {
	Log *slog.Logger     // nil: nothing is logged
	Now func() time.Time // nil means time.Now
}

// Service knows it of all accounts. It may be used by many goroutines.
type Service struct {
	db  *db.DB
	log *slog.Logger
	now func() time.Time

	mu    sync.Mutex
	cache map[int64]Last // by account; never older than the store
}

// New returns what is kept in d, which has the tables of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{db: d, log: o.Log, now: o.Now, cache: map[int64]Last{}}
}

//go:embed schema
var schema embed.FS

// Schema is the table of this package. It hangs on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "seen", FS: schema} }

// Left notes that the account's last available device leaves now. It returns at once: Last knows it from then on, the
// store a little later. Nothing is noted of an account that is gone.
func (s *Service) Left(account int64, status string) {
	if len(status) > maxStatus {
		status = strings.ToValidUTF8(status[:maxStatus], "") // not half a character
	}
	l := Last{At: s.now().UTC().Truncate(time.Microsecond), Status: status}
	s.mu.Lock()
	s.keep(account, l)
	s.mu.Unlock()
	s.db.Submit(func(tx *db.Tx) error {
		const q = `
			INSERT INTO seen (owner, at, status) SELECT id, $2, $3 FROM account WHERE id = $1
			ON CONFLICT (owner) DO UPDATE SET at = excluded.at, status = excluded.status`
		_, err := tx.Exec(q, account, l.At.UnixMicro(), l.Status)
		return err
	}, func(err error) {
		if err != nil {
			s.log.Error("note who left", "err", err)
		}
	})
}

// Last returns when the account was there last. While somebody is there, that is the time before.
func (s *Service) Last(ctx context.Context, account int64) (Last, error) {
	s.mu.Lock()
	l, ok := s.cache[account]
	s.mu.Unlock()
	if ok {
		return l, nil
	}
	var at int64
	err := s.db.Read(ctx, func(tx *db.ReadTx) error {
		return tx.QueryRow(`SELECT at, status FROM seen WHERE owner = $1`, account).Scan(&at, &l.Status)
	})
	switch {
	case errors.Is(err, db.ErrNoRows):
	case err != nil:
		return Last{}, fmt.Errorf("read who was there: %w", err)
	default:
		l.At = time.UnixMicro(at).UTC()
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if newer, ok := s.cache[account]; ok { // left meanwhile
		return newer, nil
	}
	s.keep(account, l)
	return l, nil
}

// keep puts l into the cache; when it is full, any other makes room. mu is held.
func (s *Service) keep(account int64, l Last) {
	for other := range s.cache {
		if len(s.cache) < maxCached {
			break
		}
		delete(s.cache, other)
	}
	s.cache[account] = l
}
