// SPDX-License-Identifier: Apache-2.0

// Package account knows who may log in: names, roles, credentials, and the tokens of devices.
//
// An account is a name (a localpart, RFC 7622 §3.3) with a role. Of a password only what SCRAM needs is kept, for
// SHA-512, SHA-256 and SHA-1 (RFC 5802 §3); since it takes milliseconds to compute, Service.Password does it before the
// act, and the act stores the result. An account that came from another server has the keys that it had there (Keys), and
// gets others by an upgrade (XEP-0480 v0.2.0, upgrade.go). A deleted account leaves a tombstone: its name is never given to another person.
// The last admin who is not disabled can be neither disabled, deleted nor made less.
//
// Tokens are those of XEP-0484 v0.2.0 (FAST), see token.go. Beside them are one-time codes, by which a browser
// comes from the sign-up page into the app. What is known of the apps that log in is in client.go.
//
// Accounts are read from memory: a bounded cache that is corrected after each commit. Their keys are not kept there: a
// stranger could tell by the time of an answer who is known. Unknown names are answered like real ones, after the same
// work, with made-up credentials that are the same each time (Credentials, CheckPassword), and with iteration counts that
// are as common among them as among the accounts (survey.go).
//
// What changes is told to the functions given to OnChange, after the commit. A Service may be used by many
// goroutines; the methods that take a *db.Tx belong to the act of that Tx.
package account

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

var (
	// ErrUnknown says that there is no account of that name or id.
	ErrUnknown = errors.New("account: unknown")
	// ErrTaken says that the name is somebody's, or was.
	ErrTaken = errors.New("account: name taken")
	// ErrDisabled says that an admin has locked the account. It is told only to who has proved to be its owner.
	ErrDisabled = errors.New("account: disabled")
	// ErrLastAdmin says that nobody would be left to administer the server.
	ErrLastAdmin = errors.New("account: this is the last admin")
	// ErrPassword says that name and password do not belong together. It does not say which of them is wrong.
	ErrPassword = errors.New("account: wrong name or password")
	// ErrRole says that a role is none of the three.
	ErrRole = errors.New("account: unknown role")
)

// A Role says what an account may do.
type Role string

// The roles.
const (
	Admin   Role = "admin"   // administers the server
	User    Role = "user"    // the usual
	Limited Role = "limited" // cannot bring in others
)

// ParseRole reads a role; ErrRole if it is none.
func ParseRole(s string) (Role, error) {
	switch r := Role(s); r {
	case Admin, User, Limited:
		return r, nil
	}
	return "", fmt.Errorf("%w: %q", ErrRole, s)
}

// An Account is what is known of somebody who may log in.
type Account struct {
	ID        int64  // never given twice
	Name      string // localpart, normalised
	Role      Role
	Disabled  bool      // may not log in
	CreatedAt time.Time // UTC
	Password  int64     // goes up when the password is replaced
}

// A Change is what happened to an account.
type Change uint8

// The changes.
const (
	Created Change = iota + 1
	PasswordChanged
	Disabled
	Enabled
	RoleChanged
	Deleted
)

// String returns the change in words, for logs.
func (c Change) String() string {
	switch c {
	case Created:
		return "created"
	case PasswordChanged:
		return "password changed"
	case Disabled:
		return "disabled"
	case Enabled:
		return "enabled"
	case RoleChanged:
		return "role changed"
	case Deleted:
		return "deleted"
	}
	return "unknown change"
}

// Options say how accounts are kept.
type Options struct {
	Domain     string           // of all accounts
	Keys       keyfile.Keys     // seals tokens, makes up salts
	Iterations int              // of PBKDF2 for new passwords; 0 means 10,000
	Now        func() time.Time // nil means time.Now
	Log        *slog.Logger     // nil: nothing is logged

	NoAddresses bool          // of clients are kept, not even their networks
	ClientsFor  time.Duration // how long a client is remembered that is not seen any more; 0 means for ever
}

const defaultIterations = 10_000

// Service is the accounts of a server.
type Service struct {
	db         *db.DB
	domain     string
	iterations int
	now        func() time.Time
	log        *slog.Logger
	madeUp     [32]byte // key of what unknown names are answered with
	refKey     [32]byte // of what clients are called by
	surveys    surveys
	checks     chan struct{} // of passwords, as many as may be at once
	seal       sealer
	cache      cache
	hooks      []func(Account, Change)
	signOuts   []func(*db.Tx, int64, ClientKey) error

	clients       clientBook
	keepAddresses bool
	clientsFor    time.Duration
}

// New returns the accounts kept in d, which has the tables of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Iterations == 0 {
		o.Iterations = defaultIterations
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{
		db:         d,
		domain:     o.Domain,
		iterations: o.Iterations,
		now:        o.Now,
		log:        o.Log.With("pkg", "account"),
		madeUp:     o.Keys.Derive("scram-made-up"),
		checks:     make(chan struct{}, runtime.GOMAXPROCS(0)),
		seal:       newSealer(o.Keys.Derive("fast")),
		refKey:     o.Keys.Derive("client-ref"),

		keepAddresses: !o.NoAddresses,
		clientsFor:    o.ClientsFor,
	}
}

