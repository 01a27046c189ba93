// SPDX-License-Identifier: Apache-2.0

package push

import (
	"slices"
	"strings"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// A NoticeKind is what a notice is about.
type NoticeKind string

// The kinds of notices.
const (
	Message NoticeKind = "message"
	Call    NoticeKind = "call"     // somebody calls (XEP-0353 §3.1)
	CallEnd NoticeKind = "call-end" // and does not any more, or was answered
	Request NoticeKind = "request"  // somebody wants to be a contact
	Test    NoticeKind = "test"     // the owner tries whether it works
	Wake    NoticeKind = "wake"     // the server has something for the app, and nothing for its owner
)

// Why a call has ended.
const (
	Retracted = "retract" // the caller gave up
	Accepted  = "accept"  // on another device
	Rejected  = "reject"  // on another device
	Finished  = "finish"
)

// Wants says which notices a registration is for, a bit for each kind; 0 means all of them.
type Wants uint8

// What can be wanted.
const (
	WantMessages Wants = 1 << iota
	WantCalls
	WantRequests
)

// A Notice is something that a device shall be told.
type Notice struct {
	Kind    NoticeKind
	Account jid.JID        // bare: whose it is
	Chat    jid.JID        // bare: with whom; zero for Test and Wake
	Stanza  *stanza.Stanza // what it is about, with its archive id; nil for CallEnd, Test and Wake
	At      time.Time      // when we had it
	Count   int            // Message: how many of that chat it stands for, 1 or more
	Unread  int            // Message: the same of all chats, as far as we know
	Call    string         // Call, CallEnd: the call's id
	Reason  string         // CallEnd: one of the constants
}

// Life is for how long a notice is worth telling.
func (n Notice) Life() time.Duration {
	switch n.Kind {
	case Message:
		return 3 * 24 * time.Hour
	case Request:
		return 7 * 24 * time.Hour
	case CallEnd:
		if n.Reason == Retracted { // a missed call
			return 24 * time.Hour
		}
		return 45 * time.Second
	case Call: // who calls waits no longer
		return 45 * time.Second
	}
	return time.Minute
}

// Key names what a newer notice takes the place of: those of one chat, or of one call.
func (n Notice) Key() string {
	switch n.Kind {
	case Call, CallEnd:
		return "call " + n.Call
	}
	return string(n.Kind) + " " + n.Chat.String()
}

// appleHost is the push service of Apple's browsers. It withdraws the permission from apps that it calls in vain.
const appleHost = "push.apple.com"

// Takes reports whether the registration is for such a notice.
func (r Registration) Takes(n Notice) bool {
	if slices.Contains(r.Muted, n.Chat) && !n.Chat.IsZero() {
		return false
	}
	want := Wants(0)
	switch n.Kind {
	case Message:
		want = WantMessages
	case Call:
		want = WantCalls
	case CallEnd:
		if r.Kind == App || n.Reason != Retracted && strings.Contains(r.Service, appleHost) {
			return false // nothing would be shown
		}
		want = WantCalls
	case Request:
		want = WantRequests
	case Wake:
		return r.Kind == App
	default:
		return true
	}
	return r.Wants == 0 || r.Wants&want != 0
}

// A Failure is why a sender could not tell a notice.
type Failure struct {
	Reason  string        // one word, which the owner of the device may see
	Status  int           // of HTTP; 0: none
	Type    string        // of the answering error (RFC 6120 §8.3.2); "" where there was none
	Gone    bool          // the registration is void
	Refused bool          // it is not a matter of time; many of these in a row void the registration
	Later   bool          // the same may be told later
	After   time.Duration // and not before; 0: nothing was said
}

// Error returns the reason.
func (f *Failure) Error() string { return "push: " + f.Reason }
