// SPDX-License-Identifier: Apache-2.0

package app

import (
	"encoding/base64"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// Who is half-way through a log-in while the account is taken from them gets in no more, and gets no token either.
func TestLoginAcrossChange(t *testing.T) {
	t.Parallel()
	changes := map[string]func(t *testing.T, s *testServer){
		"password": func(t *testing.T, s *testServer) {
			if err := s.admin().SetPassword(t.Context(), "juliet", "another rose by another name"); err != nil {
				t.Fatal(err)
			}
		},
		"disabled": func(t *testing.T, s *testServer) {
			if err := s.admin().SetDisabled(t.Context(), "juliet", true); err != nil {
				t.Fatal(err)
			}
		},
		"deleted": func(t *testing.T, s *testServer) {
			if err := s.admin().DeleteUser(t.Context(), "juliet"); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t)
			s.user(t, "juliet", account.User)
			c := s.dial(t)
			finish := begin(t, c, `<auth xmlns="urn:ietf:params:xml:ns:xmpp-sasl" mechanism="SCRAM-SHA-1">`, `</auth>`, sasl.SHA1)
			token := s.dial(t)
			finishToken := begin(t, token, `<authenticate xmlns="urn:xmpp:sasl:2" mechanism="SCRAM-SHA-256"><initial-response>`,
				`</initial-response><user-agent id="d4565fa7-4d72-4749-b3d3-740edbf87770"/>`+
					`<request-token xmlns="urn:xmpp:fast:0" mechanism="HT-SHA-256-NONE"/></authenticate>`, sasl.SHA256)
			proved := s.dial(t)
			if err := proved.Authenticate(t.Context(), "juliet", password, sasl.SCRAMSHA256); err != nil {
				t.Fatal(err)
			}

			change(t, s)

			if finish("urn:ietf:params:xml:ns:xmpp-sasl") && c.Reopen(t.Context()) == nil && c.Bind(t.Context(), "") == nil {
				t.Error("a session began with what was true at the challenge")
			}
			if finishToken("urn:xmpp:sasl:2") {
				t.Error("a token was given for what was true at the challenge")
			}
			if proved.Bind(t.Context(), "") == nil {
				t.Error("a session began with what was true at the proof")
			}
		})
	}
}

// begin sends the first message of SCRAM between two pieces of XML and takes the challenge. The function it returns
// sends the proof, and reports whether it was accepted.
func begin(t *testing.T, c *xmpptest.Client, before, after string, h sasl.Hash) func(ns string) bool {
	t.Helper()
	m, err := sasl.NewSCRAMClient(h, "juliet", password, "")
	if err != nil {
		t.Fatal(err)
	}
	c.MustSend(t, before+base64.StdEncoding.EncodeToString(m.Initial())+after)
	challenge, err := c.Stream.Read()
	if err != nil {
		t.Fatal(err)
	}
	b, err := base64.StdEncoding.DecodeString(challenge.Root().Text())
	if err != nil {
		t.Fatal(err)
	}
	response, err := m.Respond(b)
	if err != nil {
		t.Fatal(err)
	}
	return func(ns string) bool {
		c.MustSend(t, `<response xmlns="`+ns+`">`+base64.StdEncoding.EncodeToString(response)+`</response>`)
		answer, err := c.Stream.Read()
		return err == nil && answer.Root().Is(ns, "success")
	}
}
