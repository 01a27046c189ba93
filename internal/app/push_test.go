// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/db"
)

const browser = `p256dh="BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4" auth="BTBZMqHH6r4Tts7J_aSIgg"`

// A push goes out to a push service where the configuration lets it, and registrations end with what lets a client in.
func TestPush(t *testing.T) {
	t.Parallel()
	asked := make(chan *http.Request, 8)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked <- r
		w.WriteHeader(http.StatusCreated)
	}))
	defer service.Close()
	s := start(t, func(c *config.Config) { c.Push.AllowLocal = true })
	romeo := s.user(t, "romeo", account.User)
	web, phone := s.login(t, "romeo", password, "web"), s.login(t, "romeo", password, "phone")
	web.MustSend(t, `<iq type="set" id="1"><enable xmlns="https://kith.im/ns/webpush/0"><webpush endpoint="`+service.URL+`/1" `+browser+`/></enable></iq>`)
	web.MustExpect(t, `<iq type="result" id="1"/>`)
	phone.MustSend(t, `<iq type="set" id="1"><enable xmlns="urn:xmpp:push:0" jid="push.example"/></iq>`)
	phone.MustExpect(t, `<iq type="result" id="1"/>`)

	web.MustSend(t, `<iq type="set" id="2"><test xmlns="https://kith.im/ns/webpush/0"/></iq>`)
	web.MustExpect(t, `<iq type="result" id="2"/>`)
	if r := <-asked; !strings.HasPrefix(r.Header.Get("Authorization"), "vapid t=") || r.URL.Path != "/1" {
		t.Errorf("asked %s with %q", r.URL, r.Header.Get("Authorization"))
	}
	phone.Close()
	must(t, phone.ExpectEnd(t.Context()))
	s.Connect(t, "juliet", "desk").MustSend(t, `<message to="romeo@kith.example" type="chat"><propose xmlns="urn:xmpp:jingle-message:0" id="c"/></message>`)
	if r := <-asked; r.Header.Get("TTL") != "45" {
		t.Errorf("a call is kept for %s seconds", r.Header.Get("TTL"))
	}

	// The web app changes the password, and goes on.
	web.MustSend(t, fmt.Sprintf(`<iq type="set" id="3"><query xmlns="jabber:iq:register"><username>romeo</username><password>%s2</password></query></iq>`, password))
	if _, err := web.Await(t.Context(), `<iq type="result" id="3"/>`); err != nil {
		t.Fatal(err)
	}
	must(t, web.Sync(t.Context()))
	must(t, s.db.Write(t.Context(), func(*db.Tx) error { return nil })) // behind it
	list := s.push.Of(romeo.ID)
	if len(list) != 1 || list[0].Client != string(account.KeyOf("", "web")) {
		t.Fatalf("after a new password there are %+v", list)
	}
}

// Without that option nobody has the server connect to itself.
func TestPushIsRefused(t *testing.T) {
	t.Parallel()
	s := start(t)
	web := s.Connect(t, "romeo", "web")
	for i, endpoint := range []string{"https://127.0.0.1:8443/1", "https://localhost/1", "http://push.example/1"} {
		id := fmt.Sprint(i)
		web.MustSend(t, `<iq type="set" id="`+id+`"><enable xmlns="https://kith.im/ns/webpush/0"><webpush endpoint="`+endpoint+`" `+browser+`/></enable></iq>`)
		web.MustExpect(t, `<iq type="error" id="`+id+`"><error><not-acceptable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
	}
}

// What is posted to an endpoint comes to the device (UnifiedPush).
func TestUnifiedPush(t *testing.T) {
	t.Parallel()
	s := start(t)
	phone := s.Connect(t, "juliet", "phone")
	phone.MustSend(t, `<iq type="set" id="1" to="kith.example"><register xmlns="http://gultsch.de/xmpp/drafts/unified-push"
		application="bK3sdmrbtj3bf6XA2S12b8jJUA5TT1dhPEyeoZfVSRM=" instance="EtD/1XPLmoIph7W73CZ/uyv6FAnhEAXY1GySHX17vAw="/></iq>`)
	n := phone.MustExpect(t, `<iq type="result" id="1"/>`)
	r, _ := n.Child("http://gultsch.de/xmpp/drafts/unified-push", "registered")
	endpoint, err := url.Parse(r.Attr("endpoint"))
	must(t, err)
	if endpoint.Host != domain {
		t.Errorf("the endpoint is at %s", endpoint.Host)
	}
	status := make(chan int, 1)
	post := func(body string) {
		r := &http.Request{Method: http.MethodPost, URL: &url.URL{Scheme: "http", Host: s.web.Addr().String(), Path: endpoint.Path},
			Host: domain, Body: io.NopCloser(strings.NewReader(body))}
		answer, err := http.DefaultClient.Do(r.WithContext(t.Context()))
		if err != nil {
			status <- 0
			return
		}
		answer.Body.Close()
		status <- answer.StatusCode
	}
	go post("hark") // ends with its answer
	n = phone.MustExpect(t, `<iq type="set" from="kith.example"><push xmlns="http://gultsch.de/xmpp/drafts/unified-push">aGFyaw==</push></iq>`)
	phone.MustSend(t, `<iq type="result" id="`+n.Attr("id")+`" to="kith.example"/>`)
	if got := <-status; got != http.StatusCreated {
		t.Errorf("answered with %d", got)
	}
	go post(strings.Repeat("x", 5000))
	if got := <-status; got != http.StatusRequestEntityTooLarge {
		t.Errorf("what is too long is answered with %d", got)
	}
	phone.MustExpectNothing(t)
}
