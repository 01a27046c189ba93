// SPDX-License-Identifier: Apache-2.0

package router

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Devices that sleep when the server stops are written down, and are back before the first client is: nobody sees them
// leave or come. What is recorded among the messages that they hold is marked as waiting in the act that writes them
// down. So whatever happens to the rest, no message is lost; and when the device is back with what it held, the marked
// messages count as fetched by it: they are given to no other, until it takes them, or is lost with them.

// ErrElsewhere is the answer where the home of an account is at another node.
var ErrElsewhere = errors.New("router: the account's home is another node")

// Saved is a device as it is written down, beside its session.
type Saved struct {
	Presence string                     `json:",omitempty"` // its last available presence; "" where it is not available
	Priority int                        `json:",omitempty"` // of that
	Slots    map[string]json.RawMessage `json:",omitempty"` // what features keep, by NewSavedSlot's name
	Held     []Held                     `json:",omitempty"` // session.Saved.Items
	Dozing   bool                       `json:",omitempty"` // see Device.Dozing
}

// Held is a stanza that the session holds.
type Held struct {
	Raw    string
	At     time.Time  // when it was sent
	ID     archive.ID `json:",omitempty"` // of a message that no device has taken, and is marked as waiting; else 0
	Missed bool       `json:",omitempty"` // Missed has run for it
}

// Save writes the device of a session down, which v is: put is called within the act that marks what has to wait. done
// hears whether that is committed, on any goroutine; the fates in v are not told of anything. The router is at its end
// then but for Close.
func (b *Binding) Save(v session.Saved, put func(tx *db.Tx, d Saved) error, done func(error)) {
	if b.home != "" {
		done(ErrElsewhere)
		return
	}
	d, t := b.device, b.device.turn
	var saved Saved
	var open []*delivery
	t.post(&job{
		before: func(context.Context) ([]write, error) {
			if d.ended {
				return nil, session.ErrEnded
			}
			saved.Slots, saved.Dozing = t.r.saveSlots(d), d.dozing
			if a := d.available.Load(); a != nil {
				saved.Presence, saved.Priority = string(a.Stanza.Raw()), a.Priority
			}
			if t.drainer == d { // what it has not come to yet goes with what it holds
				for _, c := range t.copies {
					v.Items = append(v.Items, session.Item{Stanza: c.st, At: t.r.Now(), Fate: c.fate})
				}
				t.copies = nil
			}
			saved.Held, open = t.held(v)
			t.hide(d) // it takes nothing any more: what comes now waits for the next start
			owner := t.taken.owner
			return []write{func(tx *db.Tx) error {
				if err := put(tx, saved); err != nil {
					return err
				}
				for _, dl := range open {
					if err := t.r.Store.MarkWaiting(tx, owner, dl.id); err != nil {
						return err
					}
				}
				return nil
			}}, nil
		},
		after: func(_ context.Context, err error) {
			if err == nil {
				for _, dl := range open {
					t.drop(dl) // it is marked: what was taken may be said to reach beyond it
				}
			}
			done(err)
		},
	})
}

// held looks at what a session holds, and returns also what has to be marked as waiting.
func (t *turn) held(v session.Saved) (list []Held, open []*delivery) {
	list = make([]Held, len(v.Items))
	pages := map[*pageFate]int{} // how many of its messages were seen here
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, it := range v.Items {
		list[i] = Held{Raw: string(it.Stanza.Raw()), At: it.At}
		switch f := it.Fate.(type) {
		case *messageFate:
			if f.id == 0 || f.taken {
				continue
			}
			list[i].ID, list[i].Missed = f.id, f.missed
			if !f.marked {
				open = append(open, (*delivery)(f))
			}
		case *pageFate: // in order, and those before were taken
			n := len(f.ids) - f.left + pages[f]
			pages[f]++
			list[i].ID, list[i].Missed = f.ids[n], true
		}
	}
	return list, open
}

// saveSlots returns what features keep with a device and is not at its zero value.
func (r *Router) saveSlots(d *Device) map[string]json.RawMessage {
	m := map[string]json.RawMessage{}
	for i, v := range d.slots {
		k := r.slots[i]
		if v == nil || k.zero == nil {
			continue
		}
		text, err := json.Marshal(v)
		none, _ := json.Marshal(k.zero())
		switch {
		case err != nil:
			r.log.Error("save what a device has", "name", k.name, "err", err) // it begins anew
		case !bytes.Equal(text, none):
			m[k.name] = text
		}
	}
	return m
}

// restoreSlots is the way back. What cannot be read begins anew.
func (r *Router) restoreSlots(d *Device, m map[string]json.RawMessage) {
	for i, k := range r.slots {
		text, ok := m[k.name]
		if !ok || k.zero == nil {
			continue
		}
		v := k.zero()
		if err := json.Unmarshal(text, v); err != nil {
			r.log.Warn("restore what a device had", "name", k.name, "err", err)
			continue
		}
		for len(d.slots) <= i {
			d.slots = append(d.slots, nil)
		}
		d.slots[i] = v
	}
}

