// SPDX-License-Identifier: Apache-2.0

package router_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/session"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// fates counts what becomes of stanzas.
type fates struct{ taken, lost int }

func (f *fates) Taken() { f.taken++ }
func (f *fates) Lost()  { f.lost++ }

// nowhere is a stream of which nobody reads.
type nowhere struct{}

func (nowhere) Write(xmlstream.Raw) error                             { return nil }
func (nowhere) WriteStanzas([]*stanza.Stanza, ...xmlstream.Raw) error { return nil }
func (nowhere) SetWriteDeadline(time.Time) error                      { return nil }
func (nowhere) Cut()                                                  {}

// TestEndBeforeStart holds that a session ends which was refused, or whose client went before it heard that it is
// bound: what it was sent is lost, and told so.
func TestEndBeforeStart(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		for i := range 20 {
			w.Bind(fmt.Sprintf("romeo/%d", i))
		}
		st := w.Parse(`<iq to="romeo@kith.example/one-too-many" type="result" id="1"/>`)
		s := session.New("x", st.To, "", nowhere{}, session.ClientCredit(), func(*session.Kick) {})
		if _, err := w.Routers[0].Bind(context.Background(), s, ""); err != stanza.ResourceConstraint {
			t.Errorf("got %v", err)
		}
		f := &fates{}
		s.Send(st, f)
		for _, x := range s.End() {
			x.Lost()
		}
		if f.lost != 1 || f.taken != 0 {
			t.Errorf("lost %d, taken %d", f.lost, f.taken)
		}
		w.Close()
	})
}

// TestClose holds that a router does not close between the two halves of what it does.
func TestClose(t *testing.T) {
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := routertest.Open(t, path, 1)
		romeo := w.Bind("romeo/desk")
		romeo.Manage()
		w.Account("juliet")
		say(romeo, "juliet@", 0, 50)
		if err := w.Routers[0].Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h := romeo.H(); h != 50 {
			t.Errorf("%d stanzas were safe when it was closed", h)
		}
		w.Crash()
	})
}

// TestReplacedSpeaks holds that a device which was replaced, and has not noticed, does not become available again: what
// else it says goes on.
func TestReplacedSpeaks(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		juliet := w.Come("juliet/a", 0)
		credit := session.ClientCredit()
		old := w.BindWith("romeo/old", "client", credit)
		old.Sendf(`<presence/>`)
		w.Settle()
		old.Deaf()
		juliet.Take()
		young := w.BindWith("romeo/young", "client", credit)
		old.Sendf(`<presence/>`)
		old.Sendf(`<presence to="juliet@" type="unsubscribe"/>`)
		old.Sendf(`<message to="juliet@" type="chat"><body>hi</body></message>`)
		w.Settle()
		young.Leave()
		w.Settle()
		there := map[string]bool{}
		said, ended := 0, false
		for _, st := range juliet.Take() {
			switch st.Kind {
			case stanza.Presence:
				ended = ended || st.Type == "unsubscribe"
				there[st.From.Resource()] = st.Type == ""
			case stanza.Message:
				said++
			}
		}
		if there["old"] {
			w.T.Error("the old device is still there for its contacts")
		}
		if said != 1 || !ended {
			w.T.Errorf("%d messages, unsubscribed %v", said, ended)
		}
		old.Leave()
		w.Settle()
	})
}

// sink takes everything, and counts how often it was cut.
type sink struct {
	nowhere
	cut int
}

func (s *sink) Cut() { s.cut++ }

// TestNeverAcknowledged holds that a client which reads and never acknowledges is cut before much memory is held for it.
func TestNeverAcknowledged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		full := jid.MustParse("juliet@kith.example/a")
		large := stanza.New(stanza.Message, "chat", "1", full, full,
			xmlstream.TextElem(xmlstream.NSClient, "body", strings.Repeat("x", 200_000)))
		for _, acknowledges := range []bool{true, false} {
			x := &sink{}
			s := session.New("x", full, "", x, session.ClientCredit(), func(*session.Kick) {})
			s.Enable("")
			s.Start()
			for i := range 200 {
				s.Send(large, nil)
				synctest.Wait()
				if acknowledges {
					if err := s.Acknowledged(uint32(i + 1)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if (x.cut == 0) != acknowledges {
				t.Errorf("acknowledges %v: cut %d times", acknowledges, x.cut)
			}
			s.End()
		}
	})
}
