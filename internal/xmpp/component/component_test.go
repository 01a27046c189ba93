// SPDX-License-Identifier: Apache-2.0

package component

import (
	"context"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/router/routertest"
	"github.com/kith-im/kith/internal/xmpp/stanza"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

const secret = "to be or not to be"

// header begins a component's stream, as XEP-0114 §3 has it.
const header = `<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams" to="%s">`

// A world is a server for two components, on a router with accounts, in a bubble.
type world struct {
	*routertest.World
	server *Server
}

// perform runs f in a world.
func perform(t *testing.T, f func(w *world)) {
	t.Helper()
	t.Parallel()
	path := t.TempDir() + "/kith.db"
	synctest.Test(t, func(t *testing.T) {
		w := &world{World: routertest.Open(t, path, 1)}
		w.server = New(Options{
			Router: w.Routers[0], Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
			Components: []Component{{jid.MustParse("irc.example"), secret}, {jid.MustParse("bot.kith.example"), "something else entirely"}},
		})
		w.Routers[0].Open("get", "urn:xmpp:ping", "ping")
		f(w)
		if err := w.server.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
		w.Close()
	})
}

// A peer is a component's end of a connection; what it is sent is kept.
type peer struct {
	w    *world
	conn net.Conn

	mu   sync.Mutex
	got  strings.Builder
	over bool // the server has closed the connection
}

// dial opens a connection on which nothing is said yet.
func (w *world) dial() *peer {
	a, b := xmpptest.Pipe(0)
	p := &peer{w: w, conn: b}
	w.server.start(a)
	go func() { // ends with the connection
		buf := make([]byte, 4096)
		for {
			n, err := b.Read(buf)
			p.mu.Lock()
			p.got.Write(buf[:n])
			p.over = p.over || err != nil
			p.mu.Unlock()
			if err != nil {
				return
			}
		}
	}()
	w.T.Cleanup(func() { b.Close() })
	return p
}

// say writes, and returns what the server has said when nothing moves any more.
func (p *peer) say(format string, args ...any) string {
	p.w.T.Helper()
	_, _ = io.WriteString(p.conn, fmt.Sprintf(format, args...)) // what does not arrive has no answer
	return p.heard()
}

// heard returns what the server has said since the last time.
func (p *peer) heard() string {
	p.w.Settle()
	p.mu.Lock()
	defer p.mu.Unlock()
	s := p.got.String()
	p.got.Reset()
	return s
}

func (p *peer) ended() bool {
	p.w.Settle()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.over
}

var idAttr = regexp.MustCompile(` id="([^"]+)"`)

// proof is the handshake for the stream whose header is given.
func proof(reply, secret string) string {
	m := idAttr.FindStringSubmatch(reply)
	if m == nil {
		return ""
	}
	sum := sha1.Sum([]byte(m[1] + secret))
	return hex.EncodeToString(sum[:])
}

// connect returns a component that is connected.
func (w *world) connect(domain, secret string) *peer {
	w.T.Helper()
	p := w.dial()
	reply := p.say(header, domain)
	if !strings.Contains(reply, `xmlns="jabber:component:accept"`) || !strings.Contains(reply, ` from="`+domain+`"`) {
		w.T.Fatalf("the server's header is %s", reply)
	}
	if got := p.say("<handshake>%s</handshake>", proof(reply, secret)); got != "<handshake/>" {
		w.T.Fatalf("the handshake is answered with %s", got)
	}
	return p
}

// wantEnd requires that the server has ended the stream with a condition.
func (p *peer) wantEnd(got, condition string) {
	p.w.T.Helper()
	want := `<stream:error><` + condition + ` xmlns="urn:ietf:params:xml:ns:xmpp-streams"/>`
	if !strings.Contains(got, want) || !strings.HasSuffix(got, "</stream:error></stream:stream>") {
		p.w.T.Errorf("got %s, want %s", got, condition)
	}
	_, _ = io.WriteString(p.conn, "</stream:stream>")
	if !p.ended() {
		p.w.T.Error("the connection is open")
	}
}

// TestHandshake: XEP-0114 §3, examples 1 to 4, and the errors.
func TestHandshake(t *testing.T) {
	for _, c := range []struct {
		name, header string
		handshake    func(reply string) string // "" for none
		want         string                    // "" is success
	}{
		{"right", fmt.Sprintf(header, "irc.example"), func(r string) string { return "<handshake>" + proof(r, secret) + "</handshake>" }, ""},
		{"with a version", `<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams" to="irc.example" version="1.0">`,
			func(r string) string { return "<handshake>" + proof(r, secret) + "</handshake>" }, ""},
		{"white space", fmt.Sprintf(header, "IRC.example"), func(r string) string { return "\n<handshake>\n" + proof(r, secret) + "\n</handshake>" }, ""},
		{"another secret", fmt.Sprintf(header, "irc.example"), func(r string) string { return "<handshake>" + proof(r, "something else entirely") + "</handshake>" }, "not-authorized"},
		{"upper case", fmt.Sprintf(header, "irc.example"), func(r string) string {
			return "<handshake>" + strings.ToUpper(proof(r, secret)) + "</handshake>"
		}, "not-authorized"},
		{"nothing", fmt.Sprintf(header, "irc.example"), func(string) string { return "<handshake/>" }, "not-authorized"},
		{"a stanza first", fmt.Sprintf(header, "irc.example"), func(string) string { return `<message from="irc.example" to="a@kith.example"/>` }, "not-authorized"},
		{"another's domain", fmt.Sprintf(header, "mail.example"), nil, "host-unknown"},
		{"the server's domain", fmt.Sprintf(header, routertest.Domain), nil, "host-unknown"},
		{"an account of a domain", fmt.Sprintf(header, "a@irc.example"), nil, "host-unknown"},
		{"no domain", `<stream:stream xmlns="jabber:component:accept" xmlns:stream="http://etherx.jabber.org/streams">`, nil, "host-unknown"},
		{"a client", `<stream:stream xmlns="jabber:client" xmlns:stream="http://etherx.jabber.org/streams" to="irc.example" version="1.0">`, nil, "invalid-namespace"},
		{"the other method", `<stream:stream xmlns="jabber:component:connect" xmlns:stream="http://etherx.jabber.org/streams" to="irc.example">`, nil, "invalid-namespace"},
		{"another stream", `<stream:stream xmlns="jabber:component:accept" xmlns:stream="urn:x" to="irc.example">`, nil, "invalid-namespace"},
		{"no XML", "GET / HTTP/1.1\r\n\r\n", nil, "not-well-formed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			perform(t, func(w *world) {
				p := w.dial()
				got := p.say("%s", c.header)
				if !strings.Contains(got, `<stream:stream xmlns="jabber:component:accept"`) { // before errors, too
					t.Fatalf("no header: %s", got)
				}
				if c.handshake != nil {
					got = p.say("%s", c.handshake(got))
				}
				if c.want != "" {
					p.wantEnd(got, c.want)
				} else if got != "<handshake/>" {
					t.Errorf("got %s", got)
				}
			})
		})
	}
}

