// SPDX-License-Identifier: Apache-2.0

package archive

import (
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
	for _, c := range []struct {
		name, q string
		index   string
		args    []any
	}{
		{"one", one, "archive_owner (owner=? AND id=?)", []any{1, 2}},
		{"page", page, "archive_owner (owner=? AND id>?)", []any{1, 2, 3}},
		{"marked", marked, "archive_waiting (owner=? AND id>? AND id<?)", []any{1, 2, 3, 4}},
		{"younger", younger, "archive_owner (owner=? AND id>?)", []any{1, 2, 3}},
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
			if len(plan) != 2 || !strings.HasSuffix(plan[0], c.index) || !strings.Contains(plan[1], "SEARCH p USING") {
				t.Errorf("%s: %q", c.name, plan)
			}
			return rows.Err()
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
