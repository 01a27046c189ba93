// SPDX-License-Identifier: Apache-2.0

package xmpptest_test

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const (
	domain   = "kith.example"
	password = "wherefore art thou"
	secret   = "token of romeo"
)

// A fake is just enough of a server: it lets everybody with the one password in, answers pings, hands messages on to
// all devices of an account, and does what it is told by messages to itself.
type fake struct {
	tls *tls.Config // nil: no TLS

	mu      sync.Mutex
	devices map[string]*stream.Stream // by full address
}

func newFake() *fake { return &fake{devices: map[string]*stream.Stream{}} }

// Connect implements xmpptest.Server.
func (f *fake) Connect(t testing.TB, account, resource string) *xmpptest.Client {
	c := f.client(t, xmpptest.Options{Domain: domain})
	if err := c.Login(t.Context(), account, password, resource, "SCRAM-SHA-256"); err != nil {
		t.Fatal(err)
	}
	return c
}

// Dial implements xmpptest.Stage: there is one transport.
func (f *fake) Dial(t testing.TB, transport string) *xmpptest.Client {
	a, b := xmpptest.Pipe(0)
	go f.serve(stream.NewTCP(a, stream.Options{From: domain}))
	c, err := xmpptest.Reach(t.Context(), b, xmpptest.Options{Domain: domain})
	if err != nil || transport != "" {
		t.Fatalf("over %q: %v", transport, err)
	}
	t.Cleanup(c.Cut)
	return c
}

// Password implements xmpptest.Stage.
func (f *fake) Password(testing.TB, string) string { return password }

func (f *fake) client(t testing.TB, o xmpptest.Options) *xmpptest.Client {
	a, b := xmpptest.Pipe(0)
	go f.serve(stream.NewTCP(a, stream.Options{From: domain}))
	c, err := xmpptest.New(t.Context(), b, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Cut)
	return c
}

func (f *fake) serve(s *stream.Stream) {
	_ = s.SetReadDeadline(time.Now().Add(time.Minute))
	err := f.open(s)
	self := jid.JID{}
	for err == nil {
		var el *xmlstream.Element
		if el, err = s.Read(); err == nil {
			err = f.take(s, &self, el)
		}
	}
	f.mu.Lock()
	if f.devices[self.String()] == s {
		delete(f.devices, self.String())
	}
	f.mu.Unlock()
	_ = s.Close(stream.ErrorFor(err))
}

