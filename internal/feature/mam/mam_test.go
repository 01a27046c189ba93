// SPDX-License-Identifier: Apache-2.0

package mam_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns  = "urn:xmpp:mam:2"
	rsm = "http://jabber.org/protocol/rsm"
)

// A found is what a query brought.
type found struct {
	ids, bodies []string
	fin         xmlstream.Node
	err         *stanza.Error
}

// rsm is what <fin/> says of the page: index, count, and whether it is complete.
func (f found) String() string {
	set, _ := f.fin.Child(rsm, "set")
	first, _ := set.Child(rsm, "first")
	last, _ := set.Child(rsm, "last")
	count, _ := set.Child(rsm, "count")
	s := strings.Join(f.bodies, " ") + " |"
	if !first.IsZero() {
		lo, hi := slices.Min(f.ids), slices.Max(f.ids)
		if len(f.ids) > 0 && (first.Text() != lo || last.Text() != hi) {
			s += " of others!"
		}
		s += " from " + first.Attr("index")
	}
	return s + " of " + count.Text() + " " + f.fin.Attr("complete")
}

// query asks d's archive; what more there is in d's queue is a failure. inside is what stands in the query.
func query(w *routertest.World, d *routertest.Device, inside string) (f found) {
	w.T.Helper()
	d.Sendf(`<iq type="set" id="q"><query xmlns="urn:xmpp:mam:2" queryid="x&lt;y">%s</query></iq>`, inside)
	w.Settle()
	got := d.Take()
	if len(got) == 0 {
		w.T.Fatalf("%s: no answer", inside)
	}
	answer := got[len(got)-1] // XEP-0313 §4: after the last result
	switch answer.Type {
	case stanza.TypeError:
		f.err = stanza.ParseError(answer)
	case stanza.TypeResult:
		f.fin, _ = answer.Child(ns, "fin")
	}
	if answer.ID != "q" || f.err == nil && f.fin.IsZero() {
		w.T.Fatalf("%s: the answer is %s", inside, answer.Raw())
	}
	for _, st := range got[:len(got)-1] {
		result, ok := st.Child(ns, "result")
		if !ok || st.Kind != stanza.Message || st.From != d.JID.Bare() || st.To != d.JID || result.Attr("queryid") != "x<y" {
			w.T.Fatalf("%s: got %s", inside, st.Raw())
		}
		forwarded, _ := result.Child("urn:xmpp:forward:0", "forwarded")
		when, ok := forwarded.Child("urn:xmpp:delay", "delay")
		if stamp, err := time.Parse(time.RFC3339, when.Attr("stamp")); !ok || err != nil || stamp.IsZero() {
			w.T.Errorf("%s: no time: %s", inside, st.Raw())
		}
		message, _ := forwarded.Child(xmlstream.NSClient, "message")
		text := message.Attr("id")
		if body, ok := message.Child(xmlstream.NSClient, "body"); ok {
			text = body.Text()
		}
		f.ids, f.bodies = append(f.ids, result.Attr("id")), append(f.bodies, text)
	}
	return f
}

// form is a form with these fields, each with its name and one value or more behind it, apart by |.
func form(fields ...string) string {
	var b xmlstream.Builder
	b.Start("jabber:x:data", "x").Attr("type", "submit")
	for _, f := range append([]string{"FORM_TYPE|" + ns}, fields...) {
		parts := strings.Split(f, "|")
		b.Start("", "field").Attr("var", parts[0])
		for _, v := range parts[1:] {
			b.Start("", "value").Text(v).End()
		}
		b.End()
	}
	return string(b.End().Build())
}

func set(inside string) string { return `<set xmlns="` + rsm + `">` + inside + `</set>` }

// talk has romeo and juliet write to each other; the world's clock goes on by a second with each message.
func talk(w *routertest.World, n int) (romeo, juliet *routertest.Device) {
	romeo, juliet = w.Come("romeo/desk", 0), w.Come("juliet/balcony", 0)
	for i := range n {
		time.Sleep(time.Second)
		from, to := romeo, "juliet"
		if i%3 == 2 {
			from, to = juliet, "romeo"
		}
		from.Sendf(`<message to="%s@" type="chat" id="m%d"><body>%d</body></message>`, to, i, i)
		w.Settle()
	}
	romeo.Take()
	juliet.Take()
	return romeo, juliet
}