// TestTooSlow: who does not say who it is in time is of no use.
func TestTooSlow(t *testing.T) {
	perform(t, func(w *world) {
		p := w.dial()
		p.say(header, "irc.example")
		time.Sleep(negotiationTime + time.Second)
		p.wantEnd(p.heard(), "connection-timeout")
	})
}

// TestStanzas: both ways, with children that follow the stream's namespace.
func TestStanzas(t *testing.T) {
	perform(t, func(w *world) {
		p := w.connect("irc.example", secret)
		romeo := w.Come("romeo/desk", 0)
		romeo.Sendf(`<message to="#chess@irc.example" type="chat" id="1"><body>Hark</body></message>`)
		want := `<message type="chat" id="1" from="romeo@kith.example/desk" to="#chess@irc.example"><body>Hark</body>`
		if got := p.heard(); !strings.HasPrefix(got, want) {
			t.Errorf("got %s, want %s", got, want)
		}
		p.say(`<message from="tybalt@irc.example/x" to="romeo@kith.example/desk" type="chat" id="2"><body>Peace?</body></message>`)
		if got := romeo.Bodies(); len(got) != 1 || got[0] != "Peace?" {
			t.Errorf("romeo got %q", got)
		}
		if got := p.say(`<iq from="irc.example" to="kith.example" type="get" id="3"><ping xmlns="urn:xmpp:ping"/></iq>`); got !=
			`<iq type="result" id="3" from="kith.example" to="irc.example"/>` {
			t.Errorf("got %s", got)
		}
		// To another component, and to itself.
		bot := w.connect("bot.kith.example", "something else entirely")
		p.say(`<message from="a@irc.example" to="b@bot.kith.example" id="4"/>`)
		if got := bot.heard(); got != `<message id="4" from="a@irc.example" to="b@bot.kith.example"/>` {
			t.Errorf("the other component got %s", got)
		}
		if got := p.say(`<message from="a@irc.example" to="b@irc.example" id="5"/>`); got != `<message id="5" from="a@irc.example" to="b@irc.example"/>` {
			t.Errorf("the component got %s from itself", got)
		}
	})
}

