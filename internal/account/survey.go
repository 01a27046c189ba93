// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// A profile is what keys an account has: the iteration count for each hash function, by sasl.Hash; 0 where it has none.
type profile [sasl.SHA512 + 1]int

// A survey is what keys the accounts of the server have. What does not depend on a name, and what is made up for names
// that nobody has, follows from it: see Mechanisms and makeUp.
type survey struct {
	profiles []profileCount // ascending, so that names that nobody has change sides as accounts do
	total    int
	enabled  int                  // accounts that may log in
	having   [sasl.SHA512 + 1]int // how many of those have keys, by sasl.Hash
}

type profileCount struct {
	profile
	accounts int
}

// surveys keeps the last one. It is read again after a change, but not more often than it is worth.
type surveys struct {
	last   atomic.Pointer[survey] // nil before the first
	stale  atomic.Bool            // something has changed since
	urgent atomic.Bool            // and an account may be without keys that the last one was for

	mu    sync.Mutex // held while reading; guards the one below
	again time.Time  // when it may be read again
}

// surveyEvery is how long a survey is believed at least, whatever changes, if nobody is locked out by it.
const surveyEvery = 10 * time.Second

// changed notes that keys have changed. urgent: some account may have fewer.
func (x *surveys) changed(urgent bool) {
	x.stale.Store(true)
	if urgent {
		x.urgent.Store(true)
	}
}

// survey returns the last survey, or a new one. It fails only where there never was one.
func (s *Service) survey(ctx context.Context) (*survey, error) {
	x := &s.surveys
	last := x.last.Load()
	if last != nil && !x.stale.Load() {
		return last, nil
	}
	if last == nil || x.urgent.Load() {
		x.mu.Lock()
	} else if !x.mu.TryLock() {
		return last, nil
	}
	defer x.mu.Unlock()
	last = x.last.Load()
	began := s.now()
	if last != nil && !x.urgent.Load() && (!x.stale.Load() || began.Before(x.again)) {
		return last, nil
	}
	x.stale.Store(false)
	x.urgent.Store(false)
	next := &survey{}
	if err := s.db.Read(ctx, next.read); err != nil {
		x.stale.Store(true)
		if last != nil {
			s.log.ErrorContext(ctx, "the last survey of credentials stays in use", "err", err)
			return last, nil
		}
		return nil, err
	}
	x.last.Store(next)
	x.again = s.now().Add(max(surveyEvery, 100*s.now().Sub(began))) // 1 % of the time at most
	return next, nil
}

// read fills v from the store.
func (v *survey) read(tx *db.ReadTx) error {
	const q = `
		SELECT sha1, sha256, sha512, disabled, COUNT(*) FROM (
			SELECT account.disabled AS disabled,
				COALESCE(MAX(CASE WHEN k.hash = 'SHA-1' THEN k.iterations END), 0) AS sha1,
				COALESCE(MAX(CASE WHEN k.hash = 'SHA-256' THEN k.iterations END), 0) AS sha256,
				COALESCE(MAX(CASE WHEN k.hash = 'SHA-512' THEN k.iterations END), 0) AS sha512
			FROM account JOIN account_credential AS k ON k.account = account.id
			GROUP BY account.id, account.disabled) AS each_one
		GROUP BY sha1, sha256, sha512, disabled ORDER BY sha1, sha256, sha512, disabled` // all of a table; see surveyEvery
	rows, err := tx.Query(q)
	if err != nil {
		return fmt.Errorf("survey credentials: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var p profileCount
		var disabled bool
		if err := rows.Scan(&p.profile[sasl.SHA1], &p.profile[sasl.SHA256], &p.profile[sasl.SHA512], &disabled, &p.accounts); err != nil {
			return fmt.Errorf("survey credentials: %w", err)
		}
		v.profiles = append(v.profiles, p)
		v.total += p.accounts
		if disabled {
			continue
		}
		v.enabled += p.accounts
		for h, iterations := range p.profile {
			if iterations > 0 {
				v.having[h] += p.accounts
			}
		}
	}
	return rows.Err()
}

// draw returns the profile of somebody, the same for the same number, each as likely as it is among the accounts.
func (v *survey) draw(number uint64) (profile, bool) {
	if v.total == 0 {
		return profile{}, false
	}
	place := int(float64(number>>11) / (1 << 53) * float64(v.total))
	for _, p := range v.profiles {
		if place -= p.accounts; place < 0 {
			return p.profile, true
		}
	}
	return v.profiles[len(v.profiles)-1].profile, true
}

// Mechanisms returns the hash functions for which SCRAM can be offered to everybody, strongest first and one at least,
// and those that some accounts have no keys for and may get by an upgrade (XEP-0480 §2.1).
//
// XEP-0388 §2.1 forbids to offer what an account cannot do, and warns of offers that tell one account from another, or
// from none. Both are heeded where only that is offered which all accounts can do. Accounts that were made here can do
// all; those that came from another server may lack some until they log in with an app that knows upgrades, or get a
// new password. Those that may not log in do not count.
func (s *Service) Mechanisms(ctx context.Context) (offered, upgrades []sasl.Hash, err error) {
	v, err := s.survey(ctx)
	if err != nil {
		return nil, nil, err
	}
	most := slices.Max(v.having[:]) // all of them, unless two accounts have nothing in common
	for _, h := range sasl.Hashes() {
		if v.having[h] == most {
			offered = append(offered, h)
		}
		if v.having[h] < v.enabled {
			upgrades = append(upgrades, h)
		}
	}
	return offered, upgrades, nil
}

// madeUpProfile returns the keys that an account would have of a name that nobody has.
func (s *Service) madeUpProfile(ctx context.Context, name string) (profile, error) {
	v, err := s.survey(ctx)
	if err != nil {
		return profile{}, err
	}
	if p, ok := v.draw(binary.BigEndian.Uint64(s.madeUpPart("profile", name))); ok {
		return p, nil
	}
	return profile{sasl.SHA1: s.iterations, sasl.SHA256: s.iterations, sasl.SHA512: s.iterations}, nil
}
