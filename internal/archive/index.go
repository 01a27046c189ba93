// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"context"
	"fmt"

	"github.com/kith-im/kith/internal/db"
)

// There are two indexes besides the one by id: by peer, and by words. An owner's entries are put into them when the owner
// has asked for such, or somebody took a message back, and much had to be looked through for that: what nobody asks for
// costs nothing, and a message that is recorded waits for neither. What is not indexed yet is looked through.

// indexWorth is how many entries are looked through before it is worth indexing them.
const indexWorth = 100

// indexRows is how many entries one act indexes. Each takes as long as some other rows do that are changed.
const indexRows = db.BatchRows / 5

// indexBytes is how many bytes of stanzas, or a little more, one act indexes.
const indexBytes = 256 << 10

// wanted says what is to be indexed.
type wanted struct {
	owner int64
	texts bool // else peers
}

// want has Run index what w says; if it has too much to do, the next who asks wants it again.
func (a *Archive) want(w wanted) {
	select {
	case a.wanted <- w:
	default:
	}
}

// marks returns the ids up to which the entries of owner are indexed by peer and by words.
func marks(tx db.Querier, owner int64) (peers, texts ID, err error) {
	err = none(tx.QueryRow("SELECT peers, texts FROM archive_indexed WHERE owner = $1", owner).Scan(&peers, &texts))
	return peers, texts, err
}

const (
	// toIndex reads what is not indexed yet.
	toIndex = `SELECT seq, id, peer, raw FROM archive WHERE owner = $1 AND id > $2 AND peer > 0 ORDER BY id LIMIT $3` // archive_owner

	countWith = `SELECT n FROM archive_with WHERE owner = $1 AND peer = $2 ORDER BY id DESC LIMIT 1`
	addWith   = `INSERT INTO archive_with (owner, peer, id, n, seq) VALUES ($1, $2, $3, $4, $5)`
	addText   = `INSERT INTO archive_text (rowid, words) VALUES ($1, $2)`

	markPeers = `
		INSERT INTO archive_indexed (owner, peers, texts) SELECT id, $2, 0 FROM account WHERE id = $1
		ON CONFLICT (owner) DO UPDATE SET peers = excluded.peers`
	markTexts = `
		INSERT INTO archive_indexed (owner, peers, texts) SELECT id, 0, $2 FROM account WHERE id = $1
		ON CONFLICT (owner) DO UPDATE SET texts = excluded.texts`
)

// index indexes what w says.
func (a *Archive) index(ctx context.Context, w wanted) error {
	some := indexPeers
	if w.texts {
		some = indexTexts
	}
	if err := a.db.Batched(ctx, func(tx *db.Tx) (int, error) { return some(tx, w.owner) }); err != nil {
		return fmt.Errorf("index archive of %d: %w", w.owner, err)
	}
	return nil
}

// A row is an entry that is to be indexed.
type row struct {
	seq, id, peer int64
	raw           string
}

func rowsAfter(tx *db.Tx, owner int64, mark ID) (list []row, err error) {
	rows, err := tx.Query(toIndex, owner, int64(mark), indexRows)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for size := 0; size < indexBytes && rows.Next(); {
		var r row
		if err := rows.Scan(&r.seq, &r.id, &r.peer, &r.raw); err != nil {
			return nil, err
		}
		list = append(list, r)
		size += len(r.raw)
	}
	return list, rows.Err()
}

// indexPeers indexes some entries of owner by peer, and returns how many.
func indexPeers(tx *db.Tx, owner int64) (int, error) {
	mark, _, err := marks(tx, owner)
	if err != nil {
		return 0, err
	}
	list, err := rowsAfter(tx, owner, mark)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	counts := map[int64]int64{}
	for _, r := range list {
		n, ok := counts[r.peer]
		if !ok {
			if err := none(tx.QueryRow(countWith, owner, r.peer).Scan(&n)); err != nil {
				return 0, err
			}
		}
		n++
		counts[r.peer] = n
		if _, err := tx.Exec(addWith, owner, r.peer, r.id, n, r.seq); err != nil {
			return 0, err
		}
	}
	_, err = tx.Exec(markPeers, owner, list[len(list)-1].id)
	return len(list), err
}

// indexTexts indexes the words of some entries of owner, and returns how many.
func indexTexts(tx *db.Tx, owner int64) (int, error) {
	_, mark, err := marks(tx, owner)
	if err != nil {
		return 0, err
	}
	list, err := rowsAfter(tx, owner, mark)
	if err != nil || len(list) == 0 {
		return 0, err
	}
	for _, r := range list {
		st, err := parse(r.raw)
		if err != nil {
			continue // nobody can read it
		}
		if doc := document(owner, st); doc != "" {
			if _, err := tx.Exec(addText, r.seq, doc); err != nil {
				return 0, err
			}
		}
	}
	_, err = tx.Exec(markTexts, owner, list[len(list)-1].id)
	return len(list), err
}
