// SPDX-License-Identifier: Apache-2.0

package outward

import (
	"net/netip"
	"strings"
)

// reserved are the networks that are nobody's on the Internet, beside those that netip knows by name.
func reserved() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"),
		netip.MustParsePrefix("100.64.0.0/10"),   // shared by customers of one provider
		netip.MustParsePrefix("192.0.0.0/24"),    // of protocols
		netip.MustParsePrefix("192.0.2.0/24"),    // examples
		netip.MustParsePrefix("192.88.99.0/24"),  // relays of 6to4, of old
		netip.MustParsePrefix("198.18.0.0/15"),   // measurements
		netip.MustParsePrefix("198.51.100.0/24"), // examples
		netip.MustParsePrefix("203.0.113.0/24"),  // examples
		netip.MustParsePrefix("240.0.0.0/4"),     // and broadcast
		netip.MustParsePrefix("2001::/23"),       // of protocols, Teredo among them
		netip.MustParsePrefix("2001:db8::/32"),   // examples
		netip.MustParsePrefix("3fff::/20"),       // examples
	}
}

// Public reports whether an address is one of the Internet's, where anybody could be.
func Public(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	if !a.IsValid() || !a.IsGlobalUnicast() || a.IsPrivate() { // the first excludes loopback, link-local and multicast
		return false
	}
	for _, p := range reserved() {
		if p.Contains(a) {
			return false
		}
	}
	if !a.Is6() {
		return true
	}
	if inner, ok := wrapped(a); ok {
		return Public(inner)
	}
	// All that was ever given to anybody is in here; other forms of IPv4 addresses are not, nor what is of one place only.
	return netip.MustParsePrefix("2000::/3").Contains(a)
}

// wrapped returns the IPv4 address that an IPv6 address leads to, where it is of a kind that does and may be on the
// Internet.
func wrapped(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case netip.MustParsePrefix("64:ff9b::/96").Contains(a): // NAT64
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case b[0] == 0x20 && b[1] == 0x02: // 6to4
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return netip.Addr{}, false
}

// localName reports whether a name can only be of this machine or of its neighbours.
func localName(host string) bool {
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	for _, suffix := range []string{"localhost", "local", "internal", "lan", "home.arpa"} {
		if host == suffix || strings.HasSuffix(host, "."+suffix) {
			return true
		}
	}
	return host == ""
}
