// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"
	"math"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const nsRetract = "urn:xmpp:message-retract:1"

// retractable is how many of the newest entries with a peer are looked through for the one that is retracted, since
// whoever sends us retractions decides how often that is done.
const retractable = 2000

// A Retraction takes a message back (XEP-0424 v0.4.2). It is looked up (Retracted) before the act that records it, so that
// no writer waits for that, and done in that act (Retract).
type Retraction struct {
	owner  int64
	peer   jid.JID
	sent   bool
	st     *stanza.Stanza
	target string // the id that the message has
	found  ID     // its entry; 0 where there was none yet
	seen   ID     // up to which entries were looked through
}

// Retracted reads what st takes back of what owner has sent to a peer, or received; nil where it takes nothing back. peer
// is bare.
func (a *Archive) Retracted(ctx context.Context, owner int64, peer jid.JID, sent bool, st *stanza.Stanza) (*Retraction, error) {
	n, ok := st.Child(nsRetract, "retract")
	if !ok || n.Attr("id") == "" || st.ID == "" { // without an id the tombstone could not name it (XEP-0424 §4)
		return nil, nil
	}
	r := &Retraction{owner: owner, peer: peer, sent: sent, st: st, target: n.Attr("id")}
	unindexed := 0
	err := a.db.Read(ctx, func(tx *db.ReadTx) (err error) {
		f := &finder{Query: All(owner, 0), tx: tx}
		if unindexed, r.seen, err = f.unknown(); err == nil {
			r.found, _, err = r.original(tx, 0)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("look for what is retracted: %w", err)
	}
	if unindexed >= indexWorth {
		a.want(wanted{owner: owner})
	}
	return r, nil
}

// unknown returns how many entries are not in the index by peer yet, and the id of the last of all.
func (f *finder) unknown() (n int, seen ID, err error) {
	const q = `SELECT id FROM archive WHERE owner = $1 ORDER BY id DESC LIMIT 1` // archive_owner
	if err := none(f.tx.QueryRow(q, f.Owner).Scan(&seen)); err != nil {
		return 0, 0, err
	}
	if f.low, _, err = marks(f.tx, f.Owner); err != nil {
		return 0, 0, err
	}
	f.high = math.MaxInt64
	begin, err := f.edge(first)
	if err != nil || begin.id == 0 {
		return 0, seen, err
	}
	end, err := f.edge(last)
	return int(end.n - begin.n + 1), seen, err
}

// Retract leaves a tombstone of the message that r takes back, where it is in the archive and by the same author
// (XEP-0424 §5), or where it waits. It belongs into the act that records the retraction as the entry id; 0 where that is not
// recorded.
func (a *Archive) Retract(tx *db.Tx, r *Retraction, id ID) error {
	after := r.seen // what has come since
	if r.found != 0 {
		after = r.found - 1
	}
	found, st, err := r.original(tx, after)
	if err != nil || found == 0 {
		return err
	}
	if id == 0 {
		if id, err = a.NextID(tx, r.owner); err != nil {
			return err
		}
	}
	var b xmlstream.Builder
	b.Start(nsRetract, "retracted").Attr("id", r.st.ID).Attr("stamp", delay.Stamp(id.Time())) // XEP-0424 §4
	tomb := stanza.New(st.Kind, st.Type, st.ID, st.From, st.To, b.End().Build())
	tomb.Lang = st.Lang
	const q = `UPDATE archive SET raw = $3 WHERE owner = $1 AND id = $2` // archive_owner
	if _, err := tx.Exec(q, r.owner, int64(found), string(tomb.Raw())); err != nil {
		return fmt.Errorf("retract %v of %d: %w", found, r.owner, err)
	}
	return nil
}

// These look for entries with a peer, $2, after an id, $3, that begin in one of two ways: texts are compared byte by byte.
const (
	begins = `) x WHERE sent = $5 AND (raw > $6 AND raw < $7 OR raw > $8 AND raw < $9) ORDER BY id DESC LIMIT 1`

	originals = `SELECT id, raw FROM (
		SELECT id, sent, raw FROM archive WHERE owner = $1 AND peer = $2 AND id > $3 ORDER BY id DESC LIMIT $4` + begins  // archive_owner
	originalsWith = `SELECT id, raw FROM (
		SELECT w.id, a.sent, a.raw FROM archive_with w JOIN archive a ON a.seq = w.seq
		WHERE w.owner = $1 AND w.peer = $2 AND w.id > $3 ORDER BY w.id DESC LIMIT $4` + begins  // its key
	originalsPassing = `SELECT id, raw FROM (
		SELECT id, sent, raw FROM archive
		WHERE owner = $1 AND peer = -$2 AND peer < 0 AND +id > $3 ORDER BY seq DESC LIMIT $4` + begins  // archive_passing
)

// original returns the newest entry after the id after that r takes back, and its stanza; 0 where there is none.
func (r *Retraction) original(tx db.Querier, after ID) (ID, *stanza.Stanza, error) {
	var peer int64
	const q = "SELECT id FROM archive_peer WHERE owner = $1 AND address = $2"
	if err := none(tx.QueryRow(q, r.owner, r.peer.String()).Scan(&peer)); err != nil || peer == 0 {
		return 0, nil, err
	}
	mark, _, err := marks(tx, r.owner)
	if err != nil {
		return 0, nil, err
	}
	var id ID
	var raw string
	for _, look := range []struct {
		q     string
		after ID
	}{{originals, max(after, mark)}, {originalsWith, after}, {originalsPassing, after}} {
		args := []any{r.owner, peer, int64(look.after), retractable, r.sent}
		for _, typ := range []string{"chat", ""} {
			head := beginning(typ, r.target)
			args = append(args, head+" ", head+"!") // which follows the blank
		}
		var found ID
		var text string
		if err := none(tx.QueryRow(look.q, args...).Scan(&found, &text)); err != nil {
			return 0, nil, err
		}
		if found > id {
			id, raw = found, text
		}
	}
	if id == 0 {
		return 0, nil, nil
	}
	st, err := parse(raw)
	if err != nil || st.ID != r.target || !r.by(st) {
		return 0, nil, nil
	}
	return id, st, nil
}

// beginning is how the text of a kept message begins that has this type and id; a blank follows.
func beginning(typ, id string) string {
	empty := stanza.New(stanza.Message, typ, id, jid.JID{}, jid.JID{}).Raw()
	return string(empty[:len(empty)-len("/>")])
}

// by reports whether r may take the message back: it has the same author, and is a message with something in it. In a
// private conversation within a group, who that is stands in the resource (XEP-0424 §5).
func (r *Retraction) by(st *stanza.Stanza) bool {
	if _, gone := st.Child(nsRetract, "retracted"); gone {
		return false
	}
	if _, itself := st.Child(nsRetract, "retract"); itself { // XEP-0424 §5: it MUST be stored
		return false
	}
	if st.From.Bare() != r.st.From.Bare() || st.To.Bare() != r.st.To.Bare() {
		return false
	}
	if !private(st) && !private(r.st) {
		return true
	}
	if r.sent {
		return st.To == r.st.To
	}
	return st.From == r.st.From
}

// private reports whether a message belongs to a private conversation within a group (XEP-0045 §7.5).
func private(st *stanza.Stanza) bool {
	_, ok := st.Child("http://jabber.org/protocol/muc#user", "x")
	return ok
}
