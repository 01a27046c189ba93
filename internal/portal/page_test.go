// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"encoding/xml"
	"fmt"
	"io/fs"
	"math"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/language"
	"rsc.io/qr"

	"github.com/kith-im/kith/internal/invite"
)

// checkHTML finds what a browser would forgive silently: elements not closed, ids used twice or missing, and what the
// policy forbids.
func checkHTML(t *testing.T, page string) {
	t.Helper()
	if page == "" || !strings.HasPrefix(page, "<!doctype html>") {
		return
	}
	void := []string{"meta", "link", "input", "img", "br"}
	var open []string
	ids := map[string]bool{}
	var wanted []string
	for _, m := range regexp.MustCompile(`<(/?)([a-z0-9]+)((?:\s+[a-z-:]+(?:="[^"]*")?)*)\s*>`).FindAllStringSubmatch(page, -1) {
		name, attrs := m[2], m[3]
		if m[1] == "/" {
			if len(open) == 0 || open[len(open)-1] != name {
				t.Fatalf("</%s> closes %v", name, open)
			}
			open = open[:len(open)-1]
			continue
		}
		if !slices.Contains(void, name) {
			open = append(open, name)
		}
		if regexp.MustCompile(`\s(style|on[a-z]+)=`).MatchString(attrs) || name == "style" {
			t.Errorf("<%s%s> has what the policy forbids", name, attrs)
		}
		if name == "img" && !strings.Contains(attrs, "alt=") {
			t.Errorf("<img%s> has no alt", attrs)
		}
		for _, a := range regexp.MustCompile(`\s(id|for|aria-describedby|aria-controls)="([^"]*)"`).FindAllStringSubmatch(attrs, -1) {
			if a[1] != "id" {
				wanted = append(wanted, strings.Fields(a[2])...)
			} else if ids[a[2]] {
				t.Errorf("id %s is there twice", a[2])
			} else {
				ids[a[2]] = true
			}
		}
	}
	if len(open) > 0 {
		t.Errorf("not closed: %v", open)
	}
	if n := strings.Count(page, "<"); n != len(regexp.MustCompile(`<(/?[a-z0-9]+[\s>]|!doctype)`).FindAllString(page, -1)) {
		t.Errorf("%d times <, and not all of them begin an element", n)
	}
	for _, id := range wanted {
		if !ids[id] {
			t.Errorf("id %s is referred to and is not there", id)
		}
	}
	for _, part := range []string{"<title>", `<html lang="`, "<h1>", `<main id="content"`, `name="viewport"`} {
		if !strings.Contains(page, part) {
			t.Errorf("no %s", part)
		}
	}
	if strings.Contains(page, "ZgotmplZ") {
		t.Error("the template refused a value")
	}
}

func TestProblems(t *testing.T) {
	t.Parallel()
	p := newPortal(t, Options{})
	for code, next := range map[string]string{
		"bad-request": "/", "not-found": "/", "method": "/", "too-large": "/", "foreign": "/",
		"wrong-host": "https://kith.example/", "insecure": "https://kith.example/some%20where",
		"proxy": "", "too-fast": "", "no-app": "", "internal": "", "what is this": "/",
	} {
		for _, lang := range []string{"en", "de"} {
			r := httptest.NewRequest("GET", "/some%20where", nil)
			r.Header.Set("Accept-Language", lang)
			w := httptest.NewRecorder()
			p.Problem(w, r, 499, code)
			says(t, w, 499, `<html lang="`+lang+`"`)
			if strings.Contains(w.Body.String(), "http.") {
				t.Errorf("%s has no words", code)
			}
			if got := strings.Contains(w.Body.String(), `class="actions"`); got != (next != "") || !strings.Contains(w.Body.String(), `href="`+next) {
				t.Errorf("%s: does not lead to %q:\n%s", code, next, w.Body)
			}
		}
	}
	w := httptest.NewRecorder()
	p.Problem(w, httptest.NewRequest("GET", "/", nil), 421, "wrong-host")
	says(t, w, 421, "at home at https://kith.example.")
}

