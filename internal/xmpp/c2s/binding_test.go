// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// connect opens a stream over TLS as options say; direct TLS unless o says otherwise.
func (w *world) connect(cfg *tls.Config, direct bool) (*xmpptest.Client, error) {
	w.t.Helper()
	l := w.plain
	if direct {
		l = w.direct
	}
	cfg = cfg.Clone()
	cfg.InsecureSkipVerify = true
	if cfg.ServerName == "" {
		cfg.ServerName = domain
	}
	c, err := xmpptest.New(w.t.Context(), l.dial(), xmpptest.Options{Domain: domain, TLS: cfg, Direct: direct})
	if err == nil {
		w.t.Cleanup(c.Cut)
	}
	return c, err
}

// plusMechanisms are those that bind to the channel.
func plusMechanisms() []string {
	return []string{sasl.SCRAMSHA1PLUS, sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA512PLUS}
}

// A password is bound to the channel by both profiles, over both ways to TLS, in both versions of it.
func TestChannelBinding(t *testing.T) {
	for version, name := range map[uint16]string{tls.VersionTLS12: "TLS 1.2", tls.VersionTLS13: "TLS 1.3"} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				for _, direct := range []bool{true, false} {
					for _, mech := range plusMechanisms() {
						c, err := w.connect(&tls.Config{MaxVersion: version}, direct)
						if err != nil {
							t.Fatal(err)
						}
						if err := c.Login(t.Context(), "juliet", password, "", mech); err != nil {
							t.Errorf("%s: %v", mech, err)
						}
						c.Cut()
						if c, err = w.connect(&tls.Config{MaxVersion: version}, direct); err != nil {
							t.Fatal(err)
						}
						r := withPassword()
						r.Mechanism = mech
						if _, err := c.LoginSASL2(t.Context(), r); err != nil {
							t.Errorf("%s in SASL2: %v", mech, err)
						}
						c.Cut()
					}
				}
			})
		})
	}
}

// bound logs in by SCRAM-SHA-256-PLUS with a binding of the test's choice.
func (w *world) bound(c *xmpptest.Client, ch sasl.Channel, kind string) error {
	w.t.Helper()
	m, err := sasl.NewSCRAMClient(sasl.SHA256, "juliet", password, "")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := m.Bind(ch, kind); err != nil {
		w.t.Fatal(err)
	}
	c.MustSend(w.t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256-PLUS">`+b64(string(m.Initial()))+`</auth>`)
	n := w.next(c)
	if n.Is(nsSASL, "challenge") {
		challenge, err := decode(nsSASL, n.Text())
		if err != nil {
			w.t.Fatal(err)
		}
		response, err := m.Respond(challenge)
		if err != nil {
			w.t.Fatal(err)
		}
		c.MustSend(w.t, `<response xmlns="`+nsSASL+`">`+b64(string(response))+`</response>`)
		n = w.next(c)
	}
	if n.Is(nsSASL, "success") {
		return nil
	}
	for el := range n.Children() {
		return &xmpptest.AuthError{Condition: el.Name().Local}
	}
	return &xmpptest.AuthError{}
}

// next reads the next element, whatever it is.
func (w *world) next(c *xmpptest.Client) xmlstream.Node {
	w.t.Helper()
	if err := c.Stream.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		w.t.Fatal(err)
	}
	el, err := c.Stream.Read()
	if err != nil {
		w.t.Fatal(err)
	}
	return el.Root()
}

// channel is a client's view of its connection.
func channel(c *xmpptest.Client) sasl.Channel {
	state := c.Stream.TLS()
	return sasl.NewChannel(state, state.PeerCertificates[0])
}

