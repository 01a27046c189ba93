// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/archive"
	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/xmpp/payload/delay"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
)

func numbers(from, to int) (list []string) {
	for i := from; i < to; i++ {
		list = append(list, fmt.Sprint(i))
	}
	return list
}

func say(d *routertest.Device, to string, from, until int) {
	for i := from; i < until; i++ {
		d.Sendf(`<message to="%s" type="chat" id="%d"><body>%d</body></message>`, to, i, i)
	}
}

// managed binds a device with stream management, which becomes available: it has taken what it acknowledges.
func managed(w *routertest.World, full string) *routertest.Device {
	d := w.Bind(full)
	d.Manage()
	d.Sendf(`<presence/>`)
	return d
}

func wantBodies(w *routertest.World, d *routertest.Device, want []string) {
	w.T.Helper()
	var got []string
	for _, st := range d.Take() {
		if b, ok := st.Child("jabber:client", "body"); ok {
			got = append(got, b.Text())
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		w.T.Errorf("%v got (-want +got):\n%s", d.JID, diff)
	}
}

// TestAway holds that who was away gets everything in order, once, with its id and the time at which it came, and what
// comes meanwhile behind it.
func TestAway(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := w.Bind("romeo/desk")
		say(romeo, "juliet@", 0, 250)
		w.Settle()

		juliet := w.Bind("juliet/a")
		juliet.Sendf(`<presence/>`)
		say(romeo, "juliet@", 250, 400)
		w.Settle()
		var got []string
		seen := map[string]bool{}
		for _, st := range juliet.Take() {
			if st.Kind != stanza.Message {
				continue
			}
			b, _ := st.Child("jabber:client", "body")
			got = append(got, b.Text())
			id, ok := st.Child("urn:xmpp:sid:0", "stanza-id")
			if !ok || seen[id.Attr("id")] {
				w.T.Errorf("%s has no id of its own", st.Raw())
			}
			seen[id.Attr("id")] = true
			if _, late := delay.Of(st); len(got) <= 250 && !late {
				w.T.Errorf("%s does not say when it came", st.Raw())
			}
		}
		if d := cmp.Diff(numbers(0, 400), got); d != "" {
			w.T.Errorf("got (-want +got):\n%s", d)
		}
		if n := len(waiting(w, "juliet")); n != 0 {
			w.T.Errorf("%d still wait", n)
		}

		juliet.Leave()
		w.Settle()
		again := w.Come("juliet/b", 0)
		wantBodies(w, again, nil)
		noTransit(w)
	})
}

// TestSlowDrain holds that while a device with stream management fetches what waited, page by page, another one gets
// what is new at once, and the first gets it in its place.
func TestSlowDrain(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := w.Bind("romeo/desk")
		say(romeo, "juliet@", 0, 150)
		w.Settle()
		slow := managed(w, "juliet/slow")
		w.Settle()
		first := slow.Take() // its own presence, and a page
		if len(first) != 101 {
			w.T.Fatalf("got %d stanzas before the first acknowledgement", len(first))
		}
		fast := w.Come("juliet/fast", 0)
		say(romeo, "juliet@", 150, 160)
		w.Settle()
		wantBodies(w, fast, numbers(150, 160))
		slow.Ack(uint32(len(first) + len(presences(slow.Take()))))
		w.Settle()
		wantBodies(w, slow, numbers(100, 160))
	})
}

