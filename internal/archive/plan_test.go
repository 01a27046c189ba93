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
	accounts := db.Schema{Name: "account", FS: fstest.MapFS{
		"schema/0001_account.sql": {Data: []byte("CREATE TABLE account (id BIGINT PRIMARY KEY)")},
	}}
	d := dbtest.New(t, accounts, Schema())
	const peer = "SEARCH p USING INDEX archive_peer_id (owner=? AND id=?)"
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