func TestPages(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, _ := talk(w, 7)
		all := query(w, romeo, "")
		ids := all.ids
		for _, c := range []struct{ name, inside, want string }{
			{"all", ``, "0 1 2 3 4 5 6 | from 0 of 7 true"},
			{"the first page", set(`<max>3</max>`), "0 1 2 | from 0 of 7 "},
			{"the second", set(`<max>3</max><after>` + ids[2] + `</after>`), "3 4 5 | from 3 of 7 "},
			{"the third", set(`<max>3</max><after>` + ids[5] + `</after>`), "6 | from 6 of 7 true"},
			{"behind the last", set(`<max>3</max><after>` + ids[6] + `</after>`), " | of 7 true"},
			{"the last page", set(`<max>3</max><before/>`), "4 5 6 | from 4 of 7 "},
			{"the page before", set(`<max>3</max><before>` + ids[4] + `</before>`), "1 2 3 | from 1 of 7 "},
			{"the first from behind", set(`<max>3</max><before>` + ids[1] + `</before>`), "0 | from 0 of 7 true"},
			{"exactly the rest", set(`<max>4</max><after>` + ids[2] + `</after>`), "3 4 5 6 | from 3 of 7 true"},
			{"flipped", set(`<max>3</max><before/>`) + `<flip-page/>`, "6 5 4 | from 4 of 7 "},
			{"flipped, forwards", set(`<max>3</max><after>`+ids[1]+`</after>`) + `<flip-page/>`, "4 3 2 | from 2 of 7 "},
			{"by index", set(`<max>2</max><index>3</index>`), "3 4 | from 3 of 7 "},
			{"by the first index", set(`<index>0</index>`), "0 1 2 3 4 5 6 | from 0 of 7 true"},
			{"by too high an index", set(`<max>2</max><index>7</index>`), " | of 7 true"},
			{"how many", set(`<max>0</max>`), " | of 7 "},
			{"how many of some", form("with|juliet@kith.example", "after-id|"+ids[4]) + set(`<max>0</max>`), " | of 2 "},
			{"more than there are", set(`<max>1000000</max>`), "0 1 2 3 4 5 6 | from 0 of 7 true"},
		} {
			if got := query(w, romeo, c.inside); got.err != nil || got.String() != c.want {
				t.Errorf("%s: got %q, %v, want %q", c.name, got, got.err, c.want)
			}
		}
	})
}

func TestFilters(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, _ := talk(w, 5)
		nurse := w.Bind("nurse/a")
		nurse.Sendf(`<message to="romeo@" type="chat"><body>Is it good den?</body></message>`)
		w.Settle()
		time.Sleep(time.Second)
		romeo.Sendf(`<message to="romeo@" type="chat"><body>Note to self</body></message>`)
		w.Settle()
		romeo.Take()
		e := entries(w, "romeo")
		ids, at := make([]string, len(e)), make([]string, len(e))
		for i := range e {
			ids[i], at[i] = e[i].ID.String(), e[i].ID.Time().Format("2006-01-02T15:04:05.000Z")
		}
		const note, den = "Note to self", "Is it good den?"
		for _, c := range []struct{ name, inside, want string }{
			{"an empty form", form(), "0 1 2 3 4 " + den + " " + note + " | from 0 of 7 true"},
			{"with somebody", form("with|juliet@kith.example"), "0 1 2 3 4 | from 0 of 5 true"},
			{"with a device, to and from", form("with|juliet@kith.example/balcony"), "2 | from 0 of 1 true"},
			{"with another device", form("with|juliet@kith.example/garden"), " | of 0 true"},
			{"however it is spelled", form("with|JULIET@Kith.Example"), "0 1 2 3 4 | from 0 of 5 true"},
			{"with oneself", form("with|romeo@kith.example"), note + " | from 0 of 1 true"},
			{"with nobody", form("with|stranger@kith.example"), " | of 0 true"},
			{"since", form("start|" + at[3]), "3 4 " + den + " " + note + " | from 0 of 4 true"},
			{"until", form("end|" + at[1]), "0 1 | from 0 of 2 true"},
			{"since, until and with", form("start|"+at[1], "end|"+at[6], "with|juliet@kith.example"), "1 2 3 4 | from 0 of 4 true"},
			{"when nothing was", form("start|2000-01-01T00:00:00Z", "end|2000-01-01T01:00:00+01:00"), " | of 0 true"},
			{"after one", form("after-id|" + ids[4]), den + " " + note + " | from 0 of 2 true"},
			{"before one", form("before-id|" + ids[2]), "0 1 | from 0 of 2 true"},
			{"between two", form("after-id|"+ids[0], "before-id|"+ids[4]), "1 2 3 | from 0 of 3 true"},
			{"between two, a page", form("after-id|"+ids[0], "before-id|"+ids[4]) + set(`<max>2</max><before/>`), "2 3 | from 1 of 3 "},
			{"some", form("ids|" + ids[5] + "|" + ids[1] + "|" + ids[5]), "1 " + den + " | from 0 of 2 true"},
			{"some of them with somebody", form("ids|"+ids[5]+"|"+ids[1], "with|juliet@kith.example"), "1 | from 0 of 1 true"},
			{"words", form("{urn:xmpp:fulltext:0}fulltext|SELF no"), note + " | from 0 of 1 true"},
			{"words by another name", form("withtext|good"), den + " | from 0 of 1 true"},
			{"words that nobody said", form("withtext|good night"), " | of 0 true"},
			{"no words", form("{urn:xmpp:fulltext:0}fulltext|", "with|nurse@kith.example"), den + " | from 0 of 1 true"},
			{"no group chats", form("include-groupchat|false", "with|nurse@kith.example"), den + " | from 0 of 1 true"},
			{"group chats, of which there are none", form("include-groupchat|true", "with|nurse@kith.example"), den + " | from 0 of 1 true"},
		} {
			if got := query(w, romeo, c.inside); got.err != nil || got.String() != c.want {
				t.Errorf("%s: got %q, %v, want %q", c.name, got, got.err, c.want)
			}
		}
	})
}

