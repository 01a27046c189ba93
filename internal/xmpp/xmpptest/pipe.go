// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"io"
	"net"
	"os"
	"sync"
	"time"
)

// Pipe returns the two ends of a connection in memory. Unlike net.Pipe it takes what is written without waiting for
// a reader, up to capacity bytes (0 means no limit), like a socket. Everything that waits in it is known to
// testing/synctest.
func Pipe(capacity int) (net.Conn, net.Conn) {
	a, b := newHalf(capacity), newHalf(capacity)
	return &pipeConn{in: a, out: b}, &pipeConn{in: b, out: a}
}

// A half is one direction of a pipe.
type half struct {
	capacity int

	mu     sync.Mutex // guards all below
	change sync.Cond
	data   []byte
	ended  bool // the writer will not write any more
	closed bool // the reader will not read any more
	read   deadline
	write  deadline
}

// A deadline wakes who waits when its time has come.
type deadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *deadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func newHalf(capacity int) *half {
	h := &half{capacity: capacity}
	h.change.L = &h.mu
	return h
}

func (h *half) set(d *deadline, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if !at.IsZero() {
		d.timer = time.AfterFunc(time.Until(at), func() {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.change.Broadcast()
		})
	}
	h.change.Broadcast()
}

func (h *half) shut(flag *bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*flag = true
	for _, d := range []*deadline{&h.read, &h.write} {
		if d.timer != nil && h.ended && h.closed {
			d.timer.Stop()
		}
	}
	h.change.Broadcast()
}

type pipeConn struct{ in, out *half }

func (c *pipeConn) Read(p []byte) (int, error) {
	h := c.in
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.closed:
			return 0, net.ErrClosed
		case h.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(h.data) > 0:
			n := copy(p, h.data)
			h.data = h.data[n:]
			h.change.Broadcast()
			return n, nil
		case h.ended:
			return 0, io.EOF
		}
		h.change.Wait()
	}
}

func (c *pipeConn) Write(p []byte) (n int, err error) {
	h := c.out
	h.mu.Lock()
	defer h.mu.Unlock()
	for {
		switch {
		case h.ended:
			return n, net.ErrClosed
		case h.closed:
			return n, io.ErrClosedPipe
		case h.write.passed():
			return n, os.ErrDeadlineExceeded
		}
		room := len(p)
		if h.capacity > 0 {
			room = min(room, h.capacity-len(h.data))
		}
		if room > 0 {
			h.data = append(h.data, p[:room]...)
			h.change.Broadcast()
			n, p = n+room, p[room:]
		}
		if len(p) == 0 {
			return n, nil
		}
		h.change.Wait()
	}
}

func (c *pipeConn) Close() error {
	c.in.shut(&c.in.closed)
	c.out.shut(&c.out.ended)
	return nil
}

// CloseWrite ends what the other end reads.
func (c *pipeConn) CloseWrite() error {
	c.out.shut(&c.out.ended)
	return nil
}

func (c *pipeConn) SetReadDeadline(t time.Time) error {
	c.in.set(&c.in.read, t)
	return nil
}

func (c *pipeConn) SetWriteDeadline(t time.Time) error {
	c.out.set(&c.out.write, t)
	return nil
}

func (c *pipeConn) SetDeadline(t time.Time) error {
	_ = c.SetReadDeadline(t) // neither fails
	return c.SetWriteDeadline(t)
}

// LocalAddr and RemoteAddr are those of a loopback socket.
func (c *pipeConn) LocalAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 5222} }
func (c *pipeConn) RemoteAddr() net.Addr {
	return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 40000}
}
