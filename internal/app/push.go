// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/feature/push"
	"github.com/kith-im/kith/internal/feature/unifiedpush"
	"github.com/kith-im/kith/internal/feature/webpush"
	"github.com/kith-im/kith/internal/httpd"
	"github.com/kith-im/kith/internal/outward"
	sender "github.com/kith-im/kith/internal/webpush"
)

const (
	// pushTime is for one request to a push service, its answer included.
	pushTime = 10 * time.Second

	// From one address application servers may post so much through UnifiedPush; one serves many people.
	postsEvery = 100 * time.Millisecond
	postsBurst = 300
)

// installPush hangs in what wakes devices. It comes before the features, so that discovery knows of it, and before the HTTP
// server, which has a place for UnifiedPush.
func (s *server) installPush(c config.Config, o Options) error {
	log := o.Log.With("pkg", "push")
	waker := push.Install(s.router, push.Options{DB: s.db, Registrations: s.push, Dispatcher: s.dispatcher, Contacts: s.contacts,
		Notice: c.Push.Notice, Log: log})
	s.items.OnChange(waker.Changed)
	s.accounts.OnSignOut(func(tx *db.Tx, id int64, k account.ClientKey) error { return s.push.Forget(tx, id, string(k)) })

	key, err := sender.NewKey(s.keys.Derive)
	if err != nil {
		return fmt.Errorf("key for push services: %w", err)
	}
	dialer := outward.New()
	if c.Push.AllowLocal {
		dialer = outward.Anywhere()
		log.Warn("push.allow_local is set: people can have this server connect to itself and to its network; it is for tests")
	}
	contact := c.Web.URL // RFC 8292 §2.1: a push service may want to write to somebody
	if !strings.HasPrefix(contact, "https:") {
		contact = "https://" + c.Domain
	}
	webpush.Install(s.router, webpush.Options{
		DB: s.db, Registrations: s.push, Dispatcher: s.dispatcher,
		Sender: sender.New(sender.Options{Client: dialer.Client(pushTime), Key: key, Contact: contact}),
		Allows: dialer.Allows, Insecure: c.Push.AllowLocal, ClientRef: s.accounts.ClientRef, Key: s.keys.Derive("web-push-topic"),
	})
	s.endpoints = unifiedpush.Install(s.router, unifiedpush.Options{URL: c.Web.URL, Key: s.keys.Derive("unified-push"),
		Limit: httpd.NewLimiter(postsEvery, postsBurst, time.Now).Allow})
	return nil
}
