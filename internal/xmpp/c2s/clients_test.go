// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const nsCAM = "urn:xmpp:cam:0"

// known asks which clients there are, and returns them as they are listed, those seen last first.
func (w *world) known(c *xmpptest.Client) (list []xmlstream.Node) {
	w.t.Helper()
	c.MustSend(w.t, `<iq type="get" id="list"><list xmlns="urn:xmpp:cam:0"/></iq>`)
	answer := w.await(c, `<iq type="result" id="list"><clients xmlns="urn:xmpp:cam:0"/></iq>`)
	all, _ := answer.Child(nsCAM, "clients")
	for n := range all.Children() {
		list = append(list, n)
	}
	return list
}

// match requires that an element is as the pattern says.
func match(t *testing.T, n xmlstream.Node, pattern string) {
	t.Helper()
	p, err := xmpptest.ParsePattern(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Match(n, nil); err != nil {
		t.Errorf("%v in %s", err, n.Raw())
	}
}

// TestClients is the life of two clients of one account as its owner sees them (XEP-0494 §3.1, §3.2): one that has shown
// the password, and one that came from the sign-up page and has a token only.
func TestClients(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		const web = "0b1c2d3e-4f50-4a6b-8c7d-9e0f1a2b3c4d"
		began := w.server.Now().UTC().Format(time.RFC3339)
		desk := w.login("juliet", "desk") // without an id: it goes by its resource
		desk.MustSend(t, `<presence/>`)
		w.await(desk, `<presence/>`)

		time.Sleep(time.Hour)
		var code string
		id := w.Account("juliet")
		w.change(func(tx *db.Tx) (err error) {
			code, err = w.Accounts.NewCode(tx, id)
			return err
		})
		r := withToken(code)
		r.Client, r.RequestToken = web, true
		app, welcome := w.login2(r)
		seen := w.server.Now().UTC().Format(time.RFC3339)
		list := w.known(desk)
		if len(list) != 2 {
			t.Fatalf("%d clients: %v", len(list), list)
		}
		other, own := list[0], list[1]
		ref := other.Attr("id")
		match(t, other, `<client xmlns="urn:xmpp:cam:0" connected="true" type="session">
			<first-seen>`+seen+`</first-seen><last-seen>`+seen+`</last-seen>
			<auth><fast/><password>(none)</password></auth><permission status="normal"/><user-agent/>
			<network xmlns="https://kith.im/protocol/clients">127.0.0.0/24</network><here xmlns="https://kith.im/protocol/clients">(none)</here></client>`)
		match(t, own, `<client xmlns="urn:xmpp:cam:0" connected="true" type="session">
			<first-seen>`+began+`</first-seen><last-seen>`+began+`</last-seen>
			<auth><password/><fast>(none)</fast></auth><permission status="unrestricted"/>
			<here xmlns="https://kith.im/protocol/clients"/></client>`)
		if ref == "" || ref == own.Attr("id") || ref == web {
			t.Errorf("the clients are called %q and %q", ref, own.Attr("id"))
		}

		// Only another password keeps out who knows this one.
		desk.MustSend(t, `<iq type="set" id="r1"><revoke xmlns="urn:xmpp:cam:0" id="`+own.Attr("id")+`"/></iq>`)
		w.await(desk, `<iq type="error" id="r1"><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/><password-reset-required xmlns="urn:xmpp:cam:0"/></error></iq>`)
		for bad, condition := range map[string]string{`id="unknown"`: "item-not-found", ``: "bad-request"} {
			desk.MustSend(t, `<iq type="set" id="r2"><revoke xmlns="urn:xmpp:cam:0" `+bad+`/></iq>`)
			w.await(desk, `<iq type="error" id="r2"><error><`+condition+` xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
		}
		romeo := w.login("romeo", "orchard") // XEP-0494 §5
		romeo.MustSend(t, `<iq type="set" id="r3"><revoke xmlns="urn:xmpp:cam:0" id="`+ref+`"/></iq>`)
		w.await(romeo, `<iq type="error" id="r3"><error><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
		romeo.MustSend(t, `<iq type="get" id="r4" to="juliet@kith.example"><list xmlns="urn:xmpp:cam:0"/></iq>`)
		w.await(romeo, `<iq type="error" id="r4"><error><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)

		// The other one is out: its session ends, its token is worth nothing.
		desk.MustSend(t, `<iq type="set" id="r5"><revoke xmlns="urn:xmpp:cam:0" id="`+ref+`"/></iq>`)
		w.await(desk, `<iq type="result" id="r5"/>`)
		w.ends(app, "not-authorized")
		again := withToken(welcome.Token)
		again.Client = web
		w.refused2("a client that was signed out", again, sasl.NotAuthorized)
		if list := w.known(desk); len(list) != 1 || list[0].Attr("id") == ref {
			t.Errorf("after that there are %v", list)
		}
		// Nor does it slip in where its log-in had begun: for a minute its sessions end as they begin.
		for _, late := range []bool{false, true} {
			w.change(func(tx *db.Tx) (err error) {
				code, err = w.Accounts.NewCode(tx, id)
				return err
			})
			r := withToken(code)
			r.Client = web
			if !late { // before it hears of success, or just after
				c := w.client()
				if _, err := c.LoginSASL2(t.Context(), r); err == nil {
					w.ends(c, "not-authorized")
				} else if !strings.Contains(err.Error(), "signed out") {
					t.Error(err)
				}
				time.Sleep(2 * time.Minute)
				continue
			}
			c, _ := w.login2(r) // it signs itself out, and hears that it has
			c.MustSend(t, `<iq type="set" id="own"><revoke xmlns="urn:xmpp:cam:0" id="`+ref+`"/></iq>`)
			c.MustExpect(t, `<iq type="result" id="own"/>`)
			w.ends(c, "not-authorized")
		}
		if len(w.SignedOut) != 2 || w.SignedOut[0].Owner.ID != id || w.SignedOut[0].Key != account.KeyOf(web, "") {
			t.Errorf("others hear of %+v", w.SignedOut)
		}
	})
}

// TestClientsGoAndCome holds what is known of a client that is away, asleep, or was there before a restart.
func TestClientsGoAndCome(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		phone, welcome := w.login2(r)
		phone.Close()
		w.over(phone)
		time.Sleep(time.Minute)
		desk := w.login("juliet", "desk")
		list := w.known(desk)
		if len(list) != 2 {
			t.Fatalf("%d clients: %v", len(list), list)
		}
		match(t, list[1], `<client xmlns="urn:xmpp:cam:0" connected="false" type="session"><auth><password/><fast/></auth></client>`)

		// It comes by its token, and is there, also while it sleeps.
		time.Sleep(time.Minute)
		r = withToken(welcome.Token)
		r.BindFeatures = `<enable xmlns="urn:xmpp:sm:3" resume="true"/>`
		phone, _ = w.login2(r)
		w.cut(phone)
		match(t, w.known(desk)[0], `<client xmlns="urn:xmpp:cam:0" connected="true"><auth><password/><fast/></auth></client>`)

		// All of that is known after a restart.
		if err := w.Accounts.SaveClients(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.restart(0)
		desk = w.login("juliet", "desk")
		if list := w.known(desk); len(list) != 2 || list[0].Attr("connected") != "true" || list[1].Attr("connected") != "true" {
			t.Errorf("after a restart there are %v", list)
		}

		// Another password ends what they have.
		p, err := w.Accounts.Password("juliet", "another good password")
		if err != nil {
			t.Fatal(err)
		}
		id := w.Account("juliet")
		w.change(func(tx *db.Tx) error { return w.Accounts.SetPassword(tx, id, p) })
		for _, n := range w.known(desk) {
			if n.Attr("connected") != "true" {
				t.Errorf("with another password, there is %s", n.Raw())
			}
		}
	})
}
