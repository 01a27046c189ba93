// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/act/signup"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

const goodPassword = "correct horse battery"

// A house is a portal with the real services behind it.
type house struct {
	*Portal
	t        *testing.T
	clock    time.Time
	db       *db.DB
	accounts *account.Service
	invites  *invite.Service
	contacts *contact.Service
	act      *signup.Act
}

// each runs f on every engine.
func each(t *testing.T, f func(t *testing.T, h *house)) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
		if err != nil {
			t.Fatal(err)
		}
		h := &house{t: t, db: d, clock: time.Date(2026, 11, 1, 12, 0, 0, 0, time.UTC)}
		now := func() time.Time { return h.clock }
		h.accounts = account.New(d, account.Options{Domain: "kith.example", Keys: keys, Iterations: 8, Now: now})
		h.invites = invite.New(d, invite.Options{Keys: keys, Now: now})
		h.contacts = contact.New(d, contact.Options{})
		h.act = &signup.Act{DB: d, Accounts: h.accounts, Invites: h.invites, Contacts: h.contacts, Domain: "kith.example"}
		h.Portal = newPortal(t, Options{Accounts: h.accounts, Invitations: h.invites, SignUp: h, Now: now})
		f(t, h)
	}, account.Schema(), invite.Schema(), contact.Schema())
}

func newPortal(t *testing.T, o Options) *Portal {
	t.Helper()
	o.URL, o.Domain, o.Log = "https://kith.example", "kith.example", slog.New(slog.DiscardHandler)
	p, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func (h *house) SignUp(ctx context.Context, token invite.Token, name, password string) (account.Account, string, error) {
	res, err := h.act.Do(ctx, signup.Request{Name: name, Password: password, Token: token, Code: true})
	return res.Account, res.Code, err
}

func (h *house) Code(ctx context.Context, id int64) (code string, err error) {
	err = h.db.Write(ctx, func(tx *db.Tx) error {
		code, err = h.accounts.NewCode(tx, id)
		return err
	})
	return code, err
}

// person makes an account without an invitation.
func (h *house) person(name string) account.Account {
	h.t.Helper()
	res, err := h.act.Do(h.t.Context(), signup.Request{Name: name, Password: goodPassword, Role: account.User})
	if err != nil {
		h.t.Fatal(err)
	}
	return res.Account
}

func (h *house) write(f func(tx *db.Tx) error) {
	h.t.Helper()
	if err := h.db.Write(h.t.Context(), f); err != nil {
		h.t.Fatal(err)
	}
}

// invite makes an invitation and returns its path.
func (h *house) invite(r invite.Request) string {
	h.t.Helper()
	var token invite.Token
	if r.Role == "" {
		r.Role = "user"
	}
	h.write(func(tx *db.Tx) (err error) {
		_, token, err = h.invites.Create(tx, r)
		return err
	})
	return "/invite/" + string(token)
}

// invitedBy makes an invitation of a person.
func (h *house) invitedBy(name string) string {
	h.t.Helper()
	by := h.person(name)
	return h.invite(invite.Request{Kind: invite.Contact, Inviter: by.ID, InviterName: by.Name})
}

// browse sends a request as a browser of today does, through package httpd.
func browse(p http.Handler, method, target string, form url.Values, headers ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, strings.NewReader(form.Encode()))
	r.Host, r.URL.Scheme = "kith.example", "https"
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	w := httptest.NewRecorder()
	p.ServeHTTP(w, r)
	return w
}

func fields(name, password string) url.Values {
	return url.Values{"name": {name}, "password": {password}}
}

// says checks a page: its status, its HTML, and what stands in it.
func says(t *testing.T, w *httptest.ResponseRecorder, status int, parts ...string) {
	t.Helper()
	if w.Code != status {
		t.Errorf("status %d, want %d", w.Code, status)
	}
	body := w.Body.String()
	for _, part := range parts {
		if !strings.Contains(body, part) {
			t.Errorf("the page lacks %q:\n%s", part, body)
		}
	}
	checkHTML(t, body)
}

