// SPDX-License-Identifier: Apache-2.0

package xmlstream

import (
	"errors"
	"io"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func equal(t *testing.T, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(want, got) { // cmp is slow where there is much to compare
		t.Errorf("-want +got:\n%s", cmp.Diff(want, got))
	}
}

// raws returns the text of what was read.
func raws(list []Node) (out []Raw) {
	for _, n := range list {
		out = append(out, n.Raw())
	}
	return out
}

func TestStream(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, in  string
		kids      []Raw
		closed    bool
		condition string
	}{
		{name: "a whole stream", closed: true,
			in:   "<?xml version='1.0'?>" + header + "<a xmlns='urn:a'/><message><body>x</body></message></stream:stream>",
			kids: []Raw{"<a xmlns='urn:a'/>", "<message><body>x</body></message>"}},
		{name: "keepalives", in: "\n" + header + " \n<presence/>\n\n\t<presence/> ", kids: []Raw{"<presence/>", "<presence/>"}},
		{name: "XML declaration behind a keepalive", in: " <?xml version='1.0'?>\n" + header},
		{name: "header that is its own end", in: strings.TrimSuffix(header, ">") + "/>", closed: true},
		{name: "end tag with white space", in: header + "</stream:stream \n>", closed: true},
		{name: "nothing counts behind the end", in: header + "</stream:stream>\x00<<<", closed: true},
		{name: "text between elements", in: header + "<presence/>x<presence/>", kids: []Raw{"<presence/>"}, condition: BadFormat},
		{name: "CDATA section between elements", in: header + "<![CDATA[ ]]>", condition: BadFormat},
		{name: "text before the header", in: "x" + header, condition: NotWellFormed},
		{name: "HTTP", in: "GET / HTTP/1.1\r\n", condition: NotWellFormed},
		{name: "TLS", in: "\x16\x03\x01", condition: NotWellFormed},
		{name: "other end tag", in: header + "</stream>", condition: NotWellFormed},
		{name: "end before the header", in: "</stream:stream>", condition: NotWellFormed},
		{name: "second XML declaration", in: header + "<?xml version='1.0'?>", condition: RestrictedXML},
		{name: "comment between elements", in: header + "<!-- x -->", condition: RestrictedXML},
		{name: "document type before the header", in: "<!DOCTYPE x>" + header, condition: RestrictedXML},
		{name: "header that is too long", in: "<a b='" + strings.Repeat("x", 256<<10), condition: PolicyViolation},
		{name: "endless text", in: header + "<a>" + strings.Repeat("x", 256<<10), condition: PolicyViolation},
		{name: "endless section", in: header + "<a><![CDATA[" + strings.Repeat("]", 256<<10), condition: PolicyViolation},
		{name: "endless end tag", in: header + "<a></a" + strings.Repeat(" ", 256<<10), condition: PolicyViolation},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			for _, size := range []int{1 << 20, 1000, 1} {
				r := readStream(AfterAuth, c.in, pieces(size))
				if condition(r.err) != c.condition || r.closed != c.closed || !slices.Equal(raws(r.kids), c.kids) {
					t.Errorf("in pieces of %d: %v, closed %v, %q", size, r.err, r.closed, raws(r.kids))
				}
			}
		})
	}
}

func TestHeader(t *testing.T) {
	t.Parallel()
	r := readStream(BeforeAuth, `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams'
		xmlns:db='jabber:server:dialback' from='a.example' to='b.example' version='1.0' xml:lang='de'>`, pieces(10))
	if r.err != ErrMore {
		t.Fatal(r.err)
	}
	h := r.header
	if !h.Is(NSStreams, "stream") || h.Attr("from") != "a.example" || h.AttrNS(NSXML, "lang") != "de" || h.HasAttr("id") {
		t.Error("header:", treeOf(h))
	}
	if _, ok := h.Child(NSClient, "x"); ok || h.Raw() != "" || h.Inner() != "" || h.Text() != "" {
		t.Error("header has content")
	}
	if got := r.parser.Content(); got != "jabber:server" {
		t.Errorf("Content() = %q", got)
	}
}