func TestAssets(t *testing.T) {
	t.Parallel()
	p := newPortal(t, Options{})
	for name, kind := range map[string]string{"portal.css": "text/css; charset=utf-8", "portal.js": "text/javascript; charset=utf-8", "mark.svg": "image/svg+xml"} {
		w := browse(p, "GET", p.assetPaths[name], nil)
		if w.Code != 200 || w.Header().Get("Content-Type") != kind || !strings.Contains(w.Header().Get("Cache-Control"), "immutable") {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
		if body := w.Body.String(); name != "portal.css" && strings.Contains(body, "style=") {
			t.Errorf("%s has inline style", name)
		}
	}
	says(t, browse(p, "GET", "/assets-portal/portal.css", nil), 404)
}

// The layout turns around for languages that are written from the right: nothing in it says left or right.
func TestStyleIsLogical(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/portal.css")
	if err != nil {
		t.Fatal(err)
	}
	if m := regexp.MustCompile(`(?m)^.*\b(left|right)\b.*[;{]`).FindAllString(regexp.MustCompile(`(?s)/\*.*?\*/`).ReplaceAllString(string(css), ""), -1); m != nil {
		t.Errorf("physical sides: %q", m)
	}
	for _, want := range []string{"prefers-color-scheme: dark", "prefers-reduced-motion", "forced-colors", ":focus-visible"} {
		if !strings.Contains(string(css), want) {
			t.Errorf("the style has no %s", want)
		}
	}
}

// WCAG 2.2 §1.4.3: 4.5 for text, §1.4.11: 3 for the edges of what one can use, in both themes.
func TestContrast(t *testing.T) {
	t.Parallel()
	css, err := os.ReadFile("assets/portal.css")
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(css), "@media (prefers-color-scheme: dark)", 2)
	light := colours(parts[0])
	dark := colours(strings.SplitN(parts[1], "\n}\n", 2)[0])
	for theme, c := range map[string]map[string]string{"light": light, "dark": dark} {
		for _, ground := range []string{"bg", "ground"} {
			for _, ink := range []string{"text", "muted", "accent", "danger", "warn", "good"} {
				atLeast(t, theme, c, ink, ground, 4.5)
			}
			atLeast(t, theme, c, "edge", ground, 3)
		}
		atLeast(t, theme, c, "on-accent", "accent", 4.5)
		atLeast(t, theme, c, "on-accent", "accent-press", 4.5)
		atLeast(t, theme, c, "accent", "accent-soft", 4.5)
		atLeast(t, theme, c, "text", "accent-soft", 4.5)
		atLeast(t, theme, c, "danger", "danger-soft", 4.5)
	}
}

