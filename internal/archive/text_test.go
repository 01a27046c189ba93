// SPDX-License-Identifier: Apache-2.0

package archive

import (
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/kith-im/kith/internal/db"
	"github.com/kith-im/kith/internal/db/dbtest"
	"github.com/kith-im/kith/internal/xmpp/jid"
	"github.com/kith-im/kith/internal/xmpp/xmlstream"
)

func TestWords(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("ab", 50)
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"nothing", "", nil},
		{"no words", " … !?", nil},
		{"words", "But, soft! what light", []string{"but", "soft", "what", "light"}},
		{"a word twice", "Romeo, Romeo", []string{"romeo"}},
		{"numbers", "at 9:30, x86", []string{"at", "9", "30", "x86"}},
		{"accents", "Été à la Straße, İ", []string{"ete", "a", "la", "straße", "i"}},
		{"other scripts", "Привет, Ёлка Ωμέγα", []string{"привет", "елка", "ωμεγα"}},
		{"wide letters", "ｗｉｄｅ", []string{"wide"}},
		{"without blanks", "東京都", []string{"東京", "京都", "都"}},
		{"one character", "x東y", []string{"x", "東", "y"}},
		{"blanks between", "東 京", []string{"東", "京"}},
		{"kana", "がんばれ", []string{"かん", "んは", "はれ", "れ"}},
		{"a word over and over", "some more " + strings.Repeat("word ", 10_000), []string{"some", "more", "word"}},
		{"a long word", long, []string{long[:maxWord]}},
		{"not UTF-8", "a\xffb c", []string{"ab", "c"}},
	} {
		if diff := cmp.Diff(c.want, words(nil, c.text, true)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
	if diff := cmp.Diff([]string{"東京", "京都", "x"}, search("東京都 x")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"東"}, search("東")); diff != "" {
		t.Error(diff)
	}
	if got := len(search(strings.Join(strings.Split("abcdefghijklmnopqrstuvwxyz", ""), " "))); got != maxSought {
		t.Errorf("%d words are searched for", got)
	}
}

// Each word can stand in the index and be searched for; and a text is found by itself, and by what any part of it begins
// with.
func FuzzWords(f *testing.F) {
	for _, s := range []string{"", "But, soft!", "Été 東京都 x", "a\xff", "ก็ᄀᄀ각", "ǅ ﬁ ①", "\u0345a\u0301"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 200 {
			return // each part of it is searched for
		}
		list := words(nil, text, true)
		for _, w := range list {
			if w == "" || len(w) > maxWord || !utf8.ValidString(w) || strings.ContainsAny(w, " \"*^:+-(){}") || w != strings.ToLower(w) && w != fold(w) {
				t.Errorf("%q has the word %q", text, w)
			}
		}
		found := func(sought string) {
			for _, w := range search(sought) {
				if len(list) < maxWords && !slices.ContainsFunc(list, func(l string) bool { return strings.HasPrefix(l, w) }) {
					t.Errorf("%q is not found by %q, for %q", text, sought, w)
				}
			}
		}
		found(text)
		for _, part := range strings.Fields(text) {
			for i := range part {
				found(part[:i])
			}
		}
	})
}

// What is indexed in one act is bounded by its length, too: everybody's messages wait for it.
func TestIndexedAtOnce(t *testing.T) {
	t.Parallel()
	accounts := db.Schema{Name: "an owner", FS: fstest.MapFS{
		"schema/0001_account.sql": {Data: []byte("CREATE TABLE account (id BIGINT PRIMARY KEY); INSERT INTO account (id) VALUES (1)")},
	}}
	d := dbtest.New(t, accounts, Schema())
	a := New(d, time.Now)
	body := strings.Repeat("word ", indexBytes/4/len("word "))
	raw := xmlstream.Raw(`<message xmlns="jabber:client"><body>` + body + `</body></message>`)
	for _, some := range []func(*db.Tx, int64) (int, error){indexTexts, indexPeers} {
		var acts []int
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for range 6 {
				if _, err := a.Append(tx, Entry{Owner: 1, Peer: jid.MustParse("romeo@kith.example"), Raw: raw}); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.Batched(t.Context(), func(tx *db.Tx) (n int, err error) {
			n, err = some(tx, 1)
			acts = append(acts, n)
			return n, err
		}); err != nil || slices.Max(acts) > 4 || len(acts) < 3 {
			t.Errorf("%v, %v", acts, err)
		}
	}
}
