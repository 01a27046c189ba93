// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// A fakeSignup knows two invitations, "good" and one for benvolio, and makes real accounts.
type fakeSignup struct {
	w       *world
	tooFast bool
	broken  bool
	asked   []signup.Request
}

func (f *fakeSignup) Look(_ context.Context, t invite.Token) (invite.Invite, error) {
	switch {
	case f.broken:
		return invite.Invite{}, errors.New("no disk")
	case t == "good":
		return invite.Invite{ID: 1}, nil
	case t == "benvolio":
		return invite.Invite{ID: 2, Name: "benvolio"}, nil
	case t == "used":
		return invite.Invite{}, invite.ErrUsed
	}
	return invite.Invite{}, invite.ErrUnknown
}

func (f *fakeSignup) Do(ctx context.Context, r signup.Request) (res signup.Result, err error) {
	f.asked = append(f.asked, r)
	inv, err := f.Look(ctx, r.Token)
	if err != nil {
		return res, err
	}
	if inv.Name != "" && inv.Name != r.Name {
		return res, invite.ErrName
	}
	p, err := f.w.Accounts.Password(r.Name, r.Password)
	if err != nil {
		return res, err
	}
	err = f.w.DB.Write(ctx, func(tx *db.Tx) error {
		res.Account, err = f.w.Accounts.Create(tx, r.Name, p, account.User)
		return err
	})
	return res, err
}

const (
	stanzaErrors = `xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"`
	preauthGood  = `<iq type="set" id="pre" to="kith.example"><preauth xmlns="urn:xmpp:pars:0" token="good"/></iq>`
)

// registers sends a request to make an account, with elements.
func registers(name, password string) string {
	return `<iq type="set" id="reg" to="kith.example"><query xmlns="jabber:iq:register"><username>` + name +
		`</username><password>` + password + `</password></query></iq>`
}

// submits is registers with a form.
func submits(fields ...string) string {
	var b strings.Builder
	for i := 0; i < len(fields); i += 2 {
		b.WriteString(`<field var="` + fields[i] + `"><value>` + fields[i+1] + `</value></field>`)
	}
	return `<iq type="set" id="reg" to="kith.example"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="submit">` +
		b.String() + `</x></query></iq>`
}

// refused is the answer to a request that failed.
func refused(id, typ, condition string) string {
	return `<iq type="error" id="` + id + `" from="kith.example"><error type="` + typ + `"><` + condition + ` ` + stanzaErrors + `/></error></iq>`
}

// Registration is offered beside the log-in, before anybody has logged in and where nobody can read along
// (XEP-0077 §14.1, XEP-0445 §3), and stands before it (XEP-0170 §2.3).
func TestRegistrationIsOffered(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		offered := func(c *xmpptest.Client) (names []string) {
			for n := range c.Features.Children() {
				names = append(names, n.Name().Space)
			}
			return names
		}
		c := w.client()
		want := []string{nsRegisterFeature, nsTokenFeature, nsInviteFeature, nsSASL2, nsSASL}
		if diff := cmp.Diff(want, offered(c)[:len(want)]); diff != "" {
			t.Error(diff)
		}
		if err := c.Login(t.Context(), "juliet", password, "balcony", sasl.SCRAMSHA256); err != nil {
			t.Fatal(err)
		}
		for _, space := range offered(c) {
			if space == nsRegisterFeature || space == nsTokenFeature || space == nsInviteFeature {
				t.Errorf("%s is offered after the log-in", space)
			}
		}
		open := say(t, w.plain.dial(), header+registers("benvolio", "a good password"))
		if !saysError(open, "not-authorized") || strings.Contains(open, "iq-register") || strings.Contains(open, "<iq") {
			t.Errorf("without TLS: %s", open)
		}
	})
}

