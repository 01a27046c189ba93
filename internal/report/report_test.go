// SPDX-License-Identifier: Apache-2.0

package report

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

// world is a store with two people in it.
func world(t *testing.T, f func(s *Service, write func(func(*db.Tx) error))) {
	t.Helper()
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write := func(f func(*db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		for id, name := range map[int64]string{1: "juliet", 2: "romeo"} {
			write(func(tx *db.Tx) error {
				_, err := tx.Exec(`INSERT INTO account (id, name, role, disabled, created_at) VALUES ($1, $2, 'user', FALSE, 0)`, id, name)
				return err
			})
		}
		clock := time.Date(2026, 10, 1, 12, 0, 0, 0, time.UTC)
		f(New(d, Options{Now: func() time.Time { return clock }}), write)
	}, account.Schema(), Schema())
}

func TestReports(t *testing.T) {
	world(t, func(s *Service, write func(func(*db.Tx) error)) {
		at := s.now()
		spam := Report{Reporter: 1, Reported: jid.MustParse("tybalt@verona.example/sword"), Reason: "urn:xmpp:reporting:spam", Words: "He\nfights.",
			Origin: true, Messages: []Message{{By: "juliet@kith.example", ID: "a", Raw: "<message/>"}, {By: "x", ID: "b"}}}
		abuse := Report{Reporter: 2, Reported: jid.MustParse("verona.example"), Reason: "urn:xmpp:reporting:abuse", ThirdParty: true}
		write(func(tx *db.Tx) error { return errors.Join(s.Add(tx, spam, "spam"), s.Add(tx, abuse, "abuse")) })

		spam.ID, spam.Name, spam.At = at.UnixMicro(), "juliet", at
		abuse.ID, abuse.Name, abuse.At = at.UnixMicro()+1, "romeo", at
		same := cmp.Comparer(func(a, b jid.JID) bool { return a == b })
		expect := func(before int64, limit int, want ...Report) {
			t.Helper()
			got, err := s.List(t.Context(), before, limit)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got, same); diff != "" {
				t.Errorf("before %d (-want +got):\n%s", before, diff)
			}
		}
		expect(0, 10, abuse, spam)
		expect(0, 1, abuse)
		expect(abuse.ID, 10, spam)
		expect(spam.ID, 10)
		if s.Made().Of("spam").Value() != 1 || s.Made().Of("abuse").Value() != 1 {
			t.Error("they are not counted")
		}

		write(func(tx *db.Tx) error { return s.Remove(tx, spam.ID) })
		expect(0, 10, abuse)
		if err := s.db.Write(t.Context(), func(tx *db.Tx) error { return s.Remove(tx, spam.ID) }); !errors.Is(err, ErrUnknown) {
			t.Errorf("once more: %v", err)
		}
		write(func(tx *db.Tx) error { // a report goes with its reporter
			_, err := tx.Exec(`DELETE FROM account WHERE id = 2`)
			return err
		})
		expect(0, 10)
	})
}

// Of one account there are so many; those of others stay.
func TestBound(t *testing.T) {
	world(t, func(s *Service, write func(func(*db.Tx) error)) {
		add := func(reporter int64, who string) {
			write(func(tx *db.Tx) error {
				return s.Add(tx, Report{Reporter: reporter, Reported: jid.MustParse(who), Reason: "r"}, "other")
			})
		}
		add(2, "tybalt@verona.example")
		for i := range maxKept + 5 {
			add(1, fmt.Sprintf("p%d@verona.example", i))
		}
		list, err := s.List(t.Context(), 0, 1000)
		if err != nil || len(list) != maxKept+1 {
			t.Fatalf("%d are kept, %v", len(list), err)
		}
		if first, last := list[0].Reported.String(), list[maxKept].Reported.String(); first != "p204@verona.example" || last != "tybalt@verona.example" {
			t.Errorf("from %s to %s", first, last)
		}
		if oldest := list[maxKept-1].Reported.String(); oldest != "p5@verona.example" {
			t.Errorf("the oldest of many is %s", oldest)
		}
	})
}
