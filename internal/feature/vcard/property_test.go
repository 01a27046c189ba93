// SPDX-License-Identifier: Apache-2.0

package vcard

import (
	"slices"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func parse(t testing.TB, raw string) xmlstream.Node {
	t.Helper()
	el, err := xmlstream.Parse(raw, xmlstream.AfterAuth)
	if err != nil {
		t.Fatal(err)
	}
	return el.Root()
}

func TestNewer(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"name", `<FN>Juliet</FN>`, `<fn xmlns="urn:ietf:params:xml:ns:vcard-4.0"><text>Juliet</text></fn>`},
		{"white space does not count", "<DESC>\n Deny thy father. </DESC>", `<note xmlns="urn:ietf:params:xml:ns:vcard-4.0"><text>Deny thy father.</text></note>`},
		{"nothing", `<FN/>`, ``},
		{"a day that is none", `<BDAY>Lammas Eve</BDAY>`, ``},
		{"a number", `<TEL><CELL/><NUMBER>+39 045</NUMBER></TEL>`,
			`<tel xmlns="urn:ietf:params:xml:ns:vcard-4.0"><parameters><type><text>cell</text></type></parameters><text>+39 045</text></tel>`},
		{"of a kind that is no more", `<TEL><ISDN/><NUMBER>1</NUMBER></TEL>`, ``},
		{"a part that is unknown", `<N><GIVEN>Juliet</GIVEN><SORT>J</SORT></N>`, ``},
		{"something in a part", `<N><GIVEN>Juliet</GIVEN><FAMILY><X/></FAMILY></N>`, ``},
		{"unknown", `<TZ>+01:00</TZ>`, ``},
		{"of another namespace", `<FN xmlns="urn:x">Juliet</FN>`, ``},
	} {
		n := parse(t, `<vCard xmlns="vcard-temp">`+c.in+`</vCard>`)
		for p := range n.Children() {
			got, ok := translated(p)
			if !ok {
				got = ""
			}
			if string(got) != c.want {
				t.Errorf("%s: got %s, want %s", c.name, got, c.want)
			}
		}
	}
}

func TestOlder(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     []string
	}{
		{"several names", `<nickname><text>Jule</text><text>Juliet</text></nickname>`,
			[]string{`<NICKNAME xmlns="vcard-temp">Jule</NICKNAME>`, `<NICKNAME xmlns="vcard-temp">Juliet</NICKNAME>`}},
		{"a number", `<tel><parameters><type><text>home</text><text>textphone</text></type></parameters><uri>tel:+1-720</uri></tel>`,
			[]string{`<TEL xmlns="vcard-temp"><HOME/><NUMBER>+1-720</NUMBER></TEL>`}},
		{"mail", `<email><parameters><pref><integer>1</integer></pref></parameters><text>j@v.example</text></email>`,
			[]string{`<EMAIL xmlns="vcard-temp"><PREF/><INTERNET/><USERID>j@v.example</USERID></EMAIL>`}},
		{"another network", `<impp><uri>sip:j@v.example</uri></impp>`, nil},
		{"a group", `<gender><sex>F</sex></gender>`, nil},
	} {
		n := parse(t, `<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0">`+c.in+`</vcard>`)
		for p := range n.Children() {
			var got []string
			for _, raw := range older(p) {
				got = append(got, string(raw))
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("%s: got %q, want %q", c.name, got, c.want)
			}
		}
	}
}

// FuzzMerge holds that nothing of a vCard is lost: what is published and what is kept beside say together what it said, and
// to store what was read changes nothing.
func FuzzMerge(f *testing.F) {
	f.Add(`<FN>J</FN><TEL><HOME/><NUMBER>1</NUMBER></TEL><TEL><NUMBER/></TEL><TZ>1</TZ>`, `<fn><text>K</text></fn><gender/>`)
	f.Add(`<N><GIVEN>J</GIVEN></N><N><GIVEN>J</GIVEN></N><ORG><ORGUNIT>x</ORGUNIT></ORG><x xmlns="urn:x"/>`, `<org><text>a</text><text>b</text></org>`)
	f.Add(`<EMAIL><INTERNET/><USERID>a</USERID></EMAIL><FN><X/></FN>y<JABBERID>xmpp:a</JABBERID>`, `<impp><uri>xmpp:a</uri><uri>sip:b</uri></impp>`)
	f.Add(`<PHOTO><BINVAL>Qk0=</BINVAL></PHOTO><ADR><CTRY>I</CTRY><CTRY>J</CTRY></ADR>`, ``)
	f.Fuzz(func(t *testing.T, vcard, was string) {
		el, err := xmlstream.Parse(`<vCard xmlns="vcard-temp">`+vcard+`</vCard>`, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		before, err := xmlstream.Parse(`<vcard xmlns="urn:ietf:params:xml:ns:vcard-4.0">`+was+`</vcard>`, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		up, down := merge(before.Root(), el.Root(), false)
		got := parse(t, string(read(up, down)))
		if a, b := senses(el.Root()), senses(got); !slices.Equal(a, b) {
			t.Fatalf("%s: got %q, want %q", vcard, b, a)
		}
		if again, rest := merge(element(up, ns4, "vcard"), got, false); again != up || rest != down {
			t.Fatalf("%s: then %s %s, was %s %s", vcard, again, rest, up, down)
		}
	})
}

// read is what a client reads of both.
func read(up, down xmlstream.Raw) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "vCard")
	for p := range kids(element(up, ns4, "vcard")) {
		for _, raw := range older(p) {
			b.Raw(raw)
		}
	}
	for p := range kids(element(down, ns, "vCard")) {
		b.Raw(p.Raw())
	}
	return b.End().Build()
}

func senses(vcard xmlstream.Node) (list []string) {
	for p := range vcard.Children() {
		for i, s := range sense(p) {
			if i > 0 {
				s = "\x00" + s
			}
			list = append(list, s)
		}
		list = append(list, "\x01")
	}
	// Properties have no order; as lists of senses they are compared sorted.
	var all []string
	one := ""
	for _, s := range list {
		if s == "\x01" {
			all, one = append(all, one), ""
		} else {
			one += s
		}
	}
	slices.Sort(all)
	return all
}
