// SPDX-License-Identifier: Apache-2.0

// Package push decides what is worth waking a device for, and wakes those that have a push service of their app's maker
// (XEP-0357 v0.4.1). Browsers are woken by package webpush, from the same decisions.
//
// What is worth it is in worth.go: messages that somebody would want to know of, calls, requests to become a contact. Who is
// woken is in watch.go. It is decided for each registration by itself, by the state of its own device: one that is
// awake, as far as we can tell, has the message on its screen; one that is idle, asleep or gone is woken although
// others are there. If one of these is in use just then, the push waits for a few seconds and is not made where the chat
// was read or written to meanwhile. Of many messages in one chat the first is told at once, and then the last of each
// second.
//
// Nothing here blocks a turn: notices are handed to the Dispatcher (internal/push), which tries again where a service has
// no time, and ends registrations that are refused (XEP-0357 §7.1).
package push

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
)

const ns = "urn:xmpp:push:0"

// patience is how long the session of a device sleeps that can be woken.
const patience = 24 * time.Hour

// Contacts knows who waits to become a contact; *contact.Service implements it.
type Contacts interface {
	Get(ctx context.Context, owner int64, address jid.JID) (contact.Item, error)
}

// Options are what push works with.
type Options struct {
	DB            *db.DB
	Registrations *push.Service
	Dispatcher    *push.Dispatcher
	Contacts      Contacts
	Notice        string // for XEP-0357: what stands where the last message's text would, the same for all; "" for nothing
	Log           *slog.Logger
	Now           func() time.Time // nil: time.Now
}

// Push is the room.
type Push struct {
	Options
	r *router.Router

	mu      sync.Mutex
	watches map[int64]*watch // by registration
}

// Install hangs push into r, and has the dispatcher send by XEP-0357.
func Install(r *router.Router, o Options) *Push {
	if o.Now == nil {
		o.Now = time.Now
	}
	p := &Push{Options: o, r: r, watches: map[int64]*watch{}}
	r.Advertise(router.Self, ns) // XEP-0357 §4.1
	r.HandleIQ(router.Self, "set", ns, "enable", p.enable)
	r.HandleIQ(router.Self, "set", ns, "disable", p.disable)
	r.OnMessage(router.Outbound, router.Notify, p.outbound)
	r.OnMessage(router.Inbound, router.Notify, p.inbound)
	r.OnPresence(router.Inbound, router.After, p.asked)
	r.OnHeld(p.held)
	r.OnPatience(p.patience)
	o.Dispatcher.Handle(push.App, &publisher{r, o.Notice})
	o.Registrations.OnRemove(p.removed)
	return p
}

// clientOf is the name of a device's client among the registrations.
func clientOf(d *router.Device) string { return string(account.KeyOf(d.Client, d.JID.Resource())) }

// patience lets the session of a device that can be woken sleep longer than others.
func (p *Push) patience(ctx context.Context, d *router.Device) time.Duration {
	a, err := p.r.Accounts.Lookup(ctx, d.JID.Local())
	if err != nil || !p.Registrations.Live(a.ID, clientOf(d)) {
		return 0
	}
	return patience
}
