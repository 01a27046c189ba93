// SPDX-License-Identifier: Apache-2.0

package router

import (
	"errors"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// refuse answers who sent the trip's stanza, where it may be answered (RFC 6120 §8.3.1).
func (t *turn) refuse(trip *Trip, err error) {
	if errors.Is(err, ErrDropped) || trip.Stanza.Type == "error" || trip.Stanza.Type == "result" {
		trip.ticket.safe()
		return
	}
	answer := trip.Stanza.Bounce(t.r.publicError(err))
	if trip.Device != nil {
		trip.Device.Send(answer)
	} else {
		t.r.hop(answer, nil, trip.ticket.share())
	}
	trip.ticket.safe()
}

// publicError is what the other side may see of err: a stanza error as it is, and of any other nothing.
func (r *Router) publicError(err error) *stanza.Error {
	if se, ok := errors.AsType[*stanza.Error](err); ok {
		return se
	}
	r.log.Error("trip failed", "err", err)
	return stanza.InternalServerError
}

// reachable reports, with an error, where an address is of a domain that cannot be reached.
func (r *Router) reachable(to jid.JID) error {
	if r.ours(to) || r.domains[to.Domain()] != nil || r.Remote != nil {
		return nil
	}
	return stanza.RemoteServerNotFound
}

// hop hands a stanza to the turn, or the server, of whom it is addressed to. It takes tk over.
func (r *Router) hop(st *stanza.Stanza, tr *transit, tk *ticket) {
	switch {
	case !r.ours(st.To):
		if h := r.domains[st.To.Domain()]; h != nil {
			r.toDomain(h, st, tr, tk)
			return
		}
		defer tk.done()
		if r.Remote != nil {
			r.Remote.Send(st)
			return
		}
		if st.Type != "error" && st.Type != "result" && st.Kind != stanza.Presence {
			r.hop(st.Bounce(stanza.RemoteServerNotFound), nil, tk.share())
		}
	case !st.To.HasLocal():
		defer tk.done()
		r.toServer(st, tr, tk)
	default:
		bare := st.To.Bare()
		if node := r.Peers.Home(bare); node != "" {
			p := &Packet{Kind: PacketHop, Stanza: st, Ref: r.links.keep(tk)}
			if tr != nil {
				p.TransitOwner, p.TransitID = tr.Owner, tr.ID
			}
			r.links.send(node, p)
			return
		}
		r.inbound(st, tr, tk)
	}
}

// inbound begins the Inbound trip of a stanza for an account whose home is here.
func (r *Router) inbound(st *stanza.Stanza, tr *transit, tk *ticket) {
	r.postOn(st.To.Bare(), func(t *turn) *job {
		switch st.Kind {
		case stanza.Message:
			return t.messageIn(st, tr, tk)
		case stanza.Presence:
			return t.presenceTrip(&Trip{Side: Inbound, Account: t.addr, Stanza: st, r: r, ticket: tk})
		default:
			return t.iqIn(st, tk)
		}
	})
}

// toServer takes a stanza that is addressed to the domain itself and is no request of a device here.
func (r *Router) toServer(st *stanza.Stanza, tr *transit, tk *ticket) {
	if r.isOpen(st) {
		r.answerOpen(st, tk.share())
		return
	}
	if isRequest(st) || st.Kind == stanza.Message && st.Type != "error" && st.Type != "headline" {
		// Nobody reads what is sent to the server (RFC 6121 §8.5.1 in spirit), and a request for a resource of the
		// domain must be answered all the same (RFC 6120 §8.2.3).
		r.hop(st.Bounce(stanza.ServiceUnavailable), nil, tk.share())
	}
	r.answered(st)
	r.endTransit(tr)
}
