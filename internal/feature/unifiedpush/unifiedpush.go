// SPDX-License-Identifier: Apache-2.0

// Package unifiedpush brings what application servers post over HTTP to other apps on somebody's phone, through the XMPP
// app there: Conversations and its relatives can be distributors of UnifiedPush (https://unifiedpush.org), and this is
// the push server that they ask, in the namespace that they use for it.
//
// An app on the phone gets an endpoint: a URL that holds for whom it is, for which app and until when, sealed under the
// server's key. So nothing is stored, nobody can make one up, and whoever gets it learns no address. What is posted there
// comes to the device in an IQ. A device that answers that it does not know the app any more revokes the endpoint; that is
// remembered while the server runs.
//
// The endpoint is a push resource (RFC 8030 §5) that keeps nothing: TTL is 0. A session that sleeps has a queue, though,
// and an app with push of its own is woken for it (package push).
package unifiedpush

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "http://gultsch.de/xmpp/drafts/unified-push"

// Path is where endpoints are.
const Path = "/push/"

const (
	life       = 7 * 24 * time.Hour // of an endpoint
	maxPayload = 4096               // bytes of what is posted
	answerTime = 10 * time.Second   // for the device; what it has not confirmed by then is in its queue
	hashSize   = sha256.Size        // of what app and instance are called

	postEvery  = 2 * time.Second // to one endpoint
	postBurst  = 60
	maxBuckets = 10_000 // endpoints whose rate is known; then all are forgotten
	maxRevoked = 10_000 // endpoints that are remembered as revoked
)

// Options are what unifiedpush works with.
type Options struct {
	URL   string                   // of the web server: scheme, host and port
	Key   [32]byte                 // of endpoints
	Limit func(*http.Request) bool // whether who posts is within the limit
	Now   func() time.Time         // nil: time.Now
}

// UnifiedPush is the room, and the handler for Path.
type UnifiedPush struct {
	Options
	r    *router.Router
	seal sealer

	mu      sync.Mutex
	buckets map[[sha256.Size]byte]*rate.Limiter // by endpoint
	revoked map[[sha256.Size]byte]time.Time     // and until when that matters
}

// Install hangs unifiedpush into r.
func Install(r *router.Router, o Options) *UnifiedPush {
	if o.Now == nil {
		o.Now = time.Now
	}
	u := &UnifiedPush{Options: o, r: r, seal: newSealer(o.Key, r.Domain.String()),
		buckets: map[[sha256.Size]byte]*rate.Limiter{}, revoked: map[[sha256.Size]byte]time.Time{}}
	r.Advertise(router.Server, ns)
	r.HandleIQ(router.Server, "set", ns, "register", u.register)
	return u
}

// register makes an endpoint for an app on the asking device.
func (u *UnifiedPush) register(_ context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden
	}
	app, ok := hash(q.Payload.Attr("application"))
	instance, ok2 := hash(q.Payload.Attr("instance"))
	if !ok || !ok2 {
		return "", stanza.BadRequest.WithText("Application and instance have to be SHA-256 hashes in base64.")
	}
	until := u.Now().Add(life).UTC().Truncate(time.Second)
	token := u.seal.seal(endpoint{to: q.Device.JID, app: app, instance: instance, until: until})
	var b xmlstream.Builder
	b.Start(ns, "registered").Attr("expiration", until.Format("2006-01-02T15:04:05.000Z"))
	return b.Attr("endpoint", strings.TrimSuffix(u.URL, "/")+Path+token).End().Build(), nil
}

// hash reads what an app or an instance is called.
func hash(text string) (h [hashSize]byte, ok bool) {
	b, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(b) != hashSize {
		return h, false
	}
	return [hashSize]byte(b), true
}

// An endpoint is where posts go to.
type endpoint struct {
	to            jid.JID // full
	app, instance [hashSize]byte
	until         time.Time
}

// push brings a payload to the device, and says what came of it: nil, or the error that the device, or the router in its
// stead, has answered. A device that says nothing has it in its queue.
func (u *UnifiedPush) push(ctx context.Context, e endpoint, payload []byte) *stanza.Error {
	var b xmlstream.Builder
	enc := base64.StdEncoding.EncodeToString
	b.Start(ns, "push").Attr("application", enc(e.app[:])).Attr("instance", enc(e.instance[:])).Text(enc(payload)).End()
	answer := make(chan *stanza.Error, 1)
	u.r.Ask(stanza.New(stanza.IQ, stanza.TypeSet, "", u.r.Domain, e.to, b.Build()), answerTime,
		func(_ context.Context, st *stanza.Stanza, err error) {
			if err != nil || st.Type != stanza.TypeError {
				answer <- nil
			} else {
				answer <- stanza.ParseError(st)
			}
		})
	select {
	case err := <-answer:
		return err
	case <-ctx.Done(): // who posted has gone, or the server is stopping
		return stanza.RecipientUnavailable
	}
}
