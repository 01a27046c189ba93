// SPDX-License-Identifier: Apache-2.0

package stanza

import (
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

var (
	romeo  = jid.MustParse("romeo@kith.example/orchard")
	juliet = jid.MustParse("juliet@kith.example/balcony")
)

// parse reads a stanza that is right.
func parse(t testing.TB, doc string) *Stanza {
	t.Helper()
	e, err := xmlstream.Parse(doc, xmlstream.AfterAuth)
	if err != nil {
		t.Fatal(err)
	}
	s, err := Parse(e)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, in, want string }{
		{"message", `<message from="Romeo@Kith.Example/orchard" to='juliet@kith.example' type="chat" id="1" xml:lang="en"><body>Hark</body></message>`,
			`<message type="chat" id="1" from="romeo@kith.example/orchard" to="juliet@kith.example" xml:lang="en"><body>Hark</body></message>`},
		{"normal is the default", `<message type="normal"/>`, `<message/>`},
		{"unknown type of message", `<message type="shout"/>`, `<message/>`},
		{"headline", `<message type="headline"/>`, `<message type="headline"/>`},
		{"presence", `<presence/>`, `<presence/>`},
		{"presence with a type", `<presence type="unsubscribed" to="a@b"/>`, `<presence type="unsubscribed" to="a@b"/>`},
		{"request", `<iq type="get" id="a&amp;b"><ping xmlns="urn:xmpp:ping"/></iq>`, `<iq type="get" id="a&amp;b"><ping xmlns="urn:xmpp:ping"/></iq>`},
		{"empty result", `<iq type="result" id="1"/>`, `<iq type="result" id="1"/>`},
		{"other attributes are dropped", `<message id="1" priority="2" xmlns:x="urn:x" x:y="3" from="a@b"/>`, `<message id="1" from="a@b"/>`},
		{"text between children is dropped", "<message>\n a<body> x </body> <thread/>\n</message>", "<message><body> x </body><thread/></message>"},
		{"children stay as they came", `<message><a:x  xmlns:a='urn:a' b = '1'><![CDATA[<]]></a:x></message>`,
			`<message><a:x  xmlns:a='urn:a' b = '1'><![CDATA[<]]></a:x></message>`},
		{"namespace of the child", `<message><body xmlns="jabber:client">a</body></message>`, `<message><body>a</body></message>`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := parse(t, c.in)
			if got := string(s.Append(nil, false)); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
			if again := parse(t, string(s.Raw())); again.Raw() != s.Raw() {
				t.Errorf("%s, then %s", s.Raw(), again.Raw())
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in string
		want     error
		header   string // what could be read
	}{
		{"unknown type of presence", `<presence type="here" from="a@b"/>`, BadRequest, `<presence type="here" from="a@b"/>`},
		{"IQ without a type", `<iq id="1" from="a@b"/>`, BadRequest, `<iq id="1" from="a@b"/>`},
		{"IQ of an unknown type", `<iq type="ask" id="1"/>`, BadRequest, `<iq type="ask" id="1"/>`},
		{"IQ without an id", `<iq type="get" to="a@b"><x/></iq>`, BadRequest, `<iq type="get" to="a@b"><x/></iq>`},
		{"request for nothing", `<iq type="get" id="1"/>`, BadRequest, `<iq type="get" id="1"/>`},
		{"request for two things", `<iq type="set" id="1"><x/><y/></iq>`, BadRequest, `<iq type="set" id="1"><x/><y/></iq>`},
		{"to is no address", `<message to="@" from="a@b" id="1"/>`, JIDMalformed, `<message id="1" from="a@b"/>`},
		{"empty to", `<message to="" id="1"/>`, JIDMalformed, `<message id="1"/>`},
		{"from is no address", `<message from="a@b@c" to="a@b"/>`, JIDMalformed, `<message to="a@b"/>`},
		{"other namespace", `<message xmlns="urn:x"/>`, ErrNotStanza, ""},
		{"other element", `<r xmlns="urn:xmpp:sm:3"/>`, ErrNotStanza, ""},
		{"other element of the content namespace", `<query/>`, ErrNotStanza, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, err := xmlstream.Parse(c.in, xmlstream.AfterAuth)
			if err != nil {
				t.Fatal(err)
			}
			s, err := Parse(e)
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if s == nil {
				if c.header != "" {
					t.Error("no stanza to bounce")
				}
				return
			}
			if got := string(s.Append(nil, false)); got != c.header {
				t.Errorf("got %s, want %s", got, c.header)
			}
		})
	}
}

func names(s *Stanza) (out []string) {
	for n := range s.Children() {
		out = append(out, n.Name().Local)
	}
	return out
}

func TestChange(t *testing.T) {
	t.Parallel()
	first := parse(t, `<message from="a@b" type="chat"><body>x</body><a xmlns="urn:a"/><b xmlns="urn:b"/></message>`)
	before := first.Raw()

	with := first.With(`<c xmlns="urn:c"/><d xmlns="urn:d"/>`, `<e xmlns="urn:e"/>`)
	if got := names(with); !slices.Equal(got, []string{"body", "a", "b", "c", "d", "e"}) {
		t.Error("With:", got)
	}
	// Two additions to one stanza do not see each other.
	x, y := with.With(`<x/>`), with.With(`<y/>`)
	if !strings.HasSuffix(string(x.Raw()), `<x/></message>`) || !strings.HasSuffix(string(y.Raw()), `<y/></message>`) {
		t.Error(x.Raw(), y.Raw())
	}
	if got := with.With(); got.Raw() != with.Raw() {
		t.Error("With nothing:", got.Raw())
	}

	without := x.Without(func(n xmlstream.Node) bool { return n.Is("urn:a", "a") || n.Is("urn:d", "d") })
	if got := string(without.Append(nil, false)); got !=
		`<message type="chat" from="a@b"><body>x</body><b xmlns="urn:b"/><c xmlns="urn:c"/><e xmlns="urn:e"/><x/></message>` {
		t.Error("Without:", got)
	}
	if first.Without(func(xmlstream.Node) bool { return false }) != first {
		t.Error("Without nothing made another")
	}
	if got := first.Without(func(xmlstream.Node) bool { return true }); string(got.Append(nil, false)) != `<message type="chat" from="a@b"/>` {
		t.Error("Without anything:", got.Raw())
	}
	if got := first.Without(func(xmlstream.Node) bool { return true }).With("<z/>"); len(names(got)) != 1 {
		t.Error(got.Raw())
	}

	if got := first.Addressed(romeo, juliet); got.From != romeo || got.To != juliet || len(names(got)) != 3 || got.Type != "chat" {
		t.Error("Addressed:", got.Raw())
	}
	if first.Raw() != before {
		t.Error("the first stanza changed:", first.Raw())
	}
	if c, ok := with.Child("urn:c", "c"); !ok || c.Raw() != `<c xmlns="urn:c"/>` {
		t.Error("Child:", ok)
	}
	if _, ok := with.Child("urn:a", "c"); ok {
		t.Error("found a child that is not there")
	}
	if n, ok := with.First(); !ok || !n.Is(xmlstream.NSClient, "body") {
		t.Error("First:", ok)
	}
	if _, ok := New(Presence, "", "", jid.JID{}, jid.JID{}).First(); ok {
		t.Error("First of nothing")
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	s := New(Message, "normal", "1", romeo, juliet, xmlstream.TextElem("", "body", "a<b"), xmlstream.Elem("urn:x", "x"))
	if got, want := string(s.Append(nil, false)), `<message id="1" from="romeo@kith.example/orchard" to="juliet@kith.example/balcony">`+
		`<body>a&lt;b</body><x xmlns="urn:x"/></message>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := s.Raw(); !strings.HasPrefix(string(got), `<message xmlns="jabber:client" id="1" `) {
		t.Error(got)
	}
	if body, ok := s.Child(xmlstream.NSClient, "body"); !ok || body.Text() != "a<b" {
		t.Error("body")
	}
	if n := len(s.Raw()); s.Size() < n || s.Size() > n+100 {
		t.Errorf("Size() = %d for %d bytes", s.Size(), n)
	}
	if got := New(Presence, "", "", jid.JID{}, jid.JID{}, "", "").Raw(); got != `<presence xmlns="jabber:client"/>` {
		t.Error(got)
	}
	if Kind(0).String() != "invalid" || IQ.String() != "iq" {
		t.Error("Kind.String")
	}
}

// TestConcurrentUse: a stanza that was made here is given to many sessions, and its children are found by the first
// who asks. Run it with the race detector.
func TestConcurrentUse(t *testing.T) {
	t.Parallel()
	s := New(Message, "chat", "1", romeo, juliet, "<body>x</body>").With("<a xmlns='urn:a'/>")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			other := s.Addressed(juliet, romeo).With("<b xmlns='urn:b'/>")
			if _, ok := other.Child("urn:a", "a"); !ok {
				t.Error("child is missing")
			}
			if len(s.Append(nil, true)) == 0 || len(names(s)) != 2 {
				t.Error(names(s))
			}
		})
	}
	wg.Wait()
}

func TestResultAndBounce(t *testing.T) {
	t.Parallel()
	iq := parse(t, `<iq type="get" id="7" from="romeo@kith.example/orchard" to="kith.example"><ping xmlns="urn:xmpp:ping"/></iq>`)
	if got, want := string(iq.Result().Append(nil, false)), `<iq type="result" id="7" from="kith.example" to="romeo@kith.example/orchard"/>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if got := iq.Result("<x/>"); !slices.Equal(names(got), []string{"x"}) {
		t.Error(got.Raw())
	}
	bounce := iq.Bounce(ItemNotFound.WithText("No <such> thing").WithApp(`<x xmlns="urn:x"/>`))
	if got, want := string(bounce.Append(nil, false)), `<iq type="error" id="7" from="kith.example" to="romeo@kith.example/orchard">`+
		`<error type="cancel"><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/>`+
		`<text xmlns="urn:ietf:params:xml:ns:xmpp-stanzas" xml:lang="en">No &lt;such&gt; thing</text><x xmlns="urn:x"/></error></iq>`; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if ItemNotFound.Text != "" || ItemNotFound.App != "" {
		t.Error("the variable changed")
	}
	if got := New(Message, "chat", "", romeo, juliet).Bounce(Forbidden); got.Kind != Message || got.From != juliet || got.To != romeo || got.ID != "" {
		t.Error(got.Raw())
	}
}

func TestError(t *testing.T) {
	t.Parallel()
	// Conditions and the types RFC 6120 §8.3.3 recommends; where it names two, the first.
	for want, e := range map[string]*Error{
		"bad-request modify": BadRequest, "conflict cancel": Conflict, "feature-not-implemented cancel": FeatureNotImplemented,
		"forbidden auth": Forbidden, "gone cancel": Gone, "internal-server-error cancel": InternalServerError,
		"item-not-found cancel": ItemNotFound, "jid-malformed modify": JIDMalformed, "not-acceptable modify": NotAcceptable,
		"not-allowed cancel": NotAllowed, "not-authorized auth": NotAuthorized, "policy-violation modify": PolicyViolation,
		"recipient-unavailable wait": RecipientUnavailable, "registration-required auth": RegistrationRequired,
		"remote-server-not-found cancel": RemoteServerNotFound, "remote-server-timeout wait": RemoteServerTimeout,
		"resource-constraint wait": ResourceConstraint, "service-unavailable cancel": ServiceUnavailable,
		"subscription-required auth": SubscriptionRequired, "undefined-condition cancel": UndefinedCondition,
		"unexpected-request wait": UnexpectedRequest,
	} {
		if got := e.Condition + " " + e.Type; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		full := e.WithText("why").WithApp(`<x xmlns="urn:x"/>`).WithType(Continue)
		read := ParseError(parse(t, string(New(Message, "chat", "1", romeo, juliet).Bounce(full).Raw())))
		if *read != *full {
			t.Errorf("%+v reads as %+v", full, read)
		}
		if !errors.Is(full, e) || errors.Is(full, ErrNotStanza) {
			t.Error("errors.Is", e.Condition)
		}
	}
	if errors.Is(BadRequest, Conflict) || BadRequest.Error() != "stanza: bad-request" || BadRequest.WithText("a").Error() != "stanza: bad-request: a" {
		t.Error("Error()")
	}
	for in, want := range map[string]Error{
		``:         {Type: Cancel, Condition: "undefined-condition"},
		`<error/>`: {Type: Cancel, Condition: "undefined-condition"},
		`<error type="odd"><new-thing xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error>`: {Type: Cancel, Condition: "undefined-condition"},
		`<body/><error type="modify"><x xmlns="urn:x"/><y xmlns="urn:y"/><redirect xmlns="urn:ietf:params:xml:ns:xmpp-stanzas">xmpp:a@b</redirect></error>`: {
			Type: Modify, Condition: "redirect", App: `<x xmlns="urn:x"/>`},
	} {
		if got := ParseError(parse(t, `<message type="error">`+in+`</message>`)); *got != want {
			t.Errorf("%s: %+v, want %+v", in, *got, want)
		}
	}
}

func TestNewID(t *testing.T) {
	t.Parallel()
	a, b := NewID(), NewID()
	if a == b || len(a) != 16 || strings.Trim(a+b, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Error(a, b)
	}
}

// FuzzParse: what is read is written and read again as the same, and With and Without undo each other.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<message from="Romeo@Kith.Example/orchard" to='juliet@kith.example' type="chat" id="1" xml:lang="en"><body>Hark</body></message>`,
		`<iq type="get" id="a&amp;b"><ping xmlns="urn:xmpp:ping"/></iq>`,
		"<message xmlns:a='urn:a'>\n a<a:body> x </a:body> <thread/><body xmlns='jabber:client'/>\n</message>",
		`<presence type="error" to="@"><error/></presence>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		e, err := xmlstream.Parse(doc, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		s, err := Parse(e)
		if s == nil {
			if err != ErrNotStanza {
				t.Fatal(err)
			}
			return
		}
		if err != nil {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Fatal(err)
			}
			s = s.Bounce(BadRequest)
			if s.ID == "" { // which an IQ must have
				return
			}
		}
		raw := s.Raw()
		if again := parse(t, string(raw)); again.Raw() != raw {
			t.Fatalf("%q reads as %q, which reads as %q", doc, raw, again.Raw())
		}
		mark := func(n xmlstream.Node) bool { return n.Is("urn:mark", "mark") }
		if got := s.Without(mark).With(`<mark xmlns="urn:mark"/>`).Without(mark); got.Raw() != s.Without(mark).Raw() {
			t.Fatalf("%q became %q", raw, got.Raw())
		}
	})
}

const chat = `<message xmlns="jabber:client" to="juliet@kith.example/balcony" from="romeo@kith.example/orchard" type="chat" ` +
	`id="a1b2c3d4-1111-2222-3333-444455556666" xml:lang="en"><body>But, soft! what light through yonder window breaks?</body>` +
	`<request xmlns="urn:xmpp:receipts"/><active xmlns="http://jabber.org/protocol/chatstates"/></message>`

func BenchmarkParse(b *testing.B) {
	e, err := xmlstream.Parse(chat, xmlstream.AfterAuth)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Parse(e); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkForward is a stanza that gets an id and goes on to somebody else.
func BenchmarkForward(b *testing.B) {
	s := parse(b, chat)
	buf := make([]byte, 0, 1024)
	b.ReportAllocs()
	for b.Loop() {
		buf = s.Addressed(romeo, juliet).With(`<stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example" id="1"/>`).Append(buf[:0], false)
	}
}