// TestBadStanzas: what ends a component's stream, and what only has an answer.
func TestBadStanzas(t *testing.T) {
	for _, c := range []struct{ name, say, ends, answer string }{
		{"from an account of ours", `<message from="juliet@kith.example" to="romeo@kith.example"/>`, "invalid-from", ""},
		{"from another component", `<message from="bot.kith.example" to="romeo@kith.example"/>`, "invalid-from", ""},
		{"from below its domain", `<message from="a@sub.irc.example" to="romeo@kith.example"/>`, "invalid-from", ""},
		{"from nobody", `<message from="@" to="romeo@kith.example"/>`, "invalid-from", ""},
		{"without from", `<message to="romeo@kith.example"/>`, "improper-addressing", ""},
		{"without to", `<message from="irc.example"/>`, "improper-addressing", ""},
		{"no stanza", `<query from="irc.example" to="romeo@kith.example"/>`, "unsupported-stanza-type", ""},
		{"another kind of stream", `<message xmlns="jabber:server" from="irc.example" to="romeo@kith.example"/>`, "invalid-namespace", ""},
		{"not well-formed", `<message from="irc.example" to="romeo@kith.example"></iq>`, "not-well-formed", ""},
		{"to is no address", `<message from="irc.example" to="@" id="1"/>`, "", "jid-malformed"},
		{"a request for nothing", `<iq from="irc.example" to="kith.example" type="get" id="1"/>`, "", "bad-request"},
		{"to nobody", `<message from="irc.example" to="nobody@kith.example" id="1"><body>x</body></message>`, "", "service-unavailable"},
		{"elsewhere", `<iq from="irc.example" to="elsewhere.example" type="get" id="1"><x xmlns="urn:x"/></iq>`, "", "remote-server-not-found"},
	} {
		t.Run(c.name, func(t *testing.T) {
			perform(t, func(w *world) {
				w.Account("romeo")
				p := w.connect("irc.example", secret)
				got := p.say("%s", c.say)
				if c.ends != "" {
					p.wantEnd(got, c.ends)
				} else if !strings.Contains(got, ` type="error" id="1"`) || !strings.Contains(got, "<"+c.answer+" ") {
					t.Errorf("got %s, want %s", got, c.answer)
				}
			})
		})
	}
}

// TestAway: what is for a component that is not there waits half a minute for it.
func TestAway(t *testing.T) {
	perform(t, func(w *world) {
		romeo := w.Come("romeo/desk", 0)
		say := func(id string) {
			romeo.Sendf(`<message to="a@irc.example" type="chat" id=%q><body>%s</body></message>`, id, id)
			w.Settle()
		}
		conditions := func() (list []string) {
			for _, st := range romeo.Take() {
				list = append(list, st.ID+" "+stanza.ParseError(st).Condition)
			}
			return list
		}
		say("1")
		say("2")
		if got := conditions(); got != nil {
			t.Errorf("at once: %q", got)
		}
		p := w.connectAfter("irc.example", secret, 10*time.Second)
		if got := p.heard(); !strings.Contains(got, `id="1"`) || strings.Index(got, `id="2"`) < strings.Index(got, `id="1"`) {
			t.Errorf("what waited came as %s", got)
		}
		p.conn.Close()
		w.Settle()
		say("3")
		time.Sleep(graceTime + time.Second)
		w.Settle()
		say("4")
		if got := fmt.Sprint(conditions()); got != "[3 remote-server-timeout 4 remote-server-timeout]" {
			t.Errorf("without it: %s", got)
		}
		// And with it all is well again.
		p = w.connect("irc.example", secret)
		say("5")
		if got := p.heard(); !strings.Contains(got, `id="5"`) || strings.Contains(got, `id="4"`) {
			t.Errorf("back again it got %s", got)
		}
	})
}

