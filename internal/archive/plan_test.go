// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
)

// Whatever is in an archive, reading it walks along an index from where it begins, and sorts nothing.
func TestPlans(t *testing.T) {
	t.Parallel()
	accounts := db.Schema{Name: "owners", FS: fstest.MapFS{
		"schema/0001_account.sql": {Data: []byte("CREATE TABLE account (id BIGINT PRIMARY KEY)")},
	}}
	d := dbtest.New(t, accounts, Schema())
	const (
		peer    = "SEARCH p USING INDEX archive_peer_id (owner=? AND id=?)"
		between = "archive_owner (owner=? AND id>? AND id<?)"
		with    = "PRIMARY KEY (owner=? AND peer=? AND id>? AND id<?)"
		bySeq   = "SEARCH a USING INTEGER PRIMARY KEY (rowid=?)"
	)
	for _, c := range []struct {
		name, q string
		want    []string // the end of each step
		args    []any
	}{
		{"one", one, []string{"archive_owner (owner=? AND id=?)", peer}, []any{1, 2}},
		{"page", page, []string{"archive_owner (owner=? AND id>?)", peer}, []any{1, 2, 3}},
		{"marked", marked, []string{"archive_waiting (owner=? AND id>? AND id<?)", peer}, []any{1, 2, 3, 4}},
		{"younger", younger, []string{"archive_owner (owner=? AND id>?)", peer}, []any{1, 2, 3}},
		{"all marked", allMarked, []string{"archive_waiting (owner=? AND id>?)", peer}, []any{1, 2, 3}},
		{"recover", markUnseen, []string{
			"archive_owner (owner=? AND id=?)", "SUBQUERY 2", "SCAN o",
			"(owner=?) LEFT-JOIN", "archive_owner (owner=? AND id>?)",
		}, nil},
		{"whether there is one", known, []string{"COVERING INDEX archive_owner (owner=? AND id=? AND peer>?)"}, []any{1, 2}},
		{"the first of all", first, []string{between}, []any{1, 2, 3}},
		{"the last of all", last, []string{between}, []any{1, 2, 3}},
		{"the first with a peer", firstWith, []string{with}, []any{1, 2, 3, 4}},
		{"the last with a peer", lastWith, []string{with}, []any{1, 2, 3, 4}},
		{"a page of all", forward, []string{between}, []any{1, 2, 3, 4}},
		{"a page before", backward, []string{between}, []any{1, 2, 3, 4}},
		{"a page with a peer", forwardWith, []string{with, bySeq}, []any{1, 2, 3, 4, 5}},
		{"a page with a peer before", backwardWith, []string{with, bySeq}, []any{1, 2, 3, 4, 5}},
		{"what is not indexed by peer", tailWith, []string{"COVERING INDEX " + between}, []any{1, 2, 3, 4}},
		{"to look through", scan, []string{between}, []any{1, 2, 3, 4}},
		{"to be indexed", toIndex, []string{"archive_owner (owner=? AND id>?)"}, []any{1, 2, 3}},
		{"how many with a peer", countWith, []string{"PRIMARY KEY (owner=? AND peer=?)"}, []any{1, 2}},
		{"by words", byWords, []string{"SCAN archive_text VIRTUAL TABLE INDEX 64:M1", bySeq}, []any{1, 2, 3, 4, "x"}},
		{"what is retracted", originals, []string{"CO-ROUTINE x", "archive_owner (owner=? AND id>?)", "SCAN x"},
			[]any{1, 2, 0, 10, true, "a", "b", "c", "d"}},
		{"what is retracted, with a peer", originalsWith, []string{"CO-ROUTINE x", "PRIMARY KEY (owner=? AND peer=? AND id>?)", bySeq, "SCAN x"},
			[]any{1, 2, 0, 10, true, "a", "b", "c", "d"}},
		{"what is retracted and passing", originalsPassing, []string{"CO-ROUTINE x", "archive_passing (owner=?)", "SCAN x", "USE TEMP B-TREE FOR ORDER BY"},
			[]any{1, 2, 0, 10, true, "a", "b", "c", "d"}},
		{"too old", oldest, []string{"SCAN o", "CORRELATED SCALAR SUBQUERY 1", "archive_owner (owner=?)"}, []any{1}},
		{"first in transit", firstTransit, []string{"(owner=?)"}, []any{1}},
		{"first that waits", firstWaiting, []string{"archive_waiting (owner=?)"}, []any{1}},
		{"remove the oldest", removeBefore, []string{"SEARCH archive USING INTEGER PRIMARY KEY (rowid=?)", "LIST SUBQUERY 1",
			"archive_owner (owner=? AND id<?)"}, []any{1, 2, 3}},
		{"who is not there any more", unused, []string{"archive_peer_id (owner=?)", "LIST SUBQUERY 1",
			"COVERING INDEX archive_owner (owner=?)", "CREATE BLOOM FILTER"}, []any{1}},
		{"remove who is not there", removeUnused, []string{"archive_peer_id (owner=? AND id=?)", "SCALAR SUBQUERY 1",
			"COVERING INDEX archive_owner (owner=? AND id>?)"}, []any{1, 2, 3}},
	} {
		err := d.Read(t.Context(), func(tx *db.ReadTx) error {
			rows, err := tx.Query("EXPLAIN QUERY PLAN "+c.q, c.args...)
			if err != nil {
				return err
			}
			defer rows.Close()
			var plan []string
			for rows.Next() {
				var id, parent, unused int
				var step string
				if err := rows.Scan(&id, &parent, &unused, &step); err != nil {
					return err
				}
				plan = append(plan, step)
			}
			if !slices.EqualFunc(plan, c.want, strings.HasSuffix) {
				t.Errorf("%s: %q", c.name, plan)
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
