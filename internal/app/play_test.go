// SPDX-License-Identifier: Apache-2.0

package app

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// rooms are the packages whose testdata holds plays, seen from here.
var rooms = []string{".", "../feature/*", "../xmpp/c2s"}

// playsByRoom returns the files with plays, by the name of the room's folder.
func playsByRoom(t *testing.T) map[string][]string {
	t.Helper()
	plays := map[string][]string{}
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
	return plays
}

// TestPlays performs the plays of all rooms, each scene on a server of its own. To run those of one room, or one play, or
// one scene:
//
//	go test ./internal/app -run TestPlays/roster
//	go test ./internal/app -run TestPlays/roster/push
//	go test ./internal/app -run TestPlays/app/rfc6120-close/Who_ends
func TestPlays(t *testing.T) {
	t.Parallel()
	for room, files := range playsByRoom(t) {
		t.Run(room, func(t *testing.T) {
			t.Parallel()
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
					t.Parallel()
					text, err := os.ReadFile(file)
					if err != nil {
						t.Fatal(err)
					}
					perform(t, file, string(text))
				})
			}
		})
	}
}

// settings are those of the servers of plays that want other ones than the defaults.
var settings = map[string]func(*config.Config){
	"rfc4616.txt": func(c *config.Config) { c.Accounts.Plain = true },
}

// perform performs the scenes of a play, those that want it over several transports.
func perform(t *testing.T, file, text string) {
	var change []func(*config.Config)
	if f := settings[filepath.Base(file)]; f != nil {
		change = append(change, f)
	}
	for _, scene := range xmpptest.Scenes(text) {
		if scene.Title == "" {
			if err := xmpptest.Perform(t, start(t, change...), file, scene.Text); err != nil {
				t.Fatal(err)
			}
			return
		}
		over := strings.Split(scene.Over, ", ")
		if scene.Over == "each transport" {
			over = transports
		}
		for _, transport := range over {
			t.Run(strings.TrimSpace(scene.Title+" "+transport), func(t *testing.T) {
				t.Parallel()
				s := start(t, change...)
				s.over = transport
				if err := xmpptest.Perform(t, s, file, scene.Text); err != nil {
					t.Fatal(err)
				}
			})
		}
	}
}
