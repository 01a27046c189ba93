// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/db"
)

// Enable keeps r, of which everything but the id, Since and the health is set, and returns it as it is kept. The
// registration of the same client, and that for the same service and node, are replaced: in place where it is one and the
// same. It returns ErrUnknown where there is no such account.
func (s *Service) Enable(tx *db.Tx, r Registration) (Registration, error) {
	r.Since = s.now().UTC()
	old, err := s.of(tx, r.Owner)
	if err != nil {
		return r, err
	}
	var rest []Registration // of the kind, by Since
	for _, o := range old {
		place := o.Service == r.Service && o.Node == r.Node
		switch {
		case o.Kind != r.Kind:
		case o.Client == r.Client && place:
			return s.renew(tx, o, r)
		case o.Client == r.Client || place:
			if err := s.remove(tx, o, byNext); err != nil {
				return r, err
			}
		default:
			rest = append(rest, o)
		}
	}
	for len(rest) >= r.Kind.most() {
		if err := s.remove(tx, rest[0], byTooMany); err != nil {
			return r, err
		}
		rest = rest[1:]
	}
	return s.insert(tx, r)
}

// renew is Enable for a registration that is there. Who enables it again has a reason to believe that it works.
func (s *Service) renew(tx *db.Tx, old, r Registration) (Registration, error) {
	r.ID, r.Sent, r.Failed, r.Failures, r.Error = old.ID, old.Sent, old.Failed, old.Failures, old.Error
	const q = `UPDATE push SET detail = $2, wants = $3, muted = $4, since = $5, refused = 0 WHERE id = $1`
	if _, err := tx.Exec(q, r.ID, r.Detail, int64(r.Wants), r.muted(), r.Since.UnixMicro()); err != nil {
		return r, fmt.Errorf("enable push again: %w", err)
	}
	tx.After(func() { s.put(r) })
	return r, nil
}

func (s *Service) insert(tx *db.Tx, r Registration) (Registration, error) {
	// An id is the time, or one more than the highest that there is, so none is given twice.
	const q = `
		INSERT INTO push (` + columns + `)
		SELECT CASE WHEN last.id < $2 THEN $2 ELSE last.id + 1 END, account.id, $3, $4, $5, $6, $7, $8, $9, $2, 0, 0, 0, 0, ''
		FROM account, (SELECT COALESCE(MAX(id), 0) AS id FROM push) AS last WHERE account.id = $1
		RETURNING id`
	err := tx.QueryRow(q, r.Owner, r.Since.UnixMicro(), r.Client, string(r.Kind), r.Service, r.Node, r.Detail, int64(r.Wants),
		r.muted()).Scan(&r.ID)
	if errors.Is(err, db.ErrNoRows) {
		return r, ErrUnknown
	}
	if err != nil {
		return r, fmt.Errorf("enable push: %w", err)
	}
	tx.After(func() { s.put(r) })
	return r, nil
}

// Disable ends the registrations of an account for which which is true, and says how many there were. which is called
// in the act.
func (s *Service) Disable(tx *db.Tx, owner int64, which func(Registration) bool) (n int, err error) {
	return s.disable(tx, owner, byClient, which)
}

// Forget ends the registrations of a client that is signed out.
func (s *Service) Forget(tx *db.Tx, owner int64, client string) error {
	_, err := s.disable(tx, owner, bySignOut, func(r Registration) bool { return r.Client == client })
	return err
}

// ForgetOthers ends, soon, the registrations of all clients of an account but those that are named: the password was
// changed.
func (s *Service) ForgetOthers(owner int64, but ...string) {
	if len(s.Of(owner)) == 0 {
		return
	}
	s.db.Submit(func(tx *db.Tx) error {
		_, err := s.disable(tx, owner, bySignOut, func(r Registration) bool { return !slices.Contains(but, r.Client) })
		return err
	}, func(err error) {
		if err != nil {
			s.log.Error("forget push registrations", "err", err)
		}
	})
}

// AccountGone forgets what belongs to an account that was removed. The rows go with the account's.
func (s *Service) AccountGone(owner int64) {
	for _, r := range s.Of(owner) {
		s.drop(r, byAccount)
	}
}

func (s *Service) disable(tx *db.Tx, owner int64, why string, which func(Registration) bool) (n int, err error) {
	list, err := s.of(tx, owner)
	if err != nil {
		return 0, err
	}
	for _, r := range list {
		if !which(r) {
			continue
		}
		if err := s.remove(tx, r, why); err != nil {
			return n, err
		}
		n++
	}
	return n, nil
}

