// SPDX-License-Identifier: Apache-2.0

// Package doap says in a machine's words which standards we follow (XEP-0453 v0.1.2, Description of a Project). What it
// says is what doc/specs.txt says, and nothing else: documents that work, complete or in part, and those that are planned.
//
// The server and the app are judged apart by those who compare software, so each has a file of its own.
package doap

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"
)

// The namespaces of a DOAP file (XEP-0453 §4).
const (
	nsRDF  = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
	nsDOAP = "http://usefulinc.com/ns/doap#"
	nsXMPP = "https://linkmauve.fr/ns/xmpp-doap#"
)

const repository = "https://github.com/kith-im/kith"

// what each part is, for people.
var about = map[Part]struct{ name, short, language, category string }{
	Server: {"Kith", "A messenger that people run for themselves: the server", "Go", "category-server"},
	App:    {"Kith app", "A messenger that people run for themselves: the app", "TypeScript", "category-client"},
}

// Write writes the DOAP file of one part, from the documents that Parse returned, to w.
func Write(w io.Writer, part Part, docs map[string]*Document) error {
	a := about[part]
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("<?xml version='1.0' encoding='UTF-8'?>")
	line("<rdf:RDF xmlns:rdf='%s' xmlns='%s' xmlns:xmpp='%s'>", nsRDF, nsDOAP, nsXMPP)
	line("  <Project xml:lang='en'>")
	line("    <name>%s</name>", a.name)
	line("    <shortdesc xml:lang='en'>%s</shortdesc>", a.short)
	line("    <homepage rdf:resource='%s'/>", repository)
	line("    <bug-database rdf:resource='%s/issues'/>", repository)
	line("    <license rdf:resource='https://spdx.org/licenses/Apache-2.0.html'/>")
	line("    <programming-language>%s</programming-language>", a.language)
	if part == Server {
		line("    <os>Linux</os>")
	} else {
		line("    <os>Web</os>")
	}
	line("    <category rdf:resource='%s%s'/>", nsXMPP, a.category)
	line("    <repository><GitRepository><location rdf:resource='%s.git'/></GitRepository></repository>", repository)
	for _, d := range Sorted(docs) {
		f := d.Follows[part]
		if number, ok := strings.CutPrefix(d.Name, "RFC "); ok {
			if f.Works() {
				line("    <implements rdf:resource='%s'/>", rfc(number))
			}
			continue
		}
		if !f.Works() && f.Status != "planned" {
			continue
		}
		line("    <implements>")
		line("      <xmpp:SupportedXep>")
		line("        <xmpp:xep rdf:resource='https://xmpp.org/extensions/%s.html'/>", strings.ToLower(d.Name))
		line("        <xmpp:status>%s</xmpp:status>", f.Status)
		line("        <xmpp:version>%s</xmpp:version>", d.Version)
		if f.Missing != "" {
			line("        <xmpp:note xml:lang='en'>Not yet: %s</xmpp:note>", escaped(f.Missing))
		}
		line("      </xmpp:SupportedXep>")
		line("    </implements>")
	}
	line("  </Project>")
	line("</rdf:RDF>")
	_, err := io.WriteString(w, b.String())
	return err
}

// rfc is the address of an RFC: on xmpp.org for those that it publishes itself, where readers of these files look.
func rfc(number string) string {
	switch number {
	case "6120", "6121", "6122", "7395", "7590", "7622":
		return "https://xmpp.org/rfcs/rfc" + number + ".html"
	}
	return "https://www.rfc-editor.org/rfc/rfc" + number + ".html"
}

func escaped(s string) string {
	var b strings.Builder
	_ = xml.EscapeText(&b, []byte(s)) // a Builder takes all
	return b.String()
}
