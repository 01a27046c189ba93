// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"context"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/invite"
)

// suggestions is how many free names are offered instead of a taken one.
const suggestions = 3

// name tells the form's script whether a name is free. Only who holds an invitation may ask, and not without end.
func (p *Portal) name(w http.ResponseWriter, r *http.Request) {
	inv, err := p.o.Invitations.Look(r.Context(), invite.Token(r.PathValue("token")))
	p.private(w, r)
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	if !p.mayAsk(r) {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	d := p.speak(r)
	var answer struct {
		Free  bool     `json:"free"`
		Text  string   `json:"text"`  // for the person
		Names []string `json:"names"` // others that are free
	}
	answer.Names = []string{}
	asked := p.localpart(r.URL.Query().Get("q"))
	name, err := p.o.Accounts.CheckName(asked, account.Role(inv.Role))
	if err != nil {
		answer.Text = nameWords(d, err)
	} else if name != inv.Name && !p.free(r.Context(), name) {
		answer.Text, answer.Names = d.T("name.taken"), p.freeNames(r.Context(), name, account.Role(inv.Role))
	} else {
		answer.Free, answer.Text = true, d.T("name.free", "address", name+"@"+p.o.Domain)
	}
	body, err := json.Marshal(answer)
	if err != nil {
		p.broken(w, r, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(body) // the peer is gone; nothing to tell
}

// free reports whether a name can be given; where that is not known it says yes, and the sign-up decides.
func (p *Portal) free(ctx context.Context, name string) bool {
	free, err := p.o.Accounts.Free(ctx, name)
	if err == nil && free {
		var kept bool
		kept, err = p.o.Invitations.Kept(ctx, name)
		free = !kept
	}
	if err != nil {
		p.log.ErrorContext(ctx, "look for a name", "err", err)
	}
	return free || err != nil
}

// freeNames returns names like the one that is taken: with the server's first word, then with numbers.
func (p *Portal) freeNames(ctx context.Context, name string, role account.Role) []string {
	word, _, _ := strings.Cut(p.o.Domain, ".")
	tries := []string{name + "." + word}
	for range 8 {
		tries = append(tries, name+strconv.Itoa(10+rand.IntN(90)))
	}
	free := []string{}
	for _, try := range tries {
		normal, err := p.o.Accounts.CheckName(try, role)
		if err == nil && normal == try && p.free(ctx, try) && len(free) < suggestions && !slices.Contains(free, try) {
			free = append(free, try)
		}
	}
	return free
}

// nameWords says what is wrong with a name.
func nameWords(d *dictionary, err error) string {
	e, ok := errors.AsType[*account.NameError](err)
	if !ok {
		return d.T("name.bad")
	}
	switch e.Reason {
	case account.NameEmpty:
		return d.T("name.empty")
	case account.NameTooLong:
		return d.T("name.long")
	case account.NameMixed:
		return d.T("name.mixed")
	case account.NameReserved:
		return d.T("name.reserved")
	}
	return d.T("name.bad")
}
