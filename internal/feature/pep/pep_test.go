// SPDX-License-Identifier: Apache-2.0

package pep_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

const nsEvent = "http://jabber.org/protocol/pubsub#event"

// software is what a client announces that wants those nodes, and what it answers when it is asked.
func software(nodes ...string) (c, answer string) {
	slices.Sort(nodes)
	s := "client/pc//<"
	answer = `<query xmlns="http://jabber.org/protocol/disco#info"><identity category="client" type="pc"/>`
	for _, n := range nodes {
		s += n + "+notify<"
		answer += `<feature var="` + n + `+notify"/>`
	}
	sum := sha1.Sum([]byte(s))
	return fmt.Sprintf(`<c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://test.example" ver="%s"/>`,
		base64.StdEncoding.EncodeToString(sum[:])), answer + `</query>`
}

// announce makes a device available that wants those nodes. It answers where it is asked, and returns what else it got.
func announce(w *routertest.World, d *routertest.Device, nodes ...string) []*stanza.Stanza {
	c, answer := software(nodes...)
	d.Sendf(`<presence>%s</presence>`, c)
	w.Settle()
	var rest []*stanza.Stanza
	for _, st := range d.Take() {
		if st.Kind == stanza.IQ && st.Type == "get" {
			d.Sendf(`<iq type="result" id="%s" to="%s">%s</iq>`, st.ID, st.From, answer)
			continue
		}
		rest = append(rest, st)
	}
	w.Settle()
	return append(rest, d.Take()...)
}

// events lists the events among stanzas as "from: node/id", an asterisk behind those that are late.
func events(list []*stanza.Stanza) (out []string) {
	for _, st := range list {
		e, ok := st.Child(nsEvent, "event")
		if !ok {
			continue
		}
		late := ""
		if _, ok := st.Child("urn:xmpp:delay", "delay"); ok {
			late = "*"
		}
		for x := range e.Children() {
			for i := range x.Children() {
				out = append(out, fmt.Sprintf("%s: %s/%s%s", st.From, x.Attr("node"), i.Attr("id"), late))
			}
		}
	}
	slices.Sort(out)
	return out
}

func check(t *testing.T, what string, list []*stanza.Stanza, want ...string) {
	t.Helper()
	if got := events(list); !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// publish publishes below the protocol, as a bridge does.
func publish(w *routertest.World, name, node, id string, c item.Config) {
	w.T.Helper()
	owner := item.Owner{ID: w.Account(name), JID: jid.MustParse(name + "@" + routertest.Domain)}
	if err := w.DB.Write(context.Background(), func(tx *db.Tx) error {
		_, err := w.Items.Publish(tx, owner, node, item.Item{ID: id, Payload: `<x xmlns="urn:x"/>`}, c)
		return err
	}); err != nil {
		w.T.Fatal(err)
	}
	w.Settle()
}

// Whoever published, each device that wants the node is told once, on whatever router it is.
func TestTold(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("juliet", "romeo")
		w.Friends("juliet", "nurse")
		phone, desk := w.Bind("juliet/phone"), w.Bind("juliet/desk")
		orchard, garden, kitchen := w.Bind("romeo/orchard"), w.Bind("romeo/garden"), w.Bind("nurse/kitchen")
		announce(w, phone, "tune", "diary")
		announce(w, desk, "mood")
		announce(w, orchard, "tune", "diary")
		announce(w, garden, "tune")
		announce(w, kitchen)
		for _, d := range []*routertest.Device{phone, desk, orchard, garden, kitchen} {
			d.Take()
		}
		publish(w, "juliet", "tune", "a", item.Default())
		private := item.Default()
		private.Access = item.Whitelist
		publish(w, "juliet", "diary", "b", private)
		check(t, "her phone", phone.Take(), "juliet@kith.example: diary/b", "juliet@kith.example: tune/a")
		check(t, "her desk", desk.Take())
		check(t, "his desk", orchard.Take(), "juliet@kith.example: tune/a")
		check(t, "his other desk", garden.Take(), "juliet@kith.example: tune/a")
		check(t, "her nurse", kitchen.Take())

		// Who has subscribed by address as well is told once, and only they of those who announce nothing.
		orchard.Sendf(`<iq type="set" id="1" to="juliet@"><pubsub xmlns="http://jabber.org/protocol/pubsub"><subscribe node="tune" jid="romeo@/orchard"/></pubsub></iq>`)
		w.Settle()
		kitchen.Sendf(`<iq type="set" id="1" to="juliet@"><pubsub xmlns="http://jabber.org/protocol/pubsub"><subscribe node="tune" jid="nurse@"/></pubsub></iq>`)
		w.Settle()
		check(t, "last item for his desk", orchard.Take(), "juliet@kith.example: tune/a*")
		check(t, "last item for her nurse", kitchen.Take(), "juliet@kith.example: tune/a*")
		publish(w, "juliet", "tune", "c", item.Default())
		check(t, "his desk", orchard.Take(), "juliet@kith.example: tune/c")
		check(t, "his other desk", garden.Take(), "juliet@kith.example: tune/c")
		check(t, "her nurse", kitchen.Take(), "juliet@kith.example: tune/c")

		// A device that comes gets the last items once.
		tower := w.Bind("romeo/tower")
		check(t, "his tower", announce(w, tower, "tune", "diary"), "juliet@kith.example: tune/c*")
		tower.Sendf(`<presence type="unavailable"/>`)
		w.Settle()
		tower.Take()
		check(t, "his tower again", announce(w, tower, "tune"), "juliet@kith.example: tune/c*")
	})
}

