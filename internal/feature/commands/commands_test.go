// SPDX-License-Identifier: Apache-2.0

package commands_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/feature/commands"
	"github.com/kith-im/kith/internal/xmpp/payload/form"
	"github.com/kith-im/kith/internal/xmpp/router"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

const ns = "http://jabber.org/protocol/commands"

// cake is a command of three forms: what for, which, and how many. Juliet alone may run it.
func cake() commands.Command {
	ask := func(name string) xmlstream.Raw { return form.New("", name, "", form.Field{Var: name}) }
	done := func(_ context.Context, _ *router.Request, v form.Values) (commands.Answer, error) {
		switch v["how-many"] {
		case "":
			return commands.Answer{}, stanza.BadRequest.WithApp(xmlstream.Elem(ns, "bad-payload"))
		case "0":
			return commands.Answer{Notes: []commands.Note{{Type: commands.Error, Text: "No cake."}}}, nil
		case "broken":
			return commands.Answer{}, errors.New("the oven is cold")
		}
		return commands.Answer{Notes: []commands.Note{{Type: commands.Info, Text: "Baked."}, {Type: commands.Warn, Text: "Hot."}}}, nil
	}
	which := func(_ context.Context, _ *router.Request, v form.Values) (commands.Answer, error) {
		return commands.Answer{Content: ask("how-many"), Next: done}, nil
	}
	return commands.Command{Node: "cake", Name: "Bake a cake", May: func(a account.Account) bool { return a.Name == "juliet" },
		First: func(context.Context, *router.Request, form.Values) (commands.Answer, error) {
			return commands.Answer{Content: ask("which"), Next: which, More: true}, nil
		}}
}

// A stage is Juliet at a server with commands.
type stage struct {
	*routertest.World
	juliet *routertest.Device
}

func perform(t *testing.T, f func(s *stage)) {
	routertest.Each(t, func(w *routertest.World) {
		for _, r := range w.Routers {
			commands.Install(r, time.Now, cake(), commands.Command{Node: "now", Name: "What time is it?",
				May: func(account.Account) bool { return true },
				First: commands.Do(func(context.Context, *router.Request, form.Values) (xmlstream.Raw, error) {
					return form.Result("", form.Field{Var: "time", Value: "noon"}), nil
				})})
		}
		f(&stage{w, w.Bind("juliet/a")})
	})
}

// run sends a command, with attributes and content, and returns the session's id and what came: the error's conditions,
// or status, actions, notes and the fields of the form.
func (s *stage) run(d *routertest.Device, attributes, content string) (id, came string) {
	s.T.Helper()
	d.Sendf(`<iq type="set" id="c" to="kith.example"><command xmlns="%s" %s>%s</command></iq>`, ns, attributes, content)
	s.Settle()
	got := d.Take()
	if len(got) != 1 || got[0].ID != "c" {
		s.T.Fatalf("%s: got %d answers", attributes, len(got))
	}
	if e := stanza.ParseError(got[0]); got[0].Type == stanza.TypeError {
		came = e.Type + " " + e.Condition
		el, _ := got[0].Child(xmlstream.NSClient, "error")
		for n := range el.Children() {
			if n.Name().Space == ns {
				came += " " + n.Name().Local
			}
		}
		return "", came
	}
	c, _ := got[0].Child(ns, "command")
	parts := []string{c.Attr("status")}
	if lang := c.AttrNS(xmlstream.NSXML, "lang"); lang != "en" {
		parts = append(parts, "in "+lang)
	}
	for n := range c.Children() {
		switch n.Name().Local {
		case "actions":
			p := n.Attr("execute") + ":"
			for a := range n.Children() {
				p += " " + a.Name().Local
			}
			parts = append(parts, "["+p+"]")
		case "note":
			parts = append(parts, n.Attr("type")+" "+n.Text())
		default:
			for f := range n.Children() {
				if f.HasAttr("var") && f.Attr("type") != "hidden" {
					parts = append(parts, "?"+f.Attr("var"))
				}
			}
		}
	}
	return c.Attr("sessionid"), strings.Join(parts, " ")
}

