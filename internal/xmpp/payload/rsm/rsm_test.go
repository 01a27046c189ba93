// SPDX-License-Identifier: Apache-2.0

package rsm

import (
	"errors"
	"strconv"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func parse(t testing.TB, text string) xmlstream.Node {
	t.Helper()
	el, err := xmlstream.Parse(text, xmlstream.AfterAuth)
	if err != nil {
		t.Fatal(err)
	}
	return el.Root()
}

func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, set string
		want      Request
		bad       bool
	}{
		{"nothing is said", ``, Request{Max: -1, Index: -1}, false},
		{"nothing is asked", `<set xmlns="http://jabber.org/protocol/rsm"/>`, Request{Max: -1, Index: -1}, false},
		{"of another protocol", `<set xmlns="urn:x"><max>1</max></set>`, Request{Max: -1, Index: -1}, false},
		{"the first page", `<set xmlns="http://jabber.org/protocol/rsm"><max>10</max></set>`, Request{Max: 10, Index: -1}, false},
		{"the next page", `<set xmlns="http://jabber.org/protocol/rsm"><max>10</max><after>a&amp;b</after></set>`,
			Request{Max: 10, After: "a&b", Index: -1}, false},
		{"the page before", `<set xmlns="http://jabber.org/protocol/rsm"><max>10</max><before>c</before></set>`,
			Request{Max: 10, Before: "c", Last: true, Index: -1}, false},
		{"the last page", `<set xmlns="http://jabber.org/protocol/rsm"><before/></set>`, Request{Max: -1, Last: true, Index: -1}, false},
		{"by index", `<set xmlns="http://jabber.org/protocol/rsm"><max>10</max><index>371</index></set>`,
			Request{Max: 10, Index: 371}, false},
		{"only the number", `<set xmlns="http://jabber.org/protocol/rsm"><max>0</max></set>`, Request{Max: 0, Index: -1}, false},
		{"white space", `<set xmlns="http://jabber.org/protocol/rsm"><max> 7 </max></set>`, Request{Max: 7, Index: -1}, false},
		{"very much", `<set xmlns="http://jabber.org/protocol/rsm"><max>99999999999</max></set>`, Request{Max: 1<<31 - 1, Index: -1}, false},
		{"less than nothing", `<set xmlns="http://jabber.org/protocol/rsm"><max>-1</max></set>`, All(), true},
		{"no number", `<set xmlns="http://jabber.org/protocol/rsm"><max>ten</max></set>`, All(), true},
		{"an empty number", `<set xmlns="http://jabber.org/protocol/rsm"><max/></set>`, All(), true},
		{"an index that is none", `<set xmlns="http://jabber.org/protocol/rsm"><index>1.5</index></set>`, All(), true},
	} {
		got, err := Of(parse(t, `<query xmlns="urn:q">`+c.set+`</query>`))
		if got != c.want || (err != nil) != c.bad || c.bad && !errors.Is(err, stanza.BadRequest) {
			t.Errorf("%s: got %+v, %v", c.name, got, err)
		}
	}
}

func TestWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		page Page
		want xmlstream.Raw
	}{
		{"a page", Page{"a", "b<", 3, 17}, `<set xmlns="http://jabber.org/protocol/rsm"><first index="3">a</first><last>b&lt;</last><count>17</count></set>`},
		{"without numbers", Page{"a", "a", -1, -1}, `<set xmlns="http://jabber.org/protocol/rsm"><first>a</first><last>a</last></set>`},
		{"an empty page of many", Page{Count: 790}, `<set xmlns="http://jabber.org/protocol/rsm"><count>790</count></set>`},
		{"nothing at all", Page{}, `<set xmlns="http://jabber.org/protocol/rsm"><count>0</count></set>`},
	} {
		var b xmlstream.Builder
		c.page.Write(&b)
		if got := b.Build(); got != c.want {
			t.Errorf("%s: got %s, want %s", c.name, got, c.want)
		}
	}
}

// write writes r as a client would.
func write(b *xmlstream.Builder, r Request) {
	b.Start(NS, "set")
	if r.Max >= 0 {
		b.Start(NS, "max").Text(strconv.Itoa(r.Max)).End()
	}
	if r.After != "" {
		b.Start(NS, "after").Text(r.After).End()
	}
	if r.Last {
		b.Start(NS, "before").Text(r.Before).End()
	}
	if r.Index >= 0 {
		b.Start(NS, "index").Text(strconv.Itoa(r.Index)).End()
	}
	b.End()
}

// What is read and written again is read as the same.
func FuzzOf(f *testing.F) {
	f.Add(`<q><set xmlns="http://jabber.org/protocol/rsm"><max>10</max><after>a</after><before/><index>3</index></set></q>`)
	f.Add(`<q><set xmlns="http://jabber.org/protocol/rsm"><max> 0</max><before>&lt;</before><max>3</max></set></q>`)
	f.Add(`<q><set xmlns="http://jabber.org/protocol/rsm"><max>-3</max></set></q>`)
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmlstream.Parse(text, xmlstream.BeforeAuth)
		if err != nil {
			return
		}
		r, err := Of(el.Root())
		if err != nil {
			if !errors.Is(err, stanza.BadRequest) || r != All() {
				t.Fatalf("%+v, %v", r, err)
			}
			return
		}
		if r.Max < -1 || r.Index < -1 || !r.Last && r.Before != "" {
			t.Fatalf("%+v", r)
		}
		var b xmlstream.Builder
		b.Start("", "q")
		write(&b, r)
		again, err := Of(parse(t, string(b.End().Build())))
		if err != nil || again != r {
			t.Errorf("%+v is %+v again, %v", r, again, err)
		}
	})
}
