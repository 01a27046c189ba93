// SPDX-License-Identifier: Apache-2.0

package delay

import (
	"testing"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func message(children ...xmlstream.Raw) *stanza.Stanza {
	return stanza.New(stanza.Message, "chat", "", jid.JID{}, jid.JID{}, children...)
}

func TestNewAndOf(t *testing.T) {
	t.Parallel()
	from := jid.MustParse("kith.example")
	at := time.Date(2026, 3, 1, 12, 30, 0, 7_000_000, time.FixedZone("", 3600))
	raw := New(from, at, "Offline & stored")
	if want := xmlstream.Raw(`<delay xmlns="urn:xmpp:delay" from="kith.example" stamp="2026-03-01T11:30:00.007Z">Offline &amp; stored</delay>`); raw != want {
		t.Errorf("got %s, want %s", raw, want)
	}
	got, ok := Of(message("<body/>", raw))
	if want := (Delay{from, at.UTC(), "Offline & stored"}); !ok || got != want {
		t.Errorf("got %v, want %v", got, want)
	}
	if raw := New(jid.JID{}, time.Unix(0, 0), ""); raw != `<delay xmlns="urn:xmpp:delay" stamp="1970-01-01T00:00:00.000Z"/>` {
		t.Error(raw)
	}
}

func TestOf(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		in   xmlstream.Raw
		want string // the time, "" for none
	}{
		{"none", `<body/>`, ""},
		{"without fractions", `<delay xmlns="urn:xmpp:delay" stamp="2002-09-10T23:08:25Z"/>`, "2002-09-10T23:08:25Z"},
		{"with an offset", `<delay xmlns="urn:xmpp:delay" stamp="2002-09-10T23:08:25+01:00"/>`, "2002-09-10T22:08:25Z"},
		{"without a time", `<delay xmlns="urn:xmpp:delay" from="a@b"/>`, ""},
		{"from is no address", `<delay xmlns="urn:xmpp:delay" from="@" stamp="2002-09-10T23:08:25Z"/>`, ""},
		{"the first that can be read", `<delay xmlns="urn:xmpp:delay"/><delay xmlns="urn:xmpp:delay" stamp="2002-09-10T23:08:25Z"/>`, "2002-09-10T23:08:25Z"},
		{"the old namespace", `<delay xmlns="jabber:x:delay" stamp="20020910T23:08:25"/>`, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			got, ok := Of(message(c.in))
			if ok != (c.want != "") || ok && got.Time.Format(time.RFC3339) != c.want {
				t.Errorf("got %v, %v", got, ok)
			}
		})
	}
}