// connectAfter is connect, where the component hears something with its handshake.
func (w *world) connectAfter(domain, secret string, pause time.Duration) *peer {
	w.T.Helper()
	time.Sleep(pause)
	p := w.dial()
	reply := p.say(header, domain)
	_, _ = io.WriteString(p.conn, "<handshake>"+proof(reply, secret)+"</handshake>")
	return p
}

// TestTooMuchWaits: who is away has room for so much.
func TestTooMuchWaits(t *testing.T) {
	perform(t, func(w *world) {
		romeo := w.Come("romeo/desk", 0)
		for i := range maxWaiting + 5 {
			romeo.Sendf(`<iq to="irc.example" type="get" id="%d"><x xmlns="urn:x"/></iq>`, i)
		}
		w.Settle()
		got := romeo.Take()
		if len(got) != 5 || stanza.ParseError(got[0]).Condition != "resource-constraint" {
			t.Errorf("%d refused", len(got))
		}
		time.Sleep(graceTime)
		w.Settle()
		if got := romeo.Take(); len(got) != maxWaiting {
			t.Errorf("%d answered", len(got))
		}
	})
}

// TestSecondConnection: of two connections the first stays, unless it is dead.
func TestSecondConnection(t *testing.T) {
	perform(t, func(w *world) {
		first := w.connect("irc.example", secret)
		second := w.dial()
		reply := second.say(header, "irc.example")
		second.say("<handshake>%s</handshake>", proof(reply, secret))
		ping := first.heard()
		if !strings.Contains(ping, `<ping xmlns="urn:xmpp:ping"/>`) {
			t.Fatalf("the first is asked by %s", ping)
		}
		m := idAttr.FindStringSubmatch(ping)
		first.say(`<iq type="result" id=%q from="irc.example" to="kith.example"/>`, m[1])
		second.wantEnd(second.heard(), "conflict")
		if first.ended() {
			t.Fatal("the first is gone")
		}

		// Now it says nothing.
		third := w.dial()
		reply = third.say(header, "irc.example")
		third.say("<handshake>%s</handshake>", proof(reply, secret))
		time.Sleep(probeTime)
		if got := third.heard(); got != "<handshake/>" || !first.ended() {
			t.Errorf("the third is answered with %q, the first is over: %v", got, first.ended())
		}
		w.Come("romeo/desk", 0).Sendf(`<message to="irc.example" id="1"/>`)
		if got := third.heard(); !strings.Contains(got, `id="1"`) {
			t.Errorf("the third got %s", got)
		}
	})
}

// TestConflictNeedsSecret: who does not know the secret learns nothing of a component, and does not disturb it.
func TestConflictNeedsSecret(t *testing.T) {
	perform(t, func(w *world) {
		first := w.connect("irc.example", secret)
		second := w.dial()
		second.say(header, "irc.example")
		second.wantEnd(second.say("<handshake>no</handshake>"), "not-authorized")
		if got := first.heard(); got != "" || first.ended() {
			t.Errorf("the first got %q", got)
		}
	})
}

// TestSlowComponent: one that does not read is not cut at once. What it has no room for is refused.
func TestSlowComponent(t *testing.T) {
	perform(t, func(w *world) {
		a, b := xmpptest.Pipe(1 << 10)
		defer b.Close()
		w.server.start(a)
		buf := make([]byte, 4096)
		_, _ = io.WriteString(b, fmt.Sprintf(header, "irc.example"))
		n, err := b.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(b, "<handshake>"+proof(string(buf[:n]), secret)+"</handshake>")
		w.Settle()
		romeo := w.Come("romeo/desk", 0)
		const more = 200
		for i := range maxQueued + more {
			romeo.Sendf(`<iq to="irc.example" type="get" id="%d"><x xmlns="urn:x"/></iq>`, i)
		}
		w.Settle()
		refused := romeo.Take()
		// Some it has taken: what fits into its end of the connection.
		if n := len(refused); n > more || n < more-20 || stanza.ParseError(refused[0]).Condition != "resource-constraint" {
			t.Errorf("%d refused", n)
		}
		// Who reads nothing for a minute is gone, and all that it did not get is answered.
		time.Sleep(2 * time.Minute)
		w.Settle()
		if got := romeo.Take(); len(got) != maxQueued {
			t.Errorf("%d answered", len(got))
		}
		if n := w.server.Counters().Connected.Value(); n != 0 {
			t.Errorf("%d components are connected", n)
		}
	})
}