// The whole way: the token, the fields, the account, and the log-in on the same stream, by SASL and by SASL2.
func TestRegistration(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for _, name := range []string{"benvolio", "mercutio"} {
			c := w.client()
			c.MustSend(t, preauthGood)
			c.MustExpect(t, `<iq type="result" id="pre" from="kith.example"/>`)
			c.MustSend(t, `<iq type="get" id="get"><query xmlns="jabber:iq:register"/></iq>`)
			c.MustExpect(t, `<iq type="result" id="get" from="kith.example"><query xmlns="jabber:iq:register">
				<instructions>…</instructions><username/><password/><x xmlns="jabber:x:data" type="form">
				<field var="FORM_TYPE" type="hidden"><value>jabber:iq:register</value></field>
				<field var="username" type="text-single"><required/></field><field var="password" type="text-private"><required/></field>
				</x></query></iq>`)
			before := time.Now()
			time.Sleep(5 * time.Minute) // people think about names
			c.MustSend(t, registers(name, "a good password"))
			c.MustExpect(t, `<iq type="result" id="reg" from="kith.example"/>`)
			if r := w.signup.asked[len(w.signup.asked)-1]; r.Token != "good" || !r.Since.Equal(before) {
				t.Errorf("asked %+v", r)
			}
			var err error
			if name == "benvolio" {
				err = c.Login(t.Context(), name, "a good password", "orchard", sasl.SCRAMSHA256)
			} else {
				_, err = c.LoginSASL2(t.Context(), xmpptest.SASL2{User: name, Password: "a good password", Mechanism: sasl.SCRAMSHA256, Bind: true})
			}
			if err != nil {
				t.Fatal(err)
			}
			if c.JID.Bare().String() != name+"@kith.example" {
				t.Errorf("logged in as %s", c.JID)
			}
		}
	})
}

// An app that knows nothing of tokens is given a form that asks for the invitation, and people copy what they see.
func TestRegistrationByForm(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for i, token := range []string{
			"good", " good\n", "https://kith.example/invite/good", "https://kith.example/invite/good/register",
			"xmpp:kith.example?register;preauth=good", "xmpp:romeo@kith.example?roster;preauth=good;ibr=y",
		} {
			c := w.client()
			c.MustSend(t, `<iq type="get" id="get" to="kith.example"><query xmlns="jabber:iq:register"/></iq>`)
			n := c.MustExpect(t, `<iq type="result" id="get"><query xmlns="jabber:iq:register"><instructions>…</instructions>
				<x xmlns="jabber:x:data" type="form"><field var="token"><required/></field></x></query></iq>`)
			query, _ := n.Child(nsRegister, "query")
			if _, ok := query.Child(nsRegister, "username"); ok {
				t.Error("two fields are not enough without an invitation")
			}
			name := "person" + string(rune('a'+i))
			c.MustSend(t, submits("FORM_TYPE", nsRegister, "username", name, "password", "a good password", "token", token))
			c.MustExpect(t, `<iq type="result" id="reg"/>`)
			if err := c.Login(t.Context(), name, "a good password", "", sasl.SCRAMSHA1); err != nil {
				t.Error(err)
			}
		}
	})
}

func TestRegistrationForOneName(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.client()
		c.MustSend(t, `<iq type="set" id="pre"><preauth xmlns="urn:xmpp:pars:0" token="benvolio"/></iq>`)
		c.MustExpect(t, `<iq type="result" id="pre"/>`)
		c.MustSend(t, `<iq type="get" id="get"><query xmlns="jabber:iq:register"/></iq>`)
		c.MustExpect(t, `<iq type="result" id="get"><query xmlns="jabber:iq:register"><username>benvolio</username><password/>
			<x xmlns="jabber:x:data"><field var="username"><value>benvolio</value></field></x></query></iq>`)
		c.MustSend(t, registers("mercutio", "a good password"))
		c.MustExpect(t, refused("reg", "modify", "not-acceptable"))
		c.MustSend(t, registers("benvolio", "a good password"))
		c.MustExpect(t, `<iq type="result" id="reg"/>`)
	})
}

