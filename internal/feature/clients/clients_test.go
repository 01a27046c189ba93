// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"context"
	"slices"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
)

// resources are those of the devices that Juliet has, wherever her home is.
func resources(w *routertest.World) (list []string) {
	w.Settle()
	for _, r := range w.Routers {
		r.Present(func(bare jid.JID, devices []*router.Device) {
			for _, d := range devices {
				if bare.Local() == "juliet" && !slices.Contains(list, d.JID.Resource()) {
					list = append(list, d.JID.Resource())
				}
			}
		})
	}
	slices.Sort(list)
	return list
}

// ref is what a client of Juliet's is called by.
func ref(w *routertest.World, id, resource string) string {
	return w.Accounts.ClientRef(w.Account("juliet"), account.KeyOf(id, resource))
}

// TestRevoke holds that all sessions of a client end, those that are asleep, too, and no other's (XEP-0494 §3.2).
func TestRevoke(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		expect := func(when string, want ...string) {
			t.Helper()
			if got := resources(w); !slices.Equal(got, want) {
				t.Errorf("%s: there are %v, want %v", when, got, want)
			}
		}
		desk := w.Bind("juliet/desk")
		phone := w.BindWith("juliet/phone", "phone-id", session.ClientCredit())
		phone.Resumable()
		web := w.BindWith("juliet/web", "web-id", session.ClientCredit())
		expect("at first", "desk", "phone", "web")
		phone.Sleep()
		revoke := func(id string) string {
			t.Helper()
			desk.Sendf(`<iq type="set" id="r"><revoke xmlns="urn:xmpp:cam:0" id="%s"/></iq>`, id)
			w.Settle()
			got := desk.Take()
			if len(got) != 1 || got[0].ID != "r" {
				t.Fatalf("%d answers", len(got))
			}
			return got[0].Type
		}
		if typ := revoke(ref(w, "phone-id", "")); typ != "result" {
			t.Errorf("the answer is of type %s", typ)
		}
		expect("one that was asleep is signed out", "desk", "web")

		if typ := revoke(ref(w, "", "web")); typ != "error" { // that is none: the client goes by its id
			t.Errorf("the answer is of type %s", typ)
		}
		web.Sendf(`<iq type="set" id="r"><revoke xmlns="urn:xmpp:cam:0" id="%s"/></iq>`, ref(w, "web-id", ""))
		expect("one has signed itself out", "desk")
		if len(w.SignedOut) != 2 || w.SignedOut[1].Key != account.KeyOf("web-id", "") {
			t.Errorf("others hear of %+v", w.SignedOut)
		}
	})
}

// TestFailedRevoke holds that nobody is signed out by half.
func TestFailedRevoke(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		desk := w.Bind("juliet/desk")
		id := w.Account("juliet")
		err := w.DB.Write(context.Background(), func(tx *db.Tx) error {
			_, err := w.Accounts.NewToken(tx, id, account.Client{ID: "web-id"}, "HT-SHA-256-NONE")
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Settle()
		if err := w.DB.Close(); err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{`<iq type="get" id="1"><list xmlns="urn:xmpp:cam:0"/></iq>`,
			`<iq type="set" id="1"><revoke xmlns="urn:xmpp:cam:0" id="x"/></iq>`} {
			desk.Sendf("%s", raw)
			w.Settle()
			if got := desk.Take(); len(got) != 1 || got[0].Type != "error" {
				t.Errorf("%s: got %v", raw, got)
			}
		}
	})
}
