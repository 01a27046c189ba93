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

	"github.com/kith-im/kith/internal/xmpp/stream"
)

// A Server is what a play is performed on.
type Server interface {
	// Connect returns a client that is logged in as account, with resource bound ("" is the server's choice), and has
	// sent no presence. The account is made when it is first used. It fails the test where that cannot be.
	Connect(t testing.TB, account, resource string) *Client
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
	xml  string // behind the colon
	rest []string
}

// head is the act without its XML.
func (a act) head() string { return a.who + " " + a.verb }

// verbs are what can be done; those with a colon are followed by XML.
var verbs = []string{
	"connects", "disconnects", "is cut", "is disconnected", "receives nothing",
	"sends:", "receives in any order:", "receives:",
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
		if !ok || rest != "" && !strings.HasSuffix(verb, ":") {
			continue
		}
		return act{who: who, verb: verb, xml: strings.TrimSpace(rest)}, nil
	}
	return act{}, fmt.Errorf("cannot read %q", line)
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
	case "connects":
		return p.connect(a.who)
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
	case "sends:":
		return c.Send(a.xml)
	case "receives:":
		_, err := c.Expect(ctx, a.xml)
		return err
	default: // in any order
		return c.ExpectAll(ctx, a.rest...)
	}
}

func (p *play) connect(who string) error {
	if p.clients[who] != nil {
		return errors.New("it is connected already")
	}
	account, resource, _ := strings.Cut(who, "/")
	c := p.server.Connect(p.t, account, resource)
	c.Captures = p.captures
	p.clients[who] = c
	return nil
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
	_ = c.Stream.Close(nil) // an answer, if anybody listens
	if _, ok := errors.AsType[*stream.PeerError](err); ok || errors.Is(err, io.EOF) {
		return nil
	}
	return fmt.Errorf("expected the end of the stream\ngot %w", err)
}