// of lists an account's registrations as tx sees them.
func (s *Service) of(tx *db.Tx, owner int64) (list []Registration, err error) {
	rows, err := tx.Query(`SELECT `+columns+` FROM push WHERE owner = $1 ORDER BY since, id`, owner) // by the index of UNIQUE
	if err != nil {
		return nil, fmt.Errorf("read push registrations: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		r, err := scan(rows)
		if err != nil {
			return nil, fmt.Errorf("read push registrations: %w", err)
		}
		list = append(list, r)
	}
	return list, rows.Err()
}

func (s *Service) remove(tx *db.Tx, r Registration, why string) error {
	if _, err := tx.Exec(`DELETE FROM push WHERE id = $1`, r.ID); err != nil {
		return fmt.Errorf("disable push: %w", err)
	}
	tx.After(func() { s.drop(r, why) })
	return nil
}

// muted is how a registration's chats are stored.
func (r Registration) muted() string {
	var b strings.Builder
	for _, j := range r.Muted {
		b.WriteString(j.String() + "\n")
	}
	return b.String()
}

// put enters r into memory, as the newest.
func (s *Service) put(r Registration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.by[r.Owner] = append(without(s.by[r.Owner], r.ID), r)
}

// drop takes r out of memory, and tells who wants to know.
func (s *Service) drop(r Registration, why string) {
	s.mu.Lock()
	list := without(s.by[r.Owner], r.ID)
	was := len(list) < len(s.by[r.Owner])
	if len(list) == 0 {
		delete(s.by, r.Owner)
	} else {
		s.by[r.Owner] = list
	}
	delete(s.dirty, r.ID)
	s.mu.Unlock()
	if !was {
		return
	}
	s.count.Removed.Of(string(r.Kind), why).Inc()
	for _, f := range s.hooks {
		f(r)
	}
}

// without returns a copy of list without the registration of that id.
func without(list []Registration, id int64) []Registration {
	return slices.DeleteFunc(slices.Clone(list), func(r Registration) bool { return r.ID == id })
}

// sent notes that a push was taken.
func (s *Service) sent(r Registration) {
	s.count.Sent.Of(string(r.Kind)).Inc()
	s.change(r, func(r *Registration) {
		r.Sent, r.Failed, r.Failures, r.refused, r.Error = s.now().UTC(), time.Time{}, 0, 0, ""
	})
}

// failed notes that a push failed, and ends the registration where that is for good.
func (s *Service) failed(r Registration, f *Failure) {
	s.count.Failed.Of(string(r.Kind), f.Reason).Inc()
	refused := 0
	s.change(r, func(r *Registration) {
		r.Failed, r.Error = s.now().UTC(), f.Reason
		r.Failures++
		if f.Refused {
			r.refused++
		}
		refused = r.refused
	})
	why := byRefusals
	switch {
	case f.Gone:
		why = byService
	case refused < maxRefused: // XEP-0357 §7.1
		return
	}
	s.db.Submit(func(tx *db.Tx) error { return s.remove(tx, r, why) }, func(err error) {
		if err != nil {
			s.log.Error("end a push registration", "err", err) // it fails once more, and is ended then
		}
	})
}

// change changes the health of r, as it is now.
func (s *Service) change(r Registration, f func(*Registration)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i := slices.IndexFunc(s.by[r.Owner], func(x Registration) bool { return x.ID == r.ID })
	if i < 0 {
		return
	}
	list := slices.Clone(s.by[r.Owner])
	f(&list[i])
	s.by[r.Owner] = list
	s.dirty[r.ID] = r.Owner
}

// flush writes down the health that has changed.
func (s *Service) flush(ctx context.Context) {
	s.mu.Lock()
	var list []Registration
	for id, owner := range s.dirty {
		for _, r := range s.by[owner] {
			if r.ID == id {
				list = append(list, r)
			}
		}
	}
	clear(s.dirty)
	s.mu.Unlock()
	for some := range slices.Chunk(list, db.BatchRows) {
		err := s.db.Write(ctx, func(tx *db.Tx) error {
			for _, r := range some {
				const q = `UPDATE push SET sent = $2, failed = $3, failures = $4, refused = $5, error = $6 WHERE id = $1`
				_, err := tx.Exec(q, r.ID, micros(r.Sent), micros(r.Failed), r.Failures, r.refused, r.Error)
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "write down the health of pushes", "err", err) // what is lost is of no weight
		}
	}
}
