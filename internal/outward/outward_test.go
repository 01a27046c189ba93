// SPDX-License-Identifier: Apache-2.0

package outward

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"
	"time"
)

func TestPublic(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		address string
		want    bool
	}{
		{"9.9.9.9", true},
		{"2620:fe::fe", true},
		{"127.0.0.1", false},
		{"127.8.8.8", false},
		{"0.0.0.0", false},
		{"0.1.2.3", false},
		{"10.0.0.1", false},
		{"172.16.0.1", false},
		{"172.32.0.1", true},
		{"192.168.1.1", false},
		{"169.254.169.254", false},
		{"100.64.0.1", false},
		{"100.128.0.1", true},
		{"192.0.2.1", false},
		{"198.18.0.1", false},
		{"224.0.0.1", false},
		{"255.255.255.255", false},
		{"240.0.0.1", false},
		{"::", false},
		{"::1", false},
		{"fe80::1", false},
		{"fe80::1%eth0", false},
		{"fc00::1", false},
		{"fd12:3456::1", false},
		{"ff02::1", false},
		{"fec0::1", false},
		{"2001:db8::1", false},
		{"2001::1", false},
		{"::ffff:127.0.0.1", false},
		{"::ffff:9.9.9.9", true},
		{"::127.0.0.1", false},
		{"64:ff9b::7f00:1", false},
		{"64:ff9b::909:909", true},
		{"64:ff9b:1::909:909", false},
		{"64:ff9b::a9fe:a9fe", false},
		{"::ffff:0:7f00:1", false}, // as translators wrote IPv4, of old
		{"::ffff:0:909:909", false},
		{"1::1", false},
		{"4000::1", false},
		{"2000::5efe:7f00:1", true}, // no more than a number
		{"192.88.99.1", false},
		{"2002:7f00:1::1", false},
		{"2002:909:909::1", true},
	} {
		if got := Public(netip.MustParseAddr(c.address)); got != c.want {
			t.Errorf("Public(%s) = %v, want %v", c.address, got, c.want)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	d := New()
	for host, want := range map[string]bool{
		"push.example": true, "9.9.9.9": true, "localhost": false, "LOCALHOST.": false, "a.localhost": false,
		"printer.local": false, "db.internal": false, "127.0.0.1": false, "::1": false, "": false, "10.1.1.1": false,
	} {
		if got := d.Allows(host); got != want {
			t.Errorf("Allows(%q) = %v, want %v", host, got, want)
		}
	}
	if !Anywhere().Allows("localhost") || !Anywhere().Allows("127.0.0.1") {
		t.Error("a dialer for tests refuses the loopback")
	}
}

// The check is on the socket: a name is resolved first.
func TestDial(t *testing.T) {
	t.Parallel()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}))
	defer srv.Close()
	_, port, err := net.SplitHostPort(srv.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	for _, host := range []string{"127.0.0.1", "localhost", "::ffff:127.0.0.1"} {
		if c, err := New().DialContext(t.Context(), "tcp", net.JoinHostPort(host, port)); !errors.Is(err, ErrForbidden) {
			t.Errorf("%s: connected to %v, %v", host, c, err)
		}
	}
	if _, err := New().Client(time.Second).Get(srv.URL); !errors.Is(err, ErrForbidden) {
		t.Errorf("a client connected: %v", err)
	}
	res, err := Anywhere().Client(time.Second).Get(srv.URL)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusFound {
		t.Errorf("a redirect was followed, to %d", res.StatusCode)
	}
}

// The machine's own addresses are not dialled, though they may be anybody's on the Internet.
func TestOwn(t *testing.T) {
	t.Parallel()
	list, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range list {
		if n, ok := x.(*net.IPNet); ok {
			a, _ := netip.AddrFromSlice(n.IP)
			if !own(a.Unmap()) {
				t.Errorf("%v is not known as own", a)
			}
		}
	}
	if own(netip.MustParseAddr("9.9.9.9")) {
		t.Error("another's address is taken for our own")
	}
}