// What is refused, and how. Nothing of it ends the stream, or costs the invitation.
func TestRefusedRegistrations(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for _, c := range []struct {
			name      string
			preauth   bool
			request   string
			id        string
			typ       string
			condition string
		}{
			{"an unknown token", false, `<iq type="set" id="1"><preauth xmlns="urn:xmpp:pars:0" token="x"/></iq>`, "1", "cancel", "item-not-found"},
			{"a used one", false, `<iq type="set" id="1"><preauth xmlns="urn:xmpp:pars:0" token="used"/></iq>`, "1", "cancel", "item-not-found"},
			{"no token", false, `<iq type="set" id="1"><preauth xmlns="urn:xmpp:pars:0"/></iq>`, "1", "modify", "bad-request"},
			{"a token that is asked for", false, `<iq type="get" id="1"><preauth xmlns="urn:xmpp:pars:0" token="good"/></iq>`, "1", "modify", "bad-request"},
			{"no invitation", false, registers("benvolio", "a good password"), "reg", "modify", "not-acceptable"},
			{"a form without it", false, submits("username", "benvolio", "password", "a good password"), "reg", "modify", "not-acceptable"},
			{"a form with a wrong one", false, submits("username", "benvolio", "password", "a good password", "token", "x"), "reg", "cancel", "item-not-found"},
			{"a name that is taken", true, registers("juliet", "a good password"), "reg", "cancel", "conflict"},
			{"a name that cannot be", true, registers("ben volio", "a good password"), "reg", "modify", "not-acceptable"},
			{"no name", true, registers(" ", "a good password"), "reg", "modify", "not-acceptable"},
			{"no password", true, registers("benvolio", ""), "reg", "modify", "not-acceptable"},
			{"a short password", true, registers("benvolio", "short"), "reg", "modify", "not-acceptable"},
			{"a password with the name", true, registers("benvolio", "my name is benvolio"), "reg", "modify", "not-acceptable"},
			{"nothing at all", true, `<iq type="set" id="reg"><query xmlns="jabber:iq:register"/></iq>`, "reg", "modify", "not-acceptable"},
			{"a form that was cancelled", true, `<iq type="set" id="reg"><query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="cancel"/></query></iq>`,
				"reg", "modify", "not-acceptable"},
			{"a removal", false, `<iq type="set" id="reg"><query xmlns="jabber:iq:register"><remove/></query></iq>`, "reg", "cancel", "unexpected-request"},
			{"two at once", false, `<iq type="set" id="reg"><query xmlns="jabber:iq:register"/><query xmlns="jabber:iq:register"/></iq>`, "reg", "modify", "bad-request"},
		} {
			x := w.client()
			if c.preauth {
				x.MustSend(t, preauthGood)
				x.MustExpect(t, `<iq type="result" id="pre"/>`)
			}
			x.MustSend(t, c.request)
			n, err := x.Expect(t.Context(), refused(c.id, c.typ, c.condition))
			if err != nil {
				t.Errorf("%s: %v", c.name, err)
				continue
			}
			if strings.Contains(string(n.Raw()), "a good password") { // XEP-0077 §3.3
				t.Errorf("%s: the answer repeats the password", c.name)
			}
			x.MustSend(t, preauthGood)
			x.MustExpect(t, `<iq type="result" id="pre"/>`)
		}
	})
}

// The text says more than the condition, as far as the invitation's page does.
func TestWordsOfRefusals(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.client()
		for token, want := range map[string]string{"x": "This invitation is not known.", "used": "This invitation has been used. Please ask for a new one."} {
			c.MustSend(t, `<iq type="set" id="1"><preauth xmlns="urn:xmpp:pars:0" token="`+token+`"/></iq>`)
			c.MustExpect(t, `<iq type="error" id="1"><error><text `+stanzaErrors+`>`+want+`</text></error></iq>`)
		}
		c.MustSend(t, preauthGood)
		c.MustExpect(t, `<iq type="result" id="pre"/>`)
		c.MustSend(t, registers("benvolio", "short"))
		c.MustExpect(t, `<iq type="error" id="reg"><error><text `+stanzaErrors+`>Please use a longer password.</text></error></iq>`)
	})
}

// What else comes before the log-in ends the stream (RFC 6120 §4.9.3.12), also when there is an account.
func TestOnlyRegistrationComesBeforeTheLogin(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for _, xml := range []string{
			`<iq type="get" id="1" to="kith.example"><ping xmlns="urn:xmpp:ping"/></iq>`,
			`<iq type="set" id="1" to="juliet@kith.example"><query xmlns="jabber:iq:register"/></iq>`,
			`<iq type="result" id="1"><query xmlns="jabber:iq:register"/></iq>`,
			`<iq type="set" id="1"/>`,
			`<message to="juliet@kith.example"><body>Hark</body></message>`,
			`<presence/>`,
		} {
			c := w.client()
			c.MustSend(t, xml)
			w.ends(c, "not-authorized")
		}
		c := w.client()
		c.MustSend(t, preauthGood)
		c.MustExpect(t, `<iq type="result" id="pre"/>`)
		c.MustSend(t, registers("benvolio", "a good password"))
		c.MustExpect(t, `<iq type="result" id="reg"/>`)
		c.MustSend(t, registers("mercutio", "a good password"))
		c.MustExpect(t, refused("reg", "modify", "not-acceptable")) // XEP-0077 §3.1.1
		c.MustSend(t, `<presence/>`)
		w.ends(c, "not-authorized")
	})
}

