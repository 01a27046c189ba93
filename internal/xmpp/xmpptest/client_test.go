// SPDX-License-Identifier: Apache-2.0

package xmpptest_test

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// Every way in leads to the same client.
func TestTransports(t *testing.T) {
	t.Parallel()
	f := newFake()
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, br, err := stream.Upgrade(w, r, func(r *http.Request) bool { return r.Header.Get("Origin") == "https://kith.example" })
		if err == nil {
			go f.serve(stream.NewWebSocket(c, br, stream.Options{From: domain}))
		}
	}))
	web.StartTLS()
	defer web.Close()
	pool := x509.NewCertPool()
	pool.AddCert(web.Certificate())
	trust := &tls.Config{RootCAs: pool, ServerName: "example.com"}
	f.tls = &tls.Config{Certificates: web.TLS.Certificates}

	listen := func(wrap func(net.Conn) net.Conn) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go f.serve(stream.NewTCP(wrap(c), stream.Options{From: domain}))
			}
		}()
		return l.Addr().String()
	}
	plain := listen(func(c net.Conn) net.Conn { return c })
	direct := listen(func(c net.Conn) net.Conn { return tls.Server(c, f.tls) })
	for _, test := range []struct {
		name, addr string
		o          xmpptest.Options
	}{
		{"STARTTLS", plain, xmpptest.Options{Domain: domain, TLS: trust}},
		{"TLS", direct, xmpptest.Options{Domain: domain, TLS: trust, Direct: true}},
		{"WebSocket", web.Listener.Addr().String(), xmpptest.Options{Domain: domain, TLS: trust, WebSocket: "/ws", Origin: "https://kith.example"}},
	} {
		c, err := xmpptest.Dial(t.Context(), test.addr, test.o)
		if err != nil {
			t.Fatal(test.name, err)
		}
		if err := c.Login(t.Context(), "romeo", password, "desk", "SCRAM-SHA-256"); err != nil {
			t.Fatal(test.name, err)
		}
		c.MustSend(t, `<message to="romeo@kith.example" id="1"/>`)
		c.MustExpect(t, `<message from="romeo@kith.example/desk" id="1"/>`)
		c.MustExpectNothing(t)
		if !c.Stream.Secure() || c.JID.String() != "romeo@kith.example/desk" {
			t.Error(test.name, c.JID)
		}
		c.Close()
	}
	if _, err := xmpptest.Dial(t.Context(), web.Listener.Addr().String(),
		xmpptest.Options{Domain: domain, TLS: trust, WebSocket: "/ws"}); err == nil {
		t.Error("the origin was not looked at")
	}
}

func TestLogin(t *testing.T) {
	t.Parallel()
	f := newFake()
	c := f.client(t, xmpptest.Options{Domain: domain})
	err := c.Authenticate(t.Context(), "romeo", "wrong", "SCRAM-SHA-256")
	if e, ok := errors.AsType[*xmpptest.AuthError](err); !ok || e.Condition != "not-authorized" {
		t.Errorf("got %v", err)
	}
	if err := c.Login(t.Context(), "romeo", password, "desk", "SCRAM-SHA-256"); err != nil {
		t.Error(err)
	}
}

// A password gives a token, and the token a session.
func TestLoginSASL2(t *testing.T) {
	t.Parallel()
	f := newFake()
	c := f.client(t, xmpptest.Options{Domain: domain})
	w, err := c.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "romeo", Password: password, Mechanism: "SCRAM-SHA-256",
		Client: "d4565fa7-4d72-4749-b3d3-740edbf87770", Bind: true, Tag: "desk", RequestToken: true,
	})
	if err != nil || w.Token != secret || w.Expiry == "" || c.JID.String() != "romeo@kith.example/desk.1" {
		t.Fatalf("got %+v %v %v", w, c.JID, err)
	}
	c = f.client(t, xmpptest.Options{Domain: domain})
	if _, err := c.LoginSASL2(t.Context(), xmpptest.SASL2{User: "romeo", Password: "old", Mechanism: "HT-SHA-256-NONE"}); err == nil {
		t.Error("a wrong token")
	}
	w, err = c.LoginSASL2(t.Context(), xmpptest.SASL2{User: "romeo", Password: w.Token, Mechanism: "HT-SHA-256-NONE", Bind: true})
	if err != nil || c.JID.String() != "romeo@kith.example/.1" {
		t.Fatalf("got %+v %v %v", w, c.JID, err)
	}
	c = f.client(t, xmpptest.Options{Domain: domain})
	w, err = c.LoginSASL2(t.Context(), xmpptest.SASL2{User: "romeo", Password: password, Mechanism: "SCRAM-SHA-256",
		Extra: `<resume xmlns="urn:xmpp:sm:3" previd="x" h="0"/>`})
	if err != nil || !w.Resumed {
		t.Fatalf("got %+v %v", w, err)
	}
}

func TestAcknowledgements(t *testing.T) {
	t.Parallel()
	c := newFake().Connect(t, "romeo", "desk")
	c.AutoAck(true)
	c.MustSend(t, `<enable xmlns="urn:xmpp:sm:3"/>`)
	c.MustExpect(t, `<enabled xmlns="urn:xmpp:sm:3"/>`)
	c.MustSend(t, `<message to="romeo@kith.example"/><message to="kith.example"><body>ask me</body></message><r xmlns="urn:xmpp:sm:3"/>`)
	c.MustExpect(t, `<message/>`)
	c.MustExpectNothing(t)
	if c.Taken() != 2 || c.Acked() != 5 { // the message and the answer to the ping
		t.Errorf("got %d, %d", c.Taken(), c.Acked())
	}
}

func TestExpectFails(t *testing.T) {
	t.Parallel()
	c := newFake().Connect(t, "romeo", "desk")
	c.MustSend(t, `<message to="romeo@kith.example" id="1"/><message to="romeo@kith.example" id="2"/>`)
	err := c.ExpectNothing(t.Context())
	if err == nil || !strings.Contains(err.Error(), `id="1"`) {
		t.Errorf("got %v", err)
	}
	if _, err = c.Expect(t.Context(), `<message id="2"/>`); err == nil || !strings.Contains(err.Error(), `/message@id is "1", want "2"`) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Await(t.Context(), `<message id="2"/>`); err != nil {
		t.Error(err)
	}
	if err := c.Send("<a>"); err == nil {
		t.Error("that is no XML")
	}
	if err := c.ExpectAll(t.Context(), `<a`); err == nil {
		t.Error("that is no pattern")
	}
}
