// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"bytes"
	"log/slog"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/sasl"
)

// Where an admin wants PLAIN, it stands last in both profiles, and lets in and keeps out whom SCRAM would. Nobody wants
// it by default: see TestFailures.
func TestPlain(t *testing.T) {
	tests := []struct{ name, authzid, user, password, want string }{
		{"the right one", "", "juliet", password, ""},
		{"the right one, of a name as people write it", "", "Juliet", password, ""},
		{"as oneself", "juliet@kith.example", "juliet", password, ""},
		{"as somebody else", "romeo@kith.example", "juliet", password, "invalid-authzid"},
		{"as somebody else, with a wrong one", "romeo@kith.example", "juliet", "incorrect horse battery", "not-authorized"},
		{"as no address", "@", "juliet", password, "invalid-authzid"},
		{"a wrong one", "", "juliet", "incorrect horse battery", "not-authorized"},
		{"one that none can be", "", "juliet", "\u0007", "not-authorized"},
		{"one that is too long", "", "juliet", strings.Repeat("x", 2000), "not-authorized"},
		{"none", "", "juliet", "", "malformed-request"},
		{"nobody", "", "nobody", password, "not-authorized"},
		{"no name", "", "@", password, "not-authorized"},
		{"disabled", "", "tybalt", password, "account-disabled"},
		{"disabled, with a wrong one", "", "tybalt", "incorrect horse battery", "not-authorized"},
	}
	perform(t, func(t *testing.T, w *world) {
		w.server.Plain = true
		w.Account("tybalt")
		w.disable("tybalt")
		for _, test := range tests {
			for _, profile := range []string{nsSASL, nsSASL2} {
				c := w.client()
				local := map[string]string{nsSASL: "mechanisms", nsSASL2: "authentication"}[profile]
				list, _ := c.Features.Child(profile, local)
				last := ""
				for m := range list.Children() {
					if m.Is(profile, "mechanism") {
						last = m.Text()
					}
				}
				if last != sasl.PLAIN {
					t.Fatalf("%s: the last mechanism is %q", profile, last)
				}
				message := b64(test.authzid + "\x00" + test.user + "\x00" + test.password)
				request := `<auth xmlns="` + nsSASL + `" mechanism="PLAIN">` + message + `</auth>`
				if profile == nsSASL2 {
					request = `<authenticate xmlns="` + nsSASL2 + `" mechanism="PLAIN"><initial-response>` + message + `</initial-response></authenticate>`
				}
				c.MustSend(t, request)
				answer := `<failure xmlns="` + profile + `"><` + test.want + ` xmlns="` + nsSASL + `"/></failure>`
				if test.want == "" {
					answer = `<success xmlns="` + profile + `"/>`
				}
				if _, err := c.Expect(t.Context(), answer); err != nil {
					t.Errorf("%s, %s: %v", test.name, profile, err)
				}
				c.Cut()
				time.Sleep(forgetAfter) // nobody waits for having failed
			}
		}
	})
}

// The other mechanisms protect a list with PLAIN in it (XEP-0474), and who came by PLAIN proved to know the password.
func TestPlainBesideOthers(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		var log bytes.Buffer
		w.server.Plain, w.server.Log = true, slog.New(slog.NewTextHandler(&log, nil))
		for _, mechanism := range []string{sasl.SCRAMSHA256PLUS, sasl.SCRAMSHA1, sasl.PLAIN} {
			c := w.client()
			if err := c.Login(t.Context(), "juliet", password, "", mechanism); err != nil {
				t.Fatalf("%s: %v", mechanism, err)
			}
			list := w.Routers[0].Devices(c.JID.Bare())
			if len(list) != 1 || !list[0].LogIn.Password {
				t.Errorf("%s: not by the password: %+v", mechanism, list)
			}
			c.Close()
			w.over(c)
		}
		w.stop()
		for _, want := range []string{"mechanism=SCRAM-SHA-256-PLUS bound=true", "mechanism=SCRAM-SHA-1 bound=false", "mechanism=PLAIN bound=false"} {
			if !strings.Contains(log.String(), `msg="session began"`) || !strings.Contains(log.String(), want) {
				t.Errorf("the log does not say %q:\n%s", want, log.String())
			}
		}
	})
}

// A wrong password counts each time that it is sent, and a stranger to an account under siege waits.
func TestPlainIsCounted(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.server.Plain = true
		here := network(netip.MustParseAddr("127.0.0.1"))
		c := w.client()
		for _, mechanism := range []string{sasl.SCRAMSHA256, sasl.PLAIN, sasl.PLAIN, sasl.PLAIN} {
			if err := c.Authenticate(t.Context(), "juliet", "no "+password, mechanism); condition(err) != "not-authorized" {
				t.Fatalf("%s: %v", mechanism, err)
			}
		}
		w.server.throttle.mu.Lock()
		got := w.server.throttle.counted(throttleKey{from: here, name: "juliet"})
		w.server.throttle.mu.Unlock()
		if got != 4 {
			t.Errorf("%d failures are counted, want 4", got)
		}
		w.server.throttle.mu.Lock()
		for range 40 {
			w.server.throttle.count(throttleKey{name: "juliet", all: true})
		}
		w.server.throttle.mu.Unlock()
		before := time.Now()
		if err := w.clientAt("192.0.2.3").Login(t.Context(), "juliet", password, "", sasl.PLAIN); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(before); waited < maxDelay/2 {
			t.Errorf("a stranger waits %v", waited)
		}
	})
}

// What an account from elsewhere lacks it may get after PLAIN, too (XEP-0480 §3).
func TestPlainUpgrade(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.server.Plain = true
		w.brought("mercutio")
		c := w.client()
		c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="PLAIN"><initial-response>`+b64("\x00mercutio\x00"+password)+
			`</initial-response>`+upgrade256+`</authenticate>`)
		c.MustExpect(t, continue2+`<tasks><task>UPGR-SCRAM-SHA-256</task></tasks></continue>`)
		c.MustSend(t, taskData(w.task(c, sasl.SHA256)))
		c.MustExpect(t, `<success xmlns="`+nsSASL2+`"/>`)
		c.Close()
		if err := w.client().Login(t.Context(), "mercutio", password, "", sasl.SCRAMSHA256); err != nil {
			t.Error(err)
		}
	})
}
