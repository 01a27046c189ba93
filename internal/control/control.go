// SPDX-License-Identifier: Apache-2.0

// Package control lets the commands of kith talk to the server that runs.
//
// The server listens on a Unix socket in its data folder. The socket is for the user that the server runs as and for
// root: its file has mode 0600, and the kernel is asked who is at the other end. What is said is JSON, one line each
// way: {"call":"user.add","in":{…}} is answered by {"out":{…}} or {"error":{"code":"taken","text":"…"}}. Calls of one
// connection are answered in their order, connections run beside each other.
//
// Server and Call know nothing of what the calls do. Admin is what the commands need of a server; HandleAdmin offers an
// Admin on the socket, Client is an Admin that asks the socket. So a command does not see whether a server runs or it has
// opened the data folder by itself.
package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

const (
	// maxRequest is the longest request that is read, in bytes.
	maxRequest = 1 << 20

	// patience is how long a connection may be silent between two requests, and how long it may take to accept an answer.
	patience = 30 * time.Second
)

// ErrNotRunning says that no server listens on the socket.
var ErrNotRunning = errors.New("control: no server is running")

// An Error is an answer that says no. It is written for the person at the terminal.
type Error struct {
	Code string `json:"code"` // one word, for programs: one of the Code constants
	Text string `json:"text"` // a sentence without a full stop
}

// Error returns the text.
func (e *Error) Error() string { return e.Text }

// Codes of errors that the package itself gives; Explain has those of the services.
const (
	CodeUnknownCall = "unknown-call" // the server has no such call: another version
	CodeBadRequest  = "bad-request"  // the request is not what the call takes
	CodeFailed      = "failed"       // anything else
)

// A Func answers one call. in is null if the call came without. What it returns is sent as JSON; a returned *Error is
// sent as it is, any other through Explain. It may run many times at once.
type Func func(ctx context.Context, in json.RawMessage) (out any, err error)

type request struct {
	Call string          `json:"call"`
	In   json.RawMessage `json:"in,omitempty"`
}

type response struct {
	Out   json.RawMessage `json:"out,omitempty"`
	Error *Error          `json:"error,omitempty"`
}

// A Server answers calls. Its calls are registered before Run.
type Server struct {
	listener *net.UnixListener
	dir      *os.File // open while the socket's path goes through it; nil if that is short enough
	log      *slog.Logger
	calls    map[string]Func
}

// Listen makes the socket at path. One that is left over there from a server that was killed is replaced: the caller
// holds the lock of the folder, so there is no other server. Connections wait until Run.
func Listen(path string, log *slog.Logger) (*Server, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("replace the control socket: %w", err)
	}
	address, dir, err := shorten(path)
	if err != nil {
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	// The mode is set before the socket has a name, so there is no moment in which others could connect.
	lc := net.ListenConfig{Control: restrict}
	l, err := lc.Listen(context.Background(), "unix", address)
	if err == nil {
		err = os.Chmod(path, 0o600) // where restrict has no effect
	}
	if err != nil {
		closeAll(l, dir)
		return nil, fmt.Errorf("make the control socket: %w", err)
	}
	return &Server{listener: l.(*net.UnixListener), dir: dir, log: log, calls: map[string]Func{}}, nil
}

// closeAll closes what there is; nobody waits for the results.
func closeAll(l net.Listener, dir *os.File) {
	if l != nil {
		l.Close()
	}
	if dir != nil {
		dir.Close()
	}
}

// Handle has f answer calls of that name. A second one for a name is a fault in the program, and panics.
func (s *Server) Handle(name string, f Func) {
	if s.calls[name] != nil {
		panic("control: two handlers for " + name)
	}
	s.calls[name] = f
}

// Run answers calls until ctx ends. Then the socket goes, calls that run are finished, with their context ended, and Run
// returns when all is quiet.
func (s *Server) Run(ctx context.Context) error {
	var open sync.WaitGroup // the connections; Run waits for them
	defer open.Wait()
	defer s.Close()                                                               // before that, so that nobody comes to wait
	stop := context.AfterFunc(ctx, func() { s.listener.SetDeadline(time.Now()) }) // an error means it is closed already
	defer stop()
	for {
		c, err := s.listener.AcceptUnix()
		if ctx.Err() != nil {
			if err == nil {
				c.Close()
			}
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept on the control socket: %w", err)
		}
		open.Go(func() { s.serve(ctx, c) })
	}
}

