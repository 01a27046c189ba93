// SPDX-License-Identifier: Apache-2.0

package bosh

import (
	"errors"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// Whatever a body carries, the server finds as many elements in its stream as the client put into it, and neither the
// end of the stream nor anything else that is no element.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`<body xmlns='http://jabber.org/protocol/httpbind' rid='1'/>`,
		`<body xmlns='http://jabber.org/protocol/httpbind' rid='1' sid='x' pause='7' type='terminate'><presence/></body>`,
		`<body xmlns="http://jabber.org/protocol/httpbind" rid="1"><message to="a"><body xmlns="urn:b">x</body></message><iq xmlns="jabber:client"/></body>`,
		`<h:body xmlns:h="http://jabber.org/protocol/httpbind" rid="1" xmlns:x="urn:x"><h:iq/><x:a x:b="1"/><stream xmlns="http://etherx.jabber.org/streams"/></h:body>`,
		`<body xmlns="http://jabber.org/protocol/httpbind" rid="1" xmlns:x="urn:xmpp:xbosh" x:restart="1" xmlns:s="http://etherx.jabber.org/streams"><s:error/></body>`,
		`<body xmlns="http://jabber.org/protocol/httpbind" rid="1"><message xmlns="http://jabber.org/protocol/httpbind"/></body>`,
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		r, err := parse(doc, xmlstream.AfterAuth)
		if err != nil {
			return
		}
		if r.rid == 0 || r.rid > maxRID || r.pause < 0 {
			t.Errorf("rid %d, pause %v", r.rid, r.pause)
		}
		want := 0
		for range r.root.Children() {
			want++
		}
		if r.restart {
			want = 0
		}
		p := xmlstream.NewParser(serverLimits())
		p.Feed([]byte(`<s:stream xmlns="jabber:client" xmlns:s="` + xmlstream.NSStreams + `">` + r.payload))
		if tok, err := p.Next(); err != nil || tok.Kind != xmlstream.Open {
			t.Fatalf("the header: %v", err)
		}
		for i := range want {
			tok, err := p.Next()
			if err != nil || tok.Kind != xmlstream.Child {
				t.Fatalf("element %d of %q: %v", i, r.payload, err)
			}
			if ns := tok.Element.Root().Name().Space; ns == nsBody {
				t.Errorf("%q is in our own namespace", tok.Element.Root().Raw())
			}
		}
		if tok, err := p.Next(); !errors.Is(err, xmlstream.ErrMore) || p.Buffered() > 0 {
			t.Errorf("behind the last element of %q comes %v, %v", r.payload, tok.Kind, err)
		}
	})
}
