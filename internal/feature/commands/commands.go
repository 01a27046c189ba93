// SPDX-License-Identifier: Apache-2.0

// Package commands lets people run commands of the server from their app (XEP-0050 v1.3.0): those that are done in one
// step, and those that ask something first, in one form or in several.
//
// A Command begins with a Stage. A stage gets what was filled in, and answers with a result, or with a form and the stage
// that takes it. Where a device is in which command is kept with the device (session.go), for half an hour: what it has
// begun goes with it. The server speaks English, and says so.
package commands

import (
	"context"
	"regexp"
	"slices"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const (
	ns     = "http://jabber.org/protocol/commands"
	nsData = "jabber:x:data"
)

// A Stage is one step of a command. v is what was filled in in the form of the stage before; nil in the first one. Its
// errors are as of a router.IQFunc; after one, the form can be sent again.
type Stage func(ctx context.Context, q *router.Request, v form.Values) (Answer, error)

// An Answer is what a stage has to say.
type Answer struct {
	Content xmlstream.Raw // a form to be filled in where there is a next stage, else the result; "" for none
	Notes   []Note
	Next    Stage // takes the form; nil: the command is done
	More    bool  // Next asks more; else the command is done with it
}

// A Note tells people how it went (XEP-0050 §4.3).
type Note struct {
	Type string // Info, Warn or Error
	Text string
}

// Types of notes. A command that is done and has failed has one of type Error (XEP-0050 §3.6).
const (
	Info  = "info"
	Warn  = "warn"
	Error = "error"
)

// A Command is something that the server does for who may have it done.
type Command struct {
	Node string // its name on the wire
	Name string // for people, in English
	// May tells who can run it; others do not see it.
	May   func(account.Account) bool
	First Stage
}

// Ask is a Stage that asks for what next does.
func Ask(f xmlstream.Raw, next Stage) Stage {
	return func(context.Context, *router.Request, form.Values) (Answer, error) {
		return Answer{Content: f, Next: next}, nil
	}
}

// Do is a Stage that is the last one: f does what there is to do, and returns the result, usually a form.
func Do(f func(ctx context.Context, q *router.Request, v form.Values) (xmlstream.Raw, error)) Stage {
	return func(ctx context.Context, q *router.Request, v form.Values) (Answer, error) {
		content, err := f(ctx, q, v)
		return Answer{Content: content}, err
	}
}

// Commands are those that the server knows.
type Commands struct {
	list []Command
	now  func() time.Time
	open router.Slot[sessions]
}

// Install hangs the commands into r.
func Install(r *router.Router, now func() time.Time, list ...Command) *Commands {
	c := &Commands{list, now, router.NewSlot[sessions](r)}
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

// Describe tells what a node is, for service discovery: that of the list, or that of a command (XEP-0050 §2.2). known is
// false where it is neither; the error is for who may not run the command.
func (c *Commands) Describe(of account.Account, node string) (id struct{ Category, Type, Name string }, features []string, known bool, err error) {
	id.Category = "automation"
	if node == ns {
		id.Type, id.Name = "command-list", "Commands"
		return id, []string{ns}, true, nil
	}
	x, ok := c.find(node)
	switch {
	case !ok:
		return id, nil, false, nil
	case !x.May(of):
		return id, nil, true, stanza.Forbidden
	}
	id.Type, id.Name = "command-node", x.Name
	return id, []string{ns, nsData}, true, nil
}

func (c *Commands) find(node string) (Command, bool) {
	i := slices.IndexFunc(c.list, func(x Command) bool { return x.Node == node })
	if i < 0 {
		return Command{}, false
	}
	return c.list[i], true
}

// What is wrong with a request beyond its condition (XEP-0050 §4.4).
var (
	badAction       = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-action"))
	badLocale       = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-locale"))
	malformedAction = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "malformed-action"))
	badSession      = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-sessionid"))
	badPayload      = stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-payload"))
	expired         = stanza.NotAllowed.WithApp(xmlstream.Elem(ns, "session-expired"))
)

