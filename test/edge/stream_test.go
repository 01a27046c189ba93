// SPDX-License-Identifier: Apache-2.0

package edge

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	header = `<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' ` +
		`to='localhost' version='1.0'>`
	secondHeader = `<stream:stream to='localhost' version='1.0'></stream:stream>`
	nsSASL       = "urn:ietf:params:xml:ns:xmpp-sasl"
)

// A breach is something that ends a stream, and the condition with which it does (RFC 6120 §4.9.3).
type breach struct {
	name, send, want string
}

// headers are breaches in what comes first.
func headers() []breach {
	return []breach{
		{"nothing like XML", "\x00\x01\x02\xff\xfe", xmlstream.NotWellFormed},
		{"HTTP", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", xmlstream.NotWellFormed},
		{"another root", "<a xmlns='b'>", "invalid-namespace"},
		{"another namespace of streams", strings.Replace(header, "etherx", "ether", 1), "invalid-namespace"},
		{"another content namespace", strings.Replace(header, "jabber:client", "jabber:server", 1), "invalid-namespace"},
		{"another version", strings.Replace(header, "version='1.0'>", "version='0.9'>", 1), "unsupported-version"},
		{"another host", strings.Replace(header, "to='localhost'", "to='elsewhere.example'", 1), "host-unknown"},
		{"another encoding", "<?xml version='1.0' encoding='UTF-16'?>" + header, "unsupported-encoding"},
		{"a document type", "<!DOCTYPE a [<!ENTITY b 'c'>]>" + header, "restricted-xml"},
		{"an attribute without end", "<stream:stream to='" + strings.Repeat("a", 1<<20), xmlstream.PolicyViolation},
		{"attributes without end", "<stream:stream" + strings.Repeat(" a='b'", 1<<16), xmlstream.PolicyViolation},
		{"white space without end", strings.Repeat(" ", 1<<20) + "< ", xmlstream.NotWellFormed},
	}
}

// elements are breaches by a first-level element, before anybody has said who they are. They are what they are on every
// transport.
func elements() []breach {
	return []breach{
		{"tags that do not match", "<a xmlns='b'><c></a>", xmlstream.NotWellFormed},
		{"no name", "< a/>", xmlstream.NotWellFormed},
		{"an attribute twice", "<a xmlns='b' c='1' c='2'/>", xmlstream.NotWellFormed},
		{"a prefix that is not bound", "<a:b/>", xmlstream.NotWellFormed},
		{"an entity", "<a xmlns='b'>&c;</a>", xmlstream.RestrictedXML},
		{"a character that is none", "<a xmlns='b'>&#1;</a>", xmlstream.NotWellFormed},
		{"a comment", "<a xmlns='b'><!-- c --></a>", xmlstream.RestrictedXML},
		{"a processing instruction", "<a xmlns='b'><?c d?></a>", xmlstream.RestrictedXML},
		{"a document type", "<a xmlns='b'><!DOCTYPE c></a>", xmlstream.RestrictedXML},
		{"too deep", strings.Repeat("<a xmlns='b'>", 1000), xmlstream.PolicyViolation},
		{"too many attributes", "<a" + strings.Repeat(" b='c'", 1000) + "/>", xmlstream.PolicyViolation},
		{"too many namespaces", "<a" + manyNamespaces() + "/>", xmlstream.PolicyViolation},
		{"too many children", "<a xmlns='b'>" + strings.Repeat("<c/>", 2000) + "</a>", xmlstream.PolicyViolation},
		{"too long", "<a xmlns='b'>" + strings.Repeat("c", 100_000) + "</a>", xmlstream.PolicyViolation},
		{"a message too early", "<message xmlns='jabber:client' to='juliet@localhost'><body>hi</body></message>", "not-authorized"},
		{"presence too early", "<presence xmlns='jabber:client'/>", "not-authorized"},
		{"binding too early", "<iq xmlns='jabber:client' type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "not-authorized"},
		{"something else", "<a xmlns='b'/>", "not-authorized"},
	}
}

func manyNamespaces() string {
	var b strings.Builder
	for i := range 200 {
		b.WriteString(" xmlns:a" + strings.Repeat("b", i) + "='c'")
	}
	return b.String()
}

// session are breaches by who is logged in; bound says whether to be bound as well.
func session() (proved, bound []breach) {
	early := []breach{
		{"a message before binding", "<message to='juliet@localhost'><body>hi</body></message>", "not-authorized"},
		{"a second header", secondHeader, "not-authorized"},
		{"another log-in", "<auth xmlns='" + nsSASL + "' mechanism='PLAIN'/>", "not-authorized"},
	}
	late := []breach{
		{"a second header", secondHeader, "unsupported-stanza-type"},
		{"no stanza", "<a/>", "unsupported-stanza-type"},
		{"no stanza of any namespace", "<message xmlns='b'/>", "unsupported-stanza-type"},
		{"from somebody else", "<message from='juliet@localhost/x' to='nurse@localhost'/>", "invalid-from"},
		{"an acknowledgement of too much", "<enable xmlns='urn:xmpp:sm:3'/><a xmlns='urn:xmpp:sm:3' h='1000'/>", "undefined-condition"},
	}
	both := []breach{
		{"tags that do not match", "<message><body></message>", xmlstream.NotWellFormed},
		{"a comment", "<message><!-- c --></message>", xmlstream.RestrictedXML},
		{"too deep", "<message>" + strings.Repeat("<a>", 1000), xmlstream.PolicyViolation},
		{"too many attributes", "<message" + manyNamespaces() + "/>", xmlstream.PolicyViolation},
		{"too many children", "<message>" + strings.Repeat("<a/>", 20_000) + "</message>", xmlstream.PolicyViolation},
		{"too long", "<message><body>" + strings.Repeat("c", 300_000) + "</body></message>", xmlstream.PolicyViolation},
	}
	return append(early, both...), append(late, both...)
}

// testStreams has all breaches made over TCP, before TLS and behind it.
func (w *world) testStreams(t *testing.T) {
	var list []test
	for _, way := range []struct {
		name    string
		connect func(t testing.TB) *peer
	}{
		{"plain", func(t testing.TB) *peer { return dial(t, w.Clients) }},
		{"tls", func(t testing.TB) *peer { return secure(t, w.ClientsTLS) }},
	} {
		for _, b := range headers() {
			list = append(list, test{way.name + "/header/" + b.name, func(t *testing.T) {
				c := way.connect(t)
				go c.write(b.send) // ends with the connection
				b.check(t, c.rest(t, closing))
			}})
		}
		for _, b := range elements() {
			list = append(list, test{way.name + "/element/" + b.name, func(t *testing.T) {
				c := way.connect(t)
				c.write(header)
				c.read(t, "</stream:features>")
				go c.write(b.send) // ends with the connection
				b.check(t, c.rest(t, closing))
			}})
		}
	}
	proved, bound := session()
	for _, b := range proved {
		list = append(list, test{"proved/" + b.name, func(t *testing.T) {
			c := connect(t, w.Server)
			if err := c.Authenticate(t.Context(), "nurse", password, sasl.SCRAMSHA256); err != nil {
				t.Fatal(err)
			}
			b.commit(t, c)
		}})
	}
	for _, b := range bound {
		list = append(list, test{"bound/" + b.name, func(t *testing.T) { b.commit(t, login(t, w.Server, "nurse")) }})
	}
	together(t, append(list, test{"injected before TLS", w.testInjected}, test{"too many guesses on one stream", w.testManyGuesses}))
}

// What is sent together with <starttls/> came in the clear, and must not count as protected (RFC 6120 §5.4.3.3).
func (w *world) testInjected(t *testing.T) {
	c := dial(t, w.Clients)
	c.write(header)
	c.read(t, "</stream:features>")
	c.write("<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><message/>")
	if got := c.rest(t, closing); strings.Contains(got, "not-authorized") {
		t.Errorf("what came before TLS was read: %q", got)
	}
}

// A stream has a few tries (RFC 6120 §6.4.5).
func (w *world) testManyGuesses(t *testing.T) {
	c := connect(t, w.Server)
	for range 10 {
		err := c.Prove(t.Context(), "nobody", "wrong", sasl.SCRAMSHA256)
		if err == nil {
			t.Fatal("a wrong password was right")
		}
		if _, again := errors.AsType[*xmpptest.AuthError](err); !again {
			return
		}
	}
	t.Error("the stream goes on after ten failures")
}

// check compares what the server said with what it should say.
func (b breach) check(t *testing.T, got string) {
	t.Helper()
	if !strings.Contains(got, "<"+b.want+" xmlns=") && !strings.Contains(got, "<"+b.want+" ") {
		t.Errorf("the server said %.300q, which is not %s", got, b.want)
	}
}

// commit makes the breach on a stream where somebody is logged in.
func (b breach) commit(t *testing.T, c *xmpptest.Client) {
	t.Helper()
	go func() { // ends with the connection
		_ = c.Stream.SetWriteDeadline(time.Now().Add(closing))
		_ = c.Stream.Write(xmlstream.Raw(b.send)) // what comes back tells
	}()
	_ = c.Stream.SetReadDeadline(time.Now().Add(closing))
	for {
		_, err := c.Stream.Read()
		if e, ok := errors.AsType[*stream.PeerError](err); ok {
			if e.Condition != b.want {
				t.Errorf("the stream ended with %s, want %s", e.Condition, b.want)
			}
			return
		}
		if err != nil {
			t.Fatalf("the stream ended with %v, want %s", err, b.want)
		}
	}
}