// Restore enters a device that was saved into the directory, asleep, with a session that is v and holds what d says. No
// feature hears of it: for them it was never away. It is called for all of them before Start, in the order in which they
// were bound; then comes Restored. kick is as for session.Session.Detach. It returns ErrElsewhere, or account.ErrUnknown
// or account.ErrDisabled where the account has no devices any more.
func (r *Router) Restore(
	ctx context.Context, v session.Saved, d Saved, kick func(*session.Kick),
) (*session.Session, *Binding, error) {
	bare := v.JID.Bare()
	if r.Peers.Home(bare) != "" {
		return nil, nil, ErrElsewhere
	}
	owner, err := r.Accounts.Lookup(ctx, bare.Local())
	switch {
	case err != nil:
		return nil, nil, err
	case owner.Disabled:
		return nil, nil, account.ErrDisabled
	case v.Unacked > len(d.Held):
		return nil, nil, fmt.Errorf("router: %d stanzas, of which %d are not acknowledged", len(d.Held), v.Unacked)
	}
	v.Items = nil
	for _, h := range d.Held {
		st, err := parseStored(xmlstream.Raw(h.Raw))
		if err != nil {
			return nil, nil, fmt.Errorf("stored stanza: %w", err)
		}
		v.Items = append(v.Items, session.Item{Stanza: st, At: h.At})
	}
	dev := &Device{JID: v.JID, Client: v.Client, LogIn: v.LogIn}
	if d.Presence != "" {
		st, err := parseStored(xmlstream.Raw(d.Presence))
		if err != nil {
			return nil, nil, fmt.Errorf("stored presence: %w", err)
		}
		dev.available.Store(&Available{Stanza: st, Priority: d.Priority})
	}
	r.restoreSlots(dev, d.Slots)
	done := make(chan *session.Session)
	r.postOn(bare, func(t *turn) *job {
		return &job{after: func(context.Context, error) { done <- t.restore(dev, owner.ID, v, d, kick) }}
	})
	s := <-done
	b := &Binding{r: r, session: s, device: dev}
	s.Watch(b)
	return s, b, nil
}

// restore is Restore in the turn.
func (t *turn) restore(dev *Device, owner int64, v session.Saved, d Saved, kick func(*session.Kick)) *session.Session {
	t.mu.Lock()
	t.taken.owner = owner
	t.mu.Unlock()
	for i := range v.Items {
		v.Items[i].Fate = t.fateOf(dev.JID, v.Items[i].Stanza, d.Held[i])
	}
	s := session.Restore(v, session.ClientCredit(), kick)
	dev.turn, dev.port = t, localPort{s}
	dev.asleep.Store(t.r.Now().UnixNano())
	dev.dozing = d.Dozing
	t.setDevices(append(t.devices[:len(t.devices):len(t.devices)], dev))
	return s
}

// Restored follows the last Restore: what waited before the stop, and is in no device's queue, goes to one that is there.
// Before, it could not be told from what the devices hold that were still to be restored.
func (r *Router) Restored() {
	r.turnsMu.Lock()
	turns := slices.Collect(maps.Values(r.turns))
	r.turnsMu.Unlock()
	for _, t := range turns {
		t.post(&job{after: func(ctx context.Context, _ error) { t.drainAny(ctx) }})
	}
}

// Lost tells those who saw a saved device that it is gone: it could not be restored. It is called after the last Restore,
// when all who are to hear of it are there.
func (r *Router) Lost(full jid.JID, d Saved) {
	dev := &Device{JID: full, port: noPort{}}
	if d.Presence != "" { // whatever it says
		dev.available.Store(&Available{Stanza: stanza.New(stanza.Presence, "", "", full, jid.JID{}), Priority: d.Priority})
	}
	r.restoreSlots(dev, d.Slots)
	r.postOn(full.Bare(), func(t *turn) *job {
		dev.turn = t
		return t.ending(dev)
	})
}

// noPort is the way to a device that is not there.
type noPort struct{}

func (noPort) send(_ *stanza.Stanza, fate session.Fate) {
	if fate != nil {
		fate.Lost()
	}
}
func (noPort) kick(*session.Kick)      {}
func (noPort) abandon() []session.Fate { return nil }

// fateOf is what is to become of a stanza that a device held when the server stopped.
func (t *turn) fateOf(device jid.JID, st *stanza.Stanza, h Held) session.Fate {
	switch {
	case h.ID != 0:
		if t.kept == nil {
			t.kept = map[archive.ID]*delivery{}
		}
		if t.fetched == nil {
			t.fetched = map[archive.ID]bool{}
		}
		dl := t.kept[h.ID]
		if dl == nil {
			dl = &delivery{t: t, m: st, id: h.ID, marked: true, missed: h.Missed, settled: true}
			t.kept[h.ID], t.fetched[h.ID] = dl, true
		}
		dl.had = append(dl.had, given{to: device, state: Asleep})
		t.mu.Lock()
		dl.holders++
		t.mu.Unlock()
		return (*messageFate)(dl)
	case isRequest(st):
		return &requestFate{t, st}
	case st.Kind == stanza.Message && st.Type == "groupchat":
		return &messageFate{t: t, m: st, holders: 1}
	}
	return nil
}

// taking notes that a device has taken a message that is marked.
func (t *turn) taking(dl *delivery) *job {
	if dl.shared {
		return &job{after: func(context.Context, error) { t.took(dl) }}
	}
	return &job{
		before: func(context.Context) ([]write, error) {
			owner := t.taken.owner
			return []write{func(tx *db.Tx) error { return t.r.Store.Unmark(tx, owner, dl.id) }}, nil
		},
		after: func(ctx context.Context, err error) {
			if err != nil {
				t.r.log.ErrorContext(ctx, "note what was taken", "err", err) // it comes once more some time
			}
			t.release(dl)
		},
	}
}

// losingMarked lets another device fetch a message that is marked.
func (t *turn) losingMarked(dl *delivery) *job {
	return &job{after: func(ctx context.Context, _ error) {
		if dl.shared {
			delete(t.shared, dl.id)
		} else {
			t.release(dl)
		}
		if dl.missed {
			t.drainAny(ctx)
		} else {
			t.late(ctx, dl)
		}
	}}
}

func (t *turn) release(dl *delivery) {
	delete(t.fetched, dl.id)
	delete(t.kept, dl.id)
}