// Who stands between the two has other channels (RFC 5802 §6), and who takes the -PLUS mechanisms away is found out.
func TestMiddle(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		other := w.client()
		for _, test := range []struct {
			name, kind string
			of         func(c *xmpptest.Client) sasl.Channel
			want       string
		}{
			{"exported", sasl.TLSExporter, channel, ""},
			{"the certificate", sasl.TLSServerEndPoint, channel, ""},
			{"exported by another connection", sasl.TLSExporter, func(*xmpptest.Client) sasl.Channel { return channel(other) }, "not-authorized"},
			{"another certificate", sasl.TLSServerEndPoint, func(c *xmpptest.Client) sasl.Channel {
				leaf, err := x509.ParseCertificate(selfSigned(t).Certificate[0])
				if err != nil {
					t.Fatal(err)
				}
				return sasl.NewChannel(c.Stream.TLS(), leaf)
			}, "not-authorized"},
		} {
			c := w.client()
			if got := condition(w.bound(c, test.of(c), test.kind)); got != test.want {
				t.Errorf("%s: got %q, want %q", test.name, got, test.want)
			}
		}
		c := w.client()
		c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256">`+b64("y,,n=juliet,r=abc")+`</auth>`)
		c.MustExpect(t, `<failure xmlns="`+nsSASL+`"><not-authorized/><text>server-does-support-channel-binding</text></failure>`)
		c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256-PLUS">`+b64("p=tls-unique,,n=juliet,r=abc")+`</auth>`)
		c.MustExpect(t, `<failure xmlns="`+nsSASL+`"><invalid-mechanism/><text>unsupported-channel-binding-type</text></failure>`)
	})
}

// Where TLS is not ours, nothing binds to it, and nothing is said about it.
func TestNoChannel(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		a, b := xmpptest.Pipe(0)
		w.server.Accept(a, stream.Options{Secure: true, Remote: netip.MustParseAddr("192.0.2.1")})
		c, err := xmpptest.New(t.Context(), b, xmpptest.Options{Domain: domain})
		if err != nil {
			t.Fatal(err)
		}
		offer := string(c.Features.Raw())
		for _, bad := range []string{"-PLUS", "channel-binding", "ENDP", "EXPR"} {
			if strings.Contains(offer, bad) {
				t.Errorf("%s is offered: %s", bad, offer)
			}
		}
		c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256-PLUS">`+b64("p=tls-exporter,,n=juliet,r=abc")+`</auth>`)
		c.MustExpect(t, `<failure xmlns="`+nsSASL+`"><invalid-mechanism/></failure>`)
		r := withToken("x")
		r.Mechanism = sasl.HTSHA256NONE
		r.RequestToken, r.TokenFor = true, sasl.HTSHA256EXPR
		if _, err := c.LoginSASL2(t.Context(), r); condition(err) != "malformed-request" {
			t.Errorf("a token for what is not offered: %v", err)
		}
		c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256">`+b64("y,,n=juliet,r=abc")+`</auth>`)
		challenge := c.MustExpect(t, `<challenge xmlns="`+nsSASL+`">…</challenge>`)
		text, err := decode(nsSASL, challenge.Text())
		if err != nil || strings.Contains(string(text), ",t=") || !strings.Contains(string(text), ",h=") {
			t.Errorf("the challenge: %q, %v", text, err)
		}
	})
}

// The certificate that counts is the one of the handshake: of several, and where it has changed since.
func TestCertificateOfHandshake(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		one, two := selfSigned(t), selfSigned(t)
		var mu sync.Mutex
		current := map[string]*tls.Certificate{domain: &one, "other.example": &two}
		w.server.handshakes.base = &tls.Config{GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			mu.Lock()
			defer mu.Unlock()
			return current[hello.ServerName], nil
		}}
		var clients []*xmpptest.Client
		dial := func(name string, want tls.Certificate) {
			t.Helper()
			c, err := w.connect(&tls.Config{ServerName: name}, len(clients)%2 == 0)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.Stream.TLS().PeerCertificates[0].Raw; !slices.Equal(got, want.Certificate[0]) {
				t.Errorf("%s: another certificate is shown", name)
			}
			clients = append(clients, c)
		}
		dial(domain, one)
		dial("other.example", two)
		dial(domain, one)
		renewed := selfSigned(t)
		mu.Lock()
		current[domain] = &renewed
		mu.Unlock()
		dial(domain, renewed)
		for i, c := range clients {
			if err := w.bound(c, channel(c), sasl.TLSServerEndPoint); err != nil {
				t.Errorf("client %d: %v", i, err)
			}
		}
		for range 2 * maxPins { // what is renewed often does not fill the memory
			again := selfSigned(t)
			mu.Lock()
			current[domain] = &again
			mu.Unlock()
			dial(domain, again)
			c := clients[len(clients)-1]
			if err := w.bound(c, channel(c), sasl.TLSServerEndPoint); err != nil {
				t.Errorf("after many: %v", err)
			}
		}
		if n := len(w.server.handshakes.pins); n > maxPins {
			t.Errorf("%d certificates are remembered", n)
		}
		if _, err := w.connect(&tls.Config{ServerName: "third.example"}, true); err == nil {
			t.Error("a handshake without a certificate")
		}
	})
}

