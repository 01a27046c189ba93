// SPDX-License-Identifier: Apache-2.0

package xmpptest_test

import (
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

func TestPipe(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		a, b := xmpptest.Pipe(10)
		start := time.Now()

		_ = b.SetReadDeadline(start.Add(time.Second))
		if _, err := b.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		_ = b.SetReadDeadline(time.Time{})

		// Ten bytes fit, the rest waits for the reader.
		_ = a.SetDeadline(time.Now().Add(time.Second))
		if n, err := a.Write(make([]byte, 15)); n != 10 || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("got %d %v", n, err)
		}
		_ = a.SetDeadline(time.Time{})
		go func() {
			_, _ = io.WriteString(a, strings.Repeat("x", 100))
			_ = a.Close()
		}()
		if got, err := io.ReadAll(b); len(got) != 110 || err != nil {
			t.Errorf("got %d bytes, %v", len(got), err)
		}
		if _, err := a.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := a.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
			t.Errorf("got %v", err)
		}
		if _, err := b.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("got %v", err)
		}
	})
}