// TestSpaces: a connection that is silent is written to now and then.
func TestSpaces(t *testing.T) {
	perform(t, func(w *world) {
		p := w.connect("irc.example", secret)
		time.Sleep(3*spaceEvery + time.Second)
		if got := p.heard(); got != "   " {
			t.Errorf("got %q", got)
		}
	})
}

// TestStop: what was read goes its way, what is queued is written, and then the stream is ended.
func TestStop(t *testing.T) {
	perform(t, func(w *world) {
		p := w.connect("irc.example", secret)
		romeo := w.Come("romeo/desk", 0)
		_, _ = io.WriteString(p.conn, `<message from="a@irc.example" to="romeo@kith.example" type="chat"><body>last</body></message>`)
		romeo.Sendf(`<message to="bot.kith.example" id="waits"/>`)
		romeo.Sendf(`<message to="irc.example" id="1"/>`)
		w.Settle()
		done := make(chan error, 1)
		go func() { done <- w.server.Shutdown(context.Background()) }()
		got := p.heard()
		if !strings.Contains(got, `id="1"`) {
			t.Errorf("got %s", got)
		}
		p.wantEnd(got, "system-shutdown")
		if err := <-done; err != nil {
			t.Error(err)
		}
		var list []string
		for _, st := range romeo.Take() {
			if b, ok := st.Child(xmlstream.NSClient, "body"); ok {
				list = append(list, b.Text())
			} else {
				list = append(list, st.ID)
			}
		}
		if fmt.Sprint(list) != "[last waits]" {
			t.Errorf("romeo got %q", list)
		}
		// Nobody comes in any more.
		if late := w.dial(); !late.ended() {
			t.Error("somebody came in")
		}
	})
}

// TestCredit: one that sends faster than its stanzas find their way is not read.
func TestCredit(t *testing.T) {
	if c := credit(); c.Stanzas != 4096 || c.Bytes != 8<<20 {
		t.Errorf("a component may have %+v on its way", c)
	}
	perform(t, func(w *world) {
		w.Account("romeo")
		p := w.connect("irc.example", secret)
		for range 3 {
			var b strings.Builder
			for range 5000 {
				b.WriteString(`<message from="a@irc.example" to="romeo@kith.example" type="headline"/>`)
			}
			if got := p.say("%s", b.String()); got != "" {
				t.Fatalf("got %s", got)
			}
		}
		if n := w.server.Counters().Stanzas.Of("in").Value(); n != 15000 {
			t.Errorf("%d were read", n)
		}
	})
}

// TestSubscription: an address of a component can be a contact.
func TestSubscription(t *testing.T) {
	perform(t, func(w *world) {
		p := w.connect("irc.example", secret)
		romeo := w.Come("romeo/desk", 0)
		romeo.Sendf(`<presence type="subscribe" to="a@irc.example" id="s"/>`)
		if got := p.heard(); !strings.Contains(got, `type="subscribe"`) || !strings.Contains(got, ` from="romeo@kith.example" `) {
			t.Errorf("got %s", got)
		}
		p.say(`<presence type="subscribed" from="a@irc.example" to="romeo@kith.example"/>` +
			`<presence type="subscribe" from="a@irc.example" to="romeo@kith.example"/>`)
		romeo.Sendf(`<presence type="subscribed" to="a@irc.example"/>`)
		got := p.heard()
		if !strings.Contains(got, `type="subscribed"`) || !strings.Contains(got, ` from="romeo@kith.example/desk" `) {
			t.Errorf("got %s", got)
		}
		romeo.Leave()
		if got := p.heard(); !strings.Contains(got, `<presence type="unavailable"`) {
			t.Errorf("got %s", got)
		}
	})
}

// FuzzProves: only the right text proves anything.
func FuzzProves(f *testing.F) {
	f.Add("", "id", secret)
	f.Add(proof(` id="id"`, secret), "id", secret)
	f.Fuzz(func(t *testing.T, handshake, id, secret string) {
		sum := sha1.Sum([]byte(id + secret))
		want := strings.TrimSpace(handshake) == hex.EncodeToString(sum[:])
		if got := proves(handshake, id, secret); got != want {
			t.Errorf("proves(%q, %q, %q) = %v", handshake, id, secret, got)
		}
	})
}
