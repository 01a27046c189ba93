// SPDX-License-Identifier: Apache-2.0

package presence_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// news is what a device was told of others' presence: who, the type, and the show.
func news(d *routertest.Device) (list []string) {
	for _, st := range d.Take() {
		if st.Kind == stanza.Presence {
			show := ""
			if n, ok := st.Child(xmlstream.NSClient, "show"); ok {
				show = n.Text()
			}
			list = append(list, st.From.Resource()+" "+st.Type+" "+show)
		}
	}
	return list
}

func told(t *testing.T, what string, got []string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (- want, + got):\n%s", what, diff)
	}
}

// TestDozing holds that a device which has slept for long is away for others, whoever asks, and what it said when it is
// awake again.
func TestDozing(t *testing.T) {
	t.Parallel()
	routertest.Each(t, func(w *routertest.World) {
		w.Friends("romeo", "juliet")
		romeo := w.Come("romeo/desk", 0)
		juliet := w.Bind("juliet/phone")
		juliet.Resumable()
		juliet.Sendf(`<presence><show>chat</show><status>here</status></presence>`)
		w.Settle()
		taken := uint32(len(juliet.Take()))
		told(t, "romeo, as she comes", news(romeo), "phone  chat")
		juliet.Sleep()
		w.Settle()
		told(t, "romeo, as she falls asleep", news(romeo))
		juliet.Doze()
		juliet.Doze()
		w.Settle()
		told(t, "romeo, when she has slept for long", news(romeo), "phone  away")
		late := w.Bind("romeo/phone")
		late.Sendf(`<presence/>`)
		w.Settle()
		told(t, "who asks then", news(late), "phone  ", "desk  ", "phone  away")
		romeo.Take()
		if !juliet.Resume(taken) {
			t.Fatal("not resumed")
		}
		w.Settle()
		told(t, "romeo, when she is awake", news(romeo), "phone  chat")
		juliet.Ack(taken + uint32(len(juliet.Take())))

		// Who has said that nobody is there is not told to have said it again.
		juliet.Sendf(`<presence><show>dnd</show></presence>`)
		w.Settle()
		taken += uint32(len(juliet.Take()))
		romeo.Take()
		juliet.Sleep()
		juliet.Doze()
		w.Settle()
		juliet.Leave()
		w.Settle()
		told(t, "romeo, in the end", news(romeo), "phone unavailable ")
	})
}