// No session of TLS is resumed: the certificate is shown each time.
func TestNoTickets(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			cfg := &tls.Config{ClientSessionCache: tls.NewLRUClientSessionCache(4), MaxVersion: version}
			for range 2 {
				c, err := w.connect(cfg, true)
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Login(t.Context(), "juliet", password, "", sasl.SCRAMSHA256PLUS); err != nil {
					t.Error(err)
				}
				if c.Stream.TLS().DidResume {
					t.Error("a session was resumed")
				}
				c.Cut()
			}
		}
	})
}

// Direct TLS takes clients that say xmpp-client or nothing, and no others (XEP-0368 §3); STARTTLS asks for nothing.
func TestALPN(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for _, test := range []struct {
			direct bool
			offer  []string
			want   string
			ok     bool
		}{
			{true, nil, "", true},
			{true, []string{"xmpp-client"}, "xmpp-client", true},
			{true, []string{"h2", "xmpp-client"}, "xmpp-client", true},
			{true, []string{"h2", "http/1.1"}, "", false},
			{true, []string{"xmpp-server"}, "", false},
			{false, []string{"xmpp-client"}, "", true},
			{false, []string{"h2"}, "", true},
		} {
			c, err := w.connect(&tls.Config{NextProtos: test.offer}, test.direct)
			if (err == nil) != test.ok {
				t.Errorf("%v, direct %v: got %v", test.offer, test.direct, err)
				continue
			}
			if err == nil && c.Stream.TLS().NegotiatedProtocol != test.want {
				t.Errorf("%v: got %q, want %q", test.offer, c.Stream.TLS().NegotiatedProtocol, test.want)
			}
		}
	})
}

// A token is bound to the mechanism that it was asked for, and that to its channel (XEP-0484 §3.4).
func TestBoundTokens(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		all := []string{sasl.HTSHA256ENDP, sasl.HTSHA256EXPR, sasl.HTSHA256NONE}
		for _, mech := range all {
			r := withPassword()
			r.RequestToken, r.TokenFor, r.Client = true, mech, mech
			c, welcome := w.login2(r)
			c.Close()
			token := func(m string) xmpptest.SASL2 {
				r := withToken(welcome.Token)
				r.Mechanism, r.Client = m, mech
				return r
			}
			for _, other := range all {
				if other != mech {
					w.refused2("a token for "+mech+" by "+other, token(other), "not-authorized")
				}
			}
			for range 2 {
				c, _ = w.login2(token(mech))
				c.Close()
			}
		}
	})
}

// loopback serves over a real socket, so that what is bound to is what the system's TLS made.
func TestLoopback(t *testing.T) {
	t.Parallel()
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		h := &handshakes{base: &tls.Config{Certificates: []tls.Certificate{selfSigned(t)}, MaxVersion: version}}
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		server := make(chan sasl.Channel, 1)
		go func() { // ends with the connection below
			defer close(server)
			nc, err := l.Accept()
			if err != nil {
				return
			}
			defer nc.Close()
			cfg, shown := h.begin(true)
			tc := tls.Server(nc, cfg)
			if tc.HandshakeContext(context.Background()) != nil {
				return
			}
			state := tc.ConnectionState()
			server <- sasl.NewChannel(&state, shown.certificate)
		}()
		c, err := tls.Dial("tcp", l.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{alpnClient}})
		if err != nil {
			t.Fatal(err)
		}
		state := c.ConnectionState()
		ours, theirs := sasl.NewChannel(&state, state.PeerCertificates[0]), <-server
		for _, kind := range []string{sasl.TLSExporter, sasl.TLSServerEndPoint} {
			a, okA := ours.Data(kind)
			b, okB := theirs.Data(kind)
			if !okA || !okB || !slices.Equal(a, b) {
				t.Errorf("%s in %x: got %x and %x", kind, version, a, b)
			}
		}
		c.Close()
		l.Close()
	}
}
