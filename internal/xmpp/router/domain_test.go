// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// gateway is a domain beside the server's own, whose peer is the test.
type gateway struct {
	mu    sync.Mutex
	err   error // why it takes nothing
	got   []*stanza.Stanza
	fates []session.Fate
}

var gatewayDomain = jid.MustParse("irc.example")

// withGateway stands for the domain at every router of w.
func withGateway(w *routertest.World) *gateway {
	g := &gateway{}
	for _, r := range w.Routers {
		r.HandleDomain(gatewayDomain, g)
	}
	return g
}

func (g *gateway) Take(st *stanza.Stanza, fate session.Fate) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return g.err
	}
	g.got, g.fates = append(g.got, st), append(g.fates, fate)
	return nil
}

func (g *gateway) take() ([]*stanza.Stanza, []session.Fate) {
	g.mu.Lock()
	defer g.mu.Unlock()
	got, fates := g.got, g.fates
	g.got, g.fates = nil, nil
	return got, fates
}

// origin is how far a stanza of the gateway's has got.
type origin struct {
	mu            sync.Mutex
	safe, through int
}

func (o *origin) Safe()    { o.mu.Lock(); o.safe++; o.mu.Unlock() }
func (o *origin) Through() { o.mu.Lock(); o.through++; o.mu.Unlock() }

// transits counts the messages that are on their way.
func transits(w *routertest.World) (n int) {
	w.T.Helper()
	if err := w.DB.Read(w.T.Context(), func(tx *db.ReadTx) error {
		return tx.QueryRow("SELECT COUNT(*) FROM archive_transit").Scan(&n)
	}); err != nil {
		w.T.Fatal(err)
	}
	return n
}

func TestDomain(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		g := withGateway(w)
		romeo := w.Come("romeo/desk", 0)

		// To the domain, in order; the notes go when its peer has them.
		for i := range 50 {
			romeo.Sendf(`<message to="#chess@irc.example" type="chat" id="%d"><body>%d</body></message>`, i, i)
		}
		romeo.Sendf(`<iq to="irc.example" type="get" id="p"><ping xmlns="urn:xmpp:ping"/></iq>`)
		romeo.Sendf(`<presence to="#chess@irc.example/romeo"/>`)
		w.Settle()
		got, fates := g.take()
		if len(got) != 52 || len(romeo.Take()) != 0 {
			t.Fatalf("%d stanzas came to the domain", len(got))
		}
		for i, st := range got[:50] {
			if st.ID != fmt.Sprint(i) || st.From != romeo.JID {
				t.Errorf("stanza %d is %s", i, st.Raw())
			}
		}
		if n := transits(w); n != 50 {
			t.Errorf("%d messages are on their way", n)
		}
		for _, f := range fates {
			f.Taken()
		}
		w.Settle()
		if n := transits(w); n != 0 {
			t.Errorf("%d messages are still on their way", n)
		}

		// And back: an answer, and what somebody there writes.
		o := &origin{}
		r := w.Routers[0]
		r.FromDomain(w.Parse(`<iq from="irc.example" to="romeo@kith.example/desk" type="result" id="p"/>`), o)
		for i := range 20 {
			r.FromDomain(w.Parse(fmt.Sprintf(`<message from="#chess@irc.example/tybalt" to="romeo@kith.example" type="chat"><body>%d</body></message>`, i)), o)
		}
		w.Settle()
		back := romeo.Take()
		if len(back) != 21 || back[0].ID != "p" {
			t.Fatalf("%d stanzas came back", len(back))
		}
		for i, st := range back[1:] {
			if b, _ := st.Child(xmlstream.NSClient, "body"); b.Text() != fmt.Sprint(i) {
				t.Errorf("stanza %d is %s", i, st.Raw())
			}
		}
		if o.safe != 21 || o.through != 21 {
			t.Errorf("%d are safe, %d through", o.safe, o.through)
		}
	})
}

