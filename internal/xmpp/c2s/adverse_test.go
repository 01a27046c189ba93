// SPDX-License-Identifier: Apache-2.0

package c2s

import (
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/stream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// Who resumes while the server stops is not told that the session is gone: it is there after the restart.
func TestResumeDuringShutdown(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		juliet := w.resumable("juliet", "balcony", "")
		release := w.blocked()
		juliet.MustSend(t, chat("romeo", 1))
		synctest.Wait()
		c := w.authenticated("juliet")
		c.Adopt(juliet)
		c.MustSend(t, c.ResumeRequest())
		synctest.Wait()
		stopped := make(chan struct{})
		go func() {
			w.stop()
			close(stopped)
		}()
		synctest.Wait()
		release()
		w.ends(c, "system-shutdown")
		<-stopped
		w.restart(time.Second)
		juliet = w.resume(juliet, 2)
		juliet.MustExpectNothing(t)
	})
}

// A session that ends while the server is away is seen to leave by others that sleep on.
func TestEndedDuringRestart(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		var friends []*xmpptest.Client
		for _, name := range []string{"romeo", "nurse", "tybalt", "paris"} {
			w.Friends("juliet", name)
		}
		juliet := w.resumable("juliet", "balcony", `max="60"`)
		time.Sleep(time.Second)
		for _, name := range []string{"romeo", "nurse", "tybalt", "paris"} {
			c := w.resumable(name, "orchard", "")
			w.await(c, `<presence from="`+juliet.JID.String()+`"/>`)
			friends = append(friends, c)
		}
		w.restart(2 * time.Minute)
		synctest.Wait()
		for _, c := range friends {
			c = w.resume(c, 1)
			c.MustExpect(t, `<presence from="`+juliet.JID.String()+`" type="unavailable"/>`)
		}
	})
}

// A session of which the server cannot say how far it came is not written down: its client would send again what is
// recorded after all.
func TestWriteDownUnsafe(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		w.resumable("romeo", "orchard", "")
		juliet := w.resumable("juliet", "balcony", "")
		release := w.blocked()
		juliet.MustSend(t, chat("romeo", 1))
		synctest.Wait()
		w.stop()
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_ = w.server.WriteDown(late) // it is too late
		release()
		w.Close()
		w.open()
		w.refused("juliet", juliet, "2")
		romeo := w.login("romeo", "orchard")
		romeo.MustSend(t, `<presence/>`)
		w.await(romeo, `<message id="1"/>`)
	})
}

// A connection whose client sends and does not read gives its session up in time, though its reader is writing.
func TestStuckReaderYields(t *testing.T) {
	perform(t, func(t *testing.T, w *world) {
		a, b := xmpptest.Pipe(50)
		c := newConn(w.server, stream.NewWebSocket(a, nil, stream.Options{}), &shown{}, func() {})
		ended := make(chan struct{})
		go func() {
			_, _ = c.stream.Read()
			close(ended)
		}()
		ping := "\x89\xe4\x00\x00\x00\x00" + strings.Repeat("x", 100) // RFC 6455 §5.5.2; its answer does not fit
		if _, err := io.WriteString(b, ping); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		begin := time.Now()
		c.yield()
		<-ended
		if d := time.Since(begin); d >= settleTime {
			t.Errorf("after %v", d)
		}
	})
}
