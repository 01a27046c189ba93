// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/invite"
)

// nameMax is how many characters the field for the name takes: a whole address, since some people type that.
const nameMax = 320

// sameForm is for how long after its sign-up a form that comes again is taken for the same one.
const sameForm = 10 * time.Minute

type registerPage struct {
	page
	Inviter     string // "" where the server invites
	Domain      string
	Here        string // path of the invitation
	HaveAccount string
	Form        string // the token that shows that the form is ours
	Notice      string // above the form; this and what follows: "" for none
	Name        string // as it was typed
	NameFixed   bool   // the invitation is for this name only

	NameError, PasswordError, AgainError string
	PasswordNote                         string   // about a password that has no fault
	Names                                []string // free ones, instead of one that is taken

	NameMax, PasswordMin     int // characters
	FocusName, FocusPassword bool
}

// form shows the empty form.
func (p *Portal) form(w http.ResponseWriter, r *http.Request) {
	inv, ok := p.look(w, r, invite.Token(r.PathValue("token")))
	if !ok {
		return
	}
	p.showForm(w, r, http.StatusOK, inv, registerPage{})
}

// showForm draws the form with what data says of the fields.
func (p *Portal) showForm(w http.ResponseWriter, r *http.Request, status int, inv invite.Invite, data registerPage) {
	d, token := p.speak(r), invite.Token(r.PathValue("token"))
	data.page = p.page(d, d.T("register.title"))
	data.Script = true
	data.Inviter, data.Domain, data.Here, data.HaveAccount = inviter(inv), p.o.Domain, here(token), p.haveAccount(inv, token)
	data.NameMax, data.PasswordMin = nameMax, passwordMin
	if data.NameFixed = inv.Name != ""; data.NameFixed {
		data.Name = inv.Name
	}
	data.Form = p.formToken(w, r, token)
	if status != http.StatusOK {
		data.Title = d.T("title.error", "title", data.Title)
		if data.Notice == "" {
			data.Notice = d.T("register.errors")
		}
		data.FocusName = data.NameError != ""
		data.FocusPassword = !data.FocusName
	}
	p.show(w, r, status, "register", data)
}

// register takes the form: everything in it is right and there is an account, or the form comes back and says what
// is wrong with which field.
func (p *Portal) register(w http.ResponseWriter, r *http.Request) {
	if err := r.ParseForm(); err != nil {
		status, code := http.StatusBadRequest, "bad-request"
		if _, ok := errors.AsType[*http.MaxBytesError](err); ok {
			status, code = http.StatusRequestEntityTooLarge, "too-large"
		}
		p.Problem(w, r, status, code)
		return
	}
	token := invite.Token(r.PathValue("token"))
	f := filled{name: p.localpart(r.PostForm.Get("name")), typed: r.PostForm.Get("name"), password: r.PostForm.Get("password")}
	f.again, f.twice = r.PostForm.Get("again"), r.PostForm.Has("again")
	from := whence(r)
	if from == foreign {
		p.Problem(w, r, http.StatusForbidden, "foreign")
		return
	}
	if !p.maySignUp(r) {
		p.sendBack(w, r, http.StatusTooManyRequests, f, "form.slow")
		return
	}
	inv, err := p.o.Invitations.Look(r.Context(), token)
	if inv.Name != "" {
		f.name, f.typed = inv.Name, inv.Name // whatever was typed: no other one may be taken (XEP-0445 §2.1)
	}
	if err != nil {
		p.twice(w, r, inv, f, err)
		return
	}
	if from == unsaid && !p.signed(r, token) {
		p.sendBack(w, r, http.StatusForbidden, f, "form.stale")
		return
	}
	if data, status := p.check(r, inv, f); status != http.StatusOK {
		p.showForm(w, r, status, inv, data)
		return
	}
	a, code, err := p.o.SignUp.SignUp(r.Context(), token, f.name, f.password)
	if err != nil {
		p.refuseSignUp(w, r, inv, f, err)
		return
	}
	p.log.InfoContext(r.Context(), "signed up", "account", a.ID)
	p.welcome(w, r, a, code)
}

// filled is a form as it came.
type filled struct {
	typed    string // in the field for the name
	name     string // of it, what can be a name
	password string
	again    string
	twice    bool // the form had the field for the password once more: it has not where a script can show the password
}

// localpart returns the name in what was typed: people write their whole address, capitals, or a space at the end.
func (p *Portal) localpart(typed string) string {
	name := strings.ToLower(strings.TrimSpace(typed))
	return strings.TrimSpace(strings.TrimSuffix(name, "@"+strings.ToLower(p.o.Domain)))
}

// check returns the form with its faults and the status of that answer; http.StatusOK where there are none so far.
func (p *Portal) check(r *http.Request, inv invite.Invite, f filled) (registerPage, int) {
	d, status := p.speak(r), http.StatusOK
	data := registerPage{Name: f.typed}
	if _, err := p.o.Accounts.CheckName(f.name, account.Role(inv.Role)); err != nil {
		data.NameError, status = nameWords(d, err), http.StatusBadRequest
	}
	missing := passwordMin - utf8.RuneCountInString(f.password)
	switch {
	case f.password == "":
		data.PasswordError, status = d.T("password.empty"), http.StatusBadRequest
	case missing > 0:
		data.PasswordError, status = d.N("password.short", missing), http.StatusBadRequest
	case f.twice && f.again != f.password:
		data.AgainError, status = d.T("password.again"), http.StatusBadRequest
	case data.NameError != "":
		data.PasswordNote = retype(d, f.password)
	}
	return data, status
}

