// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// A Wish is what an owner wants with a message.
type Wish string

// What an owner may want (XEP-0441 v0.2.0 §2.1.1).
const (
	Always Wish = "always"
	Never  Wish = "never"
	Roster Wish = "roster" // it depends on whether the peer is among the contacts
)

// A Policy is what an owner wants to have archived. It is not changed once it was given away.
type Policy struct {
	Otherwise     Wish      // for whom the lists do not name
	Always, Never []jid.JID // a bare address stands for all its resources; Never counts where both name somebody
}

// Of returns what the owner wants with a message to or from an address: by the lists, else Otherwise (XEP-0441 §2.3.1).
func (p Policy) Of(address jid.JID) Wish {
	switch {
	case names(p.Never, address):
		return Never
	case names(p.Always, address):
		return Always
	}
	return p.Otherwise
}

func names(list []jid.JID, address jid.JID) bool {
	return slices.ContainsFunc(list, func(j jid.JID) bool { return j == address || j == address.Bare() })
}

// policies are those of all who do not want everything, which are few. They are read when the first is asked for.
type policies struct {
	mu   sync.Mutex
	of   map[int64]Policy // nil: not read yet
	turn uint64           // counts changes: what was read before one is not taken after it
}

// Policy returns what owner wants to have archived. It is asked for each message, and hardly ever waits.
func (a *Archive) Policy(ctx context.Context, owner int64) (Policy, error) {
	for {
		a.policies.mu.Lock()
		of, turn := a.policies.of, a.policies.turn
		p, ok := of[owner]
		a.policies.mu.Unlock()
		switch {
		case ok:
			return p, nil
		case of != nil:
			return Policy{Otherwise: Always}, nil
		}
		of, err := a.readPolicies(ctx)
		if err != nil {
			return Policy{}, fmt.Errorf("read what is to be archived: %w", err)
		}
		a.policies.mu.Lock()
		if a.policies.of == nil && a.policies.turn == turn {
			a.policies.of = of
		}
		a.policies.mu.Unlock()
	}
}

func (a *Archive) readPolicies(ctx context.Context) (map[int64]Policy, error) {
	of := map[int64]Policy{}
	err := a.db.Read(ctx, func(tx *db.ReadTx) error {
		rows, err := tx.Query("SELECT owner, otherwise, always, never FROM archive_policy")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var owner int64
			var otherwise, always, never string
			if err := rows.Scan(&owner, &otherwise, &always, &never); err != nil {
				return err
			}
			of[owner] = Policy{Wish(otherwise), split(always), split(never)}
		}
		return rows.Err()
	})
	return of, err
}

// split reads a list that joined has written.
func split(s string) (list []jid.JID) {
	for line := range strings.Lines(s) {
		if j, err := jid.Parse(strings.TrimSuffix(line, "\n")); err == nil {
			list = append(list, j)
		}
	}
	return list
}

func joined(list []jid.JID) string {
	var b strings.Builder
	for _, j := range list {
		b.WriteString(j.String() + "\n")
	}
	return b.String()
}

// SetPolicy says what owner wants to have archived from now on.
func (a *Archive) SetPolicy(tx *db.Tx, owner int64, p Policy) error {
	const q = `
		INSERT INTO archive_policy (owner, otherwise, always, never) VALUES ($1, $2, $3, $4)
		ON CONFLICT (owner) DO UPDATE SET otherwise = excluded.otherwise, always = excluded.always, never = excluded.never`
	if _, err := tx.Exec(q, owner, string(p.Otherwise), joined(p.Always), joined(p.Never)); err != nil {
		return fmt.Errorf("set what %d wants to have archived: %w", owner, err)
	}
	tx.After(func() {
		a.policies.mu.Lock()
		defer a.policies.mu.Unlock()
		a.policies.turn++
		if a.policies.of != nil {
			a.policies.of[owner] = p
		}
	})
	return nil
}