// step is run within a session.
func (s *stage) step(id, action, content, want string) {
	s.T.Helper()
	attributes := fmt.Sprintf(`node="cake" sessionid="%s"`, id)
	if action != "" {
		attributes += fmt.Sprintf(` action="%s"`, action)
	}
	got, came := s.run(s.juliet, attributes, content)
	if came != want {
		s.T.Errorf("%s: got %q, want %q", action, came, want)
	}
	if got != id && got != "" {
		s.T.Errorf("%s: the session is %q, want %q", action, got, id)
	}
}

// submit is a form that was filled in.
func submit(name, value string) string {
	return fmt.Sprintf(`<x xmlns="jabber:x:data" type="submit"><field var="%s"><value>%s</value></field></x>`, name, value)
}

const (
	first  = "executing [next: next] ?which"
	second = "executing [complete: prev complete] ?how-many"
)

// TestStages is a command of several forms, there and back (XEP-0050 §2.4.2, §3.4).
func TestStages(t *testing.T) {
	perform(t, func(s *stage) {
		id, came := s.run(s.juliet, `node="cake"`, "")
		if came != first || id == "" {
			t.Fatalf("it begins with %q, session %q", came, id)
		}
		for _, x := range []struct{ name, action, content, want string }{
			{"no form", "next", "", "modify bad-request bad-payload"},
			{"a form of another kind", "next", `<x xmlns="jabber:x:data" type="form"/>`, "modify bad-request bad-payload"},
			{"too early", "complete", submit("which", "lemon"), "modify bad-request bad-action"},
			{"before the first", "prev", "", "modify bad-request bad-action"},
			{"no such thing", "dance", submit("which", "lemon"), "modify bad-request malformed-action"},
			{"cancelled, where nothing is needed", "next", `<x xmlns="jabber:x:data" type="cancel"/>`, second},
			{"and back", "prev", "", first},
			{"execute is next", "execute", submit("which", "lemon"), second},
			{"there is no more", "next", submit("how-many", "1"), "modify bad-request bad-action"},
			{"back", "prev", "", first},
			{"forth", "next", submit("which", "apple"), second},
			{"not filled in", "complete", submit("how-many", ""), "modify bad-request bad-payload"},
			{"a form that is cancelled counts as one that is not filled in", "complete", `<x xmlns="jabber:x:data" type="cancel"/>`, "modify bad-request bad-payload"},
			{"our fault", "complete", submit("how-many", "broken"), "cancel internal-server-error"},
			{"done, without a word", "", submit("how-many", "2"), "completed info Baked. warn Hot."},
			{"it is over", "", submit("how-many", "2"), "cancel not-allowed session-expired"},
		} {
			s.step(id, x.action, x.content, x.want)
		}
		id, _ = s.run(s.juliet, `node="cake" action="execute"`, "")
		s.step(id, "next", submit("which", "lemon"), second)
		s.step(id, "complete", submit("how-many", "0"), "completed error No cake.") // XEP-0050 §3.6
		id, _ = s.run(s.juliet, `node="cake"`, "")
		s.step(id, "cancel", "", "canceled") // XEP-0050 §2.4.3
		s.step(id, "cancel", "", "cancel not-allowed session-expired")
	})
}

