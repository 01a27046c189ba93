// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// A reader is a device with copies, on a network that breaks: it knows how many stanzas it has got, and which messages.
type reader struct {
	*routertest.Device
	h      uint32
	asleep bool
	got    []string       // "sender number", in order
	sent   map[string]int // by who the sender says to be: one name for messages to itself, one for others
}

// name is that of the device as a sender.
func (d *reader) name(toItself bool) string {
	name := d.JID.Local() + "/" + d.JID.Resource()
	if toItself {
		name += "/self"
	}
	return name
}

// read takes what has come.
func (d *reader) read() {
	for _, st := range d.Take() {
		d.h++
		if text := bodyOf(st); text != "" {
			d.got = append(d.got, text)
		}
	}
}

// bodyOf is the body of a message, or of the one that a copy has.
func bodyOf(st *stanza.Stanza) string {
	if st.Kind != stanza.Message {
		return ""
	}
	if b, ok := st.Child(xmlstream.NSClient, "body"); ok {
		return b.Text()
	}
	for c := range st.Children() {
		if c.Name().Space != "urn:xmpp:carbons:2" {
			continue
		}
		f, _ := c.Child("urn:xmpp:forward:0", "forwarded")
		m, _ := f.Child(xmlstream.NSClient, "message")
		if b, ok := m.Child(xmlstream.NSClient, "body"); ok {
			return b.Text()
		}
	}
	return ""
}

// TestEachDeviceOnce holds that whatever way messages take, and whatever becomes of connections and of who looks at a
// device, each device of both people has each message once, those of one sender in order.
func TestEachDeviceOnce(t *testing.T) {
	t.Parallel()
	for seed := range uint64(3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			routertest.Each(t, func(w *routertest.World) { eachDeviceOnce(t, w, rand.New(rand.NewPCG(seed, 9))) })
		})
	}
}

func eachDeviceOnce(t *testing.T, w *routertest.World, r *rand.Rand) {
	w.Friends("romeo", "juliet")
	var all []*reader
	for _, full := range []string{"romeo/a", "romeo/b", "romeo/c", "juliet/a", "juliet/b", "juliet/c"} {
		d := &reader{Device: w.Bind(full), sent: map[string]int{}}
		d.Resumable()
		d.Sendf(`<presence/>`)
		d.Sendf(`<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
		all = append(all, d)
	}
	w.Settle()
	for range 120 {
		d := all[r.IntN(len(all))]
		switch dice := r.IntN(10); {
		case dice < 5 && !d.asleep:
			for range r.IntN(6) {
				other := all[r.IntN(len(all))]
				to := other.JID.Bare()
				if other == d || r.IntN(2) == 0 && other.JID.Bare() != d.JID.Bare() {
					to = all[(3+r.IntN(3)+3*btoi(d.JID.Local() == "juliet"))%6].JID // one of the other person's devices
				}
				name := d.name(to.Bare() == d.JID.Bare())
				d.Send(stanza.New(stanza.Message, "chat", "", d.JID, to,
					xmlstream.TextElem("", "body", fmt.Sprint(name, " ", d.sent[name]))))
				d.sent[name]++
			}
		case dice == 5:
			d.Sendf(`<message to="%s" type="chat"><composing xmlns="http://jabber.org/protocol/chatstates"/></message>`, all[r.IntN(6)].JID.Bare())
		case dice == 6 && !d.asleep:
			d.SetIdle(r.IntN(2) == 0)
		case dice == 7 && !d.asleep:
			if r.IntN(2) == 0 {
				d.read() // else it is lost on the way, and comes again
			} else {
				w.Settle()
			}
			d.Sleep()
			d.asleep = true
		case dice == 8 && d.asleep:
			d.wake(t)
		case dice == 9:
			w.Settle()
			d.read()
			d.Ack(d.h)
		}
	}
	w.Settle()
	for _, d := range all {
		if d.asleep {
			d.wake(t)
		}
		d.SetIdle(false)
	}
	w.Settle()
	for _, d := range all {
		d.read()
		next := map[string]int{}
		for _, text := range d.got {
			var who string
			var n int
			fmt.Sscan(text, &who, &n)
			if n != next[who] {
				t.Errorf("%v got %q, want number %d", d.JID, text, next[who])
			}
			next[who] = n + 1
		}
		for _, from := range all {
			for who, want := range from.sent {
				if from == d || who == from.name(true) && d.JID.Local() != from.JID.Local() {
					want = 0
				}
				if next[who] != want {
					t.Errorf("%v got %d of %s, want %d", d.JID, next[who], who, want)
				}
			}
		}
	}
}

// wake gives a sleeping device another connection.
func (d *reader) wake(t *testing.T) {
	d.Take() // written to the old one, and lost with it
	if !d.Resume(d.h) {
		t.Fatalf("%v is not resumed", d.JID)
	}
	d.asleep = false
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}
