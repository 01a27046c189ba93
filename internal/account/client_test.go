// SPDX-License-Identifier: Apache-2.0

package account

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/kith-im/kith/internal/db"
)

func TestNetwork(t *testing.T) {
	t.Parallel()
	for a, want := range map[string]string{
		"192.0.2.14":          "192.0.2.0/24",
		"::ffff:192.0.2.14":   "192.0.2.0/24",
		"2001:db8:1:2:3::4":   "2001:db8:1::/48",
		"fe80::1%eth0":        "fe80::/48",
		"2001:db8:ffff:ff::1": "2001:db8:ffff::/48",
	} {
		if got := network(netip.MustParseAddr(a)); got != want {
			t.Errorf("%s is kept as %q, want %q", a, got, want)
		}
	}
	if got := network(netip.Addr{}); got != "" {
		t.Errorf("no address is kept as %q", got)
	}
}

func TestClientKey(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ id, resource, want string }{
		{"i", "r", "id:i"}, {"i", "", "id:i"}, {"", "r", "at:r"}, {"", "id:i", "at:id:i"},
	} {
		k := KeyOf(c.id, c.resource)
		if string(k) != c.want || k.ID() != c.id {
			t.Errorf("%q at %q is %q with the id %q", c.id, c.resource, k, k.ID())
		}
	}
}

// TestVisits holds what is known of clients, before it is stored and after.
func TestVisits(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		s.keepAddresses = true
		began := s.clock.UTC().Truncate(time.Microsecond)
		visit := func(k ClientKey, software, from string, password bool) {
			v := Visit{Key: k, Client: Client{Software: software}, Password: password, At: s.clock}
			if from != "" {
				v.Address = netip.MustParseAddr(from)
			}
			s.Visited(a, v)
		}
		expect := func(when string, want ...Seen) {
			t.Helper()
			for _, saved := range []bool{false, true} {
				got, err := s.Clients(t.Context(), a.ID)
				if err != nil {
					t.Fatal(err)
				}
				if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(Seen{}, "Ref"), cmpopts.IgnoreUnexported(Seen{}), cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s, saved %v (-want +got):\n%s", when, saved, diff)
				}
				if err := s.SaveClients(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		expect("nobody")
		visit("id:phone", "Conv\nersations", "192.0.2.14", true)
		phone := Seen{Key: "id:phone", Software: "Conv ersations", Address: "192.0.2.0/24", Password: true, FirstSeen: began, LastSeen: began}
		expect("one", phone)

		s.clock = s.clock.Add(time.Hour)
		later := s.clock.UTC().Truncate(time.Microsecond)
		visit("id:phone", "", "2001:db8::1", false)
		visit("at:desk", "", "", false)
		phone.LastSeen, phone.Address = later, "2001:db8::/48"
		desk := Seen{Key: "at:desk", FirstSeen: later, LastSeen: later}
		expect("two", desk, phone)

		// A token makes a client known by itself.
		s.write(func(tx *db.Tx) error {
			_, err := s.NewToken(tx, a.ID, Client{ID: "phone"}, "HT-SHA-256-NONE")
			if err == nil {
				_, err = s.NewToken(tx, a.ID, Client{ID: "web", Device: "Laptop"}, "HT-SHA-256-NONE")
			}
			return err
		})
		phone.Token = true
		web := Seen{Key: "id:web", Device: "Laptop", Token: true, FirstSeen: later, LastSeen: later}
		expect("tokens", desk, phone, web)

		s.write(func(tx *db.Tx) error { return s.ForgetClient(tx, a.ID, "id:web") })
		visit("at:desk", "", "", false)
		s.write(func(tx *db.Tx) error { return s.ForgetClient(tx, a.ID, "at:desk") })
		expect("two are signed out", phone)

		list, err := s.Clients(t.Context(), a.ID)
		if err != nil || len(list[0].Ref) != 12 || list[0].Ref != s.ClientRef(a.ID, "id:phone") || list[0].Ref == s.ClientRef(a.ID+1, "id:phone") {
			t.Errorf("it is called %q, %v", list[0].Ref, err)
		}

		// Another password: nobody has shown it, and who logged in by the one before is not noted afterwards.
		visit("id:slow", "", "", true)
		p, err := s.Password("juliet", "quite another word")
		if err != nil {
			t.Fatal(err)
		}
		s.write(func(tx *db.Tx) error { return s.SetPassword(tx, a.ID, p) })
		expect("another password")
		visit("id:slow", "", "", true) // a is what it was
		if err := s.SaveClients(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect("a log-in by the password before")
	})
}

// TestClientBounds holds that an account has no more clients than can be looked through, and that they are forgotten.
func TestClientBounds(t *testing.T) {
	each(t, func(t *testing.T, s *server) {
		a := s.create("juliet", User)
		for i := range maxClients + 20 {
			s.clock = s.clock.Add(time.Minute)
			s.Visited(a, Visit{Key: ClientKey(fmt.Sprintf("at:%03d", i)), Password: true, At: s.clock})
		}
		s.Visited(a, Visit{Key: ClientKey("at:" + strings.Repeat("x", maxClientKey)), At: s.clock})
		if err := s.SaveClients(t.Context()); err != nil {
			t.Fatal(err)
		}
		list, err := s.Clients(t.Context(), a.ID)
		if err != nil || len(list) != maxClients || list[0].Key != "at:119" || list[len(list)-1].Key != "at:020" {
			t.Fatalf("%d clients, %v", len(list), err)
		}
		s.clientsFor = time.Hour
		s.clock = s.clock.Add(30 * time.Minute)
		if err := s.expireClients(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err = s.Clients(t.Context(), a.ID); err != nil || len(list) != 31 {
			t.Errorf("after an hour %d are known, %v", len(list), err)
		}
		s.clientsFor, s.clock = 0, s.clock.Add(1000*time.Hour)
		if err := s.expireClients(t.Context()); err != nil {
			t.Fatal(err)
		}
		if list, err = s.Clients(t.Context(), a.ID); err != nil || len(list) != 31 {
			t.Errorf("for ever means that %d are known, %v", len(list), err)
		}
	})
}