// TestBegin holds how a command begins, and for whom (XEP-0050 §2.2, §2.4.1, §3.7, §4.4).
func TestBegin(t *testing.T) {
	perform(t, func(s *stage) {
		romeo := s.Bind("romeo/a")
		for _, x := range []struct {
			by         *routertest.Device
			attributes string
			want       string
		}{
			{s.juliet, `node="now"`, "completed ?time"},
			{s.juliet, `node="now" action="complete"`, "completed ?time"},
			{s.juliet, `node="now" status="completed"`, "completed ?time"}, // XEP-0050 §4.1: ignored
			{s.juliet, `node="now" xml:lang="de"`, "completed ?time"},
			{s.juliet, `node="now" xml:lang="not a language"`, "modify bad-request bad-locale"},
			{s.juliet, `node="cake" action="complete"`, "modify bad-request bad-action"},
			{s.juliet, `node="cake" action="cancel"`, "modify bad-request bad-action"},
			{s.juliet, `node="cake" action="next"`, "modify bad-request bad-action"},
			{s.juliet, `node="cake" sessionid="unknown"`, "modify bad-request bad-sessionid"},
			{s.juliet, `node="cake" sessionid=""`, "modify bad-request bad-sessionid"},
			{s.juliet, `node="nonsense"`, "cancel item-not-found"},
			{s.juliet, ``, "cancel item-not-found"},
			{romeo, `node="cake"`, "auth forbidden"},
		} {
			if _, came := s.run(x.by, x.attributes, ""); came != x.want {
				t.Errorf("%s: got %q, want %q", x.attributes, came, x.want)
			}
		}
	})
}

// TestSessions holds that sessions are a device's own, that there may be several, and when they end (XEP-0050 §3.3).
func TestSessions(t *testing.T) {
	perform(t, func(s *stage) {
		one, _ := s.run(s.juliet, `node="cake"`, "")
		two, _ := s.run(s.juliet, `node="cake"`, "")
		if one == two {
			t.Error("two sessions have one id")
		}
		phone := s.Bind("juliet/phone")
		if _, came := s.run(phone, fmt.Sprintf(`node="cake" sessionid="%s"`, one), submit("which", "lemon")); came != "modify bad-request bad-sessionid" {
			t.Errorf("for another device: %q", came)
		}
		if _, came := s.run(s.juliet, fmt.Sprintf(`node="now" sessionid="%s"`, one), submit("which", "lemon")); came != "modify bad-request bad-sessionid" {
			t.Errorf("for another command: %q", came)
		}
		s.step(one, "", submit("which", "lemon"), second)
		s.step(two, "", submit("which", "lemon"), second)

		time.Sleep(31 * time.Minute) // the bubble's clock
		s.step(one, "", submit("how-many", "1"), "cancel not-allowed session-expired")

		// The ninth ends the oldest.
		var ids []string
		for range 9 {
			id, _ := s.run(s.juliet, `node="cake"`, "")
			ids = append(ids, id)
		}
		s.step(ids[0], "", submit("which", "lemon"), "cancel not-allowed session-expired")
		s.step(ids[1], "", submit("which", "lemon"), second)

		// Back and forth does not grow without end.
		for range 40 {
			s.step(ids[2], "next", submit("which", "lemon"), second)
			s.step(ids[2], "prev", "", first)
		}
	})
}

// TestDescribe holds what service discovery tells of commands (XEP-0050 §2.2).
func TestDescribe(t *testing.T) {
	routertest.Each(t, func(w *routertest.World) {
		c := commands.Install(w.Routers[0], time.Now, cake())
		juliet, romeo := account.Account{Name: "juliet"}, account.Account{Name: "romeo"}
		for _, x := range []struct {
			of         account.Account
			node, want string
		}{
			{juliet, ns, "automation command-list [http://jabber.org/protocol/commands] true <nil>"},
			{juliet, "cake", "automation command-node [http://jabber.org/protocol/commands jabber:x:data] true <nil>"},
			{romeo, "cake", "automation  [] true forbidden"},
			{juliet, "nonsense", "automation  [] false <nil>"},
		} {
			id, features, known, err := c.Describe(x.of, x.node)
			problem := fmt.Sprint(err)
			if e, ok := errors.AsType[*stanza.Error](err); ok {
				problem = e.Condition
			}
			if got := fmt.Sprint(id.Category, " ", id.Type, " ", features, " ", known, " ", problem); got != x.want {
				t.Errorf("%s for %s: got %q, want %q", x.node, x.of.Name, got, x.want)
			}
		}
		for who, want := range map[account.Account]string{juliet: "cake", romeo: ""} {
			got := ""
			c.Items(who, func(node, _ string) { got += node })
			if got != want {
				t.Errorf("%s sees %q", who.Name, got)
			}
		}
	})
}
