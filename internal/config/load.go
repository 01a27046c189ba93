// SPDX-License-Identifier: Apache-2.0

package config

import (
	_ "embed" // for example.toml
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"reflect"
	"regexp"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// DefaultFile is the file that is read if no other is named and it exists.
const DefaultFile = "kith.toml"

// Example is a configuration file with every option, its manual and its default.
//
//go:embed example.toml
var Example string

// Load reads the configuration from a file and from variables of the environment, in the form of os.Environ, and checks
// it. file is "" for DefaultFile, which need not exist; any other must. The error tells everything that is wrong, a line
// for each, in words for the person who wrote the file.
func Load(file string, environ []string) (Config, error) {
	source, err := readSource(file, environ)
	if err != nil {
		return Config{}, err
	}
	c := Defaults(source.domain())
	c.File = source.file
	problems := append(source.decode(&c), source.overlay(&c)...)
	if len(problems) == 0 {
		problems = complete(&c, source.where)
	}
	if len(problems) > 0 {
		return Config{}, errors.Join(problems...)
	}
	return c, nil
}

// A source is what was given: the text of the file and the variables.
type source struct {
	file      string // "" if there is none
	text      string
	variables map[string]string
}

func readSource(file string, environ []string) (*source, error) {
	s := &source{file: file, variables: map[string]string{}}
	for _, v := range environ {
		if name, value, ok := strings.Cut(v, "="); ok {
			s.variables[name] = value
		}
	}
	named := file != ""
	if !named {
		s.file = DefaultFile
	}
	b, err := os.ReadFile(s.file)
	if errors.Is(err, fs.ErrNotExist) && !named {
		s.file = ""
		return s, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	s.text = string(b)
	return s, nil
}

// domain finds the domain, on which defaults depend, before all else. What is wrong with the file is found later.
func (s *source) domain() string {
	if v, ok := s.variables[variable("domain")]; ok {
		return v
	}
	var first struct{ Domain string }
	if _, err := toml.Decode(s.text, &first); err == nil && first.Domain != "" {
		return first.Domain
	}
	return "localhost"
}

// decode reads the file into c.
func (s *source) decode(c *Config) (problems []error) {
	meta, err := toml.Decode(s.text, c)
	if err != nil {
		return []error{s.explain(err)}
	}
	for _, key := range meta.Undecoded() {
		k := strings.Join(key, ".")
		hint := ""
		if n := nearest(k); n != "" {
			hint = fmt.Sprintf("; did you mean %s?", n)
		}
		problems = append(problems, fmt.Errorf("%s: there is no option %s%s", s.line(k), k, hint))
	}
	return problems
}

// mismatch is how the library words a value of the wrong kind: line, key, the kind it has, the kind it should have.
var mismatch = regexp.MustCompile(`line (\d+) \(last key "(.*)"\): incompatible types: TOML value has type (\w+); destination has type (\w+)`)

// explain puts an error of the library into our form.
func (s *source) explain(err error) error {
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		return fmt.Errorf("%s:%d: %s", s.file, e.Position.Line, strings.TrimPrefix(e.Message, "toml: "))
	}
	if m := mismatch.FindStringSubmatch(err.Error()); m != nil {
		return fmt.Errorf("%s:%s: %s: this takes %s, not %s", s.file, m[1], m[2], m[4], m[3])
	}
	return fmt.Errorf("%s: %w", s.file, err)
}

// overlay sets what the environment says.
func (s *source) overlay(c *Config) (problems []error) {
	for key, field := range options(c) {
		text, ok := s.variables[variable(key)]
		if !ok {
			continue
		}
		switch field.Kind() {
		case reflect.String:
			field.SetString(text)
		case reflect.Int, reflect.Int64:
			n, err := strconv.ParseInt(text, 10, field.Type().Bits())
			if err != nil {
				problems = append(problems, fmt.Errorf("%s: %q is not a whole number", variable(key), text))
				continue
			}
			field.SetInt(n)
		case reflect.Bool:
			switch text {
			case "true":
				field.SetBool(true)
			case "false":
				field.SetBool(false)
			default:
				problems = append(problems, fmt.Errorf("%s: %q is neither true nor false", variable(key), text))
			}
		case reflect.Slice:
			var list []string
			for part := range strings.SplitSeq(text, ",") {
				if part = strings.TrimSpace(part); part != "" {
					list = append(list, part)
				}
			}
			field.Set(reflect.ValueOf(list))
		default:
			panic("config: no variable can hold " + key)
		}
	}
	return problems
}

// where says where the value of key comes from.
func (s *source) where(key string) string {
	if _, ok := s.variables[variable(key)]; ok {
		return variable(key)
	}
	if s.file == "" {
		return key
	}
	return s.line(key)
}

// line finds the line of the file that sets key. The library that reads the file does not tell; here a file of tables
// and plain keys is enough, and for anything else the file alone is named.
func (s *source) line(key string) string {
	table, n := "", 0
	for l := range strings.SplitSeq(s.text, "\n") {
		n++
		l = strings.TrimSpace(l)
		if t, ok := strings.CutPrefix(l, "["); ok {
			t, _, _ = strings.Cut(strings.TrimPrefix(t, "["), "]") // of [[lists]] the first is shown
			table = bareKey(t) + "."
			if table == key+"." {
				return fmt.Sprintf("%s:%d", s.file, n)
			}
			continue
		}
		name, _, ok := strings.Cut(l, "=")
		if !ok || strings.HasPrefix(l, "#") {
			continue
		}
		if k := table + bareKey(name); k == key || strings.HasPrefix(key, k+".") {
			return fmt.Sprintf("%s:%d", s.file, n)
		}
	}
	return s.file
}

// bareKey strips quotes and space from a dotted key.
func bareKey(s string) string {
	return strings.NewReplacer(`"`, "", "'", "", " ", "", "\t", "").Replace(s)
}

// options yields every option of c with its key, but not lists of tables.
func options(c *Config) iter.Seq2[string, reflect.Value] {
	return func(yield func(string, reflect.Value) bool) {
		walk("", reflect.ValueOf(c).Elem(), yield)
	}
}

func walk(prefix string, v reflect.Value, yield func(string, reflect.Value) bool) bool {
	for f, field := range v.Fields() {
		key := f.Tag.Get("toml")
		switch {
		case key == "-", field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
		case field.Kind() == reflect.Struct:
			if !walk(prefix+key+".", field, yield) {
				return false
			}
		case !yield(prefix+key, field):
			return false
		}
	}
	return true
}

// variable is the name of the variable that sets key.
func variable(key string) string {
	return "KITH_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// nearest returns the option whose key is most like key, "" if none is like it.
func nearest(key string) string {
	best, least := "", 1+len(key)/3
	for k := range options(&Config{}) {
		if d := distance(key, k); d < least {
			best, least = k, d
		}
		if _, last, _ := strings.Cut(k, "."); last == key {
			return k // the name is right, and its table is missing
		}
	}
	return best
}

// distance counts the letters that must be added, removed or changed to make b out of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := before
			if a[i] != b[j] {
				cost++
			}
			before = row[j+1]
			row[j+1] = min(cost, row[j]+1, before+1)
		}
	}
	return row[len(b)]
}
