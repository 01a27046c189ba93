// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"encoding/base64"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

func b64(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }

// What is wrong with a log-in by itself (RFC 6120 §6.5), in both profiles: the stream goes on, and the next one
// succeeds.
func TestFailures(t *testing.T) {
	const first = "n,,n=juliet,r=fyko+d2lbbFgONRv9qkxdawL"
	tests := []struct{ name, mechanism, initial, answer, want string }{
		{"a mechanism that is not offered", "PLAIN", b64("\x00juliet\x00" + password), "", "invalid-mechanism"},
		{"no mechanism", "", "", "", "invalid-mechanism"},
		{"a token's mechanism without a token", "HT-SHA-256-NONE", b64("juliet\x00x"), "", "invalid-mechanism"},
		{"no base64", "SCRAM-SHA-256", "***", "", "incorrect-encoding"},
		{"base64 in two lines", "SCRAM-SHA-256", "biwsbj1\nqdWxpZXQ=", "", "incorrect-encoding"}, // RFC 6120 §13.9.1
		{"base64 with a pad in the middle", "SCRAM-SHA-256", "biws=bj1qdWxpZXQ", "", "incorrect-encoding"},
		{"base64 with bits too many", "SCRAM-SHA-256", "biwsbj1qdWxpZXR=", "", "incorrect-encoding"},
		{"nonsense", "SCRAM-SHA-256", b64("wherefore art thou"), "", "malformed-request"},
		{"nothing", "SCRAM-SHA-256", "=", "", "malformed-request"},
		{"channel binding that is not offered", "SCRAM-SHA-256", b64("p=tls-exporter,,n=juliet,r=fyko"), "", "malformed-request"},
		{"to act as somebody else", "SCRAM-SHA-256", b64("n,a=romeo@kith.example,n=juliet,r=fyko"), "<response>" + b64("c=x,r=x,p=x") + "</response>", "*"},
		{"an answer that is no base64", "SCRAM-SHA-256", b64(first), "<response>***</response>", "incorrect-encoding"},
		{"an answer that is none", "SCRAM-SHA-256", b64(first), "<response>" + b64("hark") + "</response>", "malformed-request"},
		{"an answer with another nonce", "SCRAM-SHA-256", b64(first), "<response>" + b64("c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=") + "</response>", "*"},
		{"given up", "SCRAM-SHA-1", b64(first), "<abort/>", "aborted"},
	}
	for _, profile := range []string{nsSASL, nsSASL2} {
		for _, test := range tests {
			t.Run(test.name+" in "+profile, func(t *testing.T) {
				perform(t, func(t *testing.T, w *world) {
					c := w.client()
					request := `<auth xmlns="` + nsSASL + `" mechanism="` + test.mechanism + `">` + test.initial + `</auth>`
					if profile == nsSASL2 {
						request = `<authenticate xmlns="` + nsSASL2 + `" mechanism="` + test.mechanism + `">` +
							`<initial-response>` + test.initial + `</initial-response></authenticate>`
					}
					c.MustSend(t, request)
					if test.answer != "" {
						c.MustExpect(t, `<challenge xmlns="`+profile+`">…</challenge>`)
						end := strings.IndexAny(test.answer, "/>") // behind the name
						c.MustSend(t, test.answer[:end]+` xmlns="`+profile+`"`+test.answer[end:])
					}
					want := test.want
					if test.initial == "=" && profile == nsSASL2 {
						want = "incorrect-encoding" // XEP-0388 §2.2: nothing is written as nothing
					}
					if want == "*" {
						c.MustExpect(t, `<failure xmlns="`+profile+`"/>`)
					} else {
						c.MustExpect(t, `<failure xmlns="`+profile+`"><`+want+` xmlns="`+nsSASL+`"/></failure>`)
					}
					if err := c.Login(t.Context(), "juliet", password, "balcony", "SCRAM-SHA-256"); err != nil {
						t.Errorf("the next log-in: %v", err)
					}
				})
			})
		}
	}
}