// TestCopiesInTheirPlace holds that a device which fetches what waited gets copies in the archive's order, too: a client
// whose connection breaks meanwhile asks the archive for what is behind the newest that it has.
func TestCopiesInTheirPlace(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := w.Bind("romeo/desk")
		say(romeo, "juliet@", 0, 150)
		w.Settle()
		slow := w.Bind("juliet/slow")
		slow.Resumable()
		slow.Sendf(`<iq type="set" id="c"><enable xmlns="urn:xmpp:carbons:2"/></iq>`)
		w.Settle()
		slow.Sendf(`<presence/>`)
		w.Settle()
		first := slow.Take() // the answer, its own presence, and a page
		fast := w.Come("juliet/fast", 0)
		say(fast, "romeo@", 150, 151)
		w.Settle()
		say(romeo, "juliet@", 151, 152)
		w.Settle()
		say(romeo, fast.JID.String(), 152, 153)
		w.Settle()
		say(fast, "juliet@", 153, 154)
		w.Settle()
		say(romeo, "juliet@", 154, 155)
		w.Settle()
		var got []string
		take := func(list []*stanza.Stanza) (n uint32) {
			for _, st := range list {
				if text := bodyOf(st); text != "" {
					got = append(got, text)
				}
			}
			return uint32(len(list))
		}
		h := take(first)
		for range 3 {
			h += take(slow.Take())
			slow.Ack(h)
			w.Settle()
		}
		take(slow.Take())
		if want := numbers(0, 155); !slices.Equal(got, want) {
			w.T.Errorf("got %v, want %v", got, want)
		}
	})
}

func presences(list []*stanza.Stanza) (p []*stanza.Stanza) {
	for _, st := range list {
		if st.Kind == stanza.Presence {
			p = append(p, st)
		}
	}
	return p
}

// TestLost holds what becomes of messages that a device was sent and never took.
func TestLost(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		gone := managed(w, "juliet/gone")
		w.Settle()
		n := uint32(len(gone.Take()))
		say(romeo, "juliet@", 0, 10)
		w.Settle()
		gone.Take()
		gone.Ack(n + 4) // 0 to 3
		gone.Leave()
		w.Settle()
		if n := len(waiting(w, "juliet")); n != 6 {
			w.T.Errorf("%d wait, want 6", n)
		}
		back := w.Bind("juliet/back")
		back.Sendf(`<presence/>`)
		w.Settle()
		wantBodies(w, back, numbers(4, 10))
	})
}

// TestLostWithAnother holds that a message which another device took does not come again.
func TestLostWithAnother(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		gone := managed(w, "juliet/gone")
		stays := w.Come("juliet/stays", 0)
		say(romeo, "juliet@", 0, 10)
		w.Settle()
		wantBodies(w, stays, numbers(0, 10))
		gone.Leave()
		w.Settle()
		wantBodies(w, stays, nil)
		if n := len(waiting(w, "juliet")); n != 0 {
			w.T.Errorf("%d wait", n)
		}
	})
}

// TestLostToFull holds that what was sent to one device goes to the others where that one never took it: recorded
// messages by waiting, others as if it had not been there.
func TestLostToFull(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Bind("romeo/desk")
		gone := managed(w, "juliet/gone")
		stays := w.Come("juliet/stays", 0)
		romeo.Sendf(`<message to="juliet@/gone" type="chat"><body>kept</body></message>`)
		romeo.Sendf(`<message to="juliet@/gone" type="chat"><body>light</body><no-store xmlns="urn:xmpp:hints"/></message>`)
		w.Settle()
		wantBodies(w, stays, nil)
		gone.Leave()
		w.Settle()
		got := map[string]int{}
		for _, b := range bodies(stays) {
			got[b]++
		}
		if d := cmp.Diff(map[string]int{"kept": 1, "light": 1}, got); d != "" {
			w.T.Errorf("(-want +got):\n%s", d)
		}
	})
}

func bodies(d *routertest.Device) (list []string) {
	for _, st := range d.Take() {
		if b, ok := st.Child("jabber:client", "body"); ok {
			list = append(list, b.Text())
		}
	}
	return list
}

