// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"
)

// layers is what layers.txt says.
type layers struct {
	rows      []row               // from the ground up
	tests     []string            // patterns of packages for tests only
	libraries map[string][]string // library → patterns of the packages that may import it
}

// A row is one pattern of layers.txt; patterns of one block have the same level.
type row struct {
	pattern string
	level   int
	line    int
}

// parseLayers reads layers.txt.
func parseLayers(text string) (layers, error) {
	l := layers{libraries: map[string][]string{}}
	level, open := 0, false // open: a block has begun and not ended
	for i, s := range strings.Split(text, "\n") {
		f := strings.Fields(s)
		switch {
		case len(f) == 0:
			if open {
				level, open = level+1, false
			}
		case strings.HasPrefix(f[0], "#"):
		case f[0] == "tests" && len(f) == 2:
			l.tests = append(l.tests, f[1])
		case f[0] == "library" && len(f) > 2:
			l.libraries[f[1]] = f[2:]
		case len(f) == 1:
			l.rows = append(l.rows, row{f[0], level, i + 1})
			open = true
		default:
			return l, fmt.Errorf("layers.txt:%d: not understood: %s", i+1, s)
		}
	}
	return l, nil
}

// rowOf returns the first row that names pkg.
func (l layers) rowOf(pkg string) (row, bool) {
	for _, r := range l.rows {
		if ok, _ := path.Match(r.pattern, pkg); ok {
			return r, true
		}
	}
	return row{}, false
}

func (l layers) forTests(pkg string) bool { return matchAny(l.tests, pkg) }

// checkLayers finds imports that layers.txt does not allow, packages that it does not name, and lines in it that name
// no package.
func checkLayers(t *tree, l layers) (findings []string) {
	seen := map[string]bool{}
	for _, name := range t.goFiles() {
		pkg := path.Dir(name)
		r, placed := l.rowOf(pkg)
		isTest := strings.HasSuffix(name, "_test.go")
		if l.forTests(pkg) || isTest {
			continue // tests reach where they must
		}
		if !placed {
			findings = append(findings, fmt.Sprintf("%s:1: package %s stands in no layer of layers.txt", name, pkg))
			continue
		}
		seen[r.pattern] = true
		for _, imp := range t.syntax[name].Imports {
			to, err := strconv.Unquote(imp.Path.Value)
			if err != nil {
				continue // the parser has seen to it
			}
			if why := l.forbidden(pkg, r, to); why != "" {
				findings = append(findings, fmt.Sprintf("%s: %s", t.at(imp.Pos()), why))
			}
		}
	}
	for _, r := range l.rows {
		if !seen[r.pattern] && r.pattern != "test/*" {
			findings = append(findings, fmt.Sprintf("layers.txt:%d: no package matches %s", r.line, r.pattern))
		}
	}
	return findings
}

// forbidden says why pkg, which stands in row r, may not import to; "" if it may.
func (l layers) forbidden(pkg string, r row, to string) string {
	if own, ok := strings.CutPrefix(to, module+"/"); ok {
		below, placed := l.rowOf(own)
		switch {
		case l.forTests(own):
			return fmt.Sprintf("imports %s, which is for tests only", own)
		case !placed:
			return fmt.Sprintf("imports %s, which stands in no layer of layers.txt", own)
		case below.level == r.level:
			return fmt.Sprintf("imports %s, which stands in the same layer", own)
		case below.level > r.level:
			return fmt.Sprintf("imports %s, which stands in a higher layer", own)
		}
		return ""
	}
	if first, _, _ := strings.Cut(to, "/"); !strings.Contains(first, ".") {
		return "" // the standard library
	}
	for library, homes := range l.libraries {
		if to == library || strings.HasPrefix(to, library+"/") {
			if matchAny(homes, pkg) {
				return ""
			}
			return fmt.Sprintf("imports %s, whose home is %s", to, strings.Join(homes, " and "))
		}
	}
	return fmt.Sprintf("imports %s, which layers.txt does not name", to)
}

// matchAny reports whether one of the patterns matches pkg; the pattern "*" alone matches everything.
func matchAny(patterns []string, pkg string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		ok, _ := path.Match(p, pkg)
		return ok || p == "*"
	})
}
