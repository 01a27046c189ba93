// SPDX-License-Identifier: Apache-2.0

package removal

import (
	"context"
	"errors"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/contact"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/invite"
	"github.com/kith-im/kith/internal/keyfile"
	"github.com/kith-im/kith/internal/xmpp/jid"
)

func TestRemoval(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
		if err != nil {
			t.Fatal(err)
		}
		act := New(Options{
			DB:       d,
			Accounts: account.New(d, account.Options{Domain: "kith.example", Keys: keys, Iterations: 8}),
			Invites:  invite.New(d, invite.Options{Keys: keys}),
			Contacts: contact.New(d, contact.Options{}),
			Archive:  archive.New(d, time.Now),
			Domain:   "kith.example",
		})
		write := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		// in has the owner get a stanza, out has it send one.
		in := func(o contact.Owner, from jid.JID, types ...contact.Type) {
			t.Helper()
			for _, typ := range types {
				write(func(tx *db.Tx) error {
					_, err := act.Contacts.Inbound(tx, o, from, typ, "<presence/>")
					return err
				})
			}
		}
		out := func(o contact.Owner, to jid.JID, types ...contact.Type) {
			t.Helper()
			for _, typ := range types {
				write(func(tx *db.Tx) error {
					_, err := act.Contacts.Outbound(tx, o, to, typ)
					return err
				})
			}
		}
		create := func(name string, role account.Role) contact.Owner {
			t.Helper()
			p, err := act.Accounts.Password(name, "a good password")
			if err != nil {
				t.Fatal(err)
			}
			var a account.Account
			write(func(tx *db.Tx) (err error) {
				a, err = act.Accounts.Create(tx, name, p, role)
				return err
			})
			return contact.Owner{ID: a.ID, JID: jid.MustParse(name + "@kith.example")}
		}
		admin := create("nurse", account.Admin)
		juliet := create("juliet", account.User)
		romeo := create("romeo", account.User)
		paris := create("paris", account.User)
		tybalt := create("tybalt", account.User)
		rosaline := create("rosaline", account.User)
		away := jid.MustParse("mercutio@elsewhere.example")
		asker := jid.MustParse("friar@elsewhere.example")

		write(func(tx *db.Tx) error { return act.Contacts.MakeMutual(tx, juliet, romeo) })
		write(func(tx *db.Tx) error { return act.Contacts.MakeMutual(tx, juliet, tybalt) })
		out(paris, juliet.JID, contact.Subscribe) // Paris asks, and Juliet does not answer
		in(juliet, paris.JID, contact.Subscribe)
		write(func(tx *db.Tx) error { // Rosaline only has her in the list
			return act.Contacts.Set(tx, rosaline, contact.Item{Address: juliet.JID, Name: "Julie"})
		})
		out(juliet, away, contact.Subscribe)
		in(juliet, away, contact.Subscribed)
		in(juliet, asker, contact.Subscribe)
		var token invite.Token
		write(func(tx *db.Tx) (err error) {
			_, token, err = act.Invites.Create(tx, invite.Request{Kind: invite.Contact, Inviter: juliet.ID, InviterName: "juliet", Role: "user"})
			return err
		})
		var told []string
		act.Contacts.OnChange(func(c contact.Change) {
			told = append(told, c.Owner.JID.Local()+": "+c.Item.Address.Local()+" "+c.Item.State.String())
		})

		if _, err := act.Do(t.Context(), admin.ID); !errors.Is(err, account.ErrLastAdmin) {
			t.Errorf("the last admin: got %v, want %v", err, account.ErrLastAdmin)
		}
		if _, err := act.Do(t.Context(), 1); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("nobody: got %v, want %v", err, account.ErrUnknown)
		}
		res, err := act.Do(t.Context(), juliet.ID)
		if err != nil {
			t.Fatal(err)
		}
		if res.Account.Name != "juliet" || res.JID != juliet.JID {
			t.Errorf("removed %+v", res)
		}
		type notice struct {
			to  string
			typ contact.Type
		}
		flat := func(list []Notice) (out []notice) {
			for _, n := range list {
				out = append(out, notice{n.To.String(), n.Type})
			}
			return out
		}
		wantLocal := []notice{
			{"romeo@kith.example", contact.Unsubscribe}, {"romeo@kith.example", contact.Unsubscribed},
			{"paris@kith.example", contact.Unsubscribed},
			{"tybalt@kith.example", contact.Unsubscribe}, {"tybalt@kith.example", contact.Unsubscribed},
		}
		if diff := cmp.Diff(wantLocal, flat(res.Local), cmp.AllowUnexported(notice{})); diff != "" {
			t.Error("local:", diff)
		}
		wantRemote := []notice{{"friar@elsewhere.example", contact.Unsubscribed}, {"mercutio@elsewhere.example", contact.Unsubscribe}}
		if diff := cmp.Diff(wantRemote, flat(res.Remote), cmp.AllowUnexported(notice{})); diff != "" {
			t.Error("remote:", diff)
		}
		wantTold := []string{"romeo: juliet To", "romeo: juliet None", "paris: juliet None", "tybalt: juliet To", "tybalt: juliet None"}
		if diff := cmp.Diff(wantTold, told); diff != "" {
			t.Error(diff)
		}
		if _, err := act.Accounts.Lookup(t.Context(), "juliet"); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("after: got %v, want %v", err, account.ErrUnknown)
		}
		if _, err := act.Invites.Look(t.Context(), token); !errors.Is(err, invite.ErrRevoked) {
			t.Errorf("her invitation: got %v, want %v", err, invite.ErrRevoked)
		}
		if list, _, err := act.Contacts.List(t.Context(), juliet.ID); len(list) != 0 || err != nil {
			t.Errorf("her list: %v, %v", list, err)
		}
		i, err := act.Contacts.Get(t.Context(), rosaline.ID, juliet.JID)
		if err != nil || !i.Listed || i.Name != "Julie" {
			t.Errorf("who only had her in the list: %+v, %v", i, err)
		}
	}, account.Schema(), invite.Schema(), contact.Schema(), archive.Schema())
}

