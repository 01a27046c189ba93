// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"strconv"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// brought makes an account that came from another server, with keys for SHA-1 only.
func (w *world) brought(name string) {
	w.t.Helper()
	c, err := sasl.Derive(sasl.SHA1, password, []byte("salt from elsewhere"), 1)
	if err != nil {
		w.t.Fatal(err)
	}
	w.change(func(tx *db.Tx) error {
		_, err := w.Accounts.Create(tx, name, account.Keys(map[sasl.Hash]sasl.Credentials{sasl.SHA1: c}), account.User)
		return err
	})
}

// ask begins a log-in of name by SCRAM-SHA-1 with more elements, and answers the challenge. What comes next is the
// outcome.
func (w *world) ask(c *xmpptest.Client, name, more string) {
	w.t.Helper()
	m, err := sasl.NewSCRAMClient(sasl.SHA1, name, password, "")
	if err != nil {
		w.t.Fatal(err)
	}
	c.MustSend(w.t, `<authenticate xmlns="`+nsSASL2+`" mechanism="SCRAM-SHA-1"><initial-response>`+b64(string(m.Initial()))+
		`</initial-response><user-agent id="`+laptop+`"/>`+more+`</authenticate>`)
	challenge, err := decode(nsSASL2, c.MustExpect(w.t, `<challenge xmlns="`+nsSASL2+`">…</challenge>`).Text())
	if err != nil {
		w.t.Fatal(err)
	}
	response, err := m.Respond(challenge)
	if err != nil {
		w.t.Fatal(err)
	}
	c.MustSend(w.t, `<response xmlns="`+nsSASL2+`">`+b64(string(response))+`</response>`)
}

// task begins a task, and returns the client's part of it.
func (w *world) task(c *xmpptest.Client, h sasl.Hash) (salted string) {
	w.t.Helper()
	c.MustSend(w.t, `<next xmlns="`+nsSASL2+`" task="UPGR-`+h.Mechanism(false)+`"/>`)
	data := c.MustExpect(w.t, `<task-data xmlns="`+nsSASL2+`"><salt xmlns="`+nsScramUpgrade+`" iterations="…">…</salt></task-data>`)
	salt, _ := data.Child(nsScramUpgrade, "salt")
	iterations, err := strconv.Atoi(salt.Attr("iterations"))
	if err != nil {
		w.t.Fatal(err)
	}
	raw, err := decode(nsSASL2, salt.Text())
	if err != nil {
		w.t.Fatal(err)
	}
	b, err := sasl.SaltedPassword(h, password, raw, iterations)
	if err != nil {
		w.t.Fatal(err)
	}
	return b64(string(b))
}

func taskData(hash string) string {
	return `<task-data xmlns="` + nsSASL2 + `"><hash xmlns="` + nsScramUpgrade + `">` + hash + `</hash></task-data>`
}

const (
	upgrade256 = `<upgrade xmlns="urn:xmpp:sasl:upgrade:0">UPGR-SCRAM-SHA-256</upgrade>`
	upgrade512 = `<upgrade xmlns="urn:xmpp:sasl:upgrade:0">UPGR-SCRAM-SHA-512</upgrade>`
	continue2  = `<continue xmlns="` + nsSASL2 + `">`
)

func names(n xmlstream.Node) string {
	var list []string
	for el := range n.Children() {
		list = append(list, el.Name().Local)
	}
	return strings.Join(list, " ")
}

// An account that came with old keys gets new ones in its next log-in (XEP-0480 §3), and then all that is inline.
func TestUpgrade(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.brought("tybalt")
		c := w.client()
		offer, _ := c.Features.Child(nsSASL2, "authentication")
		if got, want := names(offer), "mechanism mechanism inline upgrade upgrade"; got != want {
			t.Errorf("offered: got %s, want %s: %s", got, want, offer.Raw())
		}
		w.ask(c, "tybalt", upgrade256+upgrade512+upgrade256+
			`<upgrade xmlns="urn:xmpp:sasl:upgrade:0">UPGR-BLOOP2</upgrade><bind xmlns="`+nsBind2+`"/>`+
			`<request-token xmlns="`+nsFast+`" mechanism="HT-SHA-256-NONE"/>`)
		n := c.MustExpect(t, continue2+`<additional-data>…</additional-data><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>`)
		if got, want := names(n), "additional-data tasks"; got != want {
			t.Errorf("continue: got %s, want %s", got, want)
		}
		c.MustSend(t, taskData(w.task(c, sasl.SHA256)))
		n = c.MustExpect(t, continue2+`<tasks><task>UPGR-SCRAM-SHA-512</task></tasks></continue>`)
		if got, want := names(n), "tasks"; got != want {
			t.Errorf("the second: got %s, want %s", got, want)
		}
		c.MustSend(t, taskData("\n  "+w.task(c, sasl.SHA512)+"\n"))
		n = c.MustExpect(t, `<success xmlns="`+nsSASL2+`"/>`)
		if got, want := names(n), "authorization-identifier bound token"; got != want {
			t.Errorf("success: got %s, want %s", got, want)
		}
		c.MustExpect(t, `<stream:features/>`)
		c.MustExpectNothing(t)

		// Now everybody can have everything.
		c = w.client()
		if _, ok := c.Features.Child(nsSASL2, "authentication"); !ok || strings.Contains(string(c.Features.Raw()), "UPGR-") {
			t.Errorf("offered afterwards: %s", c.Features.Raw())
		}
		for _, mech := range []string{sasl.SCRAMSHA1, sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA512PLUS} {
			c := w.client()
			if err := c.Authenticate(t.Context(), "tybalt", password, mech); err != nil {
				t.Errorf("%s: %v", mech, err)
			}
			c.Cut()
		}
	})
}