// TestCrash holds that a message that was recorded for its sender goes on after a crash, and that what its recipient
// had not said to have taken comes again, under the same id.
func TestCrash(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		romeo := w.Bind("romeo/desk")
		juliet := managed(w, "juliet/a")
		say(romeo, "juliet@", 0, 3)
		synctest.Wait()
		ids := map[string]string{}
		for _, st := range juliet.Take() {
			if id, ok := st.Child("urn:xmpp:sid:0", "stanza-id"); ok {
				ids[st.ID] = id.Attr("id")
			}
		}
		// Between the two acts of one more message the server dies.
		owner := w.Account("romeo")
		left := w.Parse(`<message from="romeo@kith.example/desk" to="juliet@kith.example" type="chat" id="3"><body>3</body></message>`)
		err := w.DB.Write(t.Context(), func(tx *db.Tx) error {
			id, err := w.Archive.Append(tx, archive.Entry{Owner: owner, Peer: left.To, Sent: true, Raw: left.Raw()})
			if err != nil {
				return err
			}
			return w.Archive.PutTransit(tx, owner, id, left.To)
		})
		if err != nil {
			t.Fatal(err)
		}
		w.Crash()

		w = routertest.Open(t, path, 1)
		synctest.Wait()
		juliet = w.Bind("juliet/a")
		juliet.Sendf(`<presence/>`)
		synctest.Wait()
		var got []string
		for _, st := range juliet.Take() {
			id, ok := st.Child("urn:xmpp:sid:0", "stanza-id")
			if !ok {
				continue
			}
			got = append(got, st.ID)
			if was := ids[st.ID]; was != "" && was != id.Attr("id") {
				t.Errorf("message %s had the id %s and has %s", st.ID, was, id.Attr("id"))
			}
		}
		if d := cmp.Diff(numbers(0, 4), got); d != "" {
			t.Errorf("got (-want +got):\n%s", d)
		}
		if n := len(entries(w, "juliet")); n != 4 {
			t.Errorf("%d records, want 4", n)
		}
		noTransit(w)
		w.Close()

		w = routertest.Open(t, path, 1)
		again := w.Come("juliet/a", 0)
		wantBodies(w, again, nil)
		w.Close()
	})
}

// TestFetchedByAnother holds that what is on its way to one device is not sent to the next as well, unless the first
// never takes it.
func TestFetchedByAnother(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Account("juliet")
		romeo := w.Bind("romeo/desk")
		say(romeo, "juliet@", 0, 5)
		w.Settle()
		first := managed(w, "juliet/first")
		w.Settle()
		wantBodies(w, first, numbers(0, 5))
		second := w.Bind("juliet/second")
		second.Sendf(`<presence/>`)
		w.Settle()
		wantBodies(w, second, nil)
		first.Leave() // without having acknowledged anything
		w.Settle()
		wantBodies(w, second, numbers(0, 5))
	})
}

// TestWaitsForOneDevice holds that what waits while one device catches up, and is for that by its full address, does not go
// to another because the first has fallen asleep meanwhile.
func TestWaitsForOneDevice(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		romeo := w.Come("romeo/desk", 0)
		w.Account("juliet")
		for i := range 150 {
			romeo.Sendf(`<message to="juliet@" type="chat"><body>%d</body></message>`, i)
		}
		w.Settle()
		garden := w.Come("juliet/garden", -1)
		balcony := w.Bind("juliet/balcony")
		balcony.Resumable()
		balcony.Sendf(`<presence/>`)
		w.Settle()
		romeo.Sendf(`<message to="juliet@/balcony" type="chat"><body>for the balcony</body></message>`)
		w.Settle()
		n := uint32(len(balcony.Take()))
		balcony.Sleep()
		garden.Take()
		garden.Sendf(`<presence/>`) // takes, from now on
		w.Settle()
		got := texts(garden)
		check(t, "the garden got what the balcony had not been sent", len(got), 50)
		check(t, "and nothing else", got[len(got)-1], "149")
		if !balcony.Resume(n) {
			t.Fatal("not resumed")
		}
		w.Settle()
		check(t, "the balcony", texts(balcony), []string{"for the balcony"})
	})
}

// texts are the bodies of what a device has got since the last call.
func texts(d *routertest.Device) (list []string) {
	for _, st := range d.Take() {
		if b := bodyOf(st); b != "" {
			list = append(list, b)
		}
	}
	return list
}