// language is what a tag of a language looks like.
var language = regexp.MustCompile(`^[A-Za-z]{1,8}(-[A-Za-z0-9]{1,8})*$`)

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
	x, ok := c.find(q.Payload.Attr("node"))
	switch lang := q.Payload.AttrNS(xmlstream.NSXML, "lang"); {
	case !ok: // XEP-0050 §4.4
		return "", stanza.ItemNotFound
	case !x.May(q.Owner): // XEP-0050 §2.2
		return "", stanza.Forbidden
	case lang != "" && !language.MatchString(lang): // XEP-0050 §3.7: any other is answered in English, the language we have
		return "", badLocale
	case q.Payload.HasAttr("sessionid"):
		return c.goOn(ctx, q, x, action)
	}
	return c.begin(ctx, q, x, action)
}

// begin is the first request for a command.
func (c *Commands) begin(ctx context.Context, q *router.Request, x Command, action string) (xmlstream.Raw, error) {
	if action == "cancel" || action == "next" || action == "prev" {
		return "", badAction // XEP-0050 §4.4: nothing has begun
	}
	a, err := x.First(ctx, q, nil)
	switch {
	case err != nil:
		return "", err
	case a.Next == nil:
		return answer(x, stanza.NewID(), "completed", a, false), nil
	case action == "complete": // there is something to be asked
		return "", badAction
	}
	s := c.open.Of(q.Device).begin(x.Node, c.now())
	s.stages = append(s.stages, a)
	return answer(x, s.id, "executing", a, false), nil
}

// goOn is a request for a command that has begun.
func (c *Commands) goOn(ctx context.Context, q *router.Request, x Command, action string) (xmlstream.Raw, error) {
	open := c.open.Of(q.Device)
	s, err := open.find(x.Node, q.Payload.Attr("sessionid"), c.now())
	if err != nil {
		return "", err
	}
	last := s.stages[len(s.stages)-1]
	switch action {
	case "cancel": // XEP-0050 §2.4.3
		open.end(s)
		return answer(x, s.id, "canceled", Answer{}, false), nil
	case "prev": // XEP-0050 §2.4.2
		if len(s.stages) == 1 {
			return "", badAction
		}
		s.stages = s.stages[:len(s.stages)-1]
		s.used = c.now()
		return answer(x, s.id, "executing", s.stages[len(s.stages)-1], len(s.stages) > 1), nil
	case "next":
		if !last.More {
			return "", badAction
		}
	case "complete":
		if last.More {
			return "", badAction
		}
	}
	v := form.Read(q.Payload)
	if x, ok := q.Payload.Child(nsData, "x"); v == nil && ok && x.Attr("type") == "cancel" {
		v = form.Values{} // XEP-0050 §3.5.1: as if it had been submitted
	}
	if v == nil {
		return "", badPayload
	}
	a, err := last.Next(ctx, q, v)
	if err != nil {
		return "", err
	}
	if a.Next == nil {
		open.end(s)
		return answer(x, s.id, "completed", a, false), nil
	}
	if len(s.stages) >= maxStages {
		return "", stanza.ResourceConstraint
	}
	s.stages, s.used = append(s.stages, a), c.now()
	return answer(x, s.id, "executing", a, true), nil
}

// answer writes how far a command is; back where there is a stage before this one.
func answer(x Command, id, status string, a Answer, back bool) xmlstream.Raw {
	var b xmlstream.Builder
	b.Start(ns, "command").Lang("en").Attr("node", x.Node).Attr("sessionid", id).Attr("status", status)
	if a.Next != nil { // XEP-0050 §3.4
		forward := "complete"
		if a.More {
			forward = "next"
		}
		b.Start(ns, "actions").Attr("execute", forward)
		if back {
			b.Start(ns, "prev").End()
		}
		b.Start(ns, forward).End().End()
	}
	for _, n := range a.Notes {
		b.Start(ns, "note").Attr("type", n.Type).Text(n.Text).End()
	}
	return b.Raw(a.Content).End().Build()
}
