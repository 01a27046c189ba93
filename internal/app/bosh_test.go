// SPDX-License-Identifier: Apache-2.0

package app

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsBOSH  = "http://jabber.org/protocol/httpbind"
	nsSASL  = "urn:ietf:params:xml:ns:xmpp-sasl"
	nsSASL2 = "urn:xmpp:sasl:2"
)

// A boshClient is a client that has nothing but HTTP. It has one request at the server whenever it waits for something.
type boshClient struct {
	t    *testing.T
	url  string
	rid  int
	sid  string
	come []xmlstream.Node // and was not looked at
}

// dialBOSH begins a session.
func (s *testServer) dialBOSH(t *testing.T) *boshClient {
	t.Helper()
	c := &boshClient{t: t, url: "http://" + s.web.Addr().String() + httpd.BOSHPath, rid: 1<<40 + 7}
	root := c.ask(`to="`+domain+`" wait="60" hold="1" ver="1.6" xml:lang="en" xmpp:version="1.0" xmlns:xmpp="urn:xmpp:xbosh"`, "")
	if c.sid = root.Attr("sid"); c.sid == "" {
		t.Fatalf("no session: %s", root.Raw())
	}
	return c
}

// ask sends a request and returns the body of its answer.
func (c *boshClient) ask(attrs, payload string) xmlstream.Node {
	c.t.Helper()
	root, err := c.try(c.t.Context(), attrs, payload)
	if err != nil {
		c.t.Fatal(err)
	}
	return root
}

func (c *boshClient) try(ctx context.Context, attrs, payload string) (xmlstream.Node, error) {
	if c.sid != "" {
		attrs += ` sid="` + c.sid + `"`
	}
	c.rid++
	text := fmt.Sprintf(`<body xmlns="%s" rid="%d" %s>%s</body>`, nsBOSH, c.rid, attrs, payload)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(text))
	if err != nil {
		return xmlstream.Node{}, err
	}
	req.Host = domain
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return xmlstream.Node{}, err
	}
	defer res.Body.Close()
	doc, err := io.ReadAll(res.Body)
	if err != nil {
		return xmlstream.Node{}, err
	}
	limits := xmlstream.AfterAuth
	limits.Bytes = 1 << 20
	e, err := xmlstream.Parse(string(doc), limits)
	if err != nil {
		return xmlstream.Node{}, fmt.Errorf("answer %d %q: %w", res.StatusCode, doc, err)
	}
	for n := range e.Root().Children() {
		c.come = append(c.come, n)
	}
	return e.Root(), nil
}

// await sends payload and then asks until an element of that name comes; other elements are dropped.
func (c *boshClient) await(space, local, payload string) xmlstream.Node {
	c.t.Helper()
	for {
		for i, n := range c.come {
			if n.Is(space, local) {
				c.come = c.come[i+1:]
				return n
			}
		}
		c.come = nil
		root := c.ask("", payload)
		if payload = ""; root.Attr("type") != "" {
			c.t.Fatalf("waiting for %s, the session ended: %s", local, root.Raw())
		}
	}
}

// login authenticates with SASL, begins a new stream and binds a resource.
func (c *boshClient) login(name, resource string) {
	c.t.Helper()
	c.authenticate(name)
	iq := c.await(xmlstream.NSClient, "iq", `<iq xmlns="jabber:client" type="set" id="bind"><bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><resource>`+resource+`</resource></bind></iq>`)
	if iq.Attr("type") != "result" {
		c.t.Fatalf("bind: %s", iq.Raw())
	}
}

// authenticate authenticates with SASL and begins a new stream.
func (c *boshClient) authenticate(name string) {
	c.t.Helper()
	c.await(xmlstream.NSStreams, "features", "")
	x, err := sasl.NewSCRAMClient(sasl.SHA256, name, password, "")
	if err != nil {
		c.t.Fatal(err)
	}
	challenge := c.await(nsSASL, "challenge", `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256">`+base64.StdEncoding.EncodeToString(x.Initial())+`</auth>`)
	success := c.await(nsSASL, "success", `<response xmlns="`+nsSASL+`">`+c.respond(x, challenge)+`</response>`)
	c.verify(x, success.Text())
	c.ask(`xmpp:restart="true" to="`+domain+`" xmlns:xmpp="urn:xmpp:xbosh"`, "")
	features := c.await(xmlstream.NSStreams, "features", "")
	if _, ok := features.Child("urn:ietf:params:xml:ns:xmpp-bind", "bind"); !ok {
		c.t.Fatalf("no binding offered: %s", features.Raw())
	}
}