// TestForm shows how the children of first-level elements come out, on streams whose header binds other things.
func TestForm(t *testing.T) {
	t.Parallel()
	const (
		client    = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:h='urn:h'>`
		server    = `<stream:stream xmlns='jabber:server' xmlns:stream='http://etherx.jabber.org/streams' xmlns:c='jabber:client' xmlns:h='urn:h'>`
		component = `<stream:stream xmlns='jabber:component:accept' xmlns:stream='http://etherx.jabber.org/streams'>`
		unusual   = `<stream xmlns='http://etherx.jabber.org/streams'>`
		none      = `<stream:stream xmlns:stream='http://etherx.jabber.org/streams'>`
	)
	for _, c := range []struct {
		name, header, in string
		root             Name
		kids             []Raw
	}{
		{"plain", client, `<message><body>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"plain between servers", server, `<message><body>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"plain from a component", component, `<message><body>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"declared on the stanza", client, `<message xmlns='jabber:client'><body>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"declared on the stanza between servers", server, `<message xmlns='jabber:server'><body>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"declared on the child", client, `<message><body xmlns='jabber:client'>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"declared on the child between servers", server, `<message><body xmlns='jabber:server'>a</body></message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"prefix for the content namespace", client, `<c:message xmlns:c='jabber:client'><c:body>a</c:body></c:message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"prefix for the content namespace in the header", server, `<c:message><c:body>a</c:body></c:message>`,
			Name{NSClient, "message"}, []Raw{`<body>a</body>`}},
		{"prefix of the header", client, `<message><h:x h:y='1'><h:z/></h:x><body/></message>`,
			Name{NSClient, "message"}, []Raw{`<x xmlns="urn:h" xmlns:h="urn:h" h:y='1'><z/></x>`, `<body/>`}},
		{"prefix of the stanza", client, `<message xmlns:a='urn:a'><a:x/><y a:z="&amp;'"/></message>`,
			Name{NSClient, "message"}, []Raw{`<x xmlns="urn:a"/>`, `<y xmlns:a="urn:a" a:z="&amp;'"/>`}},
		{"prefix of the child stays", client, `<message><a:x xmlns:a='urn:a'><a:y/></a:x></message>`,
			Name{NSClient, "message"}, []Raw{`<a:x xmlns:a='urn:a'><a:y/></a:x>`}},
		{"declaration deeper inside stays", client, `<message><f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f></message>`,
			Name{NSClient, "message"}, []Raw{`<f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f>`}},
		{"deeper inside between servers it becomes client", server, `<message><f xmlns='urn:f'><message xmlns='jabber:server'><body/></message></f></message>`,
			Name{NSClient, "message"}, []Raw{`<f xmlns="urn:f"><message xmlns="jabber:client"><body/></message></f>`}},
		{"client inside between servers stays", server, `<message><f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f></message>`,
			Name{NSClient, "message"}, []Raw{`<f xmlns='urn:f'><message xmlns='jabber:client'><body/></message></f>`}},
		{"element of the stream", client, `<stream:features><x xmlns='urn:x'/><y/></stream:features>`,
			Name{NSStreams, "features"}, []Raw{`<x xmlns="urn:x"/>`, `<y xmlns="jabber:client"/>`}},
		{"stream without a content namespace", unusual, `<message xmlns='jabber:client'><body/></message>`,
			Name{NSClient, "message"}, []Raw{`<body/>`}},
		{"features of such a stream", unusual, `<features><x xmlns='urn:x'/></features>`,
			Name{NSStreams, "features"}, []Raw{`<x xmlns="urn:x"/>`}},
		{"no namespace", none, `<message><x xmlns='urn:x'/></message>`,
			Name{"", "message"}, []Raw{`<x xmlns="urn:x"/>`}},
		{"namespace with a reference", client, `<message xmlns:a='urn:a&amp;b'><a:x/></message>`,
			Name{NSClient, "message"}, []Raw{`<x xmlns="urn:a&amp;b"/>`}},
		{"text and sections stay as they are", client, `<message xmlns:a='urn:a'><a:x> &lt;<y/><![CDATA[<z>]]> </a:x></message>`,
			Name{NSClient, "message"}, []Raw{`<x xmlns="urn:a"> &lt;<y xmlns="jabber:client"/><![CDATA[<z>]]> </x>`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := readStream(AfterAuth, c.header+c.in, pieces(5))
			if r.err != ErrMore || len(r.kids) != 1 {
				t.Fatal(r.err, len(r.kids))
			}
			root := r.kids[0]
			if root.Name() != c.root {
				t.Errorf("root is %v, want %v", root.Name(), c.root)
			}
			var got []Raw
			for k := range root.Children() {
				got = append(got, k.Raw())
			}
			equal(t, got, c.kids)
			equal(t, treeOf(mustParse(t, string(root.Raw()))), treeOf(root))
		})
	}
}

// TestSameAttribute: an attribute is there twice if its namespace is, wherever that was bound.
func TestSameAttribute(t *testing.T) {
	t.Parallel()
	const bound = `<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' xmlns:h='urn:h' xmlns:c='jabber:client'>`
	for in, want := range map[string]string{
		`<a h:x='1' h:x='2'/>`:                                     NotWellFormed,
		`<a h:x='1' i:x='2' xmlns:i='urn:h'/>`:                     NotWellFormed,
		`<a c:x='1' d:x='2' xmlns:d='jabber:client'/>`:             NotWellFormed,
		`<a h:x='1' i:x='2' c:x='3' xml:x='4' x='5' xmlns:i='i'/>`: "",
		`<a x='1' c:x='2'/>`:                                       "",
		`<a zzz:x='1'/>`:                                           NotWellFormed,
	} {
		if r := readStream(AfterAuth, bound+in, whole(in)); condition(r.err) != want {
			t.Errorf("%s: %v, want %q", in, r.err, want)
		}
	}
}

// TestSmallBomb: many short uses of a long namespace must not become a huge element.
func TestSmallBomb(t *testing.T) {
	t.Parallel()
	in := header + `<message xmlns:a='` + strings.Repeat("x", 500) + `'>` + strings.Repeat("<a:b/>", 9000) + "</message>"
	if r := readStream(AfterAuth, in, whole(in)); condition(r.err) != PolicyViolation {
		t.Error(r.err)
	}
	// Nor may a search through all declarations be repeated thousands of times.
	in = header
	for i := range 64 {
		in += "<a" + strings.ReplaceAll(manyAttrs(60), " a", " xmlns:"+string(rune('a'+i%26)))
	}
	in = strings.ReplaceAll(in, "''", "'urn:x'")
	in = strings.ReplaceAll(in, "'<", "'><")
	if r := readStream(AfterAuth, in, whole(in)); condition(r.err) != PolicyViolation {
		t.Error(r.err)
	}
}

func TestErrorsStay(t *testing.T) {
	t.Parallel()
	p := NewParser(AfterAuth)
	p.Feed([]byte(header + "x"))
	if tok, err := p.Next(); err != nil || tok.Kind != Open {
		t.Fatal(tok, err)
	}
	_, first := p.Next()
	p.Feed([]byte("<presence/>"))
	p.Reset()
	_, second := p.Next()
	if first != second || p.Buffered() != 0 {
		t.Errorf("first %v, then %v, %d bytes buffered", first, second, p.Buffered())
	}
	if _, ok := errors.AsType[*SyntaxError](first); !ok || !strings.Contains(first.Error(), BadFormat) {
		t.Errorf("not a SyntaxError: %v", first)
	}
}

// TestReset: after authentication the next stream may have come already, in the same segment.
func TestReset(t *testing.T) {
	t.Parallel()
	p := NewParser(BeforeAuth)
	p.Feed([]byte(header + "<auth xmlns='urn:a'/>\n<?xml version='1.0'?>" + header + "<presence/>"))
	for range 2 {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	p.Reset()
	if p.Content() != "" {
		t.Error("the old stream's namespace is still there")
	}
	for _, want := range []Kind{Open, Child} {
		if tok, err := p.Next(); err != nil || tok.Kind != want {
			t.Fatal(tok, err)
		}
	}
	if _, err := p.Next(); err != ErrMore {
		t.Error(err)
	}
}

func TestSetLimits(t *testing.T) {
	t.Parallel()
	p := NewParser(BeforeAuth)
	p.Feed([]byte(header))
	if _, err := p.Next(); err != nil {
		t.Fatal(err)
	}
	p.SetLimits(AfterAuth)
	p.Feed([]byte("<a>" + strings.Repeat("x", 20_000) + "</a>"))
	if _, err := p.Next(); err != nil {
		t.Error(err)
	}
}

func TestSkipSpace(t *testing.T) {
	t.Parallel()
	for rest, want := range map[string]int{"": 0, "\n": 0, " \t\r\n": 0, " <": 1, "<a/> ": 5} {
		p := NewParser(Limits{})
		p.Feed([]byte(rest))
		p.SkipSpace()
		if got := p.Buffered(); got != want {
			t.Errorf("%q: %d bytes are left, want %d", rest, got, want)
		}
	}
}

func TestBufferedAndRelease(t *testing.T) {
	t.Parallel()
	p := NewParser(AfterAuth)
	p.Feed([]byte(header + "<starttls xmlns='urn:t'/>"))
	for range 2 {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if n := p.Buffered(); n != 0 {
		t.Errorf("%d bytes behind the element", n)
	}
	p.Release()
	if p.buf != nil || p.nodes != nil {
		t.Error("memory is kept")
	}
	p.Feed([]byte("<message><body>half"))
	if _, err := p.Next(); err != ErrMore {
		t.Fatal(err)
	}
	p.Release() // must not lose what is half read
	p.Feed([]byte("</body></message></stream:stream>"))
	tok, err := p.Next()
	if err != nil {
		t.Fatal(err)
	}
	if body, _ := tok.Element.Root().Child(NSClient, "body"); body.Text() != "half" {
		t.Error(body.Raw())
	}
	if tok, err := p.Next(); err != nil || tok.Kind != Close {
		t.Error(tok, err)
	}
	if _, err := p.Next(); err != io.EOF {
		t.Error(err)
	}
	p.Feed([]byte(strings.Repeat(" ", 100_000)))
	if _, err := p.Next(); err != io.EOF {
		t.Error(err)
	}
}

// TestIdleMemory: a large element leaves no large buffer behind.
func TestIdleMemory(t *testing.T) {
	t.Parallel()
	p := NewParser(AfterAuth)
	p.Feed([]byte(header + "<a>" + strings.Repeat("<b c=''/>", 5000) + "</a>"))
	for range 2 {
		if _, err := p.Next(); err != nil {
			t.Fatal(err)
		}
	}
	if cap(p.buf) > maxIdle || cap(p.nodes) > 1000 || cap(p.attrs) > 1000 {
		t.Error(cap(p.buf), cap(p.nodes), cap(p.attrs))
	}
}
