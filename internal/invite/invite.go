// SPDX-License-Identifier: Apache-2.0

// Package invite makes and redeems invitations: links by which a person gets an account, or a contact, or both.
//
// The store keeps an id; the token in the link is that id and its HMAC under a key outside of the database. So a link
// can be shown again to who made it, and a stolen database redeems nothing. An invitation is redeemed in the act that
// creates the account, by one statement that counts the use: of two people with one link, one gets in, and a sign-up
// that fails costs nothing.
//
// Ended invitations (used up, revoked, expired) are remembered for 30 days, so that a page can say what became of the
// link; afterwards it is as unknown as one that never was. Links of the kinds that apps understand are those of
// XEP-0379 v0.3.3 and XEP-0445 v0.2.0.
//
// A Service may be used by many goroutines; the methods that take a *db.Tx belong to the act of that Tx.
package invite

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/metrics"
)

var (
	// ErrUnknown says that the token never was one, or ended long ago.
	ErrUnknown = errors.New("invite: unknown")
	// ErrExpired says that the time of the invitation is over.
	ErrExpired = errors.New("invite: expired")
	// ErrUsed says that the invitation was used as often as it may be.
	ErrUsed = errors.New("invite: used")
	// ErrRevoked says that the invitation was taken back.
	ErrRevoked = errors.New("invite: revoked")
	// ErrName says that the invitation is for another name.
	ErrName = errors.New("invite: for another name")
	// ErrKept says that a name is kept for somebody who was invited.
	ErrKept = errors.New("invite: name is kept")
	// ErrTooMany says that a person has as many open invitations as one may have.
	ErrTooMany = errors.New("invite: too many open invitations")
	// ErrRequest says that an invitation like this cannot be made.
	ErrRequest = errors.New("invite: not possible")
)

// A Kind says what an invitation gives.
type Kind string

// The kinds.
const (
	Account Kind = "account" // an account
	Contact Kind = "contact" // the inviter as contact, and an account for who has none
)

// Bounds and defaults.
const (
	DefaultTTL  = 7 * 24 * time.Hour
	firstTTL    = 24 * time.Hour // of the first admin's link
	maxTTL      = 366 * 24 * time.Hour
	maxUses     = 1000
	maxNote     = 1000 // bytes
	maxOpen     = 100  // open invitations of one person
	remembered  = 30 * 24 * time.Hour
	roleOfFirst = "admin"
)

// A Request says what invitation to make.
type Request struct {
	Kind        Kind          // "" means Account
	Inviter     int64         // account; 0 means the server. A Contact has one
	InviterName string        // its name; "" for the server
	Role        string        // of the account to be made, as in package account
	Name        string        // the only name that may be taken, normalised; "" means any
	Uses        int           // how often; 0 means once; at most 1,000
	TTL         time.Duration // 0 means 7 days; at most a year
	Note        string        // for who made it; at most 1,000 bytes
}

// An Invite is an invitation as it stands in the store.
type Invite struct {
	ID          int64
	Kind        Kind
	Inviter     int64  // account; 0: the server
	InviterName string // localpart; "": the server
	Role        string
	Name        string // "": any
	Note        string
	Uses        int // so far
	MaxUses     int
	FirstAdmin  bool // the link that is shown at the first start
	Created     time.Time
	Expires     time.Time
	Revoked     bool
}

// Err returns why i cannot be redeemed at the time now: ErrRevoked, ErrUsed, ErrExpired, or nil where it can.
func (i Invite) Err(now time.Time) error {
	switch {
	case i.Revoked:
		return ErrRevoked
	case i.Uses >= i.MaxUses:
		return ErrUsed
	case !now.Before(i.Expires):
		return ErrExpired
	}
	return nil
}

// URI returns the link that XMPP apps open, for the accounts of domain. That of a contact adds the inviter, and makes an
// account for who has none; one that is for a name can only make the account.
func (i Invite) URI(domain string, t Token) string {
	if i.Kind == Contact && i.Name == "" {
		return person(i.InviterName, domain) + "?roster;preauth=" + string(t) + ";ibr=y" // XEP-0445 §2.3
	}
	return i.SignUpURI(domain, t)
}

// SignUpURI returns the link that makes an account in XMPP apps, whatever else the invitation gives.
func (i Invite) SignUpURI(domain string, t Token) string {
	if i.Name != "" {
		return person(i.Name, domain) + "?register;preauth=" + string(t) // XEP-0445 §2.1
	}
	return "xmpp:" + domain + "?register;preauth=" + string(t) // XEP-0445 §2.2
}

// person is the address of an account as an address of the Web (RFC 5122 §2.2).
func person(name, domain string) string { return "xmpp:" + url.PathEscape(name) + "@" + domain }

// Options say how invitations are kept.
type Options struct {
	Keys keyfile.Keys
	Now  func() time.Time // nil means time.Now
	Log  *slog.Logger     // nil: nothing is logged
}

// Service is the invitations of a server.
type Service struct {
	db  *db.DB
	key [32]byte
	now func() time.Time
	log *slog.Logger

	redeemed metrics.Counter
}

// Redeemed counts uses of invitations.
func (s *Service) Redeemed() *metrics.Counter { return &s.redeemed }

// New returns the invitations kept in d, which has the tables of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{db: d, key: o.Keys.Derive("invite"), now: o.Now, log: o.Log.With("pkg", "invite")}
}

//go:embed schema
var schema embed.FS

// Schema is the tables of this package.
func Schema() db.Schema { return db.Schema{Name: "invite", FS: schema} }

// Run forgets invitations that ended more than 30 days ago, once an hour, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(time.Hour)
	defer t.Stop()
	for {
		if err := s.purge(ctx); err != nil && ctx.Err() == nil {
			s.log.ErrorContext(ctx, "ended invitations stay", "err", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
		}
	}
}

func (s *Service) purge(ctx context.Context) error {
	before := s.now().Add(-remembered).UnixMicro()
	err := s.db.Batched(ctx, func(tx *db.Tx) (int, error) {
		const q = `
			DELETE FROM invite WHERE id IN (
				SELECT id FROM invite WHERE expires_at < $1 OR (ended_at <> 0 AND ended_at < $1) LIMIT $2)`
		r, err := tx.Exec(q, before, db.BatchRows)
		if err != nil {
			return 0, err
		}
		n, err := r.RowsAffected()
		if err != nil || n == 0 {
			return 0, err
		}
		_, err = tx.Exec(`DELETE FROM invite_use WHERE NOT EXISTS (SELECT 1 FROM invite WHERE invite.id = invite_use.invite)`)
		return int(n), err
	})
	if err != nil {
		return fmt.Errorf("purge invitations: %w", err)
	}
	return nil
}
