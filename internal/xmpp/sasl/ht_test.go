// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"
)

func sum(key, message string) string {
	m := hmac.New(sha256.New, []byte(key))
	m.Write([]byte(message))
	return string(m.Sum(nil))
}

func TestHT(t *testing.T) {
	t.Parallel()
	right := "juliet\x00" + sum("new", "Initiator")
	tests := []struct {
		name    string
		tokens  []string
		fail    error
		message string
		want    string
		matched int
	}{
		{name: "the only token", tokens: []string{"new"}, message: right},
		{name: "the second of two", tokens: []string{"old", "new"}, message: right, matched: 1},
		{name: "the same token twice counts once", tokens: []string{"new", "new"}, message: right},
		{name: "another token", tokens: []string{"old"}, message: right, want: NotAuthorized},
		{name: "no token", message: right, want: NotAuthorized},
		{name: "the responder's hash is no proof", tokens: []string{"new"}, message: "juliet\x00" + sum("new", "Responder"), want: NotAuthorized},
		{name: "expired", fail: &Error{Condition: CredentialsExpired}, message: right, want: CredentialsExpired},
		{name: "the store fails", fail: errors.New("disk"), message: right, want: TemporaryAuthFailure},
		{name: "no NUL", tokens: []string{"new"}, message: "juliet", want: MalformedRequest},
		{name: "no name", tokens: []string{"new"}, message: right[len("juliet"):], want: MalformedRequest},
		{name: "hash too short", tokens: []string{"new"}, message: right[:len(right)-1], want: MalformedRequest},
		{name: "hash too long", tokens: []string{"new"}, message: right + "x", want: MalformedRequest},
		{name: "name not UTF-8", tokens: []string{"new"}, message: "\xFF" + right, want: MalformedRequest},
		{name: "name that SASLprep refuses", tokens: []string{"new"}, message: "\x07" + right, want: NotAuthorized},
		{name: "too long", tokens: []string{"new"}, message: strings.Repeat("x", maxMessageLen) + right, want: MalformedRequest},
		{name: "empty", tokens: []string{"new"}, want: MalformedRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := NewHT(func(_ context.Context, name string) ([][]byte, error) {
				if name != "juliet" {
					t.Errorf("looked up %q", name)
				}
				var list [][]byte
				for _, s := range tt.tokens {
					list = append(list, []byte(s))
				}
				return list, tt.fail
			}, nil)
			reply, done, err := h.Next(t.Context(), []byte(tt.message))
			if got := condition(err); got != tt.want || done != (tt.want == "") {
				t.Fatalf("got %q (%v), %v, want %q", got, err, done, tt.want)
			}
			if tt.want != "" {
				if h.Matched() != -1 {
					t.Errorf("Matched: got %d, want -1", h.Matched())
				}
				return
			}
			if got, want := string(reply), sum("new", "Responder"); got != want {
				t.Errorf("reply: got %x, want %x", got, want)
			}
			if h.Matched() != tt.matched || h.Username() != "juliet" {
				t.Errorf("got token %d of %q", h.Matched(), h.Username())
			}
			if _, _, err := h.Next(t.Context(), []byte(tt.message)); condition(err) != MalformedRequest {
				t.Errorf("a second message: got %v, want %s", err, MalformedRequest)
			}
		})
	}
}

func TestHTClient(t *testing.T) {
	t.Parallel()
	const token = "WXZzciBwYmFmdmZnZiBqdmd1IGp2eXFhcmZm"
	h := NewHT(func(context.Context, string) ([][]byte, error) { return [][]byte{[]byte(token)}, nil }, nil)
	if reply, done, err := h.Next(t.Context(), nil); len(reply) != 0 || done || err != nil {
		t.Fatalf("no initial response: got %q, %v, %v, want an empty challenge", reply, done, err)
	}
	c, err := NewHTClient(HTSHA256NONE, "juliet", token, Channel{})
	if err != nil {
		t.Fatal(err)
	}
	reply, done, err := h.Next(t.Context(), c.Initial())
	if !done || err != nil {
		t.Fatal(done, err)
	}
	if err := c.Verify(reply); err != nil {
		t.Error(err)
	}
	other, err := NewHTClient(HTSHA256NONE, "juliet", "x", Channel{})
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Verify(reply); !errors.Is(err, ErrServer) {
		t.Errorf("another token: got %v, want %v", err, ErrServer)
	}
	if _, err := NewHTClient(HTSHA256NONE, "a\x00b", token, Channel{}); !errors.Is(err, ErrPrep) {
		t.Errorf("NUL in the name: got %v, want %v", err, ErrPrep)
	}
}

func FuzzHT(f *testing.F) {
	f.Add([]byte("juliet\x00" + sum("new", "Initiator")))
	f.Fuzz(func(t *testing.T, b []byte) {
		name, proof, err := parseHT(b)
		if err == nil && name+"\x00"+string(proof) != string(b) {
			t.Fatalf("%q read as %q and %x", b, name, proof)
		}
	})
}
