// SPDX-License-Identifier: Apache-2.0

package sasl

import (
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// The examples of RFC 5802 §5 and RFC 7677 §3: user "user", password "pencil".
var vectors = []struct {
	name                string
	hash                Hash
	clientNonce         string
	serverNonce         string
	salt                string
	first, second       string
	challenge, verifier string
}{
	{
		name:        "RFC 5802 §5",
		hash:        SHA1,
		clientNonce: "fyko+d2lbbFgONRv9qkxdawL",
		serverNonce: "3rfcNHYJY1ZVvWVs7j",
		salt:        "QSXCR+Q6sek8bf92",
		first:       "n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL",
		challenge:   "r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096",
		second:      "c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=",
		verifier:    "v=rmF9pqV8S7suAoZWja4dJRkFsKQ=",
	},
	{
		name:        "RFC 7677 §3",
		hash:        SHA256,
		clientNonce: "rOprNGfwEbeRWgbNEkqO",
		serverNonce: "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0",
		salt:        "W22ZaJ0SNY7soEsUEjb6gQ==",
		first:       "n,,n=user,r=rOprNGfwEbeRWgbNEkqO",
		challenge:   "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096",
		second: "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0," +
			"p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=",
		verifier: "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=",
	},
}

func TestVectors(t *testing.T) {
	t.Parallel()
	for _, v := range vectors {
		t.Run(v.name, func(t *testing.T) {
			t.Parallel()
			salt, _ := base64.StdEncoding.DecodeString(v.salt)
			creds, err := Derive(v.hash, "pencil", salt, 4096)
			if err != nil {
				t.Fatal(err)
			}
			server := NewSCRAM(SCRAM{Hash: v.hash, Lookup: func(_ context.Context, name string) (Credentials, error) {
				if name != "user" {
					t.Errorf("looked up %q", name)
				}
				return creds, nil
			}}).(*scramServer)
			server.nonce = func() string { return v.serverNonce }
			client, err := NewSCRAMClient(v.hash, "user", "pencil", "")
			if err != nil {
				t.Fatal(err)
			}
			client.nonce = v.clientNonce

			first := client.Initial()
			if got, want := string(first), v.first; got != want {
				t.Errorf("first message\n got %s\nwant %s", got, want)
			}
			challenge, done, err := server.Next(t.Context(), first)
			if got, want := string(challenge), v.challenge; got != want || done || err != nil {
				t.Fatalf("challenge\n got %s, %v, %v\nwant %s", got, done, err, want)
			}
			second, err := client.Respond(challenge)
			if got, want := string(second), v.second; got != want || err != nil {
				t.Fatalf("second message\n got %s, %v\nwant %s", got, err, want)
			}
			data, done, err := server.Next(t.Context(), second)
			if got, want := string(data), v.verifier; got != want || !done || err != nil {
				t.Fatalf("verifier\n got %s, %v, %v\nwant %s", got, done, err, want)
			}
			if err := client.Verify(data); err != nil {
				t.Error(err)
			}
			if got, want := server.Username(), "user"; got != want {
				t.Errorf("Username: got %q, want %q", got, want)
			}
		})
	}
}

// exchange runs client and server against each other.
func exchange(t *testing.T, s Server, c *SCRAMClient) error {
	t.Helper()
	message := c.Initial()
	for {
		reply, done, err := s.Next(t.Context(), message)
		if err != nil {
			return err
		}
		if done {
			return c.Verify(reply)
		}
		if message, err = c.Respond(reply); err != nil {
			return err
		}
	}
}

func fixed(t *testing.T, h Hash, password string, refusal error) Lookup {
	t.Helper()
	creds, err := Derive(h, password, []byte("salt"), 8)
	if err != nil {
		t.Fatal(err)
	}
	return func(context.Context, string) (Credentials, error) { return creds, refusal }
}

func TestExchange(t *testing.T) {
	t.Parallel()
	disabled := &Error{Condition: AccountDisabled}
	only := func(name, authzid string) bool { return authzid == name+"@kith.example" }
	tests := []struct {
		name            string
		password, typed string
		user, authzid   string
		refusal         error
		authorize       Authorizer
		want            string // condition, "" for success
	}{
		{name: "right password", password: "pencil", typed: "pencil", user: "juliet"},
		{name: "wrong password", password: "pencil", typed: "pen", user: "juliet", want: NotAuthorized},
		{name: "full-width letters are prepared on both sides", password: "pencil", typed: "ｐencil", user: "juliet"},
		{name: "emoji in the password", password: "pencil✏️🙂", typed: "pencil✏🙂", user: "juliet"},
		{name: "a name with comma and equals sign", password: "pencil", typed: "pencil", user: "a,b=c"},
		{name: "unknown name", password: "pencil", typed: "pencil", user: "x", refusal: notAuthorized(), want: NotAuthorized},
		{name: "disabled, right password", password: "pencil", typed: "pencil", user: "x", refusal: disabled, want: AccountDisabled},
		{name: "disabled, wrong password", password: "pencil", typed: "pen", user: "x", refusal: disabled, want: NotAuthorized},
		{name: "the store fails", password: "pencil", typed: "pencil", user: "x", refusal: errors.New("disk"), want: TemporaryAuthFailure},
		{name: "own authorization identity", password: "pencil", typed: "pencil", user: "juliet", authzid: "juliet@kith.example", authorize: only},
		{name: "that of another", password: "pencil", typed: "pencil", user: "juliet", authzid: "romeo@kith.example", authorize: only, want: InvalidAuthzID},
		{name: "that of another, wrong password", password: "pencil", typed: "pen", user: "juliet", authzid: "romeo@kith.example", authorize: only, want: NotAuthorized},
		{name: "nobody to ask for it", password: "pencil", typed: "pencil", user: "juliet", authzid: "juliet@kith.example", want: InvalidAuthzID},
	}
	for _, h := range Hashes() {
		for _, tt := range tests {
			t.Run(h.String()+"/"+tt.name, func(t *testing.T) {
				t.Parallel()
				s := NewSCRAM(SCRAM{Hash: h, Lookup: fixed(t, h, tt.password, tt.refusal), Authorize: tt.authorize})
				c, err := NewSCRAMClient(h, tt.user, tt.typed, tt.authzid)
				if err != nil {
					t.Fatal(err)
				}
				err = exchange(t, s, c)
				if got := condition(err); got != tt.want {
					t.Errorf("got %q (%v), want %q", got, err, tt.want)
				}
				if got, want := s.Username(), tt.user; got != want {
					t.Errorf("Username: got %q, want %q", got, want)
				}
				if err != nil {
					if _, _, again := s.Next(t.Context(), []byte("n,,n=a,r=b")); again != err {
						t.Errorf("after a failure: got %v, want the same error", again)
					}
				}
			})
		}
	}
}

func condition(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Condition
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func TestFirstMessage(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, message, want string }{
		{"plain", "n,,n=user,r=abc", ""},
		{"client would bind channels", "y,,n=user,r=abc", ""},
		{"client binds channels", "p=tls-exporter,,n=user,r=abc", MalformedRequest},
		{"binding without a name", "p=,,n=user,r=abc", MalformedRequest},
		{"unknown flag", "x,,n=user,r=abc", MalformedRequest},
		{"empty", "", MalformedRequest},
		{"no header", "n=user,r=abc", MalformedRequest},
		{"authorization identity", "n,a=user=40x,n=user,r=abc", MalformedRequest},
		{"mandatory extension", "n,,m=x,n=user,r=abc", MalformedRequest},
		{"mandatory extension later", "n,,n=user,r=abc,m=x", MalformedRequest},
		{"optional extension", "n,,n=user,r=abc,x=y=z", ""},
		{"extension that is none", "n,,n=user,r=abc,xy", MalformedRequest},
		{"empty extension", "n,,n=user,r=abc,x=", MalformedRequest},
		{"empty name", "n,,n=,r=abc", MalformedRequest},
		{"bad quoting", "n,,n=us=er,r=abc", MalformedRequest},
		{"quoting in lower case", "n,,n=us=2cer,r=abc", MalformedRequest},
		{"empty nonce", "n,,n=user,r=", MalformedRequest},
		{"space in the nonce", "n,,n=user,r=a b", MalformedRequest},
		{"no nonce", "n,,n=user", MalformedRequest},
		{"not UTF-8", "n,,n=us\xFFer,r=abc", MalformedRequest},
		{"NUL", "n,,n=us\x00er,r=abc", MalformedRequest},
		{"a name that SASLprep refuses", "n,,n=us\x07er,r=abc", NotAuthorized},
		{"too long", "n,,n=" + strings.Repeat("x", maxMessageLen) + ",r=abc", MalformedRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := NewSCRAM(SCRAM{Hash: SHA256, Lookup: fixed(t, SHA256, "pencil", nil)})
			_, done, err := s.Next(t.Context(), []byte(tt.message))
			if got := condition(err); got != tt.want || done {
				t.Errorf("got %q (%v), %v, want %q", got, err, done, tt.want)
			}
		})
	}
}

