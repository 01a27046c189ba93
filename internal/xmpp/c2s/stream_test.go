// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// What a client does wrong before TLS, and the stream error that it gets.
func TestStreamErrors(t *testing.T) {
	tests := []struct{ name, send, want string }{
		{"another host", strings.Replace(header, "kith.example", "verona.example", 1), "host-unknown"},
		{"a host that is none", strings.Replace(header, "kith.example", "@", 1), "host-unknown"},
		{"an account instead of the host", strings.Replace(header, "kith.example", "juliet@kith.example", 1), "host-unknown"},
		{"the stream of a server", strings.Replace(header, "jabber:client", "jabber:server", 1), "invalid-namespace"},
		{"another root", strings.Replace(header, "jabber.org/streams", "jabber.org/rivers", 1), "invalid-namespace"},
		{"no version", strings.Replace(header, "version='1.0' xmlns=", "xmlns=", 1), "unsupported-version"},
		{"an old version", strings.Replace(header, "version='1.0' xmlns=", "version='0.9' xmlns=", 1), "unsupported-version"},
		{"from elsewhere", strings.Replace(header, "to=", "from='juliet@verona.example' to=", 1), "invalid-from"},
		{"from nowhere", strings.Replace(header, "to=", "from='@' to=", 1), "invalid-from"},
		{"another encoding", strings.Replace(header, "?>", " encoding='ISO-8859-1'?>", 1), "unsupported-encoding"},
		{"HTTP", "GET / HTTP/1.1\r\nHost: kith.example\r\n\r\n", "not-well-formed"},
		{"tags that cross", header + "<message><body></message></body>", "not-well-formed"},
		{"a prefix that is not bound", header + "<x:message/>", "not-well-formed"},
		{"a comment", header + "<!-- hark -->", "restricted-xml"},
		{"a processing instruction", header + "<?play hamlet?>", "restricted-xml"},
		{"a document type", "<?xml version='1.0'?><!DOCTYPE stream>" + header, "restricted-xml"},
		{"a reference to an entity", header + "<message>&hark;</message>", "restricted-xml"},
		{"10 kB before log-in", header + "<message><body>" + strings.Repeat("x", 10_000), "policy-violation"},
		{"a message before TLS", header + "<message to='romeo@kith.example'/>", "not-authorized"},
		{"a request before TLS", header + "<iq type='get' id='1'><ping xmlns='urn:xmpp:ping'/></iq>", "not-authorized"},
		{"binding before TLS", header + "<iq type='set' id='1'><bind xmlns='urn:ietf:params:xml:ns:xmpp-bind'/></iq>", "not-authorized"},
		{"nothing that is known", header + "<a xmlns='urn:example'/>", "not-authorized"},
		{"what follows STARTTLS at once", header + "<starttls xmlns='urn:ietf:params:xml:ns:xmpp-tls'/><iq type='get' id='1'/>", ""},
		{"another element of TLS", header + "<proceed xmlns='urn:ietf:params:xml:ns:xmpp-tls'/>", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				got := say(t, w.plain.dial(), test.send)
				if test.want != "" && !saysError(got, test.want) {
					t.Errorf("got %s, want %s", got, test.want)
				}
				// RFC 6120 §5.4.2.2, §5.4.3.3: no TLS, and nothing is answered that came before it.
				if test.want == "" && (strings.Contains(got, "<iq") || strings.Contains(got, "stream:error")) {
					t.Errorf("got %s, want the end", got)
				}
			})
		})
	}
}

// A stream that ends in order is ended in order.
func TestEndOfStream(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		got := say(t, w.plain.dial(), header+"</stream:stream>")
		if strings.Contains(got, "error") || !strings.HasSuffix(got, "</stream:features></stream:stream>") {
			t.Errorf("got %s", got)
		}
	})
}

