// SPDX-License-Identifier: Apache-2.0

package contact

import "strings"

// A State is one of the nine states of RFC 6121 §A.1, from the owner's point of view.
type State uint8

// The states are made of these; To excludes PendingOut, and From excludes PendingIn.
const (
	None       State = 0
	To         State = 1 << 0 // the owner sees the contact's presence
	From       State = 1 << 1 // the contact sees the owner's presence
	PendingOut State = 1 << 2 // the owner has asked to see it
	PendingIn  State = 1 << 3 // the contact has asked to see it
	Both             = To | From
)

// Has reports whether s has all of part.
func (s State) Has(part State) bool { return s&part == part }

// Subscription is the value of the attribute of that name (RFC 6121 §2.1.2.5).
func (s State) Subscription() string {
	switch s & Both {
	case To:
		return "to"
	case From:
		return "from"
	case Both:
		return "both"
	}
	return "none"
}

// String returns the state as RFC 6121 §A.1 writes it.
func (s State) String() string {
	name := strings.ToUpper(s.Subscription()[:1]) + s.Subscription()[1:]
	switch {
	case s.Has(PendingOut | PendingIn):
		return name + " + Pending Out+In"
	case s.Has(PendingOut):
		return name + " + Pending Out"
	case s.Has(PendingIn):
		return name + " + Pending In"
	}
	return name
}

// A Type is the type of a presence stanza that manages subscriptions.
type Type string

// The types.
const (
	Subscribe    Type = "subscribe"
	Subscribed   Type = "subscribed"
	Unsubscribe  Type = "unsubscribe"
	Unsubscribed Type = "unsubscribed"
)

// outbound is what a stanza of type t from the owner does (RFC 6121 §A.2): the state after it, whether it goes on to
// the contact, and whether it is a pre-approval (RFC 6121 §3.4.2).
func (s State) outbound(t Type) (next State, route, preapproval bool) {
	switch t {
	case Subscribe: // RFC 6121 §A.2.1
		if s.Has(To) {
			return s, true, false
		}
		return s | PendingOut, true, false
	case Unsubscribe: // RFC 6121 §A.2.2
		return s &^ (To | PendingOut), true, false
	case Subscribed: // RFC 6121 §A.2.3
		if s.Has(PendingIn) {
			return s&^PendingIn | From, true, false
		}
		return s, false, !s.Has(From)
	case Unsubscribed: // RFC 6121 §A.2.4
		return s &^ (From | PendingIn), s&(From|PendingIn) != 0, false
	}
	return s, false, false
}

// inbound is what a stanza of type t from the contact does (RFC 6121 §A.3): the state after it, whether it goes on to
// the owner's devices, and what the server answers for the owner ("": nothing). approved says that the owner has
// granted in advance what t may ask.
func (s State) inbound(t Type, approved bool) (next State, deliver bool, reply Type) {
	switch t {
	case Subscribe: // RFC 6121 §A.3.1
		switch {
		case s.Has(From):
			return s, false, Subscribed
		case approved: // RFC 6121 §3.4.2: not delivered
			return s&^PendingIn | From, false, Subscribed
		case s.Has(PendingIn):
			return s, false, ""
		}
		return s | PendingIn, true, ""
	case Unsubscribe: // RFC 6121 §A.3.2
		if s&(From|PendingIn) == 0 {
			return s, false, ""
		}
		return s &^ (From | PendingIn), true, Unsubscribed
	case Subscribed: // RFC 6121 §A.3.3
		if !s.Has(PendingOut) {
			return s, false, ""
		}
		return s&^PendingOut | To, true, ""
	case Unsubscribed: // RFC 6121 §A.3.4
		return s &^ (To | PendingOut), s&(To|PendingOut) != 0, ""
	}
	return s, false, ""
}
