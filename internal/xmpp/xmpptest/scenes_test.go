// SPDX-License-Identifier: Apache-2.0

package xmpptest_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

func TestScenes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       []xmpptest.Scene
	}{
		{"none", "# one\na connects\n", []xmpptest.Scene{{Text: "# one\na connects\n"}}},
		{"two", "# of all\n== One\na connects\n\n== Two \non each transport\nb connects\n", []xmpptest.Scene{
			{Title: "One", Text: "\n\na connects\n"},
			{Title: "Two", Over: "each transport", Text: "\n\n\n\n\n\nb connects\n"},
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if diff := cmp.Diff(xmpptest.Scenes(test.text), test.want); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestIndex(t *testing.T) {
	t.Parallel()
	const untitled = "# A comment (RFC 6120 §4)\n#  that goes on.\na connects\n  # inside\n"
	tests := []struct {
		name, text, title string
		want              bool
	}{
		{"all of it", untitled, "", true},
		{"a comment", untitled, "A comment", true},
		{"a comment of two lines", untitled, "A comment (RFC 6120 §4) that goes on.", true},
		{"a comment's middle", untitled, "comment", false},
		{"a comment inside", untitled, "inside", true},
		{"which scene?", "== One\na connects\n", "", false},
		{"a scene", "== One\na connects\n", "One", true},
		{"the beginning of a scene", "== One\na connects\n", "On", false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := xmpptest.IndexOf(test.text).Has(test.title); got != test.want {
				t.Errorf("got %t", got)
			}
		})
	}
}
