// SPDX-License-Identifier: Apache-2.0

package bookmarks_test

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"fmt"
	"slices"
	"testing"

	"github.com/kith-im/kith/internal/feature/bookmarks"
	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

// follow makes a device available that wants to hear of a node.
func follow(w *routertest.World, name, node string) *routertest.Device {
	d := w.Bind(name)
	sum := sha1.Sum([]byte("client/pc//<" + node + "+notify<"))
	d.Sendf(`<presence><c xmlns="http://jabber.org/protocol/caps" hash="sha-1" node="https://test.example" ver="%s"/></presence>`,
		base64.StdEncoding.EncodeToString(sum[:]))
	w.Settle()
	for _, st := range d.Take() {
		if st.Kind == stanza.IQ && st.Type == "get" {
			d.Sendf(`<iq type="result" id="%s" to="%s"><query xmlns="http://jabber.org/protocol/disco#info"><identity category="client" type="pc"/><feature var="%s+notify"/></query></iq>`,
				st.ID, st.From, node)
		}
	}
	w.Settle()
	d.Take()
	return d
}

// told lists the events that a device got: what happened, and to which item.
func told(d *routertest.Device) (list []string) {
	for _, st := range d.Take() {
		e, ok := st.Child("http://jabber.org/protocol/pubsub#event", "event")
		if !ok {
			continue
		}
		for x := range e.Children() {
			for i := range x.Children() {
				list = append(list, i.Name().Local+" "+i.Attr("id"))
			}
		}
	}
	slices.Sort(list)
	return list
}

func check(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if !slices.Equal(got, want) {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

// store stores a list as old clients do.
func store(w *routertest.World, d *routertest.Device, list string) {
	w.T.Helper()
	d.Sendf(`<iq type="set" id="store"><query xmlns="jabber:iq:private"><storage xmlns="storage:bookmarks">%s</storage></query></iq>`, list)
	w.Settle()
}

// publish publishes at one of the nodes.
func publish(w *routertest.World, d *routertest.Device, node, id, payload string) {
	w.T.Helper()
	d.Sendf(`<iq type="set" id="publish"><pubsub xmlns="http://jabber.org/protocol/pubsub"><publish node="%s"><item id="%s">%s</item></publish></pubsub></iq>`,
		node, id, payload)
	w.Settle()
}

// payload is that of an item.
func payload(w *routertest.World, node, id string) string {
	w.T.Helper()
	it, err := w.Items.Item(context.Background(), w.Account("juliet"), node, id)
	if err != nil {
		return err.Error()
	}
	return string(it.Payload)
}

// What an old client stores is a difference: devices hear of what has changed, and of nothing else (XEP-0402 §5.3.2).
func TestDifference(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		fresh, listed := follow(w, "juliet/new", bookmarks.Node), follow(w, "juliet/old", bookmarks.List)
		desk := w.Come("juliet/desk", 0)
		store(w, desk, `<conference jid="a@c.example" name="A"/><conference jid="b@c.example"><nick>J</nick></conference>`)
		check(t, "new, at first", told(fresh), "item a@c.example", "item b@c.example")
		check(t, "old, at first", told(listed), "item current")

		store(w, desk, `<conference jid="b@c.example"><nick>J</nick></conference><conference name="A" jid="a@c.example" autojoin="false"/>`)
		check(t, "new, nothing changed", told(fresh))
		check(t, "old, nothing changed", told(listed))

		store(w, desk, `<conference jid="b@c.example" autojoin="1"><nick>J</nick></conference><conference jid="c@c.example"/>`)
		check(t, "new, one of each", told(fresh), "item b@c.example", "item c@c.example", "retract a@c.example")
		check(t, "old, one of each", told(listed), "item current")

		store(w, desk, `<conference jid="b@c.example" autojoin="1"><nick>J</nick></conference><conference jid="c@c.example"/><url url="http://x.example"/>`)
		check(t, "new, a page", told(fresh))
		check(t, "old, a page", told(listed), "item current")
	})
}