// condition is what a log-in failed with.
func condition(err error) string {
	if e, ok := errors.AsType[*xmpptest.AuthError](err); ok {
		return e.Condition
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

// Who may come in, and who may not (RFC 6120 §6.5): who does not know the password learns nothing of the account.
func TestPasswords(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.Account("tybalt")
		w.disable("tybalt")
		tests := []struct{ name, user, password, want string }{
			{"the right one", "juliet", password, ""},
			{"the right one, of a name as people write it", "Juliet", password, ""},
			{"a wrong one", "juliet", "incorrect horse battery", "not-authorized"},
			{"nobody", "nobody", password, "not-authorized"},
			{"no name", "@", password, "not-authorized"},
			{"disabled", "tybalt", password, "account-disabled"},
			{"disabled, with a wrong one", "tybalt", "incorrect horse battery", "not-authorized"},
		}
		for _, test := range tests {
			for _, mechanism := range []string{sasl.SCRAMSHA512, sasl.SCRAMSHA256, sasl.SCRAMSHA1} {
				c := w.client()
				err := c.Authenticate(t.Context(), test.user, test.password, mechanism)
				if got := condition(err); got != test.want {
					t.Errorf("%s, %s: got %q, want %q", test.name, mechanism, got, test.want)
				}
				c.Cut()
				c = w.client()
				_, err = c.LoginSASL2(t.Context(), xmpptest.SASL2{User: test.user, Password: test.password, Mechanism: mechanism})
				if got := condition(err); got != test.want {
					t.Errorf("%s, %s in SASL2: got %q, want %q", test.name, mechanism, got, test.want)
				}
				c.Cut()
				time.Sleep(forgetAfter) // nobody waits for having failed
			}
		}
	})
}

// The address in the stream header must be the one that logs in, where SASL2 is used (XEP-0388 §2.3).
func TestFromOfHeader(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for from, want := range map[string]string{
			"juliet@kith.example": "", "juliet@kith.example/balcony": "", "kith.example": "invalid-authzid", "romeo@kith.example": "invalid-authzid",
		} {
			c := w.clientFrom(from)
			_, err := c.LoginSASL2(t.Context(), xmpptest.SASL2{User: "juliet", Password: password, Mechanism: sasl.SCRAMSHA256})
			if got := condition(err); got != want {
				t.Errorf("from %s: got %q, want %q", from, got, want)
			}
			c.Cut()
		}
	})
}

