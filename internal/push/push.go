// SPDX-License-Identifier: Apache-2.0

// Package push keeps which devices are woken by a service of somebody else when their own connection is not enough, and
// sees to it that what such a service is told gets there.
//
// A Registration belongs to a client, not to a session: it stays when the session ends, and over a restart. The next one
// of the same client and kind replaces it; so does the next one of any client for the same place. It ends when its client
// says so, is signed out (Forget), or the service does not know it any more, and, as the oldest, where an account has too
// many. All of them are in memory as well, so that asking costs nothing where somebody is written to.
//
// A Notice is something worth telling. The Dispatcher gives it to the Sender of the registration's kind, one after the
// other for each registration; what cannot be said now is said later, for as long as it is worth it, and of a chat
// only the last. What becomes of it is the registration's health, which a person can see.
//
// Service and Dispatcher may be used by many goroutines.
package push

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/metrics"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// ErrUnknown says that there is no such registration.
var ErrUnknown = errors.New("push: no such registration")

const (
	maxRefused    = 16 // refusals in a row that end a registration
	liveFailures  = 4  // failures in a row from which on nobody counts on a registration
	flushInterval = time.Minute
)

// A Kind is how a device is woken.
type Kind string

// The kinds.
const (
	App Kind = "xep0357" // by the service of its app's maker (XEP-0357)
	Web Kind = "web"     // by the service of its browser's maker (RFC 8030)
)

// most is how many registrations of a kind an account may have.
func (k Kind) most() int {
	if k == App {
		return 5
	}
	return 10
}

// A Registration is one device that is woken. It is a value: what changes makes another.
type Registration struct {
	ID      int64
	Owner   int64  // the account
	Client  string // the name of the client among those of the account (account.ClientKey)
	Kind    Kind
	Service string    // App: the service's address; Web: the endpoint
	Node    string    // App: the node there, or ""; Web: ""
	Detail  string    // what the kind needs besides, in its own form
	Wants   Wants     // 0 means everything
	Muted   []jid.JID // bare addresses of chats that are not told, sorted as texts
	Since   time.Time // UTC; when it was enabled at last

	Sent     time.Time // UTC; when a push was taken last; zero: never
	Failed   time.Time // UTC; when one failed last; zero: none since then
	Failures int       // since one was taken last
	Error    string    // why the last of these failed, one word; "" where none did

	refused int // of the failures, those that time does not mend
}

// Options say how registrations are kept.
type Options struct {
	Log *slog.Logger     // nil: nothing is logged
	Now func() time.Time // nil: time.Now
}

// Service is the registrations of all accounts.
type Service struct {
	db    *db.DB
	log   *slog.Logger
	now   func() time.Time
	count Counters
	hooks []func(Registration)

	mu    sync.RWMutex
	by    map[int64][]Registration // by owner, by Since; lists are replaced, never changed
	dirty map[int64]int64          // owners of registrations whose health is not written down, by id
}

// Counters are what the service counts.
type Counters struct {
	Sent    metrics.Vec // by kind
	Failed  metrics.Vec // by kind and reason
	Removed metrics.Vec // by kind and reason
}

// Why a registration was removed, for Counters.
const (
	byClient   = "asked"    // its client, or its owner, has said so
	byNext     = "replaced" // by another
	byTooMany  = "evicted"
	bySignOut  = "signed-out"
	byService  = "gone"    // the service does not know it any more
	byRefusals = "refused" // the service has refused too often
	byAccount  = "account" // the account was removed
)

// New returns the registrations kept in d, which has the tables of Schema. Load follows before it is used.
func New(d *db.DB, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{db: d, log: o.Log, now: o.Now, by: map[int64][]Registration{}, dirty: map[int64]int64{}}
}

//go:embed schema
var schema embed.FS

// Schema is the table of this package. It hangs on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "push", FS: schema} }

// Counters returns what s counts.
func (s *Service) Counters() *Counters { return &s.count }

// OnRemove has f called when a registration has ended, after the commit, on the writer's goroutine: f must not block. It
// is called before the service is used.
func (s *Service) OnRemove(f func(Registration)) { s.hooks = append(s.hooks, f) }

// Of lists the registrations of an account, by Since. The list is not to be changed.
func (s *Service) Of(owner int64) []Registration {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.by[owner]
}

// Get returns a registration as it is now; false where it has ended.
func (s *Service) Get(owner, id int64) (Registration, bool) {
	for _, r := range s.Of(owner) {
		if r.ID == id {
			return r, true
		}
	}
	return Registration{}, false
}

// Live reports whether a client can be woken: it has a registration that works, as far as we know.
func (s *Service) Live(owner int64, client string) bool {
	return slices.ContainsFunc(s.Of(owner), func(r Registration) bool {
		return r.Client == client && r.Failures < liveFailures
	})
}

// Wakes reports whether any client of an account can be woken.
func (s *Service) Wakes(owner int64) bool {
	return slices.ContainsFunc(s.Of(owner), func(r Registration) bool { return r.Failures < liveFailures })
}

// Registered calls give with the number of registrations of each kind.
func (s *Service) Registered(give func(n float64, kind string)) {
	count := map[Kind]int{App: 0, Web: 0}
	s.mu.RLock()
	for _, list := range s.by {
		for _, r := range list {
			count[r.Kind]++
		}
	}
	s.mu.RUnlock()
	for k, n := range count {
		give(float64(n), string(k))
	}
}

const columns = `id, owner, client, kind, service, node, detail, wants, muted, since, sent, failed, failures, refused, error`

func scan(rows *db.Rows) (r Registration, err error) {
	var muted string
	var since, sent, failed int64
	err = rows.Scan(&r.ID, &r.Owner, &r.Client, &r.Kind, &r.Service, &r.Node, &r.Detail, &r.Wants, &muted, &since, &sent,
		&failed, &r.Failures, &r.refused, &r.Error)
	if err != nil {
		return r, err
	}
	r.Since, r.Sent, r.Failed = at(since), at(sent), at(failed)
	for line := range strings.Lines(muted) {
		if j, err := jid.Parse(strings.TrimSuffix(line, "\n")); err == nil { // it was one when it was written
			r.Muted = append(r.Muted, j)
		}
	}
	return r, nil
}

// at reads an instant; 0 is none.
func at(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Load reads what is kept. It is called once, before anything else.
func (s *Service) Load(ctx context.Context) error {
	by := map[int64][]Registration{}
	err := s.db.Read(ctx, func(tx *db.ReadTx) error {
		rows, err := tx.Query(`SELECT ` + columns + ` FROM push ORDER BY since, id`)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			r, err := scan(rows)
			if err != nil {
				return err
			}
			by[r.Owner] = append(by[r.Owner], r)
		}
		return rows.Err()
	})
	if err != nil {
		return fmt.Errorf("read push registrations: %w", err)
	}
	s.mu.Lock()
	s.by = by
	s.mu.Unlock()
	return nil
}

// Run writes health down, once a minute and when ctx ends. A crash costs the last minute of it.
func (s *Service) Run(ctx context.Context) error {
	t := time.NewTicker(flushInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			s.flush(context.WithoutCancel(ctx))
			return nil
		case <-t.C:
			s.flush(ctx)
		}
	}
}
