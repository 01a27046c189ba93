// SPDX-License-Identifier: Apache-2.0

package routertest

import (
	"context"
	"net/http"

	"github.com/kith-im/kith/internal/feature/push"
	"github.com/kith-im/kith/internal/feature/webpush"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/keyfile"
	registrations "github.com/kith-im/kith/internal/push"
	sender "github.com/kith-im/kith/internal/webpush"
	"github.com/kith-im/kith/internal/xmpp/router"
)

// Notice is what push services of apps are told in place of the last message's text.
const Notice = "New message"

// installPush hangs into the i-th router what wakes devices, and starts it.
func (w *World) installPush(ctx context.Context, r *router.Router, i int, keys keyfile.Keys) error {
	key, err := sender.NewKey(keys.Derive)
	if err != nil {
		return err
	}
	d := registrations.NewDispatcher(w.Push)
	p := push.Install(r, push.Options{DB: w.DB, Registrations: w.Push, Dispatcher: d, Contacts: w.Contacts, Notice: Notice, Log: r.Log})
	webpush.Install(r, webpush.Options{
		DB: w.DB, Registrations: w.Push, Dispatcher: d, Key: keys.Derive("web-push-topic"),
		Sender:    sender.New(sender.Options{Client: &http.Client{Transport: w}, Key: key, Contact: "https://" + Domain}),
		ClientRef: w.Accounts.ClientRef,
		Allows:    func(host string) bool { return host != "localhost" },
	})
	w.Items.OnChange(func(c item.Change) {
		if w.home(c.Owner.JID) == i {
			p.Changed(c)
		}
	})
	w.wg.Go(func() { d.Run(ctx) })
	return nil
}