func (f *fake) open(s *stream.Stream) error {
	if _, err := s.Open(); err != nil {
		return err
	}
	if err := s.Reply(stream.Header{}); err != nil {
		return err
	}
	if f.tls != nil && !s.Secure() {
		return s.WriteFeatures(`<starttls xmlns="urn:ietf:params:xml:ns:xmpp-tls"><required/></starttls>`)
	}
	return s.WriteFeatures(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/><session xmlns="urn:ietf:params:xml:ns:xmpp-session"/>`)
}

func (f *fake) take(s *stream.Stream, self *jid.JID, el *xmlstream.Element) error {
	switch root := el.Root(); root.Name() {
	case xmlstream.Name{Space: "urn:ietf:params:xml:ns:xmpp-tls", Local: "starttls"}:
		if err := s.Write(`<proceed xmlns="urn:ietf:params:xml:ns:xmpp-tls"/>`); err != nil {
			return err
		}
		if err := s.StartTLS(f.tls); err != nil {
			return err
		}
		return f.open(s)
	case xmlstream.Name{Space: "urn:ietf:params:xml:ns:xmpp-sasl", Local: "auth"}:
		name, data, err := authenticate(s, root.Attr("mechanism"), root.Text(), root.Name().Space)
		if name == "" || err != nil {
			return err
		}
		*self = jid.MustParse(name + "@" + domain)
		if err := s.Write(xmlstream.TextElem(root.Name().Space, "success", data)); err != nil {
			return err
		}
		s.Restart()
		return f.open(s)
	case xmlstream.Name{Space: "urn:xmpp:sasl:2", Local: "authenticate"}:
		return f.sasl2(s, self, root)
	case xmlstream.Name{Space: "urn:xmpp:sm:3", Local: "r"}:
		return s.Write(`<a xmlns="urn:xmpp:sm:3" h="5"/>`)
	case xmlstream.Name{Space: "urn:xmpp:sm:3", Local: "enable"}:
		return s.Write(`<enabled xmlns="urn:xmpp:sm:3"/>`)
	}
	st, err := stanza.Parse(el)
	if err != nil {
		return err
	}
	return f.stanza(s, self, st)
}

// authenticate runs one exchange. Without an error it returns "" if the client was refused.
func authenticate(s *stream.Stream, mech, text, ns string) (name, data string, err error) {
	lookup := func(context.Context, string) (sasl.Credentials, error) {
		return sasl.Derive(sasl.SHA256, password, []byte("salt"), 4096)
	}
	server := sasl.NewSCRAM(sasl.SCRAM{Hash: sasl.SHA256, Lookup: lookup})
	if mech == sasl.HTSHA256NONE {
		server = sasl.NewHT(func(context.Context, string) ([][]byte, error) { return [][]byte{[]byte(secret)}, nil }, nil)
	}
	for {
		message, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return "", "", err
		}
		reply, done, err := server.Next(context.Background(), message)
		data := base64.StdEncoding.EncodeToString(reply)
		if e, ok := errors.AsType[*sasl.Error](err); ok {
			return "", "", s.Write(xmlstream.Raw(`<failure xmlns="` + ns + `"><` + e.Condition +
				` xmlns="urn:ietf:params:xml:ns:xmpp-sasl"/></failure>`))
		}
		if done {
			return server.Username(), data, nil
		}
		if err := s.Write(xmlstream.TextElem(ns, "challenge", data)); err != nil {
			return "", "", err
		}
		el, err := s.Read()
		if err != nil {
			return "", "", err
		}
		text = el.Root().Text()
	}
}

func (f *fake) sasl2(s *stream.Stream, self *jid.JID, request xmlstream.Node) error {
	const ns = "urn:xmpp:sasl:2"
	initial, _ := request.Child(ns, "initial-response")
	name, data, err := authenticate(s, request.Attr("mechanism"), textOf(initial), ns)
	if name == "" || err != nil {
		return err
	}
	*self = jid.MustParse(name + "@" + domain)
	var b xmlstream.Builder
	b.Start(ns, "success").Start(ns, "additional-data").Text(data).End()
	if bind, ok := request.Child("urn:xmpp:bind:0", "bind"); ok {
		tag, _ := bind.Child("urn:xmpp:bind:0", "tag")
		f.bind(s, self, textOf(tag)+".1")
		b.Start("urn:xmpp:bind:0", "bound").End()
	}
	b.Start(ns, "authorization-identifier").Text(self.String()).End()
	if _, ok := request.Child("urn:xmpp:fast:0", "request-token"); ok {
		b.Start("urn:xmpp:fast:0", "token").Attr("token", secret).Attr("expiry", "2030-01-01T00:00:00Z").End()
	}
	resume, resumed := request.Child("urn:xmpp:sm:3", "resume")
	if resumed {
		b.Start("urn:xmpp:sm:3", "resumed").Attr("previd", resume.Attr("previd")).Attr("h", "0").End()
	}
	if err := s.Write(b.End().Build()); err != nil || resumed {
		return err
	}
	return s.WriteFeatures("")
}

func (f *fake) bind(s *stream.Stream, self *jid.JID, resource string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if full, err := self.WithResource(resource); err == nil {
		*self = full
	}
	f.devices[self.String()] = s
}

func (f *fake) stanza(s *stream.Stream, self *jid.JID, st *stanza.Stanza) error {
	if st.Kind == stanza.IQ {
		result := st.Result()
		if b, ok := st.Child("urn:ietf:params:xml:ns:xmpp-bind", "bind"); ok {
			resource, _ := b.Child("urn:ietf:params:xml:ns:xmpp-bind", "resource")
			f.bind(s, self, textOf(resource))
			result = st.Result(xmlstream.Raw(`<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"><jid>` + self.String() + `</jid></bind>`))
		}
		return f.write(s, result)
	}
	if st.To.String() == domain {
		switch body, _ := st.Child(xmlstream.NSClient, "body"); textOf(body) {
		case "kick me":
			return &stream.Error{Condition: "conflict"}
		case "ask me":
			return s.Write(`<r xmlns="urn:xmpp:sm:3"/>`)
		}
	}
	f.mu.Lock()
	var to []*stream.Stream
	for _, name := range slices.Sorted(maps.Keys(f.devices)) {
		if j := jid.MustParse(name); j == st.To || j.Bare() == st.To {
			to = append(to, f.devices[name])
		}
	}
	f.mu.Unlock()
	for _, d := range to {
		if err := f.write(d, st.Addressed(*self, st.To)); err != nil && d == s {
			return err
		}
	}
	return nil
}

func textOf(n xmlstream.Node) string {
	if n.IsZero() {
		return ""
	}
	return n.Text()
}

// write keeps to one writer at a time.
func (f *fake) write(s *stream.Stream, st *stanza.Stanza) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return s.WriteStanzas([]*stanza.Stanza{st})
}
