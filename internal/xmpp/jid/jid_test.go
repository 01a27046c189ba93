// SPDX-License-Identifier: Apache-2.0

package jid

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
	"unsafe"
)

func TestParse(t *testing.T) {
	t.Parallel()
	l63 := strings.Repeat("d", 63)
	for _, c := range []struct{ name, in, local, domain, resource string }{
		// The examples of RFC 7622 §3.5.
		{"1", "juliet@example.com", "juliet", "example.com", ""},
		{"2", "juliet@example.com/foo", "juliet", "example.com", "foo"},
		{"3", "juliet@example.com/foo bar", "juliet", "example.com", "foo bar"},
		{"4", "juliet@example.com/foo@bar", "juliet", "example.com", "foo@bar"},
		{"5", `foo\20bar@example.com`, `foo\20bar`, "example.com", ""},
		{"6", "fussball@example.com", "fussball", "example.com", ""},
		{"7", "fußball@example.com", "fußball", "example.com", ""},
		{"8", "π@example.com", "π", "example.com", ""},
		{"9", "Σ@example.com/foo", "σ", "example.com", "foo"},
		{"10", "σ@example.com/foo", "σ", "example.com", "foo"},
		{"11", "ς@example.com/foo", "ς", "example.com", "foo"},
		{"12", "king@example.com/♚", "king", "example.com", "♚"},
		{"13", "example.com", "", "example.com", ""},
		{"14", "example.com/foobar", "", "example.com", "foobar"},
		{"15", "a.example.com/b@example.net", "", "a.example.com", "b@example.net"},
		{"18, which we allow", "juliet@example.com/ foo", "juliet", "example.com", " foo"},

		{"resource with a slash", "a@b/c/d", "a", "b", "c/d"},
		{"resource keeps its case", "A@B/C", "a", "b", "C"},
		{"resource with a space of another kind", "a@b/c\u00a0d", "a", "b", "c d"},
		{"resource is composed", "a@b/e\u0301", "a", "b", "\u00e9"},
		{"resource in full width stays", "a@b/Ａ", "a", "b", "Ａ"},
		{"emoji in a resource", "a@b/🦜", "a", "b", "🦜"},
		{"localpart is composed and lowered", "E\u0301@b", "\u00e9", "b", ""},
		{"localpart in full width", "Ｊｕｌｉｅｔ@b", "juliet", "b", ""},
		{"signs in a localpart", "a!#$%()*+,-.;=?[\\]^_`{|}~@b", "a!#$%()*+,-.;=?[\\]^_`{|}~", "b", ""},
		{"Hebrew localpart", "יוליה@b", "יוליה", "b", ""},
		{"longest localpart", strings.Repeat("a", 1023) + "@b", strings.Repeat("a", 1023), "b", ""},
		{"longest resource", "b/" + strings.Repeat("a", 1023), "", "b", strings.Repeat("a", 1023)},
		{"longest label", l63, "", l63, ""},

		{"dot at the end", "a@example.com./r", "a", "example.com", "r"},
		{"IPv4", "a@192.0.2.1", "a", "192.0.2.1", ""},
		{"IPv6", "a@[2001:DB8:0::1]/r", "a", "[2001:db8::1]", "r"},
		{"domain in other letters", "a@BÜCHER.example", "a", "bücher.example", ""},
		{"domain in ASCII form", "a@xn--bcher-kva.example", "a", "bücher.example", ""},
		{"domain in ASCII form, capitals", "a@XN--BCHER-KVA.Example", "a", "bücher.example", ""},
		{"domain in ASCII form with sharp s", "xn--strae-oqa.example", "", "straße.example", ""},
		{"Japanese domain with its full stop", "例え。テスト", "", "例え.テスト", ""},
		{"Arabic domain", "xn--mgberp4a5d4ar", "", "السعودية", ""},
		{"domain in full width", "ｋｉｔｈ．example", "", "kith.example", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j, err := Parse(c.in)
			if err != nil {
				t.Fatal(err)
			}
			if j.Local() != c.local || j.Domain() != c.domain || j.Resource() != c.resource {
				t.Errorf("got %q %q %q", j.Local(), j.Domain(), j.Resource())
			}
			if again, err := Parse(j.String()); err != nil || again != j {
				t.Errorf("%q reads as %q, %v", j, again, err)
			}
			if parts, err := New(c.local, c.domain, c.resource); err != nil || parts != j {
				t.Errorf("New gives %q, %v", parts, err)
			}
		})
	}
}

