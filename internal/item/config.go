// SPDX-License-Identifier: Apache-2.0

package item

import (
	"fmt"
	"slices"
)

// Access says who may see the items of a node (XEP-0060 §4.5).
type Access string

// The access models that there are. The owner always may.
const (
	Open      Access = "open"      // everybody
	Presence  Access = "presence"  // who gets the owner's presence
	Roster    Access = "roster"    // who gets the owner's presence and is in one of Config.Groups
	Whitelist Access = "whitelist" // who is a Member
)

// Send says when somebody gets the last item unasked (XEP-0060 §16.4.4).
type Send string

// The occasions.
const (
	Never            Send = "never"
	OnSub            Send = "on_sub"              // when they subscribe
	OnSubAndPresence Send = "on_sub_and_presence" // and when a device of theirs comes that wants it
)

// Max, as Config.MaxItems, is as many items as a node may have (XEP-0060 §16.4.4).
const Max = 0

// bounds of a Config, in bytes and in groups.
const (
	maxText   = 1023
	maxGroups = 64
)

// A Config says how a node behaves (XEP-0060 §16.4.4). Start with Default.
type Config struct {
	Title         string   `json:"title,omitempty"`
	Description   string   `json:"description,omitempty"`
	Type          string   `json:"type,omitempty"` // namespace of the payloads; "" if nothing is said
	Access        Access   `json:"access"`
	Groups        []string `json:"groups,omitempty"` // of the contact list, for Roster
	MaxItems      int      `json:"max_items"`        // 1 to Options.Items, or Max
	Persist       bool     `json:"persist"`          // items are kept; else they are only told
	SendLast      Send     `json:"send_last"`
	Deliver       bool     `json:"deliver"`        // there are notifications
	Payloads      bool     `json:"payloads"`       // notifications have payloads
	NotifyConfig  bool     `json:"notify_config"`  // tell when the Config changes
	NotifyDelete  bool     `json:"notify_delete"`  // tell when the node goes
	NotifyRetract bool     `json:"notify_retract"` // tell when items go
}

// Default is the Config of a node of which nothing else is said (XEP-0163 §5).
func Default() Config {
	return Config{Access: Presence, MaxItems: 1, Persist: true, SendLast: OnSubAndPresence,
		Deliver: true, Payloads: true, NotifyDelete: true, NotifyRetract: true}
}

// check returns ErrConfig where c cannot be.
func (s *Service) check(c Config) error {
	switch c.Access {
	case Open, Presence, Roster, Whitelist:
	default:
		return fmt.Errorf("%w: access model %q", ErrConfig, c.Access)
	}
	switch c.SendLast {
	case Never, OnSub, OnSubAndPresence:
	default:
		return fmt.Errorf("%w: last item %q", ErrConfig, c.SendLast)
	}
	tooLong := func(t string) bool { return len(t) > maxText }
	if c.MaxItems < 0 || c.MaxItems > s.o.Items || len(c.Groups) > maxGroups ||
		slices.ContainsFunc(append([]string{c.Title, c.Description, c.Type}, c.Groups...), tooLong) {
		return fmt.Errorf("%w: out of bounds", ErrConfig)
	}
	return nil
}

// keeps is how many items a node of that Config keeps.
func (s *Service) keeps(c Config) int {
	switch {
	case !c.Persist:
		return 0
	case c.MaxItems == Max:
		return s.o.Items
	}
	return min(c.MaxItems, s.o.Items)
}
