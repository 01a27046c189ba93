// SPDX-License-Identifier: Apache-2.0

package db

import (
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// cpu returns the processor time that this process has used so far.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkAct measures one row of 750 bytes by act: each with a commit of its own, and 32 that share one.
func BenchmarkAct(b *testing.B) {
	text := strings.Repeat("x", 750)
	for _, c := range []struct {
		name string
		size int
	}{{"alone", 1}, {"batch of 32", 32}} {
		b.Run(c.name, func(b *testing.B) {
			d := newTest(b)
			id := 0 // the writer's
			act := func(tx *Tx) error {
				id++
				_, err := tx.Exec("INSERT INTO note (id, text) VALUES ($1, $2)", id, text)
				return err
			}
			var wg sync.WaitGroup
			done := func(err error) {
				if err != nil {
					b.Error(err)
				}
				wg.Done()
			}
			before, acts := cpu(b), 0
			for b.Loop() {
				wg.Add(c.size)
				if c.size == 1 {
					d.Submit(act, done)
				} else {
					// The first one holds the writer until the others wait, so that they share a commit.
					full := make(chan struct{})
					wg.Add(1)
					d.Submit(func(*Tx) error { <-full; return nil }, done)
					for range c.size {
						d.Submit(act, done)
					}
					close(full)
				}
				wg.Wait()
				acts += c.size
			}
			b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(acts), "cpu-µs/act")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(acts), "µs/act")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRead measures a snapshot with one query.
func BenchmarkRead(b *testing.B) {
	d := newTest(b)
	if err := d.Write(b.Context(), insert(1)); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		err := d.Read(b.Context(), func(tx *ReadTx) error {
			var text string
			return tx.QueryRow("SELECT text FROM note WHERE id = $1", 1).Scan(&text)
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpen measures what a test pays for a database of its own.
func BenchmarkOpen(b *testing.B) {
	for b.Loop() {
		d := newTest(b)
		if err := d.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
