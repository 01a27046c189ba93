// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// withPassword is the request of juliet's laptop.
func withPassword() xmpptest.SASL2 {
	return xmpptest.SASL2{User: "juliet", Password: password, Mechanism: sasl.SCRAMSHA256, Client: laptop, Bind: true, Tag: "Kith"}
}

// withToken is the same with a token, or a one-time code.
func withToken(token string) xmpptest.SASL2 {
	r := withPassword()
	r.Password, r.Mechanism = token, sasl.HTSHA256NONE
	return r
}

// refused2 requires that a request fails with the condition.
func (w *world) refused2(what string, r xmpptest.SASL2, want string) {
	w.t.Helper()
	c := w.client()
	defer c.Cut()
	_, err := c.LoginSASL2(w.t.Context(), r)
	if got := condition(err); got != want {
		w.t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// One step logs in, binds and turns on stream management (XEP-0388 §2.6, XEP-0386 §3.2, XEP-0198 §9.1).
func TestBind2(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.BindFeatures = `<enable xmlns="urn:xmpp:sm:3"/>`
		c, welcome := w.login2(r)
		full := c.JID
		if full.Bare().String() != "juliet@kith.example" || !strings.HasPrefix(full.Resource(), "Kith/") {
			t.Errorf("address: got %s", full)
		}
		if strings.Contains(full.Resource(), laptop) {
			t.Errorf("the address tells the client's id: %s", full)
		}
		bound, ok := welcome.Success.Child(nsBind2, "bound")
		if _, enabled := bound.Child("urn:xmpp:sm:3", "enabled"); !ok || !enabled {
			t.Errorf("success: got %s", welcome.Success.Raw())
		}
		if welcome.Token != "" {
			t.Error("a token that nobody asked for")
		}
		if _, ok := c.Features.Child(nsBind, "bind"); ok {
			t.Error("binding is offered to a bound client")
		}
		if _, ok := c.Features.Child("urn:xmpp:sm:3", "sm"); ok {
			t.Error("stream management is offered, which is on")
		}
		c.MustSend(t, `<presence/>`)
		c.MustExpect(t, `<presence from="`+full.String()+`"/>`)
		c.MustExpect(t, `<r xmlns="urn:xmpp:sm:3"/>`)
		c.MustSend(t, `<r xmlns="urn:xmpp:sm:3"/>`)
		c.MustExpect(t, `<a xmlns="urn:xmpp:sm:3" h="1"/>`)

		// The same client again is the same device: the older one ends.
		again, _ := w.login2(withPassword())
		if again.JID != full {
			t.Errorf("the second time: got %s, want %s", again.JID, full)
		}
		w.ends(c, "conflict")
		again.MustExpectNothing(t)

		// So it is with another tag: the client's id counts. And it is one client of one account.
		r = withPassword()
		r.Tag = "Other"
		third, _ := w.login2(r)
		if third.JID == full {
			t.Errorf("with another tag: got %s", third.JID)
		}
		w.ends(again, "conflict")
		r = withPassword()
		r.User = "romeo"
		romeo, _ := w.login2(r)
		if romeo.JID.Resource() == full.Resource() {
			t.Error("a client has one resource in two accounts, so others can see that it is one")
		}
		r = withPassword()
		r.Client = ""
		one, _ := w.login2(r)
		two, _ := w.login2(r)
		if one.JID == two.JID || !strings.HasPrefix(one.JID.Resource(), "Kith/") {
			t.Errorf("clients without an id: got %s and %s", one.JID, two.JID)
		}
		third.MustExpectNothing(t)
	})
}

// Without <bind/>, SASL2 is followed by binding of old, without a new stream (XEP-0388 §2.6.1).
func TestSASL2ThenBind(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.Bind = false
		c, _ := w.login2(r)
		if got := c.JID.String(); got != "juliet@kith.example" {
			t.Errorf("authorization-identifier: got %s", got)
		}
		if err := c.Bind(t.Context(), "balcony"); err != nil {
			t.Fatal(err)
		}
		if got := c.JID.String(); got != "juliet@kith.example/balcony" {
			t.Errorf("bound: got %s", got)
		}
		c.MustExpectNothing(t)
	})
}

// What a request asks for and cannot have (XEP-0388 §2.3, XEP-0484 §4.1).
func TestBadRequests(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.Client, r.RequestToken = "", true
		w.refused2("a token for nobody in particular", r, "malformed-request")
		r = withPassword()
		r.Client = strings.Repeat("x", 257)
		w.refused2("a long id", r, "malformed-request")
		r = withPassword()
		r.Extra = `<request-token xmlns="urn:xmpp:fast:0" mechanism="HT-SHA-512-ENDP"/>`
		w.refused2("a token of another kind", r, "malformed-request")
		r = withPassword()
		r.Extra = `<fast xmlns="urn:xmpp:fast:0"/>`
		w.refused2("a password as if it was a token", r, "invalid-mechanism")
	})
}

