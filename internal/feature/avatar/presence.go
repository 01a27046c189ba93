// SPDX-License-Identifier: Apache-2.0

package avatar

import (
	"context"
	"strings"
	"sync"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsUpdate = "vcard-temp:x:update"

// maxHashes bounds the accounts of which the hash is in memory.
const maxHashes = 100_000

// hashes are the hashes of accounts' pictures, "" for none. When it is full, any one makes room.
type hashes struct {
	mu      sync.RWMutex // guards what follows
	known   map[int64]string
	changes uint64 // what was read before one must not be put in after it
}

func (h *hashes) get(owner int64) (hash string, changes uint64, ok bool) {
	h.mu.RLock()
	defer h.mu.RUnlock()
	hash, ok = h.known[owner]
	return hash, h.changes, ok
}

func (h *hashes) put(owner int64, hash string, changes uint64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if changes != h.changes {
		return
	}
	for other := range h.known {
		if len(h.known) < maxHashes {
			break
		}
		delete(h.known, other)
	}
	h.known[owner] = hash
}

func (h *hashes) forget(owner int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes++
	delete(h.known, owner)
}

// hash returns the hash of the account's picture, "" where there is none.
func (a *Avatar) hash(ctx context.Context, owner int64) (string, error) {
	hash, changes, ok := a.hashes.get(owner)
	if ok {
		return hash, nil
	}
	p, _, _, _, err := a.current(ctx, owner)
	if err != nil {
		return "", err
	}
	a.hashes.put(owner, p.hash, changes)
	return p.hash, nil
}

// presence puts the hash into what a device tells, to all or to somebody (XEP-0398 §4).
func (a *Avatar) presence(ctx context.Context, t *router.Trip) error {
	st := t.Stanza
	if st.Type != "" {
		return nil
	}
	said, text := update(st)
	none := said && text == ""
	if silent := a.silent.Peek(t.Device); st.To.IsZero() && (silent != nil || none) {
		*a.silent.Of(t.Device) = none
	}
	if none {
		return nil
	}
	hash, err := a.hash(ctx, t.Owner.ID)
	switch {
	case err != nil: // who is there matters more
		a.Log.ErrorContext(ctx, "read hash of avatar", "err", err)
	case hash != "" && !strings.EqualFold(text, hash):
		t.Stanza = with(st, hash)
	}
	return nil
}

// update returns what a presence says of a picture: said is false where it says nothing, or that the device is not ready to
// (XEP-0153 §4.1).
func update(st *stanza.Stanza) (said bool, hash string) {
	x, ok := st.Child(nsUpdate, "x")
	if !ok {
		return false, ""
	}
	photo, ok := x.Child(nsUpdate, "photo")
	if !ok {
		return false, ""
	}
	return true, strings.TrimSpace(photo.Text())
}

// with returns a presence that tells of the picture with that hash, of none where that is "".
func with(st *stanza.Stanza, hash string) *stanza.Stanza {
	var b xmlstream.Builder
	b.Start(nsUpdate, "x").Start("", "photo").Text(hash).End().End()
	return st.Without(func(n xmlstream.Node) bool { return n.Is(nsUpdate, "x") }).With(b.Build())
}

// Changed sees to it that people hear of another picture. It is for item.Service.OnChange.
func (a *Avatar) Changed(c item.Change) {
	if c.Node.Name != Metadata && c.Node.Name != Data {
		return
	}
	switch c.Kind {
	case item.Published, item.Retracted, item.Purged, item.Deleted:
	default:
		return
	}
	a.hashes.forget(c.Owner.ID)
	a.r.Do(c.Owner.JID, func(ctx context.Context) {
		hash, err := a.hash(ctx, c.Owner.ID)
		if err == nil {
			err = a.Again(ctx, c.Owner.JID, c.Owner.ID, func(d *router.Device, st *stanza.Stanza) *stanza.Stanza {
				return a.amended(d, st, hash)
			})
		}
		if err != nil {
			a.Log.ErrorContext(ctx, "tell of an avatar", "err", err)
		}
	})
}

// amended is what the last presence of a device is to say now. Unlike a new one it may have a hash that was put there by us.
func (a *Avatar) amended(d *router.Device, st *stanza.Stanza, hash string) *stanza.Stanza {
	said, text := update(st)
	silent := a.silent.Peek(d)
	switch {
	case silent != nil && *silent, strings.EqualFold(text, hash):
		return st
	case hash == "" && !said:
		return st
	}
	return with(st, hash)
}
