// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/kith-im/kith/internal/doap"
)

// clientPattern is the name of a client at the beginning of its heading: up to its version, or a comma.
var clientPattern = regexp.MustCompile(`^[^\s,]+(?: [^\s,\d][^\s,]*)*`)

// checkMet finds clients in doc/specs.txt that have no section in clients.md, and those that have met what does not work.
// Unmet are the documents that work, and that no client of others has tried.
func checkMet(docs map[string]*doap.Document, clients string) (findings, unmet []string) {
	known := map[string]bool{}
	for heading := range strings.Lines(clients) {
		if name, ok := strings.CutPrefix(heading, "## "); ok {
			known[clientPattern.FindString(name)] = true
		}
	}
	for _, name := range sortedKeys(docs) {
		d := docs[name]
		bad := func(format string, args ...any) {
			findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: %s: ", d.Line, name)+fmt.Sprintf(format, args...))
		}
		switch {
		case d.Works() && len(d.Met) == 0:
			unmet = append(unmet, name)
		case !d.Works() && len(d.Met) > 0:
			bad("nobody can have met what is %s", d.Status)
		}
		for i, client := range d.Met {
			if !known[client] {
				bad("test/interop/clients.md has no section about %q", client)
			}
			if slices.Contains(d.Met[:i], client) {
				bad("%s has met it twice", client)
			}
		}
	}
	return findings, unmet
}

// A citation is one mention of a document in a comment.
type citation struct {
	file     string
	line     int
	document string
	version  string   // "" if none is named
	sections []string // none if the document as a whole is meant
}

var (
	// gap is what may stand between the words of a citation: space, or the end of a comment's line and the beginning of
	// the next.
	gap = `(?:[ \t]+|[ \t]*\n[ \t]*(?://+|\*|--)?[ \t]*)`

	section  = `[0-9A-Z]+(?:\.[0-9]+)*`
	sections = `§§?` + section + `(?:[–-]§?` + section + `)?(?:(?:,` + gap + `?|` + gap + `and` + gap + `|/)§` + section + `(?:[–-]§?` + section + `)?)*`

	citationPattern = regexp.MustCompile(`\b(XEP-\d{4}|RFC` + gap + `\d{4})\b(?:` + gap + `v(\d+(?:\.\d+)*))?(?:,?` + gap + `(` + sections + `))?`)
	sectionPattern  = regexp.MustCompile(section)
)

// citations returns every mention of a document in the tree, but for this package.
func citations(t *tree) (found []citation) {
	for _, name := range t.files() {
		if strings.HasPrefix(name, "internal/repotest/") {
			continue // its own tests cite what does not exist
		}
		text := t.source[name]
		for _, m := range citationPattern.FindAllStringSubmatchIndex(text, -1) {
			c := citation{file: name, line: line(text, m[0]), document: text[m[2]:m[3]]}
			if strings.HasPrefix(c.document, "RFC") {
				c.document = "RFC " + c.document[len(c.document)-4:]
			}
			if m[4] >= 0 {
				c.version = text[m[4]:m[5]]
			}
			if m[6] >= 0 {
				c.sections = sectionPattern.FindAllString(text[m[6]:m[7]], -1)
			}
			found = append(found, c)
		}
	}
	return found
}

// checkCitations finds citations of documents, versions and sections that doc/specs.txt does not have, and documents
// whose status the code belies.
func checkCitations(cited []citation, docs map[string]*doap.Document) (findings []string) {
	bad := func(c citation, format string, args ...any) {
		findings = append(findings, fmt.Sprintf("%s:%d: %s", c.file, c.line, fmt.Sprintf(format, args...)))
	}
	used := map[string]map[doap.Part]bool{}
	for _, c := range cited {
		d := docs[c.document]
		if d == nil {
			bad(c, "%s is not in doc/specs.txt", c.document)
			continue
		}
		if used[c.document] == nil {
			used[c.document] = map[doap.Part]bool{}
		}
		switch {
		case strings.HasSuffix(c.file, "_test.go"), strings.Contains(c.file, ".test.ts"):
		case strings.HasPrefix(c.file, "web/src/"):
			used[c.document][doap.App] = true
		default:
			used[c.document][doap.Server] = true
		}
		if c.version != "" && c.version != d.Version {
			bad(c, "%s v%s: doc/specs.txt has version %s", c.document, c.version, d.Version)
		}
		for _, s := range c.sections {
			if !d.Sections[s] {
				bad(c, "%s has no §%s", c.document, s)
			}
		}
	}
	for _, d := range doap.Sorted(docs) {
		for _, part := range []doap.Part{doap.Server, doap.App} {
			if f := d.Follows[part]; f.Works() && !used[d.Name][part] {
				findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: %s is said to be %s, and no code of the %s cites it", d.Line, d.Name, f.Status, part))
			}
		}
	}
	return findings
}