// A token lets the client in that it was given to, and no other (XEP-0484 §3).
func TestToken(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		c, welcome := w.login2(r)
		token := welcome.Token
		if token == "" {
			t.Fatalf("no token: %s", welcome.Success.Raw())
		}
		expiry, err := time.Parse(time.RFC3339, welcome.Expiry)
		if left := time.Until(expiry); err != nil || left < 20*24*time.Hour || left > 22*24*time.Hour {
			t.Errorf("it expires at %s, %v", welcome.Expiry, err)
		}
		first := c.JID
		c.Close()

		c, welcome = w.login2(withToken(token))
		if welcome.Token != "" || c.JID != first {
			t.Errorf("the token is a day old at most, and the device the same: got %s as %s", welcome.Success.Raw(), c.JID)
		}
		c.Close()

		r = withToken(token)
		r.Client = "another"
		w.refused2("another client", r, "not-authorized")
		r = withToken(token)
		r.User = "romeo"
		w.refused2("another account", r, "not-authorized")
		w.refused2("another token", withToken("guess"), "not-authorized")
		r = withToken(token)
		r.User = "nobody"
		w.refused2("nobody", r, "not-authorized")
	})
}

// A token that is a day old is replaced when it is used; the old one is good until the new one was used, or the
// client lost it on the way (XEP-0484 §3.5).
func TestTokenIsReplaced(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		c, welcome := w.login2(r)
		old := welcome.Token
		c.Close()
		time.Sleep(25 * time.Hour)
		c, welcome = w.login2(withToken(old))
		lost := welcome.Token
		c.Close()
		if lost == "" || lost == old {
			t.Fatalf("no new token: %s", welcome.Success.Raw())
		}
		c, welcome = w.login2(withToken(old))
		c.Close()
		if welcome.Token == "" || welcome.Token == lost {
			t.Fatalf("again no new token: %s", welcome.Success.Raw())
		}
		w.refused2("a token that was given twice", withToken(lost), "not-authorized")
		c, _ = w.login2(withToken(welcome.Token))
		c.Close()
		w.refused2("the old token, when the new one was used", withToken(old), "not-authorized")

		time.Sleep(22 * 24 * time.Hour)
		w.refused2("a token of last month", withToken(welcome.Token), "credentials-expired")
	})
}

// A client may end its token, with the log-in that it is used for (XEP-0484 §3.6).
func TestTokenIsEnded(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		c, welcome := w.login2(r)
		c.Close()
		last := withToken(welcome.Token)
		last.Invalidate = true
		c, after := w.login2(last)
		if after.Token != "" {
			t.Error("a new token beside the end of the old one")
		}
		c.MustExpectNothing(t)
		c.Close()
		w.refused2("an ended token", withToken(welcome.Token), "not-authorized")

		c, welcome = w.login2(r)
		id := w.Account("juliet")
		p, err := w.Accounts.Password("juliet", "parting is such sweet sorrow")
		if err != nil {
			t.Fatal(err)
		}
		w.change(func(tx *db.Tx) error { return w.Accounts.SetPassword(tx, id, p) })
		w.refused2("a token from before the change of the password", withToken(welcome.Token), "not-authorized")
		c.Cut()

		r.Password = "parting is such sweet sorrow"
		_, welcome = w.login2(r)
		w.disable("juliet")
		w.refused2("a token of a disabled account", withToken(welcome.Token), "account-disabled")
	})
}