// A removed account is gone at once; what hangs on it goes in small acts, between which others write, and after a stop in
// the middle of it.
func TestLongArchive(t *testing.T) {
	t.Parallel()
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		keys, err := keyfile.Load(filepath.Join(t.TempDir(), "key"))
		if err != nil {
			t.Fatal(err)
		}
		left := 3 // rounds of what else there is
		clear := func(*db.Tx, int64) (int, error) {
			n := left
			left = max(0, left-1)
			return n, nil
		}
		act := New(Options{
			DB:       d,
			Accounts: account.New(d, account.Options{Domain: "kith.example", Keys: keys, Iterations: 8}),
			Invites:  invite.New(d, invite.Options{Keys: keys}),
			Contacts: contact.New(d, contact.Options{}),
			Archive:  archive.New(d, time.Now),
			Clear:    []func(*db.Tx, int64) (int, error){clear},
			Domain:   "kith.example",
		})
		write := func(f func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), f); err != nil {
				t.Fatal(err)
			}
		}
		create := func(name string) (id int64) {
			t.Helper()
			p, err := act.Accounts.Password(name, "a good password")
			if err != nil {
				t.Fatal(err)
			}
			write(func(tx *db.Tx) error {
				a, err := act.Accounts.Create(tx, name, p, account.User)
				id = a.ID
				return err
			})
			return id
		}
		juliet, romeo := create("juliet"), create("romeo")
		const entries = db.BatchRows + 1
		for _, owner := range []int64{juliet, romeo} {
			write(func(tx *db.Tx) error {
				for i := range entries {
					peer := jid.MustParse("peer" + strconv.Itoa(i) + "@kith.example")
					if _, err := act.Archive.Append(tx, archive.Entry{Owner: owner, Peer: peer, Raw: "<message/>"}); err != nil {
						return err
					}
				}
				return nil
			})
		}
		rows := func(table string, owner int64) (n int) {
			t.Helper()
			err := d.Read(t.Context(), func(tx *db.ReadTx) error {
				return tx.QueryRow(`SELECT COUNT(*) FROM `+table+` WHERE owner = $1`, owner).Scan(&n)
			})
			if err != nil {
				t.Fatal(err)
			}
			return n
		}
		if _, err := act.Do(t.Context(), juliet); err != nil {
			t.Fatal(err)
		}
		if n := rows("archive", juliet); n != entries {
			t.Errorf("the act that closes the account took %d of %d entries with it", entries-n, entries)
		}
		if _, err := act.Accounts.Lookup(t.Context(), "juliet"); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("after: got %v, want %v", err, account.ErrUnknown)
		}
		if _, err := act.Do(t.Context(), juliet); !errors.Is(err, account.ErrUnknown) {
			t.Errorf("once more: got %v, want %v", err, account.ErrUnknown)
		}
		if list, err := act.Accounts.List(t.Context(), "", 10); len(list) != 1 || list[0].ID != romeo || err != nil {
			t.Errorf("listed: %v, %v", list, err)
		}

		// A part is gone, and the program ends.
		var first int
		write(func(tx *db.Tx) (err error) {
			first, err = act.Archive.Clear(tx, juliet)
			return err
		})
		if first != db.BatchRows {
			t.Errorf("one act took %d rows, want %d", first, db.BatchRows)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- New(act.Options).Run(ctx) }() // as after a start
		for {
			_, err := act.Accounts.Deleted(t.Context())
			if errors.Is(err, account.ErrUnknown) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, table := range []string{"archive", "archive_peer"} {
			if n := rows(table, juliet); n != 0 {
				t.Errorf("%s has %d rows of who is gone", table, n)
			}
		}
		if n := rows("archive", romeo); n != entries {
			t.Errorf("somebody else has %d of %d entries left", n, entries)
		}
		write(func(tx *db.Tx) error {
			_, err := act.Accounts.Get(tx, romeo)
			return err
		})
		p, err := act.Accounts.Password("juliet", "a good password")
		if err != nil {
			t.Fatal(err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := act.Accounts.Create(tx, "juliet", p, account.User)
			return err
		})
		if !errors.Is(err, account.ErrTaken) {
			t.Errorf("the name: got %v, want %v", err, account.ErrTaken)
		}
		if left != 0 {
			t.Errorf("%d rounds are left", left)
		}
	}, account.Schema(), invite.Schema(), contact.Schema(), archive.Schema())
}