func TestMalformed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in string }{
		// The examples of RFC 7622 §3.5.
		{"16", `"juliet"@example.com`},
		{"17", "foo bar@example.com"},
		{"19", "@example.com/"},
		{"20", "henryⅣ@example.com"},
		{"21", "♚@example.com"},
		{"22", "juliet@"},
		{"23", "/foobar"},

		{"nothing", ""},
		{"empty localpart", "@b"},
		{"empty resource", "a@b/"},
		{"two at signs", "a@b@c"},
		{"at sign in full width", "a＠b@c"},
		{"slash in full width", "a／b@c"},
		{"ampersand", "a&b@c"},
		{"apostrophe", "a'b@c"},
		{"colon", "a:b@c"},
		{"less-than sign", "a<b@c"},
		{"greater-than sign", "a>b@c"},
		{"control character in localpart", "a\x01@b"},
		{"delete in localpart", "a\x7f@b"},
		{"control character in resource", "a@b/\x01"},
		{"delete in resource", "a@b/\x7f"},
		{"control character in domain", "a@b\x01"},
		{"soft hyphen in resource", "a@b/x\u00ady"},
		{"invalid UTF-8 in localpart", "a\xff@b"},
		{"invalid UTF-8 in domain", "a@b\xff"},
		{"invalid UTF-8 in resource", "a@b/\xff"},
		{"both directions", "aא@b"},
		{"localpart too long", strings.Repeat("a", 1024) + "@b"},
		{"resource too long", "b/" + strings.Repeat("a", 1024)},
		{"resource too long in bytes", "b/" + strings.Repeat("é", 512)},
		{"domain too long", strings.Repeat("a.", 512) + "b"},
		{"everything too long", strings.Repeat("a", 1<<20)},
		{"label too long", strings.Repeat("d", 64)},
		{"label too long in ASCII form", strings.Repeat("ü", 63)},
		{"only a dot", "a@."},
		{"empty label", "a@b..c"},
		{"dot before", "a@.b"},
		{"two dots behind", "a@b.."},
		{"space in domain", "a@b c"},
		{"underscore in domain", "a@b_c"},
		{"hyphen before", "a@-b"},
		{"hyphen behind", "a@b-"},
		{"hyphen behind other letters", "a@bü-"},
		{"hyphens at the third place", "a@bü--c"},
		{"sign in domain", "a@♥.example"},
		{"colon in domain", "a@b:5222"},
		{"ASCII form of ASCII", "a@xn--abc-"},
		{"ASCII form that cannot be read", "a@xn--0"},
		{"ASCII form of capitals", "a@xn--" + toPunycode("bÜcher")},
		{"ASCII form of a sign", "a@xn--g6h"},
		{"empty ASCII form", "a@xn--"},
		{"IPv6 not closed", "a@[::1"},
		{"IPv6 without brackets", "a@::1"},
		{"IPv6 with a zone", "a@[fe80::1%25eth0]"},
		{"IPv4 in brackets", "a@[192.0.2.1]"},
		{"empty brackets", "a@[]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			j, err := Parse(c.in)
			if !errors.Is(err, ErrMalformed) || !j.IsZero() {
				t.Errorf("got %q, %v", j, err)
			}
		})
	}
	if _, err := New("a/b", "c", ""); !errors.Is(err, ErrMalformed) {
		t.Error("slash in New's localpart:", err)
	}
	if _, err := New("a", "c/d", ""); !errors.Is(err, ErrMalformed) {
		t.Error("slash in New's domain:", err)
	}
	if _, err := New("a", "", "b"); !errors.Is(err, ErrMalformed) {
		t.Error("no domain:", err)
	}
}

func TestParts(t *testing.T) {
	t.Parallel()
	full := MustParse("Romeo@Kith.Example/orchard")
	if full.Bare() != MustParse("romeo@kith.example") || full.DomainJID() != MustParse("kith.example") {
		t.Error(full.Bare(), full.DomainJID())
	}
	if full.IsZero() || full.IsBare() || !full.IsFull() || !full.HasLocal() {
		t.Error("full")
	}
	if bare := full.Bare(); bare.IsZero() || !bare.IsBare() || bare.IsFull() || !bare.HasLocal() || bare.Bare() != bare {
		t.Error("bare")
	}
	if d := full.DomainJID(); !d.IsBare() || d.HasLocal() || d.Local() != "" || d.Resource() != "" || d.DomainJID() != d {
		t.Error("domain")
	}
	if z := (JID{}); !z.IsZero() || z.IsBare() || z.IsFull() || z.HasLocal() || z.String() != "" || z.Domain() != "" || z.Bare() != z || z.DomainJID() != z {
		t.Error("zero")
	}
	if j, err := full.Bare().WithResource("garden"); err != nil || j != MustParse("romeo@kith.example/garden") {
		t.Error(j, err)
	}
	if j, err := full.WithResource(""); err != nil || j != full.Bare() {
		t.Error(j, err)
	}
	if _, err := full.WithResource("\x00"); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if _, err := (JID{}).WithResource("a"); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
	if full.Clone() != full || (JID{}).Clone() != (JID{}) {
		t.Error("Clone")
	}
	if b, err := json.Marshal(full); err != nil || string(b) != `"romeo@kith.example/orchard"` {
		t.Error(string(b), err)
	}
	defer func() {
		if recover() == nil {
			t.Error("MustParse did not panic")
		}
	}()
	MustParse("@")
}

