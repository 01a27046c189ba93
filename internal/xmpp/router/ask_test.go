// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// answers are what requests of the server's own came to.
type answers struct {
	mu   sync.Mutex
	list []string
}

func (a *answers) note(_ context.Context, st *stanza.Stanza, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	switch {
	case errors.Is(err, router.ErrNoAnswer) && st == nil:
		a.list = append(a.list, "none")
	case err != nil:
		a.list = append(a.list, err.Error())
	default:
		a.list = append(a.list, st.Type)
	}
}

func (a *answers) take() []string {
	a.mu.Lock()
	defer a.mu.Unlock()
	list := a.list
	a.list = nil
	return list
}

// TestAsk holds that the server's own requests get the answer of who was asked, once, or none in time.
func TestAsk(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		romeo, juliet := w.Come("romeo/desk", 0), w.Come("juliet/balcony", 0)
		romeo.Take()
		domain := jid.MustParse(routertest.Domain)
		for _, from := range []jid.JID{domain, romeo.JID.Bare()} {
			var got answers
			ask := func(to jid.JID) { // at each node for the domain, at the account's home else
				for _, r := range w.Routers {
					if from == domain || r.Peers.Home(from) == "" {
						r.Ask(stanza.New(stanza.IQ, "get", "mine", from, to, `<query xmlns="urn:example"/>`), time.Minute, got.note)
					}
				}
			}
			n := len(w.Routers)
			if from != domain {
				n = 1
			}
			times := func(what string) (list []string) {
				for range n {
					list = append(list, what)
				}
				return list
			}
			ask(juliet.JID)
			w.Settle()
			asked := juliet.Take()
			check(t, "asked", len(asked), n)
			for _, q := range asked {
				if q.ID == "mine" || q.From != from {
					t.Errorf("asked %s", q.Raw())
				}
				forged := q.Result()
				romeo.Send(forged) // from somebody else
				juliet.Send(stanza.New(stanza.IQ, "result", "other", juliet.JID, from))
			}
			w.Settle()
			check(t, "what is no answer", got.take(), []string(nil))
			for _, q := range asked {
				juliet.Send(q.Result())
				juliet.Send(q.Result())
			}
			w.Settle()
			check(t, "the answer", got.take(), times("result"))

			ask(juliet.JID)
			w.Settle()
			for _, q := range juliet.Take() {
				juliet.Send(q.Bounce(stanza.ServiceUnavailable))
			}
			w.Settle()
			check(t, "a refusal", got.take(), times("error"))

			ask(jid.MustParse("juliet@" + routertest.Domain + "/gone"))
			ask(jid.MustParse("elsewhere.example"))
			w.Settle()
			check(t, "nobody there", got.take(), append(times("error"), times("error")...))

			ask(juliet.JID)
			w.Settle()
			time.Sleep(time.Minute)
			w.Settle()
			check(t, "no answer", got.take(), times("none"))
			for _, q := range juliet.Take() {
				juliet.Send(q.Result())
			}
			w.Settle()
			check(t, "too late", got.take(), []string(nil))
		}

		// One's own device answers without an address, too (RFC 6120 §10.3.3).
		var got answers
		for _, r := range w.Routers {
			if r.Peers.Home(romeo.JID.Bare()) == "" {
				r.Ask(stanza.New(stanza.IQ, "get", "", romeo.JID.Bare(), romeo.JID, `<query xmlns="urn:example"/>`), time.Minute, got.note)
			}
		}
		w.Settle()
		for _, q := range romeo.Take() {
			romeo.Send(q.Result().Addressed(romeo.JID, jid.JID{}))
		}
		w.Settle()
		check(t, "to no address", got.take(), []string{"result"})
	})
}