func TestErrors(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, juliet := talk(w, 3)
		time.Sleep(time.Second)
		w.Bind("nurse/a").Sendf(`<message to="juliet@" type="chat"><body>Madam!</body></message>`)
		w.Settle()
		juliet.Take()
		theirs := entries(w, "juliet")[3].ID.String()
		unknown := archive.ID(5).String()
		for _, c := range []struct {
			name, inside string
			want         *stanza.Error
		}{
			{"after an unknown id", set(`<after>` + unknown + `</after>`), stanza.ItemNotFound},
			{"before an unknown id", set(`<before>` + unknown + `</before>`), stanza.ItemNotFound},
			{"before what is no id", set(`<before>yesterday</before>`), stanza.ItemNotFound},
			{"after what is no id", set(`<after>yesterday</after>`), stanza.ItemNotFound},
			{"after another's", set(`<after>` + theirs + `</after>`), stanza.ItemNotFound},
			{"after-id", form("after-id|" + unknown), stanza.ItemNotFound},
			{"before-id", form("before-id|yesterday"), stanza.ItemNotFound},
			{"ids", form("ids|" + entries(w, "romeo")[0].ID.String() + "|" + theirs), stanza.ItemNotFound},
			{"max", set(`<max>many</max>`), stanza.BadRequest},
			{"index", set(`<index>-1</index>`), stanza.BadRequest},
			{"an unknown field", form("mood|happy"), stanza.FeatureNotImplemented},
			{"an unknown field without a value", form("mood"), stanza.FeatureNotImplemented},
			{"with", form("with|@"), stanza.JIDMalformed},
			{"start", form("start|yesterday"), stanza.BadRequest},
			{"end", form("end|2026-02-30T00:00:00Z"), stanza.BadRequest},
			{"include-groupchat", form("include-groupchat|perhaps"), stanza.BadRequest},
			{"two values", form("with|a@b|c@d"), stanza.BadRequest},
			{"a field twice", form("with|a@b", "with|c@d"), stanza.BadRequest},
			{"no FORM_TYPE", `<x xmlns="jabber:x:data" type="submit"><field var="with"/></x>`, stanza.BadRequest},
			{"another FORM_TYPE", form()[:len(form())-len("</x>")] + `<field var="FORM_TYPE"><value>urn:x</value></field></x>`, stanza.BadRequest},
			{"another form", strings.ReplaceAll(form(), ns, "urn:xmpp:mam:1"), stanza.BadRequest},
			{"a form that was cancelled", `<x xmlns="jabber:x:data" type="cancel"/>`, stanza.BadRequest},
		} {
			if got := query(w, romeo, c.inside); got.err == nil || got.err.Condition != c.want.Condition || got.err.Type != c.want.Type {
				t.Errorf("%s: got %v, want %v", c.name, got.err, c.want)
			}
		}
		for _, c := range []struct {
			iq   string
			want *stanza.Error
		}{
			{`<iq type="set" id="1"><query xmlns="urn:xmpp:mam:2" node="x"/></iq>`, stanza.ItemNotFound},
			{`<iq type="set" id="1" to="juliet@"><query xmlns="urn:xmpp:mam:2"/></iq>`, stanza.ServiceUnavailable},
			{`<iq type="get" id="1" to="juliet@"><metadata xmlns="urn:xmpp:mam:2"/></iq>`, stanza.ServiceUnavailable},
			{`<iq type="get" id="1" to="juliet@"><prefs xmlns="urn:xmpp:mam:2"/></iq>`, stanza.ServiceUnavailable},
			{`<iq type="set" id="1" to="kith.example"><query xmlns="urn:xmpp:mam:2"/></iq>`, stanza.ServiceUnavailable},
			{`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2"/></iq>`, stanza.BadRequest},
			{`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" default="often"/></iq>`, stanza.BadRequest},
			{`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" default="never"><always><jid>@</jid></always></prefs></iq>`, stanza.JIDMalformed},
			{`<iq type="set" id="1"><prefs xmlns="urn:xmpp:mam:2" default="never"><never>` + jids(1001) + `</never></prefs></iq>`, stanza.PolicyViolation},
		} {
			romeo.Sendf("%s", c.iq)
			w.Settle()
			got := romeo.Take()
			if len(got) != 1 || got[0].Type != stanza.TypeError || stanza.ParseError(got[0]).Condition != c.want.Condition {
				t.Errorf("%.80s: got %d, %v", c.iq, len(got), got)
			}
		}
		if got := juliet.Take(); len(got) > 0 {
			t.Errorf("juliet got %s", got[0].Raw())
		}
	})
}

