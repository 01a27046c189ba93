// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/url"
	"strings"

	"github.com/kith-im/kith/internal/invite"
)

// cookieName is of the cookie that stands behind the form's token.
const cookieName = "kith_form"

// formToken returns the token for a form and sets the cookie that it belongs to.
func (p *Portal) formToken(w http.ResponseWriter, r *http.Request, token invite.Token) string {
	c, err := r.Cookie(cookieName)
	if err != nil || len(c.Value) != 22 {
		id := make([]byte, 16)
		rand.Read(id)
		c = &http.Cookie{
			Name: cookieName, Value: base64.RawURLEncoding.EncodeToString(id), Path: "/invite/",
			HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.URL.Scheme == "https",
		}
		http.SetCookie(w, c)
	}
	return p.sign(c.Value, token)
}

func (p *Portal) sign(cookie string, token invite.Token) string {
	m := hmac.New(sha256.New, p.formKey[:])
	m.Write([]byte(cookie + "\x00" + string(token)))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil))
}

// A source says where a form was sent from.
type source int

const (
	ourPage source = iota // the browser says that it was a page of ours
	foreign               // it says that it was another's
	unsaid                // it does not say
)

// whence reads what the browser says of a form's page. By our Referrer-Policy an old browser, which does not know
// Sec-Fetch-Site, says only "null" for its origin: that is no answer.
func whence(r *http.Request) source {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "same-origin", "none":
		return ourPage
	case "":
	default:
		return foreign
	}
	origin := r.Header.Get("Origin")
	if origin == "" || origin == "null" {
		return unsaid
	}
	if u, err := url.Parse(origin); err != nil || !strings.EqualFold(u.Host, r.Host) {
		return foreign
	}
	return ourPage
}

// signed reports whether the form's token and cookie belong together. It is asked only where the browser does not say
// whence the form is, so that nobody is kept out for refusing cookies.
func (p *Portal) signed(r *http.Request, token invite.Token) bool {
	c, err := r.Cookie(cookieName)
	return err == nil && hmac.Equal([]byte(p.sign(c.Value, token)), []byte(r.PostForm.Get("form")))
}
