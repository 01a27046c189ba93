// SPDX-License-Identifier: Apache-2.0

package httpd

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"testing"
)

// A peer is a connection from an address that remembers whether it was closed.
type peer struct {
	net.Conn
	from   string
	closed bool
}

func (p *peer) RemoteAddr() net.Addr { return net.TCPAddrFromAddrPort(netip.MustParseAddrPort(p.from)) }
func (p *peer) Close() error         { p.closed = true; return nil }

func TestConns(t *testing.T) {
	t.Parallel()
	const a, b, local = "192.0.2.1:1", "192.0.2.2:1", "127.0.0.1:1"
	for _, c := range []struct {
		name  string
		steps string // NAME=ADDRESS opens; NAME+ begins a request, NAME- ends one, NAME! is taken over, NAME. closes
		want  string // those that were closed by us, in the order of their names
	}{
		{"few", "1=a 2=a 3=b", ""},
		{"the oldest of an address gives way", "1=a 2=a 3=b 4=a", "1"},
		{"who has made a request is younger", "1=a 2=a 1+ 1- 3=a", "2"},
		{"who is at work stays", "1=a 2=a 1+ 3=a", "2"},
		{"all of an address are at work", "1=a 2=a 1+ 2+ 3=a", "3"},
		{"this machine is not bounded by address", "1=local 2=local 3=local", ""},
		{"the oldest of all gives way", "1=local 2=local 3=local 4=local 5=local", "1"},
		{"all are at work", "1=local 2=local 3=local 4=local 1+ 2+ 3+ 4+ 5=a", "5"},
		{"who closed does not count", "1=a 2=a 1. 3=a", ""},
		{"nor who was taken over", "1=a 2=a 1+ 1! 3=a", ""},
		{"what we closed says so later", "1=a 2=a 3=a 1. 4=a", "1 2"},
		{"a refused one says so later", "1=a 2=a 1+ 2+ 3=a 3. 4=a", "3 4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var count Counters
			s := newConns(func(a netip.Addr) bool { return a.IsLoopback() }, &count)
			s.total, s.address = 4, 2
			peers := map[string]*peer{}
			var names []string
			for step := range strings.FieldsSeq(c.steps) {
				if name, from, ok := strings.Cut(step, "="); ok {
					p := &peer{from: map[string]string{"a": a, "b": b, "local": local}[from]}
					peers[name], names = p, append(names, name)
					s.changed(p, http.StateNew)
					continue
				}
				s.changed(peers[step[:1]], map[byte]http.ConnState{
					'+': http.StateActive, '-': http.StateIdle, '!': http.StateHijacked, '.': http.StateClosed,
				}[step[1]])
			}
			var got []string
			for _, n := range names {
				if peers[n].closed {
					got = append(got, n)
				}
			}
			if got := strings.Join(got, " "); got != c.want {
				t.Errorf("closed %q, want %q", got, c.want)
			}
			if n := count.Dropped.Of("address").Value() + count.Dropped.Of("total").Value(); int(n) != len(got) {
				t.Errorf("counted %d, want %d", n, len(got))
			}
			for _, n := range names {
				s.changed(peers[n], http.StateClosed)
			}
			if len(s.open)+len(s.groups)+s.idle.Len() > 0 {
				t.Errorf("left over: %d connections, %d addresses, %d idle", len(s.open), len(s.groups), s.idle.Len())
			}
		})
	}
}
