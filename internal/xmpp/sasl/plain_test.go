// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
)

func TestPlain(t *testing.T) {
	t.Parallel()
	const long = maxMessageLen - len("\x00juliet\x00")
	for _, test := range []struct {
		name, message string
		fail          error  // of what verifies
		want          string // condition
		asked         string // name and password that are verified; "" where it does not come to that
	}{
		{name: "right", message: "\x00juliet\x00rosemary", asked: "juliet rosemary"},
		{name: "as oneself", message: "juliet@kith.example\x00juliet\x00rosemary", asked: "juliet rosemary"},
		{name: "as somebody else", message: "romeo@kith.example\x00juliet\x00rosemary", want: InvalidAuthzID, asked: "juliet rosemary"},
		{name: "as somebody else, wrong", message: "romeo@kith.example\x00juliet\x00x", fail: notAuthorized(), want: NotAuthorized, asked: "juliet x"},
		{name: "wrong", message: "\x00juliet\x00x", fail: notAuthorized(), want: NotAuthorized, asked: "juliet x"},
		{name: "locked", message: "\x00juliet\x00x", fail: &Error{Condition: AccountDisabled}, want: AccountDisabled, asked: "juliet x"},
		{name: "the store fails", message: "\x00juliet\x00x", fail: errors.New("disk"), want: TemporaryAuthFailure, asked: "juliet x"},
		{name: "the name is prepared, the password as it is", message: "\x00juli\u00adet\x00\u00aa", asked: "juliet \u00aa"},
		{name: "a name that nobody can have", message: "\x00\u0007\x00rosemary", want: NotAuthorized},
		{name: "a name of nothing that stays", message: "\x00\u00ad\x00rosemary", want: NotAuthorized},
		{name: "as long as may be", message: "\x00juliet\x00" + strings.Repeat("x", long), asked: "juliet " + strings.Repeat("x", long)},
		{name: "too long", message: "\x00juliet\x00" + strings.Repeat("x", long+1), want: MalformedRequest},
		{name: "nothing", message: "", want: MalformedRequest},
		{name: "no NUL", message: "juliet", want: MalformedRequest},
		{name: "one NUL", message: "juliet\x00rosemary", want: MalformedRequest},
		{name: "three NULs", message: "\x00juliet\x00rose\x00mary", want: MalformedRequest},
		{name: "no name", message: "\x00\x00rosemary", want: MalformedRequest},
		{name: "no password", message: "\x00juliet\x00", want: MalformedRequest},
		{name: "not UTF-8", message: "\x00juliet\x00\xff", want: MalformedRequest},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			asked := ""
			s := NewPlain(func(_ context.Context, name, password string) error {
				asked = name + " " + password
				return test.fail
			}, func(name, authzid string) bool { return authzid == name+"@kith.example" })
			if reply, done, err := s.Next(t.Context(), nil); reply == nil || len(reply) != 0 || done || err != nil {
				t.Fatalf("no initial response: got %q, %v, %v, want an empty challenge", reply, done, err)
			}
			reply, done, err := s.Next(t.Context(), []byte(test.message))
			if got := condition(err); got != test.want || done != (test.want == "") || reply != nil {
				t.Errorf("got %q, %v, %v, want %q", got, reply, done, test.want)
			}
			if asked != test.asked {
				t.Errorf("verified: %q, want %q", asked, test.asked)
			}
			if want, _, _ := strings.Cut(test.asked, " "); s.Username() != want {
				t.Errorf("Username: got %q, want %q", s.Username(), want)
			}
			_, _, again := s.Next(t.Context(), []byte(test.message))
			if test.want != "" && again != err || condition(again) == "" {
				t.Errorf("again: got %v after %v", again, err)
			}
		})
	}
}

// What was read is what was written, byte by byte, and nothing else is read.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"\x00juliet\x00rosemary", "juliet@kith.example\x00juliet\x00ª", "\x00\x00", "\x00a\x00b\x00", "\x00juliet\x00\xff", ""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, bad := parsePlain(b)
		switch {
		case bad != nil && (m != plainMessage{} || bad.Condition != MalformedRequest):
			t.Fatalf("%q read as %q, %v", b, m, bad)
		case bad == nil && (!bytes.Equal(b, []byte(m.authzid+"\x00"+m.name+"\x00"+m.password)) || m.name == "" || m.password == ""):
			t.Fatalf("%q read as %q", b, m)
		}
	})
}
