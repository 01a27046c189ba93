// SPDX-License-Identifier: Apache-2.0

// Package contact knows who is in whose contact list, and who may see whose presence (RFC 6121 §2 and §3).
//
// Each account owns a list of items, one for each bare address, with what the owner calls the contact and a State:
// one of the nine of RFC 6121 §A.1. Outbound and Inbound move it as the tables of RFC 6121 §A.2 and §A.3 say, and
// return a Verdict: what the router has to do with the stanza. A request from somebody who is not in the list is kept
// with its stanza (RFC 6121 §3.1.3) and not shown in the list.
//
// Each change of a list gives it a new version, a number that grows. Removed contacts are remembered for a while, so
// Changes can tell a client that knows an older version only what is new (RFC 6121 §2.6, once XEP-0237).
//
// Lists are answered from memory: a bounded cache, corrected after each commit. What is returned from it is shared
// and must not be changed. What changes is told to the functions given to OnChange, after the commit. A Service may be
// used by many goroutines; the methods that take a *db.Tx belong to the act of that Tx.
package contact

import (
	"embed"
	"errors"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// Bounds. Those for texts are in bytes.
const (
	maxItems   = 5000 // in one list
	maxPending = 1000 // requests from people who are not in the list
	maxGroups  = 64   // of one item
	maxText    = 1023 // of a name, and of a group
	maxRequest = 8192 // of a stored request; what is larger is kept without its stanza
	maxRemoved = 200  // removed contacts remembered in one list
)

var (
	// ErrUnknown says that the address is not in the list.
	ErrUnknown = errors.New("contact: not in the list")
	// ErrTooMany says that the list is full, or that too many requests wait.
	ErrTooMany = errors.New("contact: list is full")
	// ErrLimit says that a name or group is too long, a group is empty, or there are too many (RFC 6121 §2.3.3:
	// not-acceptable).
	ErrLimit = errors.New("contact: name or group not acceptable")
	// ErrDuplicate says that a group is named twice (RFC 6121 §2.3.3: bad-request).
	ErrDuplicate = errors.New("contact: the same group twice")
	// ErrSelf says that the owner cannot be a contact of their own.
	ErrSelf = errors.New("contact: own address")
)

// An Owner is an account that has a list.
type Owner struct {
	ID  int64
	JID jid.JID // bare
}

// An Item is a contact.
type Item struct {
	Address  jid.JID // bare
	Name     string  // "": none
	Groups   []string
	State    State
	Approved bool  // a request of the contact will be granted without asking (RFC 6121 §3.4)
	Listed   bool  // in the list; false: only a request waits, or there is nothing
	Version  int64 // of the list, when the item was last changed in it
}

// Subscription is the item's attribute of that name: none, to, from or both.
func (i Item) Subscription() string { return i.State.Subscription() }

// Ask reports whether the item has ask='subscribe' (RFC 6121 §2.1.2.2).
func (i Item) Ask() bool { return i.State.Has(PendingOut) }

// A Change is one change of a list, as a roster push says it (RFC 6121 §2.1.6).
type Change struct {
	Owner   Owner // not set by Service.Changes
	Item    Item  // of a removed one only the address counts
	Removed bool
	Version int64 // of the list
}

// A Verdict says what to do with a stanza that manages a subscription.
type Verdict struct {
	Route   bool // outbound: it goes on to the contact
	Deliver bool // inbound: it goes on to the owner's devices
	Reply   Type // inbound: the server answers with this for the owner; "": it does not
	Changed bool // what the list shows has changed; a Change follows
	Before  Item // as it was; only Address is set where there was nothing
	After   Item
}

// Options say how lists are kept.
type Options struct {
	Now func() time.Time // nil means time.Now
}

// Service is the contact lists of a server.
type Service struct {
	db    *db.DB
	now   func() time.Time
	cache cache
	hooks []func(Change)
}

// New returns the lists kept in d, which has the tables of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{db: d, now: o.Now, cache: newCache()}
}

//go:embed schema
var schema embed.FS

// Schema is the tables of this package.
func Schema() db.Schema { return db.Schema{Name: "contact", FS: schema} }

// OnChange has f called after the commit of each change that a list shows, in commit order, on the writer's goroutine,
// so f must not block. It is called before the service is used.
func (s *Service) OnChange(f func(Change)) { s.hooks = append(s.hooks, f) }