func TestLandingOfAContact(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invitedBy("romeo")
		w := browse(h, "GET", path, nil)
		says(t, w, 200, "<bdi>romeo</bdi> invites you to chat", `href="`+path+`/register"`, `href="/#contact=romeo%40kith.example&amp;token=`+strings.TrimPrefix(path, "/invite/")+`"`,
			`src="`+path+`/qr.svg"`, "This invitation is for one person. It ends in 7 days.", `property="og:title" content="romeo invites you to chat"`)
		token := strings.TrimPrefix(path, "/invite/")
		uri := "xmpp:romeo@kith.example?roster;preauth=" + token + ";ibr=y"
		if !strings.Contains(w.Body.String(), `href="`+uri+`"`) {
			t.Errorf("no link to %s", uri)
		}
		for name, want := range map[string]string{
			"Link":                          "<" + uri + `>; rel="alternate"`,
			"Access-Control-Allow-Origin":   "*",
			"Access-Control-Expose-Headers": "Link",
			"Referrer-Policy":               "no-referrer",
			"Cache-Control":                 "no-store",
			"X-Content-Type-Options":        "nosniff",
			"Vary":                          "Accept-Language",
			"Set-Cookie":                    "",
		} {
			if got := w.Header().Get(name); got != want {
				t.Errorf("%s: %q, want %q", name, got, want)
			}
		}
		policy := w.Header().Get("Content-Security-Policy")
		for _, want := range []string{"default-src 'none'", "script-src https://kith.example/assets-portal/", "frame-ancestors 'none'"} {
			if !strings.Contains(policy, want) {
				t.Errorf("policy %q lacks %q", policy, want)
			}
		}
	})
}

func TestSlashAtTheEnd(t *testing.T) {
	p := newPortal(t, Options{})
	w := browse(p, "GET", "/invite/x/", nil)
	if w.Code != 308 || w.Header().Get("Location") != "/invite/x" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("got %d, %v", w.Code, w.Header())
	}
}

func TestKindsOfInvitations(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		says(t, browse(h, "GET", h.invite(invite.Request{}), nil), 200, "You are invited to <bdi>kith.example</bdi>", `href="/"`)
		says(t, browse(h, "GET", h.invite(invite.Request{Uses: 3, TTL: time.Hour}), nil), 200,
			"can be used more than once. It ends in 60 minutes.")
		var first invite.Token
		h.write(func(tx *db.Tx) (err error) {
			_, first, err = h.invites.FirstAdmin(tx)
			return err
		})
		says(t, browse(h, "GET", "/invite/"+string(first), nil), 200, "Welcome to <bdi>kith.example</bdi>", "you look after", "It ends in 24 hours.")

		path := h.invite(invite.Request{})
		want := `<xmpp:kith.example?register;preauth=` + strings.TrimPrefix(path, "/invite/") + `>; rel="alternate"`
		if got := browse(h, "GET", path, nil).Header().Get("Link"); got != want {
			t.Errorf("Link: %s, want %s", got, want)
		}
		if got := browse(h, "GET", h.invitedBy("jürgen"), nil).Header().Get("Link"); !strings.HasPrefix(got, "<xmpp:j%C3%BCrgen@kith.example?roster;preauth=") ||
			!strings.HasSuffix(got, `;ibr=y>; rel="alternate"`) {
			t.Errorf("Link: %s", got)
		}
	})
}

// An invitation for a name makes that account, and nothing for who has one (XEP-0445 §2.1, XEP-0379 §5.2).
func TestInvitationOfAContactForAName(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		by := h.person("romeo")
		path := h.invite(invite.Request{Kind: invite.Contact, Inviter: by.ID, InviterName: by.Name, Name: "juliet"})
		w := browse(h, "GET", path, nil)
		says(t, w, 200, "<bdi>romeo</bdi> invites you to chat", `href="/#contact=romeo%40kith.example"`)
		want := "<xmpp:juliet@kith.example?register;preauth=" + strings.TrimPrefix(path, "/invite/") + `>; rel="alternate"`
		if got := w.Header().Get("Link"); got != want {
			t.Errorf("Link: %s, want %s", got, want)
		}
	})
}

func TestPathsOfAnInvitation(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invite(invite.Request{})
		w := browse(h, "GET", path+"/", nil)
		if w.Code != 308 || w.Header().Get("Location") != path {
			t.Errorf("with a slash: %d to %q", w.Code, w.Header().Get("Location"))
		}
		says(t, browse(h, "GET", path+"/other", nil), 404, "There is nothing here")
		says(t, browse(h, "GET", "/invite/", nil), 404, "There is nothing here")
		says(t, browse(h, "POST", path, nil), 405, "cannot be used in that way")
		says(t, browse(h, "DELETE", path+"/register", nil), 405)
	})
}