func (c *boshClient) respond(x interface {
	Respond([]byte) ([]byte, error)
}, challenge xmlstream.Node) string {
	c.t.Helper()
	data, err := base64.StdEncoding.DecodeString(challenge.Text())
	if err != nil {
		c.t.Fatal(err)
	}
	response, err := x.Respond(data)
	if err != nil {
		c.t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(response)
}

func (c *boshClient) verify(x interface{ Verify([]byte) error }, text string) {
	c.t.Helper()
	data, err := base64.StdEncoding.DecodeString(text)
	if err == nil {
		err = x.Verify(data)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

// Log in by BOSH with SASL, and chat with somebody who uses TCP.
func TestBOSH(t *testing.T) {
	t.Parallel()
	s := start(t)
	romeo, juliet := s.user(t, "romeo", account.User), s.user(t, "juliet", account.User)
	s.befriend(t, romeo, juliet)
	j := s.available(t, "juliet", password, "balcony")

	c := s.dialBOSH(t)
	c.login("romeo", "orchard")
	c.await(xmlstream.NSClient, "presence", `<presence xmlns="jabber:client"/>`)
	if _, err := j.Await(t.Context(), `<presence from="romeo@kith.example/orchard"/>`); err != nil {
		t.Fatal(err)
	}

	c.await(xmlstream.NSClient, "iq", `<message xmlns="jabber:client" to="juliet@kith.example" type="chat" id="one"><body>Hark!</body></message>`+
		`<message to="juliet@kith.example" type="chat" id="two"><body>no namespace</body></message>`+
		`<iq xmlns="jabber:client" type="get" id="p"><ping xmlns="urn:xmpp:ping"/></iq>`)
	j.MustExpect(t, `<message from="romeo@kith.example/orchard" id="one"><body>Hark!</body></message>`)
	j.MustExpect(t, `<message from="romeo@kith.example/orchard" id="two"><body>no namespace</body></message>`)

	j.MustSend(t, `<message to="romeo@kith.example" type="chat" id="three"><body>Ay me &amp; &lt;3</body></message>`)
	m := c.await(xmlstream.NSClient, "message", "")
	if body, ok := m.Child(xmlstream.NSClient, "body"); !ok || body.Text() != "Ay me & <3" {
		t.Errorf("got %s", m.Raw())
	}

	// What goes with the end still arrives.
	if end := c.ask(`type="terminate"`, `<presence xmlns="jabber:client" type="unavailable"><status>asleep</status></presence>`); end.Attr("type") != "terminate" || end.Attr("condition") != "" {
		t.Errorf("the end: %s", end.Raw())
	}
	j.MustExpect(t, `<presence type="unavailable" from="romeo@kith.example/orchard"><status>asleep</status></presence>`)
	if again := c.ask("", ""); again.Attr("condition") != "item-not-found" {
		t.Errorf("after the end: %s", again.Raw())
	}
}

// Log in by BOSH with SASL2 and Bind 2, which need no new stream. A stop of the server tells the client.
func TestBOSHWithSASL2(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "romeo", account.User)
	c := s.dialBOSH(t)
	x, err := sasl.NewSCRAMClient(sasl.SHA256, "romeo", password, "")
	if err != nil {
		t.Fatal(err)
	}
	challenge := c.await(nsSASL2, "challenge", `<authenticate xmlns="`+nsSASL2+`" mechanism="SCRAM-SHA-256"><initial-response>`+
		base64.StdEncoding.EncodeToString(x.Initial())+`</initial-response><bind xmlns="urn:xmpp:bind:0"><tag>web</tag></bind></authenticate>`)
	success := c.await(nsSASL2, "success", `<response xmlns="`+nsSASL2+`">`+c.respond(x, challenge)+`</response>`)
	data, _ := success.Child(nsSASL2, "additional-data")
	c.verify(x, data.Text())
	c.await(xmlstream.NSStreams, "features", "")
	iq := c.await(xmlstream.NSClient, "iq", `<iq xmlns="jabber:client" type="get" id="p" to="`+domain+`"><ping xmlns="urn:xmpp:ping"/></iq>`)
	if iq.Attr("type") != "result" || iq.Attr("id") != "p" {
		t.Errorf("ping: %s", iq.Raw())
	}

	// The same request twice: when one has its answer, which is an error, the other waits.
	got := make(chan xmlstream.Node, 2)
	for range 2 {
		go func(c boshClient) { // ends with the server
			root, err := c.try(context.WithoutCancel(t.Context()), "", "")
			if err != nil {
				t.Error(err)
			}
			got <- root
		}(*c)
	}
	if root := <-got; root.Attr("type") != "error" {
		t.Fatalf("repeated: %s", root.Raw())
	}
	began := time.Now()
	s.stop()
	if took := time.Since(began); took > 4*time.Second {
		t.Errorf("the stop took %v", took)
	}
	end := <-got
	if e, ok := end.Child(xmlstream.NSStreams, "error"); end.Attr("condition") != "remote-stream-error" || !ok || !strings.Contains(string(e.Raw()), "<system-shutdown ") {
		t.Errorf("the end: %s", end.Raw())
	}
}