// A device that sleeps is told when it wakes, in its session.
func TestAsleep(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		phone := w.Bind("juliet/phone")
		phone.Resumable()
		got := len(announce(w, phone, "tune")) + 1 // and the question what it wants
		phone.Sleep()
		w.Settle()
		publish(w, "juliet", "tune", "a", item.Default())
		if !phone.Resume(uint32(got)) {
			t.Fatal("it is not resumed")
		}
		w.Settle()
		check(t, "her phone", phone.Take(), "juliet@kith.example: tune/a*")
	})
}

// Devices elsewhere are told by what they announce.
func TestAbroad(t *testing.T) {
	t.Parallel()
	routertest.EachAbroad(t, func(w *routertest.World) {
		juliet := w.Bind("juliet/balcony")
		juliet.Sendf(`<presence type="subscribed" to="romeo@montague.example"/>`)
		w.Receive(`<presence type="subscribe" from="romeo@montague.example" to="juliet@"/>`)
		w.Settle()
		publish(w, "juliet", "tune", "a", item.Default())
		w.Sent()
		c, answer := software("tune")
		w.Receive(`<presence from="romeo@montague.example/orchard" to="juliet@">%s</presence>`, c)
		w.Settle()
		for _, st := range w.Sent() {
			if st.Kind == stanza.IQ {
				w.Receive(`<iq type="result" id="%s" from="romeo@montague.example/orchard" to="juliet@">%s</iq>`, st.ID, answer)
			}
		}
		w.Settle()
		sent := w.Sent()
		check(t, "last item", sent, "juliet@kith.example: tune/a*")
		w.Receive(`<presence from="romeo@montague.example/orchard" to="juliet@"><show>away</show>%s</presence>`, c)
		w.Settle()
		check(t, "again", w.Sent())
		publish(w, "juliet", "tune", "b", item.Default())
		publish(w, "juliet", "mood", "b", item.Default())
		sent = w.Sent()
		check(t, "his desk", sent, "juliet@kith.example: tune/b")
		if len(sent) != 1 || sent[0].To.String() != "romeo@montague.example/orchard" || sent[0].Type != "headline" {
			t.Error(sent)
		}
		w.Receive(`<presence type="unavailable" from="romeo@montague.example/orchard" to="juliet@"/>`)
		w.Settle()
		publish(w, "juliet", "tune", "c", item.Default())
		check(t, "gone", w.Sent())
		for _, st := range sent {
			if strings.Contains(string(st.Raw()), "kith.im/protocol/pep") {
				t.Error("what is between turns went out:", st.Raw())
			}
		}
	})
}

// Of many that announce the same, one is asked; where it does not answer, the next.
func TestAsked(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		publish(w, "juliet", "tune", "a", item.Default())
		c, answer := software("tune")
		var devices []*routertest.Device
		for i := range 4 {
			d := w.Bind(fmt.Sprintf("juliet/%d", i))
			d.Sendf(`<presence>%s</presence>`, c)
			devices = append(devices, d)
		}
		w.Settle()
		asked := func() (by *routertest.Device, id string) {
			for _, d := range devices {
				for _, st := range d.Take() {
					if st.Kind == stanza.IQ && st.Type == "get" {
						if by != nil {
							t.Error("two are asked")
						}
						by, id = d, st.ID
					}
				}
			}
			return by, id
		}
		first, id := asked()
		if first == nil {
			t.Fatal("nobody is asked")
		}
		first.Sendf(`<iq type="error" id="%s" to="juliet@"><error type="cancel"><service-unavailable xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`, id)
		w.Settle()
		second, id := asked()
		if second == nil || second == first {
			t.Fatal("nobody else is asked")
		}
		second.Sendf(`<iq type="result" id="%s" to="juliet@">%s</iq>`, id, answer)
		w.Settle()
		for i, d := range devices {
			want := []string{"juliet@kith.example: tune/a*"}
			if d == first {
				want = nil // of it nothing is known
			}
			check(t, fmt.Sprint(i), d.Take(), want...)
		}
	})
}

// An item that is too large is refused; of items that are too many for one answer the last ones come, and a note.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		juliet := w.Bind("juliet/balcony")
		large := `<iq type="set" id="%s"><pubsub xmlns="http://jabber.org/protocol/pubsub"><publish node="n"><item id="%[1]s"><x xmlns="urn:x">%s</x></item></publish>` +
			`<publish-options><x xmlns="jabber:x:data" type="submit"><field var="pubsub#max_items"><value>max</value></field></x></publish-options></pubsub></iq>`
		juliet.Sendf(large, "a", strings.Repeat("x", 140<<10))
		w.Settle()
		for _, st := range juliet.Take() {
			if e := stanza.ParseError(st); st.Type != "error" || e.Condition != "not-acceptable" || !strings.Contains(string(e.App), "payload-too-big") {
				t.Error(st.Raw())
			}
		}
		for i := range 6 {
			juliet.Sendf(large, fmt.Sprint(i), strings.Repeat("x", 100<<10))
			w.Settle()
		}
		juliet.Take()
		juliet.Sendf(`<iq type="get" id="1"><pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="n"/></pubsub></iq>`)
		w.Settle()
		got := juliet.Take()
		if len(got) != 1 || !strings.Contains(string(got[0].Raw()), "<count>6</count>") || strings.Contains(string(got[0].Raw()), `<item id="0"`) ||
			!strings.Contains(string(got[0].Raw()), `<item id="5"`) {
			t.Error("not the last items")
		}
	})
}
