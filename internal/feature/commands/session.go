// SPDX-License-Identifier: Apache-2.0

package commands

import (
	"slices"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// Bounds of what one device has begun.
const (
	maxOpen   = 8 // commands; the oldest is forgotten for one more
	maxEnded  = 16
	maxStages = 16               // of one command that goes back and forth
	patience  = 30 * time.Minute // for the next step
)

// sessions are the commands that a device has begun (XEP-0050 §3.3).
type sessions struct {
	open  []*session
	ended []string // ids of those that ended last, by one way or another
}

// A session is one command on its way.
type session struct {
	node, id string
	stages   []Answer // given so far, the last one open
	used     time.Time
}

// begin opens a session of its own for each time that a command is run.
func (s *sessions) begin(node string, now time.Time) *session {
	if len(s.open) >= maxOpen {
		s.end(s.open[0])
	}
	x := &session{node: node, id: stanza.NewID(), used: now}
	s.open = append(s.open, x)
	return x
}

// find returns the session of that id. One that has ended, or was left alone for too long, has expired; all others were
// never there (XEP-0050 §4.4).
func (s *sessions) find(node, id string, now time.Time) (*session, error) {
	i := slices.IndexFunc(s.open, func(x *session) bool { return x.id == id && x.node == node })
	switch {
	case i >= 0 && now.Sub(s.open[i].used) <= patience:
		return s.open[i], nil
	case i >= 0:
		s.end(s.open[i])
		return nil, expired
	case slices.Contains(s.ended, id):
		return nil, expired
	}
	return nil, badSession
}

// end closes a session; its id is not used again (XEP-0050 §3.3).
func (s *sessions) end(x *session) {
	s.open = slices.DeleteFunc(s.open, func(y *session) bool { return y == x })
	if s.ended = append(s.ended, x.id); len(s.ended) > maxEnded {
		s.ended = slices.Delete(s.ended, 0, 1)
	}
}