func TestLinksThatAreOver(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		var revoked invite.Invite
		var revokedToken invite.Token
		h.write(func(tx *db.Tx) (err error) {
			if revoked, revokedToken, err = h.invites.Create(tx, invite.Request{Role: "user"}); err != nil {
				return err
			}
			return h.invites.Revoke(tx, revoked.ID)
		})
		used := h.invite(invite.Request{})
		says(t, browse(h, "POST", used+"/register", fields("juliet", goodPassword)), 303)
		byRomeo := h.invitedBy("romeo")
		byServer := h.invite(invite.Request{})
		h.clock = h.clock.Add(invite.DefaultTTL)
		for _, c := range []struct {
			path   string
			status int
			text   string
		}{
			{byRomeo, 410, "Ask romeo for a new one."},
			{byServer, 410, "Ask whoever sent it to you for a new one."},
			{used, 410, "This invitation has been used"},
			{"/invite/" + string(revokedToken), 410, "This invitation was taken back"},
			{"/invite/x", 404, "We do not know this invitation"},
			{"/invite/%3Cscript%3E", 404, "We do not know this invitation"},
		} {
			for _, below := range []string{"", "/register"} {
				says(t, browse(h, "GET", c.path+below, nil), c.status, c.text)
			}
			says(t, browse(h, "POST", c.path+"/register", fields("nurse", goodPassword)), c.status, c.text)
			if w := browse(h, "GET", c.path+"/qr.svg", nil); w.Code != c.status {
				t.Errorf("QR code of %s: %d", c.path, w.Code)
			}
			if w := browse(h, "GET", c.path+"/name?q=x", nil); w.Code != 404 {
				t.Errorf("name for %s: %d", c.path, w.Code)
			}
		}
	})
}

func TestSignUp(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invitedBy("romeo")
		for range 3 { // previews, and the person
			for _, method := range []string{"GET", "HEAD"} {
				browse(h, method, path, nil)
				browse(h, method, path+"/register", nil)
			}
		}
		says(t, browse(h, "GET", path+"/register", nil), 200, "Invited by <bdi>romeo</bdi>", `autocomplete="username"`,
			`autocomplete="new-password"`, "@kith.example", `minlength="10"`)
		w := browse(h, "POST", path+"/register", fields(" Juliet@kith.example", goodPassword))
		address, code := intoTheApp(t, w)
		if address != "juliet@kith.example" || code == "" {
			t.Errorf("into the app as %q with %q", address, code)
		}
		a, err := h.accounts.CheckPassword(t.Context(), "juliet", goodPassword)
		if err != nil || a.Role != account.User {
			t.Fatalf("the account: %+v, %v", a, err)
		}
		romeo := jid.MustParse("romeo@kith.example")
		if i, err := h.contacts.Get(t.Context(), a.ID, romeo); err != nil || i.Subscription() != "both" {
			t.Errorf("the contact: %+v, %v", i, err)
		}
	})
}

// intoTheApp checks the answer to a sign-up and returns what the app will find.
func intoTheApp(t *testing.T, w *httptest.ResponseRecorder) (address, code string) {
	t.Helper()
	fragment, ok := strings.CutPrefix(w.Header().Get("Location"), "/#")
	if w.Code != 303 || !ok || w.Header().Get("Cache-Control") != "no-store" {
		t.Fatalf("%d to %q, %q\n%s", w.Code, w.Header().Get("Location"), w.Header().Get("Cache-Control"), w.Body)
	}
	values, err := url.ParseQuery(fragment)
	if err != nil {
		t.Fatal(err)
	}
	cookie, err := http.ParseSetCookie(w.Header().Get("Set-Cookie"))
	if err != nil {
		t.Fatal(err)
	}
	want := &http.Cookie{Name: "kith_arrival", Value: values.Get("arrival"), Path: "/", MaxAge: 60, Secure: true, SameSite: http.SameSiteStrictMode}
	if cookie.Raw = ""; len(cookie.Value) != 22 || !reflect.DeepEqual(cookie, want) {
		t.Errorf("the browser is marked with %+v, want %+v", cookie, want)
	}
	return values.Get("login"), values.Get("code")
}

func TestSignUpWithoutScripts(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		form := fields("juliet", goodPassword)
		form.Set("plain", "1")
		form.Set("again", "correct house battery")
		path := h.invite(invite.Request{}) + "/register"
		says(t, browse(h, "POST", path, form), 400, "The two passwords are not the same.", `value="juliet"`)
		form.Set("again", goodPassword)
		says(t, browse(h, "POST", path, form), 201, "Welcome, <bdi>juliet</bdi>!", "juliet@kith.example",
			`href="/#login=juliet%40kith.example&amp;code=`)
	})
}