// Close removes the socket. Run does it by itself; Close is for a server whose Run was never called.
func (s *Server) Close() { closeAll(s.listener, s.dir) }

// serve answers the calls of one connection.
func (s *Server) serve(ctx context.Context, c *net.UnixConn) {
	defer c.Close()
	if uid, err := peer(c); err != nil || !trusted(uid) {
		s.log.WarnContext(ctx, "control: connection refused", "uid", uid, "err", err)
		return
	}
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Now()) }) // an error means it is closed already
	defer stop()

	lines := bufio.NewScanner(c)
	lines.Buffer(nil, maxRequest)
	for {
		if err := c.SetReadDeadline(time.Now().Add(patience)); err != nil || ctx.Err() != nil {
			return
		}
		if !lines.Scan() {
			if errors.Is(lines.Err(), bufio.ErrTooLong) {
				s.answer(c, response{Error: &Error{CodeBadRequest, "The request is too long"}})
			}
			return
		}
		if err := s.answer(c, s.call(ctx, lines.Bytes())); err != nil {
			return // the other side is gone
		}
	}
}

// call runs one request.
func (s *Server) call(ctx context.Context, line []byte) response {
	var r request
	if err := json.Unmarshal(line, &r); err != nil {
		return response{Error: &Error{CodeBadRequest, "This is not a request: " + err.Error()}}
	}
	f := s.calls[r.Call]
	if f == nil {
		return response{Error: &Error{CodeUnknownCall, fmt.Sprintf("The server that runs has no call %q; is it of another version?", r.Call)}}
	}
	s.log.DebugContext(ctx, "control: call", "call", r.Call)
	out, err := f(ctx, r.In)
	if err != nil {
		return response{Error: Explain(err)}
	}
	b, err := json.Marshal(out)
	if err != nil {
		return response{Error: Explain(fmt.Errorf("answer %s: %w", r.Call, err))}
	}
	return response{Out: b}
}

func (s *Server) answer(c *net.UnixConn, r response) error {
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	return json.NewEncoder(c).Encode(r)
}

// trusted reports whether the user uid may control this server.
func trusted(uid int) bool { return uid == 0 || uid == os.Geteuid() }

// Running reports whether a server listens on the socket at path.
func Running(ctx context.Context, path string) bool {
	c, err := dial(ctx, path)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// Call asks the server behind the socket at path: in is sent as JSON, and the answer is stored in out unless that is
// nil. It returns ErrNotRunning where no server listens, an *Error where the server says no.
func Call(ctx context.Context, path, name string, in, out any) error {
	c, err := dial(ctx, path)
	if err != nil {
		return err
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Now()) }) // an error means it is closed already
	defer stop()

	arg, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("call %s: %w", name, err)
	}
	if err := json.NewEncoder(c).Encode(request{Call: name, In: arg}); err != nil {
		return fmt.Errorf("call %s: %w", name, cause(ctx, err))
	}
	var r response
	if err := json.NewDecoder(c).Decode(&r); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the server closed the connection; are you the user it runs as?")
		}
		return fmt.Errorf("call %s: %w", name, cause(ctx, err))
	}
	if r.Error != nil {
		return r.Error
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(r.Out, out); err != nil {
		return fmt.Errorf("call %s: %w", name, err)
	}
	return nil
}

// cause prefers the end of the context to the error that it led to.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// dial connects to the socket at path.
func dial(ctx context.Context, path string) (net.Conn, error) {
	address, dir, err := shorten(path)
	if dir != nil {
		defer dir.Close()
	}
	var c net.Conn
	if err == nil {
		var d net.Dialer
		c, err = d.DialContext(ctx, "unix", address)
	}
	if isNobody(err) {
		return nil, ErrNotRunning
	}
	if err != nil {
		return nil, fmt.Errorf("reach the server that runs: %w", err)
	}
	return c, nil
}
