// SPDX-License-Identifier: Apache-2.0

package doap

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// A Part is one of the two programs that this project is.
type Part string

// The parts.
const (
	Server Part = "server"
	App    Part = "app"
)

// A Document is one block of doc/specs.txt, whose head explains all of it.
type Document struct {
	Name     string // "XEP-0198", "RFC 6120"
	Version  string // "1.6.3"; year and month of an RFC
	Title    string
	Status   string // "complete", "partial", "planned", "named": of the server, where it is not by the app alone
	Missing  string // what a partial implementation leaves out
	Follows  map[Part]Following
	Met      []string        // clients of others that have tried it
	Sections map[string]bool // that it has in that version
	Line     int             // of its first line
}

// Following is how far one part follows a document.
type Following struct {
	Status  string // as in Document
	Missing string
}

// Works reports whether any of it does.
func (f Following) Works() bool { return f.Status == "complete" || f.Status == "partial" }

// Works reports whether any of it does, in any part.
func (d *Document) Works() bool {
	for _, f := range d.Follows {
		if f.Works() {
			return true
		}
	}
	return false
}

var (
	statuses = []string{"complete", "partial", "planned", "named"}
	parts    = []Part{Server, App}

	headPattern = regexp.MustCompile(`^(XEP-\d{4}|RFC \d{4}) {2}(\S+) {2}(\S+) {2}(\S.*)$`)
)

// Parse reads doc/specs.txt and returns its documents by name, with what is wrong in the file itself.
func Parse(text string) (docs map[string]*Document, findings []string) {
	docs = map[string]*Document{}
	var d *Document
	var first Part // whose status stands in the head
	inSections := false
	finish := func() {
		if d == nil {
			return
		}
		d.Follows[first] = Following{d.Status, d.Missing}
		for _, part := range parts {
			if f, ok := d.Follows[part]; ok && (f.Status == "partial") != (f.Missing != "") {
				findings = append(findings, fmt.Sprintf(
					"doc/specs.txt:%d: %s: a line \"missing\" stands where the status is partial, and only there", d.Line, d.Name))
			}
		}
	}
	for i, s := range strings.Split(text, "\n") {
		bad := func(format string, args ...any) {
			findings = append(findings, fmt.Sprintf("doc/specs.txt:%d: ", i+1)+fmt.Sprintf(format, args...))
		}
		trimmed := strings.TrimSpace(s)
		key, value, _ := strings.Cut(trimmed, ": ")
		switch {
		case trimmed == "" || strings.HasPrefix(s, "#"):
		case !strings.HasPrefix(s, "\t"):
			finish()
			inSections = false
			m := headPattern.FindStringSubmatch(s)
			if m == nil {
				d = nil
				bad("not understood: %s", s)
				continue
			}
			d = &Document{
				Name: m[1], Version: m[2], Status: m[3], Title: m[4],
				Follows: map[Part]Following{}, Sections: map[string]bool{}, Line: i + 1,
			}
			first = Server
			if !slices.Contains(statuses, d.Status) {
				bad("%s: the status %q is none of %s", d.Name, d.Status, strings.Join(statuses, ", "))
			}
			if docs[d.Name] != nil {
				bad("%s stands here twice", d.Name)
			}
			docs[d.Name] = d
		case d == nil:
			bad("belongs to no document: %s", trimmed)
		case key == "by":
			if first = Part(value); !slices.Contains(parts, first) {
				bad("%s: %q is none of our parts", d.Name, value)
			}
		case key == string(App):
			status, missing, _ := strings.Cut(value, ", ")
			if !slices.Contains(statuses, status) {
				bad("%s: the status %q is none of %s", d.Name, status, strings.Join(statuses, ", "))
			}
			d.Follows[App] = Following{status, missing}
		case key == "missing":
			d.Missing = value
		case key == "met":
			d.Met = strings.Split(value, ", ")
		case strings.HasPrefix(trimmed, "§ ") || inSections:
			inSections = true
			for section := range strings.FieldsSeq(strings.TrimPrefix(trimmed, "§ ")) {
				d.Sections[section] = true
			}
		default:
			bad("not understood: %s", trimmed)
		}
	}
	finish()
	return docs, findings
}

// Sorted returns documents by their names.
func Sorted(docs map[string]*Document) []*Document {
	list := make([]*Document, 0, len(docs))
	for _, d := range docs {
		list = append(list, d)
	}
	slices.SortFunc(list, func(a, b *Document) int { return strings.Compare(a.Name, b.Name) })
	return list
}