// TestNoAllocations: an address in its normal form is not copied, and taking it apart is free.
func TestNoAllocations(t *testing.T) {
	in := "romeo@kith.example/orchard"
	var sum int
	if n := testing.AllocsPerRun(100, func() {
		j, err := Parse(in)
		if err != nil {
			t.Error(err)
		}
		sum += len(j.Bare().String()) + len(j.DomainJID().String()) + len(j.Local()) + len(j.Resource())
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(100, func() { sum += len(MustParse("Romeo@kith.example/orchard").String()) }); n > 2 {
		t.Errorf("%v allocations for a capital letter", n)
	}
	if size := unsafe.Sizeof(JID{}); size != 24 {
		t.Errorf("a JID has %d bytes", size)
	}
}

// TestPunycode: samples of RFC 3492 that are lower case.
func TestPunycode(t *testing.T) {
	t.Parallel()
	for u, a := range map[string]string{
		"ليهمابتكلموشعربي؟":            "egbpdaj6bu4bxfgehfvwxn",
		"他们为什么不说中文":                    "ihqwcrb4cv8a8dqg056pqjye",
		"他們爲什麽不說中文":                    "ihqwctvzc91f659drss3x8bo0yb",
		"почемужеонинеговорятпорусски": "b1abfaaepdrnnbgefbadotcwatmq2g4l",
		"なぜみんな日本語を話してくれないのか":           "n8jok5ay5dzabd5bym9f0cm5685rrjetr6pdxa",
		"そのスピードで":                      "d9juau41awczczp",
		"bücher":                       "bcher-kva",
	} {
		if got := toPunycode(u); got != a {
			t.Errorf("toPunycode(%q) = %q, want %q", u, got, a)
		}
		if got, ok := fromPunycode(a); !ok || got != u {
			t.Errorf("fromPunycode(%q) = %q, %v, want %q", a, got, ok, u)
		}
	}
	for _, bad := range []string{"99999999", "a-é", "-", "0", "zzzzzz9999999"} {
		if got, ok := fromPunycode(bad); ok {
			t.Errorf("fromPunycode(%q) = %q", bad, got)
		}
	}
}

// FuzzParse: what is read is printed and read again as the same, and its parts make it.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"juliet@example.com/foo bar", "Σ@例え。テスト/♚", "a@xn--bcher-kva.example", "a@[2001:DB8::1]/r", "Ａ＠Ｂ@c",
		"e\u0301@b/e\u0301", "İ@b", "a@b\u1e9e", "ﬀ@b", "א1@b", "a.@b.", "@", "/", "a@b/\u3000", "x@\u0130.example",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		j, err := Parse(s)
		if err != nil {
			if !errors.Is(err, ErrMalformed) || !j.IsZero() {
				t.Fatal(j, err)
			}
			return
		}
		if again, err := Parse(j.String()); err != nil || again != j {
			t.Fatalf("%q reads as %q, which reads as %q, %v", s, j, again, err)
		}
		if parts, err := New(j.Local(), j.Domain(), j.Resource()); err != nil || parts != j {
			t.Fatalf("parts of %q make %q, %v", j, parts, err)
		}
		if !utf8.ValidString(j.String()) || len(j.Local()) > 1023 || len(j.Domain()) > 1023 || len(j.Resource()) > 1023 || j.Domain() == "" {
			t.Fatalf("%q", j)
		}
		if strings.ContainsAny(j.Local(), "\"&'/:<>@ ") || strings.ContainsAny(j.Domain(), "@/") || j.Bare().String()+"/"+j.Resource() != j.String() && j.IsFull() {
			t.Fatalf("%q", j)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("romeo@kith.example/orchard"); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseUnicode(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse("ромео@kith.example/сад"); err != nil {
			b.Fatal(err)
		}
	}
}