func jids(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "<jid>a%d@b</jid>", i)
	}
	return b.String()
}

// entries is an archive as it stands in the store.
func entries(w *routertest.World, name string) []archive.Entry {
	w.T.Helper()
	list, err := w.Archive.Page(w.T.Context(), w.Account(name), 0, 10_000)
	if err != nil {
		w.T.Fatal(err)
	}
	return list
}

// A page has 50 messages where the client does not say how many, 100 at most, and fewer where they are long.
func TestPageSize(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, _ := w.Come("romeo/desk", 0), w.Come("juliet/balcony", 0)
		for i := range 110 {
			romeo.Sendf(`<message to="juliet@" type="chat"><body>%d</body></message>`, i)
		}
		w.Settle()
		for _, c := range []struct {
			inside string
			want   int
		}{{"", 50}, {set(`<before/>`), 50}, {set(`<max>80</max>`), 80}, {set(`<max>110</max>`), 100}} {
			if got := query(w, romeo, c.inside); len(got.ids) != c.want || got.fin.Attr("complete") != "" {
				t.Errorf("%s: %d of them, complete: %s", c.inside, len(got.ids), got.fin.Attr("complete"))
			}
		}
		last := query(w, romeo, set(`<max>1</max><before/>`)).ids[0]
		long := strings.Repeat("x", 100<<10)
		for range 3 {
			romeo.Sendf(`<message to="juliet@" type="chat"><body>%s</body></message>`, long)
		}
		w.Settle()
		if got := query(w, romeo, set(`<after>`+last+`</after>`)); len(got.ids) != 2 || got.fin.Attr("complete") != "" {
			t.Errorf("%d long ones, complete: %s", len(got.ids), got.fin.Attr("complete"))
		}
	})
}