// A client that counts its uses cannot be replayed (XEP-0484 §3.4).
func TestCount(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		c, welcome := w.login2(r)
		c.Close()
		ht, err := sasl.NewHTClient(sasl.HTSHA256NONE, "juliet", welcome.Token, sasl.Channel{})
		if err != nil {
			t.Fatal(err)
		}
		proof := ht.Initial()
		for _, test := range []struct{ count, want string }{
			{"3", "success"}, {"3", "failure"}, {"2", "failure"}, {"4", "success"}, {"", "success"}, {"4", "failure"}, {"10", "success"},
			{"-1", "failure"}, {"eleven", "failure"}, {"99999999999", "failure"},
		} {
			c := w.client()
			count := ""
			if test.count != "" {
				count = ` count="` + test.count + `"`
			}
			c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="HT-SHA-256-NONE"><initial-response>`+
				b64(string(proof))+`</initial-response><user-agent id="`+laptop+`"/><fast xmlns="`+nsFast+`"`+count+`/></authenticate>`)
			c.MustExpect(t, `<`+test.want+` xmlns="`+nsSASL2+`"/>`)
			c.Cut()
		}
	})
}

// The code with which somebody comes from the sign-up page is good once, for a minute, and for a token.
func TestCode(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		id := w.Account("juliet")
		code := ""
		newCode := func() {
			t.Helper()
			w.change(func(tx *db.Tx) (err error) {
				code, err = w.Accounts.NewCode(tx, id)
				return err
			})
		}
		newCode()
		r := withToken(code)
		r.RequestToken = true
		c, welcome := w.login2(r)
		if welcome.Token == "" {
			t.Errorf("no token: %s", welcome.Success.Raw())
		}
		c.MustExpectNothing(t)
		c.Close()
		w.refused2("a second time", withToken(code), "not-authorized")
		c, _ = w.login2(withToken(welcome.Token))
		c.Close()

		newCode()
		r = withToken(code)
		r.User = "romeo"
		w.refused2("somebody else", r, "not-authorized")
		time.Sleep(61 * time.Second)
		w.refused2("a minute later", withToken(code), "not-authorized")
	})
}

// What is offered is the same for everybody, and complete: SASL2 with Bind 2, 0198 and FAST inline.
func TestOffer(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.client()
		const plus = `<mechanism>SCRAM-SHA-512-PLUS</mechanism><mechanism>SCRAM-SHA-256-PLUS</mechanism><mechanism>SCRAM-SHA-1-PLUS</mechanism>`
		const rest = `<mechanism>SCRAM-SHA-512</mechanism><mechanism>SCRAM-SHA-256</mechanism><mechanism>SCRAM-SHA-1</mechanism>`
		pattern, err := xmpptest.ParsePattern(`<stream:features>
			<authentication xmlns="urn:xmpp:sasl:2">` + plus + rest + `
				<inline>
					<bind xmlns="urn:xmpp:bind:0"><inline><feature var="urn:xmpp:sm:3"/></inline></bind>
					<fast xmlns="urn:xmpp:fast:0">
						<mechanism>HT-SHA-256-ENDP</mechanism><mechanism>HT-SHA-256-EXPR</mechanism><mechanism>HT-SHA-256-NONE</mechanism>
					</fast>
				</inline>
			</authentication>
			<mechanisms xmlns="urn:ietf:params:xml:ns:xmpp-sasl">` + plus + rest + `</mechanisms>
			<sasl-channel-binding xmlns="urn:xmpp:sasl-cb:0">
				<channel-binding type="tls-server-end-point"/><channel-binding type="tls-exporter"/>
			</sasl-channel-binding>
			<limits xmlns="urn:xmpp:stream-limits:0"><max-bytes>10000</max-bytes><idle-seconds>60</idle-seconds></limits>
		</stream:features>`)
		if err != nil {
			t.Fatal(err)
		}
		if err := pattern.Match(c.Features, nil); err != nil {
			t.Errorf("%v\nin %s", err, c.Features.Raw())
		}
		nobody := w.clientFrom("nobody@kith.example")
		if got, want := nobody.Features.Raw(), c.Features.Raw(); got != xmlstream.Raw(want) {
			t.Errorf("to an account that is none:\n%s\nwant\n%s", got, want)
		}
		if err := c.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256); err != nil {
			t.Fatal(err)
		}
		pattern, err = xmpptest.ParsePattern(`<stream:features>
			<bind xmlns="urn:ietf:params:xml:ns:xmpp-bind"/>
			<session xmlns="urn:ietf:params:xml:ns:xmpp-session"><optional/></session>
			<sm xmlns="urn:xmpp:sm:3"/>
			<limits xmlns="urn:xmpp:stream-limits:0"><max-bytes>262144</max-bytes></limits>
		</stream:features>`)
		if err != nil {
			t.Fatal(err)
		}
		if err := pattern.Match(c.Features, nil); err != nil {
			t.Errorf("%v\nin %s", err, c.Features.Raw())
		}
	})
}

// The account's home knows whether a device's client has proved that it knows the password.
func TestLogInOfDevice(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		at := time.Now()
		c, welcome := w.login2(r)
		logIn := func() session.LogIn {
			t.Helper()
			list := w.Routers[0].Devices(c.JID.Bare())
			if len(list) != 1 {
				t.Fatalf("%d devices", len(list))
			}
			return list[0].LogIn
		}
		if got := logIn(); !got.Password || !got.At.Equal(at) {
			t.Errorf("by password: got %+v", got)
		}
		time.Sleep(time.Minute)
		c, _ = w.login2(withToken(welcome.Token))
		if got := logIn(); got.Password || !got.At.Equal(at.Add(time.Minute)) {
			t.Errorf("by token: got %+v", got)
		}
	})
}