// refuseSignUp answers a sign-up that the services refused.
func (p *Portal) refuseSignUp(w http.ResponseWriter, r *http.Request, inv invite.Invite, f filled, err error) {
	d := p.speak(r)
	data := registerPage{Name: f.typed}
	badName, isName := errors.AsType[*account.NameError](err)
	badPassword, isPassword := errors.AsType[*account.PasswordError](err)
	switch {
	case errors.Is(err, account.ErrTaken):
		if p.sameAgain(w, r, inv, f) {
			return
		}
		data.NameError, data.PasswordNote = d.T("name.taken"), retype(d, f.password)
		data.Names = p.freeNames(r.Context(), f.name, account.Role(inv.Role))
		p.showForm(w, r, http.StatusConflict, inv, data)
	case isName:
		data.NameError, data.PasswordNote = nameWords(d, badName), retype(d, f.password)
		p.showForm(w, r, http.StatusBadRequest, inv, data)
	case isPassword:
		data.PasswordError = passwordWords(d, badPassword, f.password)
		p.showForm(w, r, http.StatusBadRequest, inv, data)
	default:
		p.twice(w, r, inv, f, err) // the invitation may have been used since we looked
	}
}

// twice answers a form whose invitation is used up. Who sends a form a second time, by a double click or because the
// first answer got lost on its way, comes in all the same.
func (p *Portal) twice(w http.ResponseWriter, r *http.Request, inv invite.Invite, f filled, err error) {
	if errors.Is(err, invite.ErrUsed) && p.sameAgain(w, r, inv, f) {
		return
	}
	p.refuse(w, r, inv, err)
}

// sameAgain welcomes the owner of an account that has just been made with this name and password on this invitation,
// if there is one. Passwords of other accounts cannot be tried here: a log-in slows down who guesses, this does not.
func (p *Portal) sameAgain(w http.ResponseWriter, r *http.Request, inv invite.Invite, f filled) bool {
	a, err := p.o.Accounts.Lookup(r.Context(), f.name)
	if err != nil || p.o.Now().Sub(a.CreatedAt) > sameForm {
		return false
	}
	if came, err := p.o.Invitations.UsedBy(r.Context(), inv.ID); err != nil || !slices.Contains(came, a.ID) {
		return false
	}
	if a, err = p.o.Accounts.CheckPassword(r.Context(), f.name, f.password); err != nil {
		return false
	}
	code, err := p.o.SignUp.Code(r.Context(), a.ID)
	if err != nil {
		p.broken(w, r, err)
		return true
	}
	p.welcome(w, r, a, code)
	return true
}

type readyPage struct {
	page
	Name, Letter, Address string
	Open                  string
}

// welcome leads a new account into the app, by its one-time code. Where the browser runs no scripts, it says that the
// account is there and how to use it.
func (p *Portal) welcome(w http.ResponseWriter, r *http.Request, a account.Account, code string) {
	address := a.Name + "@" + p.o.Domain
	open := "/#login=" + url.QueryEscape(address) + "&code=" + url.QueryEscape(code) + "&arrival=" + arrival(w, r)
	p.private(w, r)
	if r.PostForm.Get("plain") == "" {
		http.Redirect(w, r, open, http.StatusSeeOther)
		return
	}
	d := p.speak(r)
	p.show(w, r, http.StatusCreated, "ready", readyPage{
		page: p.page(d, d.T("ready.title", "name", a.Name)), Name: a.Name, Letter: letter(a.Name), Address: address, Open: open,
	})
}

// arrivalName is of the cookie that a browser comes into the app with, and arrivalTime how long it lasts: as the code.
const (
	arrivalName = "kith_arrival"
	arrivalTime = time.Minute
)

// arrival marks the browser that has signed up. The app takes a code only where its address and the cookie say the same:
// so nobody can lead somebody else's browser into an account of theirs.
func arrival(w http.ResponseWriter, r *http.Request) string {
	id := make([]byte, 16)
	rand.Read(id)
	mark := base64.RawURLEncoding.EncodeToString(id)
	http.SetCookie(w, &http.Cookie{ // the app reads it
		Name: arrivalName, Value: mark, Path: "/", MaxAge: int(arrivalTime / time.Second),
		SameSite: http.SameSiteStrictMode, Secure: r.URL.Scheme == "https",
	})
	return mark
}

// sendBack shows the form again, filled in, with a sentence above it.
func (p *Portal) sendBack(w http.ResponseWriter, r *http.Request, status int, f filled, key string) {
	inv, ok := p.look(w, r, invite.Token(r.PathValue("token")))
	if !ok {
		return
	}
	d := p.speak(r)
	p.showForm(w, r, status, inv, registerPage{Name: f.typed, Notice: d.T(key), PasswordNote: retype(d, f.password)})
}

func retype(d *dictionary, password string) string {
	if strength(password) == weak {
		return d.T("password.retype") + " " + d.T("password.weak")
	}
	return d.T("password.retype")
}

func passwordWords(d *dictionary, err *account.PasswordError, password string) string {
	switch err.Reason {
	case account.PasswordShort:
		return d.N("password.short", max(1, passwordMin-utf8.RuneCountInString(password)))
	case account.PasswordLong:
		return d.T("password.long")
	case account.PasswordHasName:
		return d.T("password.name")
	}
	return d.T("password.bad")
}
