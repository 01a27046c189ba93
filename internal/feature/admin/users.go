// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"slices"
	"strconv"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Bounds of a list.
const (
	page      = 500    // accounts that are read at once
	maxListed = 10_000 // addresses; who wants more uses the command line
)

// A listing is a way to tell accounts apart: all, those who are locked, those who are there.
type listing struct {
	node  string // of the command that lists them
	field string // in its result
	what  string // for people
	count func(context.Context) (int, error)
	list  func(ctx context.Context, limit int) ([]string, error)
}

// users are the commands that count accounts, and those that list them (XEP-0133 §4.13 to §4.22).
func (a *admin) users() (list []Command) {
	for _, l := range []struct {
		kind string // in the name of the command that counts
		listing
	}{
		{"registered", listing{"get-registered-users-list", "registereduserjids", "accounts", a.all, a.registered(false)}},
		{"disabled", listing{"get-disabled-users-list", "disableduserjids", "locked accounts", a.locked, a.registered(true)}},
		{"online", listing{"get-online-users-list", "onlineuserjids", "people who are there", present(a, online), names(a, online)}},
		{"active", listing{"get-active-users", "activeuserjids", "people who are busy", present(a, active), names(a, active)}},
		// The field is called so for idle people, too (XEP-0133 §4.22).
		{"idle", listing{"get-idle-users", "activeuserjids", "people who look away", present(a, idle), names(a, idle)}},
	} {
		list = append(list,
			Command{ns + "#get-" + l.kind + "-users-num", "How many " + l.what, "", func(ctx context.Context, _ *router.Request, _ form.Values) (xmlstream.Raw, error) {
				n, err := l.count(ctx)
				return form.Result(ns, form.Field{Var: l.kind + "usersnum", Value: strconv.Itoa(n)}), err
			}},
			Command{ns + "#" + l.node, "List of " + l.what, howMany("List of " + l.what), l.run})
	}
	return list
}

// howMany is the form before a list.
func howMany(title string) xmlstream.Raw {
	f := form.Field{Var: "max_items", Type: form.ListSingle, Label: "How many at most"}
	for _, n := range []string{"25", "50", "75", "100", "150", "200"} {
		f.Options = append(f.Options, form.Option{Label: n, Value: n})
	}
	f.Options = append(f.Options, form.Option{Label: "All", Value: "none"})
	return ask(title, "", f)
}

func (l listing) run(ctx context.Context, _ *router.Request, v form.Values) (xmlstream.Raw, error) {
	limit := maxListed
	switch n := v["max_items"]; n {
	case "", "none":
	default:
		i, err := strconv.Atoi(n)
		if err != nil || i < 1 {
			return "", badPayload("Please give a number.")
		}
		limit = min(limit, i)
	}
	addresses, err := l.list(ctx, limit)
	if err != nil {
		return "", err
	}
	if len(addresses) > maxListed { // XEP-0133 §4.18
		return "", stanza.ResourceConstraint.WithText("There are too many for a list.")
	}
	return form.Result(ns, form.Field{Var: l.field, Type: form.JIDMulti, Values: addresses}), nil
}

func (a *admin) all(ctx context.Context) (int, error) {
	n, _, err := a.Accounts.Count(ctx)
	return n, err
}

func (a *admin) locked(ctx context.Context) (int, error) {
	_, n, err := a.Accounts.Count(ctx)
	return n, err
}

// registered lists accounts: all, or those who are locked, in the order of their names.
func (a *admin) registered(disabled bool) func(context.Context, int) ([]string, error) {
	return func(ctx context.Context, limit int) ([]string, error) {
		found := []string{}
		after := ""
		for {
			list, err := a.Accounts.List(ctx, after, page)
			if err != nil || len(list) == 0 {
				return found, err
			}
			for _, x := range list {
				if after = x.Name; !disabled || x.Disabled {
					if found = append(found, a.of(x)); len(found) == limit {
						return found, nil
					}
				}
			}
		}
	}
}

func (a *admin) of(x account.Account) string { return x.Name + "@" + a.Router.Domain.String() }

// Ways to be there. Who has a device that is asleep between two connections is there still (XEP-0133 §4.15).
func online([]*router.Device) bool { return true }

// active people have an app before them; idle ones have none that is open.
func active(list []*router.Device) bool {
	return slices.ContainsFunc(list, func(d *router.Device) bool { return d.State() == router.Awake })
}

func idle(list []*router.Device) bool { return !active(list) }

func present(a *admin, is func([]*router.Device) bool) func(context.Context) (int, error) {
	return func(context.Context) (n int, _ error) {
		a.Router.Present(func(_ jid.JID, devices []*router.Device) {
			if is(devices) {
				n++
			}
		})
		return n, nil
	}
}

func names(a *admin, is func([]*router.Device) bool) func(context.Context, int) ([]string, error) {
	return func(_ context.Context, limit int) ([]string, error) {
		list := []string{}
		a.Router.Present(func(bare jid.JID, devices []*router.Device) {
			if is(devices) {
				list = append(list, bare.String())
			}
		})
		slices.Sort(list)
		return list[:min(limit, len(list))], nil
	}
}
