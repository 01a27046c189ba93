// SPDX-License-Identifier: Apache-2.0

package account

import (
	"context"
	"crypto/rand"
	"fmt"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// An Upgrade is what a client needs to make keys for another hash function from the password that it has just proved to
// know (XEP-0480 §3), and what is remembered until it has. Nobody but the client can tell whether it takes the same
// password; it is the account's owner who would have two then, until the next change of the password replaces both.
type Upgrade struct {
	Hash       sasl.Hash
	Salt       []byte // random
	Iterations int    // of PBKDF2
}

// Upgrade returns an upgrade of the account of name for h, or nil where it has keys for h. ErrUnknown if there is no
// account.
func (s *Service) Upgrade(ctx context.Context, name string, h sasl.Hash) (*Upgrade, error) {
	_, k, err := s.keysOf(ctx, name)
	if err != nil || len(k[h].StoredKey) > 0 {
		return nil, err
	}
	u := &Upgrade{Hash: h, Salt: make([]byte, saltLen), Iterations: s.iterations}
	rand.Read(u.Salt)
	return u, nil
}

// AddKeys stores what the client made for an upgrade: the SaltedPassword (RFC 5802 §3). password is the account's
// Account.Password of when the client proved to know it; the error is one of StillOpens where that is not its password
// any more. Keys that the account has got in the meantime stay.
func (s *Service) AddKeys(tx *db.Tx, id, password int64, u Upgrade, salted []byte) error {
	if len(salted) != u.Hash.Size() {
		return fmt.Errorf("account: %d bytes cannot be a password salted for %s", len(salted), u.Hash)
	}
	if err := s.StillOpens(tx, id, password); err != nil {
		return err
	}
	added, err := addKeys(tx, id, u.Hash, sasl.FromSalted(u.Hash, salted, u.Salt, u.Iterations))
	if err != nil || !added {
		return err
	}
	tx.After(func() { s.surveys.changed(true) }) // so that the next one may use it
	return nil
}
