// SPDX-License-Identifier: Apache-2.0

package private_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// There is a bound for one element, and one for all that somebody keeps; each has an error of its own.
func TestBounds(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		d := w.Bind("juliet/balcony")
		set := func(name string, size int) string {
			d.Take()
			d.Sendf(`<iq type="set" id="1"><query xmlns="jabber:iq:private"><%s xmlns="urn:x">%s</%s></query></iq>`, name, strings.Repeat("x", size), name)
			w.Settle()
			got := d.Take()
			switch {
			case len(got) != 1:
				return fmt.Sprint(got)
			case got[0].Type == "error":
				return stanza.ParseError(got[0]).Condition
			}
			return got[0].Type
		}
		if got := set("a", 140_000); got != "policy-violation" {
			t.Errorf("one that is too large: %s", got)
		}
		for i := range 17 {
			want := "result"
			if i == 16 { // more than 2 MiB
				want = "resource-constraint"
			}
			if got := set(fmt.Sprintf("x%d", i), 130_000); got != want {
				t.Errorf("the %dth: %s, want %s", i+1, got, want)
			}
		}
		if got := set("x0", 10); got != "result" {
			t.Errorf("a smaller one: %s", got)
		}
	})
}
