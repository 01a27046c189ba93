// SPDX-License-Identifier: Apache-2.0

package reporting

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/report"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// fake is an archive in which every message is as long as size, from Romeo or, with an odd id, from Juliet; and a store
// that keeps the last report.
type fake struct {
	size int
	err  error
	last report.Report
	kind string
}

func (f *fake) Get(_ context.Context, owner int64, id archive.ID) (archive.Entry, error) {
	return archive.Entry{Owner: owner, ID: id, Peer: jid.MustParse("romeo@verona.example"), Sent: id%2 == 1,
		Raw: xmlstream.Raw(strings.Repeat("x", f.size))}, f.err
}

func (f *fake) Add(_ *db.Tx, r report.Report, kind string) error {
	f.last, f.kind = r, kind
	return nil
}

// read reads the report within an item of a block of address.
func read(t *testing.T, f *fake, address, item string) bool {
	t.Helper()
	el, err := xmlstream.Parse(`<item xmlns="urn:xmpp:blocking">`+item+`</item>`, xmlstream.AfterAuth)
	if err != nil {
		t.Fatal(err)
	}
	x := &Reporting{slog.New(slog.DiscardHandler), f, f}
	q := &router.Request{Account: jid.MustParse("juliet@kith.example"), Owner: account.Account{ID: 7}}
	keep := x.Read(t.Context(), q, jid.MustParse(address), el.Root())
	return keep != nil && keep(nil) == nil
}

func element(reason, content string) string {
	return `<report xmlns="urn:xmpp:reporting:1" reason="` + reason + `">` + content + `</report>`
}

func id(by string, n archive.ID) string {
	return fmt.Sprintf(`<stanza-id xmlns="urn:xmpp:sid:0" by="%s" id="%s"/>`, by, n)
}

func TestKinds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ item, kind string }{
		{"", ""},
		{`<report xmlns="urn:xmpp:reporting:0" reason="urn:xmpp:reporting:spam"/>`, ""},
		{`<report xmlns="urn:xmpp:reporting:1"/>`, ""},
		{element("", ""), ""},
		{element(strings.Repeat("r", maxReason+1), ""), ""},
		{element("urn:xmpp:reporting:spam", ""), "spam"},
		{element("urn:xmpp:reporting:abuse", ""), "abuse"},
		{element("urn:example:boring", ""), "other"},
	} {
		f := &fake{}
		if kept := read(t, f, "romeo@verona.example", c.item); kept != (c.kind != "") || f.kind != c.kind {
			t.Errorf("%s: kept %v as %q", c.item, kept, f.kind)
		}
	}
}

// A copy is made of messages that came from who is reported: a person, by any of the forms that a block has.
func TestCopies(t *testing.T) {
	t.Parallel()
	const me = "juliet@kith.example"
	for _, c := range []struct {
		name, address, id string
		err               error
		named, copied     bool
	}{
		{"a person", "romeo@verona.example", id(me, 2), nil, true, true},
		{"a device", "romeo@verona.example/a", id(me, 2), nil, true, true},
		{"a domain", "verona.example", id(me, 2), nil, true, true},
		{"somebody else", "tybalt@verona.example", id(me, 2), nil, true, false},
		{"what I wrote", "romeo@verona.example", id(me, 3), nil, true, false},
		{"another archive", "romeo@verona.example", id("romeo@verona.example", 2), nil, true, false},
		{"gone", "romeo@verona.example", id(me, 2), archive.ErrUnknown, true, false},
		{"a store that fails", "romeo@verona.example", id(me, 2), errors.New("disk"), true, false},
		{"no id", "romeo@verona.example", `<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example"/>`, nil, false, false},
		{"an id that is no message's", "romeo@verona.example", `<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example" id="x"/>`, nil, true, false},
		{"an id that is too long", "romeo@verona.example", `<stanza-id xmlns="urn:xmpp:sid:0" by="j" id="` + strings.Repeat("x", maxID+1) + `"/>`, nil, false, false},
		{"no address", "romeo@verona.example", id("@", 2), nil, true, false},
	} {
		f := &fake{size: 10, err: c.err}
		if !read(t, f, c.address, element(spam, c.id)) {
			t.Errorf("%s: no report", c.name)
		}
		if named := len(f.last.Messages) == 1; named != c.named || named && (f.last.Messages[0].Raw != "") != c.copied {
			t.Errorf("%s: %+v", c.name, f.last.Messages)
		}
	}
}

// However much somebody has to say, a report has its bounds.
func TestBounds(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for i := range maxMessages + 5 {
		b.WriteString(id("juliet@kith.example", archive.ID(2+2*i)))
	}
	b.WriteString(`<text>` + strings.Repeat("é", maxWords) + `</text><third-party/>`)
	f := &fake{size: maxCopies/3 + 1}
	if !read(t, f, "romeo@verona.example", element(spam, b.String())) {
		t.Fatal("no report")
	}
	copies := 0
	for _, m := range f.last.Messages {
		if m.Raw != "" {
			copies++
		}
	}
	if len(f.last.Messages) != maxMessages || copies != 2 || len(f.last.Words) > maxWords || !utf8.ValidString(f.last.Words) || !f.last.ThirdParty || f.last.Origin {
		t.Errorf("%d messages, %d copies, %d bytes of text", len(f.last.Messages), copies, len(f.last.Words))
	}
}

func TestCut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    string
		n    int
		want string
	}{{"abc", 3, "abc"}, {"abc", 2, "ab"}, {"aé", 2, "a"}, {"é", 1, ""}, {"", 0, ""}} {
		if got := cut(c.s, c.n); got != c.want {
			t.Errorf("%q to %d is %q", c.s, c.n, got)
		}
	}
}
