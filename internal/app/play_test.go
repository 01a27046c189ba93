// SPDX-License-Identifier: Apache-2.0

package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// rooms are the packages whose testdata holds plays, seen from here.
var rooms = []string{".", "../feature/*", "../xmpp/c2s"}

// TestPlays performs the plays of all rooms, each on a server of its own. To run those of one room, or one play:
//
//	go test ./internal/app -run TestPlays/roster
//	go test ./internal/app -run TestPlays/roster/push
func TestPlays(t *testing.T) {
	t.Parallel()
	plays := map[string][]string{} // by room
	for _, room := range rooms {
		files, err := filepath.Glob(filepath.Join(room, "testdata", "*.txt"))
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			dir, err := filepath.Abs(filepath.Dir(filepath.Dir(f)))
			if err != nil {
				t.Fatal(err)
			}
			plays[filepath.Base(dir)] = append(plays[filepath.Base(dir)], f)
		}
	}
	if len(plays) == 0 {
		t.Fatal("there are no plays")
	}
	for room, files := range plays {
		t.Run(room, func(t *testing.T) {
			t.Parallel()
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
					t.Parallel()
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					if err := xmpptest.Perform(t, start(t), file, string(text)); err != nil {
						t.Fatal(err)
					}
				})
			}
		})
	}
}
