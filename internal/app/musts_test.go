// SPDX-License-Identifier: Apache-2.0

package app

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/xmpp/xmpptest"
)

// TestMusts holds the tables of requirements, testdata/*.must, to what there is: plays, tests and sections. A table is
//
//	# comments
//	RFC 6120: 658
//	§ 4.4: 3
//	a MUST: who ended its stream first waits for the end of the other
//		test stream.TestCloseWaitsForPeer
//	b MUST ×2, SHOULD: in our own words, short
//		-- clients only
//
// A row has a letter, the words of the document that it stands for, and what they want. Below it stands what proves that
// we do it, or why nothing does:
//
//	play rfc6120-close: Who ends the stream first    a scene of a play, or a comment in it (by how it begins); of
//	play roster/push: A device that did not ask      another room than this one with the room in front; the whole
//	play roster/push                                 of it where there is no title
//	test stream.TestClose/by the peer                a test, and a subtest: a string in the same file
//	as 4.4 a                                         another row, where a document says something twice
//	-- reason
//
// The number behind the document and behind each section is how often it has one of the words MUST, MUST NOT, SHALL, SHALL
// NOT, REQUIRED, SHOULD, SHOULD NOT, RECOMMENDED and NOT RECOMMENDED there. The rows must add up to it, so that none is
// forgotten. Sections without such words are not in the table.
func TestMusts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join("testdata", "*.must"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no tables: %v", err)
	}
	specs, err := os.ReadFile("../../doc/specs.txt")
	if err != nil {
		t.Fatal(err)
	}
	have := evidence{plays: playsOf(t), tests: testsOf(t)}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".must"), func(t *testing.T) {
			t.Parallel()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, finding := range checkMusts(string(text), string(specs), have) {
				t.Errorf("%s:%s", file, finding)
			}
		})
	}
}

// evidence is what rows can name.
type evidence struct {
	plays map[string]xmpptest.Index // by "room/file"
	tests map[string][]string       // by "package.Test": the strings of the test's file
}

// playsOf finds the plays of all rooms.
func playsOf(t *testing.T) map[string]xmpptest.Index {
	t.Helper()
	plays := map[string]xmpptest.Index{}
	for room, files := range playsByRoom(t) {
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			plays[room+"/"+strings.TrimSuffix(filepath.Base(file), ".txt")] = xmpptest.IndexOf(string(text))
		}
	}
	return plays
}

