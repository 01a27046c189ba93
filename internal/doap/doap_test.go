// SPDX-License-Identifier: Apache-2.0

package doap_test

import (
	"encoding/xml"
	"io"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/kith-im/kith/doc"
	"github.com/kith-im/kith/internal/doap"
)

// suite is what XEP-0479 v0.1.0 §3 wants of a server at its level Advanced, as those read it who compare software by its
// DOAP file: a document that works in part counts.
var suite = map[string][]string{
	"Core":   {"RFC 6120", "RFC 7590", "XEP-0368", "XEP-0030", "XEP-0115", "XEP-0114", "XEP-0163"},
	"Web":    {"RFC 7395", "XEP-0206", "XEP-0124"},
	"Mobile": {"XEP-0198", "XEP-0352", "XEP-0357"},
	"IM": {
		"RFC 6121", "XEP-0398", "XEP-0153", "XEP-0054", "XEP-0280", "XEP-0191", "XEP-0045", "XEP-0249", "XEP-0048",
		"XEP-0313", "XEP-0402", "XEP-0410", "XEP-0223", "XEP-0049", "XEP-0198", "XEP-0363",
	},
	"A/V": {"XEP-0215"},
}

// lacking is what each category still lacks. It is a promise in both directions: nothing may get lost, and what is there
// may be said.
var lacking = map[string][]string{
	"IM":  {"XEP-0045", "XEP-0249", "XEP-0410"},
	"A/V": {"XEP-0215"},
}

// TestSuite reads the file as others do, and holds it against the compliance suite.
func TestSuite(t *testing.T) {
	t.Parallel()
	follows := supported(t, doap.Server)
	for category, want := range suite {
		var missing []string
		for _, name := range want {
			if !slices.Contains(follows, name) {
				missing = append(missing, name)
			}
		}
		if !slices.Equal(missing, lacking[category]) {
			t.Errorf("%s lacks %q, want %q", category, missing, lacking[category])
		}
	}
}

// supported returns the documents that a DOAP file of ours says to work, read with another XML parser than our own.
func supported(t *testing.T, part doap.Part) (list []string) {
	t.Helper()
	docs, findings := doap.Parse(doc.Specs)
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	var b strings.Builder
	if err := doap.Write(&b, part, docs); err != nil {
		t.Fatal(err)
	}
	type resource struct {
		URL string `xml:"http://www.w3.org/1999/02/22-rdf-syntax-ns# resource,attr"`
	}
	var file struct {
		XMLName xml.Name `xml:"http://www.w3.org/1999/02/22-rdf-syntax-ns# RDF"`
		Project struct {
			Implements []struct {
				resource
				XEP struct {
					Doc    resource `xml:"https://linkmauve.fr/ns/xmpp-doap# xep"`
					Status string   `xml:"https://linkmauve.fr/ns/xmpp-doap# status"`
				} `xml:"https://linkmauve.fr/ns/xmpp-doap# SupportedXep"`
			} `xml:"implements"`
		} `xml:"http://usefulinc.com/ns/doap# Project"`
	}
	if err := xml.Unmarshal([]byte(b.String()), &file); err != nil {
		t.Fatal(err)
	}
	number := regexp.MustCompile(`/(?:(xep-\d{4})|rfc(\d{4}))\.html$`)
	for _, i := range file.Project.Implements {
		url := i.URL
		if url == "" {
			url = i.XEP.Doc.URL
			if i.XEP.Status != "complete" && i.XEP.Status != "partial" {
				continue
			}
		}
		m := number.FindStringSubmatch(url)
		switch {
		case m == nil:
			t.Errorf("nobody knows the address %q", url)
		case m[1] != "":
			list = append(list, strings.ToUpper(m[1]))
		default:
			list = append(list, "RFC "+m[2])
		}
	}
	return list
}

// TestParts holds what is said of each part to the lines that say it.
func TestParts(t *testing.T) {
	t.Parallel()
	docs, findings := doap.Parse(strings.ReplaceAll("?-0001  1  complete  Both\n\tapp: partial, one & two\n\t§ 1\n"+
		"?-0002  2  complete  The server\n"+
		"?-0003  3  partial  The app\n\tby: app\n\tmissing: half\n"+
		"?-0004  4  planned  Later\n"+
		"?-0005  5  named  Never\n", "?", "XEP") + "RFC\x200001  2000-01  partial  Both\n\tmissing: a\n\tapp: complete\n")
	if len(findings) > 0 {
		t.Fatal(findings)
	}
	element := regexp.MustCompile(`(?:/([^/']*)\.html'/>|<xmpp:(?:status|version|note)[^>]*>([^<]*))`)
	for part, want := range map[doap.Part]string{
		doap.Server: "rfc0001 xep-0001 complete 1 xep-0002 complete 2 xep-0004 planned 4",
		doap.App:    "rfc0001 xep-0001 partial 1 Not yet: one &amp; two xep-0003 partial 3 Not yet: half",
	} {
		var b strings.Builder
		if err := doap.Write(&b, part, docs); err != nil {
			t.Fatal(err)
		}
		_, text, _ := strings.Cut(b.String(), "</repository>")
		var got []string
		for _, m := range element.FindAllStringSubmatch(text, -1) {
			got = append(got, m[1]+m[2])
		}
		if got := strings.Join(got, " "); got != want {
			t.Errorf("the %s follows %s, want %s", part, got, want)
		}
	}
}

// A failing writer is an error.
func TestWriteFails(t *testing.T) {
	t.Parallel()
	r, w := io.Pipe()
	r.Close()
	if err := doap.Write(w, doap.Server, nil); err == nil {
		t.Error("it went well")
	}
}