// Something else in the middle of a log-in ends the stream (RFC 6120 §4.9.3.12).
func TestInterruptedLogin(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.client()
		c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="SCRAM-SHA-256"/>`)
		c.MustExpect(t, `<challenge xmlns="`+nsSASL+`">=</challenge>`) // RFC 6120 §6.4.2: it was no initial response
		c.MustSend(t, `<iq type="get" id="1"><ping xmlns="urn:xmpp:ping"/></iq>`)
		w.ends(c, "not-authorized")
	})
}

// Who guesses waits longer each time, and has five tries on a stream (RFC 6120 §6.4.5).
func TestGuessing(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		guess := func(c *xmpptest.Client) time.Duration {
			t.Helper()
			before := time.Now()
			err := c.Authenticate(t.Context(), "juliet", "open sesame, please", sasl.SCRAMSHA256)
			if got := condition(err); got != "not-authorized" {
				t.Fatalf("got %v", err)
			}
			return time.Since(before)
		}
		c := w.client()
		var waits []time.Duration
		for range maxFailures {
			waits = append(waits, guess(c).Round(100*time.Millisecond))
		}
		w.ends(c, "policy-violation")
		want := []time.Duration{0, 0, 0, firstDelay, 2 * firstDelay}
		for i := range want {
			if waits[i] != want[i] {
				t.Errorf("waits: got %v, want %v", waits, want)
				break
			}
		}
		if got := guess(w.client()).Round(100 * time.Millisecond); got != 4*firstDelay {
			t.Errorf("on the next stream: got %v, want %v", got, 4*firstDelay)
		}

		// Others at the same address, and the owner, are let in at once.
		before := time.Now()
		w.login("romeo", "orchard").Close()
		w.login("juliet", "balcony").Close()
		if got := time.Since(before); got > firstDelay/2 {
			t.Errorf("the right password took %v", got)
		}
		if got := guess(w.client()).Round(100 * time.Millisecond); got != 0 {
			t.Errorf("after the owner came, a failure takes %v", got)
		}
	})
}

// A client that gives up or asks for another mechanism has not guessed.
func TestNoGuess(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		c := w.client()
		for range 2 * maxFailures {
			c.MustSend(t, `<auth xmlns="`+nsSASL+`" mechanism="PLAIN"/>`)
			c.MustExpect(t, `<failure xmlns="`+nsSASL+`"><invalid-mechanism/></failure>`)
		}
		if err := c.Login(t.Context(), "juliet", password, "balcony", sasl.SCRAMSHA256); err != nil {
			t.Error(err)
		}
	})
}

// A log-in that is begun tells something by the time of its answer, and costs something: a stream has a bounded number,
// however they end.
func TestLoginsWithoutEnd(t *testing.T) {
	const begin = `<auth xmlns="` + nsSASL + `" mechanism="SCRAM-SHA-256">`
	first := begin + b64("n,,n=juliet,r=fyko") + `</auth>`
	for name, again := range map[string]string{"given up": `<abort xmlns="` + nsSASL + `"/>`, "begun anew": ""} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				c := w.client()
				for range maxLogins {
					c.MustSend(t, first)
					c.MustExpect(t, `<challenge xmlns="`+nsSASL+`">…</challenge>`)
					if again != "" {
						c.MustSend(t, again)
						c.MustExpect(t, `<failure xmlns="`+nsSASL+`"><aborted/></failure>`)
					}
				}
				c.MustSend(t, first)
				w.ends(c, "policy-violation")
			})
		})
	}
	t.Run("in SASL2", func(t *testing.T) {
		perform(t, func(t *testing.T, w *world) {
			c := w.client()
			for range maxLogins {
				c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="PLAIN"/>`)
				c.MustExpect(t, `<failure xmlns="`+nsSASL2+`"><invalid-mechanism xmlns="`+nsSASL+`"/></failure>`)
			}
			c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="PLAIN"/>`)
			w.ends(c, "policy-violation")
		})
	})
}

// brokenAccounts are on a disk that is gone.
type brokenAccounts struct{ Accounts }

func (brokenAccounts) Credentials(context.Context, string, string) (sasl.Credentials, account.Account, error) {
	return sasl.Credentials{}, account.Account{}, errors.New("the disk is gone")
}

// Nobody has guessed where it was us who failed, and nobody is told why.
func TestFailuresOfOurs(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.server.Log = slog.New(slog.DiscardHandler)
		w.server.Accounts = brokenAccounts{w.server.Accounts}
		before := time.Now()
		c := w.client()
		for range maxFailures {
			err := c.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256)
			if condition(err) != "temporary-auth-failure" || strings.Contains(err.Error(), "disk") {
				t.Fatalf("got %v", err)
			}
		}
		w.ends(c, "policy-violation")
		if took := time.Since(before); took > firstDelay/2 {
			t.Errorf("it took %v", took)
		}
		w.server.throttle.mu.Lock()
		defer w.server.throttle.mu.Unlock()
		if n := len(w.server.throttle.seen); n != 0 {
			t.Errorf("%d failures are remembered", n)
		}
	})
}

// The log has no words of strangers in it, which may be long; and failures that are answered late are counted.
func TestLogOfFailures(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		var log lockedBuffer
		w.server.Log = slog.New(slog.NewTextHandler(&log, nil))
		c := w.client()
		for range maxFailures {
			c.MustSend(t, `<authenticate xmlns="`+nsSASL2+`" mechanism="`+strings.Repeat("wherefore", 200)+`"><initial-response>***</initial-response></authenticate>`)
			c.MustExpect(t, `<failure xmlns="`+nsSASL2+`"><incorrect-encoding xmlns="`+nsSASL+`"/></failure>`)
		}
		w.ends(c, "policy-violation")
		if strings.Contains(log.String(), "wherefore") {
			t.Error("it has")
		}
		for range freeFailures + 1 {
			if err := w.client().Authenticate(t.Context(), "juliet", "open sesame, please", sasl.SCRAMSHA256); condition(err) != "not-authorized" {
				t.Fatal(err)
			}
		}
		if got := w.server.Counters().Throttled.Value(); got != 1 {
			t.Errorf("%d failures were answered late, want 1", got)
		}
	})
}

// What happens to an account between the proof and the binding of a resource counts, though no session is there to be
// ended by it.
func TestChangedBeforeBinding(t *testing.T) {
	for name, change := range map[string]func(w *world, tx *db.Tx, id int64) error{
		"another password": func(w *world, tx *db.Tx, id int64) error {
			k, err := sasl.Derive(sasl.SHA256, "parting is such sweet sorrow", []byte("salt"), 1)
			if err != nil {
				return err
			}
			return w.Accounts.SetPassword(tx, id, account.Keys(map[sasl.Hash]sasl.Credentials{sasl.SHA256: k}))
		},
		"locked":  func(w *world, tx *db.Tx, id int64) error { return w.Accounts.SetDisabled(tx, id, true) },
		"removed": func(w *world, tx *db.Tx, id int64) error { return w.Accounts.Delete(tx, id) },
	} {
		t.Run(name, func(t *testing.T) {
			perform(t, func(t *testing.T, w *world) {
				r := withPassword()
				r.RequestToken = true
				c, welcome := w.login2(r)
				c.Close()
				bare := c.JID.Bare()
				in := []*xmpptest.Client{w.client(), w.client(), w.client()}
				if err := in[0].Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256); err != nil {
					t.Fatal(err)
				}
				for i, r := range []xmpptest.SASL2{withPassword(), withToken(welcome.Token)} {
					r.Bind = false
					if _, err := in[1+i].LoginSASL2(t.Context(), r); err != nil {
						t.Fatal(err)
					}
				}
				id := w.Account("juliet")
				w.change(func(tx *db.Tx) error { return change(w, tx, id) })
				for _, c := range in {
					c.MustSend(t, `<iq type="set" id="b"><bind xmlns="`+nsBind+`"/></iq>`)
					w.ends(c, "not-authorized")
				}
				synctest.Wait() // until they have left
				if list := w.Routers[0].Devices(bare); len(list) != 0 {
					t.Errorf("%d devices are left", len(list))
				}
			})
		})
	}
}

// lockedBuffer is a log that several goroutines write.
type lockedBuffer struct {
	mu  sync.Mutex
	all strings.Builder
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.all.String()
}

// Who sends no initial response is asked for it, in the way of the profile (RFC 6120 §6.4.2, XEP-0388 §2.2).
func TestNoInitialResponse(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		for profile, want := range map[string]string{nsSASL: "=", nsSASL2: ""} {
			c := w.client()
			request := `<auth xmlns="` + nsSASL + `" mechanism="SCRAM-SHA-256"/>`
			if profile == nsSASL2 {
				request = `<authenticate xmlns="` + nsSASL2 + `" mechanism="SCRAM-SHA-256"/>`
			}
			c.MustSend(t, request)
			if n := c.MustExpect(t, `<challenge xmlns="`+profile+`"/>`); n.Text() != want {
				t.Errorf("got %s", n.Raw())
			}
			m, err := sasl.NewSCRAMClient(sasl.SHA256, "juliet", password, "")
			if err != nil {
				t.Fatal(err)
			}
			message := m.Initial()
			for range 2 {
				c.MustSend(t, `<response xmlns="`+profile+`">`+b64(string(message))+`</response>`)
				n := w.next(c)
				if n.Is(profile, "success") {
					break
				}
				challenge, err := decode(profile, n.Text())
				if err != nil {
					t.Fatal(err)
				}
				if message, err = m.Respond(challenge); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add("biwsbj1qdWxpZXQ=")
	f.Add(" = ")
	f.Fuzz(func(t *testing.T, s string) {
		for _, profile := range []string{nsSASL, nsSASL2} {
			b, err := decode(profile, s)
			if err != nil {
				continue
			}
			// What was read is written in one way only, so nothing can be hidden in it.
			if got := strings.Trim(s, " \t\r\n"); got != encode(profile, b) && !(got == "" && len(b) == 0) {
				t.Fatalf("%q read as %q in %s", s, b, profile)
			}
		}
	})
}
