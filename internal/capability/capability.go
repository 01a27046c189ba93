// SPDX-License-Identifier: Apache-2.0

// Package capability knows what clients can do, by the hash that they announce in their presence (XEP-0115 v1.6.0): who
// has seen the answer that belongs to a hash once need not ask the next client that announces it.
//
// A Key is what a client announces, a Set what that means. Read makes a Set of a client's answer and checks it against
// the Key (XEP-0115 §5.4), Learn keeps it, Get finds it again: in memory, or in the store. Both are bounded; what was not
// used for the longest time is forgotten, and asked for again.
//
// Who asks the client, and which device has which Set, is the business of the feature caps.
package capability

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
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NS is the namespace of the element that announces (XEP-0115 §4).
const NS = "http://jabber.org/protocol/caps"

// Bounds.
const (
	maxCached   = 2000 // sets in memory, some 3 KiB each
	maxStored   = 5000
	maxFeatures = 500       // of one set
	maxBytes    = 32 << 10  // of the features of one set
	maxVer      = 200       // bytes of an announced hash
	fresh       = 24 * 3600 // seconds for which a stored set need not be marked as used again
)

// A Key is what a client announces. The zero Key is that of a client that announces nothing.
type Key struct {
	Hash string // the algorithm; "" in the old form of XEP-0115 §13
	Ver  string
}

// Of returns what a presence stanza announces, and the node at which the client is to be asked; the zero Key where it
// announces nothing.
func Of(st *stanza.Stanza) (k Key, node string) {
	c, ok := st.Child(NS, "c")
	if !ok {
		return Key{}, ""
	}
	k = Key{Hash: c.Attr("hash"), Ver: c.Attr("ver")}
	if k.Ver == "" || len(k.Ver) > maxVer || len(k.Hash) > maxVer || len(c.Attr("node")) > 4*maxVer {
		return Key{}, ""
	}
	return k, c.Attr("node") + "#" + k.Ver
}

// A Set is what a client can do. It is not changed; the nil Set is that of a client of which nothing is known.
type Set struct {
	features []string // sorted
	wants    []string // sorted: the nodes that it wants to be told of
}

// notify is how a client says that it wants to be told of a node (XEP-0060 §9.2).
const notify = "+notify"

func newSet(features []string) *Set {
	slices.Sort(features)
	s := &Set{features: slices.Compact(features)}
	for _, f := range s.features {
		if node, ok := strings.CutSuffix(f, notify); ok && node != "" {
			s.wants = append(s.wants, node)
		}
	}
	return s
}

// Has reports whether the client has that feature.
func (s *Set) Has(feature string) bool {
	if s == nil {
		return false
	}
	_, ok := slices.BinarySearch(s.features, feature)
	return ok
}

// Wants reports whether the client wants to be told of that node.
func (s *Set) Wants(node string) bool {
	if s == nil {
		return false
	}
	_, ok := slices.BinarySearch(s.wants, node)
	return ok
}

// Nodes lists the nodes that the client wants to be told of, sorted. The list is not to be changed.
func (s *Set) Nodes() []string {
	if s == nil {
		return nil
	}
	return s.wants
}

// Options say how the service works.
type Options struct {
	Log *slog.Logger     // nil: nothing is logged
	Now func() time.Time // nil means time.Now
}

// Service is the sets that are known. It may be used by many goroutines.
type Service struct {
	db  *db.DB
	log *slog.Logger
	now func() time.Time

	mu   sync.RWMutex // guards what follows
	sets map[Key]*Set
}

// New returns the sets kept in d, which has the table of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{db: d, log: o.Log, now: o.Now, sets: map[Key]*Set{}}
}

//go:embed schema
var schema embed.FS

// Schema is the table of this package.
func Schema() db.Schema { return db.Schema{Name: "capability", FS: schema} }

// Get returns the set of a key; nil where it is not known. It reads the store where memory does not have the answer.
func (s *Service) Get(ctx context.Context, k Key) (*Set, error) {
	s.mu.RLock()
	set := s.sets[k]
	s.mu.RUnlock()
	if set != nil {
		return set, nil
	}
	var features string
	var used int64
	err := s.db.Read(ctx, func(tx *db.ReadTx) error {
		const q = `SELECT features, used_at FROM capability WHERE hash = $1 AND ver = $2`
		return tx.QueryRow(q, k.Hash, k.Ver).Scan(&features, &used)
	})
	switch {
	case errors.Is(err, db.ErrNoRows):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("read capabilities: %w", err)
	}
	set = newSet(strings.Split(features, "\n"))
	s.keep(k, set)
	if now := s.now(); now.Unix()-used > fresh {
		s.submit("note use of capabilities", func(tx *db.Tx) error {
			_, err := tx.Exec(`UPDATE capability SET used_at = $3 WHERE hash = $1 AND ver = $2`, k.Hash, k.Ver, now.Unix())
			return err
		})
	}
	return set, nil
}

// Learn keeps the set of a key. It returns at once; the store has it a little later.
func (s *Service) Learn(k Key, set *Set) {
	s.keep(k, set)
	now := s.now().Unix()
	s.submit("keep capabilities", func(tx *db.Tx) error {
		const q = `
			INSERT INTO capability (hash, ver, features, used_at) VALUES ($1, $2, $3, $4)
			ON CONFLICT (hash, ver) DO UPDATE SET features = excluded.features, used_at = excluded.used_at`
		if _, err := tx.Exec(q, k.Hash, k.Ver, strings.Join(set.features, "\n"), now); err != nil {
			return err
		}
		var n int
		if err := tx.QueryRow(`SELECT count(*) FROM capability`).Scan(&n); err != nil || n <= maxStored {
			return err
		}
		const old = `
			DELETE FROM capability WHERE (hash, ver) IN
				(SELECT hash, ver FROM capability ORDER BY used_at LIMIT $1)` // capability_used
		_, err := tx.Exec(old, n-maxStored)
		return err
	})
}

func (s *Service) submit(what string, f func(*db.Tx) error) {
	s.db.Submit(f, func(err error) {
		if err != nil {
			s.log.Error(what, "err", err)
		}
	})
}

// keep puts a set into memory; when that is full, any other makes room.
func (s *Service) keep(k Key, set *Set) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for other := range s.sets {
		if len(s.sets) < maxCached {
			break
		}
		delete(s.sets, other)
	}
	s.sets[Key{strings.Clone(k.Hash), strings.Clone(k.Ver)}] = set // they may be part of a whole stanza
}

// Read makes a set of a client's answer to the question what it can do. valid says that the set belongs to the key, for
// whoever announces it; else it is good for that one client only (XEP-0115 §5.4). It returns nil where the answer cannot
// be used at all.
func Read(k Key, query xmlstream.Node) (set *Set, valid bool) {
	var features []string
	bytes := 0
	for n := range query.Children() {
		if !n.Is(nsInfo, "feature") {
			continue
		}
		f := strings.Clone(n.Attr("var"))
		if bytes += len(f); strings.Contains(f, "\n") || len(features) >= maxFeatures || bytes > maxBytes {
			return nil, false
		}
		if f != "" {
			features = append(features, f)
		}
	}
	ver, ok := verification(k.Hash, query)
	return newSet(features), ok && ver == k.Ver
}
