// SPDX-License-Identifier: Apache-2.0

package app

import (
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/account"
	"github.com/kith-im/kith/internal/capability"
	"github.com/kith-im/kith/internal/config"
	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// An operator is an admin with an app.
type operator struct {
	t *testing.T
	c *xmpptest.Client
}

// ask sends a command and returns the answer.
func (o operator) ask(attributes, content string) xmlstream.Node {
	o.t.Helper()
	o.c.MustSend(o.t, `<iq type="set" id="c" to="kith.example"><command xmlns="http://jabber.org/protocol/commands" `+attributes+`>`+content+`</command></iq>`)
	n, err := o.c.Await(o.t.Context(), `<iq id="c"/>`)
	must(o.t, err)
	return n
}

// run runs a command of XEP-0133: it fills in the form that comes, a value or several for each name, and returns what
// the result says: the values of each field, or the condition of an error.
func (o operator) run(command string, fields map[string]string) string {
	o.t.Helper()
	node := `node="http://jabber.org/protocol/admin#` + command + `"`
	n := o.ask(node+` action="execute"`, "")
	c, ok := n.Child("http://jabber.org/protocol/commands", "command")
	if ok && c.Attr("status") == "executing" {
		x, asks := c.Child("jabber:x:data", "x")
		if !asks || x.Attr("type") != "form" {
			o.t.Fatalf("%s asks nothing: %s", command, n.Raw())
		}
		var b strings.Builder
		b.WriteString(`<x xmlns="jabber:x:data" type="submit"><field var="FORM_TYPE" type="hidden"><value>http://jabber.org/protocol/admin</value></field>`)
		for name, values := range fields {
			b.WriteString(`<field var="` + name + `">`)
			for v := range strings.SplitSeq(values, "|") {
				b.WriteString(`<value>` + v + `</value>`)
			}
			b.WriteString(`</field>`)
		}
		n = o.ask(node+` sessionid="`+c.Attr("sessionid")+`"`, b.String()+`</x>`)
		c, ok = n.Child("http://jabber.org/protocol/commands", "command")
	}
	if !ok || n.Attr("type") == "error" {
		return o.condition(n)
	}
	said := []string{c.Attr("status")}
	if x, ok := c.Child("jabber:x:data", "x"); ok {
		for f := range x.Children() {
			if f.Attr("var") == "FORM_TYPE" {
				continue
			}
			said = append(said, f.Attr("var")+":")
			for v := range f.Children() {
				said = append(said, v.Text())
			}
		}
	}
	return strings.Join(said, " ")
}

func (o operator) condition(n xmlstream.Node) string {
	o.t.Helper()
	el, err := xmlstream.Parse(string(n.Raw()), xmlstream.AfterAuth)
	must(o.t, err)
	st, err := stanza.Parse(el)
	must(o.t, err)
	return stanza.ParseError(st).Condition
}

// over is ends for a client that is told other things first.
func over(t *testing.T, c *xmpptest.Client, condition string) {
	t.Helper()
	_, err := c.Await(t.Context(), `<stream:error><`+condition+` `+streamErrors+`/></stream:error>`)
	must(t, err)
	must(t, c.ExpectEnd(t.Context()))
}

// What admins can do in their app (XEP-0133), with what follows from it, and what everybody is told of the server.
func TestControl(t *testing.T) {
	t.Parallel()
	s := start(t, func(c *config.Config) {
		c.Contact.Abuse = []string{"mailto:abuse@kith.example", "xmpp:nurse@kith.example"}
		c.Contact.ServerInfo = true
	})
	s.user(t, "nurse", account.Admin)
	juliet, romeo := s.user(t, "juliet", account.User), s.user(t, "romeo", account.User)
	s.befriend(t, juliet, romeo)
	nurse := operator{t, s.available(t, "nurse", password, "desk")}
	expect := func(command string, fields map[string]string, want string) {
		t.Helper()
		if got := nurse.run(command, fields); got != want {
			t.Errorf("%s %v: got %q, want %q", command, fields, got, want)
		}
	}
	account := func(names ...string) map[string]string {
		return map[string]string{"accountjids": strings.Join(names, "@kith.example|") + "@kith.example"}
	}

	expect("add-user", map[string]string{"accountjid": "tybalt@kith.example", "password": otherPassword, "password-verify": otherPassword}, "completed")
	expect("add-user", map[string]string{"accountjid": "tybalt@kith.example", "password": otherPassword, "password-verify": otherPassword}, "conflict")
	expect("add-user", map[string]string{"accountjid": "paris@kith.example", "password": otherPassword, "password-verify": password}, "bad-request")
	expect("add-user", map[string]string{"accountjid": "paris@kith.example", "password": "short", "password-verify": "short"}, "not-acceptable")
	expect("add-user", map[string]string{"accountjid": "paris@verona.example", "password": otherPassword, "password-verify": otherPassword}, "bad-request")
	expect("get-registered-users-num", nil, "completed registeredusersnum: 4")
	expect("get-registered-users-list", map[string]string{"max_items": "2"},
		"completed registereduserjids: juliet@kith.example nurse@kith.example")
	expect("get-registered-users-list", map[string]string{"max_items": "none"},
		"completed registereduserjids: juliet@kith.example nurse@kith.example romeo@kith.example tybalt@kith.example")
	expect("get-registered-users-list", map[string]string{"max_items": "all of them"}, "bad-request")

	// Who is there.
	c := s.available(t, "juliet", password, "balcony")
	expect("get-online-users-num", nil, "completed onlineusersnum: 2")
	expect("get-online-users-list", nil, "completed onlineuserjids: juliet@kith.example nurse@kith.example")
	expect("get-active-users-num", nil, "completed activeusersnum: 2")
	c.MustSend(t, `<inactive xmlns="urn:xmpp:csi:0"/>`)
	must(t, c.Sync(t.Context()))
	expect("get-active-users", nil, "completed activeuserjids: nurse@kith.example")
	expect("get-idle-users-num", nil, "completed idleusersnum: 1")
	expect("get-idle-users", nil, "completed activeuserjids: juliet@kith.example")
	expect("user-stats", map[string]string{"accountjid": "juliet@kith.example"}, "completed rostersize: 1 onlineresources: balcony")
	expect("user-stats", map[string]string{"accountjid": "nobody@kith.example"}, "item-not-found")
	if got := nurse.run("get-user-lastlogin", account("juliet", "tybalt")); !strings.HasPrefix(got, "completed accountjids: juliet@kith.example tybalt@kith.example lastlogin: 20") {
		t.Errorf("the last time: %q", got)
	}
	expect("announce", map[string]string{"subject": "Tonight", "announcement": "We stop at ten,|for an hour."}, "completed")
	c.MustSend(t, `<active xmlns="urn:xmpp:csi:0"/>`)
	_, err := c.Await(t.Context(), `<message from="kith.example"><subject>Tonight</subject><body>We stop at ten,
for an hour.</body></message>`)
	must(t, err)
	expect("announce", map[string]string{"announcement": " "}, "bad-request")

	// What ends sessions.
	expect("end-user-session", account("juliet", "nobody"), "item-not-found") // so nothing happens to juliet
	expect("end-user-session", map[string]string{"accountjids": "juliet@kith.example/nowhere"}, "completed")
	must(t, c.Sync(t.Context()))
	expect("end-user-session", account("juliet"), "completed")
	over(t, c, "policy-violation")
	c = s.available(t, "juliet", password, "balcony")
	expect("change-user-password", map[string]string{"accountjid": "juliet@kith.example", "password": otherPassword}, "completed")
	over(t, c, "reset")
	expect("change-user-password", map[string]string{"accountjid": "nobody@kith.example", "password": otherPassword}, "item-not-found")
	expect("change-user-password", map[string]string{"accountjid": "nurse@kith.example", "password": otherPassword}, "not-allowed")
	c = s.available(t, "juliet", otherPassword, "balcony")
	expect("disable-user", account("juliet"), "completed")
	over(t, c, "not-authorized")
	s.refused(t, "juliet", otherPassword, sasl.AccountDisabled)
	expect("get-disabled-users-num", nil, "completed disabledusersnum: 1")
	expect("get-disabled-users-list", nil, "completed disableduserjids: juliet@kith.example")
	expect("reenable-user", account("juliet"), "completed")
	c = s.available(t, "juliet", otherPassword, "balcony")
	expect("delete-user", account("juliet", "tybalt"), "completed")
	over(t, c, "not-authorized")
	expect("get-registered-users-num", nil, "completed registeredusersnum: 2")
	for _, command := range []string{"delete-user", "disable-user"} { // she is the last admin, and herself
		expect(command, account("nurse"), "not-allowed")
	}
	expect("delete-user", nil, "bad-request")
	for _, absent := range []string{"get-user-roster", "get-user-password", "edit-admin", "restart", "shutdown", "set-motd"} {
		expect(absent, nil, "item-not-found")
	}

	// Nobody else may do any of that, or sees that it can be done (XEP-0133 §6).
	r := s.login(t, "romeo", password, "orchard")
	for _, command := range []string{"add-user", "get-online-users-num"} {
		if got := (operator{t, r}).run(command, nil); got != "forbidden" {
			t.Errorf("romeo runs %s: %q", command, got)
		}
	}
	r.MustSend(t, `<iq type="get" id="i" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#items" node="http://jabber.org/protocol/commands"/></iq>`)
	n, err := r.Await(t.Context(), `<iq type="result" id="i"/>`)
	must(t, err)
	if strings.Contains(string(n.Raw()), "protocol/admin") {
		t.Errorf("romeo sees %s", n.Raw())
	}

	// What the server tells of itself (XEP-0157, XEP-0485).
	r.MustSend(t, `<iq type="get" id="d" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`)
	_, err = r.Await(t.Context(), `<iq type="result" id="d"><query xmlns="http://jabber.org/protocol/disco#info">
		<feature var="urn:xmpp:serverinfo:0"/><feature var="urn:xmpp:blocking"/><feature var="urn:xmpp:reporting:1"/>
		<x xmlns="jabber:x:data" type="result">
			<field var="FORM_TYPE" type="hidden"><value>http://jabber.org/network/serverinfo</value></field>
			<field var="abuse-addresses"><value>mailto:abuse@kith.example</value><value>xmpp:nurse@kith.example</value></field>
			<field var="serverinfo-pubsub-node"><value>xmpp:kith.example?;node=serverinfo</value></field>
		</x></query></iq>`)
	must(t, err)
	// The hash in the stream features is that of the answer, with the form (XEP-0115 §5.1).
	c115, ok := r.Features.Child("http://jabber.org/protocol/caps", "c")
	if !ok {
		t.Fatal("the stream features tell no hash")
	}
	r.MustSend(t, `<iq type="get" id="h" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#info" node="`+c115.Attr("node")+"#"+c115.Attr("ver")+`"/></iq>`)
	n, err = r.Await(t.Context(), `<iq type="result" id="h"/>`)
	must(t, err)
	query, _ := n.Child("http://jabber.org/protocol/disco#info", "query")
	if _, valid := capability.Read(capability.Key{Hash: c115.Attr("hash"), Ver: c115.Attr("ver")}, query); !valid {
		t.Errorf("the hash %s is not that of %s", c115.Attr("ver"), query.Raw())
	}
	r.MustSend(t, `<iq type="get" id="n" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#info" node="serverinfo"/></iq>`)
	r.MustExpect(t, `<iq type="result" id="n"><query xmlns="http://jabber.org/protocol/disco#info" node="serverinfo"><identity category="pubsub" type="leaf"/></query></iq>`)
	r.MustSend(t, `<iq type="get" id="p" to="kith.example"><pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="serverinfo"/></pubsub></iq>`)
	r.MustExpect(t, `<iq type="result" id="p"><pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="serverinfo"><item id="current">
		<serverinfo xmlns="urn:xmpp:serverinfo:0"><domain name="kith.example"><federation/></domain>
		<query xmlns="jabber:iq:version"><name>Kith</name></query></serverinfo></item></items></pubsub></iq>`)
	r.MustSend(t, `<iq type="get" id="q" to="kith.example"><pubsub xmlns="http://jabber.org/protocol/pubsub"><items node="other"/></pubsub></iq>`)
	r.MustExpect(t, `<iq type="error" id="q"><error><item-not-found xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
	r.MustSend(t, `<iq type="get" id="q" to="kith.example"><pubsub xmlns="http://jabber.org/protocol/pubsub"><subscriptions/></pubsub></iq>`)
	r.MustExpect(t, `<iq type="error" id="q"><error><feature-not-implemented xmlns="urn:ietf:params:xml:ns:xmpp-stanzas"/></error></iq>`)
}

// Without a word of the admin's, the server tells nothing of itself, and publishes nothing.
func TestNoContact(t *testing.T) {
	t.Parallel()
	s := start(t)
	s.user(t, "romeo", account.User)
	r := s.login(t, "romeo", password, "orchard")
	r.MustSend(t, `<iq type="get" id="d" to="kith.example"><query xmlns="http://jabber.org/protocol/disco#info"/></iq>`)
	n, err := r.Await(t.Context(), `<iq type="result" id="d"/>`)
	must(t, err)
	for _, word := range []string{"serverinfo", "addresses"} {
		if strings.Contains(string(n.Raw()), word) {
			t.Errorf("it says %s: %s", word, n.Raw())
		}
	}
}