// While one account has old keys only, nobody is offered what would lock it out, and who has all needs no task.
func TestNoUpgrade(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		r := withPassword()
		r.RequestToken = true
		c, welcome := w.login2(r)
		c.Close()
		w.brought("tybalt")
		c = w.client()
		w.ask(c, "juliet", upgrade256+upgrade512)
		n := c.MustExpect(t, `<success xmlns="`+nsSASL2+`"/>`)
		if got, want := names(n), "additional-data authorization-identifier"; got != want {
			t.Errorf("success: got %s, want %s", got, want)
		}
		w.refused2("what is not offered", withPassword(), "invalid-mechanism")

		// Who has a token only could come to a password of his own.
		w.change(func(tx *db.Tx) error {
			_, err := tx.Exec(`DELETE FROM account_credential WHERE hash = 'SHA-256'`)
			return err
		})
		r = withToken(welcome.Token)
		r.Extra = upgrade256
		if _, after := w.login2(r); names(after.Success) != "additional-data authorization-identifier bound" {
			t.Errorf("with a token: %s", after.Success.Raw())
		}
	})
}

// What goes wrong in a task ends the log-in, and nothing is stored (XEP-0388 §2.6.3, §4.8).
func TestBadTasks(t *testing.T) {
	failure := func(condition string) string {
		return `<failure xmlns="` + nsSASL2 + `"><` + condition + ` xmlns="` + nsSASL + `"/></failure>`
	}
	perform(t, func(t *testing.T, w *world) {
		w.brought("tybalt")
		for _, test := range []struct {
			name    string
			send    func(c *xmpptest.Client)
			want    string // condition of SASL; "": the stream ends
			stopped bool   // before the salt
		}{
			{name: "another task", send: func(c *xmpptest.Client) {
				c.MustSend(t, `<next xmlns="`+nsSASL2+`" task="UPGR-SCRAM-SHA-512"/>`)
			}, want: "invalid-mechanism"},
			{name: "no task", send: func(c *xmpptest.Client) { c.MustSend(t, `<next xmlns="`+nsSASL2+`"/>`) }, want: "invalid-mechanism"},
			{name: "given up", send: func(c *xmpptest.Client) { c.MustSend(t, `<abort xmlns="`+nsSASL2+`"/>`) }, want: "aborted"},
			{name: "given up later", send: func(c *xmpptest.Client) {
				w.task(c, sasl.SHA256)
				c.MustSend(t, `<abort xmlns="`+nsSASL2+`"><text>no time</text></abort>`)
			}, want: "aborted"},
			{name: "no hash", send: func(c *xmpptest.Client) {
				w.task(c, sasl.SHA256)
				c.MustSend(t, `<task-data xmlns="`+nsSASL2+`"/>`)
			}, want: "malformed-request"},
			{name: "an empty hash", send: func(c *xmpptest.Client) {
				w.task(c, sasl.SHA256)
				c.MustSend(t, taskData(""))
			}, want: "malformed-request"},
			{name: "no base64", send: func(c *xmpptest.Client) {
				w.task(c, sasl.SHA256)
				c.MustSend(t, taskData("***"))
			}, want: "incorrect-encoding"},
			{name: "a hash of another length", send: func(c *xmpptest.Client) {
				w.task(c, sasl.SHA256)
				c.MustSend(t, taskData(b64("short")))
			}, want: "malformed-request"},
			{name: "another password meanwhile", send: func(c *xmpptest.Client) {
				hash := w.task(c, sasl.SHA256)
				id := w.Account("tybalt")
				k, err := sasl.Derive(sasl.SHA1, password, []byte("salt"), 1)
				if err != nil {
					t.Fatal(err)
				}
				w.change(func(tx *db.Tx) error {
					return w.Accounts.SetPassword(tx, id, account.Keys(map[sasl.Hash]sasl.Credentials{sasl.SHA1: k}))
				})
				c.MustSend(t, taskData(hash))
			}, want: "not-authorized"},
			{name: "a stanza", send: func(c *xmpptest.Client) { c.MustSend(t, `<presence/>`) }},
			{name: "another log-in", send: func(c *xmpptest.Client) {
				c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="SCRAM-SHA-1"/>`)
			}},
		} {
			c := w.client()
			w.ask(c, "tybalt", upgrade256)
			c.MustExpect(t, continue2+`<additional-data>…</additional-data><tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>`)
			test.send(c)
			if test.want != "" {
				if _, err := c.Expect(t.Context(), failure(test.want)); err != nil {
					t.Errorf("%s: %v", test.name, err)
				}
				c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="SCRAM-SHA-1"/>`) // XEP-0388 §4.8
			}
			w.ends(c, "not-authorized")
			if _, _, err := w.Accounts.Credentials(t.Context(), "tybalt", sasl.SCRAMSHA256); err == nil {
				t.Fatalf("%s: there are keys", test.name)
			}
			w.server.throttle.succeeded(c.Stream.RemoteAddr(), "tybalt")
		}
	})
}