func TestRegistrationIsBounded(t *testing.T) {
	t.Run("tries", func(t *testing.T) {
		perform(t, func(t *testing.T, w *world) {
			c := w.client()
			for range maxRefused {
				c.MustSend(t, `<iq type="set" id="1"><preauth xmlns="urn:xmpp:pars:0" token="x"/></iq>`)
				c.MustExpect(t, refused("1", "cancel", "item-not-found"))
			}
			w.ends(c, "policy-violation")
		})
	})
	t.Run("requests", func(t *testing.T) {
		perform(t, func(t *testing.T, w *world) {
			c := w.client()
			for range maxRequests {
				c.MustSend(t, `<iq type="get" id="1"><query xmlns="jabber:iq:register"/></iq>`)
				c.MustExpect(t, `<iq type="result" id="1"/>`)
			}
			c.MustSend(t, `<iq type="get" id="1"><query xmlns="jabber:iq:register"/></iq>`)
			w.ends(c, "policy-violation")
		})
	})
	t.Run("rate", func(t *testing.T) {
		perform(t, func(t *testing.T, w *world) {
			c := w.client()
			c.MustSend(t, preauthGood)
			c.MustExpect(t, `<iq type="result" id="pre"/>`)
			w.signup.tooFast = true
			c.MustSend(t, preauthGood)
			c.MustExpect(t, refused("pre", "wait", "resource-constraint"))
			c.MustSend(t, registers("benvolio", "a good password"))
			c.MustExpect(t, refused("reg", "wait", "resource-constraint"))
			if len(w.signup.asked) != 0 {
				t.Error("the work was done all the same")
			}
		})
	})
	t.Run("time", func(t *testing.T) {
		perform(t, func(t *testing.T, w *world) {
			patient, cancel := context.WithTimeout(t.Context(), time.Hour)
			defer cancel()
			ends := func(c *xmpptest.Client, want time.Duration) {
				t.Helper()
				began := time.Now()
				if _, err := c.Expect(patient, `<stream:error><connection-timeout xmlns="`+nsError+`"/></stream:error>`); err != nil {
					t.Error(err)
				}
				if took := time.Since(began); took != want {
					t.Errorf("it ended after %v, want %v", took, want)
				}
			}
			c := w.client()
			c.MustSend(t, preauthGood)
			c.MustExpect(t, `<iq type="result" id="pre"/>`)
			ends(c, registrationTime)
			c = w.client()
			for range 3 { // who asks again gets no more time
				c.MustSend(t, `<iq type="get" id="1"><query xmlns="jabber:iq:register"/></iq>`)
				c.MustExpect(t, `<iq type="result" id="1"/>`)
				time.Sleep(registrationTime / 4)
			}
			ends(c, registrationTime/4)
			c = w.client()
			c.MustSend(t, preauthGood)
			c.MustExpect(t, `<iq type="result" id="pre"/>`)
			c.MustSend(t, registers("benvolio", "a good password"))
			c.MustExpect(t, `<iq type="result" id="reg"/>`)
			ends(c, negotiationTime) // XEP-0077 §3.1.1: who does not log in then
		})
	})
}

func TestRegistrationWhenTheStoreFails(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.signup.broken = true
		c := w.client()
		c.MustSend(t, preauthGood)
		n := c.MustExpect(t, refused("pre", "cancel", "internal-server-error"))
		if strings.Contains(string(n.Raw()), "disk") {
			t.Error("the answer tells our error")
		}
	})
}

func TestTokenIn(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]invite.Token{
		"": "", "  ": "", "abc": "abc", "preauth=": "", "xmpp:a@b?roster;preauth=abc;ibr=y": "abc", "/invite/": "",
		"http://[::1]:5280/invite/abc": "abc", "abc/invite/def/invite/ghi": "def",
	} {
		if got := tokenIn(in); got != want {
			t.Errorf("%q: got %q, want %q", in, got, want)
		}
	}
}

// Whatever is sent as a registration is read, and what is read is a part of what was sent.
func FuzzReadRegistration(f *testing.F) {
	f.Add(`<query xmlns="jabber:iq:register"><username>a</username><password>b</password></query>`)
	f.Add(`<query xmlns="jabber:iq:register"><x xmlns="jabber:x:data" type="submit"><field var="token"><value>t</value></field></x></query>`)
	f.Fuzz(func(t *testing.T, text string) {
		el, err := xmlstream.Parse(text, xmlstream.BeforeAuth)
		if err != nil {
			return
		}
		r := readRegistration(el.Root())
		if !strings.ContainsAny(text, "&<![\r") && !strings.Contains(text, r.name) {
			t.Errorf("%q is not in it", r.name)
		}
		if token := string(tokenIn(r.token)); !strings.Contains(r.token, token) || strings.TrimSpace(token) != token && strings.TrimSpace(r.token) == token {
			t.Errorf("%q is not in %q", token, r.token)
		}
	})
}
