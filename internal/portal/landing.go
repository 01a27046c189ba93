// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/invite"
)

type landingPage struct {
	page
	Kind        string // "contact", "server", "admin": which words fit
	Inviter     string // "" where the server itself invites
	Letter      string
	Here        string // path of the invitation
	HaveAccount string // where people with an account here go
	URI         template.URL
	Until       string
}

// landing shows an invitation (XEP-0401 §5.2).
func (p *Portal) landing(w http.ResponseWriter, r *http.Request) {
	token := invite.Token(r.PathValue("token"))
	inv, ok := p.look(w, r, token)
	if !ok {
		return
	}
	d := p.speak(r)
	kind, who := kindOf(inv), inviter(inv)
	data := landingPage{
		page:        p.page(d, d.T("landing.title."+kind, "name", who, "site", p.o.Name)),
		Kind:        kind,
		Inviter:     who,
		Letter:      letter(who),
		Here:        here(token),
		HaveAccount: p.haveAccount(inv, token),
		Until:       p.until(d, inv),
	}
	data.Summary = d.T("landing.text."+kind, "name", who, "site", p.o.Name)
	uri := p.uri(inv, token)
	data.URI = template.URL(uri) // made by us, of escaped parts
	// So a web client of another server can turn the address of this page into that of the invitation.
	h := w.Header()
	h.Set("Link", "<"+uri+`>; rel="alternate"`)
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Expose-Headers", "Link")
	p.show(w, r, http.StatusOK, "landing", data)
}

// look returns the invitation of a token, or draws the page that says why there is none.
func (p *Portal) look(w http.ResponseWriter, r *http.Request, token invite.Token) (invite.Invite, bool) {
	inv, err := p.o.Invitations.Look(r.Context(), token)
	if err == nil {
		return inv, true
	}
	p.refuse(w, r, inv, err)
	return inv, false
}

// refuse draws the page for an invitation that cannot be used, and says what to do next.
func (p *Portal) refuse(w http.ResponseWriter, r *http.Request, inv invite.Invite, err error) {
	d := p.speak(r)
	status, key := http.StatusGone, ""
	switch {
	case errors.Is(err, invite.ErrExpired):
		key = "expired"
	case errors.Is(err, invite.ErrUsed):
		key = "used"
	case errors.Is(err, invite.ErrRevoked):
		key = "revoked"
	case errors.Is(err, invite.ErrUnknown):
		status, key = http.StatusNotFound, "unknown"
	default:
		p.broken(w, r, err)
		return
	}
	data := problemPage{Heading: d.T(key + ".title"), Text: d.T(key + ".text"), Next: "/", NextText: d.T("landing.have")}
	if key == "used" {
		data.NextText, data.Strong = d.T("problem.login"), true
	}
	if key == "expired" && inviter(inv) != "" {
		data.Text = d.T("expired.text.contact", "name", inviter(inv))
	}
	p.problem(w, r, status, d, data)
}

// kindOf says which words fit an invitation.
func kindOf(inv invite.Invite) string {
	switch {
	case inv.Role == string(account.Admin) && inv.Inviter == 0:
		return "admin"
	case inv.Kind == invite.Contact:
		return "contact"
	}
	return "server"
}

// inviter returns the name of who invites, or "" where that is not a person who will be a contact.
func inviter(inv invite.Invite) string {
	if inv.Kind == invite.Contact {
		return inv.InviterName
	}
	return ""
}

// haveAccount is where somebody goes who has an account here: the app, which adds the inviter as a contact. With the token
// the inviter need not be asked (XEP-0379 §3.4), unless the invitation is for somebody else.
func (p *Portal) haveAccount(inv invite.Invite, token invite.Token) string {
	if inv.Kind != invite.Contact {
		return "/"
	}
	to := "/#contact=" + url.QueryEscape(inv.InviterName+"@"+p.o.Domain)
	if inv.Name == "" {
		to += "&token=" + url.QueryEscape(string(token))
	}
	return to
}

// until says how often and for how long an invitation is good.
func (p *Portal) until(d *dictionary, inv invite.Invite) string {
	often := d.T("until.once")
	if inv.MaxUses > 1 {
		often = d.T("until.many")
	}
	left := inv.Expires.Sub(p.o.Now())
	switch day := 24 * time.Hour; { // rounded: a week is a week also a minute later
	case left >= 36*time.Hour:
		return often + " " + d.N("until.days", int(left.Round(day)/day))
	case left >= 90*time.Minute:
		return often + " " + d.N("until.hours", int(left.Round(time.Hour)/time.Hour))
	}
	return often + " " + d.N("until.minutes", max(1, int(left.Round(time.Minute)/time.Minute)))
}

// uri is the invitation as an xmpp: address for other apps, in ASCII.
func (p *Portal) uri(inv invite.Invite, token invite.Token) string {
	var b strings.Builder
	for _, c := range []byte(inv.URI(p.o.Domain, token)) {
		if c > ' ' && c < 0x7f {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c) // RFC 5122 §2.2
		}
	}
	return b.String()
}