func TestFormThatIsSentTwice(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		once := h.invite(invite.Request{}) + "/register"
		often := h.invite(invite.Request{Uses: 5}) + "/register"
		codes := map[string]bool{}
		for _, c := range []struct{ path, name string }{{once, "juliet"}, {often, "romeo"}} {
			for range 3 {
				address, code := intoTheApp(t, browse(h, "POST", c.path, fields(c.name, goodPassword)))
				if address != c.name+"@kith.example" || codes[code] {
					t.Errorf("%s: %s %s", c.name, address, code)
				}
				codes[code] = true
			}
		}
		says(t, browse(h, "POST", once, fields("juliet", "another password")), 410, "has been used")
		says(t, browse(h, "POST", once, fields("nurse", goodPassword)), 410, "has been used")
		// Who holds an invitation cannot try passwords of others with it, however new these are.
		h.person("mercutio")
		says(t, browse(h, "POST", once, fields("mercutio", goodPassword)), 410, "has been used")
		says(t, browse(h, "POST", once, fields("romeo", goodPassword)), 410, "has been used")
		says(t, browse(h, "POST", often, fields("mercutio", goodPassword)), 409, "Somebody has this name already.")
		says(t, browse(h, "POST", often, fields("romeo", "another password")), 409, "Somebody has this name already.")
		h.clock = h.clock.Add(sameForm + time.Second) // now it is a log-in, and that is not done here
		says(t, browse(h, "POST", once, fields("juliet", goodPassword)), 410)
		says(t, browse(h, "POST", often, fields("romeo", goodPassword)), 409)
	})
}

func TestTwoClicksAtOnce(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invite(invite.Request{}) + "/register"
		answers := make(chan *httptest.ResponseRecorder)
		for range 4 {
			go func() { answers <- browse(h, "POST", path, fields("juliet", goodPassword)) }() // each is waited for below
		}
		for range 4 {
			if address, _ := intoTheApp(t, <-answers); address != "juliet@kith.example" {
				t.Errorf("into the app as %q", address)
			}
		}
	})
}

func TestFaultsInTheForm(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("juliet")
		path := h.invite(invite.Request{}) + "/register"
		for _, c := range []struct {
			name, password string
			status         int
			parts          []string
		}{
			{"", "", 400, []string{"Please choose a name.", "Please choose a password.", "<title>Please check:", `role="alert"`}},
			{"a b", goodPassword, 400, []string{"This name does not work.", `value="a b"`, "type your password once more"}},
			{"a<b>", goodPassword, 400, []string{`value="a&lt;b&gt;"`}},
			{strings.Repeat("x", 65), goodPassword, 400, []string{"This name is too long."}},
			{"admin", goodPassword, 400, []string{"kept for the server"}},
			{"рaypal", goodPassword, 400, []string{"different alphabets"}},
			{"nurse", "short", 400, []string{"5 more characters, please.", `value="nurse"`}},
			{"nurse", "ninechars", 400, []string{"One more character, please."}},
			{"nurse", "nurse says hello", 400, []string{"contains your name"}},
			{"nurse", strings.Repeat("x", 2000), 400, []string{"This password is too long."}},
			{"nurse", "with a\x07 bell in it", 400, []string{"characters that do not work"}},
			{"juliet", "another battery", 409, []string{"Somebody has this name already.", "<b>juliet.kith</b>", `value="juliet"`, `aria-invalid="true"`}},
			{"juliet", "aaaaaaaaaaaa", 409, []string{"Easy to guess."}},
		} {
			w := browse(h, "POST", path, fields(c.name, c.password))
			says(t, w, c.status, c.parts...)
			if c.password != "" && strings.Contains(w.Body.String(), c.password) {
				t.Errorf("the page repeats the password %q", c.password)
			}
		}
		intoTheApp(t, browse(h, "POST", path, fields("nurse", goodPassword))) // none of these cost the invitation
	})
}

func TestInvitationForOneName(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invite(invite.Request{Name: "benvolio"}) + "/register"
		says(t, browse(h, "GET", path, nil), 200, `value="benvolio"`, "readonly", "This name was chosen for you.")
		if address, _ := intoTheApp(t, browse(h, "POST", path, fields("mercutio", goodPassword))); address != "benvolio@kith.example" {
			t.Errorf("signed up as %q", address)
		}
	})
}

func TestWhenTheServicesFail(t *testing.T) {
	t.Parallel()
	p := newPortal(t, Options{Invitations: broken{}})
	w := browse(p, "GET", "/invite/x", nil)
	says(t, w, 500, "Something went wrong")
	if strings.Contains(w.Body.String(), "secret") {
		t.Error("the page tells our error")
	}
}

type broken struct{}

func (broken) Kept(context.Context, string) (bool, error) { return false, context.DeadlineExceeded }

func (broken) UsedBy(context.Context, int64) ([]int64, error) { return nil, context.DeadlineExceeded }

func (broken) Look(context.Context, invite.Token) (invite.Invite, error) {
	return invite.Invite{}, context.DeadlineExceeded
}