// testsOf finds the tests of all packages.
func testsOf(t *testing.T) map[string][]string {
	t.Helper()
	tests := map[string][]string{}
	for _, root := range []string{"..", "../../test", "../../cmd"} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			var literals []string
			ast.Inspect(f, func(n ast.Node) bool {
				if lit, ok := n.(*ast.BasicLit); ok && lit.Kind == token.STRING {
					s, _ := strconv.Unquote(lit.Value) // it was parsed
					literals = append(literals, s)
				}
				return true
			})
			for _, decl := range f.Decls {
				if fn, ok := decl.(*ast.FuncDecl); ok && fn.Recv == nil && isTestName(fn.Name.Name) {
					tests[strings.TrimSuffix(f.Name.Name, "_test")+"."+fn.Name.Name] = literals
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return tests
}

func isTestName(name string) bool {
	return strings.HasPrefix(name, "Test") || strings.HasPrefix(name, "Fuzz")
}

var (
	mustHead    = regexp.MustCompile(`^((?:RFC|XEP)[ -]\d{4}): (\d+)$`)
	mustSection = regexp.MustCompile(`^§ ([0-9A-Z]+(?:\.[0-9]+)*): (\d+)$`)
	mustRow     = regexp.MustCompile(`^([a-z]{1,2}) ([A-Z][A-Z ,×0-9]*): (\S.*)$`)
	mustWord    = regexp.MustCompile(`^(MUST|MUST NOT|SHALL|SHALL NOT|REQUIRED|SHOULD|SHOULD NOT|RECOMMENDED|NOT RECOMMENDED)(?: ×(\d+))?$`)
	mustKey     = regexp.MustCompile(`^[0-9A-Z]+(?:\.[0-9]+)* [a-z]{1,2}$`)
)

// checkMusts returns what is wrong with a table, each with its line in front.
func checkMusts(text, specs string, have evidence) (findings []string) {
	var line int
	bad := func(format string, args ...any) {
		findings = append(findings, strconv.Itoa(line)+": "+fmt.Sprintf(format, args...))
	}
	var (
		sections      map[string]bool // of the document
		section       string
		words, want   int // of the section
		all, wantAll  int // of the document
		key           string
		proofs, keyAt int
		keys          = map[string]string{} // by key: the reason or "", to see whether "as" leads anywhere
		seen          = map[string]bool{}   // sections of the table
		references    = map[int]string{}    // by line
		closeRow      = func() {
			if key != "" && proofs == 0 {
				findings = append(findings, fmt.Sprintf("%d: row %s has neither a proof nor a reason", keyAt, key))
			}
			key = ""
		}
		closeSection = func() {
			closeRow()
			if section != "" && words != want {
				bad("the rows of § %s stand for %d words, not %d", section, words, want)
			}
			all, words = all+words, 0
		}
	)
	for i, s := range strings.Split(text, "\n") {
		line = i + 1
		switch {
		case strings.TrimSpace(s) == "" || strings.HasPrefix(s, "#"):
		case strings.HasPrefix(s, "\t"):
			if key == "" {
				bad("this belongs to no row")
				continue
			}
			proofs++
			proof := strings.TrimSpace(s)
			if other, ok := strings.CutPrefix(proof, "as "); ok {
				references[line] = other
			} else if why := have.check(proof); why != "" {
				bad("row %s: %s", key, why)
			}
		case mustHead.MatchString(s) && sections == nil:
			m := mustHead.FindStringSubmatch(s)
			if sections = sectionsOf(specs, m[1]); sections == nil {
				bad("%s is not in doc/specs.txt", m[1])
				return findings
			}
			wantAll, _ = strconv.Atoi(m[2]) // digits
		case mustSection.MatchString(s) && sections != nil:
			closeSection()
			m := mustSection.FindStringSubmatch(s)
			section = m[1]
			want, _ = strconv.Atoi(m[2]) // digits
			switch {
			case !sections[section]:
				bad("doc/specs.txt has no § %s", section)
			case seen[section]:
				bad("§ %s is there twice", section)
			}
			seen[section] = true
		case mustRow.MatchString(s) && section != "":
			closeRow()
			m := mustRow.FindStringSubmatch(s)
			key, keyAt, proofs = section+" "+m[1], line, 0
			if _, ok := keys[key]; ok {
				bad("row %s is there twice", key)
			}
			keys[key] = m[3]
			for word := range strings.SplitSeq(m[2], ", ") {
				w := mustWord.FindStringSubmatch(word)
				if w == nil {
					bad("row %s: %q is none of the words", key, word)
					continue
				}
				n := 1
				if w[2] != "" {
					n, _ = strconv.Atoi(w[2]) // digits
				}
				words += n
			}
		default:
			bad("not understood: %s", s)
		}
	}
	closeSection()
	if all != wantAll {
		bad("the sections stand for %d words, not %d", all, wantAll)
	}
	for _, line = range slices.Sorted(maps.Keys(references)) {
		other := references[line]
		if _, ok := keys[other]; !ok || !mustKey.MatchString(other) {
			bad("there is no row %s", other)
		}
	}
	return findings
}

// check says what is wrong with a line that is to prove something, "" if nothing is.
func (e evidence) check(proof string) string {
	if rest, ok := strings.CutPrefix(proof, "play "); ok {
		name, title, _ := strings.Cut(rest, ": ")
		if !strings.Contains(name, "/") {
			name = "app/" + name
		}
		index, ok := e.plays[name]
		switch {
		case !ok:
			return "there is no play " + name
		case !index.Has(title):
			return fmt.Sprintf("the play %s has no title and no comment %q", name, title)
		}
		return ""
	}
	if rest, ok := strings.CutPrefix(proof, "test "); ok {
		name, sub, _ := strings.Cut(rest, "/")
		literals, ok := e.tests[name]
		switch {
		case !ok:
			return "there is no test " + name
		case sub != "" && !slices.Contains(literals, sub):
			return fmt.Sprintf("the file of %s has no subtest %q", name, sub)
		}
		return ""
	}
	if reason, ok := strings.CutPrefix(proof, "-- "); ok && reason != "" {
		return ""
	}
	return "neither a play, a test, another row nor a reason: " + proof
}

// sectionsOf returns the sections that doc/specs.txt has of a document, nil if it does not have the document.
func sectionsOf(specs, document string) map[string]bool {
	var sections map[string]bool
	for s := range strings.SplitSeq(specs, "\n") {
		switch fields := strings.Fields(strings.TrimPrefix(s, "\t§")); {
		case strings.HasPrefix(s, document+" "):
			sections = map[string]bool{}
		case sections != nil && strings.HasPrefix(s, "\t"):
			for _, f := range fields {
				sections[f] = true
			}
		case sections != nil:
			return sections
		}
	}
	return sections
}

// A table that is wrong in each of its lines.
func TestMustsAreChecked(t *testing.T) {
	t.Parallel()
	const specs = "RFC 3921  2004-10  named  Other\n\t§ 9\n\nRFC 6120  2011-03  complete  Core\n\t§ 1 1.1\n\t  2\n\nRFC 6121  2011-03  complete  IM\n"
	have := evidence{
		plays: map[string]xmpptest.Index{
			"app/errors":  xmpptest.IndexOf("== One play\na connects\n== Another\n# It goes on.\n"),
			"roster/push": xmpptest.IndexOf("# All of it, and more.\na connects\n"),
		},
		tests: map[string][]string{"stream.TestOpen": {"no version"}},
	}
	tests := []struct{ name, table, want string }{
		{"all is well", "# a comment\nRFC 6120: 5\n\n§ 1.1: 4\na MUST: x\n\tplay errors: One play\n\tplay roster/push: All of it\nb MUST NOT ×2, SHOULD: y\n\ttest stream.TestOpen/no version\n\ttest stream.TestOpen\n" +
			"§ 2: 1\na RECOMMENDED: z\n\tas 1.1 b\n\tplay roster/push\n\t-- clients only\n", ""},
		{"another document", "RFC 1: 1\n", "1: not understood: RFC 1: 1"},
		{"an unknown document", "RFC 6122: 0\n", "1: RFC 6122 is not in doc/specs.txt"},
		{"too few rows", "RFC 6120: 1\n§ 2: 2\na MUST: x\n\t-- y\n", "5: the rows of § 2 stand for 1 words, not 2"},
		{"too few sections", "RFC 6120: 2\n§ 2: 1\na MUST: x\n\t-- y\n", "5: the sections stand for 1 words, not 2"},
		{"a section that is not", "RFC 6120: 0\n§ 9: 0\n", "2: doc/specs.txt has no § 9"},
		{"a section again", "RFC 6120: 0\n§ 2: 0\n§ 2: 0\n", "3: § 2 is there twice"},
		{"a row again", "RFC 6120: 2\n§ 2: 2\na MUST: x\n\t-- y\na MUST: x\n\t-- y\n", "5: row 2 a is there twice"},
		{"no proof", "RFC 6120: 2\n§ 2: 2\na MUST: x\nb MUST: x\n\t-- y\n", "3: row 2 a has neither a proof nor a reason"},
		{"no proof at the end", "RFC 6120: 1\n§ 2: 1\na MUST: x\n", "3: row 2 a has neither a proof nor a reason"},
		{"no play", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\tplay push\n", "4: row 2 a: there is no play app/push"},
		{"no such title", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\tplay errors: Two plays\n", `4: row 2 a: the play app/errors has no title and no comment "Two plays"`},
		{"which play?", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\tplay errors\n", `4: row 2 a: the play app/errors has no title and no comment ""`},
		{"no test", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\ttest stream.TestShut\n", "4: row 2 a: there is no test stream.TestShut"},
		{"no subtest", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\ttest stream.TestOpen/no id\n", `4: row 2 a: the file of stream.TestOpen has no subtest "no id"`},
		{"no row", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\tas 1.1 a\n", "4: there is no row 1.1 a"},
		{"no kind of proof", "RFC 6120: 1\n§ 2: 1\na MUST: x\n\tdone\n", "4: row 2 a: neither a play, a test, another row nor a reason: done"},
		{"no row above", "RFC 6120: 0\n§ 2: 0\n\t-- y\n", "3: this belongs to no row"},
		{"no word", "RFC 6120: 1\n§ 2: 1\na MUST, MAY: x\n\t-- y\n", `3: row 2 a: "MAY" is none of the words`},
		{"a row before any section", "RFC 6120: 0\na MUST: x\n\t-- y\n", "2: not understood: a MUST: x\n3: this belongs to no row"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			if got := strings.Join(checkMusts(test.table, specs, have), "\n"); got != test.want {
				t.Errorf("got\n%s\nwant\n%s", got, test.want)
			}
		})
	}
}
