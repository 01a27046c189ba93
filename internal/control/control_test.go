// SPDX-License-Identifier: Apache-2.0

package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/account"
)

// start runs a server on a socket of its own until the test ends.
func start(t *testing.T, register func(*Server)) (path string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "control.sock")
	s, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	register(s)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- s.Run(ctx) }() // the cleanup waits for it
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the socket is left behind: %v", err)
		}
	})
	return path
}

func TestCall(t *testing.T) {
	t.Parallel()
	path := start(t, func(s *Server) {
		s.Handle("double", ask(func(_ context.Context, n int) (int, error) { return 2 * n, nil }))
		s.Handle("fail", act(func(_ context.Context, code string) error { return &Error{code, "It went wrong"} }))
		s.Handle("odd", func(context.Context, json.RawMessage) (any, error) { return make(chan int), nil })
		s.Handle("service", act(func(context.Context, struct{}) error { return fmt.Errorf("add user: %w", account.ErrTaken) }))
	})
	ctx := t.Context()

	var got int
	if err := Call(ctx, path, "double", 21, &got); err != nil || got != 42 {
		t.Errorf("double: %d, %v", got, err)
	}
	tests := []struct {
		name, call string
		in         any
		code       string
	}{
		{"its own code", "fail", "teapot", "teapot"},
		{"an error of a service", "service", struct{}{}, "taken"},
		{"a call that is not there", "triple", 1, CodeUnknownCall},
		{"an argument of another kind", "double", "two", CodeBadRequest},
		{"an answer that is no JSON", "odd", nil, CodeFailed},
	}
	for _, tt := range tests {
		err := Call(ctx, path, tt.call, tt.in, nil)
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != tt.code {
			t.Errorf("%s: error %v, want the code %s", tt.name, err, tt.code)
		}
	}
}

// Requests of one connection are answered one after the other, and what is no request does not end it.
func TestConnection(t *testing.T) {
	t.Parallel()
	path := start(t, func(s *Server) {
		s.Handle("echo", func(_ context.Context, in json.RawMessage) (any, error) { return in, nil })
	})
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "{\"call\":\"echo\",\"in\":1}\nnonsense\n{\"call\":\"echo\",\"in\":\"two\"}\n%s\n", strings.Repeat("x", maxRequest+1))
	answers := bufio.NewScanner(c)
	for _, want := range []string{`{"out":1}`, `{"error":{"code":"bad-request"`, `{"out":"two"}`, `{"error":{"code":"bad-request","text":"The request is too long"}}`} {
		if !answers.Scan() || !strings.HasPrefix(answers.Text(), want) {
			t.Fatalf("answer %q, want %s", answers.Text(), want)
		}
	}
	if answers.Scan() {
		t.Errorf("an answer after the connection's end: %q", answers.Text())
	}
}

// A call that runs when the server stops is finished; one that waits between requests does not hold it up.
func TestStop(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "control.sock")
	s, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	begun := make(chan struct{})
	s.Handle("wait", func(ctx context.Context, _ json.RawMessage) (any, error) {
		close(begun)
		<-ctx.Done()
		return "finished", nil
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }() // received below

	idle, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer idle.Close()
	answered := make(chan error, 1)
	var got string
	go func() { answered <- Call(context.Background(), path, "wait", nil, &got) }() // received below
	<-begun
	cancel()
	if err := <-answered; err != nil || got != "finished" {
		t.Errorf("the call that ran: %q, %v", got, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	ctx, path := t.Context(), filepath.Join(t.TempDir(), "control.sock")
	if err := Call(ctx, path, "x", nil, nil); !errors.Is(err, ErrNotRunning) || Running(ctx, path) {
		t.Errorf("without a socket: %v", err)
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close() // as a server that was killed leaves it
	if err := Call(ctx, path, "x", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("with a socket left over: %v", err)
	}
	s, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !Running(ctx, path) {
		t.Error("the new server is not seen")
	}
}

// A folder may lie so deep that its socket's path does not fit into an address.
func TestLongPath(t *testing.T) {
	t.Parallel()
	deep := filepath.Join(t.TempDir(), strings.Repeat("d", 60), strings.Repeat("e", 60))
	if err := os.MkdirAll(deep, 0o700); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(deep, "control.sock")
	s, err := Listen(path, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if !Running(t.Context(), path) {
		t.Error("the server is not reached")
	}
	if err := Call(t.Context(), filepath.Join(deep, "none.sock"), "x", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Errorf("beside it: %v", err)
	}
	s.Close()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

func TestOnlyTheOwnerMayConnect(t *testing.T) {
	t.Parallel()
	path := start(t, func(*Server) {})
	info, err := os.Lstat(path)
	if err != nil {
		t.Fatal(err)
	}
	if m := info.Mode().Perm(); m != 0o600 {
		t.Errorf("the socket's mode is %o", m)
	}
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if uid, err := peer(c.(*net.UnixConn)); err != nil || uid != os.Geteuid() {
		t.Errorf("the kernel says user %d, %v", uid, err)
	}
	for uid, want := range map[int]bool{0: true, os.Geteuid(): true, os.Geteuid() + 1: false, -1: false} {
		if got := trusted(uid); got != want {
			t.Errorf("user %d is trusted: %t", uid, got)
		}
	}
}

func TestHandleTwicePanics(t *testing.T) {
	t.Parallel()
	defer func() {
		if recover() == nil {
			t.Error("two handlers for one call were taken")
		}
	}()
	s := &Server{calls: map[string]Func{}}
	s.Handle("x", act(func(context.Context, int) error { return nil }))
	s.Handle("x", act(func(context.Context, int) error { return nil }))
}
