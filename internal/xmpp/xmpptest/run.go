// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/sasl"
	"github.com/kith-im/kith/internal/xmpp/stream"
)

// A Server is what a play is performed on.
type Server interface {
	// Connect returns a client that is logged in as account, with resource bound ("" is the server's choice), and has
	// sent no presence. The account is made when it is first used. It fails the test where that cannot be.
	Connect(t testing.TB, account, resource string) *Client
}

// A Stage is a Server on which a play can also say how a stream begins.
type Stage interface {
	Server
	// Dial returns a client that is connected over transport, and has sent nothing ("" is the server's choice).
	Dial(t testing.TB, transport string) *Client
	// Password returns the password of an account, which is made when it is first used.
	Password(t testing.TB, account string) string
}

// Run performs each play of testdata/*.txt on a server of its own, which start gives, as a subtest.
//
// A play is lines that are done one after the other. A line that is indented goes on with the one before; # begins a
// comment. Who acts is an account and the device's resource; the account alone stands for its only device.
//
//	romeo/desk connects
//	romeo/phone connects
//	romeo/desk sends: <message to="juliet@kith.example" type="chat"><body>Hark</body></message>
//	romeo/phone receives: <message type="chat"><sent xmlns="urn:xmpp:carbons:2">…</sent></message>
//	romeo/phone receives in any order:
//	  <presence from="juliet@kith.example/a"/>
//	  <presence from="juliet@kith.example/b"/>
//	juliet receives nothing
//	romeo/phone is cut
//	romeo/desk disconnects
//	juliet is disconnected
//
// What is received must be the next element and contain the pattern, see Pattern; what patterns captured as {name}
// is the same for all of the play, and can be sent. "Nothing" is for all devices of an account, and counts
// when the server has dealt with all that anybody has sent. "Is disconnected" says that the server ends the stream.
//
// How a stream begins and ends is told step by step where the server is a Stage:
//
//	stranger dials
//	stranger opens: to="kith.example" version="1.0"
//	stranger receives a header: from="kith.example" id="{first}" to="(none)"
//	stranger receives: <stream:features/>
//	stranger authenticates as romeo
//	stranger writes: <message>\xff
//	stranger is disconnected: unsupported-encoding
//
// "Dials over TCP" is without TLS, which "starts TLS" begins after <proceed/>; what other transports there are is
// the Stage's business. "Opens" sends a header of these attributes; "is opened" does that with the usual ones
// and takes header and features; both may be done again, for a new stream. "Writes" sends what stands there as it is, \n and
// \xff being what they are in Go. "Is disconnected" with a condition wants that stream error, then the end of the
// stream, then that of the connection. "Ends its stream" sends the closing tag, "is cut off" says that the server closes
// the connection and not the stream, and "reads to the end:" compares all that comes, as text.
func Run(t *testing.T, start func(t *testing.T) Server) {
	files, err := filepath.Glob(filepath.Join("testdata", "*.txt"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no plays in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := Perform(t, start(t), file, string(text)); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// Perform performs the play text on server. Its error names file and line, and what came instead of what was
// expected.
func Perform(t testing.TB, server Server, file, text string) error {
	acts, err := parse(text)
	if err != nil {
		return fmt.Errorf("%s:%w", file, err)
	}
	p := &play{t: t, server: server, text: text, clients: map[string]*Client{}, captures: Captures{}}
	defer p.end()
	for _, a := range acts {
		if err := p.do(a); err != nil {
			return fmt.Errorf("%s:%d: %s: %w", file, a.line, a.head(), err)
		}
	}
	return nil
}

// An act is one line of a play, with what goes on below it.
type act struct {
	line int
	who  string // account or account/resource
	verb string // one of verbs
	arg  string // what the verb ends with, for those that end in over or as
	xml  string // behind the colon
	rest []string
}

// head is the act without its XML.
func (a act) head() string { return strings.TrimSpace(a.who + " " + a.verb + " " + a.arg) }

// verbs are what can be done; those with a colon are followed by XML, those that end in over or as by a word.
var verbs = []string{
	"connects", "disconnects", "is cut", "is disconnected", "receives nothing",
	"sends:", "receives in any order:", "receives:",
	"connects over", "dials", "dials over", "opens:", "is opened", "receives a header:", "writes:", "starts TLS",
	"authenticates as", "ends its stream", "is disconnected:", "is cut off", "reads to the end:",
}

// parse reads a play.
func parse(text string) ([]act, error) {
	var acts []act
	for i, line := range strings.Split(text, "\n") {
		trimmed := strings.TrimSpace(line)
		indented := trimmed != strings.TrimRight(line, " \t\r")
		switch {
		case trimmed == "" || strings.HasPrefix(trimmed, "#"):
		case indented && len(acts) == 0:
			return nil, fmt.Errorf("%d: nothing to go on with", i+1)
		case indented:
			last := &acts[len(acts)-1]
			last.rest = append(last.rest, trimmed)
		default:
			a, err := parseAct(trimmed)
			if err != nil {
				return nil, fmt.Errorf("%d: %w", i+1, err)
			}
			a.line = i + 1
			acts = append(acts, a)
		}
	}
	for i := range acts {
		if err := acts[i].finish(); err != nil {
			return nil, fmt.Errorf("%d: %s: %w", acts[i].line, acts[i].head(), err)
		}
	}
	return acts, nil
}

func parseAct(line string) (act, error) {
	who, what, _ := strings.Cut(line, " ")
	for _, verb := range verbs {
		rest, ok := strings.CutPrefix(what, verb)
		rest = strings.TrimSpace(rest)
		switch {
		case !ok:
		case strings.HasSuffix(verb, ":"):
			return act{who: who, verb: verb, xml: rest}, nil
		case takesWord(verb) && rest != "" && !strings.Contains(rest, " "):
			return act{who: who, verb: verb, arg: rest}, nil
		case !takesWord(verb) && rest == "":
			return act{who: who, verb: verb}, nil
		}
	}
	return act{}, fmt.Errorf("cannot read %q", line)
}

func takesWord(verb string) bool {
	return strings.HasSuffix(verb, " over") || strings.HasSuffix(verb, " as")
}

// finish joins the lines below an act to it.
func (a *act) finish() error {
	switch {
	case !strings.HasSuffix(a.verb, ":") && len(a.rest) > 0:
		return errors.New("nothing can follow")
	case a.verb == "receives in any order:":
		if a.xml != "" {
			a.rest = slices.Insert(a.rest, 0, a.xml)
		}
		var err error
		if a.rest, err = elements(a.rest); err != nil {
			return err
		}
		if len(a.rest) == 0 {
			return errors.New("there are no elements")
		}
	case strings.HasSuffix(a.verb, ":"):
		a.xml = strings.TrimSpace(a.xml + "\n" + strings.Join(a.rest, "\n"))
		if a.xml == "" {
			return errors.New("there is no XML")
		}
	}
	return nil
}

// elements joins lines until each is a whole pattern.
func elements(lines []string) ([]string, error) {
	var whole []string
	for len(lines) > 0 {
		n := 1
		for ; n <= len(lines); n++ {
			if _, err := ParsePattern(strings.Join(lines[:n], "\n")); err == nil {
				break
			}
		}
		if n > len(lines) {
			_, err := ParsePattern(strings.Join(lines, "\n"))
			return nil, err
		}
		whole = append(whole, strings.Join(lines[:n], "\n"))
		lines = lines[n:]
	}
	return whole, nil
}

// A play is one that is being performed.
type play struct {
	t        testing.TB
	server   Server
	text     string
	clients  map[string]*Client // those that are connected
	captures Captures
}

func (p *play) do(a act) error {
	ctx := p.t.Context()
	switch a.verb {
	case "connects", "connects over":
		return p.connect(a.who, a.arg)
	case "dials", "dials over":
		return p.dial(a.who, a.arg)
	case "receives nothing":
		return p.nothing(ctx, a.who)
	}
	name, err := p.find(a.who)
	if err != nil {
		return err
	}
	c := p.clients[name]
	switch a.verb {
	case "disconnects":
		delete(p.clients, name)
		c.Close()
		return nil
	case "is cut":
		delete(p.clients, name)
		c.Cut()
		return nil
	case "is disconnected":
		delete(p.clients, name)
		return c.ExpectEnd(ctx)
	case "is disconnected:":
		delete(p.clients, name)
		return c.ExpectError(ctx, a.xml)
	case "sends:":
		return c.Send(a.xml)
	case "receives:":
		_, err := c.Expect(ctx, a.xml)
		return err
	case "receives in any order:":
		return c.ExpectAll(ctx, a.rest...)
	}
	if c.wire == nil {
		return errors.New("only who dials can do that")
	}
	return p.step(ctx, name, c, a)
}

// step does what only a client that has dialled can do.
func (p *play) step(ctx context.Context, name string, c *Client, a act) error {
	switch a.verb {
	case "opens:":
		return c.WriteHeader(c.Captures.Fill(a.xml))
	case "is opened":
		c.again()
		return c.Open(ctx)
	case "receives a header:":
		return c.ExpectHeader(ctx, a.xml)
	case "writes:":
		text, err := unescape(c.Captures.Fill(a.xml))
		if err != nil {
			return err
		}
		return c.Write(text)
	case "starts TLS":
		return c.StartTLS(ctx)
	case "authenticates as":
		return c.Prove(ctx, a.arg, p.server.(Stage).Password(p.t, a.arg), sasl.SCRAMSHA256)
	case "ends its stream":
		return c.EndStream()
	case "is cut off":
		delete(p.clients, name)
		return c.ExpectCut(ctx)
	default: // reads to the end:
		delete(p.clients, name)
		return c.ReadAll(ctx, a.xml)
	}
}

func (p *play) connect(who, transport string) error {
	if p.clients[who] != nil {
		return errors.New("it is connected already")
	}
	account, resource, _ := strings.Cut(who, "/")
	if transport == "" {
		p.enter(who, p.server.Connect(p.t, account, resource))
		return nil
	}
	if err := p.dial(who, transport); err != nil {
		return err
	}
	c := p.clients[who]
	if err := c.Open(p.t.Context()); err != nil {
		return err
	}
	return c.Login(p.t.Context(), account, p.server.(Stage).Password(p.t, account), resource, sasl.SCRAMSHA256)
}

func (p *play) dial(who, transport string) error {
	if p.clients[who] != nil {
		return errors.New("it is connected already")
	}
	stage, ok := p.server.(Stage)
	if !ok {
		return errors.New("on this server nobody can dial")
	}
	p.enter(who, stage.Dial(p.t, transport))
	return nil
}

func (p *play) enter(who string, c *Client) {
	c.Captures = p.captures
	p.clients[who] = c
}

// find returns the name of the client that who means.
func (p *play) find(who string) (string, error) {
	if p.clients[who] != nil {
		return who, nil
	}
	names := p.devices(who)
	switch len(names) {
	case 1:
		return names[0], nil
	case 0:
		return "", errors.New("it is not connected")
	}
	return "", fmt.Errorf("which one of %s?", strings.Join(names, ", "))
}

// devices returns the names of an account's clients, or the one client that who names.
func (p *play) devices(who string) []string {
	var names []string
	for name := range p.clients {
		if name == who || strings.HasPrefix(name, who+"/") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// nothing has the server deal with all that was sent, and then looks at the devices of who.
func (p *play) nothing(ctx context.Context, who string) error {
	names := p.devices(who)
	if len(names) == 0 && (strings.Contains(who, "/") || !strings.Contains(p.text, who+"@")) {
		return errors.New("nobody has that name")
	}
	for _, name := range slices.Sorted(maps.Keys(p.clients)) {
		if !slices.Contains(names, name) {
			if err := p.clients[name].Sync(ctx); err != nil {
				return fmt.Errorf("%s: %w", name, err)
			}
		}
	}
	for _, name := range names {
		if err := p.clients[name].ExpectNothing(ctx); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// end cuts who is still there.
func (p *play) end() {
	for _, c := range p.clients {
		c.Cut()
	}
}

// ExpectEnd fails unless the server ends the stream next. It answers the end.
func (c *Client) ExpectEnd(ctx context.Context) error {
	n, err := c.next(ctx)
	if err == nil {
		return fmt.Errorf("expected the end of the stream\ngot %s", n.Raw())
	}
	_, ok := errors.AsType[*stream.PeerError](err)
	if c.wire != nil && (ok || errors.Is(err, io.EOF)) {
		return c.drain(ctx)
	}
	_ = c.Stream.Close(nil) // an answer, if anybody listens
	if ok || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("expected the end of the stream\ngot %w", err)
}
