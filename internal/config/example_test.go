// SPDX-License-Identifier: Apache-2.0

package config

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

var update = flag.Bool("update", false, "write example.toml anew")

// The example is made of the comments on Config: go test ./internal/config -update.
func TestExampleIsTheManual(t *testing.T) {
	t.Parallel()
	want := manual(t)
	if *update {
		if err := os.WriteFile("example.toml", []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(want, Example); diff != "" {
		t.Errorf("example.toml is not what the comments of Config say; make it with: go test ./internal/config -update\n%s", diff)
	}
}

// Every option of the example is commented out. With the signs taken away it says just the defaults.
func TestExampleHasTheDefaults(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	for l := range strings.Lines(Example) {
		if key, ok := strings.CutPrefix(l, "#"); ok && !strings.HasPrefix(l, "# ") {
			l = key
		}
		b.WriteString(l)
	}
	file := filepath.Join(t.TempDir(), "all.toml")
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := Load(file, nil)
	if err != nil {
		t.Fatal(err)
	}
	want, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	got.File = ""
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("the defaults (-) and the example with all its options (+):\n%s", diff)
	}
}

// manual writes the example file from the source of Config.
func manual(t *testing.T) string {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "config.go", nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	structs, comments := map[string]*ast.StructType{}, map[string]string{}
	for _, d := range f.Decls {
		if g, ok := d.(*ast.GenDecl); ok && g.Tok == token.TYPE {
			spec := g.Specs[0].(*ast.TypeSpec)
			structs[spec.Name.Name] = spec.Type.(*ast.StructType)
			comments[spec.Name.Name] = g.Doc.Text()
		}
	}
	values := map[string]any{}
	defaults, err := Load("", nil)
	if err != nil {
		t.Fatal(err)
	}
	for key, v := range options(&defaults) {
		values[key] = v.Interface()
	}

	var b strings.Builder
	b.WriteString("# The configuration of Kith, with all options and their defaults. Remove the # in front of those you want to change.\n" +
		"# Each can be given as a variable of the environment instead: KITH_LISTEN_WEB is \"web\" below [listen].\n")
	comment := func(s string) {
		for l := range strings.Lines(strings.TrimSpace(s)) {
			b.WriteString(strings.TrimRight("# "+l, " \n") + "\n")
		}
	}
	var section func(name, prefix string)
	section = func(name, prefix string) {
		for _, field := range structs[name].Fields.List {
			key := reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("toml")
			if inner, ok := field.Type.(*ast.Ident); ok && structs[inner.Name] != nil {
				// "Web is how …" is for readers of Go; here the table's name says it.
				text := strings.TrimPrefix(comments[inner.Name], inner.Name+" is ")
				text = strings.TrimPrefix(text, inner.Name+" ")
				b.WriteString("\n")
				comment(strings.ToUpper(text[:1]) + text[1:])
				b.WriteString("[" + key + "]\n")
				section(inner.Name, key+".")
				continue
			}
			if key == "-" {
				continue
			}
			if field.Doc != nil {
				b.WriteString("\n")
				comment(strings.ReplaceAll(field.Doc.Text(), "\t", "    "))
			}
			if _, ok := values[prefix+key]; !ok { // a list of tables, which its comment shows
				continue
			}
			value := fmt.Sprintf("%#v", values[prefix+key])
			if list, ok := values[prefix+key].([]string); ok && len(list) == 0 {
				value = "[]"
			}
			b.WriteString("#" + key + " = " + value + "\n")
		}
	}
	section("Config", "")
	return b.String()
}
