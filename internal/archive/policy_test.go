// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

func TestPolicy(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, d *db.DB, a *archive.Archive, c *clock) {
		same := func(x, y archive.Policy) bool {
			return x.Otherwise == y.Otherwise && slices.Equal(x.Always, y.Always) && slices.Equal(x.Never, y.Never)
		}
		check := func(a *archive.Archive, owner int64, want archive.Policy) {
			t.Helper()
			if got, err := a.Policy(t.Context(), owner); err != nil || !same(got, want) {
				t.Errorf("%d wants %v, %v, not %v", owner, got, err, want)
			}
		}
		everything := archive.Policy{Otherwise: archive.Always}
		check(a, romeo, everything)
		mine := archive.Policy{Otherwise: archive.Roster, Always: []jid.JID{juliets, jid.MustParse("verona.example")},
			Never: []jid.JID{jid.MustParse("nurse@kith.example/with a blank")}}
		set := func(p archive.Policy, fail error) {
			t.Helper()
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				if err := a.SetPolicy(tx, romeo, p); err != nil {
					return err
				}
				return fail
			})
			if !errors.Is(err, fail) {
				t.Error(err)
			}
		}
		set(mine, errors.New("undone"))
		check(a, romeo, everything)
		set(mine, nil)
		check(a, romeo, mine)
		check(a, juliet, everything)
		check(archive.New(d, c.now), romeo, mine) // after a start
		set(everything, nil)
		check(a, romeo, everything)
		check(archive.New(d, c.now), romeo, everything)
	})
}

func TestPolicyOf(t *testing.T) {
	t.Parallel()
	p := archive.Policy{Otherwise: archive.Roster, Always: []jid.JID{juliets, jid.MustParse("nurse@kith.example/a")}, Never: []jid.JID{romeos}}
	both := archive.Policy{Otherwise: archive.Always, Always: []jid.JID{juliets}, Never: []jid.JID{jid.MustParse("juliet@kith.example/a")}}
	for _, c := range []struct {
		name string
		p    archive.Policy
		who  string
		want archive.Wish
	}{
		{"a bare address", p, "juliet@kith.example", archive.Always},
		{"its resource", p, "juliet@kith.example/balcony", archive.Always},
		{"a resource that is named", p, "nurse@kith.example/a", archive.Always},
		{"another one", p, "nurse@kith.example/b", archive.Roster},
		{"its bare address", p, "nurse@kith.example", archive.Roster},
		{"never", p, "romeo@kith.example/orchard", archive.Never},
		{"in neither list", p, "tybalt@kith.example", archive.Roster},
		{"in both lists", both, "juliet@kith.example/a", archive.Never},
		{"in one of them", both, "juliet@kith.example/b", archive.Always},
	} {
		if got := c.p.Of(jid.MustParse(c.who)); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}