func TestNoInitialResponse(t *testing.T) {
	t.Parallel()
	s := NewSCRAM(SCRAM{Hash: SHA256, Lookup: fixed(t, SHA256, "pencil", nil)})
	reply, done, err := s.Next(t.Context(), nil)
	if reply == nil || len(reply) != 0 || done || err != nil {
		t.Fatalf("got %q, %v, %v, want an empty challenge", reply, done, err)
	}
	c, err := NewSCRAMClient(SHA256, "juliet", "pencil", "")
	if err != nil {
		t.Fatal(err)
	}
	if err := exchange(t, s, c); err != nil {
		t.Error(err)
	}
	if _, _, err := s.Next(t.Context(), nil); condition(err) != MalformedRequest {
		t.Errorf("after success: got %v, want %s", err, MalformedRequest)
	}
}

func TestLastMessage(t *testing.T) {
	t.Parallel()
	// Each test changes the message that would be right.
	tests := []struct {
		name   string
		change func(string) string
		want   string
	}{
		{"unchanged", func(m string) string { return m }, ""},
		{"no proof", func(m string) string { return m[:strings.LastIndex(m, ",p=")] }, MalformedRequest},
		{"proof not base64", func(m string) string { return m + "=" }, MalformedRequest},
		{"proof with a line end", func(m string) string { return m + "\n" }, MalformedRequest},
		{"empty proof", func(m string) string { return m[:strings.LastIndex(m, ",p=")+3] }, NotAuthorized},
		{"something after the proof", func(m string) string { return m + ",x=y" }, MalformedRequest},
		{"another header", func(m string) string { return strings.Replace(m, "c=biws", "c=eSws", 1) }, NotAuthorized},
		{"no header", func(m string) string { return strings.Replace(m, "c=biws,", "", 1) }, MalformedRequest},
		{"another nonce", func(m string) string { return strings.Replace(m, ",p=", "x,p=", 1) }, NotAuthorized},
		{"an extension changes what is proved", func(m string) string { return strings.Replace(m, ",p=", ",x=y,p=", 1) }, NotAuthorized},
		{"mandatory extension", func(m string) string { return strings.Replace(m, ",p=", ",m=y,p=", 1) }, MalformedRequest},
		{"empty", func(string) string { return "" }, MalformedRequest},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := NewSCRAM(SCRAM{Hash: SHA256, Lookup: fixed(t, SHA256, "pencil", nil)})
			c, err := NewSCRAMClient(SHA256, "juliet", "pencil", "")
			if err != nil {
				t.Fatal(err)
			}
			challenge, _, err := s.Next(t.Context(), c.Initial())
			if err != nil {
				t.Fatal(err)
			}
			message, err := c.Respond(challenge)
			if err != nil {
				t.Fatal(err)
			}
			_, _, err = s.Next(t.Context(), []byte(tt.change(string(message))))
			if got := condition(err); got != tt.want {
				t.Errorf("got %q (%v), want %q", got, err, tt.want)
			}
		})
	}
}