func colours(css string) map[string]string {
	all := map[string]string{}
	for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{3,6});`).FindAllStringSubmatch(css, -1) {
		hex := m[2]
		if len(hex) == 3 {
			hex = fmt.Sprintf("%c%c%c%c%c%c", hex[0], hex[0], hex[1], hex[1], hex[2], hex[2])
		}
		all[m[1]] = hex
	}
	return all
}

func atLeast(t *testing.T, theme string, c map[string]string, ink, ground string, want float64) {
	t.Helper()
	if c[ink] == "" || c[ground] == "" {
		t.Fatalf("%s: no colour %s or %s", theme, ink, ground)
	}
	a, b := luminance(t, c[ink])+0.05, luminance(t, c[ground])+0.05
	if got := max(a, b) / min(a, b); got < want {
		t.Errorf("%s: %s on %s has a contrast of %.2f, want %.1f", theme, ink, ground, got, want)
	}
}

func luminance(t *testing.T, hex string) float64 {
	t.Helper()
	var sum float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		v := float64(n) / 255
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		sum += weight * v
	}
	return sum
}

func TestQRCode(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invite(invite.Request{})
		w := browse(h, "GET", path+"/qr.svg", nil)
		if w.Code != 200 || w.Header().Get("Content-Type") != "image/svg+xml" || w.Header().Get("Cache-Control") != "no-store" {
			t.Errorf("%d %v", w.Code, w.Header())
		}
		var svg struct {
			ViewBox string `xml:"viewBox,attr"`
			Path    struct {
				D string `xml:"d,attr"`
			} `xml:"path"`
		}
		if err := xml.Unmarshal(w.Body.Bytes(), &svg); err != nil {
			t.Fatal(err)
		}
		want, err := qr.Encode("https://kith.example"+path, qr.M)
		if err != nil {
			t.Fatal(err)
		}
		if box := fmt.Sprintf("0 0 %d %d", want.Size+8, want.Size+8); svg.ViewBox != box {
			t.Errorf("viewBox %s, want %s", svg.ViewBox, box)
		}
		dark := map[[2]int]bool{}
		for _, m := range regexp.MustCompile(`M(\d+) (\d+)h(\d+)v1h-(\d+)z`).FindAllStringSubmatch(svg.Path.D, -1) {
			x, _ := strconv.Atoi(m[1])
			y, _ := strconv.Atoi(m[2])
			n, _ := strconv.Atoi(m[3])
			for i := range n {
				dark[[2]int{x + i - quiet, y - quiet}] = true
			}
		}
		for y := range want.Size {
			for x := range want.Size {
				if dark[[2]int{x, y}] != want.Black(x, y) {
					t.Fatalf("module %d,%d is wrong", x, y)
				}
			}
		}
	})
}

func TestEveryLanguageSaysEverything(t *testing.T) {
	t.Parallel()
	all, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	places := func(s string) []string {
		list := regexp.MustCompile(`\{[a-z]+\}`).FindAllString(s, -1)
		slices.Sort(list)
		return slices.Compact(list)
	}
	for _, d := range all {
		for key, text := range all[0].words {
			other, ok := d.words[key]
			if !ok || other == "" {
				t.Errorf("%s: no %s", d.Lang(), key)
			} else if got, want := places(other), places(text); !slices.Equal(got, want) {
				t.Errorf("%s: %s has the places %v, want %v", d.Lang(), key, got, want)
			}
		}
		if len(d.words) != len(all[0].words) {
			t.Errorf("%s: %d texts, want %d", d.Lang(), len(d.words), len(all[0].words))
		}
	}
	// What the pages and the code ask for is there.
	source := ""
	for _, pattern := range []string{"*.go", "pages/*.html"} {
		names, err := fs.Glob(os.DirFS("."), pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			source += string(b)
		}
	}
	for _, m := range regexp.MustCompile(`\.([THN])[( ]"([a-z.-]+[a-z])"`).FindAllStringSubmatch(source, -1) {
		key := m[2]
		if m[1] == "N" {
			key += ".other"
		}
		if _, ok := all[0].words[key]; !ok {
			t.Errorf("no words for %s", key)
		}
	}
	for key := range all[0].words {
		stem := strings.TrimSuffix(strings.TrimSuffix(key, ".other"), ".one")
		if prefix, _, _ := strings.Cut(key, "."); prefix == "http" || prefix == "landing" || prefix == "expired" || prefix == "used" || prefix == "revoked" || prefix == "unknown" {
			continue // put together from parts
		}
		if !strings.Contains(source, `"`+stem+`"`) && !strings.Contains(source, `"`+key+`"`) {
			t.Errorf("nobody says %s", key)
		}
	}
}

func TestLanguages(t *testing.T) {
	t.Parallel()
	p := newPortal(t, Options{})
	for accept, want := range map[string]string{
		"": "en", "de": "de", "de-AT,de;q=0.9,en;q=0.5": "de", "fr,de;q=0.3": "de", "en-GB": "en", "xx": "en", ";;q=": "en",
	} {
		w := browse(p, "GET", "/invite/", nil, "Accept-Language", accept)
		if !strings.Contains(w.Body.String(), `<html lang="`+want+`" dir="ltr">`) || w.Header().Get("Vary") != "Accept-Language" {
			t.Errorf("%q is not answered in %s", accept, want)
		}
	}
	d := &dictionary{tag: language.Arabic, words: map[string]string{"x.few": "{n} few", "x.other": "{n} other", "y": "<{a}>"}}
	if got := d.Dir(); got != "rtl" {
		t.Errorf("Arabic is %s", got)
	}
	if got := d.N("x", 3) + ", " + d.N("x", 100); got != "3 few, 100 other" {
		t.Errorf("numbers: %s", got)
	}
	if got, want := string(d.H("y", "a", "&x")), "&lt;<bdi>&amp;x</bdi>&gt;"; got != want {
		t.Errorf("as HTML: %s, want %s", got, want)
	}
}

func TestStrength(t *testing.T) {
	t.Parallel()
	for password, want := range map[string]int{
		"":                      tooShort,
		"ninechars":             tooShort,
		"äöüßäöüßä":             tooShort,
		"aaaaaaaaaaaaaaaaaaaa":  weak,
		"1234567890":            weak,
		"abcdefghijklmnop":      weak,
		"Abababababab":          weak,
		"blue-giraffe":          good,
		"correct horse battery": strong,
		"Straße-im-Regen-0815":  strong,
	} {
		if got := strength(password); got != want {
			t.Errorf("%q: %d, want %d", password, got, want)
		}
	}
}

func FuzzSignUpFields(f *testing.F) {
	f.Add(" Juliet@Kith.example ", "correct horse")
	p := &Portal{o: Options{Domain: "kith.example"}}
	f.Fuzz(func(t *testing.T, name, password string) {
		if got := p.localpart(name); got != strings.TrimSpace(got) {
			t.Errorf("%q is %q", name, got)
		}
		if s := strength(password); (s == tooShort) != (utf8.RuneCountInString(password) < passwordMin) || s > strong {
			t.Errorf("%q has strength %d", password, s)
		}
		_ = letter(name)
	})
}
