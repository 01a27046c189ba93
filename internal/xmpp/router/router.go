// SPDX-License-Identifier: Apache-2.0

// Package router takes each stanza from where it came in to where it belongs (RFC 6120 §10, RFC 6121 §8).
//
// Read trip.go first: it is the way of a message through the server. A trip runs in the turn of the account
// that it acts for (turn.go), first for the sender (Outbound), then for the recipient (Inbound). Features hang
// into the named stages and steps of a trip, and answer requests; the rules of delivery are in deliver.go, and
// what becomes of messages for people who are away in waiting.go. How well a device is reached, for those that wake
// devices, is in state.go, and requests that the server makes itself in ask.go.
//
// An account's turn runs on its home node. With one node that is this one; with several, a stanza goes to
// the home over a link (link.go), and so does everything a device elsewhere is told or tells.
package router

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// ErrDropped ends a trip without an answer.
var ErrDropped = errors.New("router: dropped")

// Accounts is what the router asks of the accounts.
type Accounts interface {
	// Lookup returns the account with that localpart, or account.ErrUnknown. It is called for each trip and
	// hardly ever waits.
	Lookup(ctx context.Context, name string) (account.Account, error)
}

// Messages is what the router keeps: messages between the two accounts that they concern, and messages for people
// who are away. archive.Archive implements it.
type Messages interface {
	// PutTransit notes that the message goes on to hop; TakeTransit removes the note, and reports false where it
	// was gone: the message came a second time.
	PutTransit(tx *db.Tx, owner int64, id archive.ID, hop jid.JID) error
	TakeTransit(tx *db.Tx, owner int64, id archive.ID) (bool, error)
	Transits(ctx context.Context, f func(archive.Transit) error) error
	// Marked lists messages that are marked as waiting, in order.
	Marked(ctx context.Context, owner int64, after archive.ID, limit int) ([]archive.Entry, error)
	MarkWaiting(tx *db.Tx, owner int64, ids ...archive.ID) error
	Unmark(tx *db.Tx, owner int64, ids ...archive.ID) error
	SaveTaken(tx *db.Tx, owner int64, id archive.ID) error
}

// Remote takes the stanzas for domains that are not served here. A failure that shows later comes back as an
// error stanza.
type Remote interface {
	Send(st *stanza.Stanza)
}

// Options are the parts that a router is made of.
type Options struct {
	Domain      jid.JID
	Log         *slog.Logger
	DB          *db.DB
	Store       Messages
	Accounts    Accounts
	Remote      Remote           // nil: there is no federation
	Counts      Counts           // nil: a crash tells no client how far its session had come
	Peers       Peers            // nil: this node is alone
	MaxSessions int              // devices of one account that may be bound at once; 0 means 20
	Now         func() time.Time // nil: time.Now
}

// A Router is filled by features before the first stream is accepted; from then on what they registered is
// only read. All methods but the registering ones are safe for concurrent use.
type Router struct {
	Options
	log *slog.Logger
	db  *db.DB
	ctx context.Context // of the turns; ends with Close

	screen   [sides][]ScreenFunc
	relooks  []ScreenFunc
	messages [sides][stages][]MessageFunc
	presence [sides][steps][]PresenceFunc
	sessions [events][]SessionFunc
	iq       map[iqKey]iqHandler
	features [targets][]string
	held     []HeldFunc
	patience []PatienceFunc
	binds    []BindFunc
	inlines  []string                 // what OnBind was told
	slots    []savedSlot              // made so far
	domains  map[string]DomainHandler // by domain
	open     map[iqKey]bool           // requests to the server that others than accounts may make

	turnsMu sync.Mutex
	turns   map[jid.JID]*turn // bare
	working busy              // goroutines of turns and queries, and acts that the store has not answered
	cancel  context.CancelFunc

	localMu sync.Mutex
	local   map[string]*session.Session // by id: what other nodes name when they mean a device here

	dirtyMu sync.Mutex
	dirty   []*turn // have a taken mark to save

	laterMu sync.Mutex
	later   []func() // tried again at the next tick of Run

	asks asks

	links *links
}

