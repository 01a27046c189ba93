// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A disk is what a server has left behind.
type disk struct {
	sent     map[key][]archive.ID // in the senders' archives
	received map[key][]archive.ID // in the recipients'
	transit  map[key]int
	marked   map[key]bool // as waiting
	problems []string
}

// inspect looks at what the server has left behind. settled says that all was delivered and that it stopped in good
// order.
func (w *world) inspect(settled bool) {
	w.t.Helper()
	k, err := w.open(settled)
	if err != nil {
		w.t.Fatal(err)
	}
	k.compare(w.ledger, settled)
	for i, p := range k.problems {
		if i == 25 {
			w.t.Errorf("and %d more", len(k.problems)-i)
			break
		}
		w.t.Errorf("on the disk: %s", p)
	}
	if w.t.Failed() {
		w.t.FailNow()
	}
}

// compare holds what is on the disk against what clients know.
func (k *disk) compare(l *ledger, settled bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, m := range l.messages {
		sent, received, onWay := len(k.sent[name]), len(k.received[name]), k.transit[name]
		switch {
		case m.acked && sent == 0:
			k.wrong("%v was acknowledged, and the sender does not have it", name)
		case sent > 1+m.again:
			k.wrong("%v was sent again %d times, and the sender has it %d times", name, m.again, sent)
		case sent > received+onWay:
			k.wrong("%v is lost: the sender has it %d times, the recipient %d, and on its way: %d", name, sent, received, onWay)
		case sent < received+onWay:
			k.wrong("%v: the recipient has it %d times, the sender %d, and on its way: %d", name, received, sent, onWay)
		case m.id != "" && !slices.ContainsFunc(k.received[name], func(id archive.ID) bool { return id.String() == m.id }):
			k.wrong("%v was delivered with the id %s, and has the id %v", name, m.id, k.received[name])
		case settled && received > 0 && m.id == "":
			k.wrong("%v was never delivered", name)
		}
	}
	for _, list := range []map[key][]archive.ID{k.sent, k.received} {
		for name := range list {
			if l.messages[name] == nil {
				k.wrong("%v was never sent", name)
			}
		}
	}
	if settled && len(k.transit) > 0 {
		k.wrong("still on their way: %v", k.transit)
	}
	if settled && len(k.marked) > 0 {
		k.wrong("still waiting: %v", k.marked)
	}
}

func (k *disk) wrong(format string, args ...any) {
	k.problems = append(k.problems, fmt.Sprintf(format, args...))
}

// look calls f with a copy of the database, and the names of the accounts: to open it changes it, and the next life shall
// find what the last one left.
func (w *world) look(f func(d *db.DB, owners map[int64]string) error) (err error) {
	dir, err := os.MkdirTemp(w.t.TempDir(), "copy")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) // else it goes with the test
	for _, name := range []string{"kith.db", "kith.db-wal"} {
		b, err := os.ReadFile(filepath.Join(w.dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), b, 0o600)
		}
		if err != nil {
			return err
		}
	}
	d, err := db.Open(w.t.Context(), db.Options{Path: filepath.Join(dir, "kith.db")})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	owners, err := readOwners(w.t.Context(), d)
	if err != nil {
		return err
	}
	return f(d, owners)
}

// open reads the database. Where the last life was killed, it is not settled.
func (w *world) open(settled bool) (*disk, error) {
	k := &disk{sent: map[key][]archive.ID{}, received: map[key][]archive.ID{}, transit: map[key]int{}, marked: map[key]bool{}}
	err := w.look(func(d *db.DB, owners map[int64]string) error { return k.read(w, d, owners, settled) })
	return k, err
}

func (k *disk) read(w *world, d *db.DB, owners map[int64]string, settled bool) error {
	a := archive.New(d, time.Now)
	for id, name := range owners {
		if err := k.readArchive(w, a, id, name); err != nil {
			return err
		}
	}
	err := a.Transits(w.t.Context(), func(tr archive.Transit) error {
		name, _, err := parse(tr.Raw)
		if err == nil && (owners[tr.Owner] != name.from || tr.Hop != address(name.to)) {
			err = fmt.Errorf("%v is on its way from %s to %s", name, owners[tr.Owner], tr.Hop)
		}
		k.transit[name]++
		return err
	})
	if !settled && err == nil {
		for _, m := range w.memories {
			err = errors.Join(err, m.died(w.t.Context(), d, k))
		}
	}
	return err
}

func readOwners(ctx context.Context, d *db.DB) (map[int64]string, error) {
	owners := map[int64]string{}
	err := d.Read(ctx, func(tx *db.ReadTx) error {
		rows, err := tx.Query("SELECT id, name FROM account")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var id int64
			var name string
			if err := rows.Scan(&id, &name); err != nil {
				return err
			}
			owners[id] = name
		}
		return rows.Err()
	})
	return owners, err
}

// readArchive reads the archive of one account.
func (k *disk) readArchive(w *world, a *archive.Archive, id int64, owner string) error {
	last := map[key]int{} // of each pair
	return eachEntry(w.t.Context(), a, id, func(e archive.Entry) { k.entry(w, e, owner, last) })
}

// eachEntry reads the archive of one account from its beginning.
func eachEntry(ctx context.Context, a *archive.Archive, id int64, f func(archive.Entry)) error {
	const page = 500
	after := archive.ID(0)
	for {
		list, err := a.Page(ctx, id, after, page)
		if err != nil {
			return err
		}
		for _, e := range list {
			after = e.ID
			f(e)
		}
		if len(list) < page {
			return nil
		}
	}
}

func (k *disk) entry(w *world, e archive.Entry, owner string, last map[key]int) {
	name, from, err := parse(e.Raw)
	if err != nil {
		k.wrong("in the archive of %s: %v", owner, err)
		return
	}
	mine, peer, list := name.from, name.to, k.sent
	if !e.Sent {
		mine, peer, list = name.to, name.from, k.received
	}
	switch {
	case mine != owner || e.Peer != address(peer) || from.Bare() != address(name.from):
		k.wrong("%v in the archive of %s: with %s, sent %t, from %s", name, owner, e.Peer, e.Sent, from)
	case w.ledger.again(name): // it may be there twice, and behind others
	case len(list[name]) > 0:
		k.wrong("%v is in the archive of %s twice", name, owner)
	case last[name.pair()] >= name.n:
		k.wrong("%v in the archive of %s is behind number %d", name, owner, last[name.pair()])
	}
	list[name] = append(list[name], e.ID)
	last[name.pair()] = max(last[name.pair()], name.n)
	if e.Waiting {
		k.marked[name] = true
	}
}

func parseStored(raw xmlstream.Raw) (*xmlstream.Element, error) {
	return xmlstream.Parse(string(raw), xmlstream.AfterAuth)
}

// parse reads a stored message.
func parse(raw xmlstream.Raw) (key, jid.JID, error) {
	el, err := parseStored(raw)
	if err != nil {
		return key{}, jid.JID{}, err
	}
	name, _, err := read(el.Root(), "")
	if err != nil {
		return name, jid.JID{}, err
	}
	from, err := jid.Parse(el.Root().Attr("from"))
	return name, from, err
}