//go:embed schema
var schema embed.FS

// Schema is the tables of this package.
func Schema() db.Schema { return db.Schema{Name: "account", FS: schema} }

// OnChange has f called after the commit of each change, on the writer's goroutine, so f must not block. The account
// is as it is after the change; a deleted one as it was. OnChange is called before the service is used.
func (s *Service) OnChange(f func(Account, Change)) { s.hooks = append(s.hooks, f) }

// changed corrects the cache and tells of a change, once tx is committed.
func (s *Service) changed(tx *db.Tx, a Account, what Change) {
	tx.After(func() {
		s.cache.forget(a.Name)
		s.surveys.changed(what == Enabled)
		for _, f := range s.hooks {
			f(a, what)
		}
	})
}

// normal returns name as accounts are called, or ErrUnknown where no account can be called so.
func (s *Service) normal(name string) (string, error) {
	j, err := jid.New(name, s.domain, "")
	if err != nil || j.Local() == "" {
		return "", ErrUnknown
	}
	return j.Local(), nil
}

// Lookup returns the account of name; ErrUnknown if there is none.
func (s *Service) Lookup(ctx context.Context, name string) (Account, error) {
	return s.find(ctx, name)
}

// Get returns the account of id as tx sees it; ErrUnknown if there is none.
func (s *Service) Get(tx db.Querier, id int64) (Account, error) {
	return scan(tx.QueryRow(`SELECT `+columns+` FROM account WHERE id = $1 AND `+there, id))
}

// HasAdmin reports whether tx sees an admin who is not disabled.
func (s *Service) HasAdmin(tx db.Querier) (has bool, err error) {
	err = tx.QueryRow(`SELECT EXISTS (SELECT 1 FROM account WHERE role = 'admin' AND NOT disabled)`).Scan(&has)
	if err != nil {
		return false, fmt.Errorf("look for an admin: %w", err)
	}
	return has, nil
}

// Free reports whether a name, as CheckName returned it, could be given now: nobody has it, or had it.
func (s *Service) Free(ctx context.Context, name string) (free bool, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `
			SELECT NOT EXISTS (SELECT 1 FROM account WHERE name = $1)
			   AND NOT EXISTS (SELECT 1 FROM account_tombstone WHERE name = $1)`
		return tx.QueryRow(q, name).Scan(&free)
	})
	if err != nil {
		return false, fmt.Errorf("look for a name: %w", err)
	}
	return free, nil
}

// List returns the accounts whose names follow after, in the order of their names, limit of them at most.
func (s *Service) List(ctx context.Context, after string, limit int) (list []Account, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `
			SELECT ` + columns + ` FROM account
			WHERE name > $1 AND ` + there + ` ORDER BY name LIMIT $2` // by the index of UNIQUE
		rows, err := tx.Query(q, after, limit)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			a, err := scan(rows)
			if err != nil {
				return err
			}
			list = append(list, a)
		}
		return rows.Err()
	})
	if err != nil {
		return nil, fmt.Errorf("list accounts: %w", err)
	}
	return list, nil
}

// Count returns how many accounts there are, and how many of them are disabled.
func (s *Service) Count(ctx context.Context) (all, disabled int, err error) {
	err = s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `SELECT COUNT(*), COUNT(CASE WHEN disabled THEN 1 END) FROM account WHERE ` + there // seldom asked, so by no index
		return tx.QueryRow(q).Scan(&all, &disabled)
	})
	if err != nil {
		return 0, 0, fmt.Errorf("count accounts: %w", err)
	}
	return all, disabled, nil
}

// columns are those that scan reads.
const columns = `id, name, role, disabled, created_at, password`

// scan reads the columns of an account.
func scan(row interface{ Scan(...any) error }) (Account, error) {
	var a Account
	var created int64
	err := row.Scan(&a.ID, &a.Name, &a.Role, &a.Disabled, &created, &a.Password)
	if errors.Is(err, db.ErrNoRows) {
		return Account{}, ErrUnknown
	}
	if err != nil {
		return Account{}, fmt.Errorf("read account: %w", err)
	}
	a.CreatedAt = time.UnixMicro(created).UTC()
	return a, nil
}

// Run removes tokens and codes that have expired, once an hour, and stores who has logged in, until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	hour, save := time.NewTicker(time.Hour), time.NewTicker(saveClients)
	defer hour.Stop()
	defer save.Stop()
	s.clear(ctx)
	for {
		select {
		case <-ctx.Done():
			s.save(context.WithoutCancel(ctx))
			return nil
		case <-save.C:
			s.save(ctx)
		case <-hour.C:
			s.clear(ctx)
		}
	}
}

// save stores who has logged in.
func (s *Service) save(ctx context.Context) {
	if err := s.SaveClients(ctx); err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "who logged in is forgotten", "err", err)
	}
}

// clear removes what has expired.
func (s *Service) clear(ctx context.Context) {
	if err := errors.Join(s.expire(ctx), s.expireClients(ctx)); err != nil && ctx.Err() == nil {
		s.log.ErrorContext(ctx, "what has expired stays", "err", err)
	}
}
