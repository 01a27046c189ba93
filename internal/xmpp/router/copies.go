// SPDX-License-Identifier: Apache-2.0

package router

import (
	"math"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// A client asks the archive for what is behind the newest message that it has (XEP-0313 §4.3.2), and finds all that it has
// missed if it has all that is before. So a device gets what is recorded in the archive's order: what is not marked as waiting, such
// as copies and what its account sends to itself, does not overtake what it still has to catch up with.

// A copied is a message with that id, or a copy of one, which is for the drainer.
type copied struct {
	id   archive.ID
	st   *stanza.Stanza
	fate session.Fate
}

// maxCopies is how many copies wait for their place: as many as the session of a device that is slow or asleep would hold.
const maxCopies = 1000

// inPlace gives d what has that id in the archive, when it comes to it; 0: it is not recorded.
func (t *turn) inPlace(d *Device, id archive.ID, st *stanza.Stanza, fate session.Fate) {
	if id == 0 || t.drainer != d {
		d.send(st, fate)
		return
	}
	if len(t.copies) == maxCopies { // it may be a device that never acknowledges
		t.sendCopies(d, math.MaxInt64)
	}
	t.copies = append(t.copies, copied{id, st, fate})
}

// sendCopies sends d, which catches up, the copies that come before the message with that id.
func (t *turn) sendCopies(d *Device, before archive.ID) {
	n := 0
	for n < len(t.copies) && t.copies[n].id < before {
		d.send(t.copies[n].st, t.copies[n].fate)
		n++
	}
	if t.copies = t.copies[n:]; len(t.copies) == 0 {
		t.copies = nil
	}
}

// stopDraining has the drainer catch up no more.
func (t *turn) stopDraining() {
	d := t.drainer
	t.drainer = nil
	t.sendCopies(d, math.MaxInt64)
}
