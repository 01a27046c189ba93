// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"fmt"
	"log/slog"
	"syscall"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/feature/mam"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// counter is the stream of a device that takes everything, and counts what it took.
type counter struct{ came func(n int) }

func (c *counter) Write(xmlstream.Raw) error { return nil }
func (c *counter) WriteStanzas(list []*stanza.Stanza, _ ...xmlstream.Raw) error {
	c.came(len(list))
	return nil
}
func (c *counter) SetWriteDeadline(time.Time) error { return nil }
func (c *counter) Cut()                             {}

// BenchmarkMessage is the way of a message from the session that read it to the one that writes it, recorded for both
// sides: one after the other, and as many as the streams' credit lets through, between 16 pairs of accounts.
func BenchmarkMessage(b *testing.B) {
	for _, c := range []struct {
		name  string
		pairs int
		ahead int // messages of a pair on their way
	}{{"alone", 1, 1}, {"flood", 16, 20}} {
		b.Run(c.name, func(b *testing.B) { benchmarkMessage(b, c.pairs, c.ahead) })
	}
}

func benchmarkMessage(b *testing.B, pairs, ahead int) {
	d, err := db.Open(b.Context(), db.Options{Path: b.TempDir() + "/kith.db"})
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	if err := d.Migrate(b.Context(), account.Schema(), archive.Schema()); err != nil {
		b.Fatal(err)
	}
	keys, err := keyfile.Load(b.TempDir() + "/key")
	if err != nil {
		b.Fatal(err)
	}
	accounts := account.New(d, account.Options{Domain: routertest.Domain, Keys: keys, Iterations: 1})
	store := archive.New(d, time.Now)
	r := router.New(router.Options{Domain: jid.MustParse(routertest.Domain), Log: slog.New(slog.DiscardHandler), DB: d, Store: store, Accounts: accounts})
	mam.Install(r, store, nil) // nobody has a policy that asks for contacts
	bind := func(name string, came func(int)) (*session.Session, *router.Binding) {
		p, err := accounts.Password(name, "correct horse battery")
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := accounts.Create(tx, name, p, account.User); return err }); err != nil {
			b.Fatal(err)
		}
		s := session.New(name, jid.MustParse(name+"@"+routertest.Domain+"/a"), "", &counter{came}, session.ClientCredit(), func(*session.Kick) {})
		binding, err := r.Bind(b.Context(), s, "")
		if err != nil {
			b.Fatal(err)
		}
		s.Start()
		return s, binding
	}
	type pair struct {
		from *session.Session
		way  *router.Binding
		st   *stanza.Stanza
		room chan struct{}
	}
	var all []*pair
	for i := range pairs {
		p := &pair{room: make(chan struct{}, ahead)}
		var to *session.Session
		p.from, p.way = bind(fmt.Sprint("from", i), func(int) {})
		to, _ = bind(fmt.Sprint("to", i), func(n int) {
			for range n {
				<-p.room
			}
		})
		p.st = stanza.New(stanza.Message, "chat", "1", p.from.JID, to.JID,
			xmlstream.TextElem("", "body", "Good night, good night! Parting is such sweet sorrow, that I shall say good night till it be morrow."),
			`<active xmlns="http://jabber.org/protocol/chatstates"/><request xmlns="urn:xmpp:receipts"/>`)
		all = append(all, p)
	}
	b.ReportAllocs()
	before, begin := cpu(b), d.Counters().Committed.Value()
	n := 0
	for b.Loop() {
		p := all[n%pairs]
		n++
		p.room <- struct{}{}
		p.way.Enter(p.st, p.from.Accept(p.st.Size()))
	}
	for _, p := range all {
		for range ahead {
			p.room <- struct{}{}
		}
	}
	b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(n), "cpu-µs/op")
	b.ReportMetric(float64(d.Counters().Committed.Value()-begin)/float64(n), "acts/op")
	if err := r.Close(context.Background()); err != nil {
		b.Error(err)
	}
}

// cpu returns the processor time that this process has used so far.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
