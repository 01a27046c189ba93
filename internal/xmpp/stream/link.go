// SPDX-License-Identifier: Apache-2.0

package stream

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

const (
	patience = time.Minute      // how long a peer may take nothing of what is written
	glance   = 15 * time.Second // how often that is looked at
	maxRest  = 1 << 20          // bytes that may wait to be written
)

// errBacklog says that a peer has us write, and does not take it.
var errBacklog = errors.New("stream: the peer takes nothing")

// errBlocked is what reading returns that would have to wait. crypto/tls keeps no error that calls itself temporary, so
// that reading goes on later.
var errBlocked error = blockedError{}

type blockedError struct{}

func (blockedError) Error() string   { return "stream: nothing to read yet" }
func (blockedError) Timeout() bool   { return false }
func (blockedError) Temporary() bool { return true }

// A link is the connection below a stream, and below its TLS, which must neither wait nor be interrupted: an element
// of crypto/tls that met a deadline while it wrote is broken for good, and one that waits to read has a buffer to read
// into.
//
// So Read does not wait where the system can be asked, and await does, without a buffer. Write only keeps what it is
// given, and flush writes it. Where conn is no socket, Read waits as conn does, and await returns at once.
//
// Read and await are the reader's. flush is called by one goroutine at a time. The rest may be called by anyone.
type link struct {
	conn  net.Conn
	sock  syscall.RawConn // nil: conn is no socket
	ready func(fd uintptr) bool

	drained bool // Read took all there was; it is not asked again before await
	asked   bool // await has looked
	shaking bool // a handshake is in progress: Read waits, and flushes before that
	shakes  Shakes

	mu      sync.Mutex // held for moments; guards the rest
	rest    *[]byte    // what is to be written, from the pool; nil if nothing is
	writing bool       // flush is in conn.Write
	control bool       // it writes what the writer knows nothing of: until does not count
	look    time.Time  // when flush wakes up to see whether there was progress
	until   time.Time  // after which flush does not wait; zero: never
	last    time.Time  // the same, in place of until, once the stream is being closed
}

func newLink(c net.Conn) *link {
	l := &link{conn: c}
	_ = c.SetWriteDeadline(time.Time{}) // it is flush's from now on; a connection that fails here fails when it is used
	switch c := c.(type) {              // and nothing that embeds them: it may read otherwise
	case *net.TCPConn:
		l.open(c)
	case *net.UnixConn:
		l.open(c)
	}
	return l
}

func (l *link) open(c syscall.Conn) {
	if !canAsk {
		return
	}
	if raw, err := c.SyscallConn(); err == nil { // else it is closed, and says so
		l.sock = raw
		l.ready = l.arrived
	}
}

// Read reads what is there; errBlocked says that nothing is, and that await comes next.
func (l *link) Read(p []byte) (int, error) {
	if l.shaking {
		l.shakes.leave()
		defer l.shakes.enter()
		if err := l.flush(false); err != nil { // what the peer is to answer must be on its way
			return 0, err
		}
	}
	if l.sock == nil || l.shaking {
		return l.conn.Read(p)
	}
	if l.drained {
		return 0, errBlocked
	}
	a := attempts.Get().(*attempt)
	n, err := a.run(l.sock.Read, a.receive, p)
	attempts.Put(a)
	// A socket that gives less than there is room for has no more (epoll(7)); await sees what comes after.
	l.drained = err == errBlocked || err == nil && n > 0 && n < len(p)
	return n, err
}

// await waits until Read has something: bytes, the end, or an error. Its own errors are timeouts, and those of a
// connection that was closed.
func (l *link) await() error {
	if l.sock == nil {
		return nil
	}
	l.drained, l.asked = false, false
	return l.sock.Read(l.ready)
}

// arrived is for await: what came since Read was blocked must be seen, what comes later wakes it.
func (l *link) arrived(fd uintptr) bool {
	if l.asked {
		return true
	}
	l.asked = true
	return readable(fd)
}

// Write keeps p for flush.
func (l *link) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rest == nil {
		l.rest = getBuffer()
	}
	if len(*l.rest)+len(p) > maxRest {
		return 0, errBacklog
	}
	*l.rest = append(*l.rest, p...)
	return len(p), nil
}

