// SPDX-License-Identifier: Apache-2.0

// Package commands lets people run commands of the server from their app (XEP-0050 v1.3.0): those that are done in
// one step, which is all that there are.
package commands

import (
	"context"

	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "http://jabber.org/protocol/commands"

// A Command is done in one step.
type Command struct {
	Node string // its name on the wire
	Name string // for people, in English
	// Run does it and returns what the result holds, usually a form. Its errors are as of a router.IQFunc.
	Run func(ctx context.Context, q *router.Request) (xmlstream.Raw, error)
}

// Commands are those that the server knows.
type Commands struct{ list []Command }

// Install hangs the commands into r.
func Install(r *router.Router, list ...Command) *Commands {
	c := &Commands{list}
	r.Advertise(router.Server, ns)
	r.HandleIQ(router.Server, "set", ns, "command", c.run)
	return c
}

// Node is the node at which Items are found (XEP-0050 §2.2).
func (c *Commands) Node() string { return ns }

// Items calls f with each command, for service discovery.
func (c *Commands) Items(f func(node, name string)) {
	for _, x := range c.list {
		f(x.Node, x.Name)
	}
}

func (c *Commands) run(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden // commands are for the accounts of this server
	}
	switch q.Payload.Attr("action") {
	case "", "execute", "complete":
	case "cancel", "next", "prev": // XEP-0050 §4.4: there is nothing to step through
		return "", stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-action"))
	default:
		return "", stanza.BadRequest.WithApp(xmlstream.Elem(ns, "malformed-action"))
	}
	if q.Payload.HasAttr("sessionid") {
		return "", stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-sessionid"))
	}
	for _, x := range c.list {
		if x.Node != q.Payload.Attr("node") {
			continue
		}
		result, err := x.Run(ctx, q)
		if err != nil {
			return "", err
		}
		var b xmlstream.Builder
		b.Start(ns, "command").Attr("node", x.Node).Attr("sessionid", stanza.NewID()).Attr("status", "completed")
		return b.Raw(result).End().Build(), nil
	}
	return "", stanza.ItemNotFound // XEP-0050 §4.4
}
