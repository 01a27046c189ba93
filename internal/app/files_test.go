// SPDX-License-Identifier: Apache-2.0

package app

import (
	"bufio"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/config"
)

// A component says who it is and gets what is for it; what the server says of it is in service discovery (XEP-0114).
func TestComponent(t *testing.T) {
	t.Parallel()
	const secret = "what's in a name? that which we call"
	s := start(t, func(c *config.Config) {
		c.Listen.Components = "127.0.0.1:0"
		c.Components = []config.Component{{Domain: "irc.example", Secret: secret}}
	})
	nc, err := net.Dial("tcp", s.inner.Addr().String())
	must(t, err)
	defer nc.Close()
	must(t, nc.SetDeadline(time.Now().Add(time.Minute)))
	in := bufio.NewReader(nc)
	until := func(end string) string {
		t.Helper()
		var got strings.Builder
		for !strings.HasSuffix(got.String(), end) {
			b, err := in.ReadByte()
			if err != nil {
				t.Fatalf("got %s, and %v", got.String(), err)
			}
			got.WriteByte(b)
		}
		return got.String()
	}
	fmt.Fprint(nc, `<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams" to="irc.example">`)
	until("?>")
	_, after, _ := strings.Cut(until(">"), ` id="`)
	id, _, _ := strings.Cut(after, `"`)
	sum := sha1.Sum([]byte(id + secret))
	fmt.Fprintf(nc, "<handshake>%s</handshake>", hex.EncodeToString(sum[:]))
	until("<handshake/>")

	romeo := s.Connect(t, "romeo", "orchard")
	romeo.MustSend(t, `<iq type="get" id="1" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#items"/></iq>`)
	romeo.MustExpect(t, `<iq type="result" id="1"><query xmlns="http://jabber.org/protocol/disco#items"><item jid="irc.example"/></query></iq>`)
	romeo.MustSend(t, `<message to="#verona@irc.example" type="chat" id="2"><body>Hark</body></message>`)
	if got := until("</message>"); !strings.Contains(got, `id="2" from="romeo@kith.example/orchard" to="#verona@irc.example" xml:lang="en"><body>Hark</body>`) {
		t.Errorf("the component got %s", got)
	}
	fmt.Fprint(nc, `<iq type="get" id="3" from="irc.example" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`)
	if got := until("</iq>"); !strings.Contains(got, `<feature var="urn:xmpp:http:upload:0"/>`) {
		t.Errorf("the component got %s", got)
	}
	romeo.Cut()
	go s.stop()
	until("</stream:stream>")
	fmt.Fprint(nc, "</stream:stream>")
}

// A file is brought and shown, in the way that the app has it, and goes with its owner (XEP-0363).
func TestFile(t *testing.T) {
	t.Parallel()
	s := start(t)
	romeo := s.Connect(t, "romeo", "orchard")
	romeo.MustSend(t, `<iq type="get" id="1" to="kith.example"><request xmlns="urn:xmpp:http:upload:0" filename="a b.png" size="5" content-type="image/png"/></iq>`)
	answer := romeo.MustExpect(t, `<iq type="result" id="1"/>`)
	slot, _ := answer.Child("urn:xmpp:http:upload:0", "slot")
	put, _ := slot.Child("urn:xmpp:http:upload:0", "put")
	header, _ := put.Child("urn:xmpp:http:upload:0", "header")
	get, _ := slot.Child("urn:xmpp:http:upload:0", "get")
	if !strings.HasPrefix(put.Attr("url"), origin+"/upload/") || put.Attr("url") != get.Attr("url") {
		t.Fatalf("got %s", answer.Raw())
	}
	request := func(method, address, token, body string) *http.Response {
		t.Helper()
		u, err := url.Parse(address)
		must(t, err)
		u.Host, u.Scheme = s.web.Addr().String(), "http"
		r, err := http.NewRequestWithContext(t.Context(), method, u.String(), strings.NewReader(body))
		must(t, err)
		r.Host = domain
		if token != "" {
			r.Header.Set("Authorization", token)
		}
		res, err := http.DefaultTransport.RoundTrip(r)
		must(t, err)
		return res
	}
	status := func(method, address, token, body string) int {
		t.Helper()
		res := request(method, address, token, body)
		res.Body.Close()
		return res.StatusCode
	}
	if got := status("PUT", put.Attr("url"), header.Text(), "hello"); got != http.StatusCreated {
		t.Fatalf("PUT: %d", got)
	}
	res := request("GET", get.Attr("url"), "", "")
	body, err := io.ReadAll(res.Body)
	res.Body.Close()
	must(t, err)
	if string(body) != "hello" || res.Header.Get("Content-Type") != "image/png" ||
		!strings.HasPrefix(res.Header.Get("Content-Security-Policy"), "sandbox;") || res.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("GET: %q, %v", body, res.Header)
	}
	// The app's own policy lets it bring and show files of its own site.
	res = request("GET", origin+"/", "", "")
	res.Body.Close()
	for _, part := range []string{"connect-src 'self'", "img-src 'self' blob:", "media-src 'self' blob:"} {
		if !strings.Contains(res.Header.Get("Content-Security-Policy"), part) {
			t.Errorf("the app's policy has no %s: %s", part, res.Header.Get("Content-Security-Policy"))
		}
	}

	a, err := s.accounts.Lookup(t.Context(), "romeo")
	must(t, err)
	must(t, s.remove(t.Context(), a))
	must(t, s.server.removal.Finish(t.Context()))
	if got := status("GET", get.Attr("url"), "", ""); got != http.StatusNotFound {
		t.Errorf("GET without its owner: %d", got)
	}
}
