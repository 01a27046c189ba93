// SPDX-License-Identifier: Apache-2.0

package chaos

import (
	"context"
	"net"
	"sync"
)

// A direction is one of a link's two.
type direction int

const (
	up   direction = iota // to the server
	down                  // to the client
)

// A fault is what becomes of a link.
type fault int

const (
	cut   fault = iota // both connections are closed
	reset              // the same, in a way that also drops what is on its way
	stall              // nothing passes any more, and nobody is told
)

// A link is the way between a client and the server, by way of this process: bytes go through it until they do not.
type link struct {
	near, far *net.TCPConn // to the client, and to the server

	stalled  chan struct{} // closed when the first direction stalls
	released chan struct{} // closed when both go on
	gone     chan struct{} // closed when the link is cut

	mu     sync.Mutex
	left   [2]int // bytes until the fault; -1: as many as there are
	faults [2]fault
	pipes  int // directions that have not ended
	hung   bool
	freed  bool
	over   bool
}

// links makes links.
type links struct {
	mu       sync.Mutex // so that who dials is who is accepted
	listener net.Listener
}

func newLinks() (*links, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	return &links{listener: l}, err
}

// dial connects to the server at address. The link ends when both of its ends are closed, or by cut.
func (s *links) dial(ctx context.Context, address string) (net.Conn, *link, error) {
	far, err := new(net.Dialer).DialContext(ctx, "tcp", address)
	if err != nil {
		return nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	client, err := new(net.Dialer).DialContext(ctx, "tcp", s.listener.Addr().String())
	if err != nil {
		_ = far.Close() // of no use
		return nil, nil, err
	}
	near, err := s.listener.Accept()
	if err != nil {
		_, _ = far.Close(), client.Close() // of no use
		return nil, nil, err
	}
	l := &link{near: near.(*net.TCPConn), far: far.(*net.TCPConn), left: [2]int{-1, -1}, pipes: 2,
		stalled: make(chan struct{}), released: make(chan struct{}), gone: make(chan struct{})}
	_ = l.far.SetReadBuffer(4 << 10) // so that a stall is soon felt by the server; it works without, too
	go l.pump(up, l.far, l.near)     // ends with the link
	go l.pump(down, l.near, l.far)   // the same
	return client, l, nil
}

// arm lets n more bytes pass in a direction. Where the next one is due, f happens.
func (l *link) arm(d direction, n int, f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.left[d], l.faults[d] = n, f
}

// pump carries bytes in one direction.
func (l *link) pump(d direction, to, from *net.TCPConn) {
	buf := make([]byte, 4<<10)
	for {
		n, err := from.Read(buf)
		if !l.pass(d, to, buf[:n]) {
			return
		}
		if err != nil {
			_ = to.CloseWrite() // it may be closed
			l.ended()
			return
		}
	}
}

// pass writes what is due of b, and reports whether the direction goes on.
func (l *link) pass(d direction, to *net.TCPConn, b []byte) bool {
	for len(b) > 0 {
		l.mu.Lock()
		n, f := len(b), l.faults[d]
		if l.left[d] >= 0 {
			n = min(n, l.left[d])
			l.left[d] -= n
		}
		l.mu.Unlock()
		_, _ = to.Write(b[:n]) // if it cannot be written, its other side sees to that
		if b = b[n:]; len(b) == 0 {
			return true
		}
		if f != stall {
			l.cut(f)
			return false
		}
		if !l.hang() {
			return false
		}
	}
	return true
}

// hang waits while the link is stalled, and reports whether it goes on.
func (l *link) hang() bool {
	l.mu.Lock()
	if !l.hung {
		l.hung = true
		close(l.stalled)
	}
	l.mu.Unlock()
	select {
	case <-l.released:
		return true
	case <-l.gone:
		return false
	}
}

// release lets a link that has stalled go on: what was on its way arrives late.
func (l *link) release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.freed {
		l.freed = true
		l.left = [2]int{-1, -1}
		close(l.released)
	}
}

// cut ends the link; f is cut or reset.
func (l *link) cut(f fault) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.over {
		return
	}
	l.over = true
	close(l.gone)
	for _, c := range []*net.TCPConn{l.near, l.far} {
		if f == reset {
			_ = c.SetLinger(0) // else it is a cut
		}
		_ = c.Close() // it may be closed
	}
}

// ended notes that a direction has ended.
func (l *link) ended() {
	l.mu.Lock()
	l.pipes--
	last := l.pipes == 0
	l.mu.Unlock()
	if last {
		l.cut(cut)
	}
}
