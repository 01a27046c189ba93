// SPDX-License-Identifier: Apache-2.0

package xmpptest

import (
	"fmt"
	"maps"
	"regexp"
	"strings"

	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

// patternLimits are wide: patterns come from us.
var patternLimits = xmlstream.Limits{Bytes: 1 << 20, Depth: 64, Attrs: 64, Nodes: 10_000}

// none says in a pattern that something is not there.
const none = "(none)"

// captureName is what can stand in braces.
var captureName = regexp.MustCompile(`\{[a-z][a-z0-9-]*\}`)

// A Pattern says what an element must contain. It is written as the element itself: the name and its namespace, the
// attributes, the text and the children that are there must be in what is matched, which may have more of all but
// text. The children need not be in order. "…" or "*" as text or value is anything, and {name} is anything that
// is to be remembered, or the same as before where it was. A pattern without a namespace is in jabber:client, and
// the prefix stream is bound.
type Pattern struct {
	root xmlstream.Node
	text string
}

// ParsePattern reads a pattern.
func ParsePattern(text string) (Pattern, error) {
	doc := strings.TrimSpace(text)
	if name, ok := strings.CutPrefix(doc, "<stream:"); ok {
		i := strings.IndexAny(name, " />\t\n")
		if i < 0 {
			return Pattern{}, fmt.Errorf("pattern %q: no element", text)
		}
		doc = "<stream:" + name[:i] + ` xmlns:stream="` + xmlstream.NSStreams + `"` + name[i:]
	}
	el, err := xmlstream.Parse(doc, patternLimits)
	if err != nil {
		return Pattern{}, fmt.Errorf("pattern %q: %w", text, err)
	}
	return Pattern{root: el.Root(), text: doc}, nil
}

func (p Pattern) String() string { return p.text }

// Captures are the values that patterns remembered, by name.
type Captures map[string]string

// Fill replaces each {name} in s that was captured with its value, escaped for XML.
func (c Captures) Fill(s string) string {
	return captureName.ReplaceAllStringFunc(s, func(ref string) string {
		if v, ok := c[ref[1:len(ref)-1]]; ok {
			return string(xmlstream.AppendEscaped(nil, v))
		}
		return ref
	})
}

// Match returns nil if n has all that the pattern asks for, and else why not. What it captures goes into c, which
// is left alone if it does not match.
func (p Pattern) Match(n xmlstream.Node, c Captures) error {
	found := maps.Clone(c)
	if found == nil {
		found = Captures{}
	}
	if err := matchNode(p.root, n, found, ""); err != nil {
		return err
	}
	if c != nil {
		maps.Copy(c, found)
	}
	return nil
}

func matchNode(want, got xmlstream.Node, c Captures, path string) error {
	if want.Name() != got.Name() {
		return fmt.Errorf("%s/: the element is %s, want %s", path, got.Name(), want.Name())
	}
	path += "/" + want.Name().Local
	for name, value := range want.Attrs() {
		at := path + "@" + name.Local
		have, ok := attr(got, name)
		switch {
		case !ok && value == none:
			continue
		case value == none:
			return fmt.Errorf("%s is %q, want none", at, have)
		case !ok:
			return fmt.Errorf("%s is missing", at)
		}
		if err := matchText(value, have, c, at); err != nil {
			return err
		}
	}
	if text := strings.TrimSpace(want.Text()); text != "" {
		if err := matchText(text, strings.TrimSpace(got.Text()), c, path); err != nil {
			return err
		}
	}
	return matchChildren(want, got, c, path)
}

// matchChildren finds another child for each one wanted.
func matchChildren(want, got xmlstream.Node, c Captures, path string) error {
	taken := map[xmlstream.Node]bool{}
	for w := range want.Children() {
		var why error
		found := false
		if w.Text() == none {
			if _, ok := got.Child(w.Name().Space, w.Name().Local); ok {
				return fmt.Errorf("%s has a %s", path, w.Name())
			}
			continue
		}
		for g := range got.Children() {
			if taken[g] || w.Name() != g.Name() {
				continue
			}
			attempt := maps.Clone(c)
			if err := matchNode(w, g, attempt, path); err != nil {
				why = err
				continue
			}
			maps.Copy(c, attempt)
			taken[g], found = true, true
			break
		}
		switch {
		case !found && why != nil:
			return why
		case !found:
			return fmt.Errorf("%s has no %s", path, w.Name())
		}
	}
	return nil
}

func matchText(want, got string, c Captures, at string) error {
	if want == "…" || want == "*" {
		return nil
	}
	if name := captureName.FindString(want); name != "" && name == want {
		name = name[1 : len(name)-1]
		if _, ok := c[name]; !ok {
			c[name] = got
			return nil
		}
	}
	want = captureName.ReplaceAllStringFunc(want, func(ref string) string {
		if v, ok := c[ref[1:len(ref)-1]]; ok {
			return v
		}
		return ref
	})
	if other, ok := strings.CutPrefix(want, "(not "); ok {
		if other == got+")" {
			return fmt.Errorf("%s is %q", at, got)
		}
		return nil
	}
	if want != got {
		return fmt.Errorf("%s is %q, want %q", at, got, want)
	}
	return nil
}

func attr(n xmlstream.Node, name xmlstream.Name) (string, bool) {
	for have, value := range n.Attrs() {
		if have == name {
			return value, true
		}
	}
	return "", false
}
