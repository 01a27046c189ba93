// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"context"
	"errors"
	"strings"
	"testing"
)

func TestExternal(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, message string
		fail          error
		want          string
	}{
		{name: "nobody in particular", message: ""},
		{name: "somebody", message: "juliet@kith.example"},
		{name: "not UTF-8", message: "\xff", want: MalformedRequest},
		{name: "NUL", message: "juliet\x00", want: MalformedRequest},
		{name: "too long", message: strings.Repeat("x", maxMessageLen+1), want: MalformedRequest},
		{name: "refused", message: "romeo@kith.example", fail: &Error{Condition: InvalidAuthzID}, want: InvalidAuthzID},
		{name: "the store fails", message: "", fail: errors.New("disk"), want: TemporaryAuthFailure},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			s := NewExternal(func(_ context.Context, authzid string) (string, error) {
				if authzid != test.message {
					t.Errorf("got %q, want %q", authzid, test.message)
				}
				return "juliet", test.fail
			})
			if reply, done, err := s.Next(t.Context(), nil); reply == nil || len(reply) != 0 || done || err != nil {
				t.Fatalf("no initial response: got %q, %v, %v, want an empty challenge", reply, done, err)
			}
			reply, done, err := s.Next(t.Context(), []byte(test.message))
			if got := condition(err); got != test.want || done != (test.want == "") || reply != nil {
				t.Errorf("got %q, %v, %v, want %q", got, reply, done, test.want)
			}
			if (s.Username() == "juliet") != done {
				t.Errorf("Username: got %q", s.Username())
			}
			_, _, again := s.Next(t.Context(), []byte(test.message))
			if test.want != "" && again != err || condition(again) == "" {
				t.Errorf("again: got %v after %v", again, err)
			}
		})
	}
}

func FuzzExternal(f *testing.F) {
	f.Add([]byte("juliet@kith.example"))
	f.Fuzz(func(t *testing.T, b []byte) {
		authzid, bad := parseExternal(b)
		if bad == nil && authzid != string(b) || bad != nil && authzid != "" {
			t.Fatalf("%q read as %q, %v", b, authzid, bad)
		}
	})
}
