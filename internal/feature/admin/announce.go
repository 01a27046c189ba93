// SPDX-License-Identifier: Apache-2.0

package admin

import (
	"context"
	"strings"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// maxAnnouncement bounds an announcement, in bytes.
const maxAnnouncement = 8192

// announce is the command that tells something to all who are there (XEP-0133 §4.23).
func (a *admin) announce() Command {
	return Command{ns + "#announce", "Tell all who are there", ask("Tell all who are there", "It comes from the server, as a message.",
		form.Field{Var: "subject", Label: "Subject"},
		form.Field{Var: "announcement", Type: form.TextMulti, Label: "Text", Required: true}), a.tell}
}

// tell sends a message to the account of everybody who has a session: it is kept like any other, and comes to all of
// their devices.
func (a *admin) tell(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error) {
	text := strings.TrimSpace(strings.Join(form.Lists(q.Payload)["announcement"], "\n")) // a value for each line (XEP-0004 §3.3)
	if text == "" || len(text)+len(v["subject"]) > maxAnnouncement {
		return "", badPayload("Please write something, and not more than 8192 bytes.")
	}
	content := []xmlstream.Raw{}
	if v["subject"] != "" {
		content = append(content, xmlstream.TextElem(xmlstream.NSClient, "subject", v["subject"]))
	}
	content = append(content, xmlstream.TextElem(xmlstream.NSClient, "body", text))
	q.After(func(context.Context) {
		a.Router.Present(func(bare jid.JID, _ []*router.Device) {
			a.Router.Route(stanza.New(stanza.Message, "", stanza.NewID(), a.Router.Domain, bare, content...))
		})
	})
	a.note(ctx, q, "announce", account.Account{})
	return "", nil
}
