// SPDX-License-Identifier: Apache-2.0

// Package item keeps what people publish about themselves: nodes with items, as in publish-subscribe (XEP-0060 v1.30.0)
// on one's own account (XEP-0163 v1.2.2), below the protocol.
//
// An account has nodes, each with a Config. A node has items in the order in which they were published: an id that is
// published again is replaced and becomes the last. What is beyond the node's maximum goes, the oldest first (XEP-0060
// §7.1.2). A node that does not keep its items only tells them.
//
// Whoever publishes for somebody (the pubsub protocol, a bridge from an older one, the portal) does it in an act of its
// own and with Publish. What happened is told to the functions given to OnChange, after the commit, so that devices and
// contacts hear of it whoever made the change.
//
// Nodes with their last items are answered from memory: a bounded cache, corrected after each commit. What is returned
// is shared and must not be changed. A Service may be used by many goroutines; the methods that take a *db.Tx belong to
// the act of that Tx.
package item

import (
	"embed"
	"errors"
	"time"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

var (
	// ErrNoNode says that the account has no such node.
	ErrNoNode = errors.New("item: no such node")
	// ErrNoItem says that the node has no such item.
	ErrNoItem = errors.New("item: no such item")
	// ErrExists says that there is a node of that name already.
	ErrExists = errors.New("item: the node exists")
	// ErrNodes says that the account has as many nodes as it may (XEP-0060 §8.1.2: max-nodes-exceeded).
	ErrNodes = errors.New("item: too many nodes")
	// ErrPayload says that the item is larger than the node takes (XEP-0060 §7.1.3.4: payload-too-big).
	ErrPayload = errors.New("item: the payload is too big")
	// ErrQuota says that all the account's items together, or what its nodes say of themselves, would be more than it may have.
	ErrQuota = errors.New("item: the account has no room left")
	// ErrName says that the name of a node or the id of an item is empty or too long.
	ErrName = errors.New("item: name or id is empty or too long")
	// ErrConfig says that a Config has a value that there is not.
	ErrConfig = errors.New("item: configuration not acceptable")
	// ErrPeople says that a node has too many affiliations or subscriptions.
	ErrPeople = errors.New("item: too many affiliations or subscriptions")
	// ErrNotSubscribed says that the address has no subscription.
	ErrNotSubscribed = errors.New("item: not subscribed")
)

const (
	maxName   = 1023 // bytes of a node's name, and of an item's id
	maxPeople = 1000 // affiliations, and subscriptions, of one node
	maxOfOne  = 20   // subscriptions of one person among them
)

// An Owner is an account that has nodes.
type Owner struct {
	ID  int64
	JID jid.JID // bare
}

// An Item is what was published once.
type Item struct {
	ID        string        // "" given to Publish: it gets a random one
	Payload   xmlstream.Raw // one element with its namespace declared; "" if there is none
	Publisher jid.JID       // the device that published it, full; zero where the server did
	At        time.Time     // when, UTC; Publish sets it
}

// size is what an item counts as, in bytes.
func (i Item) size() int { return len(i.ID) + len(i.Payload) }

// A Node is a node as it was at some commit. It is not to be changed.
type Node struct {
	Name          string
	Config        Config
	Affiliations  map[jid.JID]Affiliation // by bare address; the owner's own is not among them
	Subscriptions []jid.JID               // that were asked for, bare or full, the oldest first
	Created       time.Time               // UTC
	Items         int                     // how many it has

	bytes int64 // of its items
	place int64 // of the last publication
	last  *Item // nil where it is too large to be held in memory, or there is none
}

// An Affiliation is what somebody is to a node (XEP-0060 §4.1).
type Affiliation string

// The affiliations that a contact may have; who has none is not in the map. The owner of the account owns its nodes.
const (
	Member  Affiliation = "member"  // sees a node of access model Whitelist
	Outcast Affiliation = "outcast" // sees nothing of the node, whatever its access model
)

// A Kind is what a Change did.
type Kind uint8

// The kinds of changes.
const (
	Published  Kind = iota + 1 // Items has the new item
	Retracted                  // Items has the ids of what is gone
	Purged                     // all items are gone
	Deleted                    // the node is gone; Node is as it was
	Configured                 // the node has another Config
	Created                    // the node is new, without an item
	Affiliated                 // who may see the node has changed, by affiliations
)

// A Change is something that happened to a node.
type Change struct {
	Owner  Owner
	Kind   Kind
	Node   Node   // as it is afterwards
	Items  []Item // see Kind
	Notify bool   // Retracted, Purged, Deleted, Configured: whoever follows the node is to be told (XEP-0060 §7.2.2.1, §8.2.4)
	To     string // Deleted: the address of the node that replaces it, an XMPP URI; "" if there is none (XEP-0060 §8.4.2)
}

// Options say how much there may be. Each 0 means what is said behind it.
type Options struct {
	Nodes   int              // of one account: 1,000
	Items   int              // of one node: 1,000; conversations are counted in items (XEP-0490)
	Payload int              // bytes of one item, with its id: 128 KiB
	Quota   int64            // bytes of all items of one account: 20 MiB
	Now     func() time.Time // nil means time.Now
}

// Service is the nodes and items of a server.
type Service struct {
	db    *db.DB
	o     Options
	cache cache
	hooks []func(Change)
}

// New returns the nodes kept in d, which has the tables of Schema.
func New(d *db.DB, o Options) *Service {
	if o.Nodes == 0 {
		o.Nodes = 1000
	}
	if o.Items == 0 {
		o.Items = 1000
	}
	if o.Payload == 0 {
		o.Payload = 128 << 10
	}
	if o.Quota == 0 {
		o.Quota = 20 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Service{db: d, o: o, cache: newCache()}
}

//go:embed schema
var schema embed.FS

// Schema is the tables of this package. They hang on that of the accounts.
func Schema() db.Schema { return db.Schema{Name: "item", FS: schema} }

// OnChange has f called after the commit of each change, in commit order, on the writer's goroutine, so f must not block.
// It is called before the service is used.
func (s *Service) OnChange(f func(Change)) { s.hooks = append(s.hooks, f) }

// Limits are the bounds that hold, for who wants to tell them.
func (s *Service) Limits() Options { return s.o }