// New returns a router.
func New(o Options) *Router {
	if o.MaxSessions == 0 {
		o.MaxSessions = 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Peers == nil {
		o.Peers = alone{}
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Router{Options: o, log: o.Log, db: o.DB, ctx: ctx, cancel: cancel,
		iq: map[iqKey]iqHandler{}, turns: map[jid.JID]*turn{}, local: map[string]*session.Session{}}
	r.links = newLinks(r)
	return r
}

// OnScreen has f look at every stanza, of all kinds, before anything else; it may refuse it.
func (r *Router) OnScreen(side Side, f ScreenFunc) { r.screen[side] = append(r.screen[side], f) }

// OnRelook has f look at a message once more when it is about to be given to devices, after it was recorded or when it has
// waited: what it was screened for may have changed. What f refuses then nobody gets, and nobody hears of it.
func (r *Router) OnRelook(f ScreenFunc) { r.relooks = append(r.relooks, f) }

// OnMessage has f run in that stage. Within a stage, functions run in the order of their registration, which
// is the order of the list in package app.
func (r *Router) OnMessage(side Side, stage Stage, f MessageFunc) {
	if stage == deliver {
		panic("router: only the router delivers")
	}
	r.messages[side][stage] = append(r.messages[side][stage], f)
}

// OnPresence has f run in that step, in the order of registration.
func (r *Router) OnPresence(side Side, step Step, f PresenceFunc) {
	r.presence[side][step] = append(r.presence[side][step], f)
}

// OnSession has f run in the turn of the device's account.
func (r *Router) OnSession(e Event, f SessionFunc) { r.sessions[e] = append(r.sessions[e], f) }

// Advertise adds features to what service discovery tells of target (XEP-0030 §3.1).
func (r *Router) Advertise(target Target, namespaces ...string) {
	r.features[target] = append(r.features[target], namespaces...)
}

// Features lists what was advertised for target.
func (r *Router) Features(target Target) []string { return r.features[target] }

// Start lets what was on its way when the server last stopped enter its next hop again, in order. It is
// called when the features are in, before a stream is accepted.
func (r *Router) Start(ctx context.Context) error {
	return r.Store.Transits(ctx, func(tr archive.Transit) error {
		st, err := parseStored(tr.Raw)
		if err != nil {
			r.log.ErrorContext(ctx, "stored message", "id", tr.ID, "err", err) // it stays, for who looks into it
			return nil
		}
		if r.Peers.Home(st.From.Bare()) == "" {
			r.hop(st, &transit{Owner: tr.Owner, ID: tr.ID}, nil)
		}
		return nil
	})
}

// saveInterval is how late the store may learn what was taken. What a crash leaves unsaved is delivered a
// second time, under the same id.
const saveInterval = time.Second

// Run saves what was taken, and repeats what other nodes have not acknowledged, until ctx ends.
func (r *Router) Run(ctx context.Context) error {
	t := time.NewTicker(saveInterval)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-t.C:
			r.saveTaken()
			r.laterMu.Lock()
			again := r.later
			r.later = nil
			r.laterMu.Unlock()
			for _, f := range again {
				f()
			}
		case <-r.links.due():
			r.links.repeat()
		}
	}
}

// tryLater has Run call f soon. After a stop without that, the store knows what is left (Start).
func (r *Router) tryLater(f func()) {
	r.laterMu.Lock()
	r.later = append(r.later, f)
	r.laterMu.Unlock()
}

// Idle waits until the turns have nothing left to do, or ctx ends.
func (r *Router) Idle(ctx context.Context) error {
	done := make(chan struct{})
	go func() { // ends when the last turn does
		r.working.wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Close waits until the turns have nothing left to do, saves what was taken, and ends. No stream may be open
// any more. It gives up when ctx ends.
func (r *Router) Close(ctx context.Context) error {
	defer r.cancel()
	r.asks.close()
	done := make(chan struct{})
	go func() { // ends when the last turn does
		r.working.wait()
		r.saveTaken()
		r.working.wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Do runs f in the turn of an account, after what was posted before: for events that services raise, and for
// the portal, the command line and timers.
func (r *Router) Do(bare jid.JID, f func(context.Context)) {
	r.post(bare, &job{after: func(ctx context.Context, _ error) { f(ctx) }})
}

// Route sends a stanza that the server made, from an account or the domain, to where it is addressed. It goes
// into the recipient's turn and not through the sender's.
func (r *Router) Route(st *stanza.Stanza) { r.hop(st, nil, nil) }

// ours reports whether the address is of a domain that is served here.
func (r *Router) ours(a jid.JID) bool { return a.Domain() == r.Domain.Domain() }
