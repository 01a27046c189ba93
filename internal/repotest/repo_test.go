// SPDX-License-Identifier: Apache-2.0

package repotest

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/kith-im/kith/internal/doap"
)

// root is the repository, as seen from this package.
const root = "../.."

// ours reads the repository itself.
func ours(t *testing.T) *tree {
	t.Helper()
	tr, err := read(os.DirFS(root))
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func text(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func report(t *testing.T, findings []string) {
	t.Helper()
	for _, f := range findings {
		t.Error(f)
	}
}

func TestLayers(t *testing.T) {
	t.Parallel()
	l, err := parseLayers(text(t, "internal/repotest/layers.txt"))
	if err != nil {
		t.Fatal(err)
	}
	report(t, checkLayers(ours(t), l))
}

func TestCitations(t *testing.T) {
	t.Parallel()
	docs, findings := doap.Parse(text(t, "doc/specs.txt"))
	report(t, findings)
	cited := citations(ours(t))
	report(t, checkCitations(cited, docs))
	t.Logf("%d citations of %d documents", len(cited), len(docs))
}

func TestMet(t *testing.T) {
	t.Parallel()
	docs, _ := doap.Parse(text(t, "doc/specs.txt")) // what is wrong with it is TestCitations' business
	findings, unmet := checkMet(docs, text(t, "test/interop/clients.md"))
	report(t, findings)
	t.Logf("%d documents work, and no client of others has tried them: %s", len(unmet), strings.Join(unmet, ", "))
}

func TestLicence(t *testing.T) {
	t.Parallel()
	report(t, checkLicence(ours(t)))
}

func TestPackageDocs(t *testing.T) {
	t.Parallel()
	report(t, checkPackageDocs(ours(t)))
}

func TestShape(t *testing.T) {
	t.Parallel()
	report(t, checkShape(ours(t)))
}
