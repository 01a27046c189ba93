// SPDX-License-Identifier: Apache-2.0

package mam_test

import (
	"fmt"
	"log/slog"
	"strings"
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

// reader is a stream that writes stanzas to nowhere, and says when an answer is among them.
type reader struct {
	nowhere
	buf    []byte
	size   int
	answer chan *stanza.Stanza
}

func (r *reader) WriteStanzas(list []*stanza.Stanza, _ ...xmlstream.Raw) error {
	for _, st := range list {
		r.buf = st.Append(r.buf[:0], false)
		r.size += len(r.buf)
		if st.Kind == stanza.IQ {
			r.answer <- st
		}
	}
	return nil
}

// BenchmarkPage is the way of a query for 50 of 20,000 messages, from the session that read it to the one that writes the
// results.
func BenchmarkPage(b *testing.B) {
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
	mam.Install(r, store, nil)
	p, err := accounts.Password("romeo", "correct horse battery")
	if err != nil {
		b.Fatal(err)
	}
	const size = 20000
	ids := make([]archive.ID, size)
	full, peer := jid.MustParse("romeo@kith.example/a"), jid.MustParse("juliet@kith.example/balcony")
	body := xmlstream.Raw("<body>" + strings.Repeat("x", 500) + "</body>")
	var owner account.Account
	if err := d.Write(b.Context(), func(tx *db.Tx) (err error) { owner, err = accounts.Create(tx, "romeo", p, account.User); return err }); err != nil {
		b.Fatal(err)
	}
	for begin := 0; begin < size; begin += 500 {
		err := d.Write(b.Context(), func(tx *db.Tx) (err error) {
			for i := begin; i < begin+500 && err == nil; i++ {
				raw := stanza.New(stanza.Message, "chat", fmt.Sprint("m", i), peer, full.Bare(), body).Raw()
				ids[i], err = store.Append(tx, archive.Entry{Owner: owner.ID, Peer: peer, Raw: raw})
			}
			return err
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	to := &reader{answer: make(chan *stanza.Stanza, 1)}
	s := session.New("s", full, "", to, session.ClientCredit(), func(*session.Kick) {})
	binding, err := r.Bind(b.Context(), s, "")
	if err != nil {
		b.Fatal(err)
	}
	s.Start()
	before, i := cpu(b), 0
	for b.Loop() {
		inside := set("<max>50</max><after>" + ids[i*7919%(size-100)].String() + "</after>")
		st := stanza.New(stanza.IQ, stanza.TypeSet, "q", full, jid.JID{}, xmlstream.Raw(`<query xmlns="urn:xmpp:mam:2" queryid="f27">`+inside+`</query>`))
		binding.Enter(st, s.Accept(st.Size()))
		if answer := <-to.answer; answer.Type != stanza.TypeResult {
			b.Fatal(answer.Raw())
		}
		i++
	}
	b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(i), "cpu-µs/page")
	b.ReportMetric(float64(to.size)/float64(i)/1000, "kB/page")
	binding.Leave(s.End())
	if err := r.Close(b.Context()); err != nil {
		b.Fatal(err)
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
