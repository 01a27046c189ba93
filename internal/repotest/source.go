// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"fmt"
	"go/ast"
	"path"
	"slices"
	"strings"
)

// licence is how every source file begins.
const licence = "// SPDX-License-Identifier: Apache-2.0\n"

// checkLicence finds source files that do not begin with the line that names their licence. In Go an empty line
// follows, so that it is no part of the package's documentation.
func checkLicence(t *tree) (findings []string) {
	for _, name := range t.files() {
		text := t.source[name]
		switch path.Ext(name) {
		case ".go":
			if !strings.HasPrefix(text, licence+"\n") {
				findings = append(findings, name+":1: does not begin with the SPDX line and an empty one")
			}
		case ".ts", ".tsx":
			if !strings.HasPrefix(text, licence) {
				findings = append(findings, name+":1: does not begin with the SPDX line")
			}
		}
	}
	return findings
}

// checkPackageDocs finds packages that do not explain themselves in exactly one file, in the form that go doc expects.
// A package of nothing but tests may do so in one of these.
func checkPackageDocs(t *tree) (findings []string) {
	docs, first := map[string][]string{}, map[string]string{} // by folder
	for _, name := range t.goFiles() {
		dir, f := path.Dir(name), t.syntax[name]
		if first[dir] == "" {
			first[dir] = name
		}
		if f.Doc == nil {
			continue
		}
		docs[dir] = append(docs[dir], name)
		begin := "Package " + f.Name.Name + " "
		if f.Name.Name == "main" {
			begin = "Command " + path.Base(dir) + " "
		}
		if !strings.HasPrefix(f.Doc.Text(), begin) {
			findings = append(findings, fmt.Sprintf("%s: the package's documentation does not begin with %q", t.at(f.Doc.Pos()), begin))
		}
	}
	for _, dir := range sortedKeys(first) {
		switch n := docs[dir]; len(n) {
		case 0:
			findings = append(findings, fmt.Sprintf("%s:1: package %s has no documentation", first[dir], dir))
		case 1:
		default:
			findings = append(findings, fmt.Sprintf("%s:1: package %s is documented in %s", n[1], dir, strings.Join(n, " and ")))
		}
	}
	return findings
}

// vague are names of packages that say nothing of what is inside.
var vague = []string{"util", "utils", "common", "helper", "helpers", "types", "misc", "shared", "base"}

// checkShape finds what makes a program hard to follow or to run twice in one process: packages with names that say
// nothing, and functions that run before main.
func checkShape(t *tree) (findings []string) {
	for _, name := range t.goFiles() {
		f := t.syntax[name]
		if slices.Contains(vague, path.Base(path.Dir(name))) {
			findings = append(findings, fmt.Sprintf("%s:1: the package's name does not say what it is for", name))
		}
		for _, d := range f.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				findings = append(findings, t.at(fn.Pos())+": an init function: wire it in internal/app")
			}
		}
	}
	return findings
}
