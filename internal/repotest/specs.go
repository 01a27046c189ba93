// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A document is one block of doc/specs.txt.
type document struct {
	name     string // "XEP-0198", "RFC 6120"
	version  string // "1.6.3"; year and month of an RFC
	status   string
	title    string
	missing  string   // what a partial implementation leaves out
	met      []string // clients of others that have tried it
	sections map[string]bool
	line     int // of its first line
}

var (
	// statuses of documents, as the head of doc/specs.txt explains them.
	statuses = []string{"complete", "partial", "planned", "named"}

	// clientPattern is the name of a client at the beginning of its heading: up to its version, or a comma.
	clientPattern = regexp.MustCompile(`^[^\s,]+(?: [^\s,\d][^\s,]*)*`)

	headPattern = regexp.MustCompile(`^(XEP-\d{4}|RFC \d{4}) {2}(\S+) {2}(\S+) {2}(\S.*)$`)
)

// parseSpecs reads doc/specs.txt and returns its documents by name, with what is wrong in the file itself.
func parseSpecs(text string) (docs map[string]*document, findings []string) {
	docs = map[string]*document{}
	var d *document
	inSections := false
	for i, s := range strings.Split(text, "\n") {
		bad := func(format string, args ...any) {
			findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: ", i+1)+fmt.Sprintf(format, args...))
		}
		trimmed := strings.TrimSpace(s)
		switch {
		case trimmed == "" || strings.HasPrefix(s, "#"):
		case !strings.HasPrefix(s, "\t"):
			inSections = false
			m := headPattern.FindStringSubmatch(s)
			if m == nil {
				bad("not understood: %s", s)
				continue
			}
			d = &document{name: m[1], version: m[2], status: m[3], title: m[4], sections: map[string]bool{}, line: i + 1}
			if !slices.Contains(statuses, d.status) {
				bad("%s: the status %q is none of %s", d.name, d.status, strings.Join(statuses, ", "))
			}
			if docs[d.name] != nil {
				bad("%s stands here twice", d.name)
			}
			docs[d.name] = d
		case d == nil:
			bad("belongs to no document: %s", trimmed)
		case strings.HasPrefix(trimmed, "missing: "):
			d.missing = strings.TrimPrefix(trimmed, "missing: ")
		case strings.HasPrefix(trimmed, "met: "):
			inSections = false
			d.met = strings.Split(strings.TrimPrefix(trimmed, "met: "), ", ")
		case strings.HasPrefix(trimmed, "§ ") || inSections:
			inSections = true
			for _, section := range strings.Fields(strings.TrimPrefix(trimmed, "§ ")) {
				d.sections[section] = true
			}
		default:
			bad("not understood: %s", trimmed)
		}
	}
	for _, name := range sortedKeys(docs) {
		if d := docs[name]; (d.status == "partial") != (d.missing != "") {
			findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: %s: a line \"missing\" stands where the status is partial, and only there", d.line, name))
		}
	}
	return docs, findings
}

// checkMet finds clients in doc/specs.txt that have no section in clients.md, and those that have met what does not work.
// Unmet are the documents that work, and that no client of others has tried.
func checkMet(docs map[string]*document, clients string) (findings, unmet []string) {
	known := map[string]bool{}
	for heading := range strings.Lines(clients) {
		if name, ok := strings.CutPrefix(heading, "## "); ok {
			known[clientPattern.FindString(name)] = true
		}
	}
	for _, name := range sortedKeys(docs) {
		d := docs[name]
		bad := func(format string, args ...any) {
			findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: %s: ", d.line, name)+fmt.Sprintf(format, args...))
		}
		works := d.status == "complete" || d.status == "partial"
		switch {
		case works && len(d.met) == 0:
			unmet = append(unmet, name)
		case !works && len(d.met) > 0:
			bad("nobody can have met what is %s", d.status)
		}
		for i, client := range d.met {
			if !known[client] {
				bad("test/interop/clients.md has no section about %q", client)
			}
			if slices.Contains(d.met[:i], client) {
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
func checkCitations(cited []citation, docs map[string]*document) (findings []string) {
	bad := func(c citation, format string, args ...any) {
		findings = append(findings, fmt.Sprintf("%s:%d: %s", c.file, c.line, fmt.Sprintf(format, args...)))
	}
	used := map[string]bool{}
	for _, c := range cited {
		d := docs[c.document]
		if d == nil {
			bad(c, "%s is not in doc/specs.txt", c.document)
			continue
		}
		if !strings.HasSuffix(c.file, "_test.go") && !strings.Contains(c.file, ".test.ts") {
			used[c.document] = true
		}
		if c.version != "" && c.version != d.version {
			bad(c, "%s v%s: doc/specs.txt has version %s", c.document, c.version, d.version)
		}
		for _, s := range c.sections {
			if !d.sections[s] {
				bad(c, "%s has no §%s", c.document, s)
			}
		}
	}
	for _, name := range sortedKeys(docs) {
		d := docs[name]
		if (d.status == "complete" || d.status == "partial") && !used[name] {
			findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: %s is said to be %s, and no code cites it", d.line, name, d.status))
		}
	}
	return findings
}
