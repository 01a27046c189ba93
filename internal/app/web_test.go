// SPDX-License-Identifier: Apache-2.0

package app

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// webSocket are the options of a client that is a page of the server's own.
func webSocket() xmpptest.Options {
	return xmpptest.Options{Domain: domain, WebSocket: httpd.WebSocketPath, Origin: origin}
}

// A browser and an app of another kind write to each other.
func TestWebSocket(t *testing.T) {
	t.Parallel()
	s := start(t)
	romeo := s.Connect(t, "romeo", "orchard")
	s.Connect(t, "juliet", "garden").Close()

	web := s.reach(t, s.web.Addr().String(), webSocket())
	welcome, err := web.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "juliet", Password: password, Mechanism: sasl.SCRAMSHA256,
		Client: "d4565fa7-4d72-4749-b3d3-740edbf87770", Bind: true, Tag: "Kith", RequestToken: true,
		BindFeatures: `<enable xmlns="urn:xmpp:sm:3"/>`,
	})
	must(t, err)
	web.AutoAck(true)
	web.MustSend(t, `<presence/>`)
	web.MustExpect(t, `<presence from="`+web.JID.String()+`"/>`)
	romeo.MustSend(t, `<message to="juliet@kith.example" type="chat" id="1"><body>He jests at scars</body></message>`)
	web.MustExpect(t, `<message from="romeo@kith.example/orchard" to="juliet@kith.example" type="chat" id="1">
		<body>He jests at scars</body><stanza-id xmlns="urn:xmpp:sid:0" by="juliet@kith.example" id="*"/></message>`)
	web.MustSend(t, `<message to="romeo@kith.example/orchard" type="chat" id="2"><body>Ay me!</body></message>`)
	romeo.MustExpect(t, `<message from="`+web.JID.String()+`" id="2"><body>Ay me!</body></message>`)
	web.Close()

	// The page comes back with its token, as the same device.
	again := s.reach(t, s.web.Addr().String(), webSocket())
	_, err = again.LoginSASL2(t.Context(), xmpptest.SASL2{
		User: "juliet", Password: welcome.Token, Mechanism: sasl.HTSHA256NONE,
		Client: "d4565fa7-4d72-4749-b3d3-740edbf87770", Bind: true, Tag: "Kith",
	})
	must(t, err)
	if again.JID != web.JID {
		t.Errorf("it comes back as %s, was %s", again.JID, web.JID)
	}

	// Old clients log in over a WebSocket as they do elsewhere, with new streams.
	old := s.reach(t, s.web.Addr().String(), webSocket())
	must(t, old.Login(t.Context(), "juliet", password, "balcony", sasl.SCRAMSHA1))
	old.MustExpectNothing(t)
	must(t, old.Stream.WriteStanzas(nil, `<message xmlns="jabber:client" from="tybalt@kith.example"/>`))
	ends(t, old, "invalid-from")

	early := s.reach(t, s.web.Addr().String(), webSocket())
	early.MustSend(t, `<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
	ends(t, early, "not-authorized")
}

// Who may open a WebSocket: pages of our own and programs, over a way on which nobody reads along (RFC 6455 §10.2).
func TestWebSocketIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	tests := []struct {
		name   string
		header map[string]string
		want   int
	}{
		{"a page of our own", nil, http.StatusSwitchingProtocols},
		{"a program", map[string]string{"Origin": ""}, http.StatusSwitchingProtocols},
		{"another page", map[string]string{"Origin": "https://evil.example"}, http.StatusForbidden},
		{"our page, by another way", map[string]string{"Origin": "https://" + domain}, http.StatusForbidden},
		{"a page without an address", map[string]string{"Origin": "null"}, http.StatusForbidden},
		{"through a proxy that nobody named", map[string]string{"X-Forwarded-For": "192.0.2.1", "X-Forwarded-Proto": "https"}, http.StatusForbidden},
		{"another protocol", map[string]string{"Sec-WebSocket-Protocol": "chat"}, http.StatusBadRequest},
		{"an old version", map[string]string{"Sec-WebSocket-Version": "8"}, http.StatusUpgradeRequired},
		{"no WebSocket", map[string]string{"Upgrade": ""}, http.StatusUpgradeRequired},
	}
	for _, test := range tests {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.web.Addr().String()+httpd.WebSocketPath, nil)
		must(t, err)
		r.Host = domain
		for name, value := range map[string]string{
			"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
			"Sec-WebSocket-Version": "13", "Sec-WebSocket-Protocol": "xmpp", "Origin": origin,
		} {
			r.Header.Set(name, value)
		}
		for name, value := range test.header {
			if value == "" {
				r.Header.Del(name)
				continue
			}
			r.Header.Set(name, value)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		must(t, err)
		answer.Body.Close()
		if answer.StatusCode != test.want {
			t.Errorf("%s: got %s, want %d", test.name, answer.Status, test.want)
		}
	}
}

// Where the WebSocket is, clients find out (XEP-0156 §2.1), from pages of whatever site.
func TestHostMeta(t *testing.T) {
	t.Parallel()
	s := start(t)
	for path, want := range map[string]string{
		"/.well-known/host-meta":      `rel="urn:xmpp:alt-connections:websocket" href="ws://` + domain + httpd.WebSocketPath + `"`,
		"/.well-known/host-meta.json": `{"rel":"urn:xmpp:alt-connections:websocket","href":"ws://` + domain + httpd.WebSocketPath + `"}`,
		"/healthz":                    "ok",
		"/":                           "<html",
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+s.web.Addr().String()+path, nil)
		must(t, err)
		r.Host = domain
		answer, err := http.DefaultClient.Do(r)
		must(t, err)
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		must(t, err)
		if answer.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
			t.Errorf("%s: got %s\n%s\nwant %s", path, answer.Status, body, want)
		}
		if strings.HasPrefix(path, "/.well-known/host-meta") && answer.Header.Get("Access-Control-Allow-Origin") != "*" {
			t.Errorf("%s: scripts of other sites cannot read it", path)
		}
	}
}