// TestDomainRefuses: what a domain's handler does not take, or loses, is answered, and is on its way no more.
func TestDomainRefuses(t *testing.T) {
	for name, lost := range map[string]bool{"takes nothing": false, "loses it": true} {
		t.Run(name, func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) {
				g := withGateway(w)
				if !lost {
					g.err = stanza.RemoteServerTimeout
				}
				romeo := w.Come("romeo/desk", 0)
				for _, s := range []string{
					`<message to="a@irc.example" type="chat" id="m"><body>x</body></message>`,
					`<iq to="irc.example" type="get" id="q"><ping xmlns="urn:xmpp:ping"/></iq>`,
					`<presence to="a@irc.example" id="p"/>`,
					`<presence to="a@irc.example" id="u" type="unavailable"/>`,
					`<message to="a@irc.example" type="error" id="e"><error type="cancel"><gone xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></message>`,
					`<iq to="irc.example" type="result" id="r"/>`,
				} {
					romeo.Sendf("%s", s)
				}
				w.Settle()
				_, fates := g.take()
				for _, f := range fates {
					f.Lost()
				}
				w.Settle()
				var answers []string
				for _, st := range romeo.Take() {
					if st.Type != "error" || stanza.ParseError(st).Condition != "remote-server-timeout" {
						t.Errorf("romeo got %s", st.Raw())
					}
					answers = append(answers, st.ID)
				}
				if fmt.Sprint(answers) != "[m q p]" {
					t.Errorf("answered: %v", answers)
				}
				if n := transits(w); n != 0 {
					t.Errorf("%d messages are still on their way", n)
				}
			})
		})
	}
}

// TestDomainAfterCrash: a message of which nobody knows that the domain's peer has it goes there once more.
func TestDomainAfterCrash(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		g := withGateway(w)
		w.Come("romeo/desk", 0).Sendf(`<message to="a@irc.example" type="chat" id="m"><body>x</body></message>`)
		w.Settle()
		if got, _ := g.take(); len(got) != 1 {
			t.Fatalf("%d stanzas came to the domain", len(got))
		}
		w.Crash()

		d, err := db.Open(t.Context(), db.Options{Path: path, Log: slog.New(slog.DiscardHandler)}) // its tables are there
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		r := router.New(router.Options{Domain: jid.MustParse(routertest.Domain), Log: slog.New(slog.DiscardHandler), DB: d,
			Store: archive.New(d, time.Now)})
		g = &gateway{}
		r.HandleDomain(gatewayDomain, g)
		if err := r.Start(t.Context()); err != nil {
			t.Fatal(err)
		}
		got, fates := g.take()
		if len(got) != 1 || got[0].ID != "m" {
			t.Fatalf("%d stanzas came to the domain after the crash", len(got))
		}
		fates[0].Taken()
		synctest.Wait()
		w.DB = d
		if n := transits(w); n != 0 {
			t.Errorf("%d messages are still on their way", n)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestOpen: what is open is answered to a domain, anything else is refused.
func TestOpen(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		g := withGateway(w)
		w.Routers[0].Open("get", "urn:xmpp:ping", "ping")
		o := &origin{}
		for _, q := range []struct{ to, payload string }{
			{"kith.example", `<ping xmlns="urn:xmpp:ping"/>`},
			{"kith.example", `<query xmlns="jabber:iq:roster"/>`},
			{"kith.example/x", `<ping xmlns="urn:xmpp:ping"/>`},
			{"nobody@kith.example", `<ping xmlns="urn:xmpp:ping"/>`},
			{"elsewhere.example", `<ping xmlns="urn:xmpp:ping"/>`},
		} {
			w.Routers[0].FromDomain(w.Parse(fmt.Sprintf(`<iq from="bot@irc.example/1" to=%q type="get" id="1">%s</iq>`, q.to, q.payload)), o)
			w.Settle()
			got, _ := g.take()
			if len(got) != 1 {
				t.Fatalf("%v has %d answers", q, len(got))
			}
			want := "service-unavailable"
			switch {
			case q.to == "kith.example" && q.payload == `<ping xmlns="urn:xmpp:ping"/>`:
				want = ""
			case q.to == "elsewhere.example":
				want = "remote-server-not-found"
			}
			if is := got[0].Type == "result"; is != (want == "") || !is && stanza.ParseError(got[0]).Condition != want {
				t.Errorf("%v: %s", q, got[0].Raw())
			}
		}
		if o.through != 5 {
			t.Errorf("%d are through", o.through)
		}
	})
}

// TestTwoHandlers: a domain has one, and the server's own none.
func TestTwoHandlers(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		g := withGateway(w)
		for _, name := range []string{"irc.example", routertest.Domain} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("a second handler for %s", name)
					}
				}()
				w.Routers[0].HandleDomain(jid.MustParse(name), g)
			}()
		}
	})
}

var _ router.DomainHandler = (*gateway)(nil)
