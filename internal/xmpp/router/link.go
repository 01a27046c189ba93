// SPDX-License-Identifier: Apache-2.0

package router

import (
	"sync"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A Node is one server of a cluster; "" is this one.
type Node string

// Peers is what the router asks of a cluster. It carries packets between nodes and may delay, lose or repeat
// them, or change their order: the router numbers them, and repeats what was not acknowledged.
type Peers interface {
	// Home is the node that runs the turn of an account; "" is this one.
	Home(bare jid.JID) Node
	// Send carries a packet and never blocks. p is not changed after the call. The other node's
	// Router.Receive gets it.
	Send(to Node, p Packet)
}

// alone is the cluster of one.
type alone struct{}

func (alone) Home(jid.JID) Node { return "" }
func (alone) Send(Node, Packet) {}

// PacketKind tells what a packet says.
type PacketKind uint8

const (
	PacketAck      PacketKind = iota // nothing but Ack
	PacketBind                       // a session wants to be a device of its account, whose home this is
	PacketBound                      // the answer to Ref; an error where Condition is set
	PacketEnter                      // the session read Stanza
	PacketLeave                      // the session is over: its device is not found any more
	PacketEnd                        // and its losses were told
	PacketHop                        // Stanza goes on to an account whose home this is
	PacketDeliver                    // Stanza is for the session
	PacketKick                       // the session's stream is to be closed, with Condition
	PacketSafe                       // the stanza of Ref may be acknowledged
	PacketThrough                    // the stanza of Ref is through
	PacketTaken                      // the device took the stanza of Ref
	PacketLost                       // the device has lost the stanza of Ref
	PacketSleeps                     // the session has no connection any more
	PacketWakes                      // it has one again
	PacketDozes                      // it has had none for long
	PacketIdle                       // its client says that nobody looks at it
	PacketActive                     // that somebody does
	PacketSilent                     // its client does not acknowledge, among others what Refs are about
	PacketHeard                      // it does again
	PacketPatience                   // how long may the session sleep? The answer is to Ref
	PacketPatient                    // for Wait
	PacketAsk                        // Stanza is a request of the domain's, to an account whose home this is, or its device
	PacketAnswer                     // and the answer to one
)

// A Packet is what one node tells another. Fields that its kind does not name are empty.
type Packet struct {
	Kind            PacketKind
	Seq             uint64 // from 1, on the link between the two nodes; 0 for PacketAck
	Ack             uint64 // every packet up to here has come
	Session         string
	Device          jid.JID
	Client          string
	LogIn           session.LogIn
	Stanza          *stanza.Stanza
	TransitOwner    int64
	TransitID       archive.ID // 0: there is none
	Ref             uint64     // what an answer names; 0: none is wanted
	Refs            []uint64   // what of the other node's this is about
	Wait            time.Duration
	Raw             xmlstream.Raw
	Condition, Text string
}

const repeatAfter = 200 * time.Millisecond

// links are the ways to the other nodes, and what their answers refer to.
type links struct {
	r *Router

	mu     sync.Mutex
	to     map[Node]*link
	ref    uint64
	kept   map[uint64]any // *ticket, session.Fate, boundFunc or func(time.Duration)
	remote map[remoteKey]*Device
	timer  *time.Ticker
}

type remoteKey struct {
	node    Node
	session string
}

func newLinks(r *Router) *links {
	return &links{r: r, to: map[Node]*link{}, kept: map[uint64]any{}, remote: map[remoteKey]*Device{}}
}

// A link is the numbered way to one node and back.
type link struct {
	node Node

	mu      sync.Mutex // guards what goes out
	seq     uint64
	unacked []Packet

	in       sync.Mutex // held while a packet that came is taken
	received uint64
	ahead    map[uint64]Packet // came before one that is missing
}

// maxAhead bounds what is kept while a packet is missing; the rest comes again.
const maxAhead = 4096

func (ls *links) link(n Node) *link {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	l := ls.to[n]
	if l == nil {
		l = &link{node: n}
		ls.to[n] = l
	}
	return l
}

// due ticks where something may have to be repeated.
func (ls *links) due() <-chan time.Time {
	if _, none := ls.r.Peers.(alone); none {
		return nil
	}
	ls.mu.Lock()
	defer ls.mu.Unlock()
	if ls.timer == nil {
		ls.timer = time.NewTicker(repeatAfter)
	}
	return ls.timer.C
}

// send numbers p and sends it until it is acknowledged.
func (ls *links) send(to Node, p *Packet) {
	l := ls.link(to)
	l.mu.Lock()
	l.seq++
	p.Seq = l.seq
	l.unacked = append(l.unacked, *p)
	l.mu.Unlock()
	ls.r.Peers.Send(to, *p)
}

// repeat sends again what was not acknowledged.
func (ls *links) repeat() {
	ls.mu.Lock()
	all := make([]*link, 0, len(ls.to))
	for _, l := range ls.to {
		all = append(all, l)
	}
	ls.mu.Unlock()
	for _, l := range all {
		l.mu.Lock()
		again := l.unacked[:len(l.unacked):len(l.unacked)]
		l.mu.Unlock()
		for _, p := range again {
			ls.r.Peers.Send(l.node, p)
		}
	}
}

// Receive takes a packet of another node. It may be called concurrently, and never blocks for long.
func (r *Router) Receive(from Node, p Packet) {
	ls := r.links
	l := ls.link(from)
	l.mu.Lock()
	for len(l.unacked) > 0 && l.unacked[0].Seq <= p.Ack {
		l.unacked = l.unacked[1:]
	}
	l.mu.Unlock()
	if p.Kind == PacketAck {
		return
	}
	l.in.Lock()
	if p.Seq == l.received+1 || p.Seq > l.received && len(l.ahead) < maxAhead { // else it came before, or comes again
		if l.ahead == nil {
			l.ahead = map[uint64]Packet{}
		}
		l.ahead[p.Seq] = p
	}
	for next, ok := l.ahead[l.received+1]; ok; next, ok = l.ahead[l.received+1] {
		l.received++
		delete(l.ahead, l.received)
		ls.take(from, next)
	}
	ack := l.received
	l.in.Unlock()
	r.Peers.Send(from, Packet{Kind: PacketAck, Ack: ack})
}

// take does what a packet says.
func (ls *links) take(from Node, p Packet) {
	r := ls.r
	switch p.Kind {
	case PacketBind:
		d := &Device{JID: p.Device, Client: p.Client, LogIn: p.LogIn, port: remotePort{ls, from, p.Session}}
		r.bind(d, p.Raw, func(x bound) {
			answer := &Packet{Kind: PacketBound, Ref: p.Ref, Raw: x.answer, Wait: x.rest}
			if x.err != nil {
				answer.Condition = r.publicError(x.err).Condition
			} else {
				ls.mu.Lock()
				ls.remote[remoteKey{from, p.Session}] = d
				ls.mu.Unlock()
			}
			ls.send(from, answer)
		})
	case PacketBound:
		if f, ok := ls.redeem(p.Ref, true).(boundFunc); ok {
			x := bound{answer: p.Raw, rest: p.Wait}
			if p.Condition != "" {
				x.err = stanza.ResourceConstraint
			}
			f(x)
		}
	case PacketEnter:
		tk := ls.ticket(from, p.Ref)
		if d := ls.device(from, p.Session); d != nil {
			r.postEntered(d, p.Stanza, tk)
		} else {
			tk.done()
		}
	case PacketLeave:
		if d := ls.device(from, p.Session); d != nil {
			d.turn.post(d.turn.hiding(d))
		}
	case PacketEnd:
		if d := ls.device(from, p.Session); d != nil {
			d.turn.post(d.turn.ending(d))
			ls.mu.Lock()
			delete(ls.remote, remoteKey{from, p.Session})
			ls.mu.Unlock()
		}
	case PacketSleeps, PacketWakes, PacketDozes, PacketIdle, PacketActive, PacketHeard:
		if d := ls.device(from, p.Session); d != nil {
			r.state(d, p.Kind)
		}
	case PacketSilent:
		if d := ls.device(from, p.Session); d != nil {
			var fates []session.Fate
			for _, ref := range p.Refs {
				if f, ok := ls.redeem(ref, false).(session.Fate); ok { // else it was taken meanwhile
					fates = append(fates, f)
				}
			}
			r.silent(d, fates)
		}
	case PacketPatience:
		if d := ls.device(from, p.Session); d != nil {
			r.howPatient(d, func(wait time.Duration) {
				ls.send(from, &Packet{Kind: PacketPatient, Ref: p.Ref, Wait: wait})
			})
		}
	case PacketPatient:
		if f, ok := ls.redeem(p.Ref, true).(func(time.Duration)); ok {
			f(p.Wait)
		}
	case PacketAsk:
		r.askedBy(from, p.Stanza, p.Wait)
	case PacketAnswer:
		r.answered(p.Stanza)
	case PacketHop:
		r.inbound(p.Stanza, p.transit(), ls.ticket(from, p.Ref))
	case PacketDeliver, PacketKick:
		ls.local(from, p)
	case PacketSafe:
		if tk, ok := ls.redeem(p.Ref, false).(*ticket); ok {
			tk.safe()
		}
	case PacketThrough:
		if tk, ok := ls.redeem(p.Ref, true).(*ticket); ok {
			tk.done()
		}
	case PacketTaken, PacketLost:
		if f, ok := ls.redeem(p.Ref, true).(session.Fate); ok {
			if p.Kind == PacketTaken {
				f.Taken()
			} else {
				f.Lost()
			}
		}
	}
}

// local does what a packet says to a session of this node.
func (ls *links) local(from Node, p Packet) {
	ls.r.localMu.Lock()
	s := ls.r.local[p.Session]
	ls.r.localMu.Unlock()
	fate := remoteFate{ls, from, p.Ref}
	switch {
	case p.Kind == PacketKick && s != nil:
		s.Kick(&session.Kick{Condition: p.Condition, Text: p.Text})
	case p.Kind == PacketKick:
	case s == nil && p.Ref != 0:
		fate.Lost()
	case s != nil && p.Ref != 0:
		s.Send(p.Stanza, fate)
	case s != nil:
		s.Send(p.Stanza, nil)
	}
}

func (ls *links) device(from Node, session string) *Device {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	return ls.remote[remoteKey{from, session}]
}

// keep gives a ticket a number that another node can name; a nil ticket has none.
func (ls *links) keep(tk *ticket) uint64 {
	if tk == nil {
		return 0
	}
	return ls.keepAnswer(tk)
}

func (ls *links) keepAnswer(v any) uint64 {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	ls.ref++
	ls.kept[ls.ref] = v
	return ls.ref
}

// redeem returns what a number stands for, and forgets it where this was its last use.
func (ls *links) redeem(ref uint64, last bool) any {
	ls.mu.Lock()
	defer ls.mu.Unlock()
	v := ls.kept[ref]
	if last {
		delete(ls.kept, ref)
	}
	return v
}

// ticket is the ticket of a stanza whose origin is at another node.
func (ls *links) ticket(node Node, ref uint64) *ticket {
	if ref == 0 {
		return nil
	}
	return newTicket(remoteOrigin{ls, node, ref})
}

type remoteOrigin struct {
	ls   *links
	node Node
	ref  uint64
}

func (o remoteOrigin) Safe()    { o.ls.send(o.node, &Packet{Kind: PacketSafe, Ref: o.ref}) }
func (o remoteOrigin) Through() { o.ls.send(o.node, &Packet{Kind: PacketThrough, Ref: o.ref}) }

type remoteFate struct {
	ls   *links
	node Node
	ref  uint64
}

func (f remoteFate) Taken() { f.ls.send(f.node, &Packet{Kind: PacketTaken, Ref: f.ref}) }
func (f remoteFate) Lost()  { f.ls.send(f.node, &Packet{Kind: PacketLost, Ref: f.ref}) }

// A remotePort is the way to a device whose connection another node has.
type remotePort struct {
	ls      *links
	node    Node
	session string
}

func (p remotePort) send(st *stanza.Stanza, fate session.Fate) {
	packet := &Packet{Kind: PacketDeliver, Session: p.session, Stanza: st}
	if fate != nil {
		packet.Ref = p.ls.keepAnswer(fate)
	}
	p.ls.send(p.node, packet)
}

func (p remotePort) kick(k *session.Kick) {
	p.ls.send(p.node, &Packet{Kind: PacketKick, Session: p.session, Condition: k.Condition, Text: k.Text})
}

func (p remotePort) abandon() []session.Fate { return nil } // the other node tells

func (p *Packet) transit() *transit {
	if p.TransitID == 0 {
		return nil
	}
	return &transit{Owner: p.TransitOwner, ID: p.TransitID}
}
