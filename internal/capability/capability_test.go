// SPDX-License-Identifier: Apache-2.0

package capability

import (
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func parse(t testing.TB, doc string) *stanza.Stanza {
	t.Helper()
	el, err := xmlstream.Parse(doc, xmlstream.AfterAuth)
	if err != nil {
		t.Fatal(err)
	}
	st, err := stanza.Parse(el)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// query is the answer with those children.
func query(t testing.TB, inner string) xmlstream.Node {
	t.Helper()
	st := parse(t, `<iq type="result" id="1"><query xmlns="`+nsInfo+`">`+inner+`</query></iq>`)
	n, _ := st.First()
	return n
}

// exodus and psi are the answers of XEP-0115 §5.2 and §5.3.
const (
	exodus = `<identity category="client" name="Exodus 0.9.1" type="pc"/><feature var="http://jabber.org/protocol/caps"/>
		<feature var="http://jabber.org/protocol/disco#info"/><feature var="http://jabber.org/protocol/disco#items"/>
		<feature var="http://jabber.org/protocol/muc"/>`
	psi = `<identity xml:lang="en" category="client" name="Psi 0.11" type="pc"/>
		<identity xml:lang="el" category="client" name="Ψ 0.11" type="pc"/>
		<feature var="http://jabber.org/protocol/caps"/><feature var="http://jabber.org/protocol/disco#info"/>
		<feature var="http://jabber.org/protocol/disco#items"/><feature var="http://jabber.org/protocol/muc"/>
		<x xmlns="jabber:x:data" type="result"><field var="FORM_TYPE" type="hidden"><value>urn:xmpp:dataforms:softwareinfo</value></field>
		<field var="ip_version" type="text-multi"><value>ipv4</value><value>ipv6</value></field>
		<field var="os"><value>Mac</value></field><field var="os_version"><value>10.5.1</value></field>
		<field var="software"><value>Psi</value></field><field var="software_version"><value>0.11</value></field></x>`
)

func TestRead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, hash, ver, inner string
		valid                  bool
	}{
		{"of §5.2", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=", exodus, true},
		{"of §5.3", "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=", psi, true},
		{"another hash", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu1=", exodus, false},
		{"unknown algorithm", "md2", "QgayPKawpkPSDYmwT/WM94uAlu0=", exodus, false},
		{"identity twice", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=", exodus + `<identity category="client" name="Exodus 0.9.1" type="pc"/>`, false},
		{"feature twice", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=", exodus + `<feature var="http://jabber.org/protocol/muc"/>`, false},
		{"form without a type", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=",
			exodus + `<x xmlns="jabber:x:data" type="result"><field var="os"><value>Mac</value></field></x>`, true},
		{"type of a form that is not hidden", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=",
			exodus + `<x xmlns="jabber:x:data" type="result"><field var="FORM_TYPE"><value>urn:x</value></field></x>`, true},
		{"two types of a form", "sha-1", "QgayPKawpkPSDYmwT/WM94uAlu0=",
			exodus + `<x xmlns="jabber:x:data" type="result"><field var="FORM_TYPE" type="hidden"><value>a</value><value>b</value></field></x>`, false},
		{"the same form twice", "sha-1", "q07IKJEyjvHSyhy//CH0CxmKi8w=", psi + psi[strings.Index(psi, "<x "):], false},
	} {
		set, valid := Read(Key{c.hash, c.ver}, query(t, c.inner))
		if valid != c.valid || !set.Has("http://jabber.org/protocol/muc") {
			t.Errorf("%s: got %t, %v", c.name, valid, set)
		}
	}
	var many strings.Builder
	for i := range maxFeatures + 1 {
		fmt.Fprintf(&many, `<feature var="%d"/>`, i)
	}
	if set, valid := Read(Key{"sha-1", "x"}, query(t, many.String())); set != nil || valid {
		t.Error("too many features were taken")
	}
	if !(Key{"sha-256", "x"}).Checkable() || !(Key{"sha-512", "x"}).Checkable() || (Key{"", "x"}).Checkable() {
		t.Error("Checkable")
	}
}

// Other answers have the same hash as a client's (XEP-0115 §9.3): who answers in the client's name with one of them does not
// take from others what they want to be told of.
func TestDisguised(t *testing.T) {
	t.Parallel()
	const client = `<identity category="client" type="pc" name="Psi"/>`
	sum := sha1.Sum([]byte("client/pc//Psi<http://a.example/b/c+notify<urn:x+notify<"))
	k := Key{"sha-1", base64.StdEncoding.EncodeToString(sum[:])}
	for _, c := range []struct {
		name, inner string
		valid       bool
	}{
		{"as it is", client + `<feature var="urn:x+notify"/><feature var="http://a.example/b/c+notify"/>`, true},
		{"two features in one", client + `<feature var="http://a.example/b/c+notify&lt;urn:x+notify"/>`, false},
		{"an identity with a feature", `<identity category="client" type="pc" name="Psi&lt;http://a.example/b/c+notify"/><feature var="urn:x+notify"/>`, false},
		{"a feature as an identity", client + `<identity category="http:" type="" xml:lang="a.example" name="b/c+notify"/><feature var="urn:x+notify"/>`, false},
		{"a feature as a form", client + `<feature var="http://a.example/b/c+notify"/><x xmlns="jabber:x:data" type="result">` +
			`<field var="FORM_TYPE" type="hidden"><value>urn:x+notify</value></field></x>`, false},
	} {
		if set, valid := Read(k, query(t, c.inner)); valid != c.valid {
			t.Errorf("%s: got %t, %v", c.name, valid, set)
		}
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	k, node := Of(parse(t, `<presence><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://a.example" ver="abc="/></presence>`))
	if k != (Key{"sha-1", "abc="}) || node != "https://a.example#abc=" {
		t.Error(k, node)
	}
	for _, in := range []string{`<presence/>`, `<presence><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="n"/></presence>`,
		`<presence><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="n" ver="` + strings.Repeat("x", 300) + `"/></presence>`} {
		if k, _ := Of(parse(t, in)); k != (Key{}) {
			t.Error(in)
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	s := newSet([]string{"b+notify", "a", "+notify", "a+notify", "a"})
	if !s.Has("a") || s.Has("b") || !s.Wants("a") || !s.Wants("b") || s.Wants("") || s.Wants("c") || !slices.Equal(s.Nodes(), []string{"a", "b"}) {
		t.Error(s)
	}
	if s = nil; s.Has("a") || s.Wants("a") || s.Nodes() != nil {
		t.Error("nil can do something")
	}
}

func TestService(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Unix(1_000_000, 0)
		o := Options{Now: func() time.Time { return now }}
		s := New(d, o)
		k := Key{"sha-1", "x"}
		if set, err := s.Get(t.Context(), k); set != nil || err != nil {
			t.Error(set, err)
		}
		s.Learn(k, newSet([]string{"a", "b+notify"}))
		wait(t, d)
		for _, s := range []*Service{s, New(d, o)} { // from memory, and from the store
			set, err := s.Get(t.Context(), k)
			if err != nil || !set.Has("a") || !set.Wants("b") {
				t.Error(set, err)
			}
		}
		// What was not used for the longest time is forgotten.
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for i := range maxStored {
				if _, err := tx.Exec(`INSERT INTO capability (hash, ver, features, used_at) VALUES ('sha-1', $1, '', $2)`,
					fmt.Sprint(i), now.Unix()+int64(i)); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		now = now.Add(48 * time.Hour)
		if set, err := New(d, o).Get(t.Context(), k); set == nil || err != nil { // it is used
			t.Error(set, err)
		}
		s.Learn(Key{"sha-1", "y"}, newSet(nil))
		wait(t, d)
		for ver, want := range map[string]bool{"x": true, "y": true, "0": false, "1": false, "2": true} {
			if set, err := New(d, o).Get(t.Context(), Key{"sha-1", ver}); (set != nil) != want || err != nil {
				t.Error(ver, set, err)
			}
		}
		for i := range maxCached + 10 {
			s.keep(Key{"sha-1", fmt.Sprint(i)}, newSet(nil))
		}
		if len(s.sets) != maxCached {
			t.Error(len(s.sets))
		}
	}, Schema())
}

// wait waits for what was submitted.
func wait(t *testing.T, d *db.DB) {
	t.Helper()
	if err := d.Write(t.Context(), func(*db.Tx) error { return nil }); err != nil {
		t.Fatal(err)
	}
}

// FuzzRead: what a client answers is taken whole, or not at all, and what is valid is so again.
func FuzzRead(f *testing.F) {
	f.Add(exodus)
	f.Add(psi)
	f.Add(`<feature/><identity/><x xmlns="jabber:x:data"><field var="FORM_TYPE" type="hidden"><value/></field></x>`)
	f.Fuzz(func(t *testing.T, inner string) {
		el, err := xmlstream.Parse(`<query xmlns="`+nsInfo+`">`+inner+`</query>`, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		ver, ok := verification("sha-256", el.Root())
		set, valid := Read(Key{"sha-256", ver}, el.Root())
		if valid != (ok && set != nil) {
			t.Fatalf("%q: %t, %t, %v", inner, valid, ok, set)
		}
		for _, n := range set.Nodes() {
			if !set.Has(n+notify) || !set.Wants(n) {
				t.Fatalf("%q: %q", inner, n)
			}
		}
	})
}
