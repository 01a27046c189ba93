// SPDX-License-Identifier: Apache-2.0

package archive_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// cpu returns the processor time that this process has used so far.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// together runs acts in one transaction.
func together(b *testing.B, d *db.DB, acts []func(*db.Tx) error) {
	var wg sync.WaitGroup
	done := func(err error) {
		if err != nil {
			b.Error(err)
		}
		wg.Done()
	}
	full := make(chan struct{})
	wg.Add(1 + len(acts))
	d.Submit(func(*db.Tx) error { <-full; return nil }, done)
	for _, f := range acts {
		d.Submit(f, done)
	}
	close(full)
	wg.Wait()
}

// BenchmarkMessage measures what the store does for a message between two of 1,000 accounts: one act for the
// sender, with a row in transit, and one for the recipient that takes it, in batches of 32 and alone.
func BenchmarkMessage(b *testing.B) {
	const users = 1000
	text := raw(strings.Repeat("x", 680)) // 757 bytes
	for _, c := range []struct {
		name string
		size int
	}{{"batch of 32", 32}, {"alone", 1}} {
		b.Run(c.name, func(b *testing.B) {
			d := dbtest.Open(b, filepath.Join(b.TempDir(), "kith.db"), accounts, archive.Schema())
			a := archive.New(d, time.Now)
			var names []jid.JID
			for i := range users {
				j, err := jid.New("user"+string(rune('a'+i%26))+string(rune('a'+i/26%26))+string(rune('a'+i/676)), "kith.example", "")
				if err != nil {
					b.Fatal(err)
				}
				names = append(names, j)
			}
			if err := d.Write(b.Context(), func(tx *db.Tx) error {
				const q = `WITH RECURSIVE n (i) AS (SELECT 3 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
					INSERT INTO account (id, name) SELECT i, 'user' || i FROM n`
				if _, err := tx.Exec(q, users); err != nil {
					return err
				}
				for i := range users { // each knows ten others
					for n := range 10 {
						to := (i + 1 + n) % users
						if _, err := a.Append(tx, archive.Entry{Owner: int64(i) + 1, Peer: names[to], Raw: text}); err != nil {
							return err
						}
						if _, err := a.Append(tx, archive.Entry{Owner: int64(to) + 1, Peer: names[i], Raw: text}); err != nil {
							return err
						}
					}
				}
				return nil
			}); err != nil {
				b.Fatal(err)
			}
			pick := rand.New(rand.NewPCG(1, 2))
			sent := make([]archive.ID, c.size)
			var outbound, inbound []func(*db.Tx) error
			messages := 0
			before := cpu(b)
			for b.Loop() {
				outbound, inbound = outbound[:0], inbound[:0]
				for i := range c.size {
					from := pick.IntN(users)
					to := (from + 1 + pick.IntN(10)) % users
					outbound = append(outbound, func(tx *db.Tx) (err error) {
						e := archive.Entry{Owner: int64(from) + 1, Peer: names[to], Sent: true, Raw: text}
						if sent[i], err = a.Append(tx, e); err != nil {
							return err
						}
						return a.PutTransit(tx, e.Owner, sent[i], e.Peer)
					})
					inbound = append(inbound, func(tx *db.Tx) error {
						if _, err := a.Append(tx, archive.Entry{Owner: int64(to) + 1, Peer: names[from], Raw: text}); err != nil {
							return err
						}
						_, err := a.TakeTransit(tx, int64(from)+1, sent[i])
						return err
					})
				}
				if c.size == 1 {
					if err := d.Write(b.Context(), outbound[0]); err != nil {
						b.Fatal(err)
					}
					if err := d.Write(b.Context(), inbound[0]); err != nil {
						b.Fatal(err)
					}
				} else {
					together(b, d, outbound)
					together(b, d, inbound)
				}
				messages += c.size
			}
			b.ReportMetric(float64((cpu(b)-before).Nanoseconds())/1000/float64(messages), "cpu-µs/message")
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/1000/float64(messages), "µs/message")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkNothingWaits measures the look at an account for which nothing waits, with a long archive.
func BenchmarkNothingWaits(b *testing.B) {
	d := dbtest.New(b, accounts, archive.Schema())
	a := archive.New(d, time.Now)
	var last archive.ID
	err := d.Write(b.Context(), func(tx *db.Tx) (err error) {
		for range 20000 {
			if last, err = a.Append(tx, archive.Entry{Owner: juliet, Peer: romeos, Raw: raw("x")}); err != nil {
				return err
			}
		}
		return a.SaveTaken(tx, juliet, last)
	})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if list, err := a.Waiting(b.Context(), juliet, 0, 50); len(list) != 0 || err != nil {
			b.Fatal(len(list), err)
		}
	}
}