func TestClientRefuses(t *testing.T) {
	t.Parallel()
	const nonce = "abc"
	for name, challenge := range map[string]string{
		"another nonce":        "r=abx1,s=c2FsdA==,i=10",
		"only our nonce":       "r=abc,s=c2FsdA==,i=10",
		"no salt":              "r=abc1,i=10",
		"salt not base64":      "r=abc1,s=*,i=10",
		"zero iterations":      "r=abc1,s=c2FsdA==,i=0",
		"signed iterations":    "r=abc1,s=c2FsdA==,i=+9",
		"too many iterations":  "r=abc1,s=c2FsdA==,i=1000001",
		"more than fits":       "r=abc1,s=c2FsdA==,i=99999999999999999999",
		"mandatory extensions": "m=1,r=abc1,s=c2FsdA==,i=10",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, err := NewSCRAMClient(SHA1, "juliet", "pencil", "")
			if err != nil {
				t.Fatal(err)
			}
			c.nonce = nonce
			if _, err := c.Respond([]byte(challenge)); !errors.Is(err, ErrServer) {
				t.Errorf("got %v, want %v", err, ErrServer)
			}
			if err := c.Verify([]byte("v=")); !errors.Is(err, ErrServer) {
				t.Errorf("Verify: got %v, want %v", err, ErrServer)
			}
		})
	}
}

