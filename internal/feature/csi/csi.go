// SPDX-License-Identifier: Apache-2.0

// Package csi decides what may wait for a client at which nobody looks (XEP-0352 v1.0.0 §3.2), so that a phone's radio
// sleeps until there is something that a person wants to know (XEP-0286 v1.0.0 §4.1).
//
// The rules are one function, Weigh. Session holds what it says may wait, and writes all of it, in order, with the next
// thing that may not; c2s tells it what the client says. They are the same for everybody, with nothing to set: what is
// held is never lost, so there is nothing to choose between.
package csi

import (
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	nsMUCUser = "http://jabber.org/protocol/muc#user"
	nsEvent   = "http://jabber.org/protocol/pubsub#event"
	nsCarbons = "urn:xmpp:carbons:2"
	nsForward = "urn:xmpp:forward:0"
)

// Weigh is a session.Weigher.
func Weigh(st *stanza.Stanza) session.Weight {
	switch {
	case st.Kind == stanza.IQ, st.Type == stanza.TypeError:
		return session.Now // somebody waits for it
	case st.Kind == stanza.Presence:
		return presence(st)
	}
	for _, direction := range [...]string{"received", "sent"} {
		if c, ok := st.Child(nsCarbons, direction); ok {
			return carbon(c, direction == "sent")
		}
	}
	if e, ok := st.Child(nsEvent, "event"); ok {
		return event(e)
	}
	w := session.Latest
	for n := range st.Children() {
		w = min(w, child(n))
	}
	return w
}

// presence can wait, and of what somebody is only the newest counts (XEP-0352 §3.2). What is about subscriptions is a
// question to a person, and one's own presence in a room says whether one is in it (XEP-0045 §7.2.2).
func presence(st *stanza.Stanza) session.Weight {
	if st.Type != "" && st.Type != "unavailable" {
		return session.Now
	}
	if x, ok := st.Child(nsMUCUser, "x"); ok {
		for n := range x.Children() {
			if n.Is(nsMUCUser, "status") && n.Attr("code") == "110" {
				return session.Now
			}
		}
	}
	return session.Latest
}

// carbon weighs the copy of a message (XEP-0280 §7, §8). What the person has sent from another device, or seen there, may
// end a notification; it does not begin one.
func carbon(c xmlstream.Node, sent bool) session.Weight {
	w := session.Later // not Latest: it is the account that copies come from
	if f, ok := c.Child(nsForward, "forwarded"); ok {
		if m, ok := f.Child(xmlstream.NSClient, "message"); ok {
			for n := range m.Children() {
				w = min(w, child(n))
			}
			if _, seen := m.Child("urn:xmpp:chat-markers:0", "displayed"); seen && sent {
				w = min(w, session.Soon)
			}
		}
	}
	if sent {
		w = max(w, session.Soon)
	}
	return w
}

// event weighs what somebody has published (XEP-0163 §4.3): what other devices of the person have read, and with which keys
// the next message is to be encrypted, is of use soon.
func event(e xmlstream.Node) session.Weight {
	for n := range e.Children() {
		switch n.Attr("node") {
		case "urn:xmpp:mds:displayed:0", "eu.siacs.conversations.axolotl.devicelist", "urn:xmpp:omemo:2:devices":
			return session.Soon
		}
	}
	return session.Later
}

// child weighs a message by one of its children. What is not known waits for seconds only.
func child(n xmlstream.Node) session.Weight {
	switch name := n.Name(); name.Space {
	case xmlstream.NSClient:
		switch name.Local {
		case "body":
			return session.Now
		case "thread":
			return session.Latest
		}
		return session.Later // subject
	case "urn:xmpp:hints":
		if name.Local == "store" { // XEP-0334 §4.4: it is of use later, so no other takes its place
			return session.Soon
		}
		return session.Latest // of others
	case "http://jabber.org/protocol/chatstates", // XEP-0085
		"urn:xmpp:sid:0", "urn:xmpp:delay": // of others
		return session.Latest
	case "urn:xmpp:receipts", "urn:xmpp:chat-markers:0": // XEP-0184, XEP-0333
		return session.Later
	case nsMUCUser:
		for x := range n.Children() {
			if x.Is(nsMUCUser, "invite") || x.Is(nsMUCUser, "decline") {
				return session.Now
			}
		}
		return session.Later
	case "urn:xmpp:eme:0", "eu.siacs.conversations.axolotl", "urn:xmpp:omemo:2", "urn:xmpp:openpgp:0", // XEP-0380, XEP-0384
		"jabber:x:conference",                                  // XEP-0249
		"urn:xmpp:jingle-message:0", "urn:xmpp:call-invites:0", // XEP-0353
		"urn:xmpp:mam:2": // XEP-0313 §4.2: it was asked for
		return session.Now
	}
	return session.Soon
}