// Before TLS nothing is offered but TLS (RFC 6120 §5.3.1), and nothing else can be had.
func TestOnlyTLS(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c, err := xmpptest.New(t.Context(), w.plain.dial(), xmpptest.Options{Domain: domain})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for n := range c.Features.Children() {
			names = append(names, n.Name().Local)
		}
		if got := strings.Join(names, " "); got != "starttls" {
			t.Errorf("features: got %s, want starttls", got)
		}
		if _, ok := c.Features.Child(nsTLS, "starttls"); !ok {
			t.Error("starttls is in another namespace")
		}
		c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256">=</auth>`)
		c.MustExpect(t, `<failure xmlns="`+nsSASL+`"><encryption-required/></failure>`)
		c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="SCRAM-SHA-256"/>`)
		c.MustExpect(t, `<failure xmlns="`+nsSASL2+`"><encryption-required xmlns="`+nsSASL+`"/></failure>`)
		c.Close()

		// With TLS all else is offered, and TLS is not.
		c, err = xmpptest.New(t.Context(), w.plain.dial(), xmpptest.Options{Domain: domain, TLS: trusting})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Login(t.Context(), "juliet", password, "balcony", "SCRAM-SHA-1"); err != nil {
			t.Fatal(err)
		}
		if _, ok := c.Features.Child(nsTLS, "starttls"); ok {
			t.Error("starttls is offered inside TLS")
		}
		c.Close()
	})
}

// What a client does wrong after it has logged in, before and after binding.
func TestErrorsAfterLogin(t *testing.T) {
	tests := []struct {
		name, send, want string
		unbound          bool
	}{
		{"a message before binding", `<message to="romeo@kith.example"/>`, "not-authorized", true},
		{"a request before binding", `<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`, "not-authorized", true},
		{"logging in again", `<auth xmlns="` + nsSASL + `" mechanism="SCRAM-SHA-256">=</auth>`, "not-authorized", true},
		{"logging in with a bound resource", `<auth xmlns="` + nsSASL + `" mechanism="SCRAM-SHA-256">=</auth>`, "unsupported-stanza-type", false},
		{"no stanza", `<letter/>`, "unsupported-stanza-type", false},
		{"a message of another kind of stream", `<message xmlns="jabber:server"/>`, "invalid-namespace", false},
		{"a message of another namespace", `<message xmlns="urn:example"/>`, "unsupported-stanza-type", false},
		{"from somebody else", `<message from="romeo@kith.example" to="romeo@kith.example"/>`, "invalid-from", false},
		{"from another of the account's devices", `<message from="juliet@kith.example/crypt" to="romeo@kith.example"/>`, "invalid-from", false},
		{"from no address", `<message from="@"/>`, "invalid-from", false},
		{"256 KiB", `<message><body>` + strings.Repeat("x", 256<<10), "policy-violation", false},
		{"a stream in the stream", `<stream:stream to="kith.example" version="1.0"/>`, "unsupported-stanza-type", false},
		{"not XML", `<<`, "not-well-formed", false},
		{"an acknowledgement that is no number", `<enable xmlns="urn:xmpp:sm:3"/><a xmlns="urn:xmpp:sm:3" h="many"/>`, "bad-format", false},
		{"another element of stream management", `<location xmlns="urn:xmpp:sm:3"/>`, "unsupported-stanza-type", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				c := w.client()
				if err := c.Authenticate(t.Context(), "juliet", password, "SCRAM-SHA-256"); err != nil {
					t.Fatal(err)
				}
				if !test.unbound {
					if err := c.Bind(t.Context(), "balcony"); err != nil {
						t.Fatal(err)
					}
				}
				if err := c.Stream.WriteStanzas(nil, xmlstream.Raw(test.send)); err != nil {
					t.Fatal(err)
				}
				want := `<stream:error><` + test.want + ` xmlns="` + nsError + `"/></stream:error>`
				if _, err := c.Await(t.Context(), want); err != nil {
					t.Fatal(err)
				}
				w.over(c)
			})
		})
	}
}

// What is as long as may be, is taken; and a from that is right, however long.
func TestAllowedAfterLogin(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.login("juliet", "balcony")
		c.MustSend(t, `<message id="1" to="juliet@kith.example/balcony"><body>`+strings.Repeat("x", 255<<10)+`</body></message>`)
		c.MustExpect(t, `<message id="1"/>`)
		c.MustSend(t, `<message id="2" from="juliet@kith.example" to="juliet@kith.example/balcony"><body>x</body></message>`)
		c.MustExpect(t, `<message id="2" from="juliet@kith.example/balcony"/>`)
		c.MustSend(t, `<message id="3" from="Juliet@kith.example/balcony" to="juliet@kith.example/balcony"><body>x</body></message>`)
		c.MustExpect(t, `<message id="3" from="juliet@kith.example/balcony"/>`)
		c.MustExpectNothing(t)
	})
}

// A client that does not log in is not waited for, one that has is.
func TestTimeout(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		bound := w.login("romeo", "orchard")
		if got := say(t, w.plain.dial(), header); !saysError(got, "connection-timeout") {
			t.Errorf("a client that says nothing: got %s", got)
		}
		if got := say(t, w.plain.dial(), ""); !saysError(got, "connection-timeout") {
			t.Errorf("a client that does not even begin: got %s", got)
		}
		c := w.client()
		if err := c.Authenticate(t.Context(), "juliet", password, "SCRAM-SHA-256"); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 2*negotiationTime)
		defer cancel()
		if _, err := c.Expect(ctx, `<stream:error><connection-timeout xmlns="`+nsError+`"/></stream:error>`); err != nil {
			t.Error(err)
		}
		bound.MustExpectNothing(t)
	})
}