// What clients publish as one list at the old node is a difference, too, and the server does not answer itself.
func TestOldNode(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		fresh, listed := follow(w, "juliet/new", bookmarks.Node), follow(w, "juliet/old", bookmarks.List)
		const two = `<storage xmlns="storage:bookmarks"><conference jid="a@c.example" name="A"><minimize xmlns="urn:mini">1</minimize></conference><conference jid="b@c.example"/></storage>`
		publish(w, listed, bookmarks.List, "current", two)
		check(t, "new", told(fresh), "item a@c.example", "item b@c.example")
		check(t, "old", told(listed), "item current")
		if got, want := payload(w, bookmarks.Node, "a@c.example"), `<conference xmlns="urn:xmpp:bookmarks:1" name="A"><extensions><minimize xmlns="urn:mini">1</minimize></extensions></conference>`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
		publish(w, listed, bookmarks.List, "current", `<storage xmlns="storage:bookmarks"><conference jid="b@c.example"/></storage>`)
		check(t, "new, without one", told(fresh), "retract a@c.example")
		check(t, "old, without one", told(listed), "item current")

		// Who tidies up there loses nothing; what is no list changes nothing.
		listed.Sendf(`<iq type="set" id="1"><pubsub xmlns="http://jabber.org/protocol/pubsub#owner"><delete node="storage:bookmarks"/></pubsub></iq>`)
		w.Settle()
		publish(w, listed, bookmarks.List, "current", `<x xmlns="urn:x"/>`)
		check(t, "new, in the end", told(fresh))
		if got, want := payload(w, bookmarks.List, "current"), `<storage xmlns="storage:bookmarks"><conference jid="b@c.example"/></storage>`; got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	})
}

// What an old client does not know of a bookmark stays as it was (XEP-0402 §3.4).
func TestKeepsUnknown(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk := w.Come("juliet/desk", 0)
		publish(w, desk, bookmarks.Node, "a@c.example", `<conference xmlns="urn:xmpp:bookmarks:1" name="A"><nick>J</nick><extensions>`+
			`<notify xmlns="urn:xmpp:notification-settings:1"><never/></notify><pin xmlns="urn:pin"/></extensions><more xmlns="urn:more"/></conference>`)
		store(w, desk, `<conference jid="A@c.example" name="B"><pin xmlns="urn:pin" at="1"/></conference>`)
		want := `<conference xmlns="urn:xmpp:bookmarks:1" name="B"><extensions><notify xmlns="urn:xmpp:notification-settings:1"><never/></notify>` +
			`<pin xmlns="urn:pin" at="1"/></extensions><more xmlns="urn:more"/></conference>`
		if got := payload(w, bookmarks.Node, "a@c.example"); got != want {
			t.Errorf("got %s\nwant %s", got, want)
		}
		// What is no bookmark is nobody's business.
		publish(w, desk, bookmarks.Node, "x", `<x xmlns="urn:x"/>`)
		store(w, desk, ``)
		if got := payload(w, bookmarks.Node, "x"); got != `<x xmlns="urn:x"/>` {
			t.Errorf("got %s", got)
		}
		if got := payload(w, bookmarks.Node, "a@c.example"); got != item.ErrNoItem.Error() {
			t.Errorf("got %s", got)
		}
	})
}

// A list is not published where others could read it.
func TestOpenNode(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk := w.Come("juliet/desk", 0)
		desk.Sendf(`<iq type="set" id="1"><pubsub xmlns="http://jabber.org/protocol/pubsub"><create node="storage:bookmarks"/><configure>`+
			`<x xmlns="jabber:x:data" type="submit"><field var="pubsub#access_model"><value>%s</value></field></x></configure></pubsub></iq>`, item.Open)
		w.Settle()
		store(w, desk, `<conference jid="a@c.example"><password>secret</password></conference>`)
		if got := payload(w, bookmarks.List, "current"); got != item.ErrNoItem.Error() {
			t.Errorf("got %s", got)
		}
	})
}

// A list that is too long for an item is not there at all, rather than as it was; private XML has it.
func TestLongList(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		desk := w.Come("juliet/desk", 0)
		list := ""
		for i := range 900 {
			if i == 450 {
				store(w, desk, list)
			}
			list += fmt.Sprintf(`<conference jid="room-%d@conference.kith.example" name="%060d"><nick>Juliet of the Capulets</nick></conference>`, i, i)
		}
		store(w, desk, list)
		if got := payload(w, bookmarks.List, "current"); got != item.ErrNoItem.Error() {
			t.Errorf("got %d bytes", len(got))
		}
		desk.Take()
		desk.Sendf(`<iq type="get" id="1"><query xmlns="jabber:iq:private"><storage xmlns="storage:bookmarks"/></query></iq>`)
		w.Settle()
		n := 0
		for _, st := range desk.Take() {
			q, _ := st.First()
			for s := range q.Children() {
				for range s.Children() {
					n++
				}
			}
		}
		if n != 900 {
			t.Errorf("got %d rooms", n)
		}
	})
}
