// SPDX-License-Identifier: Apache-2.0

package router

import (
	"context"
	"maps"
	"slices"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A DomainHandler takes the stanzas for a domain beside the server's own: those of a component (XEP-0114), for instance.
// Its method is safe for concurrent use.
type DomainHandler interface {
	// Take takes a stanza for an address of the domain, and returns at once. Those of one sender come in the order in
	// which they were sent. Where it returns nil, fate is told once what became of the stanza, by then or later. It
	// returns a *stanza.Error where it takes nothing: then that is the answer, and fate hears nothing.
	Take(st *stanza.Stanza, fate session.Fate) error
}

// HandleDomain has h take what is for domain, which is reachable from then on. What comes from there is given to
// FromDomain. It is called while the router is filled; two handlers for one domain, or one for the server's own, are a
// fault in the program and panic.
func (r *Router) HandleDomain(domain jid.JID, h DomainHandler) {
	name := domain.Domain()
	if r.domains[name] != nil || r.ours(domain) {
		panic("router: two handlers for the domain " + name)
	}
	if r.domains == nil {
		r.domains = map[string]DomainHandler{}
	}
	r.domains[name] = h
}

// Domains lists the domains that are handled here beside the server's own, sorted.
func (r *Router) Domains() []jid.JID {
	list := make([]jid.JID, 0, len(r.domains))
	for _, name := range slices.Sorted(maps.Keys(r.domains)) {
		list = append(list, jid.MustParse(name)) // it is of an address
	}
	return list
}

// FromDomain takes a stanza that came from a domain which is handled here; its From is verified, and its To is not the
// zero JID. o is told how far it has got.
func (r *Router) FromDomain(st *stanza.Stanza, o Origin) { r.hop(st, nil, newTicket(o)) }

// Open lets requests of that type and payload to the server be asked by others than its own accounts, too. Their
// handlers, which are those of Server, find no account in the Request: neither Account nor Owner nor Device is set. It is
// called while the router is filled.
func (r *Router) Open(typ, space, local string) {
	if r.open == nil {
		r.open = map[iqKey]bool{}
	}
	r.open[iqKey{Server, typ, xmlstream.Name{Space: space, Local: local}}] = true
}

// isOpen reports whether somebody without an account may have this answered.
func (r *Router) isOpen(st *stanza.Stanza) bool {
	if !isRequest(st) || st.To != r.Domain {
		return false
	}
	payload, _ := st.First()
	return r.open[iqKey{Server, st.Type, payload.Name()}]
}

// answerOpen answers a request of somebody who has no account here, in the turn of the domain. It takes tk over.
func (r *Router) answerOpen(st *stanza.Stanza, tk *ticket) {
	r.postOn(r.Domain, func(t *turn) *job {
		q := &Request{Stanza: st}
		q.Payload, _ = st.First() // a request has exactly one (stanza.Parse)
		h := r.iq[iqKey{Server, st.Type, q.Payload.Name()}]
		reply := func(ctx context.Context) {
			defer tk.done()
			var payload xmlstream.Raw
			err := error(stanza.ServiceUnavailable) // RFC 6120 §8.4
			if h.f != nil {
				err = t.guard(func() (err error) {
					payload, err = h.f(ctx, q)
					return err
				})
			}
			if err != nil {
				r.hop(st.Bounce(r.publicError(err)), nil, tk.share())
				return
			}
			for _, f := range q.after {
				f(ctx)
			}
			r.hop(st.Result(payload), nil, tk.share())
		}
		return &job{after: func(ctx context.Context, _ error) {
			if h.beside {
				t.beside(func() { reply(ctx) })
				return
			}
			reply(ctx)
		}}
	})
}

// toDomain hands a stanza to the handler of its domain. It takes tk over. The note of a recorded message stays until the
// handler's peer has it, or its error is queued.
func (r *Router) toDomain(h DomainHandler, st *stanza.Stanza, tr *transit, tk *ticket) {
	defer tk.done()
	if err := h.Take(st, &domainFate{r, st, tr}); err != nil {
		r.unreachable(st, r.publicError(err))
		r.endTransit(tr)
	}
}

// unreachable answers a stanza that a domain's handler did not take.
func (r *Router) unreachable(st *stanza.Stanza, why *stanza.Error) {
	switch {
	case st.Type == "error", st.Type == "result":
		return // RFC 6120 §8.3.1
	case st.Kind == stanza.Presence && (st.Type == "unavailable" || st.Type == "probe"):
		return // nobody waits for an answer
	}
	r.hop(st.Bounce(why), nil, nil)
}

// A domainFate follows a stanza to the peer of a domain's handler.
type domainFate struct {
	r  *Router
	st *stanza.Stanza
	tr *transit
}

func (f *domainFate) Taken() { f.r.endTransit(f.tr) }

// Lost answers who sent it: the peer was there, and cannot be reached any more (RFC 6120 §8.3.3.17).
func (f *domainFate) Lost() {
	f.r.unreachable(f.st, stanza.RemoteServerTimeout)
	f.r.endTransit(f.tr)
}