// Results are for the device that asked: they are recorded nowhere, come to no other device, and are lost with it.
func TestOnlyWhoAsked(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, _ := talk(w, 3)
		phone := w.Come("romeo/phone", 5)
		phone.Sendf(`<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
		w.Settle()
		phone.Take()
		romeo.Take()
		before := len(entries(w, "romeo"))
		if got := query(w, romeo, ""); len(got.ids) != 3 {
			t.Errorf("got %v", got)
		}
		romeo.Resumable()
		romeo.Sendf(`<iq type="set" id="q"><query xmlns="urn:xmpp:mam:2"/></iq>`)
		w.Settle()
		romeo.Leave()
		w.Settle()
		for _, st := range phone.Take() {
			if st.Kind == stanza.Message {
				t.Errorf("the phone got %s", st.Raw())
			}
		}
		if after := len(entries(w, "romeo")); after != before {
			t.Errorf("%d entries, there were %d", after, before)
		}
	})
}

// The same message has the same id wherever its recipient meets it, and the sender's own is never told to the recipient.
func TestOneID(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, juliet := w.Come("romeo/desk", 0), w.Come("juliet/balcony", 0)
		romeo.Sendf(`<message to="juliet@" type="chat"><body>Hark</body></message>`)
		w.Settle()
		got := juliet.Take()
		if len(got) != 1 {
			t.Fatalf("got %d", len(got))
		}
		var ids []string
		for n := range got[0].Children() {
			if n.Is("urn:xmpp:sid:0", "stanza-id") {
				ids = append(ids, n.Attr("by")+" "+n.Attr("id"))
			}
		}
		if want := []string{"juliet@kith.example " + query(w, juliet, "").ids[0]}; !slices.Equal(ids, want) {
			t.Errorf("live %q, want %q", ids, want)
		}
	})
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		ask := func(d *routertest.Device) string {
			d.Sendf(`<iq type="get" id="m"><metadata xmlns="urn:xmpp:mam:2"/></iq>`)
			w.Settle()
			n, _ := d.Take()[0].First()
			return string(n.Raw())
		}
		const empty = `<metadata xmlns="urn:xmpp:mam:2"/>`
		nurse := w.Bind("nurse/a")
		if got := ask(nurse); got != empty {
			t.Errorf("of an empty archive: %s", got)
		}
		romeo, _ := talk(w, 3)
		e := entries(w, "romeo")
		end := func(name string, id archive.ID) string {
			return fmt.Sprintf(`<%s id="%v" timestamp="%s"/>`, name, id, id.Time().Format("2006-01-02T15:04:05.000Z"))
		}
		want := `<metadata xmlns="urn:xmpp:mam:2">` + end("start", e[0].ID) + end("end", e[2].ID) + `</metadata>`
		if got := ask(romeo); got != want {
			t.Errorf("got %s, want %s", got, want)
		}

		// Who binds in one step hears it at once (XEP-0386 §3.2).
		for name, want := range map[string]string{"romeo": want, "nurse": empty} {
			s := session.New("bind "+name, jid.MustParse(name+"@kith.example/new"), "", nowhere{}, session.ClientCredit(), nil)
			b, err := w.Routers[0].Bind(context.Background(), s, `<bind xmlns="urn:xmpp:bind:0"/>`)
			if err != nil {
				t.Fatal(err)
			}
			if got := string(b.Answer()); !strings.Contains(got, want) {
				t.Errorf("%s binds: got %s, want %s", name, got, want)
			}
			b.Leave(s.End())
			w.Settle()
		}
	})
}

// nowhere is a stream that takes everything.
type nowhere struct{}

func (nowhere) Write(xmlstream.Raw) error                             { return nil }
func (nowhere) WriteStanzas([]*stanza.Stanza, ...xmlstream.Raw) error { return nil }
func (nowhere) SetWriteDeadline(time.Time) error                      { return nil }
func (nowhere) Cut()                                                  {}

// The form has every filter, none of them required (XEP-0313 §4.1.5).
func TestForm(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		d := w.Bind("romeo/a")
		d.Sendf(`<iq type="get" id="1"><query xmlns="urn:xmpp:mam:2"/></iq>`)
		w.Settle()
		n, _ := d.Take()[0].First()
		const want = `<query xmlns="urn:xmpp:mam:2"><x xmlns="jabber:x:data" type="form">` +
			`<field type="hidden" var="FORM_TYPE"><value>urn:xmpp:mam:2</value></field>` +
			`<field type="jid-single" var="with"/><field type="text-single" var="start"/><field type="text-single" var="end"/>` +
			`<field type="text-single" var="before-id"/><field type="text-single" var="after-id"/>` +
			`<field type="list-multi" var="ids"><validate xmlns="http://jabber.org/protocol/xdata-validate" datatype="xs:string"><open/></validate></field>` +
			`<field type="boolean" var="include-groupchat"/><field type="text-single" var="{urn:xmpp:fulltext:0}fulltext"/></x></query>`
		if diff := cmp.Diff(want, string(n.Raw())); diff != "" {
			t.Error(diff)
		}
	})
}

// An id in the recipient's name that somebody else gave is removed from what is kept, and from what is not (XEP-0359 §3).
func TestForged(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo, juliet := w.Come("romeo/desk", 0), w.Come("juliet/balcony", 0)
		for _, inside := range []string{`<body>x</body>`, `<body>x</body><no-store xmlns="urn:xmpp:hints"/>`} {
			romeo.Sendf(`<message to="juliet@" type="chat">%s<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@" id="forged"/></message>`, inside)
			w.Settle()
			for _, st := range juliet.Take() {
				if n, ok := st.Child("urn:xmpp:sid:0", "stanza-id"); ok && n.Attr("id") == "forged" {
					t.Errorf("got %s", st.Raw())
				}
			}
		}
	})
}
