// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Target is whom a request asks.
type Target uint8

const (
	Server  Target = iota // the domain
	Self                  // one's own account: no address, or one's own bare one
	Account               // another account's bare address: the server answers for it (RFC 6120 §10.3.3)
	targets
)

// A Request is an IQ get or set that the server answers.
type Request struct {
	*stanza.Stanza
	Payload xmlstream.Node  // its one child
	Account jid.JID         // bare: whose turn it is in; for Account who is asked, else who asks
	Owner   account.Account // the same
	Device  *Device         // who asks, where it is a device of Account; else nil

	after []func(context.Context)
}

// After has f run in the turn when all that came before the request is through, and the request succeeded: for what it
// brings about beyond the store. The answer goes out behind it. It is not for queries.
func (q *Request) After(f func(context.Context)) { q.after = append(q.after, f) }

// An IQFunc answers a request with the payload of the result ("" for none), or with an error: a
// *stanza.Error goes to who asked, any other is logged and becomes internal-server-error. The router sends
// the answer: a request has exactly one (RFC 6120 §8.2.3).
type IQFunc func(ctx context.Context, q *Request) (xmlstream.Raw, error)

type iqKey struct {
	to   Target
	typ  string
	name xmlstream.Name
}

type iqHandler struct {
	f      IQFunc
	beside bool // a query: it only reads, and runs beside the turn
}

// HandleIQ has f answer requests of that type ("get", "set") and payload, in the turn of who is asked. A
// handler that writes waits for its own commit. A second registration for the same request is a fault in the
// program and panics.
func (r *Router) HandleIQ(to Target, typ, space, local string, f IQFunc) {
	r.handle(iqKey{to, typ, xmlstream.Name{Space: space, Local: local}}, iqHandler{f: f})
}

// HandleQuery is HandleIQ for requests that only read and may be slow: f starts when all before it in the turn
// is committed, and runs beside the turn, four at a time; its answer may come after later stanzas.
func (r *Router) HandleQuery(to Target, typ, space, local string, f IQFunc) {
	r.handle(iqKey{to, typ, xmlstream.Name{Space: space, Local: local}}, iqHandler{f, true})
}

func (r *Router) handle(k iqKey, h iqHandler) {
	if r.iq[k].f != nil {
		panic("router: two handlers for " + k.typ + " " + k.name.Space + " " + k.name.Local)
	}
	r.iq[k] = h
}

// iqOut is the Outbound side of a request or an answer that a device sent.
func (t *turn) iqOut(trip *Trip) *job {
	st := trip.Stanza
	target, here := Server, isRequest(st)
	switch {
	case st.To.IsZero() || st.To == t.addr: // RFC 6120 §10.3.3
		target = Self
	case st.To.HasLocal() || st.To.Resource() != "" || !t.r.ours(st.To):
		here = false
	}
	if here {
		return t.answer(trip, target)
	}
	return &job{
		before: func(ctx context.Context) ([]write, error) { return nil, t.begin(ctx, trip) },
		after: func(ctx context.Context, err error) {
			defer trip.ticket.done()
			switch {
			case err != nil:
				t.refuse(trip, err)
			case st.To.IsZero(): // RFC 6120 §10.3.3: to the account
				t.r.answered(st.Addressed(st.From, t.addr))
			case st.To == t.addr || st.To == t.r.Domain:
				t.r.answered(st)
			default:
				t.r.hop(st, nil, trip.ticket.share())
			}
			trip.ticket.safe()
		},
	}
}

// iqIn is the Inbound side of an IQ from somebody else, or from another device of the same account.
func (t *turn) iqIn(st *stanza.Stanza, tk *ticket) *job {
	trip := &Trip{Side: Inbound, Account: t.addr, Stanza: st, r: t.r, ticket: tk}
	if st.To.IsBare() && isRequest(st) {
		return t.answer(trip, Account)
	}
	return &job{
		before: func(ctx context.Context) ([]write, error) { return nil, t.begin(ctx, trip) },
		after: func(ctx context.Context, err error) {
			defer tk.done()
			if err != nil {
				t.refuse(trip, err)
				return
			}
			d := t.device(st.To)
			switch {
			case d != nil && isRequest(st):
				d.send(st, &requestFate{t, st})
				d.hold(st)
			case d != nil:
				d.send(st, nil)
			case st.To.IsBare() && !isRequest(st):
				t.r.answered(st)
			default:
				t.refuse(trip, stanza.ServiceUnavailable) // RFC 6121 §8.5.3.2.3; an answer is dropped there
			}
		},
	}
}

// answer is the way of a request that the server answers.
func (t *turn) answer(trip *Trip, target Target) *job {
	st := trip.Stanza
	q := &Request{Stanza: st, Account: t.addr, Device: trip.Device}
	var payload xmlstream.Raw
	var h iqHandler
	reply := func(err error) {
		defer trip.ticket.done() // its answer is queued
		switch result := st.Result(payload); {
		case err != nil:
			t.refuse(trip, err)
		case trip.Device != nil:
			trip.Device.Send(result)
		default:
			t.r.hop(result, nil, trip.ticket.share())
		}
	}
	return &job{
		before: func(ctx context.Context) (_ []write, err error) {
			if err := t.begin(ctx, trip); err != nil {
				return nil, err
			}
			q.Owner = trip.Owner
			q.Payload, _ = st.First() // a request has exactly one (stanza.Parse)
			h = t.r.iq[iqKey{target, st.Type, q.Payload.Name()}]
			switch {
			case h.f == nil:
				return nil, stanza.ServiceUnavailable // RFC 6120 §8.4
			case !h.beside:
				payload, err = h.f(ctx, q)
			}
			return nil, err
		},
		after: func(ctx context.Context, err error) {
			if err == nil {
				for _, f := range q.after {
					f(ctx)
				}
			}
			if err != nil || !h.beside {
				reply(err)
				return
			}
			t.beside(func() {
				reply(t.guard(func() (err error) {
					payload, err = h.f(ctx, q)
					return err
				}))
			})
		},
	}
}

// maxQueries run beside one turn at a time.
const maxQueries = 4

// beside runs f beside the turn. The router waits for it when it closes.
func (t *turn) beside(f func()) {
	if t.queries >= maxQueries {
		t.queued = append(t.queued, f)
		return
	}
	t.queries++
	t.r.working.add()
	go func() {
		defer t.r.working.done()
		_ = t.guard(func() error { // it is logged, and the turn goes on
			f()
			return nil
		})
		t.post(&job{after: func(context.Context, error) {
			t.queries--
			if len(t.queued) > 0 {
				next := t.queued[0]
				t.queued = t.queued[1:]
				t.beside(next)
			}
		}})
	}()
}

// requestFate answers who asked a device that ended before it had the request.
type requestFate struct {
	t  *turn
	st *stanza.Stanza
}

func (f *requestFate) Taken() {}
func (f *requestFate) Lost() {
	f.t.r.Route(f.st.Bounce(stanza.RecipientUnavailable))
}

// isRequest reports whether a stanza must be answered (RFC 6120 §8.2.3).
func isRequest(st *stanza.Stanza) bool {
	return st.Kind == stanza.IQ && (st.Type == "get" || st.Type == "set")
}
