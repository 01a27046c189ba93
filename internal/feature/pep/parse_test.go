// SPDX-License-Identifier: Apache-2.0

package pep

import (
	"errors"
	"testing"

	"github.com/kith-im/kith/internal/item"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// FuzzRequest: whatever a client asks is understood, or refused with an error that it may see; and what it publishes is told
// as it was sent.
func FuzzRequest(f *testing.F) {
	for _, s := range []string{
		`<publish node="n"><item id="a"><x xmlns="urn:x"/></item></publish><publish-options><x xmlns="jabber:x:data" type="submit"><field var="pubsub#max_items"><value>max</value></field></x></publish-options>`,
		`<create node="n"/><configure><x xmlns="jabber:x:data" type="submit"><field var="pubsub#access_model"><value>roster</value></field><field var="pubsub#persist_items"><value>0</value></field></x></configure>`,
		`<items node="n" max_items="3"><item id="a"/></items><set xmlns="http://jabber.org/protocol/rsm"><max>3</max><before/></set>`,
		`<publish node="n"><item><body xmlns="jabber:client"/></item></publish>`,
		`<x:publish xmlns:x="http://jabber.org/protocol/pubsub" node="&lt;"><x:item id="&quot;"><x:y/></x:item></x:publish>`,
	} {
		f.Add(s)
	}
	p := &Pep{items: item.New(nil, item.Options{})}
	refused := func(t *testing.T, err error) bool {
		if err == nil {
			return false
		}
		if _, ok := errors.AsType[*stanza.Error](err); !ok {
			t.Fatal(err)
		}
		return true
	}
	f.Fuzz(func(t *testing.T, inner string) {
		el, err := xmlstream.Parse(`<pubsub xmlns="`+ns+`">`+inner+`</pubsub>`, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		act, option, err := only(el.Root(), ns)
		if refused(t, err) {
			return
		}
		if !option.IsZero() {
			f, _ := formIn(option)
			c, err := p.apply(item.Default(), f, false)
			if !refused(t, err) {
				again, err := p.apply(item.Default(), echo(c), true)
				if err != nil || maxItems(again) != maxItems(c) || again.Access != c.Access || again.Persist != c.Persist {
					t.Fatalf("%+v reads as %+v: %v", c, again, err)
				}
			}
		}
		_, err = p.readItems(act, el.Root())
		refused(t, err)
		w, err := readPublish(act)
		if refused(t, err) || w.fits(item.Default()) != nil {
			return
		}
		raw := event(item.Change{Kind: item.Published, Node: item.Node{Name: w.node, Config: item.Default()}, Items: []item.Item{w.item}})
		n, err := xmlstream.ParseRaw(raw)
		if err != nil {
			t.Fatalf("%q is told as %q: %v", inner, raw, err)
		}
		e, _ := n.Child(nsEvent, "event")
		items, _ := e.Child(nsEvent, "items")
		it, ok := items.Child(nsEvent, "item")
		if !ok || items.Attr("node") != w.node || it.Attr("id") != w.item.ID {
			t.Fatalf("%q is told as %q", inner, raw)
		}
		for x := range it.Children() {
			if x.Name().Space != w.space {
				t.Fatalf("%q is told as %q", inner, raw)
			}
		}
	})
}

// What the service refuses has the conditions of XEP-0060.
func TestErrors(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		err  error
		want string
	}{
		{"payload too big", item.ErrPayload, "not-acceptable payload-too-big"},
		{"too many nodes", item.ErrNodes, "resource-constraint max-nodes-exceeded"},
		{"no room", item.ErrQuota, "resource-constraint "},
		{"too many subscriptions", item.ErrPeople, "policy-violation too-many-subscriptions"},
		{"no node", item.ErrNoNode, "item-not-found "},
		{"no item", item.ErrNoItem, "item-not-found "},
		{"name", item.ErrName, "not-acceptable "},
		{"configuration", item.ErrConfig, "not-acceptable "},
	} {
		e, ok := errors.AsType[*stanza.Error](public(c.err))
		if !ok {
			t.Fatal(c.name)
		}
		app := ""
		if e.App != "" {
			n, err := xmlstream.ParseRaw(e.App)
			if err != nil {
				t.Fatal(err)
			}
			for x := range n.Children() {
				app = x.Name().Local
			}
		}
		if got := e.Condition + " " + app; got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
	if other := errors.New("other"); public(other) != other {
		t.Error("what is ours is told")
	}
}

// echo fills a form with what is in it.
func echo(c item.Config) submitted {
	f := submitted{}
	for _, x := range fields(c) {
		f[x.Var] = x.Values
		if x.Values == nil {
			f[x.Var] = []string{x.Value}
		}
	}
	return f
}
