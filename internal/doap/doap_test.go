// SPDX-License-Identifier: Apache-2.0

package doap_test

import (
	"io"
	"regexp"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/doap"
)

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