func TestCheck(t *testing.T) {
	t.Parallel()
	creds, err := Derive(SHA1, "pencil", []byte("salt"), 8)
	if err != nil {
		t.Fatal(err)
	}
	for password, want := range map[string]bool{"pencil": true, "Pencil": false, "": false, "\x07": false} {
		if got := creds.Check(SHA1, password); got != want {
			t.Errorf("Check(%q): got %v, want %v", password, got, want)
		}
	}
	if len(creds.StoredKey) != sha1.Size || len(creds.ServerKey) != sha1.Size {
		t.Errorf("keys of %d and %d bytes", len(creds.StoredKey), len(creds.ServerKey))
	}
	if _, err := Derive(SHA1, "a\u0007", nil, 8); !errors.Is(err, ErrPrep) {
		t.Errorf("got %v, want %v", err, ErrPrep)
	}
}

func FuzzClientFirst(f *testing.F) {
	f.Add("n,,n=user,r=fyko+d2lbbFgONRv9qkxdawL")
	f.Add("y,a=x=2Cy,n=us=3Der,r=abc,x=y")
	f.Add("p=tls-exporter,,n=user,r=abc")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseClientFirst([]byte(s))
		if err != nil {
			return
		}
		// What was read is what was there: header and rest make the whole, and written anew it reads the same.
		if m.gs2.raw+m.bare != s {
			t.Fatalf("%q is not %q and %q", s, m.gs2.raw, m.bare)
		}
		flag := string(m.gs2.flag)
		if m.gs2.flag == 'p' {
			flag = "p=" + m.gs2.binding
		}
		if m.gs2.authzid != "" {
			flag += ",a=" + encodeName(m.gs2.authzid)
		} else {
			flag += ","
		}
		again, err := parseClientFirst([]byte(flag + ",n=" + encodeName(m.name) + ",r=" + m.nonce))
		if err != nil {
			t.Fatal(err)
		}
		m.bare, again.bare = "", ""
		if diff := cmp.Diff(m, again, cmp.AllowUnexported(clientFirst{}, gs2Header{})); diff != "" {
			t.Fatal(diff)
		}
	})
}

func FuzzClientFinal(f *testing.F) {
	f.Add("c=biws,r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,p=v0X8v3Bz2T0CJGbJQyF0X+HI4Ts=")
	f.Add("c=biws,r=abc,x=y,p=")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseClientFinal([]byte(s))
		if err != nil {
			return
		}
		if got := m.withoutProof + ",p=" + base64.StdEncoding.EncodeToString(m.proof); got != s {
			t.Fatalf("got %q, want %q", got, s)
		}
	})
}

func FuzzServerFirst(f *testing.F) {
	f.Add("r=fyko+d2lbbFgONRv9qkxdawL3rfcNHYJY1ZVvWVs7j,s=QSXCR+Q6sek8bf92,i=4096")
	f.Fuzz(func(t *testing.T, s string) {
		m, err := parseServerFirst([]byte(s))
		if err == nil && (m.iterations <= 0 || m.nonce == "" ||
			!strings.HasPrefix(s, "r="+m.nonce+",s="+base64.StdEncoding.EncodeToString(m.salt)+",i=")) {
			t.Fatalf("%q read as %+v", s, m)
		}
	})
}
