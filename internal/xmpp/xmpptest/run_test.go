// SPDX-License-Identifier: Apache-2.0

package xmpptest_test

import (
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

func TestRun(t *testing.T) {
	t.Parallel()
	xmpptest.Run(t, func(*testing.T) xmpptest.Server { return newFake() })
}

// A play that goes wrong says where, and what came instead.
func TestPerformFails(t *testing.T) {
	t.Parallel()
	const connects = "romeo/desk connects\njuliet connects\n"
	tests := []struct {
		name, play string
		want       []string
	}{
		{"another element", connects + "juliet sends: <message to='romeo@kith.example' id='1'/>\n\nromeo/desk receives: <message id='2'/>",
			[]string{"x.txt:5: romeo/desk receives:", "expected <message id='2'/>", `got <message`, `/message@id is "1", want "2"`}},
		{"something instead of nothing", connects + "juliet sends: <message to='romeo@kith.example' id='1'/>\nromeo receives nothing",
			[]string{"x.txt:4: romeo receives nothing: romeo/desk: expected nothing\ngot <message"}},
		{"one that does not fit", connects + "juliet sends: <message to='romeo@kith.example' id='1'/>\nromeo receives in any order:\n  <message id='2'/>\n  <message id='3'/>",
			[]string{"x.txt:4: romeo receives in any order:", "expected, in any order, [<message id='2'/> <message id='3'/>]", `id="1"`}},
		{"the end instead of an element", connects + "juliet sends: <message to='kith.example'><body>kick me</body></message>\njuliet is disconnected",
			[]string{"x.txt:4:", "expected the end", "got <error"}},
		{"not XML", connects + "juliet sends: <message>", []string{"x.txt:3: juliet sends:", "not-well-formed"}},
		{"who?", "romeo/desk sends: <message/>", []string{"x.txt:1: romeo/desk sends:", "not connected"}},
		{"which?", "romeo/a connects\nromeo/b connects\nromeo sends: <message/>", []string{"x.txt:3:", "which one of romeo/a, romeo/b?"}},
		{"twice", "romeo/a connects\nromeo/a connects", []string{"x.txt:2:", "connected already"}},
		{"a name that is nowhere", "julet receives nothing", []string{"x.txt:1:", "nobody has that name"}},
		{"no verb", "romeo sings: <a/>", []string{"x.txt:1:", "cannot read"}},
		{"more than a verb", "romeo connects again", []string{"x.txt:1:", "cannot read"}},
		{"nothing to go on with", "# A play\n  <a/>", []string{"x.txt:2:", "nothing to go on with"}},
		{"something after nothing", "romeo connects\n  <a/>", []string{"x.txt:1:", "nothing can follow"}},
		{"no XML", "romeo sends:", []string{"x.txt:1:", "there is no XML"}},
		{"no elements", "romeo receives in any order:", []string{"x.txt:1:", "there are no elements"}},
		{"who did not dial", connects + "romeo/desk opens: to='kith.example'", []string{"x.txt:3: romeo/desk opens:", "only who dials"}},
		{"a header that differs", "a dials\na opens: to='kith.example' version='1.0'\na receives a header: to='a'", []string{"x.txt:3:", "/header@to is missing"}},
		{"no error", "a dials\na is opened\na ends its stream\na is disconnected: conflict", []string{"x.txt:4:", "<conflict", "got EOF"}},
		{"the end of the stream instead of that of the connection", "a dials\na is opened\na ends its stream\na is cut off", []string{"x.txt:4:", "expected the end of the connection", "EOF"}},
		{"other text", "a dials\na writes: <a>\na reads to the end: …<conflict…", []string{"x.txt:3:", "expected …<conflict…", "got <?xml"}},
		{"a bad escape", `a dials
a writes: \y`, []string{"x.txt:2:", "invalid syntax"}},
		{"over what?", "a dials over", []string{"x.txt:1:", "cannot read"}},
		{"half an element", "romeo receives in any order:\n  <a/>\n  <b", []string{"x.txt:1:", "pattern"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			err := xmpptest.Perform(t, newFake(), "x.txt", test.play)
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range test.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %v\nwant %s", err, want)
				}
			}
		})
	}
}