// owes is how much there is to flush, in bytes.
func (l *link) owes() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.rest == nil {
		return 0
	}
	return len(*l.rest)
}

// flush writes what is kept, and waits for a peer that is slow. It gives up on one that takes nothing for a minute, and
// at the instant that writeBy has, unless control says that the writer knows nothing of this: with a timeout.
func (l *link) flush(control bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.rest != nil {
		b := l.rest
		l.rest = nil
		err := l.drain(*b, control)
		putBuffer(b)
		if err != nil {
			return err
		}
	}
	return nil
}

// drain writes b. mu is held, but not while it waits.
func (l *link) drain(b []byte, control bool) error {
	n, err := 0, error(nil)
	if l.sock != nil {
		l.mu.Unlock()
		a := attempts.Get().(*attempt)
		n, err = a.run(l.sock.Write, a.send, b)
		attempts.Put(a)
		l.mu.Lock()
		if b = b[n:]; err != nil && err != errBlocked {
			return err
		}
	}
	if len(b) == 0 {
		return nil
	}
	l.writing, l.control = true, control
	defer func() {
		l.writing = false
		_ = l.conn.SetWriteDeadline(time.Time{}) // a connection that fails here fails elsewhere
	}()
	for moved := time.Now(); ; {
		l.look = time.Now().Add(glance)
		if err := l.conn.SetWriteDeadline(l.due()); err != nil {
			return err
		}
		l.mu.Unlock()
		n, err := l.conn.Write(b)
		l.mu.Lock()
		if b = b[n:]; err == nil {
			return nil
		}
		now := time.Now()
		if n > 0 {
			moved = now
		}
		if e, ok := errors.AsType[net.Error](err); !ok || !e.Timeout() || now.Before(l.look) || now.Sub(moved) >= patience {
			return err
		}
	}
}

// due is until when a write waits. mu is held.
func (l *link) due() time.Time {
	end := l.last
	if end.IsZero() && !l.control {
		end = l.until
	}
	if end.IsZero() || l.look.Before(end) {
		return l.look
	}
	return end
}

// writeBy sets the instant after which flush does not wait; the zero Time is never.
func (l *link) writeBy(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.until = t
	l.hasten()
}

// closeBy sets the instant after which nothing is waited for any more, whoever writes.
func (l *link) closeBy(t time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.last.IsZero() || t.Before(l.last) {
		l.last = t
		l.hasten()
	}
}

// hasten tells a write that waits. mu is held.
func (l *link) hasten() {
	if l.writing {
		_ = l.conn.SetWriteDeadline(l.due()) // a connection that fails here fails in its write as well
	}
}

// The rest of net.Conn is for crypto/tls, which sets deadlines only where it would have to wait.

func (l *link) Close() error                     { return l.conn.Close() }
func (l *link) LocalAddr() net.Addr              { return l.conn.LocalAddr() }
func (l *link) RemoteAddr() net.Addr             { return l.conn.RemoteAddr() }
func (l *link) SetDeadline(time.Time) error      { return nil }
func (l *link) SetReadDeadline(time.Time) error  { return nil }
func (l *link) SetWriteDeadline(time.Time) error { return nil }

// An attempt is one call of the system that does not wait.
type attempt struct {
	p             []byte
	n             int
	err           error
	receive, send func(fd uintptr) bool // made once, and not for each call
}

// attempts holds those that nobody makes. It is a package variable as buffers is.
var attempts = sync.Pool{New: func() any {
	a := new(attempt)
	a.receive = func(fd uintptr) bool {
		a.n, a.err = receive(fd, a.p)
		return true
	}
	a.send = func(fd uintptr) bool {
		a.n, a.err = send(fd, a.p)
		return true
	}
	return a
}}

// run has do, a method of a syscall.RawConn, call try with p.
func (a *attempt) run(do func(func(uintptr) bool) error, try func(uintptr) bool, p []byte) (int, error) {
	a.p, a.n, a.err = p, 0, nil
	if err := do(try); err != nil {
		a.n, a.err = 0, err
	}
	a.p = nil
	return a.n, a.err
}
