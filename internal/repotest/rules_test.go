// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/doap"
)

// A repository that breaks a rule in each file, and what is found in it.
func TestRules(t *testing.T) {
	t.Parallel()
	const head = "// SPDX-License-Identifier: Apache-2.0\n\n"
	const policy = "a\n\nb/*\nc\n\ntests t\nlibrary lib.example/x b/*\n"
	const specs = "XEP-0001  1.2  partial  One\n\tmissing: half\n\t§ 1 2\n\t  2.1\nRFC 6120  2011-03  planned  Core\n\t§ 8 8.1\n"

	tests := []struct {
		name  string
		rule  string
		files map[string]string
		want  []string
	}{
		{"an import from below is fine", "layers", map[string]string{
			"a/a.go":     head + "package a\n",
			"b/one/b.go": head + "package one\n\nimport (\n\t_ \"fmt\"\n\t_ \"github.com/kith-im/kith/a\"\n\t_ \"lib.example/x/y\"\n)\n",
			"c/c.go":     head + "package c\n",
		}, nil},
		{"imports from the same layer, from above, from nowhere", "layers", map[string]string{
			"a/a.go":     head + "package a\n\nimport _ \"github.com/kith-im/kith/c\"\nimport _ \"github.com/kith-im/kith/d\"\n",
			"b/one/b.go": head + "package one\n\nimport _ \"github.com/kith-im/kith/b/two\"\n",
			"b/two/b.go": head + "package two\n\nimport _ \"github.com/kith-im/kith/t\"\n",
			"c/c.go":     head + "package c\n\nimport _ \"lib.example/x\"\nimport _ \"lib.example/y\"\n",
		}, []string{
			"a/a.go:5: imports c, which stands in a higher layer",
			"a/a.go:6: imports d, which stands in no layer of layers.txt",
			"b/one/b.go:5: imports b/two, which stands in the same layer",
			"b/two/b.go:5: imports t, which is for tests only",
			"c/c.go:5: imports lib.example/x, whose home is b/*",
			"c/c.go:6: imports lib.example/y, which layers.txt does not name",
		}},
		{"a package and a line without a partner", "layers", map[string]string{
			"a/a.go": head + "package a\n",
			"b/b.go": head + "package b\n",
			"c/c.go": head + "package c\n",
		}, []string{
			"b/b.go:1: package b stands in no layer of layers.txt",
			"layers.txt:3: no package matches b/*",
		}},
		{"tests reach where they must", "layers", map[string]string{
			"a/a.go":      head + "package a\n",
			"a/a_test.go": head + "package a\n\nimport _ \"github.com/kith-im/kith/c\"\n",
			"b/one/b.go":  head + "package one\n",
			"c/c.go":      head + "package c\n",
			"t/t.go":      head + "package t\n\nimport _ \"github.com/kith-im/kith/c\"\n",
		}, nil},
		{"citations that hold", "specs", map[string]string{
			"a.go":  head + "package a // XEP-0001 v1.2, XEP-0001 §1, RFC 6120 §8–8.1\n// and XEP-0001\n// §2.1 and XEP-0001 §1, §2 or RFC\n// 6120 §8.1.\n",
			"b.ts":  "// XEP-0001 v1.2 §2 and §1\n",
			"c.sql": "-- RFC 6120 §8\n",
		}, nil},
		{"citations that do not", "specs", map[string]string{
			"a.go":   head + "package a // XEP-0001 v1.3\n\n// XEP-0001 §3\n// XEP-0002\n",
			"b.tsx":  "// XEP-0001 §1, §2.2\n",
			"c.ts":   "\n/*\n * RFC 6120\n * §9\n */\n",
			"sql.go": head + "package a\n\n// XEP-0001 §1–4\n",
		}, []string{
			"a.go:3: XEP-0001 v1.3: doc/specs.txt has version 1.2",
			"a.go:5: XEP-0001 has no §3",
			"a.go:6: XEP-0002 is not in doc/specs.txt",
			"b.tsx:1: XEP-0001 has no §2.2",
			"c.ts:3: RFC 6120 has no §9",
			"sql.go:5: XEP-0001 has no §4",
		}},
		{"only a test cites what is said to work", "specs", map[string]string{
			"a_test.go": head + "package a // XEP-0001 §1\n",
		}, []string{"doc/specs.txt:1: XEP-0001 is said to be partial, and no code of the server cites it"}},
		{"licence", "licence", map[string]string{
			"a.go":                  "// SPDX-License-Identifier: Apache-2.0\npackage a\n",
			"b.ts":                  "export {}\n",
			"c.go":                  head + "package a\n",
			"node_modules/x/ind.ts": "export {}\n",
		}, []string{
			"a.go:1: does not begin with the SPDX line and an empty one",
			"b.ts:1: does not begin with the SPDX line",
		}},
		{"documentation", "docs", map[string]string{
			"a/a.go":      head + "// Package a is one.\npackage a\n",
			"a/b.go":      head + "package a\n",
			"b/a.go":      head + "// Package b is one.\npackage b\n",
			"b/b.go":      head + "// Package b is two.\npackage b\n",
			"c/c.go":      head + "package c\n",
			"cmd/d/d.go":  head + "// Command d runs.\npackage main\n",
			"e/e.go":      head + "// This is e.\npackage e\n",
			"f/f_test.go": head + "// Package f tests.\npackage f\n",
		}, []string{
			"e/e.go:3: the package's documentation does not begin with \"Package e \"",
			"b/b.go:1: package b is documented in b/a.go and b/b.go",
			"c/c.go:1: package c has no documentation",
		}},
		{"shape", "shape", map[string]string{
			"a/a.go":    head + "package a\n\nfunc init() {}\n\ntype t int\n\nfunc (t) init() {}\n",
			"util/u.go": head + "package util\n",
		}, []string{
			"a/a.go:5: an init function: wire it in internal/app",
			"util/u.go:1: the package's name does not say what it is for",
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := fstest.MapFS{}
			for name, text := range tt.files {
				files[name] = &fstest.MapFile{Data: []byte(text)}
			}
			tr, err := read(files)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			switch tt.rule {
			case "layers":
				l, err := parseLayers(policy)
				if err != nil {
					t.Fatal(err)
				}
				got = checkLayers(tr, l)
			case "specs":
				docs, bad := doap.Parse(specs)
				got = append(bad, checkCitations(citations(tr), docs)...)
			case "licence":
				got = checkLicence(tr)
			case "docs":
				got = checkPackageDocs(tr)
			case "shape":
				got = checkShape(tr)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("findings (- want, + got):\n%s", diff)
			}
		})
	}
}

