// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"embed"
	"encoding/json"
	"fmt"
	"html"
	"html/template"
	"net/http"
	"path"
	"strconv"
	"strings"

	"golang.org/x/text/feature/plural"
	"golang.org/x/text/language"
)

//go:embed words/*.json
var wordFiles embed.FS

// languages are those we speak; the first is for everybody else. Each has a file words/TAG.json with the same keys.
var languages = []language.Tag{language.English, language.German}

// rightToLeft are the scripts that are written so.
var rightToLeft = map[string]bool{"Arab": true, "Hebr": true, "Syrc": true, "Thaa": true, "Nkoo": true, "Adlm": true}

// A dictionary is what the portal says in one language.
type dictionary struct {
	tag   language.Tag
	words map[string]string
}

// loadWords reads the files of all languages.
func loadWords() ([]*dictionary, error) {
	var all []*dictionary
	for _, tag := range languages {
		d := &dictionary{tag: tag}
		b, err := wordFiles.ReadFile(path.Join("words", tag.String()+".json"))
		if err == nil {
			err = json.Unmarshal(b, &d.words)
		}
		if err != nil {
			return nil, fmt.Errorf("portal: words of %s: %w", tag, err)
		}
		all = append(all, d)
	}
	return all, nil
}

// speak returns the dictionary that fits the request's Accept-Language best.
func (p *Portal) speak(r *http.Request) *dictionary {
	_, i := language.MatchStrings(p.matcher, r.Header.Get("Accept-Language"))
	return p.words[i]
}

// Lang is the language's tag, for the page's lang.
func (d *dictionary) Lang() string { return d.tag.String() }

// Dir is the direction of its script: "ltr" or "rtl".
func (d *dictionary) Dir() string {
	script, _ := d.tag.Script()
	if rightToLeft[script.String()] {
		return "rtl"
	}
	return "ltr"
}

// T returns a text with {key} replaced, for each pair of key and value. It is not HTML.
func (d *dictionary) T(key string, pairs ...string) string {
	for i := 0; i+1 < len(pairs); i += 2 {
		pairs[i] = "{" + pairs[i] + "}"
	}
	return strings.NewReplacer(pairs...).Replace(d.text(key))
}

// H is T as HTML, each value set apart, so that a name in another script does not turn the sentence around.
func (d *dictionary) H(key string, pairs ...string) template.HTML {
	for i := 0; i+1 < len(pairs); i += 2 {
		pairs[i], pairs[i+1] = "{"+pairs[i]+"}", "<bdi>"+html.EscapeString(pairs[i+1])+"</bdi>"
	}
	return template.HTML(strings.NewReplacer(pairs...).Replace(html.EscapeString(d.text(key)))) // both halves are escaped
}

// N returns the text for a number: key.one, key.few and so on as the language wants it, with {n} replaced.
func (d *dictionary) N(key string, n int) string {
	forms := map[plural.Form]string{
		plural.Zero: "zero", plural.One: "one", plural.Two: "two", plural.Few: "few", plural.Many: "many",
	}
	form, ok := forms[plural.Cardinal.MatchPlural(d.tag, n, 0, 0, 0, 0)]
	if _, has := d.words[key+"."+form]; !ok || !has {
		form = "other"
	}
	return d.T(key+"."+form, "n", strconv.Itoa(n))
}

// text returns the words for a key; the key itself where there are none, which a test rules out.
func (d *dictionary) text(key string) string {
	if s, ok := d.words[key]; ok {
		return s
	}
	return key
}
