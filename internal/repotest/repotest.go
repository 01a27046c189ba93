// SPDX-License-Identifier: Apache-2.0

// Package repotest holds the repository to its own rules.
//
// The rules are data where they can be: layers.txt says who may import whom, doc/specs.txt which standards we follow in
// which version and which sections these have. The tests of this package read the whole tree and compare. Each rule is
// a function from the tree to a list of findings, so that it can be tested on a small tree that breaks it; a finding
// begins with the file and the line, as compilers write them.
//
// What the rules ask for stands in doc/style.md.
package repotest

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// module is the path of our module; imports below it are ours.
const module = "github.com/kith-im/kith"

// A tree is the source text of a repository: the files that people write, by their paths with slashes.
type tree struct {
	fset   *token.FileSet
	source map[string]string    // every file that a rule reads
	syntax map[string]*ast.File // the Go files among them, parsed with comments
}

// extensions of the files that are read.
var extensions = []string{".go", ".ts", ".tsx", ".sql"}

// skipped are folders with nothing that we wrote. Folders whose names begin with a dot are skipped as well.
var skipped = []string{"node_modules", "dist", "bin", "data"}

// read takes in the tree at the root of files.
func read(files fs.FS) (*tree, error) {
	t := &tree{fset: token.NewFileSet(), source: map[string]string{}, syntax: map[string]*ast.File{}}
	err := fs.WalkDir(files, ".", func(name string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a temporary file of an editor or a test that is gone by now
		}
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != "." && (strings.HasPrefix(d.Name(), ".") || slices.Contains(skipped, d.Name())) {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains(extensions, path.Ext(name)) {
			return nil
		}
		return t.add(files, name)
	})
	return t, err
}

func (t *tree) add(files fs.FS, name string) error {
	text, err := fs.ReadFile(files, name)
	if err != nil {
		return err
	}
	t.source[name] = string(text)
	if path.Ext(name) != ".go" {
		return nil
	}
	f, err := parser.ParseFile(t.fset, name, text, parser.ParseComments)
	if err != nil {
		return err
	}
	t.syntax[name] = f
	return nil
}

// files returns the paths of the tree in their order.
func (t *tree) files() []string { return sortedKeys(t.source) }

// goFiles returns the paths of the Go files in their order.
func (t *tree) goFiles() []string { return sortedKeys(t.syntax) }

// at says where pos stands, for the beginning of a finding.
func (t *tree) at(pos token.Pos) string {
	p := t.fset.Position(pos)
	return fmt.Sprintf("%s:%d", p.Filename, p.Line)
}

// line returns the number of the line that text[offset] stands in.
func line(text string, offset int) int { return 1 + strings.Count(text[:offset], "\n") }

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
