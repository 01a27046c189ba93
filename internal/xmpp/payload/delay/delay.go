// SPDX-License-Identifier: Apache-2.0

// Package delay writes and reads the note that a stanza was sent earlier than it arrives (XEP-0203 v2.0): it
// waited for somebody who was away, or comes from the history of a room.
//
// The note is only as good as who wrote it. Look at From, and remember that anybody can put one into a stanza.
package delay

import (
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NS is the namespace of the element <delay/>.
const NS = "urn:xmpp:delay"

// A Delay says when a stanza was sent first.
type Delay struct {
	From   jid.JID   // who delayed it; zero if that is not said
	Time   time.Time // when it was sent, UTC
	Reason string    // for people; may be empty
}

// New returns the element <delay/>: the stanza was sent at t, and from held it up since. reason may be empty.
func New(from jid.JID, t time.Time, reason string) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(NS, "delay")
	if !from.IsZero() {
		b.Attr("from", from.String())
	}
	b.Attr("stamp", Stamp(t))
	return b.Text(reason).End().Build()
}

// Write writes the element <delay/> to b, without who and why: for what stands in somebody's own element.
func Write(b *xmlstream.Builder, t time.Time) { b.Start(NS, "delay").Attr("stamp", Stamp(t)).End() }

// Stamp is t in UTC, to the millisecond, in the format of XEP-0082 §3.2.
func Stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") } // XEP-0203 §2

// Of returns the first note of s that can be read, and whether there is one.
func Of(s *stanza.Stanza) (Delay, bool) {
	for n := range s.Children() {
		if !n.Is(NS, "delay") {
			continue
		}
		t, err := time.Parse(time.RFC3339, n.Attr("stamp"))
		if err != nil {
			continue
		}
		d := Delay{Time: t.UTC(), Reason: n.Text()}
		if v := n.Attr("from"); v != "" {
			if d.From, err = jid.Parse(v); err != nil {
				continue
			}
		}
		return d, true
	}
	return Delay{}, false
}
