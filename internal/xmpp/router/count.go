// SPDX-License-Identifier: Apache-2.0

package router

import (
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/session"
)

// Counts keeps, for each session that may be resumed, how many of its client's stanzas are certain, so that the client
// can be told when the server died meanwhile (XEP-0198 §5). sleeper.Service implements it.
type Counts interface {
	SaveCount(tx *db.Tx, k [16]byte, account int64, h uint32) error
}

// counted is an Origin that has a number in a session.
type counted interface {
	Count() (*session.Session, uint32, bool)
}

// count has the act that records the trip's message note how far its sender's session has come. A session at another
// node has no row.
func (t *Trip) count() {
	if t.ticket == nil || t.r.Counts == nil {
		return
	}
	o, ok := t.ticket.origin.(counted)
	if !ok {
		return
	}
	s, n, ok := o.Count()
	if !ok {
		return
	}
	t.Write(func(tx *db.Tx) error {
		if t.ArchiveID != 0 { // else it is safe only when it was handed on
			tx.AtEnd(t.r, t.r.newCounting, func(e db.Ending) { e.(*counting).add(s, t.Owner.ID, n) })
		}
		return nil
	})
}

func (r *Router) newCounting() db.Ending { return &counting{r: r, of: map[*session.Session]int{}} }

// counting is what all messages of one transaction change in the counts: one row for each session, which says what is
// certain if the transaction is committed, and not more.
type counting struct {
	r    *Router
	of   map[*session.Session]int // index into list
	list []sessionCount
}

type sessionCount struct {
	session *session.Session
	account int64
	numbers []uint32 // of its messages; they grow
}

func (c *counting) add(s *session.Session, account int64, n uint32) {
	i, ok := c.of[s]
	if !ok {
		i = len(c.list)
		c.of[s] = i
		c.list = append(c.list, sessionCount{session: s, account: account})
	}
	c.list[i].numbers = append(c.list[i].numbers, n)
}

// End implements db.Ending.
func (c *counting) End(tx *db.Tx) error {
	for _, x := range c.list {
		if err := c.r.Counts.SaveCount(tx, x.session.Key(), x.account, x.session.Certain(x.numbers)); err != nil {
			return err
		}
	}
	tx.After(func() {
		for _, x := range c.list {
			// At once: the next transaction counts from here, whether or not the turns have come to it.
			x.session.Safe(x.numbers...)
		}
	})
	return nil
}
