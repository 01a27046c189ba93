// SPDX-License-Identifier: Apache-2.0

// Package commands lets people run commands of the server from their app (XEP-0050 v1.3.0): those that are done in
// one step, and those that have a form filled in first.
package commands

import (
	"context"
	"slices"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "http://jabber.org/protocol/commands"

// maxOpen is how many commands one device may have begun; the oldest is forgotten for one more.
const maxOpen = 8

// A Command is something that the server does for who may have it done.
type Command struct {
	Node string // its name on the wire
	Name string // for people, in English
	// May tells who can run it; others do not see it.
	May func(account.Account) bool
	// Form is to be filled in first; "": there is none, and one step does it.
	Form xmlstream.Raw
	// Run does it and returns what the result holds, usually a form. v is what was filled in; nil without a form. Its
	// errors are as of a router.IQFunc; where there is a form, it can be sent again after one.
	Run func(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error)
}

// Commands are those that the server knows.
type Commands struct {
	list []Command
	open router.Slot[[]begun]
}

// begun is a command whose form has been given out (XEP-0050 §3.3).
type begun struct{ node, id string }

// Install hangs the commands into r.
func Install(r *router.Router, list ...Command) *Commands {
	c := &Commands{list, router.NewSlot[[]begun](r)}
	r.Advertise(router.Server, ns)
	r.HandleIQ(router.Server, "set", ns, "command", c.run)
	return c
}

// Node is the node at which Items are found (XEP-0050 §2.2).
func (c *Commands) Node() string { return ns }

// Items calls f with each command that an account may run, for service discovery.
func (c *Commands) Items(of account.Account, f func(node, name string)) {
	for _, x := range c.list {
		if x.May(of) {
			f(x.Node, x.Name)
		}
	}
}

// What is wrong with a request beyond its condition (XEP-0050 §4.4).
var (
	badAction       = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-action"))
	malformedAction = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "malformed-action"))
	badSession      = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-sessionid"))
	badPayload      = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-payload"))
)

func (c *Commands) run(ctx context.Context, q *router.Request) (xmlstream.Raw, error) {
	if q.Device == nil {
		return "", stanza.Forbidden // commands are for the accounts of this server
	}
	action := q.Payload.Attr("action")
	switch action {
	case "", "execute", "complete", "cancel", "next", "prev":
	default:
		return "", malformedAction
	}
	i := slices.IndexFunc(c.list, func(x Command) bool { return x.Node == q.Payload.Attr("node") })
	switch {
	case i < 0: // XEP-0050 §4.4
		return "", stanza.ItemNotFound
	case !c.list[i].May(q.Owner): // XEP-0050 §2.2
		return "", stanza.Forbidden
	case q.Payload.HasAttr("sessionid"):
		return c.goOn(ctx, q, c.list[i], action)
	}
	return c.begin(ctx, q, c.list[i], action)
}

// begin is the first request for a command.
func (c *Commands) begin(ctx context.Context, q *router.Request, x Command, action string) (xmlstream.Raw, error) {
	switch {
	case action == "cancel", action == "next", action == "prev", action == "complete" && x.Form != "":
		return "", badAction // XEP-0050 §4.4: nothing has begun
	case x.Form == "":
		result, err := x.Run(ctx, q, nil)
		return answer(x, stanza.NewID(), "completed", result), err
	}
	open := c.open.Of(q.Device)
	if len(*open) >= maxOpen {
		*open = slices.Delete(*open, 0, 1)
	}
	id := stanza.NewID()
	*open = append(*open, begun{x.Node, id})
	var actions xmlstream.Builder
	actions.Start(ns, "actions").Attr("execute", "complete").Start(ns, "complete").End().End()
	return answer(x, id, "executing", actions.Build()+x.Form), nil
}

// goOn is a request for a command that has begun.
func (c *Commands) goOn(ctx context.Context, q *router.Request, x Command, action string) (xmlstream.Raw, error) {
	open, this := c.open.Of(q.Device), begun{x.Node, q.Payload.Attr("sessionid")}
	i := slices.Index(*open, this)
	switch {
	case i < 0:
		return "", badSession
	case action == "next", action == "prev": // XEP-0050 §4.4: there is one form only
		return "", badAction
	case action == "cancel": // XEP-0050 §2.4.3
		*open = slices.Delete(*open, i, i+1)
		return answer(x, this.id, "canceled", ""), nil
	}
	v := form.Read(q.Payload)
	if v == nil {
		return "", badPayload
	}
	result, err := x.Run(ctx, q, v)
	if err != nil {
		return "", err
	}
	*open = slices.Delete(*open, i, i+1)
	return answer(x, this.id, "completed", result), nil
}

func answer(x Command, id, status string, content xmlstream.Raw) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "command").Attr("node", x.Node).Attr("sessionid", id).Attr("status", status)
	return b.Raw(content).End().Build()
}
