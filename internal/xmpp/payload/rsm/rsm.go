// SPDX-License-Identifier: Apache-2.0

// Package rsm reads which page of a long result is wanted, and writes which one is given (XEP-0059 v1.0).
//
// A result is an ordered set of items with an id each, unique and opaque. What the ids are, and whether one that is
// asked for exists, is the business of who has the items.
package rsm

import (
	"strconv"
	"strings"

	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// NS is the namespace of the element <set/>, and the feature of those who understand it (XEP-0059 §4).
const NS = "http://jabber.org/protocol/rsm"

// A Request says which page is wanted.
type Request struct {
	Max    int    // items at most; -1: it does not say, 0: only their number is wanted (XEP-0059 §2.7)
	After  string // the page follows this item; "": from the first one on
	Before string // the page precedes this item; "" with Last: the page is the last one (XEP-0059 §2.5)
	Last   bool   // paging backwards: Before counts, or the end
	Index  int    // the page begins with the item at this place, from 0 on; -1: it does not say (XEP-0059 §2.6)
}

// All is what is wanted where nothing is said.
func All() Request { return Request{Max: -1, Index: -1} }

// Of reads the element <set/> in n, which is All where there is none. Numbers that are none, or less than 0, are
// stanza.BadRequest. Of several elements of a name the first counts.
func Of(n xmlstream.Node) (Request, error) {
	r := All()
	set, ok := n.Child(NS, "set")
	if !ok {
		return r, nil
	}
	for _, f := range []struct {
		name string
		to   *int
	}{{"max", &r.Max}, {"index", &r.Index}} {
		el, ok := set.Child(NS, f.name)
		if !ok {
			continue
		}
		v, err := number(el.Text())
		if err != nil {
			return All(), stanza.BadRequest.WithText("<" + f.name + "/> is no number")
		}
		*f.to = v
	}
	if el, ok := set.Child(NS, "after"); ok {
		r.After = el.Text()
	}
	if el, ok := set.Child(NS, "before"); ok {
		r.Before, r.Last = el.Text(), true
	}
	return r, nil
}

// number reads a number from 0 on; what is more than anybody has is much.
func number(s string) (int, error) {
	const much = 1<<31 - 1 // XEP-0059 §8: xs:int
	s = strings.Trim(s, " \t\r\n")
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, err
	}
	return int(min(v, much)), nil
}

// A Page says which page is given. The zero Page is that of an empty result.
type Page struct {
	First, Last string // ids of the first and the last item; "" in an empty page
	Index       int    // the place of the first item in the whole result; -1: not known
	Count       int    // items in the whole result; -1: not known
}

// Write writes the element <set/> to b.
func (p Page) Write(b *xmlstream.Builder) {
	b.Start(NS, "set")
	if p.First != "" { // XEP-0059 §2.2: an empty page has neither
		b.Start(NS, "first")
		if p.Index >= 0 {
			b.Attr("index", strconv.Itoa(p.Index))
		}
		b.Text(p.First).End()
		b.Start(NS, "last").Text(p.Last).End()
	}
	if p.Count >= 0 {
		b.Start(NS, "count").Text(strconv.Itoa(p.Count)).End()
	}
	b.End()
}
