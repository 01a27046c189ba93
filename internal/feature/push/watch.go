// SPDX-License-Identifier: Apache-2.0

package push

import (
	"context"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/push"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

const (
	grace     = 10 * time.Second // for another device that is in use
	apart     = time.Second      // between two pushes of one chat
	callLife  = 2 * time.Minute  // for which a call may still end
	maxTold   = 1024             // messages that are known to be told: no fewer than a session holds while it sleeps
	maxChats  = 256              // that are remembered; then all are forgotten that nothing waits for
	maxCalls  = 16
	askPrefix = "from "

	nsDisplayed = "urn:xmpp:mds:displayed:0" // XEP-0490
)

// A watch is what is remembered of one registration. It is lost with the process, and then some things are told twice.
type watch struct {
	chats map[jid.JID]*burst
	told  []string             // ids of messages, and askPrefix with who has asked, the latest last
	calls map[string]time.Time // that were told, and until when it matters that they end
}

// A burst is the messages of one chat, since somebody has read it or the device was awake.
type burst struct {
	count int
	sent  time.Time    // when the last push was made
	held  *push.Notice // waits until its time has come
	turn  int          // counts what was held
}

// inbound sees what others send to the account, and what its owner sends to himself.
func (p *Push) inbound(ctx context.Context, t *router.Trip) error {
	regs := p.Registrations.Of(t.Owner.ID)
	if len(regs) == 0 {
		return nil
	}
	if t.Self || t.Stanza.From.Bare() == t.Account {
		p.own(t.Owner.ID, t.Stanza, t.Device, regs)
		return nil
	}
	p.removedRemotely(t.Owner.ID, t.Stanza, regs)
	p.message(t.Account, t.Stanza, regs)
	return nil
}

// outbound sees what the account's devices send.
func (p *Push) outbound(_ context.Context, t *router.Trip) error {
	if regs := p.Registrations.Of(t.Owner.ID); len(regs) > 0 {
		p.own(t.Owner.ID, t.Stanza, t.Device, regs)
	}
	return nil
}

// held sees what a device that is not awake was sent. Messages are those that it got while it seemed awake.
func (p *Push) held(ctx context.Context, d *router.Device, st *stanza.Stanza) {
	a, err := p.r.Accounts.Lookup(ctx, d.JID.Local())
	if err != nil {
		return
	}
	var regs []push.Registration
	for _, r := range p.Registrations.Of(a.ID) {
		if r.Client == clientOf(d) {
			regs = append(regs, r)
		}
	}
	account := d.JID.Bare()
	switch {
	case len(regs) == 0 || st.From.Bare() == account:
	case st.Kind == stanza.Message:
		p.message(account, st, regs)
	case st.Kind == stanza.IQ && st.From == p.r.Domain:
		// Others cannot wake an app by asking it something.
		n := push.Notice{Kind: push.Wake, Account: account, At: p.Now()}
		p.each(regs, func(r push.Registration, w *watch) {
			if r.Takes(n) {
				p.tell(r, w, n, 0)
			}
		})
	}
}

// asked sees who wants to become a contact.
func (p *Push) asked(ctx context.Context, t *router.Trip) error {
	if t.Stanza.Type != string(contact.Subscribe) {
		return nil
	}
	regs := p.Registrations.Of(t.Owner.ID)
	if len(regs) == 0 {
		return nil
	}
	from := t.Stanza.From.Bare()
	i, err := p.Contacts.Get(ctx, t.Owner.ID, from)
	if err != nil || !i.State.Has(contact.PendingIn) {
		return err // it was answered without the owner
	}
	n := push.Notice{Kind: push.Request, Account: t.Account, Chat: from, Stanza: t.Stanza, At: p.Now()}
	devices := p.r.Devices(t.Account)
	p.each(regs, func(r push.Registration, w *watch) {
		if r.Takes(n) && !awake(devices, r.Client) && w.first(askPrefix+from.String()) {
			p.Dispatcher.Send(r, n)
		}
	})
	return nil
}

// message decides, in the account's turn, for each of regs what becomes of a message from somebody else.
func (p *Push) message(account jid.JID, st *stanza.Stanza, regs []push.Registration) {
	n, ok := worth(st)
	if !ok {
		return
	}
	n.Account, n.Chat, n.Stanza, n.At = account, st.From.Bare(), st, p.Now()
	devices := p.r.Devices(account)
	id := idOf(st, account)
	p.each(regs, func(r push.Registration, w *watch) {
		switch {
		case !r.Takes(n):
		case n.Kind == push.Call:
			if w.first("call " + n.Call) {
				w.ring(n.Call, n.At)
				p.Dispatcher.Send(r, n)
			}
		case n.Kind == push.CallEnd:
			p.endCall(r, w, n)
		case forOne(st) && !isFor(st, devices, r.Client):
		case awake(devices, r.Client):
			w.calm() // it has what was told before, too
		case id != "" && !w.first(id):
		case inUse(devices):
			p.tell(r, w, n, grace)
		default:
			p.tell(r, w, n, 0)
		}
	})
}

// isFor reports whether a message is addressed to a device of that client.
func isFor(st *stanza.Stanza, devices []*router.Device, client string) bool {
	return slices.ContainsFunc(devices, func(d *router.Device) bool { return d.JID == st.To && clientOf(d) == client })
}

// awake reports whether a client has a device that is awake.
func awake(devices []*router.Device, client string) bool {
	return slices.ContainsFunc(devices, func(d *router.Device) bool {
		return d.State() == router.Awake && clientOf(d) == client
	})
}

// inUse reports whether any device is awake.
func inUse(devices []*router.Device) bool {
	return slices.ContainsFunc(devices, func(d *router.Device) bool { return d.State() == router.Awake })
}

// each calls f for regs, with what is remembered of each; mu is held meanwhile.
func (p *Push) each(regs []push.Registration, f func(push.Registration, *watch)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range regs {
		w := p.watches[r.ID]
		if w == nil {
			w = &watch{chats: map[jid.JID]*burst{}, calls: map[string]time.Time{}}
			p.watches[r.ID] = w
		}
		f(r, w)
	}
}

// tell has n told after wait, or when the last of its chat is long enough ago. mu is held.
func (p *Push) tell(r push.Registration, w *watch, n push.Notice, wait time.Duration) {
	b := w.burst(n.Chat)
	if b == nil {
		return // so many wait that one more is not missed
	}
	b.count++
	waiting := b.held != nil
	b.held = &n
	if waiting {
		return // the time has been set
	}
	b.turn++
	if since := n.At.Sub(b.sent); since < apart {
		wait = max(wait, apart-since)
	}
	if wait <= 0 {
		p.release(r, w, b)
		return
	}
	turn := b.turn
	p.Dispatcher.After(wait, func() {
		p.r.Do(n.Account, func(context.Context) { p.due(r, n.Chat, turn) })
	})
}

// due looks again when the time of what is held has come, in the account's turn.
func (p *Push) due(r push.Registration, chat jid.JID, turn int) {
	r, ok := p.Registrations.Get(r.Owner, r.ID)
	if !ok {
		return
	}
	p.each([]push.Registration{r}, func(r push.Registration, w *watch) {
		b := w.chats[chat]
		if b == nil || b.held == nil || b.turn != turn {
			return
		}
		if awake(p.r.Devices(b.held.Account), r.Client) {
			if b.held.Stanza != nil {
				w.untold(idOf(b.held.Stanza, b.held.Account)) // unless it is not acknowledged
			}
			b.held, b.count = nil, 0
			return
		}
		p.release(r, w, b)
	})
}

// release gives what is held to the dispatcher. mu is held.
func (p *Push) release(r push.Registration, w *watch, b *burst) {
	n := *b.held
	b.held, b.sent, n.Count = nil, p.Now(), b.count
	for chat, x := range w.chats {
		if !chat.IsZero() {
			n.Unread += x.count
		}
	}
	p.Dispatcher.Send(r, n)
}

// own sees what one's own devices send: somebody looks at that chat, or has answered a call.
func (p *Push) own(owner int64, st *stanza.Stanza, by *router.Device, regs []push.Registration) {
	call, reason, answered := answers(st)
	if answered {
		n := push.Notice{Kind: push.CallEnd, Account: st.From.Bare(), Chat: st.To.Bare(), At: p.Now(), Call: call, Reason: reason}
		p.each(regs, func(r push.Registration, w *watch) {
			if by == nil || r.Client != clientOf(by) { // which knows
				p.endCall(r, w, n)
			}
		})
	}
	if answered || present(st) {
		p.Read(owner, st.To.Bare())
	}
}

// endCall tells that a call is over, to who was told of it. mu is held.
func (p *Push) endCall(r push.Registration, w *watch, n push.Notice) {
	until, rang := w.calls[n.Call]
	delete(w.calls, n.Call)
	if rang && n.At.Before(until) && r.Takes(n) {
		p.Dispatcher.Send(r, n)
	}
}

// Read notes that somebody has read a chat of an account, on whatever device: what waits to be told of it is not told any
// more. It may be called on any goroutine, and does not block.
func (p *Push) Read(owner int64, chat jid.JID) {
	regs := p.Registrations.Of(owner)
	if len(regs) == 0 {
		return
	}
	p.each(regs, func(r push.Registration, w *watch) {
		if b := w.chats[chat]; b != nil {
			b.held, b.count = nil, 0
		}
		p.Dispatcher.Withdraw(r.ID, push.Notice{Kind: push.Message, Chat: chat}.Key())
	})
}

// Changed is what an item.Service tells: what was read on some device shows in what it publishes (XEP-0490 §4).
func (p *Push) Changed(c item.Change) {
	if c.Kind != item.Published || c.Node.Name != nsDisplayed {
		return
	}
	for _, it := range c.Items {
		if chat, err := jid.Parse(it.ID); err == nil {
			p.Read(c.Owner.ID, chat)
		}
	}
}

// removed forgets what was remembered of a registration.
func (p *Push) removed(r push.Registration) {
	p.mu.Lock()
	delete(p.watches, r.ID)
	p.mu.Unlock()
}

// burst returns that of a chat; nil where too many wait.
func (w *watch) burst(chat jid.JID) *burst {
	b := w.chats[chat]
	if b == nil {
		if len(w.chats) >= maxChats {
			w.calm()
		}
		if len(w.chats) >= maxChats {
			return nil
		}
		b = &burst{}
		w.chats[chat] = b
	}
	return b
}

// calm forgets the chats for which nothing waits.
func (w *watch) calm() {
	for chat, b := range w.chats {
		if b.held == nil {
			delete(w.chats, chat)
		}
	}
}

// first notes that something is told, and reports whether it was not before.
func (w *watch) first(what string) bool {
	if slices.Contains(w.told, what) {
		return false
	}
	if len(w.told) >= maxTold {
		w.told = slices.Delete(w.told, 0, 1)
	}
	w.told = append(w.told, what)
	return true
}

func (w *watch) untold(what string) {
	w.told = slices.DeleteFunc(w.told, func(x string) bool { return x == what })
}

// ring notes a call that was told.
func (w *watch) ring(call string, at time.Time) {
	for id, until := range w.calls {
		if len(w.calls) >= maxCalls || at.After(until) {
			delete(w.calls, id)
		}
	}
	w.calls[call] = at.Add(callLife)
}
