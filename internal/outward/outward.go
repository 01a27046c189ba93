// SPDX-License-Identifier: Apache-2.0

// Package outward dials addresses that users or peers choose, so that nobody makes the server knock where only the server
// can: at itself, at the machines beside it, at the network that it stands in.
//
// An address is looked at on the socket, after the name was resolved and just before the connection is made: a name that
// answers one thing now and another a moment later gains nothing. Refused are loopback, private and shared networks,
// link-local and multicast addresses, what is reserved, what only wraps one of these (IPv4 in IPv6, NAT64, 6to4, Teredo),
// and the machine's own addresses, whatever they are.
//
// A Dialer may be used by many goroutines.
package outward

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"syscall"
	"time"
)

// ErrForbidden says that an address is not one to dial.
var ErrForbidden = errors.New("outward: address not allowed")

const (
	dialTimeout      = 5 * time.Second
	handshakeTimeout = 5 * time.Second
	idleTimeout      = 90 * time.Second
	maxIdle          = 64
	maxHeader        = 16 << 10 // bytes of an answer's header
)

// A Dialer makes connections to addresses that others chose.
type Dialer struct {
	allow func(netip.Addr) bool
}

// New returns a dialer that refuses what the package says.
func New() *Dialer { return &Dialer{allow: func(a netip.Addr) bool { return Public(a) && !own(a) }} }

// Anywhere returns a dialer that refuses nothing: for tests, and for development on one machine.
func Anywhere() *Dialer { return &Dialer{allow: func(netip.Addr) bool { return true }} }

// Allows reports whether a host, a name or an address, may be dialled as far as that can be told without resolving it. It
// is for a quick answer to who names it; Dial looks again.
func (d *Dialer) Allows(host string) bool {
	a, err := netip.ParseAddr(host)
	if err != nil {
		a = netip.IPv4Unspecified() // a name for this machine is one of a kind; others have to be resolved
		if !localName(host) {
			return true
		}
	}
	return d.allow(a.Unmap())
}

// DialContext connects to an address of the form host:port, over TCP. The error wraps ErrForbidden where the host's
// address is not to be dialled.
func (d *Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	nd := net.Dialer{Timeout: dialTimeout, ControlContext: d.control}
	return nd.DialContext(ctx, network, address)
}

// control looks at the address that a socket is about to be connected to.
func (d *Dialer) control(_ context.Context, network, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil || network != "tcp4" && network != "tcp6" || !d.allow(to.Addr().Unmap().WithZone("")) {
		return fmt.Errorf("%w: %s", ErrForbidden, network)
	}
	return nil
}

// Client returns an HTTP client that dials through d. It follows no redirect, so that what was looked at is what is asked,
// uses no proxy, and gives up after timeout, the answer's body included.
func (d *Dialer) Client(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout:       timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{
			DialContext:            d.DialContext,
			ForceAttemptHTTP2:      true,
			TLSHandshakeTimeout:    handshakeTimeout,
			IdleConnTimeout:        idleTimeout,
			MaxIdleConns:           maxIdle,
			MaxResponseHeaderBytes: maxHeader,
			DisableCompression:     true,
		},
	}
}

// own reports whether an address is one of this machine's. Where they cannot be read, none is.
func own(a netip.Addr) bool {
	list, err := net.InterfaceAddrs()
	if err != nil {
		return false
	}
	for _, x := range list {
		if n, ok := x.(*net.IPNet); ok {
			if mine, ok := netip.AddrFromSlice(n.IP); ok && mine.Unmap() == a {
				return true
			}
		}
	}
	return false
}