func TestSpecsFileIsChecked(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, text, want string }{
		{"no document yet", "\t§ 1\n", "doc/specs.txt:1: belongs to no document"},
		{"a status of its own", "XEP-0001  1  done  One\n", `"done" is none of complete, partial, planned, named`},
		{"twice", "XEP-0001  1  named  One\nXEP-0001  1  named  One\n", "doc/specs.txt:2: XEP-0001 stands here twice"},
		{"partial without saying what is missing", "XEP-0001  1  partial  One\n", `doc/specs.txt:1: XEP-0001: a line "missing"`},
		{"complete, and something is missing", "XEP-0001  1  complete  One\n\tmissing: x\n", `doc/specs.txt:1: XEP-0001: a line "missing"`},
		{"single spaces", "XEP-0001 1 named One\n", "doc/specs.txt:1: not understood"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, got := doap.Parse(tt.text)
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("findings are %q, want one with %q", got, tt.want)
			}
		})
	}
}

func TestMetIsChecked(t *testing.T) {
	t.Parallel()
	const clients = "# Clients\n\n## libjabber 1.2 (Debian)\n\n## Node client, ours\n\n## The web user\n"
	docs, bad := doap.Parse("XEP-0001  1  partial  One\n\tmissing: half\n\tmet: libjabber, Node client\n\t§ 1\n" +
		"XEP-0002  1  complete  Two\n\t§ 1\n\tmet: libjabber, Pidgin, libjabber\n" +
		"XEP-0003  1  planned  Three\n\tmet: libjabber\nXEP-0004  1  complete  Four\nXEP-0005  1  named  Five\n")
	if len(bad) > 0 {
		t.Fatal(bad)
	}
	findings, unmet := checkMet(docs, clients)
	want := []string{
		`doc/specs.txt:5: XEP-0002: test/interop/clients.md has no section about "Pidgin"`,
		"doc/specs.txt:5: XEP-0002: libjabber has met it twice",
		"doc/specs.txt:8: XEP-0003: nobody can have met what is planned",
	}
	if diff := cmp.Diff(want, findings); diff != "" {
		t.Errorf("findings (- want, + got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"XEP-0004"}, unmet); diff != "" {
		t.Errorf("unmet (- want, + got):\n%s", diff)
	}
}
