// SPDX-License-Identifier: Apache-2.0

// Package webpush lets the web app register its browser, see how well it is reached and try it, and wakes browsers: with
// the message itself, encrypted for them (RFC 8291). The protocol between app and server is our own and written down in
// doc/push.md. What is worth a push is decided by package push.
package webpush

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/webpush"
	"github.com/kith-im/kith/internal/xmpp/router"
)

const ns = "https://kith.im/ns/webpush/0"

const (
	sendTime = 12 * time.Second // for a push service to answer
	testTime = 15 * time.Second // for a test, whatever kind of service it is

	testEvery = 12 * time.Second // per account
	testBurst = 5
	maxTests  = 1000 // accounts whose tests are remembered; then all are forgotten
)

// Options are what webpush works with.
type Options struct {
	DB            *db.DB
	Registrations *push.Service
	Dispatcher    *push.Dispatcher
	Sender        *webpush.Sender
	Allows        func(host string) bool                        // whether a browser may name that host; see package outward
	ClientRef     func(owner int64, k account.ClientKey) string // what a client is called in the list of devices (XEP-0494)
	Insecure      bool                                          // endpoints may be plain http: for tests
	Key           [32]byte                                      // of topics; nobody else has it
	Now           func() time.Time                              // nil: time.Now
}

type room struct {
	Options

	mu    sync.Mutex
	tests map[int64]*rate.Limiter // by account
}

// Install hangs webpush into r, and has the dispatcher send to browsers.
func Install(r *router.Router, o Options) {
	if o.Now == nil {
		o.Now = time.Now
	}
	x := &room{Options: o, tests: map[int64]*rate.Limiter{}}
	r.Advertise(router.Self, ns)
	r.HandleIQ(router.Self, "get", ns, "registrations", x.list)
	r.HandleIQ(router.Self, "set", ns, "enable", x.enable)
	r.HandleIQ(router.Self, "set", ns, "disable", x.disable)
	r.HandleQuery(router.Self, "set", ns, "test", x.test) // it writes nothing but health
	o.Dispatcher.Handle(push.Web, x)
}

// A detail is what is kept of a browser beside its endpoint.
type detail struct {
	P256DH string `json:"p256dh"`
	Auth   string `json:"auth"`
	OMEMO  string `json:"omemo,omitempty"` // the number of the app's device; "" for none
}

// Send tells a browser.
func (x *room) Send(ctx context.Context, r push.Registration, n push.Notice, done func(error)) {
	var d detail
	err := json.Unmarshal([]byte(r.Detail), &d)
	var to webpush.Subscription
	if err == nil {
		to, err = webpush.Parse(r.Service, d.P256DH, d.Auth, x.Insecure)
	}
	switch {
	case errors.Is(err, webpush.ErrInsecure): // it was let in under another configuration
		done(&push.Failure{Reason: "forbidden-address", Refused: true})
		return
	case err != nil:
		done(fmt.Errorf("stored subscription: %w", err))
		return
	}
	done(x.send(ctx, r, to, n, d))
}

// limits are the lengths to try, where a push service does not take what each should (RFC 8030 §7.2).
func limits() []int { return []int{webpush.MaxPlaintext, 2800, 1200, 400} }

// send makes n as short as the push service wants it.
func (x *room) send(ctx context.Context, r push.Registration, to webpush.Subscription, n push.Notice, d detail) error {
	ctx, cancel := context.WithTimeout(ctx, sendTime)
	defer cancel()
	left := n.At.Add(n.Life()).Sub(x.Now()).Round(time.Second)
	m := webpush.Message{TTL: max(0, left), Urgency: webpush.High, Topic: x.topic(r, n)}
	if n.Kind == push.Request {
		m.Urgency = webpush.Normal
	}
	for _, limit := range limits() {
		m.Plaintext = payload(n, d.OMEMO, limit)
		err := x.Sender.Send(ctx, to, m)
		if e, ok := errors.AsType[*webpush.Error](err); !ok {
			return err
		} else if !e.TooLarge() {
			return failure(e)
		}
	}
	return &push.Failure{Reason: "refused", Status: 413, Refused: true}
}

// failure says what an answer means.
func failure(e *webpush.Error) *push.Failure {
	f := &push.Failure{Status: e.Status, After: e.RetryAfter, Later: e.Temporary()}
	switch {
	case e.Gone():
		f.Reason, f.Gone = "gone", true
	case e.Forbidden():
		f.Reason, f.Refused = "forbidden-address", true
	case e.Temporary() && e.Status == 0:
		f.Reason = "unreachable"
	case e.Temporary():
		f.Reason = "busy"
	default:
		f.Reason, f.Refused = "refused", true
	}
	return f
}

// topic names what a push takes the place of (RFC 8030 §5.4). It tells the push service nothing (RFC 8030 §8.1): neither
// the chat, nor that another browser has the same one.
func (x *room) topic(r push.Registration, n push.Notice) string {
	if n.Kind == push.Test {
		return ""
	}
	m := hmac.New(sha256.New, x.Key[:])
	fmt.Fprintf(m, "%d\x00%s", r.ID, n.Key())
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)[:24])
}

// hostOf is what a person is told of a registration's service: no more of an endpoint than its host, since who has it all
// may push.
func hostOf(r push.Registration) string {
	if r.Kind != push.Web {
		return r.Service
	}
	_, rest, _ := strings.Cut(r.Service, "://")
	host, _, _ := strings.Cut(rest, "/")
	return host
}
