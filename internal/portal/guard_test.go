// SPDX-License-Identifier: Apache-2.0

package portal

import (
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/kith-im/kith/internal/invite"
)

func TestFormsOfOthers(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		path := h.invite(invite.Request{Uses: 50}) + "/register"
		page := browse(h, "GET", path, nil)
		cookie, _, _ := strings.Cut(page.Header().Get("Set-Cookie"), ";")
		token := regexp.MustCompile(`name="form" value="([^"]+)"`).FindStringSubmatch(page.Body.String())[1]
		if all := page.Header().Get("Set-Cookie"); !strings.Contains(all, "HttpOnly") || !strings.Contains(all, "SameSite=Strict") ||
			!strings.Contains(all, "Secure") || !strings.Contains(all, "Path=/invite/") {
			t.Errorf("cookie %s", all)
		}
		other := browse(h, "GET", h.invite(invite.Request{})+"/register", nil)
		otherToken := regexp.MustCompile(`name="form" value="([^"]+)"`).FindStringSubmatch(other.Body.String())[1]
		for i, c := range []struct {
			name          string
			site, origin  string
			cookie, token string
			want          int
		}{
			{"a browser of today", "same-origin", "null", "", "", 303},
			{"a reload by hand", "none", "", "", "", 303},
			{"another site", "cross-site", "https://evil.example", cookie, token, 403},
			{"a neighbour", "same-site", "https://other.kith.example", cookie, token, 403},
			{"an old browser with an origin", "", "https://kith.example", "", "", 303},
			{"an old browser at another site", "", "https://evil.example", cookie, token, 403},
			{"an origin that is none", "", "https://%", cookie, token, 403},
			{"an old browser that says null", "", "null", cookie, token, 303},
			{"the same without its cookie", "", "null", "", token, 403},
			{"with another cookie", "", "null", "kith_form=AAAAAAAAAAAAAAAAAAAAAA", token, 403},
			{"with the token of another invitation", "", "null", cookie, otherToken, 403},
			{"one that says nothing", "", "", cookie, token, 303},
		} {
			form := fields("juliet"+string(rune('a'+i)), goodPassword)
			form.Set("form", c.token)
			w := browse(h, "POST", path, form, "Sec-Fetch-Site", c.site, "Origin", c.origin, "Cookie", c.cookie)
			if w.Code != c.want {
				t.Errorf("%s: %d, want %d", c.name, w.Code, c.want)
			}
		}
		again := browse(h, "GET", path, nil, "Cookie", cookie)
		if again.Header().Get("Set-Cookie") != "" || !strings.Contains(again.Body.String(), token) {
			t.Error("a second tab makes the first one's form stale")
		}
	})
}

func TestTooManyForms(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		left := 1
		h.maySignUp = func(*http.Request) bool { left--; return left >= 0 }
		path := h.invite(invite.Request{}) + "/register"
		says(t, browse(h, "POST", path, fields("juliet", "short")), 400)
		says(t, browse(h, "POST", path, fields("juliet", goodPassword)), 429, "Please wait a minute", `value="juliet"`)
	})
}

func TestLimitsAreAsked(t *testing.T) {
	t.Parallel()
	var asked []time.Duration
	newPortal(t, Options{Limit: func(every time.Duration, burst int) func(*http.Request) bool {
		asked = append(asked, every*time.Duration(burst))
		return nil
	}})
	if len(asked) != 2 || asked[0] != time.Minute || asked[1] != time.Minute {
		t.Errorf("got %v, want a minute's worth of both", asked)
	}
}

func TestIsTheNameFree(t *testing.T) {
	each(t, func(t *testing.T, h *house) {
		h.person("juliet")
		h.person("juliet.kith")
		path := h.invite(invite.Request{}) + "/name?q="
		kept := h.invite(invite.Request{Name: "mercutio"})
		type answer struct {
			Free  bool
			Text  string
			Names []string
		}
		for asked, want := range map[string]answer{
			"romeo":               {true, "romeo@kith.example is free.", []string{}},
			"+Romeo@kith.example": {true, "romeo@kith.example is free.", []string{}},
			"a+b":                 {false, "This name does not work. Please use letters and digits; dots and dashes may stand between them.", []string{}},
			"root":                {false, "This name is kept for the server. Please choose another one.", []string{}},
			"":                    {false, "Please choose a name.", []string{}},
		} {
			w := browse(h, "GET", path+asked, nil)
			var got answer
			if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil || w.Header().Get("Cache-Control") != "no-store" {
				t.Fatalf("%s: %v, %s", asked, err, w.Body)
			}
			if got.Free != want.Free || got.Text != want.Text || len(got.Names) != 0 {
				t.Errorf("%q: %+v, want %+v", asked, got, want)
			}
		}
		var got answer
		if err := json.Unmarshal(browse(h, "GET", path+"JULIET", nil).Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		if got.Free || len(got.Names) != suggestions {
			t.Errorf("a taken name: %+v", got)
		}
		for _, name := range got.Names {
			if !h.free(t.Context(), name) {
				t.Errorf("%s is not free", name)
			}
		}
		for asked, want := range map[string]bool{path + "mercutio": false, kept + "/name?q=mercutio": true} {
			if err := json.Unmarshal(browse(h, "GET", asked, nil).Body.Bytes(), &got); err != nil || got.Free != want {
				t.Errorf("a name that is kept, at %s: %+v, %v", asked, got, err)
			}
		}
		h.mayAsk = func(*http.Request) bool { return false }
		if w := browse(h, "GET", path+"romeo", nil); w.Code != 429 {
			t.Errorf("too many questions: %d", w.Code)
		}
	})
}
